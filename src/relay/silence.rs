//! Silences: what operators asked at run time not to be told for a while. One path and one pattern each,
//! `type=container.*` or `data.state!=Init`; all that one silence says must hold.
//!
//! What the daemon says of itself is hushed only where a silence names it, by its source or by the relay: a source
//! that is lost in the quiet of a deployment would otherwise page nobody, ever.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

use super::glob::Glob;
use super::pattern::{At, Check, Pattern, Test};
use super::pattern_reader::at_of;
use crate::config_reader::nearest;
use crate::event::{Event, Picked};
use crate::fault::Fault;

/// What one silence matches, compiled.
#[derive(Debug, Clone)]
pub struct SilenceMatch {
    tests: Vec<(Place, Pattern)>,
    everything: bool,
    /// Whether it speaks of a source or a relay, so that it may mean the daemon's own events.
    names: bool,
}

#[derive(Debug, Clone)]
enum Place {
    Relay,
    Event(At),
}

/// One silence that may still hush something.
#[derive(Debug, Clone)]
pub struct Silence {
    pub id: i64,
    pub why: String,
    pub since: Timestamp,
    pub until: Timestamp,
    pub silence_match: SilenceMatch,
}

/// All silences; every clone sees the same ones. Whoever changes them replaces them all.
#[derive(Debug, Clone, Default)]
pub struct Silences(Arc<RwLock<Vec<Silence>>>);

impl SilenceMatch {
    /// Without a word it hushes everything, as with stars alone.
    pub fn parse(matches: &[String]) -> Result<Self, Fault> {
        let mut silence_match = Self { tests: Vec::new(), everything: true, names: false };
        for said in matches {
            let one = One::parse(said)?;
            if !one.is_certain() {
                silence_match.everything = false;
                silence_match.names |= !one.not && matches!(one.place, Place::Relay | Place::Event(At::Source));
            }
            silence_match.tests.push((one.place, one.pattern));
        }
        Ok(silence_match)
    }

    /// Whether nothing could escape it.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    pub fn takes(&self, event: &Event, relay: &str) -> bool {
        let holds = |(place, pattern): &(Place, Pattern)| match place {
            Place::Relay => pattern.matches(&[Picked::Text(relay.into())]),
            Place::Event(at) => pattern.matches(&at.all(event)),
        };
        (self.names || !event.is_ours()) && self.tests.iter().all(holds)
    }
}

/// One `KEY=PATTERN`.
struct One {
    place: Place,
    not: bool,
    pattern: Pattern,
    only_stars: bool,
}

impl One {
    fn parse(said: &str) -> Result<Self, Fault> {
        let wrong = |why: String| Fault::new("match", why);
        let (key, value) = said.split_once('=').ok_or_else(|| {
            wrong(format!("`{said}` is no match; write it like type=container.* or data.state!=Init"))
        })?;
        let (key, not) = key.strip_suffix('!').map_or((key, false), |key| (key, true));
        let place = match key.trim() {
            "relay" => Place::Relay,
            key => at_of(key).map(Place::Event).map_err(|(why, hint)| {
                let hint = nearest(key, ["relay"]).map_or(hint, |relay| format!("did you mean `{relay}`?"));
                wrong(format!("`{said}`: {why}; {hint}"))
            })?,
        };
        if value.is_empty() && !matches!(place, Place::Event(At::Subject | At::Data(_))) {
            return Err(wrong(format!("`{said}` says nothing: there is always a {}", key.trim())));
        }
        let only_stars = !value.is_empty() && value.chars().all(|letter| letter == '*');
        let any = any_of(value);
        let pattern = if not { Pattern(vec![Test { not: Some(any), ..Test::default() }]) } else { any };
        Ok(Self { place, not, pattern, only_stars })
    }

    /// Whether it holds of every event: stars alone for what every event has.
    fn is_certain(&self) -> bool {
        self.only_stars && !self.not && !matches!(self.place, Place::Event(At::Data(_)))
    }
}

/// On a command line `3` and `true` may be texts or what JSON calls so.
fn any_of(value: &str) -> Pattern {
    let text = Glob::parse(value).map_or_else(|| Check::Text(value.into()), Check::Glob);
    let number = value.parse().ok().filter(|number: &f64| number.is_finite()).map(Check::Number);
    let flag = value.parse().ok().map(Check::Flag);
    Pattern([Some(text), number, flag].into_iter().flatten().map(Test::of).collect())
}

impl Silence {
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// While it is in force it covers all that waits, later what was accepted in its time.
    fn covers(&self, accepted: Timestamp, now: Timestamp) -> bool {
        accepted < self.until && (self.is_in_force(now) || self.since <= accepted)
    }
}

impl Silences {
    pub fn replace(&self, all: Vec<Silence>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// Why `relay` must not say this event, in words to be kept with the delivery: `silence 3: deploy`.
    /// `accepted` is when the queue took it.
    pub fn hushes(&self, event: &Event, relay: &str, accepted: Timestamp) -> Option<String> {
        let silence = self.silencing(event, relay, accepted, Timestamp::now)?;
        Some(format!("silence {}: {}", silence.id, silence.why))
    }

    /// The silence that hushes it; of several the one that lasts longest.
    pub fn silencing(
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
        let silencing = all.iter().filter(|one| one.covers(accepted, now) && one.silence_match.takes(event, relay));
        silencing.max_by_key(|one| (one.until, one.id)).cloned()
    }

    pub fn in_force(&self, now: Timestamp) -> usize {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|one| one.is_in_force(now)).count()
    }
}
