//! Tutum's stream of events, and Docker Cloud's, its successor of the same shape.
//!
//! Both services are gone; what speaks like them is not, so every address is a key.

mod config;
mod meaning;
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
use crate::websocket::{News, ReconnectingSocket, unless_stopped};

pub(super) use config::Config;
use meaning::{Meaning, Reader};

#[derive(Debug)]
pub struct Tutum {
    config: Config,
    reader: Reader,
    net: Outbound,
}

impl Tutum {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "Tutum Stream connection closed.",
        back: "Tutum Stream connection open.",
        key: Some("tutum-stream"),
    };

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        Self { config, reader: Reader::new(), net: net.clone() }
    }
}

impl Source for Tutum {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let Config { stream, habits, .. } = &self.config;
        let tls = stream.is_secure().then(|| self.net.tls()).transpose()?;
        let wire = ReconnectingSocket::new(out.source(), stream, tls, habits, stop);
        Ear { tutum: self, wire, out, stop, up: false, skips: LogLimiter::default() }.listen().await
    }

    async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
        self.config.api.look_up(&self.net, reference).await
    }
}

struct Ear<'a> {
    tutum: &'a Tutum,
    wire: ReconnectingSocket<'a>,
    out: &'a Outbox,
    stop: &'a Stop,
    /// The socket opens before the credentials are looked at, so an open socket is not yet a line that is up.
    up: bool,
    skips: LogLimiter,
}

impl Ear<'_> {
    async fn listen(mut self) -> Result<(), Fault> {
        loop {
            match self.wire.next().await {
                News::Open => self.up = false,
                // Some peers greet nobody; not to have refused for so long is as good.
                News::Standing => self.up(),
                News::Text(text) => match Body::parse(text.as_str()) {
                    Ok(body) => self.take(self.tutum.reader.read(body, self.out)).await?,
                    Err(error) => self.skip(error),
                },
                News::Binary => self.skip("it is binary"),
                News::Lost(fault) => self.out.down(fault),
                News::Stopped => return Ok(()),
            }
        }
    }

    async fn take(&mut self, meaning: Meaning) -> Result<(), Fault> {
        match meaning {
            Meaning::Event(event) => {
                self.up();
                // If the stop comes first, the wire hears it too.
                return unless_stopped(self.stop, self.out.offer(event)).await.unwrap_or(Ok(()));
            }
            Meaning::Greeting => {
                info!(source = %self.out.source(), "Auth completed");
                self.up();
            }
            Meaning::Refusal => {
                let said = format!("the stream refuses {}", self.tutum.config.credentials);
                self.out.down(self.wire.hang_up_refused(said).await);
            }
            Meaning::SelfEvent(body) => {
                debug!(source = %self.out.source(), self_event = body.text(), "a notice, which is no event");
                self.up();
            }
        }
        Ok(())
    }

    fn up(&mut self) {
        if !std::mem::replace(&mut self.up, true) {
            self.out.up();
        }
    }

    fn skip(&mut self, why: impl Display) {
        self.out.skipped();
        self.skips.note(self.out.source(), "a message that is no event was skipped", why);
    }
}
