//! vCenter's events, 6.5 to 9, read so that none is lost and none comes twice.
//!
//! `reading` is the algorithm; it knows a vCenter only as a [`history::History`]. `live` is the real one.

mod address;
mod audit;
mod canary;
mod catch_up;
mod config;
mod history;
mod judging;
mod keeping;
mod live;
mod look;
mod meaning;
mod naming;
mod odd;
mod own;
mod place;
mod reading;
mod settling;
mod tail;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::{AlertTexts, Source};
use crate::backoff::Backoff;
use crate::event::Event;
use crate::fault::Fault;
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::vsphere::{Client, Element, Trouble};

pub(super) use config::Config;
use live::Entrance;
use look::Hosts;
use reading::{Reader, Wants};

#[derive(Debug)]
pub struct Vcenter {
    entrance: Entrance,
    wants: Wants,
    retry: Backoff,
    hosts: Hosts,
}

/// What one element of the history means; the error says what it lacks for being an event.
pub(super) fn event_of(element: &Element, instance: &str, out: &Outbox) -> Result<Event, &'static str> {
    let mark = meaning::mark(element)?;
    Ok(meaning::event(element, mark, instance, out))
}

impl Vcenter {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "vCenter {{ event.subject }} is lost: {{ data.why }}",
        back: "vCenter {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        let Config { account, filter, wants, retry } = config;
        Self { entrance: Entrance::new(Client::new(account, net), filter), wants, retry, hosts: Hosts::default() }
    }
}

impl Source for Vcenter {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let mut reader = Reader::new(&self.wants, out, stop);
        keeping::keep(&&self.entrance, &mut reader, self.retry, out, stop).await;
        Ok(())
    }

    async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
        let wanted = look::Wanted::read(reference)?;
        let gone = || Fault::new("closing", "the source is gone");
        let session = self.entrance.session().await.ok_or_else(gone)?;
        match wanted.look(&session, &self.hosts).await {
            Err(Trouble::LoggedOut) => {
                self.entrance.is_dead(&session);
                let session = self.entrance.session().await.ok_or_else(gone)?;
                wanted.look(&session, &self.hosts).await
            }
            found => found,
        }
        .map_err(|trouble| trouble.fault())
    }

    fn catches_up(&self) -> bool {
        true
    }
}
