use jiff::Timestamp;
use proptest::prelude::*;
use reqwest::header::HeaderMap;

use super::*;
use crate::config_reader::ConfigReader;
use crate::event::{Event, Name};
use crate::secret::Secret;
use crate::sources::labels::Arrived;
use crate::sources::retold::retold;
use crate::sources::visitor::Visitor;

const PUSH: &str = r#"{"callback_url":"https://registry.hub.docker.com/u/acme/shop/hook/2141b5bi5i5b02bec211i4eeih0242eg11000a/","push_data":{"pushed_at":1417566161,"pusher":"trustedbuilder","tag":"1.4"},"repository":{"comment_count":0,"date_created":1417494799,"description":"","is_official":false,"is_private":true,"is_trusted":true,"name":"shop","namespace":"acme","owner":"acme","repo_name":"acme/shop","repo_url":"https://registry.hub.docker.com/u/acme/shop/","star_count":0,"status":"Active"}}"#;

fn env(name: &str) -> Option<String> {
    (name == "KEY").then(|| "1f81eb52-5198-4599".to_owned())
}

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    let reading = ConfigReader::new(text, &env);
    let tree = reading.tree();
    let mut table = TableReader::new(&reading, "source.dockerhub", &tree);
    table.read_optional();
    let config = Config::read(&table);
    table.finish();
    (config, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
}

fn events(body: &str) -> Result<Vec<Event>, String> {
    let (source, kind) = (Name::from("hub"), Name::from("dockerhub"));
    let arrived = Arrived { source: &source, kind: &kind, at: Timestamp::UNIX_EPOCH };
    reading::events_of(&HeaderMap::new(), body.as_bytes(), arrived).map_err(|refused| refused.to_string())
}

fn told(body: &str) -> String {
    let events = events(body).expect("read");
    assert_eq!((events.len(), events[0].data.text()), (1, body));
    retold(DEFAULT_TEXTS, &events[0])
}

#[test]
fn a_push_is_told_with_its_tag() {
    insta::assert_snapshot!(told(PUSH), @r"
    tag.push acme/shop:1.4
    acme/shop:1.4 2014-12-03T00:22:41Z
    2014-12-03T00:22:41Z
    acme/shop:1.4 was pushed by trustedbuilder
    ");
    let old = r#"{"push_data":{"pushed_at":1.417566161e+09,"images":["imagehash1"],"pusher":""},"repository":{"name":"shop","namespace":"acme","repo_name":""}}"#;
    insta::assert_snapshot!(told(old), @r"
    tag.push acme/shop
    acme/shop 2014-12-03T00:22:41Z
    2014-12-03T00:22:41Z
    acme/shop was pushed
    ");
}

#[test]
fn one_push_has_one_id_whatever_else_changes_and_the_next_another() {
    let id = |body: &str| events(body).expect("read")[0].id.to_string();
    assert_eq!(id(PUSH), id(&PUSH.replace("\"star_count\":0", "\"star_count\":1")));
    assert_ne!(id(PUSH), id(&PUSH.replace("1417566161", "1417566162")));
    assert_ne!(id(PUSH), id(&PUSH.replace("\"1.4\"", "\"1.5\"")));
}

#[test]
fn what_is_no_push_is_a_message_and_what_is_no_object_is_refused() {
    insta::assert_snapshot!(told(r#"{"repository":{"repo_name":"acme/shop"},"push_data":"none"}"#), @r"
    message acme/shop
    fresh
    1970-01-01T00:00:00Z
    message: acme/shop
    ");
    assert_eq!(told("{}"), "message \nfresh\n1970-01-01T00:00:00Z\nmessage");
    for odd in ["[]", "7", "null", "\"push_data\""] {
        assert_eq!(events(odd).expect_err("refused"), "a registry's notification is a JSON object");
    }
}

#[tokio::test]
async fn whoever_knows_the_path_is_let_in() {
    let (config, problems) = read("verify = { path = { env = \"KEY\" } }");
    assert_eq!(problems, [""; 0]);
    let config = config.expect("right");
    let hook = Settings::hook(&config).expect("it has one");
    let secret = Secret::literal("1f81eb52-5198-4599");
    assert!(!hook.is_open() && hook.is_same_as("in", &Hook::named().with_secret(secret), "in"));
    let mut visitor = Visitor::new("dockerhub", Dockerhub::open(config, &Outbound::new()));
    assert_eq!(visitor.bring(&[], PUSH).await.0, Ok(1));
    assert_eq!(visitor.refused(&[], "callback").await.0, 400);
    assert_eq!(visitor.source.look_up("acme/shop").await.map_err(|fault| fault.reason()), Err("no_look_up"));
}

#[test]
fn what_docker_hub_cannot_show_is_not_asked_of_it() {
    for (text, wanted) in [
        ("verify = { bearer = { env = \"KEY\" } }", "Docker Hub shows nothing but the path that it was given"),
        ("secret = { env = \"KEY\" }", "unknown key `secret`"),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
    assert!(read("").0.is_some_and(|config| config.gate.hook().is_open()));
    assert!(read("verify = \"none\"").0.is_some_and(|config| !config.gate.hook().is_open()));
    let (config, problems) = read("optional = true\nverify = { path = { env = \"UNSET\" } }");
    assert!(config.is_none() && problems.is_empty());
}

proptest! {
    #[test]
    fn nothing_posted_breaks_the_reading(at in 0..PUSH.len(), byte in any::<u8>(), odd in "[\\[\\]{}\":, a-e0-9]{0,40}") {
        let mut spoilt = PUSH.as_bytes().to_vec();
        spoilt[at] = byte;
        let within = format!(r#"{{"push_data":{{"tag":{odd},"pushed_at":{odd},"pusher":{odd}}},"repository":{{"repo_name":{odd}}}}}"#);
        for body in [String::from_utf8_lossy(&spoilt).as_ref(), &within, &odd] {
            for event in events(body).unwrap_or_default() {
                prop_assert!(!retold(DEFAULT_TEXTS, &event).is_empty());
            }
        }
    }
}
