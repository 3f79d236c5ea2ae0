//! Any WebSocket that sends JSON: what an event is called and when it happened is said in relays.toml.

mod config;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::{AlertTexts, Source};
use crate::event::{Body, Event, Name};
use crate::fault::Fault;
use crate::ingress::{Arrived, Known};
use crate::log_limiter::LogLimiter;
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::websocket::{LONGEST_MESSAGE, News, ReconnectingSocket, unless_stopped};

pub(super) use config::Config;

#[derive(Debug)]
pub struct Websocket {
    config: Config,
    net: Outbound,
}

impl Websocket {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "Source {{ event.subject }} is lost: {{ data.why }}",
        back: "Source {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        Self { config, net: net.clone() }
    }
}

impl Source for Websocket {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let Config { stream, habits, .. } = &self.config;
        let tls = stream.is_secure().then(|| self.net.tls()).transpose()?;
        let wire = ReconnectingSocket::new(out.source(), stream, tls, habits, stop);
        let (skips, troubles) = (LogLimiter::default(), LogLimiter::default());
        Ear { config: &self.config, wire, out, stop, skips, troubles }.listen().await
    }

    async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
        match &self.config.api {
            Some(api) => api.look_up(&self.net, reference).await,
            None => {
                Err(Fault::new("no_look_up", "this source has no API to fetch from; give it one with the key `api`"))
            }
        }
    }
}

struct Ear<'a> {
    config: &'a Config,
    wire: ReconnectingSocket<'a>,
    out: &'a Outbox,
    stop: &'a Stop,
    skips: LogLimiter,
    /// With templates, not with what came.
    troubles: LogLimiter,
}

impl Ear<'_> {
    async fn listen(mut self) -> Result<(), Fault> {
        loop {
            match self.wire.next().await {
                News::Open => self.subscribe().await,
                News::Standing => {}
                News::Text(text) => match Body::parse(text.as_str()) {
                    Ok(body) => self.take(body).await?,
                    Err(error) => self.skip(&error),
                },
                News::Binary => self.skip(&"it is binary"),
                News::Lost(fault) => self.out.down(fault),
                News::Stopped => return Ok(()),
            }
        }
    }

    /// The line is up when everything is asked for.
    async fn subscribe(&mut self) {
        for message in &self.config.subscribe {
            if let Some(Err(fault)) = self.wire.say(message.expose()).await {
                return self.out.down(fault);
            }
        }
        self.out.up();
    }

    async fn take(&mut self, body: Body) -> Result<(), Fault> {
        let answer = self.answer(&body);
        if !self.is_ignored(&body) {
            let events = match self.events(body) {
                Ok(events) => events,
                Err(why) => {
                    self.skip(&why);
                    return Ok(());
                }
            };
            let handed = hand_over(self.out, events, self.config.ack.is_some());
            // If the stop comes first, the wire hears it too, and nothing is answered.
            match unless_stopped(self.stop, handed).await {
                Some(handed) => handed?,
                None => return Ok(()),
            }
        }
        if let Some(answer) = answer
            && let Some(Err(fault)) = self.wire.say(&answer).await
        {
            self.out.down(fault);
        }
        Ok(())
    }

    fn is_ignored(&mut self, body: &Body) -> bool {
        let Some(ignore) = &self.config.ignore else { return false };
        ignore.holds_of(body).unwrap_or_else(|fault| {
            self.troubles.note(self.out.source(), "`ignore` could not be decided", fault);
            false
        })
    }

    fn events(&mut self, body: Body) -> Result<Vec<Event>, String> {
        let Config { labels, split, .. } = self.config;
        let (out, troubles) = (self.out, &mut self.troubles);
        let mut failed = |fault| troubles.note(out.source(), "a label of an event is left out", fault);
        let arrived = Arrived { source: out.source(), kind: out.kind(), at: Timestamp::now() };
        let whole = labels.mention("body").then(|| (Name::from("body"), Arc::clone(body.value())));
        let others: Vec<_> = whole.into_iter().collect();
        let parts = match split {
            Some(split) => split.elements(&body).map_err(|unreadable| unreadable.to_string())?,
            None => vec![body],
        };
        Ok(parts.into_iter().map(|data| labels.event(data, Known::default(), &others, arrived, &mut failed)).collect())
    }

    /// What the peer wants to hear about this, if anything.
    fn answer(&mut self, body: &Body) -> Option<String> {
        let said = self.config.ack.as_ref()?.render_data(body, &[]);
        let said = said.and_then(|text| {
            let long = || Fault::new("ack", format!("the answer is longer than {LONGEST_MESSAGE} bytes"));
            if text.len() > LONGEST_MESSAGE { Err(long()) } else { Ok(text.trim().to_owned()) }
        });
        match said {
            Ok(text) => Some(text).filter(|text| !text.is_empty()),
            Err(fault) => {
                self.troubles.note(self.out.source(), "a message was not answered", fault);
                None
            }
        }
    }

    fn skip(&mut self, why: &dyn Display) {
        self.out.skipped();
        self.skips.note(self.out.source(), "a message that is no event was skipped", why);
    }
}

/// Who is told that we have it is told the truth: only what is on disk is answered. A stream that asks for nothing need not wait.
async fn hand_over(out: &Outbox, events: Vec<Event>, is_answered: bool) -> Result<(), Fault> {
    if is_answered {
        return out.put_all(events, None).await;
    }
    for event in events {
        out.offer(event).await?;
    }
    Ok(())
}
