//! Making a delivery ready to send: what its relay fetches, whether it is still wanted, and the words.

use std::sync::Arc;

use futures::future::join_all;

use super::fetch::Fetcher;
use crate::event::Event;
use crate::fault::Fault;
use crate::message::{Markup, Message};
use crate::relay::{FetchOutcome, Fetched, Relay, Relays};
use crate::sources::Source;
use crate::store::Delivery;

/// What became of the preparation.
#[derive(Debug)]
pub(super) enum Prepared {
    /// `group`: what its relay's `group.by` makes of it.
    /// `in_full`: with all that its relay fetches.
    Ready { message: Box<Message>, group: Option<String>, in_full: bool },
    /// A `when` over fetched data said no.
    Unwanted,
    /// It cannot be said, and trying again would not help.
    Hopeless(Fault),
}

/// What all deliveries of one lane are prepared with.
#[derive(Debug)]
pub(super) struct Preparation<S> {
    pub relays: Arc<Relays>,
    pub fetcher: Arc<Fetcher<S>>,
    pub markup: Markup,
    /// The sink's kind: which `raw` payload is meant for it.
    pub kind: &'static str,
}

impl<S: Source> Preparation<S> {
    /// Whether preparing means waiting for somebody else's API. In a storm nothing is fetched that decides nothing: of what
    /// is counted in a digest nobody reads the rest.
    pub(super) fn needs_fetch(&self, delivery: &Delivery, storm: bool) -> bool {
        let decides = |relay: &Relay| relay.decides_late() || !relay.quiet().is_default();
        let needs = |relay: &Relay| relay.fetches() && (!storm || decides(relay));
        self.relays.by_name(&delivery.relay).is_some_and(needs)
    }

    pub(super) async fn prepare(&self, delivery: &Delivery) -> Prepared {
        let Some(relay) = self.relays.by_name(&delivery.relay) else { return relay_is_gone(delivery) };
        let fetched = self.fetch(relay, &delivery.event).await;
        self.word(relay, &delivery.event, &fetched, true)
    }

    /// The same for deliveries that fetch nothing, which is most of them: without a future.
    pub(super) fn prepare_now(&self, delivery: &Delivery) -> Prepared {
        match self.relays.by_name(&delivery.relay) {
            Some(relay) => self.word(relay, &delivery.event, &Fetched::default(), !relay.fetches()),
            None => relay_is_gone(delivery),
        }
    }

    async fn fetch(&self, relay: &Relay, event: &Event) -> Fetched {
        let asked = relay.references(event).into_iter().map(|wanted| async move {
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
        for (name, outcome) in join_all(asked).await {
            fetched.put(name, outcome);
        }
        fetched
    }

    fn word(&self, relay: &Relay, event: &Arc<Event>, fetched: &Fetched, in_full: bool) -> Prepared {
        match relay.still_wants(event, fetched) {
            Ok(true) => {}
            Ok(false) => return Prepared::Unwanted,
            // What cannot be decided is said rather than lost.
            Err(fault) => {
                tracing::warn!(relay = %relay.name, event = %event.id, "cannot decide, so it is sent: {fault}");
            }
        }
        let group = relay.quiet().group_of(event, &relay.name, fetched).transpose().unwrap_or_else(|fault| {
            tracing::warn!(relay = %relay.name, event = %event.id, "cannot tell its group, so it goes with the others: {fault}");
            Some(String::new())
        });
        match relay.render(event, fetched, self.markup, self.kind) {
            Ok(message) => Prepared::Ready { message: Box::new(message), group, in_full },
            Err(fault) => Prepared::Hopeless(fault),
        }
    }
}

fn relay_is_gone(delivery: &Delivery) -> Prepared {
    let said = format!("relays.toml has no relay `{}` any more, so nobody can word this", delivery.relay);
    Prepared::Hopeless(Fault::new("no_relay", said))
}
