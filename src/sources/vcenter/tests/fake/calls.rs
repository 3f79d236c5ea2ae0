//! What may be asked of it.

use std::sync::MutexGuard;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout_at};

use super::{AGENT, Collector, Fake, State, leaf, trace};
use crate::fault::Fault;
use crate::sources::vcenter::history::{Gate, History, Pages};
use crate::stop::Stop;
use crate::vsphere::{Element, Reference, Trouble};

pub(in crate::sources::vcenter::tests) struct Watch {
    id: u64,
    collector: String,
    told: Option<u64>,
}

pub(in crate::sources::vcenter::tests) struct Inside {
    fake: Fake,
    session: u64,
    key: String,
    instance: String,
}

impl Gate for Fake {
    type Inside = Inside;

    async fn enter(&self, stop: &Stop) -> Result<Option<Inside>, Trouble> {
        if stop.is_triggered() {
            return Ok(None);
        }
        let mut state = self.state();
        state.tries.push(Instant::now());
        if state.refuses {
            return Err(Trouble::Refused(Fault::new("login_refused", "vCenter refuses this user name or password")));
        }
        if let Some(at) = state.faults.iter().position(|(call, _)| *call == "enter") {
            return Err(state.faults.remove(at).expect("there").1);
        }
        state.sessions += 1;
        state.alive = Some(state.sessions);
        let (session, instance) = (state.sessions, state.instance.clone());
        let key = format!("session-{session}");
        state.write("UserLoginSessionEvent", trace(&key), SignedDuration::ZERO, false);
        drop(state);
        Ok(Some(Inside { fake: self.clone(), session, key, instance }))
    }
}

impl Inside {
    /// What every call meets first.
    fn on(&self, call: &'static str) -> Result<MutexGuard<'_, State>, Trouble> {
        let mut state = self.fake.state();
        if state.faults.front().is_some_and(|(name, _)| *name == call) {
            return Err(state.faults.pop_front().expect("there").1);
        }
        if state.alive == Some(self.session) { Ok(state) } else { Err(Trouble::LoggedOut) }
    }
}

fn gone() -> Trouble {
    Trouble::Gone(Fault::new("gone", "the collector is not there any more"))
}

impl History for Inside {
    type Watch = Watch;

    fn instance(&self) -> &str {
        &self.instance
    }

    fn session_key(&self) -> &str {
        &self.key
    }

    fn user_agent(&self) -> &str {
        AGENT
    }

    async fn now(&self) -> Result<Timestamp, Trouble> {
        Ok(self.on("now")?.now())
    }

    async fn collect(&self, begin: Option<Timestamp>, most: u32) -> Result<Reference, Trouble> {
        let mut state = self.on("collect")?;
        if state.collectors.len() >= 32 {
            let fault = Fault::new("invalid_state", "too many event collectors");
            return Err(Trouble::Server { name: "InvalidState".into(), fault });
        }
        state.made += 1;
        let id = format!("collector-{}", state.made);
        state.collectors.insert(id.clone(), Collector { begin, most: most as usize, next: 0 });
        state.most_collectors = state.most_collectors.max(state.collectors.len());
        Ok(Reference::new("EventHistoryCollector", id))
    }

    async fn read_on(&self, of: &Reference, most: u32) -> Result<Vec<Element>, Trouble> {
        // Others have their turn, as they do while one waits for a server.
        tokio::task::yield_now().await;
        let mut state = self.on("read_on")?;
        let collector = state.collectors.get(&of.id).ok_or_else(gone)?;
        if state.stuck {
            return Ok(Vec::new());
        }
        if state.as_debian {
            let page = if collector.next == 0 { state.page(collector, u64::MAX) } else { Vec::new() };
            state.collectors.get_mut(&of.id).expect("there").next = 1;
            return Ok(page);
        }
        let (begin, next) = (collector.begin, collector.next);
        let behind = state
            .events
            .iter()
            .filter(|written| written.number >= next && begin.is_none_or(|begin| written.time >= begin));
        let page: Vec<_> = behind.take(most as usize).cloned().collect();
        if let Some(last) = page.last() {
            state.collectors.get_mut(&of.id).expect("there").next = last.number + 1;
        }
        match state.blanks.front_mut() {
            Some(0) => {
                state.blanks.pop_front();
                return Ok(Vec::new());
            }
            Some(spared) => *spared -= 1,
            None => {}
        }
        Ok(page.into_iter().filter(|written| !written.hidden).map(|written| written.event).collect())
    }

    async fn latest(&self, of: &Reference) -> Result<Vec<Element>, Trouble> {
        let many = self.on("latest")?.at_looks.pop_front();
        if let Some(many) = many {
            self.fake.burst(many);
        }
        let state = self.on("latest")?;
        Ok(state.page(state.collectors.get(&of.id).ok_or_else(gone)?, u64::MAX))
    }

    async fn watch(&self, of: &Reference) -> Result<Watch, Trouble> {
        let mut state = self.on("watch")?;
        state.made += 1;
        let id = state.made;
        state.watches.insert(id);
        Ok(Watch { id, collector: of.id.clone(), told: None })
    }

    async fn changes(&self, watch: &mut Watch, wait: Duration) -> Result<Option<Pages>, Trouble> {
        let until = Instant::now() + wait;
        loop {
            let news = self.fake.news.notified();
            {
                let state = self.on("changes")?;
                let collector = state.collectors.get(&watch.collector).ok_or_else(gone)?;
                let written = state.written;
                let from = watch.told.unwrap_or(written.saturating_sub(1));
                if watch.told.is_none() || (from < written && watch.id > state.deaf_up_to) {
                    watch.told = Some(written);
                    let steps = if state.as_debian { from + 1..=written } else { written..=written };
                    return Ok(Some(steps.map(|up_to| state.page(collector, up_to)).collect()));
                }
            }
            if timeout_at(until, news).await.is_err() {
                return Ok(None);
            }
        }
    }

    async fn unwatch(&self, watch: Watch) -> Result<(), Trouble> {
        self.on("unwatch")?.watches.remove(&watch.id);
        Ok(())
    }

    async fn destroy(&self, collector: &Reference) -> Result<(), Trouble> {
        self.on("destroy")?.collectors.remove(&collector.id).map(|_| ()).ok_or_else(gone)
    }

    async fn note(&self, message: &str) -> Result<(), Trouble> {
        let state = self.on("note")?;
        if state.takes_no_notes {
            let fault = Fault::new("soap_fault", "vCenter answers LogUserEvent with MethodNotFound");
            return Err(Trouble::Server { name: "MethodNotFound".into(), fault });
        }
        let swallowed = state.swallows_notes;
        drop(state);
        if !swallowed {
            self.fake.happen_with("GeneralUserEvent", vec![leaf("message", message)]);
        }
        Ok(())
    }

    async fn found_dead(&self) {
        std::future::pending::<()>().await;
    }

    /// As a real one, it keeps nothing of a session that logged out.
    async fn leave(&self) {
        let mut state = self.fake.state();
        if state.alive == Some(self.session) {
            state.alive = None;
            state.collectors.clear();
            state.watches.clear();
            state.write("UserLogoutSessionEvent", trace(&self.key), SignedDuration::ZERO, false);
        }
    }
}
