//! Which messages are not sent, or not at once, although a relay wants them: silences, `mute`, `unique`, `throttle`, `group`.
//!
//! Decides; sends and stores nothing. Everything goes by the time at which a delivery was accepted, so that a restart or a
//! backlog decides as a quiet day would have. What must outlive a restart is written beside the verdict as a note.

use std::collections::HashMap;

use jiff::Timestamp;

use super::bundle::BundleKind;
use super::clock::later;
use super::ttl_map::{TtlMap, note_name};
use crate::config_reader::print_duration;
use crate::event::Name;
use crate::message::{Message, Signal};
use crate::relay::{Quiet, Silences, Throttle};
use crate::store::{Delivery, Note};

const UNIQUE: &str = "unique";
const THROTTLE: &str = "throttle";

#[derive(Debug)]
pub(super) struct QuietFilter {
    silences: Silences,
    /// Whether messages may be summed up. A pager has no use for sums: it ignores `group`, and what a throttle holds back
    /// is only counted.
    sums_up: bool,
    /// By note: the keys that were sent and may not be sent again yet.
    sent: TtlMap<()>,
    /// By relay.
    spans: HashMap<Name, ThrottleSpan>,
}

/// One span of a throttle, begun by its first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ThrottleSpan {
    begun: Timestamp,
    passed: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// To be sent, and these notes to be written beside its verdict.
    Send(Vec<Note>),
    /// Not to be sent, for this reason.
    Suppress(String),
    /// To be sent at `until` in one message with others.
    Gather { kind: BundleKind, until: Timestamp, notes: Vec<Note> },
}

impl QuietFilter {
    /// With the notes of an earlier run.
    pub(super) fn restore(silences: Silences, sums_up: bool, notes: &[Note]) -> Self {
        let mut filter = Self { silences, sums_up, sent: TtlMap::default(), spans: HashMap::new() };
        for note in notes {
            let Some(value) = &note.value else { continue };
            match note.name.split_once(':') {
                Some((UNIQUE, _)) => filter.sent.put(note.name.clone(), (), note.until, Timestamp::MIN),
                Some((THROTTLE, relay)) => {
                    if let Some(span) = ThrottleSpan::parse(value) {
                        filter.spans.insert(relay.into(), span);
                    }
                }
                _ => {}
            }
        }
        filter
    }

    /// `quiet`: the rules of the delivery's relay. `group`: the value of its `group.by`.
    pub(super) fn decide(
        &mut self,
        delivery: &Delivery,
        quiet: Option<&Quiet>,
        message: &Message,
        group: Option<String>,
    ) -> Decision {
        if let Some(why) = self.silenced(delivery, quiet, message) {
            return Decision::Suppress(why);
        }
        let Some(quiet) = quiet.filter(|quiet| !quiet.is_default()) else { return Decision::Send(Vec::new()) };
        let notes = match self.limit(&delivery.relay, quiet, message, delivery.accepted) {
            Decision::Send(notes) => notes,
            decision => return decision,
        };
        match (group, &quiet.group) {
            (Some(by), Some(group)) if self.sums_up && message.signal != Some(Signal::Resolve) => {
                Decision::Gather { kind: BundleKind::Group { by }, until: later(delivery.accepted, group.wait), notes }
            }
            _ => Decision::Send(notes),
        }
    }

    /// Why this must not be sent now: a silence covers it, or its relay is muted. A resolve is always sent.
    pub(super) fn silenced(&self, delivery: &Delivery, quiet: Option<&Quiet>, message: &Message) -> Option<String> {
        if message.signal == Some(Signal::Resolve) {
            return None;
        }
        let silence = self.silences.reason_to_suppress(&delivery.event, &delivery.relay, delivery.accepted);
        silence.or_else(|| quiet?.muted(delivery.accepted))
    }

    /// `unique` and `throttle`. A resolve always passes, and the next message of its key is new. What is held back was not
    /// sent, and a message without a key equals no other.
    fn limit(&mut self, relay: &Name, quiet: &Quiet, message: &Message, accepted: Timestamp) -> Decision {
        let mut notes = Vec::new();
        if quiet.unique.is_none() && quiet.throttle.is_none() {
            return Decision::Send(notes);
        }
        if message.signal == Some(Signal::Resolve) {
            for signal in [None, Some(Signal::Trigger), Some(Signal::Acknowledge)] {
                let name = unique_name(relay, signal, message);
                if self.sent.remove(&name) {
                    notes.push(Note { name, value: None, until: accepted });
                }
            }
            return Decision::Send(notes);
        }
        let unique = quiet.unique.filter(|_| !message.key.is_empty());
        let unique = unique.map(|span| (unique_name(relay, message.signal, message), span));
        if let Some((name, span)) = &unique
            && self.sent.get(name, accepted).is_some()
        {
            return Decision::Suppress(format!("already sent within {} (unique)", print_duration(*span)));
        }
        if let Some(Throttle { max, per }) = quiet.throttle {
            let span = self.spans.entry(relay.clone()).or_insert(ThrottleSpan { begun: accepted, passed: 0 });
            if accepted >= later(span.begun, per) {
                *span = ThrottleSpan { begun: accepted, passed: 0 };
            }
            let until = later(span.begun, per);
            if span.passed >= max {
                if self.sums_up {
                    return Decision::Gather { kind: BundleKind::Throttle { max, per }, until, notes };
                }
                let why = format!("held back: more than {max} within {} (throttle)", print_duration(per));
                return Decision::Suppress(why);
            }
            span.passed += 1;
            notes.push(Note { name: format!("{THROTTLE}:{relay}"), value: Some(span.print()), until });
        }
        if let Some((name, span)) = unique {
            let until = later(accepted, span);
            self.sent.put(name.clone(), (), until, accepted);
            notes.push(Note { name, value: Some(String::new()), until });
        }
        Decision::Send(notes)
    }

    /// The message with these notes was never sent: the next of its key is no repetition.
    pub(super) fn forget(&mut self, notes: &[Note]) {
        for note in notes {
            self.sent.remove(&note.name);
        }
    }
}

/// A trigger and an acknowledgement of one incident are two different messages.
fn unique_name(relay: &Name, signal: Option<Signal>, message: &Message) -> String {
    note_name(UNIQUE, &format!("{relay}:{}:{}", signal.map_or("", Signal::word), message.key))
}

impl ThrottleSpan {
    fn print(self) -> String {
        format!("{} {}", self.begun.as_microsecond(), self.passed)
    }

    fn parse(text: &str) -> Option<Self> {
        let (begun, passed) = text.split_once(' ')?;
        let begun = Timestamp::from_microsecond(begun.parse().ok()?).ok()?;
        Some(Self { begun, passed: passed.parse().ok()? })
    }
}

#[cfg(test)]
mod tests;
