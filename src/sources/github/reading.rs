//! One delivery of GitHub's, read: <https://docs.github.com/en/webhooks/webhook-events-and-payloads>

use reqwest::header::HeaderMap;

use crate::event::{Event, Picked, path};
use crate::sources::labels::{Arrived, Known};
use crate::sources::posted::{Unreadable, body};

/// The first thing that a new webhook sends, to see whether anybody is there. It is no news.
const PING: &str = "ping";
/// The longest name of an event is half of this.
const LONGEST_NAME: usize = 64;

/// `push` where the event has no actions, else `pull_request.opened`. Nothing is sent, nothing kept.
pub(super) fn events_of(headers: &HeaderMap, bytes: &[u8], arrived: Arrived) -> Result<Vec<Event>, Unreadable> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let event = header("x-github-event").filter(|name| is_a_name(name));
    let event = event.ok_or_else(|| Unreadable::Malformed("the header `x-github-event` names no event".to_owned()))?;
    let data = body(headers, bytes)?;
    if event == PING {
        return Ok(Vec::new());
    }
    let text = |at| {
        let mut found = None;
        data.pick(&path(at)?, &mut |picked| {
            if let Picked::Text(text) = picked {
                found = Some(text.into_owned());
            }
        });
        found
    };
    let action = text("action").filter(|action| is_a_name(action));
    let known = Known {
        r#type: Some(action.map_or_else(|| event.to_owned(), |action| format!("{event}.{action}"))),
        // The same when a delivery is sent again by hand, which is the only way that one is.
        id: header("x-github-delivery").map(str::to_owned),
        subject: text("repository.full_name").or_else(|| text("organization.login")),
        time: None,
    };
    Ok(vec![known.event(data, arrived)])
}

fn is_a_name(name: &str) -> bool {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(lower)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::event::{EventId, Name};

    fn read(said: &[(&str, &str)], body: &[u8]) -> Result<Vec<Event>, String> {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).expect("a name"), HeaderValue::try_from(*value).expect("a value"))
        };
        let (source, kind) = (Name::from("forge"), Name::from("github"));
        let arrived = Arrived { source: &source, kind: &kind, at: Timestamp::UNIX_EPOCH };
        events_of(&said.iter().map(pair).collect(), body, arrived).map_err(|refused| refused.to_string())
    }

    fn shown(event: &str, body: &str) -> (String, String) {
        let said = [("x-github-event", event), ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")];
        let [event] = <[Event; 1]>::try_from(read(&said, body.as_bytes()).expect("read")).expect("one event");
        assert_eq!(event.id, EventId::Given("72d3162e-cc78-11e3-81ab-4c9367dc0958".into()));
        assert_eq!(event.data.text(), body);
        (event.r#type.into(), event.subject.into())
    }

    #[test]
    fn types_are_the_event_and_its_action_and_subjects_the_repository() {
        let of = |r#type: &str, subject: &str| (r#type.to_owned(), subject.to_owned());
        let push =
            r#"{"ref":"refs/heads/main","repository":{"id":1,"full_name":"octo/hello"},"pusher":{"name":"octocat"}}"#;
        assert_eq!(shown("push", push), of("push", "octo/hello"));
        let opened = r#"{"action":"opened","number":2,"repository":{"full_name":"octo/hello"}}"#;
        assert_eq!(shown("pull_request", opened), of("pull_request.opened", "octo/hello"));
        let member = r#"{"action":"member_added","organization":{"login":"octo"}}"#;
        assert_eq!(shown("organization", member), of("organization.member_added", "octo"));
        assert_eq!(shown("star", r#"{"action":"<b>"}"#), of("star", ""));
        assert_eq!(shown("star", r#"{"action":7,"repository":{"full_name":null}}"#), of("star", ""));
    }

    #[test]
    fn a_form_is_read_a_ping_is_no_news_and_the_rest_is_refused() {
        let form = [("x-github-event", "push"), ("content-type", "application/x-www-form-urlencoded")];
        let events = read(&form, b"payload=%7B%22ref%22%3A%22x%22%7D").expect("read");
        assert_eq!(events.iter().map(|event| event.data.text()).collect::<Vec<_>>(), [r#"{"ref":"x"}"#]);
        assert!(matches!(events[0].id, EventId::Fresh(_)));
        assert_eq!(
            read(&[("x-github-event", "ping")], br#"{"zen":"Keep it logically awesome."}"#).map(|all| all.len()),
            Ok(0)
        );
        for odd in [&[][..], &[("x-github-event", "")], &[("x-github-event", "Push!")]] {
            assert_eq!(read(odd, b"{}").expect_err("refused"), "the header `x-github-event` names no event");
        }
        assert!(read(&[("x-github-event", "push")], b"nope").expect_err("refused").starts_with("not JSON"));
    }

    proptest! {
        #[test]
        fn nothing_posted_breaks_the_reading(event in "[ -~]{0,20}|push", body in "[\\[\\]{}\":, a-e0-9]{0,60}") {
            for body in [body.clone(), format!(r#"{{"action":{body},"repository":{{"full_name":{body}}}}}"#)] {
                for event in read(&[("x-github-event", &event)], body.as_bytes()).unwrap_or_default() {
                    prop_assert!(event.r#type.starts_with(|first: char| !first.is_whitespace()));
                }
            }
        }
    }
}
