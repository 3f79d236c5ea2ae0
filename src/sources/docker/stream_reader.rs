//! One connection to the event stream. Reading never pauses for a commit, since an Engine drops what its clients do not
//! read in time; events that arrive during a commit are committed together with the next one.

use std::time::Duration;

use futures::future::{BoxFuture, OptionFuture};
use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::cursor::Cursor;
use super::engine::Engine;
use super::parse::{EngineEvent, parse};
use super::splitter::{Piece, Splitter};
use crate::config_reader::print_duration;
use crate::event::{Body, Event};
use crate::fault::Fault;
use crate::ingress::Arrived;
use crate::log_limiter::LogLimiter;
use crate::outbound::ReplyStream;
use crate::outbox::Outbox;
use crate::sources::json_cursor::print_cursor;
use crate::websocket::ConnectionConfig;

/// Limits of what is read and not yet put into the outbox. At the limit reading stops.
const MOST_BUFFERED: usize = 4096;
const MOST_BYTES_BUFFERED: usize = 16 << 20;

/// The commit in progress, if any.
type Commit<'a> = OptionFuture<BoxFuture<'a, Result<(), Fault>>>;

pub(super) struct StreamReader<'a> {
    engine: &'a Engine,
    config: &'a ConnectionConfig,
    out: &'a Outbox,
    stream: ReplyStream,
    splitter: Splitter,
    /// After the last event that was read, which may be ahead of what is committed.
    cursor: Cursor,
    /// Whether the stream continues without a gap: the Engine sent the last known event again, or the gap is reported.
    is_continuous: bool,
    buffer: Vec<Event>,
    bytes_buffered: usize,
    skipped_log: &'a mut LogLimiter,
}

impl<'a> StreamReader<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        config: &'a ConnectionConfig,
        out: &'a Outbox,
        stream: ReplyStream,
        cursor: Cursor,
        skipped_log: &'a mut LogLimiter,
    ) -> Self {
        let splitter = Splitter::new(config.max_frame);
        let is_continuous = !cursor.has_events();
        let (buffer, bytes_buffered) = (Vec::new(), 0);
        Self { engine, config, out, stream, splitter, cursor, is_continuous, buffer, bytes_buffered, skipped_log }
    }

    /// Reads until the connection is lost or a commit fails, and returns why. Everything read until then is committed
    /// first: the Engine may have forgotten it by the next connection.
    pub(super) async fn read(mut self) -> Fault {
        let mut commit = None.into();
        let mut is_committing = false;
        let end = Box::pin(self.read_stream(&mut commit, &mut is_committing)).await;
        if is_committing && let Some(Err(fault)) = commit.await {
            return fault;
        }
        if !self.buffer.is_empty()
            && let Err(fault) = self.out.put_all(self.buffer, Some(print_cursor(&self.cursor))).await
        {
            return fault;
        }
        match end {
            Ok(()) => Fault::new("closed", "the Engine closed the stream"),
            Err(fault) => fault,
        }
    }

    async fn read_stream(&mut self, commit: &mut Commit<'a>, is_committing: &mut bool) -> Result<(), Fault> {
        let (out, engine, interval) = (self.out, self.engine, self.config.ping);
        let mut ping = Box::pin(ping(engine, interval));
        let mut last_read = Instant::now();
        loop {
            if !*is_committing && !self.buffer.is_empty() {
                let put = out.put_all(std::mem::take(&mut self.buffer), Some(print_cursor(&self.cursor)));
                self.bytes_buffered = 0;
                let boxed: BoxFuture<_> = Box::pin(put);
                *commit = Some(boxed).into();
                *is_committing = true;
            }
            let has_room = self.buffer.len() < MOST_BUFFERED && self.bytes_buffered < MOST_BYTES_BUFFERED;
            let idle_at = last_read + self.config.idle.unwrap_or_default();
            tokio::select! {
                biased;
                Some(committed) = &mut *commit, if *is_committing => {
                    *is_committing = false;
                    if committed.is_err() {
                        // The cursor must not move past events that are not committed: all are read again.
                        self.buffer.clear();
                    }
                    committed?;
                }
                piece = self.stream.next(), if has_room => match piece? {
                    Some(piece) => {
                        last_read = Instant::now();
                        self.handle_bytes(piece.as_ref()).await?;
                    }
                    None => return Ok(()),
                },
                answered = &mut ping => {
                    let engine_time = answered?;
                    // An Engine sends past events at once: if none has come by now, it has forgotten them.
                    if !self.is_continuous && has_room {
                        self.report_gap(engine_time).await?;
                        self.cursor = Cursor::starting_at(engine_time);
                        out.put_all(Vec::new(), Some(print_cursor(&self.cursor))).await?;
                    }
                    ping.set(self::ping(engine, interval));
                }
                () = sleep_until(idle_at), if self.config.idle.is_some() => {
                    let idle = print_duration(self.config.idle.unwrap_or_default());
                    return Err(Fault::new("idle", format!("no event for {idle}")));
                }
            }
        }
    }

    async fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut found = Vec::new();
        self.splitter.push(bytes, &mut |piece| found.push(piece));
        for piece in found {
            match piece {
                Piece::Object(text) => match self.parse(text) {
                    Ok(event) => self.handle_event(event).await?,
                    Err(why) => self.skip(&why),
                },
                Piece::Invalid => self.skip("it is not JSON"),
                Piece::TooLarge => {
                    let limit = self.config.max_frame;
                    self.skip("it is larger than `max_frame`");
                    let why = format!("an event of the Engine is larger than max_frame ({limit} bytes)");
                    self.out.gap(self.cursor.time(), Timestamp::now(), Some(1), why).await?;
                }
            }
        }
        Ok(())
    }

    fn parse(&self, text: String) -> Result<EngineEvent, String> {
        let body = Body::parse(text).map_err(|error| error.to_string())?;
        let arrived = Arrived { source: self.out.source(), kind: self.out.kind(), at: Timestamp::now() };
        parse(body, arrived).ok_or_else(|| "it has no action".to_owned())
    }

    async fn handle_event(&mut self, event: EngineEvent) -> Result<(), Fault> {
        if self.cursor.contains(&event.id) {
            self.is_continuous = true;
            return Ok(());
        }
        if !self.is_continuous {
            self.report_gap(event.event.time).await?;
        }
        self.cursor.advance(&event);
        self.bytes_buffered += event.event.data.text().len();
        self.buffer.push(event.event);
        Ok(())
    }

    /// The Engine did not send the last known event again.
    async fn report_gap(&mut self, to: Timestamp) -> Result<(), Fault> {
        self.is_continuous = true;
        let why = "the Engine no longer knows the last event that was received from it: it was restarted, or had more \
            events since than it remembers";
        let from = self.cursor.time();
        self.out.gap(from, to.max(from), None, why).await
    }

    fn skip(&mut self, why: &str) {
        self.out.skipped();
        self.skipped_log.note(self.out.source(), "skipped a message that is not an event", why);
    }
}

/// The stream is silent while nothing happens, so the Engine is pinged on another connection. Returns the Engine's time.
async fn ping(engine: &Engine, interval: Duration) -> Result<Timestamp, Fault> {
    sleep(interval).await;
    let dead = |_| Fault::new("dead_peer", format!("no answer to a ping for {}", print_duration(interval)));
    timeout(interval, engine.ping(interval * 2)).await.map_err(dead)?
}
