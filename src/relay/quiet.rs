//! What a relay suppresses or combines: `unique`, `throttle`, `group` and `mute`. The lanes, which have clocks, apply it.

use std::time::Duration;

use jiff::Timestamp;

use super::fetched::Fetched;
use super::message_template::render_plain;
use super::mute::{self, Mute};
use super::template::{Template, TemplateInput};
use crate::config_reader::{Node, Problem, TableReader};
use crate::event::{Event, Name};
use crate::fault::Fault;

/// How long a group waits for more by default.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub struct Quiet {
    /// Only one message of each key is sent within this time.
    pub unique: Option<Duration>,
    pub throttle: Option<Throttle>,
    pub group: Option<Group>,
    mute: Vec<Mute>,
}

/// No more than `max` within `per`; the others are counted and summarized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    pub max: u32,
    pub per: Duration,
}

/// Messages with the same `by` are combined, `wait` after the first.
#[derive(Debug)]
pub struct Group {
    by: Template,
    pub wait: Duration,
}

impl Quiet {
    pub(super) fn read(table: &TableReader, roots: &[&str]) -> Self {
        Self {
            unique: table.wait("unique"),
            throttle: inner(table, "throttle").and_then(Throttle::read),
            group: inner(table, "group").and_then(|group| Group::read(group, roots)),
            mute: mute::read(table),
        }
    }

    /// Whether every message is sent as it comes.
    pub fn is_default(&self) -> bool {
        self.unique.is_none() && self.throttle.is_none() && self.group.is_none() && self.mute.is_empty()
    }

    /// Why nothing is sent at this time: `muted: 22:00-06:00 Europe/Berlin`. None: not muted.
    pub fn muted(&self, at: Timestamp) -> Option<String> {
        self.mute.iter().find(|mute| mute.covers(at)).map(|mute| format!("muted: {mute}"))
    }

    /// The value of `group.by` for the event; None without `group`.
    pub fn group_of(&self, event: &Event, relay: &Name, fetched: &Fetched) -> Option<Result<String, Fault>> {
        let by = &self.group.as_ref()?.by;
        let spanned = render_plain(by, &TemplateInput::new(event, relay, fetched));
        Some(spanned.map_err(|fault| fault.while_doing("group.by")))
    }
}

/// The table of that key. If the value is not a table, that is the only error.
fn inner<'r, 't>(table: &TableReader<'r, 't>, key: &'static str) -> Option<TableReader<'r, 't>> {
    let inner = table.table(key)?;
    table.item(key).is_some_and(|item| matches!(item.node, Node::Table(_))).then_some(inner)
}

impl Throttle {
    fn read(table: TableReader) -> Option<Self> {
        let (max, per) = (table.count("max", 0), table.wait("per"));
        for key in ["max", "per"].into_iter().filter(|key| !table.has(key)) {
            table.missing_with_hint(key, Some("write it like throttle = { max = 5, per = \"1m\" }"));
        }
        if max == Some(0) {
            let place = table.item("max").map_or(table.span.clone(), |item| item.span.clone());
            let problem = Problem::error(place, "`max` must be at least 1: this would never send anything");
            table.reader.problem(problem.hint("use `mute` to suppress messages on some days or at some hours"));
        }
        table.finish();
        Some(Self { max: max.filter(|max| *max > 0)?, per: per? })
    }
}

impl Group {
    fn read(table: TableReader, roots: &[&str]) -> Option<Self> {
        let by = table.text("by").map(|spanned| Template::compile(table.reader, &spanned, roots));
        let wait = table.wait("wait").or_else(|| (!table.has("wait")).then_some(DEFAULT_WAIT));
        if !table.has("by") {
            table.missing_with_hint(
                "by",
                Some("write what belongs together: group = { by = \"{{ event.subject }}\", wait = \"30s\" }"),
            );
        }
        table.finish();
        Some(Self { by: by??, wait: wait? })
    }
}
