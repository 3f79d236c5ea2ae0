//! Any WebSocket that sends JSON. relays.toml says how messages become events.

mod config;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::source::{AlertTexts, Source, alert_texts};
use crate::event::{Body, Event, Name};
use crate::fault::Fault;
use crate::ingress::{Arrived, Known};
use crate::log_limiter::LogLimiter;
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::websocket::{LONGEST_MESSAGE, ReconnectingSocket, SocketEvent, unless_stopped};

pub(super) use config::Config;

#[derive(Debug)]
pub struct Websocket {
    config: Config,
    net: Outbound,
}

impl Websocket {
    pub(super) const ALERT_TEXTS: AlertTexts = alert_texts!("Source");

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        Self { config, net: net.clone() }
    }
}

impl Source for Websocket {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let Config { stream, connection, .. } = &self.config;
        let tls = stream.is_secure().then(|| self.net.tls()).transpose()?;
        let socket = ReconnectingSocket::new(out.source(), stream, tls, connection, stop);
        let (skipped_log, template_log) = (LogLimiter::default(), LogLimiter::default());
        StreamReader { config: &self.config, socket, out, stop, skipped_log, template_log }.read().await
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

struct StreamReader<'a> {
    config: &'a Config,
    socket: ReconnectingSocket<'a>,
    out: &'a Outbox,
    stop: &'a Stop,
    /// For messages that cannot be read.
    skipped_log: LogLimiter,
    /// For templates and conditions of relays.toml that fail.
    template_log: LogLimiter,
}

impl StreamReader<'_> {
    async fn read(mut self) -> Result<(), Fault> {
        loop {
            match self.socket.next().await {
                SocketEvent::Connected => self.subscribe().await,
                SocketEvent::Stable => {}
                SocketEvent::Text(text) => match Body::parse(text.as_str()) {
                    Ok(body) => self.handle(body).await?,
                    Err(error) => self.skip(&error),
                },
                SocketEvent::Binary => self.skip(&"it is binary"),
                SocketEvent::Lost(fault) => self.out.down_after(fault, self.socket.silent_for()),
                SocketEvent::Stopped => return Ok(()),
            }
        }
    }

    /// The source is up once every subscription is sent.
    async fn subscribe(&mut self) {
        for message in &self.config.subscribe {
            if let Some(Err(fault)) = self.socket.send(message.expose()).await {
                return self.out.down(fault);
            }
        }
        self.out.up();
    }

    async fn handle(&mut self, body: Body) -> Result<(), Fault> {
        let answer = self.answer(&body);
        if !self.is_ignored(&body) {
            let events = match self.events(body) {
                Ok(events) => events,
                Err(why) => {
                    self.skip(&why);
                    return Ok(());
                }
            };
            self.socket.delivered();
            let put = put(self.out, events, self.config.ack.is_some());
            // If the stop comes first, the socket stops as well, and nothing is answered.
            match unless_stopped(self.stop, put).await {
                Some(put) => put?,
                None => return Ok(()),
            }
        }
        if let Some(answer) = answer
            && let Some(Err(fault)) = self.socket.send(&answer).await
        {
            self.out.down(fault);
        }
        Ok(())
    }

    fn is_ignored(&mut self, body: &Body) -> bool {
        let Some(ignore) = &self.config.ignore else { return false };
        ignore.holds_of(body).unwrap_or_else(|fault| {
            self.template_log.note(self.out.source(), "`ignore` could not be evaluated", fault);
            false
        })
    }

    fn events(&mut self, body: Body) -> Result<Vec<Event>, String> {
        let Config { labels, split, .. } = self.config;
        let (out, log) = (self.out, &mut self.template_log);
        let mut failed = |fault| log.note(out.source(), "a label of an event is left out", fault);
        let arrived = Arrived { source: out.source(), kind: out.kind(), at: Timestamp::now() };
        let whole = labels.mention("body").then(|| (Name::from("body"), Arc::clone(body.value())));
        let others: Vec<_> = whole.into_iter().collect();
        let parts = match split {
            Some(split) => split.elements(&body).map_err(|unreadable| unreadable.to_string())?,
            None => vec![body],
        };
        Ok(parts.into_iter().map(|data| labels.event(data, Known::default(), &others, arrived, &mut failed)).collect())
    }

    /// What `ack` renders for this message, if anything.
    fn answer(&mut self, body: &Body) -> Option<String> {
        let rendered = self.config.ack.as_ref()?.render_data(body, &[]);
        let rendered = rendered.and_then(|text| {
            let too_long = || Fault::new("ack", format!("the answer is longer than {LONGEST_MESSAGE} bytes"));
            if text.len() > LONGEST_MESSAGE { Err(too_long()) } else { Ok(text.trim().to_owned()) }
        });
        match rendered {
            Ok(text) => Some(text).filter(|text| !text.is_empty()),
            Err(fault) => {
                self.template_log.note(self.out.source(), "a message was not answered", fault);
                None
            }
        }
    }

    fn skip(&mut self, why: &dyn Display) {
        self.out.skipped();
        self.skipped_log.note(self.out.source(), "skipped a message that is not an event", why);
    }
}

/// A message is answered only once its events are on disk. Without answers there is no need to wait for the commit.
async fn put(out: &Outbox, events: Vec<Event>, is_answered: bool) -> Result<(), Fault> {
    if is_answered {
        return out.put_all(events, None).await;
    }
    for event in events {
        out.offer(event).await?;
    }
    Ok(())
}
