//! How a relay keeps quiet: `unique`, `throttle`, `group` and `mute`. What they mean; the lanes do it, who know clocks.

use std::time::Duration;

use jiff::Timestamp;

use super::fetched::Fetched;
use super::mute::{self, Mute};
use super::template::{Occasion, Template};
use super::wording::bare;
use crate::config_reader::{Node, Problem, TableReader};
use crate::event::{Event, Name};
use crate::fault::Fault;

/// How long a group waits for more when nobody says.
const USUAL_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub struct Quiet {
    /// Of one key only one is said within this time.
    pub unique: Option<Duration>,
    pub throttle: Option<Throttle>,
    pub group: Option<Group>,
    mute: Vec<Mute>,
}

/// No more than `max` within `per`; the others are counted and told in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    pub max: u32,
    pub per: Duration,
}

/// What has the same `by` is said together, `wait` after the first.
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

    /// Whether everything is said as it comes.
    pub fn is_default(&self) -> bool {
        self.unique.is_none() && self.throttle.is_none() && self.group.is_none() && self.mute.is_empty()
    }

    /// Why not to say anything at this time: `muted: 22:00-06:00 Europe/Berlin`. None: speak.
    pub fn muted(&self, at: Timestamp) -> Option<String> {
        self.mute.iter().find(|mute| mute.covers(at)).map(|mute| format!("muted: {mute}"))
    }

    /// What `group.by` makes of the event; None without `group`.
    pub fn group_of(&self, event: &Event, relay: &Name, fetched: &Fetched) -> Option<Result<String, Fault>> {
        let by = &self.group.as_ref()?.by;
        let said = bare(by, &Occasion::new(event, relay, fetched));
        Some(said.map_err(|fault| fault.while_doing("group.by")))
    }
}

/// The table of that key. What is no table is told so, and nothing is missing in it.
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
            let problem = Problem::error(place, "`max` must be at least 1: this would never say anything");
            table.reading.problem(problem.hint("`mute` keeps a relay quiet for some days or hours"));
        }
        table.finish();
        Some(Self { max: max.filter(|max| *max > 0)?, per: per? })
    }
}

impl Group {
    fn read(table: TableReader, roots: &[&str]) -> Option<Self> {
        let by = table.text("by").map(|said| Template::compile(table.reading, &said, roots));
        let wait = table.wait("wait").or_else(|| (!table.has("wait")).then_some(USUAL_WAIT));
        if !table.has("by") {
            table.missing_with_hint(
                "by",
                Some("say what belongs together: group = { by = \"{{ event.subject }}\", wait = \"30s\" }"),
            );
        }
        table.finish();
        Some(Self { by: by??, wait: wait? })
    }
}
