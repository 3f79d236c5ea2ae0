//! Slack's replies in JSON.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

#[derive(Debug, Default)]
pub(super) struct ApiReply {
    pub ok: bool,
    pub error: Option<String>,
    /// The scope that the token lacks.
    pub needed: Option<String>,
    /// Together these identify the message.
    pub channel: Option<String>,
    pub ts: Option<String>,
}

impl ApiReply {
    /// None where `body` is not Slack's: every object of Slack has `ok`.
    ///
    /// A success repeats the whole message and may be longer than what is read of a reply. A truncated success is still
    /// one: as a failure, it would be sent over and over.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut partial = PartialReply::default();
        let read = partial.deserialize(&mut serde_json::Deserializer::from_slice(body));
        match (partial.ok, read) {
            (Some(ok), Ok(()) | Err(_)) => Some(Self { ok, ..partial.reply }),
            (None, _) => None,
        }
    }
}

#[derive(Default)]
struct PartialReply {
    ok: Option<bool>,
    reply: ApiReply,
}

impl<'de> DeserializeSeed<'de> for &mut PartialReply {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, body: D) -> Result<(), D::Error> {
        body.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut PartialReply {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            let text = |value: Value| value.as_str().map(str::to_owned);
            match name.as_str() {
                "ok" => self.ok = members.next_value::<Value>()?.as_bool(),
                "error" => self.reply.error = text(members.next_value()?),
                "needed" => self.reply.needed = text(members.next_value()?),
                "channel" => self.reply.channel = text(members.next_value()?),
                "ts" => self.reply.ts = text(members.next_value()?),
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
    fn a_reply_counts_as_far_as_it_was_read() {
        let whole = r#"{"ok":true,"channel":"C1","ts":"1.2","message":{"text":"xxxxxxxxxxxxxxxxxxx"}}"#;
        for end in [whole.len(), whole.len() - 1, whole.len() - 10] {
            let reply = ApiReply::parse(whole.get(..end).expect("ASCII").as_bytes()).expect("Slack's");
            assert_eq!((reply.ok, reply.channel.as_deref(), reply.ts.as_deref()), (true, Some("C1"), Some("1.2")));
        }
        let odd = ApiReply::parse(br#"{"error":7,"ok":false}"#).expect("Slack's");
        assert_eq!((odd.ok, odd.error), (false, None));
    }

    #[test]
    fn a_body_without_ok_is_not_slacks() {
        for body in ["", "ok", "null", "[]", "[true]", "{}", r#"{"half":"#, r#"{"ok":1}"#, r#"{"ok":tr"#, "\u{1}"] {
            assert!(ApiReply::parse(body.as_bytes()).is_none(), "{body}");
        }
    }
}
