//! Tutum's stream of events, and Docker Cloud's, its successor of the same shape.
//!
//! Both services are gone, but other servers speak the same protocol, so every address is a key.

mod config;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use serde_json::Value;
use tracing::{debug, info};

use super::{AlertTexts, Source};
use crate::event::Body;
use crate::fault::Fault;
use crate::log_limiter::LogLimiter;
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::websocket::{ReconnectingSocket, SocketEvent, unless_stopped};

pub(super) use config::Config;
use parse::{Parsed, Parser};

#[derive(Debug)]
pub struct Tutum {
    config: Config,
    parser: Parser,
    net: Outbound,
}

impl Tutum {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "Tutum Stream connection closed.",
        back: "Tutum Stream connection open.",
        key: Some("tutum-stream"),
    };

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        Self { config, parser: Parser::new(), net: net.clone() }
    }
}

impl Source for Tutum {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let Config { stream, connection, .. } = &self.config;
        let tls = stream.is_secure().then(|| self.net.tls()).transpose()?;
        let socket = ReconnectingSocket::new(out.source(), stream, tls, connection, stop);
        StreamReader { tutum: self, socket, out, stop, is_up: false, skipped_log: LogLimiter::default() }.read().await
    }

    async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
        self.config.api.look_up(&self.net, reference).await
    }
}

struct StreamReader<'a> {
    tutum: &'a Tutum,
    socket: ReconnectingSocket<'a>,
    out: &'a Outbox,
    stop: &'a Stop,
    /// The socket opens before the service checks the credentials, so the source is not up as soon as it is connected.
    is_up: bool,
    skipped_log: LogLimiter,
}

impl StreamReader<'_> {
    async fn read(mut self) -> Result<(), Fault> {
        loop {
            match self.socket.next().await {
                SocketEvent::Connected => self.is_up = false,
                // Some servers send no `auth` message; one that has not refused us by now has accepted us.
                SocketEvent::Stable => self.up(),
                SocketEvent::Text(text) => match Body::parse(text.as_str()) {
                    Ok(body) => self.handle(self.tutum.parser.parse(body, self.out)).await?,
                    Err(error) => self.skip(error),
                },
                SocketEvent::Binary => self.skip("it is binary"),
                SocketEvent::Lost(fault) => self.out.down_after(fault, self.socket.silent_for()),
                SocketEvent::Stopped => return Ok(()),
            }
        }
    }

    async fn handle(&mut self, message: Parsed) -> Result<(), Fault> {
        match message {
            Parsed::Event(event) => {
                self.up();
                self.socket.delivered();
                // If the stop comes first, the socket stops as well.
                return unless_stopped(self.stop, self.out.offer(event)).await.unwrap_or(Ok(()));
            }
            Parsed::AuthSucceeded => {
                info!(source = %self.out.source(), "authenticated");
                self.up();
            }
            Parsed::AuthFailed => {
                let why = format!("the stream refuses {}", self.tutum.config.credentials);
                self.out.down(self.socket.close_refused(why).await);
            }
            Parsed::Notice(body) => {
                debug!(source = %self.out.source(), notice = body.text(), "ignored a notice, which is not an event");
                self.up();
            }
        }
        Ok(())
    }

    fn up(&mut self) {
        if !std::mem::replace(&mut self.is_up, true) {
            self.out.up();
        }
    }

    fn skip(&mut self, why: impl Display) {
        self.out.skipped();
        self.skipped_log.note(self.out.source(), "skipped a message that is not an event", why);
    }
}
