use proptest::prelude::*;
use reqwest::header::HeaderMap;

use super::*;
use crate::event::Event;
use crate::ingress::EndpointConfig;
use crate::outbound::Outbound;
use crate::secret::Secret;
use crate::sources::test_support::post::{TestPost, events_of, read_config};
use crate::sources::test_support::snapshot::snapshot;
use crate::sources::{Settings, Source};

const PUSH: &str = r#"{"callback_url":"https://registry.hub.docker.com/u/acme/shop/hook/2141b5bi5i5b02bec211i4eeih0242eg11000a/","push_data":{"pushed_at":1417566161,"pusher":"trustedbuilder","tag":"1.4"},"repository":{"comment_count":0,"date_created":1417494799,"description":"","is_official":false,"is_private":true,"is_trusted":true,"name":"shop","namespace":"acme","owner":"acme","repo_name":"acme/shop","repo_url":"https://registry.hub.docker.com/u/acme/shop/","star_count":0,"status":"Active"}}"#;

fn env(name: &str) -> Option<String> {
    (name == "KEY").then(|| "1f81eb52-5198-4599".to_owned())
}

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    read_config(text, &env, Config::read)
}

fn events(body: &str) -> Result<Vec<Event>, String> {
    events_of(&DockerhubKind, &HeaderMap::new(), body.as_bytes()).map(|read| read.events)
}

fn snapshot_of(body: &str) -> String {
    let events = events(body).expect("read");
    assert_eq!((events.len(), events[0].data.text()), (1, body));
    snapshot(DockerhubKind::DEFAULT_TEXTS, &events[0])
}

#[test]
fn a_push_has_its_tag() {
    insta::assert_snapshot!(snapshot_of(PUSH), @r"
    tag.push acme/shop:1.4
    acme/shop:1.4 2014-12-03T00:22:41Z
    2014-12-03T00:22:41Z
    acme/shop:1.4 was pushed by trustedbuilder
    ");
    let old = r#"{"push_data":{"pushed_at":1.417566161e+09,"images":["imagehash1"],"pusher":""},"repository":{"name":"shop","namespace":"acme","repo_name":""}}"#;
    insta::assert_snapshot!(snapshot_of(old), @r"
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
fn any_other_object_is_a_message_and_the_rest_is_refused() {
    insta::assert_snapshot!(snapshot_of(r#"{"repository":{"repo_name":"acme/shop"},"push_data":"none"}"#), @r"
    message acme/shop
    fresh
    1970-01-01T00:00:00Z
    message: acme/shop
    ");
    assert_eq!(snapshot_of("{}"), "message \nfresh\n1970-01-01T00:00:00Z\nmessage");
    for odd in ["[]", "7", "null", "\"push_data\""] {
        assert_eq!(events(odd).expect_err("refused"), "the body must be a JSON object");
    }
}

#[tokio::test]
async fn a_sender_that_knows_the_path_is_accepted() {
    let (config, problems) = read("verify = { path = { env = \"KEY\" } }");
    assert_eq!(problems, [""; 0]);
    let config = config.expect("right");
    let endpoint = Settings::endpoint(&config).expect("an endpoint");
    let secret = Secret::literal("1f81eb52-5198-4599");
    assert!(
        !endpoint.is_unverified() && endpoint.same_path("in", &EndpointConfig::default().with_secret(secret), "in")
    );
    let mut test = TestPost::new("dockerhub", Dockerhub::open(config, &Outbound::new()));
    assert_eq!(test.post(&[], PUSH).await.0, Ok(1));
    assert_eq!(test.post_refused(&[], "callback").await.0, 400);
    assert_eq!(test.source.look_up("acme/shop").await.map_err(|fault| fault.reason()), Err("no_look_up"));
}

#[test]
fn a_proof_that_docker_hub_cannot_send_is_refused() {
    for (text, wanted) in [
        ("verify = { bearer = { env = \"KEY\" } }", "Docker Hub sends no proof but the path of its webhook"),
        ("secret = { env = \"KEY\" }", "unknown key `secret`"),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
    assert!(read("").0.is_some_and(|config| Settings::endpoint(&config).is_some_and(EndpointConfig::is_unverified)));
    assert!(
        read("verify = \"none\"")
            .0
            .is_some_and(|config| !Settings::endpoint(&config).is_some_and(EndpointConfig::is_unverified))
    );
    let (config, problems) = read("optional = true\nverify = { path = { env = \"UNSET\" } }");
    assert!(config.is_none() && problems.is_empty());
}

proptest! {
    #[test]
    fn no_input_causes_a_panic(at in 0..PUSH.len(), byte in any::<u8>(), odd in "[\\[\\]{}\":, a-e0-9]{0,40}") {
        let mut spoilt = PUSH.as_bytes().to_vec();
        spoilt[at] = byte;
        let within = format!(r#"{{"push_data":{{"tag":{odd},"pushed_at":{odd},"pusher":{odd}}},"repository":{{"repo_name":{odd}}}}}"#);
        for body in [String::from_utf8_lossy(&spoilt).as_ref(), &within, &odd] {
            for event in events(body).unwrap_or_default() {
                prop_assert!(!snapshot(DockerhubKind::DEFAULT_TEXTS, &event).is_empty());
            }
        }
    }
}
