//! Who is inside, how long they may take, and who has to leave when it gets crowded.
//!
//! Room is never refused to a newcomer while somebody dawdles: whoever has been at their request the longest without
//! having brought it whole makes room. So a crowd that only stands about cannot keep anybody out; who speaks at once
//! is served. Nobody who is being served has to leave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes of bodies in memory, over all visits together.
const BODIES: usize = 128 << 20;

/// How much is put up with.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Who listens; for the log.
    pub who: &'static str,
    /// Connections at a time.
    pub room: usize,
    /// From the first byte of a request (or the connection's beginning) to the end of its headers.
    pub head: Duration,
    /// A connection without a request stays so long.
    pub idle: Duration,
}

#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    pub(super) limits: ServerLimits,
    seats: Mutex<HashMap<u64, Arc<SlotState>>>,
    next: AtomicU64,
    bodies: AtomicUsize,
    /// Somebody left, or has to.
    freed: Notify,
}

/// One connection. The connection's own end frees the seat, not that of its requests' clones.
#[derive(Debug, Clone)]
pub struct Slot {
    room: Arc<ConnectionLimiter>,
    seat: Arc<SlotState>,
}

#[derive(Debug)]
struct SlotState {
    number: u64,
    state: Mutex<State>,
    /// The connection's task.
    waker: AtomicWaker,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    /// When this visit, or its current request, began.
    since: Instant,
    deadline: Option<Instant>,
    /// Of the current request's body, in memory.
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests.
    Idle,
    Head,
    Body,
    Served,
    /// Had to make room.
    Gone,
}

impl ConnectionLimiter {
    pub(super) fn new(limits: ServerLimits) -> Arc<Self> {
        let (seats, next, bodies, freed) = Default::default();
        Arc::new(Self { limits, seats, next, bodies, freed })
    }

    /// Resolves at once unless everybody inside is being served.
    pub(super) async fn enter(self: &Arc<Self>) -> Slot {
        loop {
            let freed = self.freed.notified();
            if let Some(slot) = self.try_enter() {
                return slot;
            }
            freed.await;
        }
    }

    fn try_enter(self: &Arc<Self>) -> Option<Slot> {
        let mut seats = held(&self.seats);
        if seats.len() >= self.limits.room {
            let leaving = self.send_away(&seats, |phase| phase != Phase::Served)?;
            seats.remove(&leaving);
        }
        let now = Instant::now();
        let state = State { phase: Phase::Head, since: now, deadline: Some(now + self.limits.head), bytes: 0 };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let seat = Arc::new(SlotState { number, state: Mutex::new(state), waker: AtomicWaker::new() });
        seats.insert(number, Arc::clone(&seat));
        Some(Slot { room: Arc::clone(self), seat })
    }

    /// Asks the one who has dawdled longest to leave, and gives their number. Their bytes count no more.
    fn send_away(&self, seats: &HashMap<u64, Arc<SlotState>>, may_go: impl Fn(Phase) -> bool) -> Option<u64> {
        let may_go = |state: &State| state.phase != Phase::Gone && may_go(state.phase);
        loop {
            let states = seats.values().map(|seat| (*held(&seat.state), seat));
            let (_, seat) = states.filter(|(state, _)| may_go(state)).min_by_key(|(state, _)| state.since)?;
            let mut state = held(&seat.state);
            // Meanwhile they may have brought it whole.
            if may_go(&state) {
                state.phase = Phase::Gone;
                self.bodies.fetch_sub(std::mem::take(&mut state.bytes), Ordering::Relaxed);
                seat.waker.wake();
                return Some(seat.number);
            }
        }
    }
}

impl Slot {
    /// Whether the connection may go on listening, and until when. Called by the connection's task, which is woken
    /// when that changes for the worse.
    pub(super) fn patience(&self, waker: &Waker) -> Result<Option<Instant>, Gone> {
        self.seat.waker.register(waker);
        let state = held(&self.seat.state);
        if state.phase == Phase::Gone { Err(Gone) } else { Ok(state.deadline) }
    }

    /// Bytes came.
    pub(super) fn heard(&self) {
        let mut state = held(&self.seat.state);
        if state.phase == Phase::Idle {
            state.phase = Phase::Head;
            state.since = Instant::now();
            state.deadline = Some(Instant::now() + self.room.limits.head);
        }
    }

    /// A request's head is complete: from here whoever serves it keeps the time. The end of what is given back is
    /// the end of the request.
    pub(super) fn asked(&self) -> Asked {
        self.turn(Phase::Served, None);
        Asked(self.clone())
    }

    /// The connection has ended.
    pub(super) fn leave(&self) {
        held(&self.room.seats).remove(&self.seat.number);
        self.room.freed.notify_one();
    }

    /// The request's body is waited for: the visitor may have to make room again.
    pub fn is_reading(&self) {
        self.turn(Phase::Body, None);
        self.room.freed.notify_one();
    }

    /// So much more of its body is in memory. Err: there is no room for it, or for the visitor.
    pub fn holds(&self, bytes: usize) -> Result<(), Gone> {
        let Self { room, seat } = self;
        {
            let mut state = held(&seat.state);
            if state.phase == Phase::Gone {
                return Err(Gone);
            }
            state.bytes += bytes;
            room.bodies.fetch_add(bytes, Ordering::Relaxed);
        }
        while room.bodies.load(Ordering::Relaxed) > BODIES {
            let left = room.send_away(&held(&room.seats), |phase| phase == Phase::Body);
            if left.is_none_or(|left| left == seat.number) {
                return Err(Gone);
            }
        }
        Ok(())
    }

    /// The request is whole. Err: too late, the visitor had to leave, so nothing may come of it.
    pub fn is_whole(&self) -> Result<(), Gone> {
        if self.turn(Phase::Served, None) { Ok(()) } else { Err(Gone) }
    }

    /// False when the visitor has to leave, or has left.
    fn turn(&self, phase: Phase, deadline: Option<Instant>) -> bool {
        let mut state = held(&self.seat.state);
        if state.phase == Phase::Gone {
            return false;
        }
        if phase == Phase::Idle {
            state.since = Instant::now();
        }
        (state.phase, state.deadline) = (phase, deadline);
        true
    }
}

/// The visitor had to make room for others.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone;

/// One request, from the end of its head to its answer.
#[derive(Debug)]
pub(super) struct Asked(Slot);

impl Drop for Asked {
    fn drop(&mut self) {
        let Slot { room, seat } = &self.0;
        let bytes = std::mem::take(&mut held(&seat.state).bytes);
        room.bodies.fetch_sub(bytes, Ordering::Relaxed);
        self.0.turn(Phase::Idle, Some(Instant::now() + room.limits.idle));
        // Reading may have been left at "nothing yet" while there was no deadline.
        seat.waker.wake();
        room.freed.notify_one();
    }
}

/// A panic elsewhere leaves these whole: each change is one step.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const LIMITS: ServerLimits =
        ServerLimits { who: "room", room: 3, head: Duration::from_secs(10), idle: Duration::from_secs(60) };

    fn enter(room: &Arc<ConnectionLimiter>) -> Option<Slot> {
        room.enter().now_or_never()
    }

    fn has_to_leave(slot: &Slot) -> bool {
        slot.patience(Waker::noop()).is_err()
    }

    async fn later() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_dawdler_leaves_and_never_whoever_is_served() {
        let room = ConnectionLimiter::new(LIMITS);
        let first = enter(&room).expect("room");
        later().await;
        let second = enter(&room).expect("room");
        later().await;
        let third = enter(&room).expect("room");
        let served = first.asked();
        later().await;
        let fourth = enter(&room).expect("somebody has to leave");
        assert_eq!([&first, &second, &third, &fourth].map(has_to_leave), [false, true, false, false]);
        second.leave();
        let more = [third.asked(), fourth.asked()];
        assert!(enter(&room).is_none(), "all are being served");
        drop(served);
        assert!(enter(&room).is_some() && has_to_leave(&first), "who has had their answer makes room");
        drop(more);
    }

    #[tokio::test(start_paused = true)]
    async fn who_had_to_leave_while_reading_brings_nothing_in() {
        let room = ConnectionLimiter::new(ServerLimits { room: 1, ..LIMITS });
        let first = enter(&room).expect("room");
        let asked = first.asked();
        first.is_reading();
        let _second = enter(&room).expect("the first one has to leave");
        assert_eq!((first.is_whole(), first.holds(1)), (Err(Gone), Err(Gone)));
        drop(asked);
        assert!(has_to_leave(&first), "an answer does not let them stay");
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_never_fill_the_memory() {
        let room = ConnectionLimiter::new(LIMITS);
        let first = enter(&room).expect("room");
        later().await;
        let (second, third) = (enter(&room).expect("room"), enter(&room).expect("room"));
        let slots = [first, second, third];
        let asked = slots.each_ref().map(Slot::asked);
        slots.iter().for_each(Slot::is_reading);
        let [first, second, third] = &slots;
        assert_eq!([first.holds(BODIES / 2), second.holds(BODIES / 2)], [Ok(()), Ok(())]);
        assert_eq!(third.holds(BODIES / 4), Ok(()), "the first one has to leave");
        assert_eq!(slots.each_ref().map(has_to_leave), [true, false, false]);
        assert!(room.bodies.load(Ordering::Relaxed) <= BODIES);
        assert_eq!([first.is_whole(), second.is_whole(), third.is_whole()], [Err(Gone), Ok(()), Ok(())]);
        drop(asked);
        assert_eq!(room.bodies.load(Ordering::Relaxed), 0);
    }
}
