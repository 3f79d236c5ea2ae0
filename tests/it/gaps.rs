//! What a live stream sent while nobody read it: reported in the next life, after a standstill, and kept small where a
//! peer keeps hanging up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::SinkExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidings::demo::standins::{Slack, Tutum};
use tidings::demo::{slack_sink, tutum_config};
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_tungstenite::tungstenite::Message;

use crate::daemon::{Daemon, LIMIT, sqlite};
use crate::slack;

struct Setup {
    tutum: Tutum,
    slack: Slack,
    daemon: Daemon,
}

impl Setup {
    async fn new(relay: &str) -> Self {
        let (tutum, slack) = (Tutum::start().expect("loopback"), slack::start());
        let source =
            tutum_config(&tutum, "notify = \"ops\"", "grace = \"1h\"\nretry = { first = \"10ms\", max = \"50ms\" }");
        let sink = slack_sink("ops", "SLACK_URL", "rate = \"none\"");
        let (credentials, url) = (tutum.credentials().clone(), slack.url());
        let env = [("TUTUM_USERNAME", &*credentials.user), ("TUTUM_TOKEN", &*credentials.token), ("SLACK_URL", &*url)];
        let daemon = Daemon::start(&format!("{source}{sink}{relay}"), &env).await;
        let setup = Self { tutum, slack, daemon };
        setup.up().await;
        setup
    }

    async fn up(&self) {
        self.daemon.until("up", |status| status["sources"][0]["state"] == "up").await;
    }

    async fn message(&self) -> String {
        self.slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", self.daemon.log())).text
    }

    fn gaps(&self) -> Vec<Value> {
        gaps(&self.daemon)
    }
}

/// The stored gaps, oldest first.
fn gaps(daemon: &Daemon) -> Vec<Value> {
    let bodies = sqlite(&daemon.state_file(), "select body from event where type = 'source.gap' order by seq");
    bodies.lines().map(|body| serde_json::from_str(body).expect("JSON")).collect()
}

fn time(gap: &Value, name: &str) -> Timestamp {
    gap[name].as_str().expect("a time").parse().expect("a time")
}

#[tokio::test]
async fn a_kill_a_stop_and_a_reload_are_gaps_of_a_stream_and_a_first_start_is_none() {
    let mut setup = Setup::new("").await;
    assert_eq!(setup.gaps(), [Value::Null; 0]);
    let mut begun = Vec::new();

    setup.daemon.kill().await;
    begun.push(Timestamp::now());
    setup.daemon.start_again().await;
    assert!(setup.message().await.contains("the daemon was killed"));
    setup.up().await;

    assert!(setup.daemon.stop().await.success());
    begun.push(Timestamp::now());
    setup.daemon.start_again().await;
    assert!(setup.message().await.contains("the daemon was stopped"));
    setup.up().await;

    // A changed source has to be connected again, however the rest is reloaded.
    let file = setup.daemon.folder.path().join("relays.toml");
    let changed = std::fs::read_to_string(&file).expect("it exists").replace("max = \"50ms\"", "max = \"60ms\"");
    std::fs::write(&file, changed).expect("written");
    begun.push(Timestamp::now());
    setup.daemon.signal("HUP").await;
    assert!(setup.message().await.starts_with("source.gap prod: "));

    let gaps = setup.gaps();
    assert_eq!(gaps.len(), begun.len(), "{gaps:?}");
    for (gap, begun) in gaps.iter().zip(begun) {
        let earliest = begun - SignedDuration::from_secs(15);
        assert!(
            (earliest..=time(gap, "to")).contains(&time(gap, "from")) && begun <= time(gap, "to"),
            "{gap}, {begun}"
        );
    }
    assert!(time(&gaps[1], "from") > time(&gaps[0], "to"));
}

#[tokio::test]
async fn connections_are_events_before_any_grace_and_nobody_is_notified_of_them() {
    let relay = r#"
        [[relay]]
        name = "connections"
        from = "tidings"
        match = { type = ["source.connected", "source.disconnected"] }
        text = "{{ event.type }} {{ event.subject }} {{ data.why | default('') }}"
        to = "ops"
    "#;
    let setup = Setup::new(relay).await;
    assert_eq!(setup.message().await.trim(), "source.connected prod");
    setup.tutum.stream.go_down().await;
    let lost = setup.message().await;
    assert!(
        lost.starts_with("source.disconnected prod ") && lost.trim().len() > "source.disconnected prod".len(),
        "{lost}"
    );
    // Attempts that fail are no connections.
    sleep(Duration::from_millis(200)).await;
    setup.tutum.stream.come_back().await.expect("the port");
    assert_eq!(setup.message().await.trim(), "source.connected prod");
    assert!(setup.message().await.starts_with("source.gap prod: "));
    setup.daemon.until("empty", |status| status["sinks"][0]["pending"] == 0).await;
    assert_eq!(setup.slack.posts().len(), 4);
}

#[tokio::test]
async fn a_gap_after_a_standstill_begins_with_it() {
    let setup = Setup::new("").await;
    // The daemon notes every second that it runs.
    sleep(Duration::from_millis(1500)).await;
    setup.daemon.signal("STOP").await;
    let stopped = Timestamp::now();
    setup.tutum.stream.drop_tcp();
    sleep(Duration::from_secs(4)).await;
    setup.daemon.signal("CONT").await;
    assert!(setup.message().await.starts_with("source.gap prod: "));
    let gap = setup.gaps().remove(0);
    let from = time(&gap, "from");
    let around = |seconds| stopped + SignedDuration::from_secs(seconds);
    assert!((around(-3)..around(2)).contains(&from) && time(&gap, "to") > around(3), "{gap}, {stopped}");
}

/// A peer that has a new event every two milliseconds, and hangs up after every 833 that it sent. Events that nobody is
/// connected for are lost.
struct HangingUp {
    made: AtomicUsize,
    lost: AtomicUsize,
    hung_up: AtomicUsize,
    ends: AtomicBool,
}

const BEFORE_HANGING_UP: usize = 833;

impl HangingUp {
    async fn serve(&self, listener: TcpListener) {
        let mut ticks = interval(Duration::from_millis(2));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !self.ends.load(Ordering::Relaxed) {
            let accepted = async {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio_tungstenite::accept_async(stream).await.expect("a handshake")
            };
            tokio::pin!(accepted);
            let mut socket = loop {
                tokio::select! {
                    biased;
                    socket = &mut accepted => break socket,
                    _ = ticks.tick() => {
                        self.made.fetch_add(1, Ordering::Relaxed);
                        self.lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
            };
            for _ in 0..BEFORE_HANGING_UP {
                ticks.tick().await;
                let n = self.made.fetch_add(1, Ordering::Relaxed);
                socket.send(Message::text(json!({ "n": n }).to_string())).await.expect("the daemon reads");
            }
            self.hung_up.fetch_add(1, Ordering::Relaxed);
            // Without waiting for the other side's answer.
            drop(socket);
        }
    }
}

#[tokio::test]
async fn a_peer_that_keeps_hanging_up_loses_little_and_every_gap_is_reported() {
    const HANG_UPS: usize = 5;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("bound");
    let slack = slack::start();
    let config = format!(
        r#"
        [daemon]
        listen = "127.0.0.1:0"
        admin  = "127.0.0.1:0"
        notify = "ops"
        [source.websocket.feed]
        url = "ws://{at}/"
        [sink.console.out]
        [sink.slack.ops]
        webhook = {{ env = "SLACK_URL" }}
        rate = "none"
        [[relay]]
        name = "all"
        from = "feed"
        text = "{{{{ data.n }}}}"
        to = "out"
        "#
    );
    let peer = Arc::new(HangingUp {
        made: AtomicUsize::new(0),
        lost: AtomicUsize::new(0),
        hung_up: AtomicUsize::new(0),
        ends: AtomicBool::new(false),
    });
    let serving = Arc::clone(&peer);
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends the peer")]
    let serving = tokio::spawn(async move { serving.serve(listener).await });
    let daemon = Daemon::start(&config, &[("SLACK_URL", &slack.url())]).await;
    let limit = Instant::now() + LIMIT;
    while peer.made.load(Ordering::Relaxed) == peer.lost.load(Ordering::Relaxed) {
        assert!(Instant::now() < limit, "never connected:\n{}", daemon.log());
        sleep(Duration::from_millis(5)).await;
    }
    // Before the first connection nothing could be received.
    peer.lost.store(0, Ordering::Relaxed);
    let before = peer.made.load(Ordering::Relaxed);
    while peer.hung_up.load(Ordering::Relaxed) < HANG_UPS {
        assert!(Instant::now() < limit, "it does not connect again:\n{}", daemon.log());
        sleep(Duration::from_millis(5)).await;
    }
    daemon.until("connected again", |status| status["sources"][0]["state"] == "up").await;
    let (made, lost) = (peer.made.load(Ordering::Relaxed) - before, peer.lost.load(Ordering::Relaxed));
    assert!(lost * 515 <= made * 25, "{lost} of {made} lost:\n{}", daemon.log());
    while gaps(&daemon).len() < HANG_UPS {
        assert!(Instant::now() < limit, "not every gap is reported: {:?}", gaps(&daemon));
        sleep(Duration::from_millis(5)).await;
    }
    peer.ends.store(true, Ordering::Relaxed);
    serving.abort();
    println!("{lost} of {made} lost");
}
