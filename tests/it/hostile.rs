//! What the world may do to a daemon: it is told in clear words, nothing is lost, nothing panics.

use std::time::Duration;

use serde_json::json;
use tidings::demo::standins::{Slack, Trouble, Tutum};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::daemon::{Daemon, LIMIT, client, hearing, sqlite};
use crate::disk::SmallDisk;

struct World {
    tutum: Tutum,
    slack: Slack,
}

impl World {
    async fn start() -> Self {
        Self { tutum: Tutum::start().await.expect("loopback"), slack: Slack::start().await.expect("loopback") }
    }

    /// One Tutum, one Slack, retries in milliseconds; `relays` is the rest of the file.
    fn config(&self, source: &str, relays: &str) -> String {
        let hearing = hearing(&self.tutum, "", "retry = { first = \"10ms\", max = \"50ms\" }");
        format!(
            r#"
            {hearing}
            {source}
            [sink.slack.ops]
            webhook = {{ env = "SLACK_URL" }}
            rate = "none"
            retry = {{ first = "10ms", max = "100ms" }}
            {relays}
            "#,
        )
    }

    fn prepare(&self, source: &str, relays: &str) -> Daemon {
        let (credentials, url) = (self.tutum.credentials(), self.slack.url());
        let env = [("USERNAME", &*credentials.user), ("TOKEN", &*credentials.token), ("SLACK_URL", &*url)];
        Daemon::prepare(&self.config(source, relays), &env)
    }

    async fn daemon(&self, source: &str, relays: &str) -> Daemon {
        let mut daemon = self.prepare(source, relays);
        daemon.start_again().await;
        self.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
        daemon
    }

    async fn says(&self, event: serde_json::Value) -> String {
        self.tutum.stream.send(&event);
        self.slack.next(LIMIT).await.expect("a message").text
    }
}

const EVERYTHING: &str = r#"
    [[relay]]
    name = "all"
    match = { type = "*" }
    text = "{{ data.n }}"
    to = "ops"
"#;

const WITH_PARENT: &str = r#"
    [[relay]]
    name = "all"
    match = { type = "service.*" }
    fetch.stack = "{{ data.parents | first }}"
    text = "{{ data.n }} of {{ stack.name }}"
    to = "ops"
"#;

#[tokio::test]
async fn a_parent_elsewhere_is_never_asked_and_the_good_one_beside_it_is() {
    let world = World::start().await;
    // Whoever connects here would see the credentials.
    let thief = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let thief_url = format!("http://{}/api/v1/stack/1/", thief.local_addr().expect("bound"));
    let _daemon = world.daemon("", WITH_PARENT).await;
    let stack = world.tutum.api.add_stack("f24bca18-e1dd-40aa-9b3c-064c0c26683e", "web", "Running");
    for evil in [
        &thief_url,
        "//169.254.169.254/latest/meta-data/stack/1/",
        "http://169.254.169.254/stack/1/",
        "\\\\evil\\stack",
    ] {
        let text = world.says(json!({"type": "service", "action": "update", "n": 1, "parents": [evil, &stack]})).await;
        assert!(text.starts_with("1 of \n(stack could not be fetched: "), "{text}");
    }
    let text = world.says(json!({"type": "service", "action": "update", "n": 2, "parents": [&stack]})).await;
    assert_eq!(text, "2 of web");
    let visitor = tokio::time::timeout(Duration::from_millis(50), thief.accept()).await;
    assert!(visitor.is_err(), "somebody came to the thief");
}

#[tokio::test]
async fn a_fetch_that_fails_adds_a_line_and_holds_nothing_up() {
    let world = World::start().await;
    let _daemon = world.daemon("fetch_timeout = \"300ms\"", WITH_PARENT).await;
    let stack = world.tutum.api.add_stack("f24bca18-e1dd-40aa-9b3c-064c0c26683e", "web", "Running");
    let event = |n: u32| json!({"type": "service", "action": "update", "n": n, "parents": [&stack]});
    world.tutum.api.fail_with([Trouble::Status(504)]);
    assert_eq!(world.says(event(1)).await, "1 of \n(stack could not be fetched: 504)");
    sleep(Duration::from_millis(1100)).await;
    world.tutum.api.fail_with([Trouble::Stall]);
    assert_eq!(world.says(event(2)).await, "2 of \n(stack could not be fetched: timeout)");
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(world.says(event(3)).await, "3 of web");
}

#[tokio::test]
async fn a_redirect_from_the_api_is_not_followed() {
    let world = World::start().await;
    let thief = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let api = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let (thief_address, api_address) = (thief.local_addr().expect("bound"), api.local_addr().expect("bound"));
    let redirecting = async move {
        let (mut tcp, _) = api.accept().await.expect("asked");
        let mut request = [0; 4096];
        let _read = tcp.read(&mut request).await;
        let reply =
            format!("HTTP/1.1 302 Found\r\nLocation: http://{thief_address}/steal\r\nContent-Length: 0\r\n\r\n");
        tcp.write_all(reply.as_bytes()).await.expect("answered");
    };
    let config = world.config("", WITH_PARENT).replace(&world.tutum.api.url(), &format!("http://{api_address}"));
    let credentials = world.tutum.credentials();
    let url = world.slack.url();
    let env = [("USERNAME", &*credentials.user), ("TOKEN", &*credentials.token), ("SLACK_URL", &*url)];
    let _daemon = Daemon::start(&config, &env).await;
    world.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
    let event = json!({"type": "service", "action": "update", "n": 1, "parents": ["/api/v1/stack/1/"]});
    let (text, ()) = tokio::join!(world.says(event), redirecting);
    assert_eq!(text, "1 of \n(stack could not be fetched: 302)");
    assert!(
        tokio::time::timeout(Duration::from_millis(50), thief.accept()).await.is_err(),
        "the redirect was followed"
    );
}

#[tokio::test]
async fn a_name_out_of_an_event_notifies_nobody() {
    let world = World::start().await;
    let _daemon = world.daemon("", WITH_PARENT).await;
    let stack =
        world.tutum.api.add_stack("f24bca18-e1dd-40aa-9b3c-064c0c26683e", "<!channel> & <http://evil|you>", "Running");
    let text = world.says(json!({"type": "service", "action": "update", "n": 1, "parents": [&stack]})).await;
    assert_eq!(text, "1 of &lt;!channel&gt; &amp; &lt;http://evil|you&gt;");
}

#[tokio::test]
async fn a_template_that_loops_and_one_that_swells_are_stopped() {
    let world = World::start().await;
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
    let daemon = world.daemon("", relays).await;
    let many: Vec<u32> = (0..1000).collect();
    world.tutum.stream.send(&json!({"type": "loop", "action": "x", "many": many}));
    assert_eq!(world.says(json!({"type": "fine", "action": "x"})).await, "fine");
    daemon.until("buried", |status| status["sinks"][0]["dead"] == 1).await;
    let (code, out, _) = daemon.verb(&["dead", "list"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("loops") && out.contains("fuel"), "{out}");
}

#[tokio::test]
async fn what_is_no_message_is_counted_and_skipped() {
    let world = World::start().await;
    let daemon = world.daemon("", EVERYTHING).await;
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for garbage in ["", "nope", "{\"type\":", "\u{0}", &deep, "{\"a\":1}{\"b\":2}"] {
        world.tutum.stream.send_text(garbage);
    }
    let odd = json!({"type": ["not", "text"], "action": {"a": 1}, "resource_uri": 5, "parents": "x", "n": "odd"});
    assert_eq!(world.says(odd).await, "odd");
    assert_eq!(world.says(json!({"n": "last"})).await, "last");
    let skipped = daemon.metric("tidings_source_skipped_messages_total{source=\"prod\"}").await;
    assert!((skipped - 6.0).abs() < 0.1, "{skipped}");
}

#[tokio::test]
async fn a_frame_of_100_mb_costs_a_connection_and_no_memory() {
    let world = World::start().await;
    let mut daemon = world.daemon("max_frame = \"64KiB\"", EVERYTHING).await;
    assert_eq!(world.says(json!({"n": "before"})).await, "before");
    world.tutum.stream.send_text(format!("{{\"n\":\"{}\"}}", "x".repeat(100 << 20)));
    // The stand-in is stubborn and sends it again; every time the connection is given up and made anew.
    world.tutum.stream.wait_disconnected(LIMIT).await.expect("the connection is given up");
    world.tutum.stream.wait_connected(LIMIT).await.expect("it comes back");
    assert!(daemon.log().contains("a message of 104857608 bytes is above max_frame"), "{}", daemon.log());
    let peak = daemon.peak_memory_kib();
    assert!(peak < 64 << 10, "{peak} KiB");
    assert!(daemon.stop().await.success(), "it stops as politely as ever");
}

#[tokio::test]
async fn a_second_daemon_on_the_same_state_file_is_refused() {
    let world = World::start().await;
    let daemon = world.daemon("", EVERYTHING).await;
    let (code, _, err) = daemon.verb(&["run"]).await;
    assert_eq!(code, 70, "{err}");
    assert!(err.contains("tidings.db") && err.contains("in use"), "{err}");
    assert_eq!(world.says(json!({"n": 1})).await, "1", "the first one does not mind");
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_written_is_named() {
    let world = World::start().await;
    let daemon = world.prepare("", EVERYTHING);
    // A file where the folder should be: not even root writes through that.
    std::fs::write(daemon.folder.path().join("state"), "in the way").expect("written");
    let (code, _, err) = daemon.verb(&["run"]).await;
    assert_eq!(code, 70, "{err}");
    assert!(err.contains("state") && err.contains("relays.toml"), "{err}");
}

#[tokio::test]
async fn a_full_disk_stops_the_reading_and_loses_nothing() {
    let world = World::start().await;
    let mut daemon = world.prepare("", EVERYTHING);
    // No file may grow beyond this, which is what a full disk looks like.
    daemon.limit_file_size(Some(512));
    daemon.start_again().await;
    world.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
    world.tutum.stream.hold(true);
    world.slack.slow_down(Duration::from_millis(50));
    let filler = "x".repeat(4000);
    for n in 0..400 {
        world.tutum.stream.send(&json!({"n": n, "filler": filler}));
    }
    let until = tokio::time::Instant::now() + LIMIT;
    while daemon.admin("/-/ready").await.0 == 200 {
        assert!(tokio::time::Instant::now() < until, "it never noticed:\n{}", daemon.log());
        sleep(Duration::from_millis(10)).await;
    }
    let (status, why) = daemon.admin("/-/ready").await;
    assert_eq!(status, 503, "{why}");
    // There is room again (for a new process): everything that was accepted arrives, and then the rest.
    daemon.kill().await;
    let held = sqlite(&daemon.state_file(), "select json_extract(body, '$.n') from event");
    world.slack.slow_down(Duration::ZERO);
    daemon.limit_file_size(None);
    daemon.start_again().await;
    daemon.until("empty", |status| status["sinks"][0]["pending"] == 0).await;
    world.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
    world.tutum.stream.send(&json!({"n": "last"}));
    let limit = tokio::time::Instant::now() + LIMIT;
    let mut texts: Vec<String> = Vec::new();
    while !texts.iter().any(|text| text == "last") && tokio::time::Instant::now() < limit {
        texts = world.slack.posts().into_iter().map(|post| post.text).collect();
        sleep(Duration::from_millis(10)).await;
    }
    let missing: Vec<_> = held.lines().filter(|n| !texts.iter().any(|text| text == n)).collect();
    assert!(missing.is_empty() && texts.iter().any(|text| text == "last"), "missing {missing:?}");
}

#[tokio::test]
async fn when_a_full_disk_has_room_again_everything_goes_on_by_itself() {
    let world = World::start().await;
    let mut daemon = world.prepare("", EVERYTHING);
    let Some(disk) = SmallDisk::mount(&daemon.folder.path().join("state"), 4) else { return };
    daemon.start_again().await;
    world.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
    disk.fill();
    let filler = "x".repeat(4000);
    for n in 0..200 {
        world.tutum.stream.send(&json!({"n": n, "filler": filler}));
    }
    let until = tokio::time::Instant::now() + LIMIT;
    while daemon.admin("/-/ready").await.0 == 200 || !daemon.log().contains("the queue cannot be written") {
        assert!(tokio::time::Instant::now() < until, "it never noticed:\n{}", daemon.log());
        sleep(Duration::from_millis(10)).await;
    }
    disk.free();
    let posts = world.slack.wait_for(200, LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    let texts: Vec<_> = posts.iter().map(|post| post.text.clone()).collect();
    assert_eq!(texts, (0..200).map(|n| n.to_string()).collect::<Vec<_>>(), "all of them, once, in order");
    assert_eq!(daemon.admin("/-/ready").await.0, 200);
    daemon.kill().await;
}

#[tokio::test]
async fn the_desk_refuses_what_a_browser_page_could_send() {
    let world = World::start().await;
    let daemon = world.daemon("", EVERYTHING).await;
    let url = daemon.desk_url().expect("open");
    let foreign =
        client().get(format!("{url}/api/v1/status")).header("host", "evil.example.com").send().await.expect("answered");
    assert_eq!(foreign.status(), 403);
    let form = client().post(format!("{url}/api/v1/dead/replay")).body("all=true").send().await.expect("answered");
    assert!(form.status().is_client_error(), "{}", form.status());
}

#[tokio::test]
async fn a_refused_webhook_stops_its_lane_and_a_restart_goes_on_with_nothing_lost() {
    let world = World::start().await;
    let mut daemon = world.prepare("", EVERYTHING);
    let url = world.slack.url();
    daemon.set_env("SLACK_URL", &format!("{url}-revoked"));
    daemon.start_again().await;
    world.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
    for n in 0..5 {
        world.tutum.stream.send(&json!({"n": n}));
    }
    daemon.until("stopped", |status| status["sinks"][0]["stopped"].is_string()).await;
    daemon.until("pending", |status| status["sinks"][0]["pending"] == 5).await;
    assert_eq!(world.slack.posts().len(), 0);
    assert!(daemon.log().contains("sink stopped: fix the destination and reload"), "{}", daemon.log());
    daemon.kill().await;
    daemon.set_env("SLACK_URL", &url);
    daemon.start_again().await;
    let posts = world.slack.wait_for(5, LIMIT).await.expect("all of them");
    assert_eq!(posts.iter().map(|post| &*post.text).collect::<Vec<_>>(), ["0", "1", "2", "3", "4"], "in order");
}

#[tokio::test]
async fn limits_failures_and_resets_are_waited_out_in_order() {
    let world = World::start().await;
    let _daemon = world.daemon("", EVERYTHING).await;
    world.slack.fail_with([
        Trouble::Throttled { retry_after: Some(1) },
        Trouble::Status(500),
        Trouble::ResetBefore,
        Trouble::Status(503),
        Trouble::Nothing,
        Trouble::ResetAfter,
    ]);
    for n in 0..6 {
        world.tutum.stream.send(&json!({"n": n}));
    }
    // The one whose answer was reset may come twice, for the receiver has no key to tell: whoever was not answered says so.
    let posts = world.slack.wait_for(7, LIMIT).await.expect("six, and one of them twice");
    let marked = |text: &str| format!("{text}\n(perhaps a repetition: the first attempt was not answered)");
    let expected = [marked("0"), "1".into(), marked("1"), "2".into(), "3".into(), "4".into(), "5".into()];
    assert_eq!(posts.iter().map(|post| &*post.text).collect::<Vec<_>>(), expected);
    assert_eq!(world.slack.offences(), [""; 0]);
}
