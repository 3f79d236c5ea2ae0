//! The listener of a whole daemon: when it is bound, and what it answers when the disk is full or the daemon stops.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::daemon::{Daemon, LIMIT, client};
use crate::slack;

const DAEMON: &str = "[daemon]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n";

const SHOP: &str = r#"
    [source.webhook.shop]
    [sink.slack.ops]
    webhook = { env = "SLACK_URL" }
    rate = "none"
    concurrency = 8
    [[relay]]
    name = "all"
    text = "{{ data.n }}"
    to = "ops"
"#;

/// The status and `Retry-After`; None without an answer.
async fn post(url: &str, n: usize, filler: &str) -> Option<(u16, Option<String>)> {
    let reply = client().post(format!("{url}/hooks/shop")).body(format!("{{\"n\":{n},\"filler\":\"{filler}\"}}"));
    let reply = reply.send().await.ok()?;
    let retry_after = reply.headers().get("retry-after").and_then(|wait| wait.to_str().ok()).map(str::to_owned);
    Some((reply.status().as_u16(), retry_after))
}

#[tokio::test]
async fn the_listener_is_bound_only_if_a_source_has_an_endpoint() {
    let slack = slack::start();
    let mut daemon = Daemon::start(&format!("{DAEMON}{SHOP}"), &[("SLACK_URL", &slack.url())]).await;
    let url = daemon.listener_url();
    assert_eq!(post(&url, 1, "").await, Some((202, None)));
    assert!(daemon.log().contains("endpoint of shop: /hooks/shop"), "{}", daemon.log());
    let status = daemon.json("/api/v1/status").await;
    assert_eq!(status["sources"][0]["state"], "up");
    let accepted =
        daemon.metric("tidings_http_requests_total{listener=\"listen\",endpoint=\"shop\",code=\"202\"}").await;
    assert!((accepted - 1.0).abs() < 0.1, "{accepted}");

    assert!(daemon.stop().await.success());
    let without = DAEMON.to_owned() + "[sink.console.here]";
    std::fs::write(daemon.folder.path().join("relays.toml"), without).expect("written");
    daemon.start_again().await;
    assert!(
        !daemon.folder.path().join("state/listen.addr").exists(),
        "the address file of a listener that is not bound"
    );
    assert_eq!(post(&url, 2, "").await, None);
}

#[tokio::test]
async fn two_sources_with_one_path_are_refused() {
    let twice = "[source.webhook.a]\npath = \"/hooks/b\"\n[source.webhook.b]\n";
    let daemon = Daemon::prepare(&format!("{DAEMON}{twice}"), &[]);
    let (code, out, err) = daemon.verb(&["check"]).await;
    let said = format!("{out}{err}");
    assert!(code == 78 && said.contains("`b` has the same path as `a`"), "{code} {said}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_a_hint() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = taken.local_addr().expect("bound");
    let config = format!("{DAEMON}{SHOP}").replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{address}\""));
    let daemon = Daemon::prepare(&config, &[("SLACK_URL", "http://127.0.0.1:1/services/T/B/X")]);
    let (code, _, err) = daemon.verb(&["run"]).await;
    assert!(code == 70 && err.contains(&format!("cannot listen on {address}")), "{code} {err}");
}

#[tokio::test]
async fn a_full_disk_is_answered_503_and_refused_events_are_never_sent() {
    let slack = slack::start();
    let mut daemon = Daemon::prepare(&format!("{DAEMON}{SHOP}"), &[("SLACK_URL", &slack.url())]);
    daemon.limit_file_size(Some(512));
    daemon.start_again().await;
    slack.slow_down(Duration::from_millis(50));
    let (url, filler) = (daemon.listener_url(), "x".repeat(4000));
    let (mut accepted, mut refused) = (BTreeSet::new(), 0);
    let until = Instant::now() + LIMIT;
    for n in 0.. {
        match post(&url, n, &filler).await {
            Some((202, None)) => _ = accepted.insert(n.to_string()),
            Some((503, Some(_))) => refused += 1,
            other => panic!("{other:?}\n{}", daemon.log()),
        }
        if refused > 5 {
            break;
        }
        assert!(Instant::now() < until, "no request was refused:\n{}", daemon.log());
    }
    assert_eq!(daemon.admin("/-/ready").await.0, 503);
    daemon.kill().await;
    slack.slow_down(Duration::ZERO);
    daemon.limit_file_size(None);
    daemon.start_again().await;
    daemon.until("empty", |status| status["sinks"][0]["pending"] == 0).await;
    let sent: BTreeSet<_> = slack.posts().into_iter().map(|post| post.text).collect();
    assert_eq!(sent, accepted);
}

#[tokio::test]
async fn accepted_events_are_sent_and_refused_ones_are_not_after_a_stop_amid_posts() {
    let slack = slack::start();
    let mut daemon = Daemon::start(&format!("{DAEMON}{SHOP}"), &[("SLACK_URL", &slack.url())]).await;
    let url = daemon.listener_url();
    let posting = async {
        let post_all = |lane: usize| {
            let url = &url;
            async move {
                let mut answers = Vec::new();
                for n in (lane..).step_by(8) {
                    match post(url, n, "").await {
                        Some((status, _)) => answers.push((n.to_string(), status)),
                        None => break,
                    }
                }
                answers
            }
        };
        let lanes = (0..8).map(post_all);
        futures::future::join_all(lanes).await
    };
    let stopping = async {
        let until = Instant::now() + LIMIT;
        while slack.posts().len() < 50 {
            assert!(Instant::now() < until, "too few posts:\n{}", daemon.log());
            sleep(Duration::from_millis(5)).await;
        }
        daemon.stop().await
    };
    let (answers, ended) = tokio::join!(posting, stopping);
    assert!(ended.success());
    daemon.start_again().await;
    daemon.until("empty", |status| status["sinks"][0]["pending"] == 0).await;
    let sent: BTreeSet<_> = slack.posts().into_iter().map(|post| post.text).collect();
    for (n, status) in answers.into_iter().flatten() {
        match status {
            202 => assert!(sent.contains(&n), "{n} was accepted"),
            429 | 503 => assert!(!sent.contains(&n), "{n} was refused"),
            other => panic!("{n}: {other}"),
        }
    }
}

#[tokio::test]
async fn requests_during_a_reload_wait_and_are_not_refused() {
    let slack = slack::start();
    let daemon = Daemon::start(&format!("{DAEMON}{SHOP}"), &[("SLACK_URL", &slack.url())]).await;
    let url = daemon.listener_url();
    let over = tokio::sync::watch::channel(false);
    let posting = async {
        let mut accepted = BTreeSet::new();
        for n in 0.. {
            // Each on its own connection.
            match post(&url, n, "").await {
                Some((202, _)) => _ = accepted.insert(n.to_string()),
                Some((503, Some(_))) => {}
                other => panic!("{other:?}\n{}", daemon.log()),
            }
            if *over.1.borrow() {
                return accepted;
            }
        }
        unreachable!("the range has no end");
    };
    let reloading = async {
        for _ in 0..3 {
            let started = |log: String| log.matches(" started").count();
            let before = started(daemon.log());
            daemon.signal("HUP").await;
            let until = Instant::now() + LIMIT;
            while started(daemon.log()) == before {
                assert!(Instant::now() < until, "it did not reload:\n{}", daemon.log());
                sleep(Duration::from_millis(10)).await;
            }
        }
        over.0.send_replace(true);
    };
    let (accepted, ()) = tokio::join!(posting, reloading);
    assert_eq!(daemon.listener_url(), url, "the port is the same");
    daemon.until("empty", |status| status["sinks"][0]["pending"] == 0).await;
    let sent: BTreeSet<_> = slack.posts().into_iter().map(|post| post.text).collect();
    assert_eq!(sent, accepted);
}
