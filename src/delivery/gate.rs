//! `unique` and `throttle`: what a lane remembers of what it said, and what it decides by that.
//!
//! Everything goes by the time at which a delivery was accepted, so that a restart or a backlog decides as the quiet
//! day would have. What must outlive a restart is written beside the verdict as a note.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::lasting::Lasting;
use super::memory::note_name;
use crate::config_reader::print_duration;
use crate::event::Name;
use crate::message::{Message, Signal};
use crate::relay::{Quiet, Throttle};
use crate::store::Note;

const SEEN: &str = "unique";
const WINDOW: &str = "throttle";

#[derive(Debug, Default)]
pub(super) struct Gate {
    /// By note: what has been said, for as long as that counts.
    seen: Lasting<()>,
    windows: HashMap<Name, Window>,
}

/// One span of a throttle, begun by its first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    begun: Timestamp,
    passed: u32,
}

/// What is decided of one message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// It goes, and this is to be remembered with it.
    Go(Vec<Note>),
    /// It was said; why it is not said again.
    Seen(String),
    /// Enough was said: it is counted until then.
    HeldBack { until: Timestamp, throttle: Throttle },
}

impl Gate {
    /// As an earlier life left it.
    pub(super) fn recall(notes: &[Note]) -> Self {
        let mut gate = Self::default();
        for note in notes {
            let Some(value) = &note.value else { continue };
            match note.name.split_once(':') {
                Some((SEEN, _)) => gate.seen.put(note.name.clone(), (), note.until, Timestamp::MIN),
                Some((WINDOW, relay)) => {
                    if let Some(window) = Window::parse(value) {
                        gate.windows.insert(relay.into(), window);
                    }
                }
                _ => {}
            }
        }
        gate
    }

    /// A resolve always passes, and what comes after it is news again. What is held back has not been said, and what has
    /// no key is like nothing else.
    pub(super) fn judge(&mut self, relay: &Name, quiet: &Quiet, message: &Message, accepted: Timestamp) -> Pass {
        let mut notes = Vec::new();
        if quiet.unique.is_none() && quiet.throttle.is_none() {
            return Pass::Go(notes);
        }
        if message.signal == Some(Signal::Resolve) {
            for signal in [None, Some(Signal::Trigger), Some(Signal::Acknowledge)] {
                let name = seen_as(relay, signal, message);
                if self.seen.remove(&name) {
                    notes.push(Note { name, value: None, until: accepted });
                }
            }
            return Pass::Go(notes);
        }
        let unique = quiet.unique.filter(|_| !message.key.is_empty());
        let unique = unique.map(|span| (seen_as(relay, message.signal, message), span));
        if let Some((name, span)) = &unique
            && self.seen.get(name, accepted).is_some()
        {
            return Pass::Seen(format!("said within {} already (unique)", print_duration(*span)));
        }
        if let Some(throttle) = quiet.throttle {
            let window = self.windows.entry(relay.clone()).or_insert(Window { begun: accepted, passed: 0 });
            if accepted >= after(window.begun, throttle.per) {
                *window = Window { begun: accepted, passed: 0 };
            }
            let until = after(window.begun, throttle.per);
            if window.passed >= throttle.max {
                return Pass::HeldBack { until, throttle };
            }
            window.passed += 1;
            notes.push(Note { name: format!("{WINDOW}:{relay}"), value: Some(window.print()), until });
        }
        if let Some((name, span)) = unique {
            let until = after(accepted, span);
            self.seen.put(name.clone(), (), until, accepted);
            notes.push(Note { name, value: Some(String::new()), until });
        }
        Pass::Go(notes)
    }

    /// It was buried and so never said: the next of its key is not a repetition.
    pub(super) fn forget(&mut self, notes: &[Note]) {
        for note in notes {
            self.seen.remove(&note.name);
        }
    }
}

/// Of one incident, that it began and that somebody cares are two things to say.
fn seen_as(relay: &Name, signal: Option<Signal>, message: &Message) -> String {
    note_name(SEEN, &format!("{relay}:{}:{}", signal.map_or("", Signal::word), message.key))
}

impl Window {
    fn print(self) -> String {
        format!("{} {}", self.begun.as_microsecond(), self.passed)
    }

    fn parse(text: &str) -> Option<Self> {
        let (begun, passed) = text.split_once(' ')?;
        let begun = Timestamp::from_microsecond(begun.parse().ok()?).ok()?;
        Some(Self { begun, passed: passed.parse().ok()? })
    }
}

fn after(time: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::message::Origin;
    use std::sync::Arc;

    fn message(key: &str, signal: Option<Signal>) -> Message {
        let event = Arc::new(Event::ours("a.b", "c", Timestamp::UNIX_EPOCH, &serde_json::Value::Null));
        Message { signal, ..Message::plain("text", key, Origin { event, relay: "all".into() }) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    fn unique() -> Quiet {
        let mut quiet = Quiet::default();
        quiet.unique = Some(Duration::from_secs(600));
        quiet
    }

    fn throttle(max: u32) -> Quiet {
        let mut quiet = Quiet::default();
        quiet.throttle = Some(Throttle { max, per: Duration::from_secs(60) });
        quiet
    }

    fn goes(pass: &Pass) -> bool {
        matches!(pass, Pass::Go(_))
    }

    #[test]
    fn a_key_is_said_once_in_its_span_and_a_resolve_ends_the_span() {
        let (mut gate, quiet, relay) = (Gate::default(), unique(), Name::from("all"));
        let mut said = |key, signal, seconds| goes(&gate.judge(&relay, &quiet, &message(key, signal), at(seconds)));
        assert!(said("a", None, 0));
        assert!(!said("a", None, 599));
        assert!(said("b", None, 1));
        assert!(said("a", None, 600), "the span is over");
        assert!(said("a", Some(Signal::Resolve), 601));
        assert!(said("a", Some(Signal::Trigger), 602), "after a resolve it is news");
    }

    #[test]
    fn what_has_no_key_is_like_nothing_else_and_an_acknowledgement_is_no_repetition() {
        let (mut gate, quiet, relay) = (Gate::default(), unique(), Name::from("all"));
        let mut said = |key, signal| goes(&gate.judge(&relay, &quiet, &message(key, signal), at(0)));
        assert!(said("", None) && said("", None));
        assert!(said("a", Some(Signal::Trigger)) && said("a", Some(Signal::Acknowledge)));
        assert!(!said("a", Some(Signal::Acknowledge)));
    }

    #[test]
    fn what_was_held_back_was_not_said() {
        let (mut gate, relay) = (Gate::default(), Name::from("all"));
        let mut quiet = throttle(1);
        quiet.unique = unique().unique;
        let mut judge = |key, seconds| gate.judge(&relay, &quiet, &message(key, Some(Signal::Trigger)), at(seconds));
        assert!(goes(&judge("a", 0)));
        assert!(matches!(judge("b", 1), Pass::HeldBack { .. }));
        assert!(goes(&judge("b", 61)), "nobody heard of it");
    }

    #[test]
    fn a_throttle_lets_through_so_many_and_says_until_when_it_counts() {
        let (mut gate, quiet, relay) = (Gate::default(), throttle(2), Name::from("all"));
        let mut judge = |seconds, signal| gate.judge(&relay, &quiet, &message("", signal), at(seconds));
        assert!(goes(&judge(10, None)) && goes(&judge(11, None)));
        let held = judge(69, None);
        assert!(matches!(held, Pass::HeldBack { until, .. } if until == at(70)), "{held:?}");
        assert!(goes(&judge(69, Some(Signal::Resolve))), "a resolve is not counted");
        assert!(goes(&judge(70, None)));
    }

    #[test]
    fn a_restart_remembers_what_was_said_and_what_was_buried_was_not() {
        let relay = Name::from("all");
        let mut quiet = throttle(1);
        quiet.unique = unique().unique;
        let mut before = Gate::default();
        let Pass::Go(notes) = before.judge(&relay, &quiet, &message("a", None), at(0)) else { panic!("it is new") };
        assert_eq!(notes.len(), 2);
        let mut after = Gate::recall(&notes);
        assert!(matches!(after.judge(&relay, &quiet, &message("a", None), at(1)), Pass::Seen(_)));
        assert!(matches!(after.judge(&relay, &quiet, &message("b", None), at(1)), Pass::HeldBack { .. }));
        before.forget(&notes);
        assert!(goes(&before.judge(&relay, &unique(), &message("a", None), at(1))));
    }
}
