//! The calls that the reader makes.

use std::sync::MutexGuard;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout_at};

use super::state::{FakeCollector, FakeWatch, VcenterState};
use super::{FakeVcenter, leaf};
use crate::fault::Fault;
use crate::sources::vcenter::api::{Connect, EventApi, Pages};
use crate::stop::Stop;
use crate::vsphere::{ApiError, Element, PageWatch, Reference};

pub(in crate::sources::vcenter::tests) struct FakeApi {
    vcenter: FakeVcenter,
    session: u64,
    key: String,
    instance: String,
}

/// The members of a log-in or log-out event.
fn session_members(key: &str) -> Vec<Element> {
    vec![leaf("sessionId", key), leaf("userAgent", "")]
}

impl Connect for FakeVcenter {
    type Api = FakeApi;

    async fn connect(&self, stop: &Stop) -> Result<Option<FakeApi>, ApiError> {
        if stop.is_triggered() {
            return Ok(None);
        }
        let mut state = self.state();
        state.logins.push(Instant::now());
        if state.refuses_logins {
            return Err(ApiError::LoginRefused(Fault::new(
                "login_refused",
                "vCenter refuses this user name or password",
            )));
        }
        if let Some(at) = state.failures.iter().position(|(call, _)| *call == "connect") {
            return Err(state.failures.remove(at).expect("there").1);
        }
        state.sessions += 1;
        state.live_session = Some(state.sessions);
        let (session, instance) = (state.sessions, state.instance.clone());
        let key = format!("session-{session}");
        state.record("UserLoginSessionEvent", session_members(&key), SignedDuration::ZERO, false);
        drop(state);
        self.own_sessions.add(&key);
        Ok(Some(FakeApi { vcenter: self.clone(), session, key, instance }))
    }
}

impl FakeApi {
    /// The state, unless the call is to fail or the session is lost.
    fn begin(&self, call: &'static str) -> Result<MutexGuard<'_, VcenterState>, ApiError> {
        let mut state = self.vcenter.state();
        if state.failures.front().is_some_and(|(name, _)| *name == call) {
            return Err(state.failures.pop_front().expect("there").1);
        }
        if state.live_session == Some(self.session) { Ok(state) } else { Err(ApiError::SessionLost) }
    }
}

fn gone() -> ApiError {
    ApiError::NotFound(Fault::new("gone", "the collector no longer exists"))
}

impl EventApi for FakeApi {
    fn instance_uuid(&self) -> &str {
        &self.instance
    }

    async fn server_time(&self) -> Result<Timestamp, ApiError> {
        Ok(self.begin("server_time")?.now())
    }

    async fn create_collector(&self, begin: Option<Timestamp>, page: u32) -> Result<Reference, ApiError> {
        let mut state = self.begin("create_collector")?;
        if state.collectors.len() >= 32 {
            let fault = Fault::new("invalid_state", "too many event collectors");
            return Err(ApiError::Server { name: "InvalidState".into(), fault });
        }
        state.created += 1;
        let id = format!("collector-{}", state.created);
        state.collectors.insert(id.clone(), FakeCollector { begin, page: page as usize, next: 0 });
        state.most_collectors = state.most_collectors.max(state.collectors.len());
        Ok(Reference::new("EventHistoryCollector", id))
    }

    async fn read_next(&self, of: &Reference, max: u32) -> Result<Vec<Element>, ApiError> {
        // Other tasks run meanwhile, as they do during a real call.
        tokio::task::yield_now().await;
        let mut state = self.begin("read_next")?;
        let collector = state.collectors.get(&of.id).ok_or_else(gone)?;
        if state.stuck {
            return Ok(Vec::new());
        }
        if state.debian_bugs {
            let page = if collector.next == 0 { state.page(collector, u64::MAX) } else { Vec::new() };
            state.collectors.get_mut(&of.id).expect("there").next = 1;
            return Ok(page);
        }
        let (begin, next) = (collector.begin, collector.next);
        let rest = state
            .events
            .iter()
            .filter(|recorded| recorded.number >= next && begin.is_none_or(|begin| recorded.time >= begin));
        let page: Vec<_> = rest.take(max as usize).cloned().collect();
        if let Some(last) = page.last() {
            state.collectors.get_mut(&of.id).expect("there").next = last.number + 1;
        }
        match state.skipped_reads.front_mut() {
            Some(0) => {
                state.skipped_reads.pop_front();
                return Ok(Vec::new());
            }
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(page.into_iter().filter(|recorded| !recorded.hidden).map(|recorded| recorded.event).collect())
    }

    async fn latest_page(&self, of: &Reference) -> Result<Vec<Element>, ApiError> {
        let burst = self.begin("latest_page")?.bursts_at_latest_page.pop_front();
        if let Some(count) = burst {
            self.vcenter.burst(count);
        }
        let state = self.begin("latest_page")?;
        Ok(state.page(state.collectors.get(&of.id).ok_or_else(gone)?, u64::MAX))
    }

    async fn watch(&self, of: &Reference) -> Result<PageWatch, ApiError> {
        let mut state = self.begin("watch")?;
        state.created += 1;
        let (number, id) = (state.created, format!("watch-{}", state.created));
        state.watches.insert(id.clone(), FakeWatch { number, collector: of.id.clone() });
        Ok(PageWatch { collector: Reference::new("PropertyCollector", id), version: String::new() })
    }

    /// The version is how many events had been recorded at the last answer.
    async fn next_pages(&self, watch: &mut PageWatch, wait: Duration) -> Result<Option<Pages>, ApiError> {
        let until = Instant::now() + wait;
        loop {
            let changed = self.vcenter.changed.notified();
            {
                let state = self.begin("next_pages")?;
                let FakeWatch { number, collector } = state.watches.get(&watch.collector.id).ok_or_else(gone)?;
                let collector = state.collectors.get(collector).ok_or_else(gone)?;
                let recorded = state.recorded;
                let announced: Option<u64> = watch.version.parse().ok();
                let from = announced.unwrap_or(recorded.saturating_sub(1));
                if announced.is_none() || (from < recorded && *number > state.stalled_up_to) {
                    watch.version = recorded.to_string();
                    let steps = if state.debian_bugs { from + 1..=recorded } else { recorded..=recorded };
                    return Ok(Some(steps.map(|up_to| state.page(collector, up_to)).collect()));
                }
            }
            if timeout_at(until, changed).await.is_err() {
                return Ok(None);
            }
        }
    }

    async fn destroy(&self, collector: &Reference) -> Result<(), ApiError> {
        let mut state = self.begin("destroy")?;
        let watch = state.watches.remove(&collector.id).map(drop);
        watch.or_else(|| state.collectors.remove(&collector.id).map(drop)).ok_or_else(gone)
    }

    async fn log_event(&self, message: &str) -> Result<(), ApiError> {
        let state = self.begin("log_event")?;
        if state.refuses_log_events {
            let fault = Fault::new("soap_fault", "vCenter answers LogUserEvent with MethodNotFound");
            return Err(ApiError::Server { name: "MethodNotFound".into(), fault });
        }
        let dropped = state.drops_log_events;
        drop(state);
        if !dropped {
            self.vcenter.happen_with("GeneralUserEvent", vec![leaf("message", message)]);
        }
        Ok(())
    }

    async fn session_lost(&self) {
        std::future::pending::<()>().await;
    }

    /// As in a real vCenter, the log-out drops everything of the session.
    async fn close(&self) {
        let mut state = self.vcenter.state();
        if state.live_session == Some(self.session) {
            state.live_session = None;
            state.forget_collectors();
            state.record("UserLogoutSessionEvent", session_members(&self.key), SignedDuration::ZERO, false);
        }
    }
}
