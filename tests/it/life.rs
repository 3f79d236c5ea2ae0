//! The daemon as its operator sees it: reload, status, events, metrics, exit codes.

use serde_json::json;
use tidings::demo::standins::{Slack, Tutum};
use tidings::demo::tutum_config;

use crate::daemon::{Daemon, LIMIT};
use crate::slack;

struct Setup {
    tutum: Tutum,
    slack: Slack,
    daemon: Daemon,
}

fn config(tutum: &Tutum, text: &str) -> String {
    let source = tutum_config(tutum, "notify = \"ops\"", "retry = { first = \"10ms\", max = \"50ms\" }");
    format!(
        r#"
        {source}
        [sink.slack.ops]
        optional = true
        webhook = {{ env = "SLACK_URL" }}
        rate = "none"
        [[relay]]
        name = "containers"
        from = "prod"
        match = {{ type = "container.*" }}
        text = "{text} {{{{ data.n }}}}"
        to = "ops"
        "#,
    )
}

impl Setup {
    async fn new() -> Self {
        let tutum = Tutum::start().expect("loopback");
        let slack = slack::start();
        let (credentials, url) = (tutum.credentials().clone(), slack.url());
        let env = [("TUTUM_USERNAME", &*credentials.user), ("TUTUM_TOKEN", &*credentials.token), ("SLACK_URL", &*url)];
        let daemon = Daemon::start(&config(&tutum, "old"), &env).await;
        tutum.stream.wait_connected(LIMIT).await.expect("it connects");
        Self { tutum, slack, daemon }
    }

    fn write(&self, relays_toml: &str) {
        std::fs::write(self.daemon.folder.path().join("relays.toml"), relays_toml).expect("written");
    }

    async fn message(&self, n: u32) -> String {
        self.tutum.stream.send(&json!({"type": "container", "action": "create", "resource_uri": "/c/1/", "n": n}));
        self.slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", self.daemon.log())).text
    }

    async fn reload(&self) {
        self.daemon.signal("HUP").await;
    }
}

#[tokio::test]
async fn a_reload_applies_a_valid_file_and_an_invalid_one_changes_nothing() {
    let setup = Setup::new().await;
    assert_eq!(setup.message(1).await, "old 1");

    setup.write("[sink.slak.ops]\n");
    setup.reload().await;
    let rejected = setup.slack.next(LIMIT).await.expect("it is posted").text;
    assert!(rejected.starts_with("config.rejected") && rejected.contains("slak"), "{rejected}");
    assert_eq!(setup.message(2).await, "old 2");
    assert!(setup.daemon.metric("tidings_config_last_reload_successful").await < 0.5);

    setup.write(&config(&setup.tutum, "new"));
    setup.reload().await;
    let until = tokio::time::Instant::now() + LIMIT;
    while setup.daemon.log().matches("starting config").count() < 2 {
        assert!(tokio::time::Instant::now() < until, "{}", setup.daemon.log());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    setup.tutum.stream.wait_connected(LIMIT).await.expect("it connects again");
    assert_eq!(setup.message(3).await, "new 3");
}

#[tokio::test]
async fn a_gap_in_a_stream_is_posted_to_the_chat() {
    let setup = Setup::new().await;
    setup.daemon.until("up", |status| status["sources"][0]["state"] == "up").await;
    setup.tutum.stream.go_down().await;
    setup.tutum.stream.come_back().await.expect("the port");
    let text = setup.slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", setup.daemon.log())).text;
    let times =
        text.strip_prefix("source.gap prod: what the stream sent while it was not connected was not received (");
    let times = times.and_then(|rest| rest.strip_suffix("Z)")).unwrap_or_else(|| panic!("{text}"));
    // Two times, or one if they are the same to the second.
    let times = times.strip_prefix("from ").unwrap_or(times).split("Z to ");
    let times: Vec<jiff::Timestamp> = times.map(|time| format!("{time}Z").parse().expect("a time")).collect();
    assert!((1..=2).contains(&times.len()) && times.is_sorted(), "{text}");
}

#[tokio::test]
async fn an_unmatched_event_is_listed_and_explained_and_everything_is_counted() {
    let setup = Setup::new().await;
    assert_eq!(setup.message(1).await, "old 1");
    let action = json!({"type": "action", "action": "update", "state": "Success", "resource_uri": "/a/1/"});
    setup.tutum.stream.send(&action);
    setup.tutum.stream.wait_read(LIMIT).await.expect("read");
    setup.daemon.until("settled", |status| status["sinks"][0]["pending"] == 0).await;

    let (code, out, _) = setup.daemon.verb(&["events", "--long"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("container:create") && out.contains("action:update:Success:/a/1/"), "{out}");
    let (code, out, _) = setup.daemon.verb(&["events", "--json"]).await;
    let events: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let of_type = |wanted: &str| {
        let events = events["events"].as_array().expect("a list");
        events.iter().find(|event| event["type"] == wanted).cloned().expect("listed")
    };
    assert_eq!(code, 0);
    assert_eq!(of_type("container.create")["deliveries"][0]["state"], "delivered");
    assert_eq!(of_type("action.update")["deliveries"], json!([]));

    let id = of_type("action.update")["id"].as_str().expect("an id").to_owned();
    let (code, out, _) = setup.daemon.verb(&["explain", "--id", &id]).await;
    assert_eq!(code, 0);
    assert!(out.contains("containers") && out.contains("action.update"), "{out}");

    for (sample, least) in [
        ("tidings_source_up{source=\"prod\"}", 1.0),
        ("tidings_source_last_event_timestamp_seconds{source=\"prod\"}", 1.7e9),
        ("tidings_events_received_total{source=\"prod\"}", 2.0),
        ("tidings_events_unmatched_total{source=\"prod\"}", 1.0),
        ("tidings_events_matched_total{relay=\"containers\"}", 1.0),
        ("tidings_deliveries_total{sink=\"ops\",outcome=\"delivered\"}", 1.0),
        ("tidings_delivery_seconds_count{sink=\"ops\"}", 1.0),
        ("tidings_commit_seconds_count", 1.0),
        ("tidings_config_last_reload_successful", 1.0),
    ] {
        let value = setup.daemon.metric(sample).await;
        assert!(value >= least, "{sample} is {value}");
    }
}

#[tokio::test]
async fn pending_messages_of_a_removed_sink_are_shown_and_sent_when_it_is_back() {
    let mut setup = Setup::new().await;
    setup.slack.go_down().await;
    setup.tutum.stream.send(&json!({"type": "container", "action": "create", "resource_uri": "/c/1/", "n": 1}));
    setup.daemon.until("pending", |status| status["sinks"][0]["pending"] == 1).await;
    setup.daemon.kill().await;
    let url = setup.slack.url();
    setup.daemon.set_env("SLACK_URL", "");
    setup.daemon.start_again().await;
    let (code, out, _) = setup.daemon.verb(&["status"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("ops") && out.contains("not set up in relays.toml now"), "{out}");
    assert!(setup.daemon.log().contains("1 messages are pending for ops"), "{}", setup.daemon.log());
    setup.daemon.kill().await;
    setup.daemon.set_env("SLACK_URL", &url);
    setup.slack.come_back().await.expect("the port");
    setup.daemon.start_again().await;
    assert_eq!(setup.slack.next(LIMIT).await.expect("it is sent").text, "old 1");
}

#[tokio::test]
async fn exit_codes_are_as_documented() {
    let daemon = Daemon::prepare("[sink.slak.ops]\n", &[]);
    for (args, code, text) in [
        (&["check"][..], 78, "slak"),
        (&["run"][..], 78, "slak"),
        (&["no-such-verb"][..], 64, "no-such-verb"),
        (&["status"][..], 69, "running"),
        (&["check", "--config", "/nowhere.toml"][..], 78, "/nowhere.toml"),
    ] {
        let (found, _, err) = daemon.verb(args).await;
        assert_eq!(found, code, "{args:?}: {err}");
        assert!(err.contains(text), "{args:?}: {err}");
    }
    assert_eq!(daemon.verb(&["--version"]).await.0, 0);
}
