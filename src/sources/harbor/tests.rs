use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::Event;
use crate::ingress::EndpointConfig;
use crate::outbound::Outbound;
use crate::sources::test_support::post::{TestPost, events_of, headers, read_config};
use crate::sources::test_support::snapshot::{default_text, snapshot};
use crate::sources::{Settings, Source};
use texts::DEFAULT_TEXTS;

fn env(name: &str) -> Option<String> {
    match name {
        "HEADER" => Some("Secret 1f81eb52-5198-4599".to_owned()),
        "OLD" => Some("Secret before".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    read_config(text, &env, Config::read)
}

fn events_with(fields: &[(&str, &str)], body: &str) -> Result<Vec<Event>, String> {
    events_of(&HarborKind, &headers(fields), body.as_bytes()).map(|read| read.events)
}

fn one(body: &Value) -> Event {
    events_with(&[], &body.to_string()).expect("read").remove(0)
}

fn by_default(r#type: &str, event_data: &Value) -> Value {
    json!({"type": r#type, "occur_at": 1_680_501_904, "operator": "admin", "event_data": event_data})
}

fn as_cloudevent(r#type: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": "e3005250-ffa8-4a10-af92-91fe25cca22c", "requestid": "0d896c4d-353a-422e-b43b-5067d98ec2a3",
        "source": "/projects/2/webhook/policies/15", "type": r#type, "datacontenttype": "application/json",
        "time": "2023-04-03T06:05:04Z", "data": data, "operator": "admin"})
}

fn repository() -> Value {
    json!({"date_created": 1_586_922_308, "name": "debian", "namespace": "shop", "repo_full_name": "shop/debian", "repo_type": "private"})
}

fn image() -> Value {
    json!({"resources": [{"digest": "sha256:8a9e", "tag": "12", "resource_url": "hub.example/shop/debian:12"}], "repository": repository()})
}

fn scanned(summary: &Value) -> Value {
    let report = json!({"report_id": "a2573415", "scan_status": "Success", "severity": "High", "duration": 10, "summary": summary,
        "scanner": {"name": "Trivy"}, "complete_percent": 100});
    json!({"resources": [{"digest": "sha256:8a9e", "tag": "12",
        "scan_overview": {"application/vnd.security.vulnerability.report; version=1.1": report}}], "repository": repository()})
}

/// Everything that Harbor sends, by both of its names.
fn all() -> Vec<(&'static str, &'static str, Value)> {
    let quota = |details: &str| json!({"resources": [{"digest": "sha256:402d"}], "repository": repository(), "custom_attributes": {"Details": details}});
    let replication = json!({"replication": {"harbor_hostname": "localhost", "job_status": "Success", "artifact_type": "image",
        "trigger_type": "MANUAL", "src_resource": {"registry_name": "hub", "registry_type": "docker-hub", "namespace": "library"},
        "dest_resource": {"registry_type": "harbor", "namespace": "shop"},
        "successful_artifact": [{"type": "image", "status": "Success", "name_tag": "alpine [1 item(s) in total]"}]}});
    let retention = json!({"retention": {"total": 3, "retained": 1, "project_name": "shop", "retention_policy_id": 2, "result": "SUCCESS",
        "deleted_artifact": [{"type": "image", "status": "SUCCESS", "name_tag": "alpine:3.8"}]}});
    let summary = json!({"total": 8, "fixable": 4, "summary": {"Critical": 1, "High": 4, "Low": 3}});
    vec![
        ("PUSH_ARTIFACT", "harbor.artifact.pushed", image()),
        ("PULL_ARTIFACT", "harbor.artifact.pulled", image()),
        ("DELETE_ARTIFACT", "harbor.artifact.deleted", image()),
        ("SCANNING_COMPLETED", "harbor.scan.completed", scanned(&summary)),
        ("SCANNING_STOPPED", "harbor.scan.stopped", scanned(&Value::Null)),
        ("SCANNING_FAILED", "harbor.scan.failed", scanned(&Value::Null)),
        ("QUOTA_EXCEED", "harbor.quota.exceeded", quota("adding 2.1 MiB will exceed the limit of 10.0 MiB.")),
        ("QUOTA_WARNING", "harbor.quota.warned", quota("quota usage reach 85%")),
        ("REPLICATION", "harbor.replication.status.changed", replication),
        ("TAG_RETENTION", "harbor.tag_retention.finished", retention),
        ("ROBOT_EXPIRED", "harbor.robot.expired", json!({"robot": "ci"})),
    ]
}

fn line(event: &Event) -> String {
    format!("{} {}: {}", event.r#type, event.subject, default_text(DEFAULT_TEXTS, event))
}

#[test]
fn every_type_reads_the_same_in_both_formats() {
    let usual: Vec<_> = all().iter().map(|(usual, _, data)| line(&one(&by_default(usual, data)))).collect();
    let cloud: Vec<_> = all().iter().map(|(_, cloud, data)| line(&one(&as_cloudevent(cloud, data)))).collect();
    assert_eq!(usual, cloud);
    insta::assert_snapshot!(usual.join("\n"), @r"
    artifact.push shop/debian:12: shop/debian:12 was pushed by admin
    artifact.pull shop/debian:12: shop/debian:12 was pulled by admin
    artifact.delete shop/debian:12: shop/debian:12 was deleted by admin
    scan.completed shop/debian:12: The scan of shop/debian:12 found 8 vulnerabilities, 4 of them fixable; the worst is high
    scan.stopped shop/debian:12: The scan of shop/debian:12 was stopped
    scan.failed shop/debian:12: The scan of shop/debian:12 failed
    quota.exceeded shop: The quota of shop is exceeded: adding 2.1 MiB will exceed the limit of 10.0 MiB.
    quota.warning shop: The quota of shop is nearly used up: quota usage reach 85%
    replication shop/alpine: Replication of shop/alpine from hub: success
    tag.retention shop: Tag retention in shop kept 1 of 3 artifacts (success)
    robot.expired : robot.expired
    ");
}

#[test]
fn an_event_has_its_time_and_an_id_that_a_second_try_has_too() {
    insta::assert_snapshot!(snapshot(DEFAULT_TEXTS, &one(&by_default("PUSH_ARTIFACT", &image()))), @r"
    artifact.push shop/debian:12
    1dac4ac9b3b50c253758fe032e440785
    2023-04-03T06:05:04Z
    shop/debian:12 was pushed by admin
    ");
    insta::assert_snapshot!(snapshot(DEFAULT_TEXTS, &one(&as_cloudevent("harbor.artifact.pushed", &image()))), @r"
    artifact.push shop/debian:12
    /projects/2/webhook/policies/15 e3005250-ffa8-4a10-af92-91fe25cca22c
    2023-04-03T06:05:04Z
    shop/debian:12 was pushed by admin
    ");
    let without_time = one(&json!({"type": "PUSH_ARTIFACT", "event_data": image()}));
    assert!(matches!(without_time.id, crate::event::EventId::Fresh(_)));
}

#[test]
fn older_names_and_other_resources_are_read() {
    for (old, r#type) in
        [("pushImage", "artifact.push"), ("scanningFailed", "scan.failed"), ("deleteChart", "chart.delete")]
    {
        assert_eq!(&*one(&by_default(old, &image())).r#type, r#type);
    }
    let of = |resources: &Value| {
        one(&by_default("PUSH_ARTIFACT", &json!({"resources": resources, "repository": repository()})))
    };
    assert_eq!(&*of(&json!([{"tag": "sha256:8a9e"}])).subject, "shop/debian@sha256:8a9e");
    assert_eq!(&*of(&json!([{"digest": "sha256:8a9e"}])).subject, "shop/debian@sha256:8a9e");
    assert_eq!(&*of(&json!([])).subject, "shop/debian");
    let two = of(&json!([{"tag": "1"}, {"tag": "2"}]));
    assert_eq!(default_text(DEFAULT_TEXTS, &two), "shop/debian:1 and 1 more was pushed by admin");
    let bare = one(&by_default("PUSH_ARTIFACT", &json!({"repository": {"name": "debian", "namespace": "shop"}})));
    assert_eq!(&*bare.subject, "shop/debian");
    let scan = scanned(&Value::Null);
    assert_eq!(
        line(&one(&by_default("SCANNING_COMPLETED", &scan))),
        "scan.completed shop/debian:12: The scan of shop/debian:12 is completed"
    );
    assert_eq!(
        line(&one(&by_default("SCANNING_COMPLETED", &image()))),
        "scan.completed shop/debian:12: The scan of shop/debian:12 is completed"
    );
}

#[test]
fn an_invalid_notification_is_refused_and_an_empty_one_is_a_message() {
    assert_eq!(events_with(&[], "[]").expect_err("refused"), "the body must be a JSON object");
    assert_eq!(events_with(&[], r#"{"specversion":"1.0"}"#).expect_err("refused"), "the CloudEvent has no `id`");
    assert_eq!(snapshot(DEFAULT_TEXTS, &one(&json!({}))), "message \nfresh\n1970-01-01T00:00:00Z\nmessage");
    assert_eq!(&*one(&by_default("<!channel>", &image())).r#type, "message");
}

#[tokio::test]
async fn only_the_configured_header_is_accepted() {
    let (config, problems) = read("authorization = { env = \"HEADER\" }\nold = { env = \"OLD\" }");
    assert_eq!(problems, [""; 0]);
    let config = config.expect("right");
    assert!(!format!("{config:?}").contains("1f81eb52"));
    let mut test = TestPost::new("harbor", Harbor::open(config, &Outbound::new()));
    let cloud = as_cloudevent("harbor.artifact.pushed", &image()).to_string();
    for header in ["Secret 1f81eb52-5198-4599", "Secret before"] {
        let fields = [("authorization", header), ("content-type", "application/cloudevents+json")];
        let (accepted, events) = test.post(&fields, cloud.clone()).await;
        assert_eq!((accepted, &*events[0].r#type), (Ok(1), "artifact.push"));
    }
    assert_eq!(test.post_refused(&[], cloud.clone()).await, (401, "the header `authorization` is missing".into()));
    for wrong in ["Secret 1f81eb52-5198-459", "secret 1f81eb52-5198-4599", "Bearer x"] {
        assert_eq!(test.post_refused(&[("authorization", wrong)], cloud.clone()).await.0, 401, "{wrong}");
    }
    assert_eq!(test.source.look_up("shop/debian").await.map_err(|fault| fault.reason()), Err("no_look_up"));
}

#[test]
fn verify_is_an_alternative_to_authorization() {
    let both = "authorization = { env = \"HEADER\" }\nverify = \"none\"";
    assert_eq!(read(both).1, ["`verify` and `authorization` exclude each other"]);
    assert!(read("").0.is_some_and(|config| Settings::endpoint(&config).is_some_and(EndpointConfig::is_unverified)));
    assert!(read("verify = { path = { env = \"OLD\" } }").1[0].starts_with("a secret in a path"));
    let (config, problems) = read("optional = true\nauthorization = { env = \"UNSET\" }");
    assert!(config.is_none() && problems.is_empty());
}

proptest! {
    #[test]
    fn no_input_causes_a_panic(which in 0..11_usize, at in 0..400_usize, byte in any::<u8>(), odd in "[\\[\\]{}\":, a-e0-9]{0,40}") {
        let (usual, cloud, data) = all().swap_remove(which);
        let within = format!(r#"{{"resources":{odd},"repository":{odd},"replication":{odd},"retention":{odd},"custom_attributes":{odd}}}"#);
        let mut bodies = vec![odd.clone(), format!(r#"{{"type":"{usual}","occur_at":{odd},"event_data":{within}}}"#)];
        for whole in [by_default(usual, &data), as_cloudevent(cloud, &data)] {
            let mut spoilt = whole.to_string().into_bytes();
            let at = at % spoilt.len();
            spoilt[at] = byte;
            bodies.push(String::from_utf8_lossy(&spoilt).into_owned());
        }
        for body in bodies {
            for event in events_with(&[], &body).unwrap_or_default() {
                prop_assert!(!snapshot(DEFAULT_TEXTS, &event).is_empty());
            }
        }
    }
}
