//! The silences: stored, applied by the lanes, and managed through the admin API.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, Notify};
use tracing::{info, warn};

use super::responses::{self, store_refusal};
use crate::admin::HttpError;
use crate::admin::types::{ExpireRequest, NewSilence, Silence};
use crate::config_reader::nearest;
use crate::event::Event;
use crate::fault::Fault;
use crate::relay::{self, Relays, SilenceMatch, Silences};
use crate::stop::Stop;
use crate::store::{self, Store, StoreError};

/// More active silences than this are the mistake of a script.
const MAX_ACTIVE: usize = 1000;

/// The pause after the store could not be read.
const RETRY: Duration = Duration::from_secs(5);

pub(super) struct SilenceRegistry {
    store: Store,
    /// The active silences. The lanes hold clones.
    active: Silences,
    /// Held while `active` is replaced, so that the later of two changes wins.
    replacing: Mutex<()>,
    /// Notified when the next end may have changed.
    changed: Notify,
}

impl SilenceRegistry {
    pub(super) fn new(store: Store, active: Silences) -> Self {
        Self { store, active, replacing: Mutex::new(()), changed: Notify::new() }
    }

    /// Activates the stored silences.
    pub(super) async fn load(&self) -> Result<(), StoreError> {
        let _guard = self.replacing.lock().await;
        let stored = self.store.silences().await?;
        // A silence that was ended early no longer covers anything, not even what was accepted while it was active.
        let compiled = stored.iter().filter(|silence| silence.revoked.is_none()).filter_map(|silence| {
            let silence_match = SilenceMatch::parse(&silence.matches)
                .inspect_err(|fault| warn!("silence {} is ignored, it cannot be parsed: {fault}", silence.id));
            let store::Silence { id, why, since, until, .. } = silence;
            Some(relay::Silence {
                id: *id,
                why: why.clone(),
                since: *since,
                until: *until,
                silence_match: silence_match.ok()?,
            })
        });
        self.active.replace(compiled.collect());
        self.changed.notify_one();
        Ok(())
    }

    pub(super) async fn list(&self, expired: bool) -> Result<Vec<Silence>, HttpError> {
        let (stored, now) = (self.store.silences().await.map_err(store_refusal)?, Timestamp::now());
        let silences = stored.iter().map(|silence| responses::silence(silence, now));
        Ok(silences.filter(|silence| expired || silence.ended.is_none()).collect())
    }

    pub(super) async fn add(&self, request: NewSilence, relays: &Relays) -> Result<Silence, HttpError> {
        let NewSilence { matches, all, r#for, why, .. } = request;
        let silence_match = SilenceMatch::parse(&matches).map_err(|fault| {
            HttpError::bad_request(
                fault.to_string(),
                "write matches like type=container.*, data.state!=Init or relay=NAME",
            )
        })?;
        if silence_match.is_everything() && !all {
            return Err(HttpError::bad_request(
                "that would silence everything",
                "use `all` instead of matches if intended",
            ));
        }
        for text in &matches {
            check_relay(text, relays)?;
        }
        let now = Timestamp::now();
        if self.active.active_count(now) >= MAX_ACTIVE {
            return Err(HttpError::bad_request(
                format!("{MAX_ACTIVE} silences are active"),
                "expire the ones not needed",
            ));
        }
        let duration = r#for.and_then(|age| SignedDuration::try_from(age).ok()).unwrap_or_default();
        let until = now.saturating_add(duration).unwrap_or(Timestamp::MAX);
        let silence = self.store.add_silence(matches, why, until).await.map_err(store_refusal)?;
        self.load().await.map_err(store_refusal)?;
        let store::Silence { id, matches, why, until, .. } = &silence;
        info!(%until, ?matches, "silence {id} added: {why}");
        Ok(responses::silence(&silence, now))
    }

    pub(super) async fn expire(&self, request: ExpireRequest) -> Result<usize, HttpError> {
        let ended = self.store.expire_silences(request.id).await.map_err(store_refusal)?;
        if let (Some(id), []) = (request.id, ended.as_slice()) {
            let hint = "`tidings silence list` shows the active ones";
            return Err(HttpError::not_found(format!("there is no active silence {id}"), hint));
        }
        self.load().await.map_err(store_refusal)?;
        for id in &ended {
            info!("silence {id} ended early, as requested");
        }
        Ok(ended.len())
    }

    /// The silence that would suppress the event now.
    pub(super) fn silencing(&self, event: &Event, relay: &str) -> Option<Silence> {
        let now = Timestamp::now();
        let relay::Silence { id, why, since, until, .. } = self.active.covering(event, relay, now, || now)?;
        Some(Silence { id, why, since: since.to_string(), until: until.to_string(), ..Silence::default() })
    }

    pub(super) fn active(&self) -> usize {
        self.active.active_count(Timestamp::now())
    }

    /// Logs the end of each silence. They end by themselves, without this.
    pub(super) async fn log_ends(&self, stop: Stop) -> Result<(), Fault> {
        let mut logged_until = Timestamp::now();
        loop {
            let wait = match self.store.silences().await {
                Ok(stored) => {
                    let now = Timestamp::now();
                    let lasting = || stored.iter().filter(|silence| silence.revoked.is_none());
                    for silence in lasting().filter(|silence| logged_until < silence.until && silence.until <= now) {
                        info!("silence {} ended: {}", silence.id, silence.why);
                    }
                    logged_until = now;
                    let next = lasting().map(|silence| silence.until).filter(|end| now < *end).min();
                    next.map(|end| Duration::try_from(end.duration_since(now)).unwrap_or_default())
                }
                Err(error) => {
                    warn!("the silences cannot be read, retrying: {error}");
                    Some(RETRY)
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

/// A silence for an unknown relay would suppress nothing.
fn check_relay(text: &str, relays: &Relays) -> Result<(), HttpError> {
    let Some(name) = text.strip_prefix("relay=").filter(|name| !name.contains('*')) else { return Ok(()) };
    if relays.by_name(name).is_some() {
        return Ok(());
    }
    let known = || relays.iter().map(|relay| &*relay.name);
    let hint = match nearest(name, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", known().collect::<Vec<_>>().join(", ")),
    };
    Err(HttpError::bad_request(format!("there is no relay `{name}`"), hint))
}
