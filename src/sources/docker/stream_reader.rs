//! One connection to the event stream. Reading never pauses for a commit, since an Engine drops what its clients do not
//! read in time; events that arrive during a commit are committed together with the next one.
//!
//! Where reading stood still nevertheless, the connection is given up: the Engine sends again what it remembers.

use std::time::Duration;

use futures::future::{BoxFuture, OptionFuture};
use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::cursor::Cursor;
use super::engine::Engine;
use super::parse::{EngineEvent, parse};
use super::splitter::{Piece, Splitter};
use super::unwritten::Unwritten;
use crate::config_reader::print_duration;
use crate::event::Body;
use crate::fault::Fault;
use crate::ingress::Arrived;
use crate::log_limiter::LogLimiter;
use crate::outbound::ReplyStream;
use crate::outbox::{Outbox, STATE_FILE};
use crate::reconnect::{ReadingClock, Standstill};
use crate::sources::json_cursor::print_cursor;
use crate::websocket::ConnectionConfig;

/// How often a silent stream is looked at, so that a standstill is noticed and a refused commit is tried again.
const TICK: Duration = Duration::from_secs(1);
/// After a standstill: how long what was sent before it is read, and the silence that ends it sooner. Shorter than an
/// Engine needs for the events that it remembers.
const LAST_READING: Duration = Duration::from_millis(300);
const LAST_SILENCE: Duration = Duration::from_millis(50);

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
    unwritten: Unwritten,
    delivered: bool,
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
        let (unwritten, delivered) = (Unwritten::default(), false);
        Self { engine, config, out, stream, splitter, cursor, is_continuous, unwritten, delivered, skipped_log }
    }

    /// Reads until the connection is lost, and returns why, and whether anything was delivered. Everything read until
    /// then is committed first: the Engine may have forgotten it by the next connection.
    pub(super) async fn read(mut self) -> (Fault, bool) {
        let mut commit = None.into();
        let end = Box::pin(self.read_stream(&mut commit)).await;
        let fault = match self.commit_rest(commit).await {
            Ok(()) => end.err().unwrap_or_else(|| Fault::new("closed", "the Engine closed the stream")),
            Err(fault) => fault,
        };
        (fault, self.delivered)
    }

    async fn read_stream(&mut self, commit: &mut Commit<'a>) -> Result<(), Fault> {
        let (engine, interval) = (self.engine, self.config.ping);
        let mut ping = Box::pin(ping(engine, interval));
        let mut last_read = Instant::now();
        let mut clock = ReadingClock::start();
        loop {
            if self.unwritten.is_due() {
                *commit = self.begin_commit();
            }
            let has_room = self.unwritten.has_room();
            if has_room && let Some(standstill) = clock.tick() {
                return Err(self.give_up(standstill).await);
            }
            let idle_at = last_read + self.config.idle.unwrap_or_default();
            tokio::select! {
                biased;
                Some(committed) = &mut *commit, if self.unwritten.is_under_way() => self.after_commit(committed)?,
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
                    if has_room {
                        self.end_of_replay(engine_time).await?;
                    }
                    ping.set(self::ping(engine, interval));
                }
                () = sleep_until(idle_at), if self.config.idle.is_some() => {
                    let idle = print_duration(self.config.idle.unwrap_or_default());
                    return Err(Fault::new("idle", format!("no event for {idle}")));
                }
                () = sleep(TICK) => {}
            }
        }
    }

    fn begin_commit(&mut self) -> Commit<'a> {
        let out = self.out;
        let put: BoxFuture<_> = Box::pin(out.put_all(self.unwritten.take(), Some(print_cursor(&self.cursor))));
        Some(put).into()
    }

    /// While nothing can be written the events wait here: the Engine would not remember all of them.
    fn after_commit(&mut self, committed: Result<(), Fault>) -> Result<(), Fault> {
        match committed {
            Ok(()) => self.unwritten.written(),
            Err(fault) if fault.reason() == STATE_FILE => self.unwritten.refused(),
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    async fn commit_rest(&mut self, mut commit: Commit<'a>) -> Result<(), Fault> {
        loop {
            if self.unwritten.is_under_way()
                && let Some(committed) = commit.await
            {
                self.after_commit(committed)?;
            }
            if self.unwritten.is_empty() {
                return Ok(());
            }
            sleep_until(self.unwritten.retry_at()).await;
            commit = self.begin_commit();
        }
    }

    /// Reads what the Engine sent before it began to drop events. What it dropped is requested from it again, beginning
    /// with the last event before the standstill.
    async fn give_up(&mut self, standstill: Standstill) -> Fault {
        self.cursor.stood_still();
        // The connection itself worked, so the next one is made at once.
        self.delivered = true;
        let end = Instant::now() + LAST_READING;
        while self.unwritten.newest().is_none_or(|newest| newest < standstill.to) {
            let until = end.min(Instant::now() + LAST_SILENCE);
            match timeout_at(until, self.stream.next()).await {
                Ok(Ok(Some(piece))) => match self.handle_bytes(piece.as_ref()).await {
                    Ok(()) => {}
                    Err(fault) => return fault,
                },
                _ => break,
            }
            if Instant::now() >= end {
                break;
            }
        }
        let lasted = Duration::try_from(standstill.to.duration_since(standstill.from)).unwrap_or_default();
        let lasted = print_duration(Duration::from_secs(lasted.as_secs()));
        Fault::new("standstill", format!("nothing could be read for {lasted}, so the Engine may have dropped events"))
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
        self.delivered = true;
        self.cursor.advance(&event);
        self.unwritten.push(event.event);
        Ok(())
    }

    /// What the Engine remembers has been read by now.
    async fn end_of_replay(&mut self, engine_time: Timestamp) -> Result<(), Fault> {
        if self.is_continuous {
            self.cursor.is_complete();
            return Ok(());
        }
        self.report_gap(engine_time).await?;
        self.cursor = Cursor::starting_at(engine_time);
        self.out.put_all(Vec::new(), Some(print_cursor(&self.cursor))).await
    }

    /// The Engine did not send the last known event again.
    async fn report_gap(&mut self, to: Timestamp) -> Result<(), Fault> {
        self.is_continuous = true;
        let why = "the Engine no longer knows the last event that was received from it: it was restarted, or had more \
            events since than it remembers";
        let from = self.cursor.time_before(to);
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
