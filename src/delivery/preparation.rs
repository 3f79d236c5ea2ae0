//! Making a delivery ready to send: what its relay fetches, whether it is still wanted, and its message.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, join_all};
use futures::stream::{FuturesOrdered, StreamExt};
use tracing::warn;

use super::fetcher::Fetcher;
use crate::event::Event;
use crate::fault::Fault;
use crate::message::{Markup, Message};
use crate::relay::{FetchOutcome, Fetched, Quiet, Relay, Relays};
use crate::sources::Source;
use crate::store::Delivery;

/// Turns a lane's deliveries into messages: by their relays, or in any other way.
pub trait Preparation: Send + Sync + 'static {
    /// `brief`: only a digest counts this delivery, so what is fetched for its text alone is left out.
    fn prepare(self: &Arc<Self>, delivery: Delivery, brief: bool) -> Preparing;

    /// The quiet rules of that relay ([`Prepared::relay`]), where there are relays.
    fn quiet(&self, _relay: usize) -> Option<&Quiet> {
        None
    }
}

/// Most deliveries fetch nothing, so they need no future.
pub enum Preparing {
    Done(Prepared),
    Fetching(BoxFuture<'static, Prepared>),
}

impl Preparing {
    fn into_future(self) -> BoxFuture<'static, Prepared> {
        match self {
            Self::Done(prepared) => std::future::ready(prepared).boxed(),
            Self::Fetching(fetching) => fetching,
        }
    }
}

#[derive(Debug)]
pub struct Prepared {
    pub delivery: Delivery,
    /// The number of its relay, resolved once. None: it has no relay, or no longer.
    pub relay: Option<usize>,
    pub content: Content,
}

#[derive(Debug)]
pub enum Content {
    /// `group`: the value of the relay's `group.by`.
    /// `complete`: with everything that the relay fetches.
    Message { message: Box<Message>, group: Option<String>, complete: bool },
    /// `when` is false for the fetched data.
    Unwanted,
    /// It cannot be rendered, and trying again would not help.
    Failed(Fault),
}

/// The preparation of everything that comes from `[[relay]]`.
#[derive(Debug)]
pub struct RelayPreparation<S> {
    pub relays: Arc<Relays>,
    pub fetcher: Arc<Fetcher<S>>,
    pub markup: Markup,
    /// The sink's kind: selects the `raw` payload.
    pub kind: &'static str,
}

impl<S: Source + Send + Sync + 'static> Preparation for RelayPreparation<S> {
    fn prepare(self: &Arc<Self>, delivery: Delivery, brief: bool) -> Preparing {
        let Some(number) = self.relays.number(&delivery.relay) else {
            let why = format!("relays.toml no longer has the relay `{}`, which renders this", delivery.relay);
            let content = Content::Failed(Fault::new("no_relay", why));
            return Preparing::Done(Prepared { delivery, relay: None, content });
        };
        let relay = self.relays.get(number);
        let decides = || relay.decides_late() || !relay.quiet().is_default();
        if !relay.fetches() || (brief && !decides()) {
            let content = self.render(relay, &delivery.event, &Fetched::default(), !relay.fetches());
            return Preparing::Done(Prepared { delivery, relay: Some(number), content });
        }
        let preparation = Arc::clone(self);
        let fetching = async move {
            let relay = preparation.relays.get(number);
            let fetched = preparation.fetch(relay, &delivery.event).await;
            let content = preparation.render(relay, &delivery.event, &fetched, true);
            Prepared { delivery, relay: Some(number), content }
        };
        Preparing::Fetching(fetching.boxed())
    }

    fn quiet(&self, relay: usize) -> Option<&Quiet> {
        Some(self.relays.get(relay).quiet())
    }
}

impl<S: Source> RelayPreparation<S> {
    async fn fetch(&self, relay: &Relay, event: &Event) -> Fetched {
        let requests = relay.references(event).into_iter().map(|wanted| async move {
            let outcome = match wanted.reference {
                Ok(None) => FetchOutcome::NotAsked,
                Ok(Some(reference)) => match self.fetcher.look_up(&event.source, &reference).await {
                    Ok(value) => FetchOutcome::Found(value),
                    Err(fault) => FetchOutcome::Failed(fault),
                },
                Err(fault) => FetchOutcome::Failed(fault),
            };
            (wanted.name, outcome)
        });
        let mut fetched = Fetched::default();
        for (name, outcome) in join_all(requests).await {
            fetched.put(name, outcome);
        }
        fetched
    }

    fn render(&self, relay: &Relay, event: &Arc<Event>, fetched: &Fetched, complete: bool) -> Content {
        match relay.still_wants(event, fetched) {
            Ok(true) => {}
            Ok(false) => return Content::Unwanted,
            // Rather one message too many than one lost.
            Err(fault) => warn!(relay = %relay.name, event = %event.id, "cannot evaluate `when`, sending it: {fault}"),
        }
        let group = relay.quiet().group_of(event, &relay.name, fetched).transpose().unwrap_or_else(|fault| {
            warn!(relay = %relay.name, event = %event.id, "cannot render `group.by`, grouping it under an empty value: {fault}");
            Some(String::new())
        });
        match relay.render(event, fetched, self.markup, self.kind) {
            Ok(message) => Content::Message { message: Box::new(message), group, complete },
            Err(fault) => Content::Failed(fault),
        }
    }
}

/// A lane's preparations under way, in the order of the deliveries.
pub(super) struct Preparations<P> {
    preparation: Arc<P>,
    under_way: FuturesOrdered<BoxFuture<'static, Prepared>>,
    /// Prepared for a digest that they could not join.
    incomplete: Vec<Delivery>,
}

impl<P: Preparation> Preparations<P> {
    pub(super) fn new(preparation: Arc<P>) -> Self {
        Self { preparation, under_way: FuturesOrdered::new(), incomplete: Vec::new() }
    }

    pub(super) fn quiet(&self, relay: usize) -> Option<&Quiet> {
        self.preparation.quiet(relay)
    }

    /// Some: it is ready, and nothing before it is under way.
    pub(super) fn start(&mut self, delivery: Delivery, brief: bool) -> Option<Prepared> {
        match self.preparation.prepare(delivery, brief) {
            Preparing::Done(prepared) if self.under_way.is_empty() => Some(prepared),
            preparing => {
                self.under_way.push_back(preparing.into_future());
                None
            }
        }
    }

    /// It is sent by itself, so it is prepared again in full, behind those that are already under way.
    pub(super) fn again(&mut self, delivery: Delivery) {
        self.incomplete.push(delivery);
    }

    pub(super) fn start_again(&mut self) {
        for delivery in std::mem::take(&mut self.incomplete) {
            self.under_way.push_back(self.preparation.prepare(delivery, false).into_future());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// The next in order; waits for ever where nothing is under way. Cancel safe.
    pub(super) async fn next(&mut self) -> Prepared {
        match self.under_way.next().await {
            Some(prepared) => prepared,
            None => std::future::pending().await,
        }
    }
}
