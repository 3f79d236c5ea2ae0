//! Until when a source that cannot catch up was connected, kept in the store: so that what it missed while the daemon
//! was not running is a gap that the next life reports.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::event::Name;
use crate::fault::Fault;
use crate::store::{Store, UpUntil};

/// How long a source that is up may go without being recorded as up.
const INTERVAL: Duration = Duration::from_secs(10);
/// Why a source was no longer connected, for the next life.
const STOPPED: &str = "the daemon was stopped";
const KILLED: &str = "the daemon was killed, or ended without a stop";
const RELOADED: &str = "a reload restarted the source";

/// From when on events of a source were or may have been missed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) since: Timestamp,
    pub(super) why: String,
    /// Why the source was no longer connected.
    ended: String,
}

impl Missed {
    /// By a connection that was lost. A live stream stores nothing: what it sent meanwhile is lost for good.
    pub(super) fn by_loss(since: Timestamp, fault: &Fault) -> Self {
        let why = "what the stream sent while it was not connected was not received".to_owned();
        Self { since, why, ended: format!("the connection had been lost ({fault})") }
    }
}

#[derive(Debug)]
pub(super) struct UpRecord {
    store: Store,
    source: Name,
    due: Instant,
}

impl UpRecord {
    /// Also gives what was missed since an earlier life, or since the reload that restarted the source.
    pub(super) async fn load(store: &Store, source: &Name) -> (Self, Option<Missed>) {
        let record = Self { store: store.clone(), source: source.clone(), due: Instant::now() };
        let missed = match store.up_until(source).await {
            Ok(up) => up.map(missed),
            Err(error) => {
                warn!(%source, %error, "cannot read until when the source was connected: a gap since then is not reported");
                None
            }
        };
        (record, missed)
    }

    /// When the record that the source is up has to be renewed.
    pub(super) fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    /// The source is up now and nothing before is unreported.
    pub(super) fn still_up(&mut self) -> impl Future<Output = ()> + Send + use<> {
        self.due = Instant::now() + INTERVAL;
        self.write(Timestamp::now(), None)
    }

    /// The source was up until `missed`.
    pub(super) fn lost(&self, missed: &Missed) -> impl Future<Output = ()> + Send + use<> {
        self.write(missed.since, Some(missed.ended.clone()))
    }

    /// The source was up until the daemon stopped, or until a reload.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        self.write(Timestamp::now(), Some(STOPPED.to_owned()))
    }

    /// Where nothing can be written, the next life reports a gap that begins earlier.
    fn write(&self, until: Timestamp, ended: Option<String>) -> impl Future<Output = ()> + Send + use<> {
        let (store, source) = (self.store.clone(), self.source.clone());
        async move {
            if let Err(error) = store.set_up_until(&source, until, ended).await {
                debug!(%source, %error, "cannot record until when the source was connected");
            }
        }
    }
}

fn missed(up: UpUntil) -> Missed {
    let ended = match up.ended {
        None => KILLED.to_owned(),
        Some(ended) if ended == STOPPED && up.by_this_process => RELOADED.to_owned(),
        Some(ended) => ended,
    };
    let why = format!("what the stream sent until it was connected again was not received: {ended}");
    Missed { since: up.until, why, ended }
}
