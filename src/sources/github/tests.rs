use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::Sha256;

use super::*;
use crate::event::{Event, EventId};
use crate::outbound::Outbound;
use crate::sources::Settings;
use crate::sources::test_support::post::{TestPost, events_of, headers, read_config};

fn env(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some("It's a Secret to Everybody".to_owned()),
        "OLD" => Some("the one before it".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    read_config(text, &env, Config::read)
}

fn events(fields: &[(&str, &str)], body: &[u8]) -> Result<Vec<Event>, String> {
    events_of(&GithubKind, &headers(fields), body).map(|read| read.events)
}

fn signed(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(body.as_bytes());
    let digits = mac.finalize().into_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    format!("sha256={hex}")
}

#[tokio::test]
async fn a_signed_delivery_is_accepted_and_no_other() {
    let (config, problems) = read("secret = { env = \"SECRET\" }\nold = { env = \"OLD\" }");
    assert_eq!(problems, [""; 0]);
    let mut test = TestPost::new("github", Github::open(config.expect("right"), &Outbound::new()));
    let body = r#"{"action":"opened","repository":{"full_name":"octo/hello"}}"#;
    for secret in ["SECRET", "OLD"] {
        let signature = signed(&env(secret).expect("set"), body);
        let fields = [("x-github-event", "issues"), ("x-github-delivery", "g-1"), ("x-hub-signature-256", &signature)];
        let (accepted, events) = test.post(&fields, body).await;
        assert_eq!((accepted, &*events[0].r#type, &*events[0].subject), (Ok(1), "issues.opened", "octo/hello"));
        assert_eq!(test.post_refused(&fields, body.replace("octo", "evil")).await.0, 401);
        let ping = signed(&env(secret).expect("set"), "{}");
        assert_eq!(test.post(&[("x-github-event", "ping"), ("x-hub-signature-256", &ping)], "{}").await.0, Ok(0));
    }
    let unsigned = test.post_refused(&[("x-github-event", "push")], body).await;
    assert_eq!(unsigned, (401, "the header `x-hub-signature-256` is missing".into()));
}

#[test]
fn the_secret_is_required() {
    assert_eq!(read("").1, ["`secret` is missing here"]);
    assert_eq!(read("verify = \"none\"").1, ["`secret` is missing here", "unknown key `verify`"]);
    let (config, problems) = read("optional = true\nsecret = { env = \"UNSET\" }");
    assert!(config.is_none() && problems.is_empty());
    let (config, _) = read("secret = { env = \"SECRET\" }");
    let config = config.expect("right");
    assert!(!Settings::endpoint(&config).expect("an endpoint").is_unverified());
    assert!(!format!("{config:?}").contains("Everybody"));
}

fn labels(event: &str, body: &str) -> (String, String) {
    let fields = [("x-github-event", event), ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")];
    let [event] = <[Event; 1]>::try_from(events(&fields, body.as_bytes()).expect("read")).expect("one event");
    assert_eq!(event.id, EventId::Given("72d3162e-cc78-11e3-81ab-4c9367dc0958".into()));
    assert_eq!(event.data.text(), body);
    (event.r#type.into(), event.subject.into())
}

#[test]
fn the_type_is_the_event_and_its_action_and_the_subject_the_repository() {
    let of = |r#type: &str, subject: &str| (r#type.to_owned(), subject.to_owned());
    let push =
        r#"{"ref":"refs/heads/main","repository":{"id":1,"full_name":"octo/hello"},"pusher":{"name":"octocat"}}"#;
    assert_eq!(labels("push", push), of("push", "octo/hello"));
    let opened = r#"{"action":"opened","number":2,"repository":{"full_name":"octo/hello"}}"#;
    assert_eq!(labels("pull_request", opened), of("pull_request.opened", "octo/hello"));
    let member = r#"{"action":"member_added","organization":{"login":"octo"}}"#;
    assert_eq!(labels("organization", member), of("organization.member_added", "octo"));
    assert_eq!(labels("star", r#"{"action":"<b>"}"#), of("star", ""));
    assert_eq!(labels("star", r#"{"action":7,"repository":{"full_name":null}}"#), of("star", ""));
}

#[test]
fn a_form_is_read_a_ping_yields_no_event_and_the_rest_is_refused() {
    let form = [("x-github-event", "push"), ("content-type", "application/x-www-form-urlencoded")];
    let form_events = events(&form, b"payload=%7B%22ref%22%3A%22x%22%7D").expect("read");
    assert_eq!(form_events.iter().map(|event| event.data.text()).collect::<Vec<_>>(), [r#"{"ref":"x"}"#]);
    assert!(matches!(form_events[0].id, EventId::Fresh(_)));
    assert_eq!(
        events(&[("x-github-event", "ping")], br#"{"zen":"Keep it logically awesome."}"#).map(|all| all.len()),
        Ok(0)
    );
    for odd in [&[][..], &[("x-github-event", "")], &[("x-github-event", "Push!")]] {
        assert_eq!(events(odd, b"{}").expect_err("refused"), "the header `x-github-event` names no event");
    }
    assert!(events(&[("x-github-event", "push")], b"nope").expect_err("refused").starts_with("not JSON"));
}

proptest! {
    #[test]
    fn no_input_causes_a_panic(event in "[ -~]{0,20}|push", body in "[\\[\\]{}\":, a-e0-9]{0,60}") {
        for body in [body.clone(), format!(r#"{{"action":{body},"repository":{{"full_name":{body}}}}}"#)] {
            for event in events(&[("x-github-event", &event)], body.as_bytes()).unwrap_or_default() {
                prop_assert!(event.r#type.starts_with(|first: char| !first.is_whitespace()));
            }
        }
    }
}
