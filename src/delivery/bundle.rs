//! Several deliveries that are said in one message: what is kept of each, and nothing more.
//!
//! Counts are exact, memory is not a matter of how many or how large the members are. Decides nothing: which
//! deliveries belong together, and when that is said, is the lane's business. `words` turns it into a message.

mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Event, Name};
use crate::message::{Markup, Message, Severity, Signal, Unit, cut};
use crate::store::{Delivery, DeliveryId};

/// A lane says what it has when a bundle has grown so far, and begins another. As many as `tidings events` lists at most.
const FULL: usize = 10_000;
/// Types are counted by their beginnings: some sources let a body say what its type is.
const LONGEST_TYPE: usize = 80;
/// First lines that are kept; a group of so many is shown whole.
const LINES: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum BundleKind {
    /// More waited than anybody would read one by one.
    Digest,
    /// The relay wants these together; `by` is what they have in common.
    Group { by: String },
    /// What was more than `max` within `per`.
    Throttle { max: u32, per: Duration },
}

/// Deliveries of one relay to one sink, in the order of [`Bundle::add`].
#[derive(Debug)]
pub(super) struct Bundle {
    pub kind: BundleKind,
    pub relay: Name,
    ids: Vec<DeliveryId>,
    types: BTreeMap<Box<str>, usize>,
    lines: Vec<Line>,
    severity: Severity,
    lead: Option<Lead>,
}

/// The first member, and what the others are measured against.
#[derive(Debug)]
struct Lead {
    event: Arc<Event>,
    /// When the first and the last of all members were accepted.
    span: (Timestamp, Timestamp),
    /// When the earliest can have been accepted for the first time: what is replayed is accepted anew.
    since: Timestamp,
    incident: Incident,
    /// Whether all members are about the same incident and do the same to it.
    shared: bool,
    /// Its message, while it is the only one.
    alone: Option<Box<Message>>,
}

/// By what people know a member.
#[derive(Debug)]
enum Line {
    /// In the sink's own markup already.
    Worded(String),
    /// As it came, for a message that says nothing.
    Bare(String),
}

#[derive(Debug, PartialEq)]
struct Incident {
    key: String,
    signal: Option<Signal>,
    client: Option<String>,
    client_url: Option<String>,
}

impl Bundle {
    pub(super) fn new(kind: BundleKind, relay: Name) -> Self {
        let (ids, types, lines) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { kind, relay, ids, types, lines, severity: Severity::default(), lead: None }
    }

    /// `message` is what would be said of `delivery` alone, in the sink's own markup.
    pub(super) fn add(&mut self, delivery: &Delivery, message: &Message) {
        let accepted = delivery.accepted;
        let since = accepted.min(delivery.event.time);
        self.ids.push(delivery.id);
        let r#type = cut(&delivery.event.r#type, LONGEST_TYPE, Unit::Chars);
        *self.types.entry(r#type.into()).or_default() += 1;
        self.severity = self.severity.max(message.severity);
        if self.lines.len() < LINES {
            self.lines.push(Line::of(delivery, message));
        }
        match &mut self.lead {
            None => {
                self.lead = Some(Lead {
                    event: Arc::clone(&delivery.event),
                    span: (accepted, accepted),
                    since,
                    incident: Incident::of(message),
                    shared: true,
                    alone: Some(Box::new(message.clone())),
                });
            }
            Some(lead) => {
                lead.span = (lead.span.0.min(accepted), lead.span.1.max(accepted));
                lead.since = lead.since.min(since);
                lead.shared &= lead.incident.key == message.key && lead.incident.signal == message.signal;
                lead.alone = None;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= FULL
    }

    pub(super) fn ids(&self) -> &[DeliveryId] {
        &self.ids
    }

    /// When the first and the last of it were accepted.
    pub(super) fn span(&self) -> (Timestamp, Timestamp) {
        self.lead.as_ref().map_or((Timestamp::MAX, Timestamp::MAX), |lead| lead.span)
    }

    pub(super) fn first(&self) -> Option<&Arc<Event>> {
        self.lead.as_ref().map(|lead| &lead.event)
    }

    /// The one message, the same at every call. A group or a digest of one is its member's own message.
    pub(super) fn word(&self, markup: Markup) -> Message {
        words::word(self, markup)
    }

    /// The member's own message, where one message is all there is to say.
    fn alone(&self) -> Option<&Message> {
        let said_by_itself = !matches!(self.kind, BundleKind::Throttle { .. });
        self.lead.as_ref().filter(|_| said_by_itself)?.alone.as_deref()
    }

    /// Types and how often each came, the most frequent first.
    fn by_type(&self) -> Vec<(&str, usize)> {
        let mut types: Vec<_> = self.types.iter().map(|(r#type, count)| (&**r#type, *count)).collect();
        // Stable, so those of one count stay in the order of their names.
        types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        types
    }
}

impl Incident {
    fn of(message: &Message) -> Self {
        Self {
            key: message.key.clone(),
            signal: message.signal,
            client: message.client.clone(),
            client_url: message.client_url.clone(),
        }
    }
}
