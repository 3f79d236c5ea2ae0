//! The newest events, watched: news within a second, and nothing to pay while there is none.
//!
//! A page that no longer reaches back to what was read has lost something; then a catch-up reads it.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use tracing::debug;

use super::catch_up::{PAGE, ROUNDING};
use super::history::{History, Pages};
use super::judging::Fresh;
use super::place::{Mark, back};
use super::reading::{End, Reader, Step};
use crate::stop::Stop;
use crate::vsphere::{Reference, Trouble};

/// Every change brings the whole page, so it is small.
pub(super) const TAIL: u32 = 100;
/// Up to a moment ago nothing was missed, so the whole overlap need not be read again for every burst of a storm.
const A_LITTLE: Duration = Duration::from_secs(10);
/// What a host tells late, after a disconnection, is read back so far: as far as the queue remembers ids.
const LATEST: Duration = Duration::from_secs(86_400);
/// An event from before the reading began, whose key is this little above the last, has only come late.
const LATE: i64 = 1_000_000;

pub(super) struct Tail<H: History> {
    collector: Reference,
    watch: H::Watch,
    /// Where the reading began when this was opened: nothing older is news, unless it came late.
    floor: Option<Timestamp>,
    /// Older events that were shown all the same. No more of them than fit into the history beside the page.
    old: HashSet<Mark>,
    /// Whether there was any answer: the first one is the page as it stands.
    told: bool,
    /// Whether a page ever held anything.
    begun: bool,
}

impl<H: History> Tail<H> {
    /// It asks for no times: the newest events are its own whatever the server's clock does.
    pub(super) async fn open(reader: &Reader<'_>, history: &H) -> Step<Self> {
        let floor = reader.place()?.begin(reader.wants.overlap);
        let collector = reader.ask(history.collect(None, TAIL)).await?;
        match reader.ask(history.watch(&collector)).await {
            Ok(watch) => Ok(Self { collector, watch, floor, old: HashSet::new(), told: false, begun: false }),
            Err(end) => {
                reader.stop.or(async { take_back(history.destroy(&collector).await) }).await;
                Err(end)
            }
        }
    }

    pub(super) async fn close(self, history: &H, stop: &Stop) {
        let back = async {
            take_back(history.unwatch(self.watch).await);
            take_back(history.destroy(&self.collector).await);
        };
        // Where a stop comes between, it goes with the session.
        stop.or(back).await;
    }

    pub(super) async fn changes(&mut self, reader: &Reader<'_>, history: &H, wait: Duration) -> Step<Option<Pages>> {
        match reader.ask(history.changes(&mut self.watch, wait)).await {
            Err(End::Lost(Trouble::Road(fault))) if self.told && fault.reason() == "too_large" => {
                debug!(source = %reader.out.source(), "more news than are read in one go; catching up with a new tail");
                Err(End::Anew)
            }
            changes => {
                self.told |= changes.is_ok();
                changes
            }
        }
    }

    /// Hands over what is new in `pages`, in order.
    pub(super) async fn take(&mut self, reader: &mut Reader<'_>, history: &H, pages: Pages) -> Step<()> {
        let mut fresh = Vec::new();
        let mut known: HashSet<Mark> = HashSet::new();
        let mut torn = false;
        for elements in pages {
            let full = elements.len() >= TAIL as usize;
            let place = reader.place()?;
            let (last, floor, old) = (place.last, self.floor, &mut self.old);
            let mut is_old = |mark: &Mark| {
                if known.contains(mark) || old.contains(mark) {
                    return true;
                }
                let early = floor.is_some_and(|floor| mark.0 < floor);
                let late = last.is_some_and(|last| (1..LATE).contains(&mark.1.saturating_sub(last.1)));
                if early && !late {
                    if old.len() >= 2 * PAGE as usize {
                        old.clear();
                    }
                    old.insert(*mark);
                }
                early && !late
            };
            let page = reader.judge_by(elements, &mut is_old)?;
            torn |= !page.anchored && !page.all.is_empty() && (full || self.begun);
            self.begun |= !page.all.is_empty();
            known.extend(page.fresh.iter().map(|event| event.mark));
            fresh.extend(page.fresh);
        }
        if torn {
            debug!(source = %reader.out.source(), "more came than a page holds; catching up");
            let begin = reader.begin_behind(fresh.iter().map(Fresh::time).min())?;
            reader.catch_up(history, begin).await?;
            reader.audits.look_soon(reader.wants.overlap);
            let seen = &reader.place()?.seen;
            fresh.retain(|event| !seen.contains(&event.mark));
        }
        fresh.sort_by_key(|event| event.mark);
        reader.hand_over(fresh, true).await
    }
}

impl Reader<'_> {
    /// From where to read what fell off a torn page whose first new event is of `earliest`: a host that comes back tells
    /// what is long past.
    fn begin_behind(&self, earliest: Option<Timestamp>) -> Step<Option<Timestamp>> {
        let place = self.place()?;
        let begin = place.begin(self.wants.overlap.min(A_LITTLE));
        let Some(earliest) = earliest else { return Ok(begin) };
        let known = back(self.server_now(), LATEST).max(place.since.unwrap_or(Timestamp::MIN));
        let late = back(earliest, ROUNDING).max(known);
        Ok(begin.map(|begin| begin.min(late)))
    }
}

/// What cannot be taken back goes with the session.
pub(super) fn take_back(result: Result<(), Trouble>) {
    if let Err(trouble) = result {
        debug!(fault = %trouble.fault(), "vCenter did not take it back");
    }
}
