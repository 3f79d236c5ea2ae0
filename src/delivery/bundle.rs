//! Several deliveries that are sent in one message: the parts of each that the message needs.
//!
//! Counts are exact, and memory does not grow with the number or size of the members. Decides neither which deliveries
//! belong together nor when they are sent. `render` makes the message.

pub(super) mod render;
mod summary_line;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Event, Name};
use crate::message::{Message, Severity, Unit, cut};
use crate::store::{Delivery, DeliveryId};
use summary_line::SummaryLine;

/// At this size a bundle is sent and another begins: as many as `tidings events` lists at most.
const FULL: usize = 10_000;
/// Types are cut to this length: with some sources they come out of the body.
const LONGEST_TYPE: usize = 80;
/// Lines in memory, one a member; a group of no more members is shown whole.
const LINES: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum BundleKind {
    /// More were pending than anybody would read one by one.
    Digest,
    /// The relay's `group`; `by` is what the members have in common.
    Group { by: String },
    /// The relay's `throttle`: those beyond `max` within `per`.
    Throttle { max: u32, per: Duration },
}

/// Deliveries of one relay to one sink, in the order of [`Bundle::add`].
#[derive(Debug)]
pub(super) struct Bundle {
    pub kind: BundleKind,
    pub relay: Name,
    ids: Vec<DeliveryId>,
    types: BTreeMap<Box<str>, usize>,
    lines: Vec<SummaryLine>,
    severity: Severity,
    first: Option<FirstMember>,
}

/// The first member, and how the others compare with it.
#[derive(Debug)]
struct FirstMember {
    /// Its message; emptied once there are others, because it could be large.
    message: Box<Message>,
    /// When the first and the last of all members were accepted.
    span: (Timestamp, Timestamp),
    /// No member was accepted earlier than this; a replayed one counts as accepted again.
    since: Timestamp,
    /// Whether all members are about the same incident and do the same to it.
    shared: bool,
}

impl Bundle {
    pub(super) fn new(kind: BundleKind, relay: Name) -> Self {
        let (ids, types, lines) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { kind, relay, ids, types, lines, severity: Severity::default(), first: None }
    }

    /// `message`: how `delivery` alone would be sent, in the sink's own markup.
    pub(super) fn add(&mut self, delivery: &Delivery, message: &Message) {
        let accepted = delivery.accepted;
        let since = accepted.min(delivery.event.time);
        self.ids.push(delivery.id);
        let r#type = cut(&delivery.event.r#type, LONGEST_TYPE, Unit::Chars);
        *self.types.entry(r#type.into()).or_default() += 1;
        self.severity = self.severity.max(message.severity);
        if self.lines.len() < LINES {
            self.lines.push(SummaryLine::of(delivery, message));
        }
        match &mut self.first {
            None => {
                self.first = Some(FirstMember {
                    message: Box::new(message.clone()),
                    span: (accepted, accepted),
                    since,
                    shared: true,
                });
            }
            Some(first) => {
                first.span = (first.span.0.min(accepted), first.span.1.max(accepted));
                first.since = first.since.min(since);
                first.shared &= first.message.key == message.key && first.message.signal == message.signal;
                let Message { title, text, fields, raw, .. } = &mut *first.message;
                (*title, *text, *fields, *raw) = (None, String::new(), Vec::new(), None);
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
        self.first.as_ref().map_or((Timestamp::MAX, Timestamp::MAX), |first| first.span)
    }

    pub(super) fn first_event(&self) -> Option<&Arc<Event>> {
        self.first.as_ref().map(|first| &first.message.origin.event)
    }

    /// The only member's own message; what a throttle held back is counted even then.
    fn alone(&self) -> Option<&Message> {
        let is_counted = matches!(self.kind, BundleKind::Throttle { .. });
        self.first.as_ref().filter(|_| !is_counted && self.len() == 1).map(|first| &*first.message)
    }

    /// Types and how often each occurred, the most frequent first.
    fn by_type(&self) -> Vec<(&str, usize)> {
        let mut types: Vec<_> = self.types.iter().map(|(r#type, count)| (&**r#type, *count)).collect();
        // A stable sort: equal counts stay in the order of their names.
        types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        types
    }
}
