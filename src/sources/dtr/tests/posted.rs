use proptest::prelude::*;

use super::*;
use crate::event::EventId;
use crate::secret::Secret;
use crate::sources::test_support::post::TestPost;
use crate::sources::test_support::snapshot::{default_text, snapshot};
use texts::DEFAULT_TEXTS;

/// A real one, its tag shortened.
const SCANNED: &str = r#"{"type":"SCAN_COMPLETED","contents":{"tag":"8f1c","namespace":"ashnik","imageName":"ashnik/docker-ci-cd:8f1c","repository":"docker-ci-cd","scanSummary":{"has_foreign_layers":false,"major":11,"check_completed_at":"2018-09-05T03:06:03.741Z","namespace":"ashnik","last_scan_status":6,"should_rescan":false,"tag":"8f1c","reponame":"docker-ci-cd","critical":1,"minor":1}},"createdAt":"2018-10-11T03:07:51.145390882Z","location":"/repositories/ashnik/docker-ci-cd/tags/8f1c"}"#;
const CREATED: &str = "2019-05-15T19:39:40.607337713Z";

fn notification(r#type: &str, contents: &Value) -> Value {
    json!({"type": r#type, "createdAt": CREATED, "contents": contents})
}

fn image(when: &str) -> Value {
    json!({"namespace": "foo", "repository": "bar", "tag": "latest", "digest": "sha256:b5bb", "imageName": "10.10.10.1/foo/bar:latest",
        "os": "linux", "architecture": "amd64", "author": "alice", when: "2015-01-02T15:04:05Z"})
}

fn manifest(when: &str) -> Value {
    json!({"namespace": "foo", "repository": "bar", "digest": "sha256:b5bb", "imageName": "10.10.10.1/foo/bar@sha256:b5bb",
        "os": "linux", "architecture": "amd64", "author": "alice", when: "2015-01-02T15:04:05Z"})
}

fn repository(event: &str) -> Value {
    json!({"namespace": "foo", "repository": "bar", "event": event, "author": "alice", "data": {}})
}

/// Everything that a registry sends, in version 2.0 or 3.1.
fn all() -> Vec<Value> {
    let scanned = json!({"namespace": "foo", "repository": "bar", "tag": "latest", "imageName": "foo/bar:latest",
        "scanSummary": {"namespace": "foo", "repository": "bar", "tag": "latest", "critical": 2, "major": 0, "last_scan_status": 6}});
    let failed = json!({"namespace": "foo", "repository": "bar", "tag": "latest", "imageName": "foo/bar:latest", "error": "no space left"});
    let promoted = json!({"promotionPolicyID": "7", "digest": "sha256:b5bb", "sourceRepository": "foo/bar", "sourceTag": "rc1",
        "targetRepository": "prod/bar", "targetTag": "1.0", "promotedAt": "2015-01-02T15:04:05Z"});
    let mirrored = json!({"namespace": "foo", "repository": "bar", "tag": "1.0", "mirroringPolicyID": "7", "digest": "sha256:b5bb",
        "remoteRepository": "far/bar", "remoteTag": "1.0"});
    let database = |success: bool| {
        json!({"scanner_version": 3, "scanner_updated_at": "", "db_version": 1388,
        "db_updated_at": "2015-01-02T15:04:05Z", "success": success, "replicas": {}})
    };
    let chart = json!({"namespace": "foo", "repository": "bar", "chart": "web", "version": "1.2.3", "author": "alice"});
    vec![
        notification("TAG_PUSH", &image("pushedAt")),
        notification("TAG_PULL", &image("pulledAt")),
        notification("TAG_DELETE", &image("deletedAt")),
        notification("MANIFEST_PUSH", &manifest("pushedAt")),
        notification("MANIFEST_PULL", &manifest("pulledAt")),
        notification("MANIFEST_DELETE", &manifest("deletedAt")),
        notification("SCAN_COMPLETED", &scanned),
        notification("SCAN_FAILED", &failed),
        notification("PROMOTION", &promoted),
        notification("PUSH_MIRRORING", &mirrored),
        notification("POLL_MIRRORING", &mirrored),
        notification("REPO_CREATED", &repository("REPO_CREATED")),
        notification("REPO_UPDATED", &repository("REPO_UPDATED")),
        notification("REPO_DELETED", &repository("REPO_DELETED")),
        notification("REPO_EVENT", &repository("REPO_CREATED")),
        notification("SCANNER_UPDATE_COMPLETED", &database(true)),
        notification("SCANNER_UPDATE_COMPLETED", &database(false)),
        notification("CHART_PUSH", &chart),
        notification("CHART_PULL", &chart),
        notification("CHART_DELETE", &chart),
        notification("CHART_LINTED", &chart),
        notification("TAG_SIGNED", &image("signedAt")),
        notification("ROBOT_EXPIRED", &json!({"namespace": "foo"})),
    ]
}

fn line(event: &Event) -> String {
    format!("{} {} | {}", event.r#type, event.subject, default_text(DEFAULT_TEXTS, event))
}

#[test]
fn every_type_has_a_name_a_subject_and_a_readable_message() {
    let lines: Vec<_> = all().iter().map(|body| line(&one(body))).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    tag.push foo/bar:latest | foo/bar:latest was pushed by alice
    tag.pull foo/bar:latest | foo/bar:latest was pulled by alice
    tag.delete foo/bar:latest | foo/bar:latest was deleted by alice
    manifest.push foo/bar@sha256:b5bb | foo/bar@sha256:b5bb was pushed by alice
    manifest.pull foo/bar@sha256:b5bb | foo/bar@sha256:b5bb was pulled by alice
    manifest.delete foo/bar@sha256:b5bb | foo/bar@sha256:b5bb was deleted by alice
    scan.completed foo/bar:latest | The scan of foo/bar:latest found 2 critical, 0 major and 0 minor vulnerabilities (completed)
    scan.failed foo/bar:latest | The scan of foo/bar:latest failed: no space left
    promotion prod/bar:1.0 | foo/bar:rc1 was promoted to prod/bar:1.0
    push.mirroring foo/bar:1.0 | foo/bar:1.0 was mirrored to far/bar:1.0
    poll.mirroring foo/bar:1.0 | foo/bar:1.0 was mirrored from far/bar:1.0
    repo.created foo/bar | Repository foo/bar was created by alice
    repo.updated foo/bar | Repository foo/bar was updated by alice
    repo.deleted foo/bar | Repository foo/bar was deleted by alice
    repo.created foo/bar | Repository foo/bar was created by alice
    scanner.update.completed  | The vulnerability database was updated to version 1388
    scanner.update.completed  | The update of the vulnerability database failed
    chart.push foo/bar | A chart of foo/bar was pushed by alice
    chart.pull foo/bar | A chart of foo/bar was pulled by alice
    chart.delete foo/bar | A chart of foo/bar was deleted by alice
    chart.linted foo/bar | A chart of foo/bar was linted by alice
    tag.signed foo/bar:latest | foo/bar:latest was signed by alice
    robot.expired foo | robot.expired: foo
    ");
}

#[test]
fn a_real_notification_has_its_time_and_a_unique_id() {
    let [event] = <[Event; 1]>::try_from(events(SCANNED).expect("read")).expect("one");
    assert_eq!(event.data.text(), SCANNED);
    insta::assert_snapshot!(snapshot(DEFAULT_TEXTS, &event), @r"
    scan.completed ashnik/docker-ci-cd:8f1c
    7db8768eda72513a007925581f5e9ee6
    2018-10-11T03:07:51.145390882Z
    The scan of ashnik/docker-ci-cd:8f1c found 1 critical, 11 major and 1 minor vulnerabilities (completed, 2018-09-05 03:06 UTC)
    ");
}

#[test]
fn a_missing_field_leaves_out_its_words_and_no_more() {
    for body in all() {
        let mut bare = body.clone();
        bare["contents"] = json!({});
        let text = default_text(DEFAULT_TEXTS, &one(&bare));
        assert!(!text.contains("  ") && text.trim() == text && !text.is_empty(), "{text:?}");
        let Value::Object(contents) = &body["contents"] else { panic!("{body}") };
        for name in contents.keys() {
            let mut without = body.clone();
            without["contents"].as_object_mut().expect("an object").remove(name);
            let text = default_text(DEFAULT_TEXTS, &one(&without));
            assert!(!text.contains("  ") && text.trim() == text && !text.is_empty(), "{text:?} {without}");
        }
    }
    let of = |body: &Value| line(&one(body));
    let pending = json!({"last_scan_status": 3, "check_completed_at": "0001-01-01T00:00:00Z"});
    assert_eq!(
        of(&json!({"type": "SCAN_COMPLETED", "contents": {"scanSummary": pending}})),
        "scan.completed  | The scan of an image found 0 critical, 0 major and 0 minor vulnerabilities (pending)"
    );
    assert_eq!(of(&json!({"type": "TAG_PUSH"})), "tag.push  | An image was pushed");
    assert_eq!(of(&json!({"contents": {"namespace": "foo"}})), "message foo | message: foo");
    assert_eq!(of(&json!({"type": 7, "contents": 8})), "message  | message");
}

#[test]
fn the_image_is_found_in_every_field_that_names_it() {
    let subject = |contents: &Value| one(&notification("TAG_PUSH", contents)).subject;
    assert_eq!(&*subject(&json!({"scanSummary": {"namespace": "foo", "reponame": "bar", "tag": "1"}})), "foo/bar:1");
    assert_eq!(&*subject(&json!({"namespace": "foo", "reponame": "bar", "tag": "1"})), "foo/bar:1");
    assert_eq!(&*subject(&json!({"namespace": "foo", "repository": "foo/bar", "tag": "1"})), "foo/bar:1");
    for name in ["dtr.example:4443/foo/bar:1", "localhost/foo/bar:1", "foo/bar:1"] {
        assert_eq!(&*subject(&json!({"imageName": name})), "foo/bar:1", "{name}");
    }
    let located = |location: &str| one(&json!({"type": "TAG_PUSH", "location": location})).subject;
    assert_eq!(&*located("/repositories/foo/bar/tags/1"), "foo/bar:1");
    assert_eq!(&*located("/repositories/foo/bar"), "foo/bar");
    assert_eq!(&*located("/elsewhere"), "");
}

#[test]
fn a_notification_with_a_time_is_one_event_however_often_it_is_sent() {
    let (push, mut other) =
        (notification("TAG_PUSH", &image("pushedAt")), notification("TAG_PUSH", &image("pushedAt")));
    assert_eq!(one(&push).id, one(&push).id);
    other["createdAt"] = "2019-05-15T19:39:40.607337714Z".into();
    assert_ne!(one(&push).id, one(&other).id);
    for created in [json!("0001-01-01T00:00:00Z"), json!("soon"), Value::Null] {
        other["createdAt"] = created;
        let event = one(&other);
        assert!(matches!(event.id, EventId::Fresh(_)), "{other}");
        assert_eq!(event.time.to_string(), "2015-01-02T15:04:05Z", "the push has its own time");
    }
}

#[tokio::test]
async fn a_sender_that_knows_the_path_is_accepted() {
    let source = dtr("verify = { path = { env = \"KEY\" } }");
    let endpoint = Source::endpoint(&source).expect("an endpoint").clone();
    let same = EndpointConfig::default().with_secret(Secret::literal("1f81eb52-5198-4599"));
    assert!(!endpoint.is_unverified() && endpoint.same_path("in", &same, "in"));
    assert_eq!(endpoint.max_body(), 8 << 20);
    let mut test = TestPost::new("dtr", source);
    let (accepted, events) = test.post(&[], SCANNED).await;
    assert_eq!((accepted, &*events[0].r#type, &*events[0].kind), (Ok(1), "scan.completed", "dtr"));
    assert_eq!(test.post_refused(&[], "[]").await, (400, "the body must be a JSON object".into()));
    assert_eq!(test.post_refused(&[], "<xml>").await.0, 400);
    let mut test = TestPost::new("dtr", dtr("verify = { bearer = { env = \"KEY\" } }"));
    assert_eq!(test.post_refused(&[], SCANNED).await.0, 401);
    assert_eq!(test.post(&[("authorization", "Bearer 1f81eb52-5198-4599")], SCANNED).await.0, Ok(1));
}

proptest! {
    #[test]
    fn no_input_causes_a_panic(which in 0..23_usize, at in 0..600_usize, byte in any::<u8>(), odd in "[\\[\\]{}\":, a-e0-9]{0,40}") {
        let whole = all().swap_remove(which);
        let mut spoilt = whole.to_string().into_bytes();
        let at = at % spoilt.len();
        spoilt[at] = byte;
        let name = whole["type"].as_str().unwrap_or_default();
        let within = format!(r#"{{"namespace":{odd},"repository":{odd},"tag":{odd},"scanSummary":{odd},"author":{odd},"targetRepository":{odd}}}"#);
        let bodies = [odd.clone(), String::from_utf8_lossy(&spoilt).into_owned(), format!(r#"{{"type":"{name}","createdAt":{odd},"contents":{within}}}"#),
            format!(r#"{{"type":{odd},"contents":{odd},"location":{odd}}}"#)];
        for body in bodies {
            for event in events(&body).unwrap_or_default() {
                prop_assert!(!snapshot(DEFAULT_TEXTS, &event).is_empty());
            }
        }
    }
}
