//! Where a session's reading begins.

use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use super::place::{Place, back};
use super::reading::{From, Reader, Step, TOLERANCE};

/// Where the server's clock was set back while we were away, nobody knows how far we must. The queue remembers ids
/// for a day, so that nothing is repeated.
const AGAIN: Duration = Duration::from_secs(86_400);

impl Reader<'_> {
    /// Where to go on from: what was committed last, or, for the first time, what relays.toml says.
    pub(super) async fn settle(&mut self, instance: &str, now: Timestamp) -> Step<()> {
        let source = self.out.source();
        let known = match self.place.take() {
            None => self.written_place(instance, now).await?,
            known => known,
        };
        let known = known.filter(|place| {
            if place.instance != instance {
                warn!(%source, before = place.instance, instance, "another vCenter answers: its history is begun anew");
                self.began = None;
            }
            place.instance == instance
        });
        let began = *self.began.get_or_insert(now);
        let mut place = known.unwrap_or_else(|| {
            let since = match self.wants.from {
                From::Now => Some(began),
                From::Ago(ago) => Some(back(began, ago)),
                From::Beginning => None,
            };
            Place::new(instance, self.wants.filter, since, began)
        });
        if back(place.heard, TOLERANCE) > now {
            warn!(%source, server = %now, read = %place.heard, "vCenter's clock was set back: what may be new is read again");
            place.turn_back(now, AGAIN, self.wants.overlap);
        }
        if place.filter != self.wants.filter {
            // The last event that the other filter showed need not be there behind this one.
            place.change_filter(self.wants.filter, self.wants.overlap);
        }
        self.place = Some(place);
        self.whole = false;
        // From the first moment on, so that what happens while nobody listens is found again.
        self.commit(Vec::new()).await
    }

    /// The place that was committed last. A damaged one is said, and stands for a moment ago.
    async fn written_place(&self, instance: &str, now: Timestamp) -> Step<Option<Place>> {
        let Some(written) = self.out.cursor() else { return Ok(None) };
        match Place::read(&written) {
            Ok(place) => Ok(Some(place)),
            Err(error) => {
                let source = self.out.source();
                warn!(%source, error, "the place in vCenter's history is damaged; reading goes on from a little before now");
                let since = back(now, self.wants.overlap);
                let why =
                    "the place in vCenter's history was damaged: what came before this since the last event is unknown";
                self.tell_gap(since, since, None, why).await?;
                Ok(Some(Place::new(instance, self.wants.filter, Some(since), now)))
            }
        }
    }
}
