//! Silences as the house keeps them: in the state file, in force for the lanes, and shown at the admin API.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, Notify};
use tracing::{info, warn};

use crate::admin::types::SilenceShown;
use crate::admin::{ExpireRequest, HttpError, SilenceRequest};
use crate::config_reader::nearest;
use crate::event::Event;
use crate::fault::Fault;
use crate::relay::{Relays, Silence, SilenceMatch, Silences};
use crate::stop::Stop;
use crate::store::{self, Store, StoreError};

use super::shown::fault;

/// More silences at once than this are a mistake of some script.
const MOST: usize = 1000;

/// How long the state file is left alone when it could not be read.
const READ_AGAIN: Duration = Duration::from_secs(5);

pub(super) struct SilenceRegistry {
    store: Store,
    /// The lanes hold clones of these.
    silences: Silences,
    /// Held while they are replaced, so that of two changes the later one stands.
    replacing: Mutex<()>,
    /// Woken when there is another end to wait for.
    changed: Notify,
}

impl SilenceRegistry {
    pub(super) fn new(store: Store, silences: Silences) -> Self {
        Self { store, silences, replacing: Mutex::new(()), changed: Notify::new() }
    }

    /// Puts what the state file holds in force.
    pub(super) async fn load(&self) -> Result<(), StoreError> {
        let _alone = self.replacing.lock().await;
        let stored = self.store.silences().await?;
        // What a person ended says nothing any more, not even of what waits since then.
        let standing = stored.iter().filter(|one| one.revoked.is_none());
        let compiled = standing.filter_map(|one| match SilenceMatch::parse(&one.matches) {
            Ok(silence_match) => {
                Some(Silence { id: one.id, why: one.why.clone(), since: one.since, until: one.until, silence_match })
            }
            Err(fault) => {
                warn!("silence {} hushes nothing, since it cannot be understood: {fault}", one.id);
                None
            }
        });
        self.silences.replace(compiled.collect());
        self.changed.notify_one();
        Ok(())
    }

    pub(super) async fn list(&self, expired: bool) -> Result<Vec<SilenceShown>, HttpError> {
        let (stored, now) = (self.store.silences().await.map_err(fault)?, Timestamp::now());
        Ok(stored.iter().map(|one| shown(one, now)).filter(|one| expired || one.ended.is_none()).collect())
    }

    pub(super) async fn add(&self, ask: SilenceRequest, relays: &Relays) -> Result<SilenceShown, HttpError> {
        let way_out = "write matches like type=container.*, data.state!=Init or relay=NAME";
        let silence_match =
            SilenceMatch::parse(&ask.matches).map_err(|fault| HttpError::bad_request(fault.to_string(), way_out))?;
        if silence_match.is_everything() && !ask.all {
            return Err(HttpError::bad_request(
                "that would hush everything",
                "say all instead of matches if it is meant",
            ));
        }
        for said in &ask.matches {
            known_relay(said, relays)?;
        }
        let now = Timestamp::now();
        if self.silences.active_count(now) >= MOST {
            return Err(HttpError::bad_request(
                format!("{MOST} silences are in force"),
                "expire those that are not needed",
            ));
        }
        let span = ask.r#for.and_then(|span| SignedDuration::try_from(span).ok()).unwrap_or_default();
        let until = now.saturating_add(span).unwrap_or(Timestamp::MAX);
        let silence = self.store.add_silence(ask.matches, ask.why, until).await.map_err(fault)?;
        self.load().await.map_err(fault)?;
        let store::Silence { id, matches, why, until, .. } = &silence;
        info!(%until, ?matches, "silence {id} is in force: {why}");
        Ok(shown(&silence, now))
    }

    pub(super) async fn expire(&self, ask: ExpireRequest) -> Result<usize, HttpError> {
        let ended = self.store.expire_silences(ask.id).await.map_err(fault)?;
        if let (Some(id), []) = (ask.id, ended.as_slice()) {
            let hint = "`tidings silence list` shows those that are";
            return Err(HttpError::not_found(format!("no silence {id} is in force"), hint));
        }
        self.load().await.map_err(fault)?;
        for id in &ended {
            info!("silence {id} was ended before its time");
        }
        Ok(ended.len())
    }

    /// The silence that would hush the event now.
    pub(super) fn silencing(&self, event: &Event, relay: &str) -> Option<SilenceShown> {
        let now = Timestamp::now();
        let silence = self.silences.covering(event, relay, now, || now)?;
        let Silence { id, why, since, until, .. } = silence;
        let (since, until) = (since.to_string(), until.to_string());
        Some(SilenceShown { id, why, since, until, ..SilenceShown::default() })
    }

    pub(super) fn in_force(&self) -> usize {
        self.silences.active_count(Timestamp::now())
    }

    /// Says of each silence when it is over; they end by themselves.
    pub(super) async fn watch(&self, stop: Stop) -> Result<(), Fault> {
        let mut said = Timestamp::now();
        loop {
            let wait = match self.store.silences().await {
                Ok(stored) => {
                    let now = Timestamp::now();
                    let standing = || stored.iter().filter(|one| one.revoked.is_none());
                    for one in standing().filter(|one| said < one.until && one.until <= now) {
                        info!("silence {} is over: {}", one.id, one.why);
                    }
                    said = now;
                    let next = standing().map(|one| one.until).filter(|end| now < *end).min();
                    next.map(|end| Duration::try_from(end.duration_since(now)).unwrap_or_default())
                }
                Err(trouble) => {
                    warn!("the silences cannot be read, trying again: {trouble}");
                    Some(READ_AGAIN)
                }
            };
            tokio::select! {
                () = stop.wait() => return Ok(()),
                () = self.changed.notified() => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }
}

/// A relay that is named and not there would be a silence that hushes nothing.
fn known_relay(said: &str, relays: &Relays) -> Result<(), HttpError> {
    let Some(name) = said.strip_prefix("relay=").filter(|name| !name.contains('*')) else { return Ok(()) };
    if relays.by_name(name).is_some() {
        return Ok(());
    }
    let known = || relays.iter().map(|relay| &*relay.name);
    let hint = match nearest(name, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known().collect::<Vec<_>>().join(", ")),
    };
    Err(HttpError::bad_request(format!("there is no relay `{name}`"), hint))
}

fn shown(silence: &store::Silence, now: Timestamp) -> SilenceShown {
    let ended = silence.revoked.or_else(|| (silence.until <= now).then_some(silence.until));
    SilenceShown {
        id: silence.id,
        matches: silence.matches.clone(),
        why: silence.why.clone(),
        since: silence.since.to_string(),
        until: silence.until.to_string(),
        ended: ended.map(|at| at.to_string()),
    }
}
