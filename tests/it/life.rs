//! A daemon's life as its operator sees it: reload, status, events, metrics, exit codes.

use serde_json::json;
use tidings::demo::standins::{Slack, Tutum};
use tidings::demo::tutum_config;

use crate::daemon::{Daemon, LIMIT};

struct House {
    tutum: Tutum,
    slack: Slack,
    daemon: Daemon,
}

fn config(tutum: &Tutum, text: &str) -> String {
    let hearing = tutum_config(tutum, "notify = \"ops\"", "retry = { first = \"10ms\", max = \"50ms\" }");
    format!(
        r#"
        {hearing}
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

impl House {
    async fn open() -> Self {
        let tutum = Tutum::start().await.expect("loopback");
        let slack = Slack::start().await.expect("loopback");
        let (credentials, url) = (tutum.credentials().clone(), slack.url());
        let env = [("TUTUM_USERNAME", &*credentials.user), ("TUTUM_TOKEN", &*credentials.token), ("SLACK_URL", &*url)];
        let daemon = Daemon::start(&config(&tutum, "old"), &env).await;
        tutum.stream.wait_connected(LIMIT).await.expect("it connects");
        Self { tutum, slack, daemon }
    }

    fn write(&self, relays_toml: &str) {
        std::fs::write(self.daemon.folder.path().join("relays.toml"), relays_toml).expect("written");
    }

    async fn says(&self, n: u32) -> String {
        self.tutum.stream.send(&json!({"type": "container", "action": "create", "resource_uri": "/c/1/", "n": n}));
        self.slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", self.daemon.log())).text
    }

    async fn reload(&self) {
        self.daemon.signal("HUP").await;
    }
}

#[tokio::test]
async fn a_reload_takes_a_good_file_and_a_bad_one_changes_nothing() {
    let house = House::open().await;
    assert_eq!(house.says(1).await, "old 1");

    house.write("[sink.slak.ops]\n");
    house.reload().await;
    let rejected = house.slack.next(LIMIT).await.expect("a person is told").text;
    assert!(rejected.starts_with("config.rejected") && rejected.contains("slak"), "{rejected}");
    assert_eq!(house.says(2).await, "old 2");
    assert!(house.daemon.metric("tidings_config_last_reload_successful").await < 0.5);

    house.write(&config(&house.tutum, "new"));
    house.reload().await;
    let until = tokio::time::Instant::now() + LIMIT;
    while house.daemon.log().matches("starting config").count() < 2 {
        assert!(tokio::time::Instant::now() < until, "{}", house.daemon.log());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    house.tutum.stream.wait_connected(LIMIT).await.expect("it connects again");
    assert_eq!(house.says(3).await, "new 3");
}

#[tokio::test]
async fn a_hole_in_a_stream_is_told_in_the_chat() {
    let house = House::open().await;
    house.daemon.until("up", |status| status["sources"][0]["state"] == "up").await;
    house.tutum.stream.go_down().await;
    house.tutum.stream.come_back().await.expect("the port");
    let told = house.slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", house.daemon.log())).text;
    let times =
        told.strip_prefix("source.gap prod: what the stream sent while it was not connected was not received (");
    let times = times.and_then(|rest| rest.strip_suffix("Z)")).unwrap_or_else(|| panic!("{told}"));
    // Both, or one where they are the same to the second.
    let times = times.strip_prefix("from ").unwrap_or(times).split("Z to ");
    let times: Vec<jiff::Timestamp> = times.map(|time| format!("{time}Z").parse().expect("a time")).collect();
    assert!((1..=2).contains(&times.len()) && times.is_sorted(), "{told}");
}

#[tokio::test]
async fn what_nobody_wanted_is_shown_and_explained_and_everything_that_moves_is_counted() {
    let house = House::open().await;
    assert_eq!(house.says(1).await, "old 1");
    let action = json!({"type": "action", "action": "update", "state": "Success", "resource_uri": "/a/1/"});
    house.tutum.stream.send(&action);
    house.tutum.stream.wait_read(LIMIT).await.expect("read");
    house.daemon.until("settled", |status| status["sinks"][0]["pending"] == 0).await;

    let (code, out, _) = house.daemon.verb(&["events", "--long"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("container:create") && out.contains("action:update:Success:/a/1/"), "{out}");
    let (code, out, _) = house.daemon.verb(&["events", "--json"]).await;
    let events: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let of_type = |wanted: &str| {
        let events = events["events"].as_array().expect("a list");
        events.iter().find(|event| event["type"] == wanted).cloned().expect("listed")
    };
    assert_eq!(code, 0);
    assert_eq!(of_type("container.create")["deliveries"][0]["state"], "delivered");
    assert_eq!(of_type("action.update")["deliveries"], json!([]));

    let id = of_type("action.update")["id"].as_str().expect("an id").to_owned();
    let (code, out, _) = house.daemon.verb(&["explain", "--id", &id]).await;
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
        let value = house.daemon.metric(sample).await;
        assert!(value >= least, "{sample} is {value}");
    }
}

#[tokio::test]
async fn what_waits_for_a_sink_that_is_gone_is_seen_and_comes_when_it_is_back() {
    let mut house = House::open().await;
    house.slack.go_down().await;
    house.tutum.stream.send(&json!({"type": "container", "action": "create", "resource_uri": "/c/1/", "n": 1}));
    house.daemon.until("pending", |status| status["sinks"][0]["pending"] == 1).await;
    house.daemon.kill().await;
    let url = house.slack.url();
    house.daemon.set_env("SLACK_URL", "");
    house.daemon.start_again().await;
    let (code, out, _) = house.daemon.verb(&["status"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("ops") && out.contains("not set up in relays.toml now"), "{out}");
    assert!(house.daemon.log().contains("1 messages wait for ops"), "{}", house.daemon.log());
    house.daemon.kill().await;
    house.daemon.set_env("SLACK_URL", &url);
    house.slack.come_back().await.expect("the port");
    house.daemon.start_again().await;
    assert_eq!(house.slack.next(LIMIT).await.expect("it comes").text, "old 1");
}

#[tokio::test]
async fn exit_codes_are_as_agreed() {
    let daemon = Daemon::prepare("[sink.slak.ops]\n", &[]);
    for (args, code, words) in [
        (&["check"][..], 78, "slak"),
        (&["run"][..], 78, "slak"),
        (&["no-such-verb"][..], 64, "no-such-verb"),
        (&["status"][..], 69, "running"),
        (&["check", "--config", "/nowhere.toml"][..], 78, "/nowhere.toml"),
    ] {
        let (found, _, said) = daemon.verb(args).await;
        assert_eq!(found, code, "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    assert_eq!(daemon.verb(&["--version"]).await.0, 0);
}
