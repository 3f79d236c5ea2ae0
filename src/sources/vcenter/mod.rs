//! The events of a vCenter, 6.5 to 9, read so that none is lost and none is delivered twice.
//!
//! A vCenter has no push: events are read from its history, by time, with several ways of reading that check each other.
//!
//! ```text
//!   reader             session after session: log in, read, log out, wait (the pace is `crate::reconnect`'s)
//!         │
//!   reader/session     one session
//!         │
//!         ├─ reader/resume     where to read on: the stored cursor, or `from`; a clock set back; another filter
//!         ├─ reader/tail       watches the latest page of a small collector: new events within a second ◄──┐
//!         │     │  the page is torn: events fell off it                                                    │
//!         │     ▼                                                                                          │
//!         ├─ reader/catch_up   reads since a time with collectors of its own, to the end;                  │
//!         │     ▲              what vCenter no longer has or does not return is a gap                      │
//!         │     │  at the start of a session, after a torn page, in every audit                            │
//!         ├─ reader/audit      every 15 to 30 minutes, and after 10 minutes of silence: a catch-up must    │
//!         │     ▲              find nothing new; if it does, the tail has stalled and is opened again ─────┘
//!         │     │  the canary is overdue
//!         └─ canary            sends an event and expects it back; one that even an audit does not find
//!                              ends the session: vCenter answers but no longer records events
//!
//!   all ways of reading ──page──► reader/page_diff ──new events──► reader/state: commit ──► outbox
//!                                   │ which are new?                 │ events and cursor in one transaction
//!                                   ├─ cursor/   what was read       └─ refused: read again from the last cursor
//!                                   └─ parse/    element ► event
//! ```
//!
//! The cursor belongs to the client and moves only with a commit, so a lost answer loses nothing. It identifies events
//! by time and key and ignores the order of keys, which restart and wrap.
//!
//! `api` is what the reader needs of a vCenter; `session_api` implements it with a session of `crate::vsphere`, `tests`
//! in memory. `inventory` answers look-ups in the same session. `config` reads relays.toml.

mod api;
mod audit_schedule;
mod canary;
mod config;
mod cursor;
mod inventory;
mod parse;
mod reader;
mod session_api;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::{AlertTexts, Source};
use crate::event::Event;
use crate::fault::Fault;
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::reconnect::Reconnect;
use crate::stop::Stop;
use crate::vsphere::{Element, SessionPool};

pub(super) use config::Config;
use inventory::{HostNames, InventoryQuery};
use reader::Reader;

#[derive(Debug)]
pub struct Vcenter {
    config: Config,
    pool: SessionPool,
    hosts: HostNames,
}

/// The event of one element of the history. The error is what the element lacks to be an event.
pub(super) fn event_of(element: &Element, instance: &str, out: &Outbox) -> Result<Event, &'static str> {
    let identity = parse::identity(element)?;
    Ok(parse::event(element, identity, instance, out))
}

impl Vcenter {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "vCenter {{ event.subject }} is lost: {{ data.why }}",
        back: "vCenter {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        let pool = SessionPool::new(config.account.clone(), net);
        Self { config, pool, hosts: HostNames::default() }
    }
}

impl Source for Vcenter {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let host = self.config.account.url.host_str().unwrap_or_default();
        let reconnect = Reconnect::new(out.source(), host, self.config.reconnect, stop);
        let reader = Reader::new(&self.config.options, &self.pool.own_sessions, out, stop);
        reader::run(&self, reader, reconnect).await;
        Ok(())
    }

    async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
        let query = InventoryQuery::parse(reference)?;
        let fetched = self.pool.call(|session| query.fetch(session, &self.hosts)).await;
        fetched.map_err(|error| error.fault())
    }

    fn catches_up(&self) -> bool {
        true
    }
}
