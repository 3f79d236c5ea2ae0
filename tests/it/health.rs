//! An open incident survives the daemon, in whatever order the parts fail and come back.

use std::time::Duration;

use tidings::demo::standins::{AlertChange, PagerDuty, Tutum};
use tidings::demo::{pagerduty_sink, tutum_config};
use tokio::time::sleep;

use crate::daemon::{Daemon, LIMIT};
use crate::pagerduty;

struct Watched {
    tutum: Tutum,
    pagerduty: PagerDuty,
    daemon: Daemon,
}

const STEADY: Duration = Duration::from_millis(300);

impl Watched {
    /// A daemon without relays, which pages when it loses its source.
    async fn start(connected: bool) -> Self {
        let tutum = Tutum::start().expect("loopback");
        let pagerduty = pagerduty::start();
        if !connected {
            tutum.stream.go_down().await;
        }
        let alert = "to = \"oncall\", key = \"stream\", lost = \"{{ event.subject }} is lost\", back = \"it is back\", \
            client = \"tidings\", client_url = \"https://bridge.example.com\"";
        let source = format!(
            "grace = \"300ms\"\nsteady = \"300ms\"\nping = \"200ms\"\nretry = {{ first = \"20ms\", max = \"50ms\" }}\nalert = {{ {alert} }}"
        );
        let sink = pagerduty_sink(&pagerduty, "retry = { first = \"20ms\", max = \"100ms\" }");
        let config = format!("{}{sink}", tutum_config(&tutum, "", &source));
        let credentials = tutum.credentials().clone();
        let env = [
            ("TUTUM_USERNAME", &*credentials.user),
            ("TUTUM_TOKEN", &*credentials.token),
            ("PAGERDUTY_KEY", pagerduty.key()),
        ];
        let daemon = Daemon::start(&config, &env).await;
        let watched = Self { tutum, pagerduty, daemon };
        if connected {
            watched.steady().await;
        }
        watched
    }

    /// Waits until the source is up and no outage is counted any more.
    async fn steady(&self) {
        self.daemon.until("up", |status| status["sources"][0]["state"] == "up").await;
        sleep(2 * STEADY).await;
    }

    /// The actions that changed an alert. A trigger repeated after a kill has the same key, so the pager only appends it
    /// to the open alert.
    fn changes(&self) -> Vec<String> {
        let alerts = self.pagerduty.alerts().into_iter();
        alerts.filter(|alert| alert.change != AlertChange::Appended).map(|alert| alert.action).collect()
    }

    async fn next(&self) -> String {
        loop {
            let alert = self.pagerduty.next(LIMIT).await;
            let alert = alert.unwrap_or_else(|error| panic!("{error}\n{}", self.daemon.log()));
            assert_eq!(alert.key, "stream");
            if alert.change != AlertChange::Appended {
                return alert.action;
            }
        }
    }

    fn changed_only(&self, actions: &[&str]) {
        assert_eq!(self.changes(), actions, "{}", self.daemon.log());
        assert_eq!(self.pagerduty.offences(), [""; 0]);
    }
}

#[tokio::test]
async fn a_source_that_is_back_after_a_kill_is_resolved_once() {
    let mut watched = Watched::start(true).await;
    watched.tutum.stream.go_down().await;
    assert_eq!(watched.next().await, "trigger");
    watched.daemon.kill().await;
    watched.tutum.stream.come_back().await.expect("the port");
    watched.daemon.start_again().await;
    assert_eq!(watched.next().await, "resolve");
    watched.steady().await;
    watched.changed_only(&["trigger", "resolve"]);
}

#[tokio::test]
async fn a_restart_during_an_outage_does_not_page_again() {
    let mut watched = Watched::start(true).await;
    watched.tutum.stream.go_down().await;
    assert_eq!(watched.next().await, "trigger");
    for _ in 0..2 {
        watched.daemon.kill().await;
        watched.daemon.start_again().await;
        sleep(3 * STEADY).await;
    }
    watched.changed_only(&["trigger"]);
    watched.tutum.stream.come_back().await.expect("the port");
    assert_eq!(watched.next().await, "resolve");
    let first = watched.pagerduty.alerts().remove(0);
    assert_eq!(first.summary.as_deref(), Some("prod is lost"));
    assert_eq!(
        (&first.body["client"], &first.body["client_url"]),
        (&"tidings".into(), &"https://bridge.example.com".into())
    );
}

#[tokio::test]
async fn a_source_that_never_comes_up_pages_and_a_pager_that_is_down_receives_the_resolve_later() {
    let watched = Watched::start(false).await;
    assert_eq!(watched.next().await, "trigger");
    watched.pagerduty.go_down().await;
    watched.tutum.stream.come_back().await.expect("the port");
    watched.steady().await;
    watched.pagerduty.come_back().await.expect("the port");
    assert_eq!(watched.next().await, "resolve");
    watched.changed_only(&["trigger", "resolve"]);
}

#[tokio::test]
async fn flapping_pages_once_and_a_short_outage_not_at_all() {
    let watched = Watched::start(true).await;
    watched.tutum.stream.drop_tcp();
    watched.tutum.stream.wait_connected(LIMIT).await.expect("it reconnects");
    watched.steady().await;
    watched.changed_only(&[]);

    watched.tutum.stream.go_down().await;
    assert_eq!(watched.next().await, "trigger");
    for _ in 0..3 {
        watched.tutum.stream.come_back().await.expect("the port");
        watched.tutum.stream.wait_connected(LIMIT).await.expect("it reconnects");
        watched.tutum.stream.go_down().await;
    }
    watched.changed_only(&["trigger"]);
    watched.tutum.stream.come_back().await.expect("the port");
    assert_eq!(watched.next().await, "resolve");
}

#[tokio::test]
async fn a_peer_that_stops_answering_is_detected_by_a_deadline() {
    let watched = Watched::start(true).await;
    watched.tutum.stream.go_silent();
    let until = tokio::time::Instant::now() + LIMIT;
    while !watched.daemon.log().contains("no answer to a ping") {
        assert!(tokio::time::Instant::now() < until, "{}", watched.daemon.log());
        sleep(Duration::from_millis(10)).await;
    }
    watched.daemon.until("up again", |status| status["sources"][0]["state"] == "up").await;
}

#[tokio::test]
async fn refused_credentials_are_reported_and_retried_slowly() {
    let mut watched = Watched::start(true).await;
    watched.daemon.kill().await;
    watched.tutum.stream.refuse_auth(true);
    let before = watched.tutum.stream.connections();
    watched.daemon.start_again().await;
    assert_eq!(watched.next().await, "trigger");
    sleep(3 * STEADY).await;
    let tries = watched.tutum.stream.connections() - before;
    assert!(tries <= 1, "{tries} tries within a second");
    let log = watched.daemon.log();
    assert!(log.contains("authentication failed") && log.contains("token"), "{log}");
}
