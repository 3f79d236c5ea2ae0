//! The event stream of a Docker Engine, over its socket or over TLS.
//!
//! An Engine remembers its last 256 events: after a loss the source reads on from its cursor, and what the Engine no
//! longer knows is reported as a gap. An Engine also drops, without a word, what a client does not read in time: after
//! reading stood still the source connects again in the same way.

mod config;
mod cursor;
mod engine;
mod parse;
mod splitter;
mod stream_reader;
#[cfg(test)]
mod tests;
mod unwritten;

use serde_json::Value;

use super::json_cursor::{print_cursor, stored_cursor};
use super::source::{AlertTexts, Source, alert_texts};
use crate::fault::Fault;
use crate::log_limiter::LogLimiter;
use crate::outbound::{Outbound, ReplyStream};
use crate::outbox::Outbox;
use crate::reconnect::Reconnect;
use crate::stop::Stop;

pub(super) use config::Config;
use cursor::Cursor;
use engine::Engine;
use stream_reader::StreamReader;

#[derive(Debug)]
pub struct Docker {
    config: Config,
    engine: Engine,
}

impl Docker {
    pub(super) const ALERT_TEXTS: AlertTexts = alert_texts!("Source");

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        let engine = Engine::new(&config, net);
        Self { config, engine }
    }

    /// Connects and reads until the connection is lost.
    async fn connect_and_read(&self, reconnect: &mut Reconnect<'_>, out: &Outbox, log: &mut LogLimiter) -> Fault {
        let (stream, cursor) = match self.connect(out).await {
            Ok(connected) => connected,
            Err(fault) => return fault,
        };
        reconnect.connected();
        out.up();
        let reader = StreamReader::new(&self.engine, &self.config.connection, out, stream, cursor, log);
        let (fault, delivered) = reader.read().await;
        if delivered {
            reconnect.delivered();
        }
        fault
    }

    async fn connect(&self, out: &Outbox) -> Result<(ReplyStream, Cursor), Fault> {
        let engine_time = self.engine.ping(self.config.connection.connect_timeout).await?;
        let cursor = if let Some(cursor) = stored_cursor(out) {
            cursor
        } else {
            // Committed before the first event, so that nothing is missed even if the first connection is lost.
            let cursor = Cursor::starting_at(engine_time);
            out.put_all(Vec::new(), Some(print_cursor(&cursor))).await?;
            cursor
        };
        let stream = self.engine.events(&cursor.since(), self.config.filters.as_deref()).await?;
        Ok((stream, cursor))
    }
}

impl Source for Docker {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let Config { address, connection, .. } = &self.config;
        let mut reconnect = Reconnect::new(out.source(), address, connection.reconnect, stop);
        let mut log = LogLimiter::default();
        while reconnect.wait().await.is_some() {
            let reading = Box::pin(self.connect_and_read(&mut reconnect, out, &mut log));
            let Some(fault) = stop.or(reading).await else { break };
            reconnect.lost(&fault);
            out.down(fault);
        }
        Ok(())
    }

    /// `container/NAME`, `image/NAME`, `network/NAME`, `volume/NAME`, `service/NAME`, `node/NAME`.
    async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
        self.engine.inspect(reference).await
    }

    /// From the Engine's memory; what is no longer in there is reported as a gap.
    fn catches_up(&self) -> bool {
        true
    }
}
