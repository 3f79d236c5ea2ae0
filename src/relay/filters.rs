//! The filters that relays have beyond `MiniJinja`'s own (`capitalize`, `default`, `join`, `tojson`, …).
//!
//! | filter | what it gives |
//! |---|---|
//! | `data.action \| past` | `create` → `created`, `stop` → `stopped`, `run` → `ran` |
//! | `data.parents \| of_type('stack')` | the first URI of that type in a list, by the segment before its id; else nothing |
//! | `data.message \| cut(80)` | at most 80 characters, with an ellipsis where something had to go |
//! | `data.message \| truncate(80)` | the same, under the name that Jinja has for it |
//! | `data.tags \| length` | as `MiniJinja`'s, and 0 for what is missing |
//!
//! `MiniJinja`'s own filters return nothing for missing values and null; by default some fail and some print `None`.

use minijinja::value::{Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State};

use crate::message::{Unit, cut};

/// Candidates for a misspelled filter.
pub(super) const KNOWN: &str = "
    abs batch capitalize cut default dictsort first float format groupby indent int items join last length list
    lower map of_type past replace reverse round safe sort split title tojson trim truncate upper
";

/// Candidates for a misspelled test.
pub(super) const KNOWN_TESTS: &str = "
    defined undefined none boolean number integer float string sequence mapping in startingwith endingwith
    divisibleby
";

/// Wraps `MiniJinja`'s filters in [`skip_missing`]; the originals are `strict.NAME`.
macro_rules! skipping_missing { ($engine:ident: $($name:ident),*) => { $(
    $engine.add_filter(concat!("strict.", stringify!($name)), minijinja::filters::$name);
    $engine.add_filter(stringify!($name), |state: &mut State, value: Value, rest: Rest<ValueOrKwargs>| {
        skip_missing(state, concat!("strict.", stringify!($name)), value, rest)
    });
)* } }

fn skip_missing(state: &mut State, filter: &str, value: Value, rest: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(Value::UNDEFINED);
    }
    let arguments: Vec<_> = std::iter::once(value).chain(rest.into_values()).collect();
    state.apply_filter(filter, &arguments)
}

pub(super) fn add_to(engine: &mut Environment<'static>) {
    skipping_missing!(engine: abs, attr, capitalize, dictsort, first, format, indent, items, last, lines, lower, replace, round,
        safe, split, string, title, trim, upper);
    engine.add_filter("past", |verb: &Value| verb.as_str().map_or(Value::UNDEFINED, |verb| past(verb).into()));
    engine.add_filter("of_type", of_type);
    engine.add_filter("cut", shorten);
    engine.add_filter("truncate", shorten);
    engine.add_filter("length", length);
    engine.add_filter("count", length);
}

fn shorten(value: &Value, limit: usize) -> Value {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Value::UNDEFINED,
        _ => cut(&value.to_string(), limit, Unit::Chars).into(),
    }
}

fn length(value: &Value) -> Result<usize, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(0);
    }
    let message = || format!("a {} has no length", value.kind());
    value.len().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, message()))
}

/// Parents come in any order (a container lists service, node, stack, cluster), so the type in the URI decides.
fn of_type(uris: Value, wanted: &str) -> Value {
    if uris.as_str().is_some_and(|uri| type_of(uri) == Some(wanted)) {
        return uris;
    }
    let Ok(mut uris) = uris.try_iter() else { return Value::UNDEFINED };
    uris.find(|uri| uri.as_str().is_some_and(|uri| type_of(uri) == Some(wanted))).unwrap_or_default()
}

/// The segment before the id: `stack` of `/api/v1/stack/f24bca18/`.
fn type_of(uri: &str) -> Option<&str> {
    let mut segments = uri.trim_end_matches('/').rsplit('/');
    let id = segments.next()?;
    segments.next().filter(|_| !id.is_empty())
}

const IRREGULAR: [(&str, &str); 32] = [
    ("begin", "begun"),
    ("bring", "brought"),
    ("build", "built"),
    ("buy", "bought"),
    ("catch", "caught"),
    ("choose", "chosen"),
    ("cut", "cut"),
    ("find", "found"),
    ("get", "got"),
    ("hold", "held"),
    ("keep", "kept"),
    ("leave", "left"),
    ("let", "let"),
    ("lose", "lost"),
    ("make", "made"),
    ("overwrite", "overwritten"),
    ("put", "put"),
    ("quit", "quit"),
    ("read", "read"),
    ("rebuild", "rebuilt"),
    ("rerun", "reran"),
    ("resend", "resent"),
    ("reset", "reset"),
    ("run", "ran"),
    ("send", "sent"),
    ("set", "set"),
    ("shut", "shut"),
    ("split", "split"),
    ("take", "taken"),
    ("unset", "unset"),
    ("withdraw", "withdrawn"),
    ("write", "written"),
];

/// Longer verbs that double their last letter too: the stress is on the end.
const DOUBLING: [&str; 9] = ["admit", "commit", "defer", "occur", "permit", "refer", "submit", "transfer", "unplug"];

/// The past participle. Of several words the first is the verb (`scale up`).
fn past(verb: &str) -> String {
    let (verb, rest) = verb.split_at(verb.find(' ').unwrap_or(verb.len()));
    let lower = verb.to_lowercase();
    if let Some((_, irregular)) = IRREGULAR.iter().find(|(known, _)| *known == lower) {
        let capital = verb.chars().next().filter(|letter| letter.is_uppercase());
        let past: String = match capital {
            Some(capital) => {
                capital.to_string() + irregular.trim_start_matches(|letter| capital.to_lowercase().eq([letter]))
            }
            None => (*irregular).to_owned(),
        };
        return past + rest;
    }
    let letters: Vec<char> = lower.chars().collect();
    let vowel = |letter: char| "aeiou".contains(letter);
    match letters.as_slice() {
        [] => rest.to_owned(),
        // Already in the past: `completed`, `failed`.
        [_, _, before, 'e', 'd'] | [_, _, .., before, 'e', 'd'] if *before != 'e' && lower != "embed" => {
            format!("{verb}{rest}")
        }
        [.., 'e'] => format!("{verb}d{rest}"),
        [.., before, 'y'] if !vowel(*before) => {
            format!("{}ied{rest}", verb.strip_suffix(['y', 'Y']).unwrap_or(verb))
        }
        [start @ .., before, middle, last]
            if !vowel(*before)
                && vowel(*middle)
                && !vowel(*last)
                && !"wxy".contains(*last)
                && (!start.iter().copied().any(vowel) || DOUBLING.contains(&lower.as_str())) =>
        {
            format!("{verb}{last}ed{rest}")
        }
        _ => format!("{verb}ed{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_become_past_participles() {
        for (verb, done) in [
            ("create", "created"),
            ("update", "updated"),
            ("delete", "deleted"),
            ("stop", "stopped"),
            ("set", "set"),
            ("deploy", "deployed"),
            ("redeploy", "redeployed"),
            ("push", "pushed"),
            ("start", "started"),
            ("terminate", "terminated"),
            ("scale", "scaled"),
            ("build", "built"),
            ("run", "ran"),
            ("send", "sent"),
            ("put", "put"),
            ("scan", "scanned"),
            ("apply", "applied"),
            ("tag", "tagged"),
            ("pull", "pulled"),
            ("kill", "killed"),
            ("cancel", "canceled"),
            ("commit", "committed"),
            ("attach", "attached"),
            ("destroy", "destroyed"),
            ("reboot", "rebooted"),
            ("fix", "fixed"),
            ("show", "showed"),
            ("mount", "mounted"),
            ("restart", "restarted"),
            ("clear", "cleared"),
            ("completed", "completed"),
            ("failed", "failed"),
            ("fail", "failed"),
            ("promote", "promoted"),
            ("scale up", "scaled up"),
            ("Create", "Created"),
            ("Run", "Ran"),
            ("suspend", "suspended"),
            ("upgrade", "upgraded"),
            ("need", "needed"),
            ("copy", "copied"),
            ("", ""),
            ("é", "éed"),
            ("rename", "renamed"),
            ("log", "logged"),
            ("open", "opened"),
            ("visit", "visited"),
            ("plan", "planned"),
        ] {
            assert_eq!(past(verb), done, "{verb}");
        }
    }

    #[test]
    fn parents_are_chosen_by_type_and_never_by_index() {
        let parents = Value::from(vec![
            "/api/v1/service/d0b1/",
            "/api/v1/node/75d2/",
            "/api/v1/stack/f24b/",
            "/api/v1/nodecluster/9990/",
        ]);
        assert_eq!(of_type(parents.clone(), "stack").as_str(), Some("/api/v1/stack/f24b/"));
        assert_eq!(of_type(parents.clone(), "node").as_str(), Some("/api/v1/node/75d2/"));
        for nothing in ["", "api", "v1", "f24b", "Stack", "stac"] {
            assert!(of_type(parents.clone(), nothing).is_undefined(), "{nothing}");
        }
        assert_eq!(of_type(Value::from("/api/v1/stack/f24b"), "stack").as_str(), Some("/api/v1/stack/f24b"));
        for odd in [Value::UNDEFINED, Value::from(3), Value::from(vec![1, 2]), Value::from("stack"), Value::from("/")] {
            assert!(of_type(odd, "stack").is_undefined());
        }
    }
}
