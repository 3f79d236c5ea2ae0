//! Silences: what operators suppress at run time for a while. Each has matches of one path and one pattern,
//! `type=container.*` or `data.state!=Init`; all of them must hold.
//!
//! The daemon's own events are suppressed only by a silence that names their source or relay: otherwise a source lost
//! during a silenced deployment would page nobody.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

use super::glob::Glob;
use super::pattern::{Check, FieldPath, Pattern, Test};
use super::pattern_reader::parse_path;
use crate::config_reader::nearest;
use crate::event::{Event, Picked};
use crate::fault::Fault;

/// What one silence matches, compiled.
#[derive(Debug, Clone)]
pub struct SilenceMatch {
    tests: Vec<(MatchedField, Pattern)>,
    everything: bool,
    /// Whether it names a source or a relay, so that it applies to the daemon's own events.
    names_source_or_relay: bool,
}

#[derive(Debug, Clone)]
enum MatchedField {
    Relay,
    Event(FieldPath),
}

/// One silence that may still suppress something.
#[derive(Debug, Clone)]
pub struct Silence {
    pub id: i64,
    pub why: String,
    pub since: Timestamp,
    pub until: Timestamp,
    pub silence_match: SilenceMatch,
}

/// All silences, shared by all clones and replaced together.
#[derive(Debug, Clone, Default)]
pub struct Silences(Arc<RwLock<Vec<Silence>>>);

impl SilenceMatch {
    /// Without matches it suppresses everything, as with stars alone.
    pub fn parse(matches: &[String]) -> Result<Self, Fault> {
        let mut silence_match = Self { tests: Vec::new(), everything: true, names_source_or_relay: false };
        for text in matches {
            let one = SingleMatch::parse(text)?;
            if !one.matches_everything() {
                silence_match.everything = false;
                silence_match.names_source_or_relay |=
                    !one.not && matches!(one.place, MatchedField::Relay | MatchedField::Event(FieldPath::Source));
            }
            silence_match.tests.push((one.place, one.pattern));
        }
        Ok(silence_match)
    }

    /// Whether it matches every event.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    pub fn takes(&self, event: &Event, relay: &str) -> bool {
        let holds = |(place, pattern): &(MatchedField, Pattern)| match place {
            MatchedField::Relay => pattern.matches(&[Picked::Text(relay.into())]),
            MatchedField::Event(at) => pattern.matches(&at.all(event)),
        };
        (self.names_source_or_relay || !event.is_ours()) && self.tests.iter().all(holds)
    }
}

/// One `KEY=PATTERN`.
struct SingleMatch {
    place: MatchedField,
    not: bool,
    pattern: Pattern,
    only_stars: bool,
}

impl SingleMatch {
    fn parse(text: &str) -> Result<Self, Fault> {
        let wrong = |why: String| Fault::new("match", why);
        let (key, value) = text.split_once('=').ok_or_else(|| {
            wrong(format!("`{text}` is not a match; write it like type=container.* or data.state!=Init"))
        })?;
        let (key, not) = key.strip_suffix('!').map_or((key, false), |key| (key, true));
        let place = match key.trim() {
            "relay" => MatchedField::Relay,
            key => parse_path(key).map(MatchedField::Event).map_err(|(why, hint)| {
                let hint = nearest(key, ["relay"]).map_or(hint, |relay| format!("did you mean `{relay}`?"));
                wrong(format!("`{text}`: {why}; {hint}"))
            })?,
        };
        if value.is_empty() && !matches!(place, MatchedField::Event(FieldPath::Subject | FieldPath::Data(_))) {
            return Err(wrong(format!("`{text}` never matches: every event has a {}", key.trim())));
        }
        let only_stars = !value.is_empty() && value.chars().all(|letter| letter == '*');
        let any = any_of(value);
        let pattern = if not { Pattern(vec![Test { not: Some(any), ..Test::default() }]) } else { any };
        Ok(Self { place, not, pattern, only_stars })
    }

    /// Whether it holds for every event: stars alone for a field that every event has.
    fn matches_everything(&self) -> bool {
        self.only_stars && !self.not && !matches!(self.place, MatchedField::Event(FieldPath::Data(_)))
    }
}

/// On a command line `3` and `true` may be texts or JSON values.
fn any_of(value: &str) -> Pattern {
    let text = Glob::parse(value).map_or_else(|| Check::Text(value.into()), Check::Glob);
    let number = value.parse().ok().filter(|number: &f64| number.is_finite()).map(Check::Number);
    let flag = value.parse().ok().map(Check::Flag);
    Pattern([Some(text), number, flag].into_iter().flatten().map(Test::of).collect())
}

impl Silence {
    pub fn is_active(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// An active silence covers everything that is pending, an expired one what was accepted while it was active.
    fn covers(&self, accepted: Timestamp, now: Timestamp) -> bool {
        accepted < self.until && (self.is_active(now) || self.since <= accepted)
    }
}

impl Silences {
    pub fn replace(&self, all: Vec<Silence>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// Why `relay` must not send this event, for the delivery's record: `silence 3: deploy`.
    /// `accepted` is when the store accepted it.
    pub fn reason_to_suppress(&self, event: &Event, relay: &str, accepted: Timestamp) -> Option<String> {
        let silence = self.covering(event, relay, accepted, Timestamp::now)?;
        Some(format!("silence {}: {}", silence.id, silence.why))
    }

    /// The silence that suppresses it; of several the one that lasts longest.
    pub fn covering(
        &self,
        event: &Event,
        relay: &str,
        accepted: Timestamp,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<Silence> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return None;
        }
        let now = now();
        let matching = all.iter().filter(|one| one.covers(accepted, now) && one.silence_match.takes(event, relay));
        matching.max_by_key(|one| (one.until, one.id)).cloned()
    }

    pub fn active_count(&self, now: Timestamp) -> usize {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|one| one.is_active(now)).count()
    }
}
