//! One connection to the stream: read without a pause, since an Engine waits for nobody, and committed as fast as the
//! disk allows.

use std::time::Duration;

use futures::future::{BoxFuture, OptionFuture};
use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::engine::Engine;
use super::meaning::{self, Told};
use super::place::Place;
use super::splitter::{Piece, Splitter};
use crate::config_reader::print_duration;
use crate::event::{Body, Event};
use crate::fault::Fault;
use crate::ingress::Arrived;
use crate::log_limiter::LogLimiter;
use crate::outbound::ReplyStream;
use crate::outbox::Outbox;
use crate::websocket::ConnectionConfig;

/// Read, and not yet handed over. Beyond it the Engine has to wait, which it does not do for long.
const MOST_WAITING: usize = 4096;
const MOST_BYTES_WAITING: usize = 16 << 20;

/// What is being written down.
type Committing<'a> = OptionFuture<BoxFuture<'a, Result<(), Fault>>>;

pub(super) struct Ear<'a> {
    engine: &'a Engine,
    habits: &'a ConnectionConfig,
    out: &'a Outbox,
    flow: ReplyStream,
    splitter: Splitter,
    /// Behind the last event that was read, which may be further than what is committed.
    place: Place,
    /// Whether the Engine still knew where we had been.
    joined: bool,
    waiting: Vec<Event>,
    bytes_waiting: usize,
    skips: &'a mut LogLimiter,
}

impl<'a> Ear<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        habits: &'a ConnectionConfig,
        out: &'a Outbox,
        flow: ReplyStream,
        place: Place,
        skips: &'a mut LogLimiter,
    ) -> Self {
        let splitter = Splitter::new(habits.max_frame);
        let joined = !place.knows_something();
        Self { engine, habits, out, flow, splitter, place, joined, waiting: Vec::new(), bytes_waiting: 0, skips }
    }

    /// Listens until the connection is lost, or what was heard cannot be written down; says why. What was heard until
    /// then is written down first: the Engine may not know it any more when it is asked again.
    pub(super) async fn listen(mut self) -> Fault {
        let mut committing = None.into();
        let mut under_way = false;
        let end = Box::pin(self.hear(&mut committing, &mut under_way)).await;
        if under_way && let Some(Err(fault)) = committing.await {
            return fault;
        }
        if !self.waiting.is_empty()
            && let Err(fault) = self.out.put_all(self.waiting, Some(self.place.print())).await
        {
            return fault;
        }
        match end {
            Ok(()) => Fault::new("closed", "the Engine closed the stream"),
            Err(fault) => fault,
        }
    }

    async fn hear(&mut self, committing: &mut Committing<'a>, under_way: &mut bool) -> Result<(), Fault> {
        let (out, engine, patience) = (self.out, self.engine, self.habits.ping);
        let mut ping = Box::pin(ping(engine, patience));
        let mut heard_at = Instant::now();
        loop {
            if !*under_way && !self.waiting.is_empty() {
                let put = out.put_all(std::mem::take(&mut self.waiting), Some(self.place.print()));
                self.bytes_waiting = 0;
                let boxed: BoxFuture<_> = Box::pin(put);
                *committing = Some(boxed).into();
                *under_way = true;
            }
            let has_room = self.waiting.len() < MOST_WAITING && self.bytes_waiting < MOST_BYTES_WAITING;
            let idle_at = heard_at + self.habits.idle.unwrap_or_default();
            tokio::select! {
                biased;
                Some(committed) = &mut *committing, if *under_way => {
                    *under_way = false;
                    if committed.is_err() {
                        // The place must not move past what was not written down: all of it comes again.
                        self.waiting.clear();
                    }
                    committed?;
                }
                piece = self.flow.next(), if has_room => match piece? {
                    Some(piece) => {
                        heard_at = Instant::now();
                        self.take(piece.as_ref()).await?;
                    }
                    None => return Ok(()),
                },
                answered = &mut ping => {
                    let there = answered?;
                    // What it remembers it sends at once: who was silent until now has nothing to say about before.
                    if !self.joined && has_room {
                        self.tell_forgotten(there).await?;
                        self.place = Place::beginning(there);
                        out.put_all(Vec::new(), Some(self.place.print())).await?;
                    }
                    ping.set(self::ping(engine, patience));
                }
                () = sleep_until(idle_at), if self.habits.idle.is_some() => {
                    let idle = print_duration(self.habits.idle.unwrap_or_default());
                    return Err(Fault::new("idle", format!("no event for {idle}")));
                }
            }
        }
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut found = Vec::new();
        self.splitter.push(bytes, &mut |piece| found.push(piece));
        for piece in found {
            match piece {
                Piece::Object(text) => match self.read(text) {
                    Ok(told) => self.note(told).await?,
                    Err(why) => self.skip(&why),
                },
                Piece::Rubbish => self.skip("it is no JSON"),
                Piece::TooLarge => {
                    let limit = self.habits.max_frame;
                    self.skip("it is larger than `max_frame`");
                    let why = format!("an event of the Engine is larger than max_frame ({limit} bytes)");
                    self.out.gap(self.place.time(), Timestamp::now(), Some(1), why).await?;
                }
            }
        }
        Ok(())
    }

    fn read(&self, text: String) -> Result<Told, String> {
        let body = Body::parse(text).map_err(|error| error.to_string())?;
        let arrived = Arrived { source: self.out.source(), kind: self.out.kind(), at: Timestamp::now() };
        meaning::read(body, arrived).ok_or_else(|| "it says of nothing what was done to it".to_owned())
    }

    async fn note(&mut self, told: Told) -> Result<(), Fault> {
        if self.place.knows(&told.id) {
            self.joined = true;
            return Ok(());
        }
        if !self.joined {
            self.tell_forgotten(told.event.time).await?;
        }
        self.place.move_to(&told);
        self.bytes_waiting += told.event.data.text().len();
        self.waiting.push(told.event);
        Ok(())
    }

    /// The last event that we know should have come again, and did not.
    async fn tell_forgotten(&mut self, to: Timestamp) -> Result<(), Fault> {
        self.joined = true;
        let why = "the Engine no longer knows the last event that was heard from it: it was started anew, or has had \
            more of them since than it remembers";
        let from = self.place.time();
        self.out.gap(from, to.max(from), None, why).await
    }

    fn skip(&mut self, why: &str) {
        self.out.skipped();
        self.skips.note(self.out.source(), "something that is no event was skipped", why);
    }
}

/// An Engine is silent while nothing happens, so it is asked on another connection whether it is there.
async fn ping(engine: &Engine, patience: Duration) -> Result<Timestamp, Fault> {
    sleep(patience).await;
    let dead = |_| Fault::new("dead_peer", format!("no answer to a ping for {}", print_duration(patience)));
    timeout(patience, engine.ping(patience * 2)).await.map_err(dead)?
}
