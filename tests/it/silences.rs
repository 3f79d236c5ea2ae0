//! Silences as an operator uses them: added on the command line, shown everywhere, kept across a restart, ended by themselves.

use serde_json::{Value, json};
use tidings::demo::standins::Tutum;
use tidings::demo::tutum_config;
use tokio::time::{Instant, sleep};

use crate::daemon::{Daemon, LIMIT};
use crate::slack;

const RELAYS: &str = r#"
    [daemon]
    listen = "127.0.0.1:0"
    admin = "127.0.0.1:0"
    [sink.console.out]
    [[relay]]
    name = "containers"
    match = { type = "container.*" }
    text = "{{ data.n }}"
    to = "out"
"#;

const DEPLOY: [&str; 8] = ["silence", "add", "--match", "type=container.*", "--for", "2h", "--why", "deploy"];

/// The verdict of `explain --json` on a container's event.
async fn explained(daemon: &Daemon) -> Value {
    let event = daemon.folder.path().join("event.json");
    let given = json!({"source": "prod", "type": "container.create", "data": {"n": 1}});
    std::fs::write(event, given.to_string()).expect("written");
    let (code, out, err) = daemon.verb(&["explain", "--file", "event.json", "--json"]).await;
    assert_eq!(code, 0, "{err}");
    let explained: Value = serde_json::from_str(&out).expect("JSON");
    explained["relays"][0].clone()
}

#[tokio::test]
async fn a_silence_is_added_shown_kept_across_a_kill_and_ended() {
    let mut daemon = Daemon::start(RELAYS, &[]).await;
    assert_eq!(explained(&daemon).await["silence"], Value::Null);
    let (code, out, err) = daemon.verb(&DEPLOY).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("silence 1 is active until ") && out.ends_with(": type=container.*\n"), "{out}");
    assert!(daemon.log().contains("silence 1 added: deploy"), "{}", daemon.log());

    daemon.kill().await;
    daemon.start_again().await;
    assert!(daemon.log().contains("active silences: 1"), "{}", daemon.log());
    let (_, out, _) = daemon.verb(&["silence", "list"]).await;
    assert!(out.contains("type=container.*") && out.contains("deploy") && out.contains("until "), "{out}");
    let (_, out, _) = daemon.verb(&["status"]).await;
    assert!(out.contains("1 silence is active"), "{out}");
    assert_eq!(daemon.json("/api/v1/status").await["silences"], 1);
    let relay = explained(&daemon).await;
    assert_eq!((&relay["took"], &relay["silence"]["id"]), (&json!(true), &json!(1)));
    let (_, out, _) = daemon.verb(&["explain", "--file", "event.json"]).await;
    assert!(out.contains("it matches, but silence 1 (deploy, until ") && out.contains(") suppresses it"), "{out}");

    let (code, out, err) = daemon.verb(&["silence", "expire", "1"]).await;
    assert_eq!((code, &*out), (0, "1 silence ended\n"), "{err}");
    let (code, _, err) = daemon.verb(&["silence", "expire", "1"]).await;
    assert!(code == 64 && err.contains("there is no active silence 1"), "{code} {err}");
    let (_, out, _) = daemon.verb(&["silence", "list"]).await;
    assert_eq!(out, "no silences\n");
    let (_, out, _) = daemon.verb(&["silence", "list", "--expired"]).await;
    assert!(out.contains("ended ") && out.contains(" ago"), "{out}");
    assert_eq!(explained(&daemon).await["silence"], Value::Null);
    assert!(daemon.log().contains("silence 1 ended early"), "{}", daemon.log());
}

#[tokio::test]
async fn a_silence_ends_by_itself_and_its_end_is_logged() {
    let daemon = Daemon::start(RELAYS, &[]).await;
    let (code, out, err) =
        daemon.verb(&["silence", "add", "--relay", "containers", "--for", "1s", "--why", "a blink", "--json"]).await;
    assert_eq!(code, 0, "{err}");
    let silence: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(silence["matches"], json!(["relay=containers"]));
    let until = Instant::now() + LIMIT;
    while !daemon.log().contains("silence 1 ended: a blink") {
        assert!(Instant::now() < until, "{}", daemon.log());
        sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(daemon.json("/api/v1/status").await["silences"], 0);
    assert_eq!(explained(&daemon).await["silence"], Value::Null);
    let kept = daemon.json("/api/v1/silences?expired=true").await;
    assert_eq!(kept["silences"][0]["ended"], kept["silences"][0]["until"]);
}

#[tokio::test]
async fn an_invalid_silence_is_refused_with_a_hint() {
    let daemon = Daemon::start(RELAYS, &[]).await;
    for (args, text) in [
        (&["--match", "type=*", "--for", "2h", "--why", "x"][..], "that would silence everything"),
        (&["--match", "typ=a", "--for", "2h", "--why", "x"], "did you mean `type`?"),
        (&["--relay", "container", "--for", "2h", "--why", "x"], "did you mean `containers`?"),
        (&["--match", "type=a", "--for", "2 hours", "--why", "x"], "not a duration"),
        (&["--match", "type=a", "--for", "367d", "--why", "x"], "366 days"),
        (&["--match", "type=a", "--for", "2h", "--why", " "], "needs a `why`"),
        (&["--match", "type=a", "--for", "2h"], "--why <REASON>"),
        (&["--for", "2h", "--why", "x"], "--match"),
    ] {
        let (code, _, err) = daemon.verb(&[&["silence", "add"], args].concat()).await;
        assert!(code == 64 && err.contains(text), "{args:?}: {code} {err}");
    }
    let (code, out, err) = daemon.verb(&["silence", "add", "--all", "--for", "2h", "--why", "move"]).await;
    assert!(code == 0 && out.ends_with(": everything\n"), "{code} {out} {err}");
    let (_, out, _) = daemon.verb(&["silence", "expire", "--all"]).await;
    assert_eq!(out, "1 silence ended\n");
}

#[tokio::test]
async fn a_silenced_message_is_not_sent_but_recorded() {
    let (tutum, slack) = (Tutum::start().expect("loopback"), slack::start());
    let credentials = tutum.credentials().clone();
    let url = slack.url();
    let env = [("TUTUM_USERNAME", &*credentials.user), ("TUTUM_TOKEN", &*credentials.token), ("SLACK_URL", &*url)];
    let source = tutum_config(&tutum, "", "");
    let relays = format!(
        r#"
        {source}
        [sink.slack.ops]
        webhook = {{ env = "SLACK_URL" }}
        rate = "none"
        [[relay]]
        name = "all"
        from = "prod"
        text = "{{{{ event.type }}}} {{{{ data.n }}}}"
        to = "ops"
        "#
    );
    let daemon = Daemon::start(&relays, &env).await;
    tutum.stream.wait_connected(LIMIT).await.expect("it connects");
    let send = |r#type: &str, n: u32| {
        tutum.stream.send(&json!({"type": r#type, "action": "create", "resource_uri": "/x/1/", "n": n}));
    };
    assert_eq!(daemon.verb(&DEPLOY).await.0, 0);
    send("container", 1);
    send("service", 2);
    assert_eq!(slack.next(LIMIT).await.expect("the other type").text, "service.create 2");
    daemon.until("suppressed", |status| status["sinks"][0]["suppressed"] == 1).await;
    assert_eq!(daemon.json("/api/v1/status").await["sinks"][0]["dead"], 0);
    let (_, out, _) = daemon.verb(&["events"]).await;
    assert!(out.contains("ops suppressed (silence 1: deploy)"), "{out}");
    assert!(daemon.metric(r#"tidings_deliveries_total{sink="ops",outcome="suppressed"}"#).await > 0.5);
    assert_eq!(daemon.verb(&["silence", "expire", "--all"]).await.0, 0);
    send("container", 3);
    assert_eq!(slack.next(LIMIT).await.expect("it is sent again").text, "container.create 3");
    assert_eq!(slack.posts().len(), 2);
}
