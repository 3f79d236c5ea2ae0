//! Hostile or broken input and services: clear errors, nothing is lost, nothing panics.

use std::time::Duration;

use serde_json::json;
use tidings::demo::standins::InjectedFault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::daemon::{LIMIT, client};
use crate::tutum_to_slack::{EVERYTHING, TutumToSlack};

const WITH_PARENT: &str = r#"
    [[relay]]
    name = "all"
    match = { type = "service.*" }
    fetch.stack = "{{ data.parents | first }}"
    text = "{{ data.n }} of {{ stack.name }}"
    to = "ops"
"#;

#[tokio::test]
async fn a_parent_on_another_host_is_never_requested_and_a_valid_one_is() {
    let setup = TutumToSlack::start();
    // A request to this listener would contain the credentials.
    let other_host = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let other_url = format!("http://{}/api/v1/stack/1/", other_host.local_addr().expect("bound"));
    let _daemon = setup.daemon("", WITH_PARENT).await;
    let stack = setup.tutum.api.add_stack("f24bca18-e1dd-40aa-9b3c-064c0c26683e", "web", "Running");
    for evil in [
        &other_url,
        "//169.254.169.254/latest/meta-data/stack/1/",
        "http://169.254.169.254/stack/1/",
        "\\\\evil\\stack",
    ] {
        let text =
            setup.message_for(json!({"type": "service", "action": "update", "n": 1, "parents": [evil, &stack]})).await;
        assert!(text.starts_with("1 of \n(stack could not be fetched: "), "{text}");
    }
    let text = setup.message_for(json!({"type": "service", "action": "update", "n": 2, "parents": [&stack]})).await;
    assert_eq!(text, "2 of web");
    let request = tokio::time::timeout(Duration::from_millis(50), other_host.accept()).await;
    assert!(request.is_err(), "the daemon connected to another host");
}

#[tokio::test]
async fn a_fetch_that_fails_adds_a_line_and_delays_nothing() {
    let setup = TutumToSlack::start();
    let _daemon = setup.daemon("fetch_timeout = \"300ms\"", WITH_PARENT).await;
    let stack = setup.tutum.api.add_stack("f24bca18-e1dd-40aa-9b3c-064c0c26683e", "web", "Running");
    let event = |n: u32| json!({"type": "service", "action": "update", "n": n, "parents": [&stack]});
    setup.tutum.api.fail_with([InjectedFault::Status(504)]);
    assert_eq!(setup.message_for(event(1)).await, "1 of \n(stack could not be fetched: 504)");
    sleep(Duration::from_millis(1100)).await;
    setup.tutum.api.fail_with([InjectedFault::Stall]);
    assert_eq!(setup.message_for(event(2)).await, "2 of \n(stack could not be fetched: timeout)");
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(setup.message_for(event(3)).await, "3 of web");
}

#[tokio::test]
async fn a_redirect_from_the_api_is_not_followed() {
    let setup = TutumToSlack::start();
    let other_host = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let api = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let (other_address, api_address) = (other_host.local_addr().expect("bound"), api.local_addr().expect("bound"));
    let redirecting = async move {
        let (mut tcp, _) = api.accept().await.expect("asked");
        let mut request = [0; 4096];
        let _read = tcp.read(&mut request).await;
        let reply =
            format!("HTTP/1.1 302 Found\r\nLocation: http://{other_address}/steal\r\nContent-Length: 0\r\n\r\n");
        tcp.write_all(reply.as_bytes()).await.expect("answered");
    };
    let config = setup.config("", "", WITH_PARENT).replace(&setup.tutum.api.url(), &format!("http://{api_address}"));
    let mut daemon = setup.prepare(&config);
    daemon.start_again().await;
    setup.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
    let event = json!({"type": "service", "action": "update", "n": 1, "parents": ["/api/v1/stack/1/"]});
    let (text, ()) = tokio::join!(setup.message_for(event), redirecting);
    assert_eq!(text, "1 of \n(stack could not be fetched: 302)");
    assert!(
        tokio::time::timeout(Duration::from_millis(50), other_host.accept()).await.is_err(),
        "the redirect was followed"
    );
}

#[tokio::test]
async fn a_name_from_an_event_mentions_no_user() {
    let setup = TutumToSlack::start();
    let _daemon = setup.daemon("", WITH_PARENT).await;
    let stack =
        setup.tutum.api.add_stack("f24bca18-e1dd-40aa-9b3c-064c0c26683e", "<!channel> & <http://evil|you>", "Running");
    let text = setup.message_for(json!({"type": "service", "action": "update", "n": 1, "parents": [&stack]})).await;
    assert_eq!(text, "1 of &lt;!channel&gt; &amp; &lt;http://evil|you&gt;");
}

#[tokio::test]
async fn a_template_that_loops_too_long_is_stopped() {
    let setup = TutumToSlack::start();
    let relays = r#"
        [[relay]]
        name = "loops"
        match = { type = "loop.*" }
        text = "{% for a in data.many %}{% for b in data.many %}{% for c in data.many %}{{ c }}{% endfor %}{% endfor %}{% endfor %}"
        to = "ops"
        [[relay]]
        name = "fine"
        match = { type = "fine.*" }
        text = "fine"
        to = "ops"
    "#;
    let daemon = setup.daemon("", relays).await;
    let many: Vec<u32> = (0..1000).collect();
    setup.tutum.stream.send(&json!({"type": "loop", "action": "x", "many": many}));
    assert_eq!(setup.message_for(json!({"type": "fine", "action": "x"})).await, "fine");
    daemon.until("dead", |status| status["sinks"][0]["dead"] == 1).await;
    let (code, out, _) = daemon.verb(&["dead", "list"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("loops") && out.contains("fuel"), "{out}");
}

#[tokio::test]
async fn what_is_not_json_is_counted_and_skipped() {
    let setup = TutumToSlack::start();
    let daemon = setup.daemon("", EVERYTHING).await;
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for garbage in ["", "nope", "{\"type\":", "\u{0}", &deep, "{\"a\":1}{\"b\":2}"] {
        setup.tutum.stream.send_text(garbage);
    }
    let odd = json!({"type": ["not", "text"], "action": {"a": 1}, "resource_uri": 5, "parents": "x", "n": "odd"});
    assert_eq!(setup.message_for(odd).await, "odd");
    assert_eq!(setup.message_for(json!({"n": "last"})).await, "last");
    let skipped = daemon.metric("tidings_source_skipped_messages_total{source=\"prod\"}").await;
    assert!((skipped - 6.0).abs() < 0.1, "{skipped}");
}

#[tokio::test]
async fn a_frame_of_100_mb_breaks_the_connection_and_needs_no_memory() {
    let setup = TutumToSlack::start();
    let mut daemon = setup.daemon("max_frame = \"64KiB\"", EVERYTHING).await;
    assert_eq!(setup.message_for(json!({"n": "before"})).await, "before");
    setup.tutum.stream.send_text(format!("{{\"n\":\"{}\"}}", "x".repeat(100 << 20)));
    // The stand-in sends it again after every reconnect.
    setup.tutum.stream.wait_disconnected(LIMIT).await.expect("the connection is closed");
    setup.tutum.stream.wait_connected(LIMIT).await.expect("it reconnects");
    assert!(daemon.log().contains("a message of 104857608 bytes is above max_frame"), "{}", daemon.log());
    let peak = daemon.peak_memory_kib();
    assert!(peak < 64 << 10, "{peak} KiB");
    assert!(daemon.stop().await.success(), "it still stops cleanly");
}

#[tokio::test]
async fn the_admin_api_refuses_what_a_browser_page_could_send() {
    let setup = TutumToSlack::start();
    let daemon = setup.daemon("", EVERYTHING).await;
    let url = daemon.admin_url().expect("it listens");
    let foreign =
        client().get(format!("{url}/api/v1/status")).header("host", "evil.example.com").send().await.expect("answered");
    assert_eq!(foreign.status(), 403);
    let form = client().post(format!("{url}/api/v1/dead/replay")).body("all=true").send().await.expect("answered");
    assert!(form.status().is_client_error(), "{}", form.status());
}

#[tokio::test]
async fn a_refused_webhook_stops_its_lane_and_a_restart_delivers_everything() {
    let setup = TutumToSlack::start();
    let mut daemon = setup.prepare(&setup.config("", "", EVERYTHING));
    let url = setup.slack.url();
    daemon.set_env("SLACK_URL", &format!("{url}-revoked"));
    daemon.start_again().await;
    setup.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
    for n in 0..5 {
        setup.tutum.stream.send(&json!({"n": n}));
    }
    daemon.until("stopped", |status| status["sinks"][0]["stopped"].is_string()).await;
    daemon.until("pending", |status| status["sinks"][0]["pending"] == 5).await;
    assert_eq!(setup.slack.posts().len(), 0);
    assert!(daemon.log().contains("sink stopped: fix the destination and reload"), "{}", daemon.log());
    daemon.kill().await;
    daemon.set_env("SLACK_URL", &url);
    daemon.start_again().await;
    let posts = setup.slack.wait_for(5, LIMIT).await.expect("all of them");
    assert_eq!(posts.iter().map(|post| &*post.text).collect::<Vec<_>>(), ["0", "1", "2", "3", "4"], "in order");
}

#[tokio::test]
async fn rate_limits_failures_and_resets_are_retried_in_order() {
    let setup = TutumToSlack::start();
    let _daemon = setup.daemon("", EVERYTHING).await;
    setup.slack.fail_with([
        InjectedFault::Throttled { retry_after: Some(1) },
        InjectedFault::Status(500),
        InjectedFault::ResetBefore,
        InjectedFault::Status(503),
        InjectedFault::None,
        InjectedFault::ResetAfter,
    ]);
    for n in 0..6 {
        setup.tutum.stream.send(&json!({"n": n}));
    }
    // The message whose answer was reset arrives twice: Slack has no key for it. The repetition is marked.
    let posts = setup.slack.wait_for(7, LIMIT).await.expect("six messages, one of them twice");
    let marked = |text: &str| format!("{text}\n(perhaps a repetition: the first attempt was not answered)");
    let expected = [marked("0"), "1".into(), marked("1"), "2".into(), "3".into(), "4".into(), "5".into()];
    assert_eq!(posts.iter().map(|post| &*post.text).collect::<Vec<_>>(), expected);
    assert_eq!(setup.slack.offences(), [""; 0]);
}
