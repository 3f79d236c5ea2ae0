//! What Slack says in JSON.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

#[derive(Debug, Default)]
pub(super) struct Answer {
    pub ok: bool,
    pub error: Option<String>,
    /// The scope that the token lacks.
    pub needed: Option<String>,
    /// Where the message is now, and its name there.
    pub channel: Option<String>,
    pub ts: Option<String>,
    /// Seconds; never 0.
    pub retry_after: Option<u64>,
}

impl Answer {
    /// None where this is not Slack speaking: its every object says whether it is `ok`.
    ///
    /// A success repeats the whole message, which may be longer than what is read of a reply. What was read says all the
    /// same that the message arrived: taken for a failure, it would be sent again and again.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let mut reading = Reading::default();
        let read = reading.deserialize(&mut serde_json::Deserializer::from_slice(body));
        match (reading.ok, read) {
            (Some(ok), Ok(()) | Err(_)) => Some(Self { ok, ..reading.answer }),
            (None, _) => None,
        }
    }
}

#[derive(Default)]
struct Reading {
    ok: Option<bool>,
    answer: Answer,
}

impl<'de> DeserializeSeed<'de> for &mut Reading {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, body: D) -> Result<(), D::Error> {
        body.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Reading {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            let text = |value: Value| value.as_str().map(str::to_owned);
            match name.as_str() {
                "ok" => self.ok = members.next_value::<Value>()?.as_bool(),
                "error" => self.answer.error = text(members.next_value()?),
                "needed" => self.answer.needed = text(members.next_value()?),
                "channel" => self.answer.channel = text(members.next_value()?),
                "ts" => self.answer.ts = text(members.next_value()?),
                "retry_after" => {
                    self.answer.retry_after = members.next_value::<Value>()?.as_u64().filter(|seconds| *seconds > 0);
                }
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_as_far_as_it_was_read() {
        let whole = r#"{"ok":true,"channel":"C1","ts":"1.2","message":{"text":"xxxxxxxxxxxxxxxxxxx"}}"#;
        for end in [whole.len(), whole.len() - 1, whole.len() - 10] {
            let answer = Answer::of(whole.get(..end).expect("ASCII").as_bytes()).expect("Slack's");
            assert_eq!((answer.ok, answer.channel.as_deref(), answer.ts.as_deref()), (true, Some("C1"), Some("1.2")));
        }
        let odd = Answer::of(br#"{"error":7,"retry_after":0,"ok":false}"#).expect("Slack's");
        assert_eq!((odd.ok, odd.error, odd.retry_after), (false, None, None));
    }

    #[test]
    fn what_does_not_say_whether_it_is_ok_is_not_slacks() {
        for body in ["", "ok", "null", "[]", "[true]", "{}", r#"{"half":"#, r#"{"ok":1}"#, r#"{"ok":tr"#, "\u{1}"] {
            assert!(Answer::of(body.as_bytes()).is_none(), "{body}");
        }
    }
}
