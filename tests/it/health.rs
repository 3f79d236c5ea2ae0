//! The open incident outlives the daemon, in whatever order things die and come back.

use std::time::Duration;

use tidings::demo::standins::{Effect, PagerDuty, Tutum};
use tokio::time::sleep;

use crate::daemon::{Daemon, LIMIT, hearing};

struct Watched {
    tutum: Tutum,
    pagerduty: PagerDuty,
    daemon: Daemon,
}

const STEADY: Duration = Duration::from_millis(300);

impl Watched {
    /// A daemon whose only duty is to hear, and to page when it cannot.
    async fn begin(connected: bool) -> Self {
        let tutum = Tutum::start().await.expect("loopback");
        let pagerduty = PagerDuty::start().await.expect("loopback");
        if !connected {
            tutum.stream.go_down().await;
        }
        let config = format!(
            r#"
            {}
            grace = "300ms"
            steady = "300ms"
            ping = "200ms"
            retry = {{ first = "20ms", max = "50ms" }}
            alert = {{ to = "oncall", key = "ears", lost = "{{{{ event.subject }}}} is deaf", back = "it hears", client = "tidings", client_url = "https://bridge.example.com" }}
            [sink.pagerduty.oncall]
            key = {{ env = "KEY" }}
            url = "{}"
            retry = {{ first = "20ms", max = "100ms" }}
            "#,
            hearing(&tutum, "", ""),
            pagerduty.url(),
        );
        let credentials = tutum.credentials().clone();
        let env = [("USERNAME", &*credentials.user), ("TOKEN", &*credentials.token), ("KEY", pagerduty.key())];
        let daemon = Daemon::start(&config, &env).await;
        let watched = Self { tutum, pagerduty, daemon };
        if connected {
            watched.well().await;
        }
        watched
    }

    /// Up, and no outage is being counted any more.
    async fn well(&self) {
        self.daemon.until("up", |status| status["sources"][0]["state"] == "up").await;
        sleep(2 * STEADY).await;
    }

    /// What changed for the on-call. A trigger repeated by a kill carries the same key, so the pager adds it to the
    /// alert that is open, and nobody is woken twice.
    fn told(&self) -> Vec<String> {
        let alerts = self.pagerduty.alerts().into_iter();
        alerts.filter(|alert| alert.effect != Effect::Appended).map(|alert| alert.action).collect()
    }

    async fn next(&self) -> String {
        loop {
            let alert = self.pagerduty.next(LIMIT).await;
            let alert = alert.unwrap_or_else(|late| panic!("{late}\n{}", self.daemon.log()));
            assert_eq!(alert.key, "ears");
            if alert.effect != Effect::Appended {
                return alert.action;
            }
        }
    }

    fn no_more_than(&self, told: &[&str]) {
        assert_eq!(self.told(), told, "{}", self.daemon.log());
        assert_eq!(self.pagerduty.offences(), [""; 0]);
    }
}

#[tokio::test]
async fn lost_then_killed_then_back_then_started_is_one_resolve() {
    let mut watched = Watched::begin(true).await;
    watched.tutum.stream.go_down().await;
    assert_eq!(watched.next().await, "trigger");
    watched.daemon.kill().await;
    watched.tutum.stream.come_back().await.expect("the port");
    watched.daemon.start_again().await;
    assert_eq!(watched.next().await, "resolve");
    watched.well().await;
    watched.no_more_than(&["trigger", "resolve"]);
}

#[tokio::test]
async fn a_restart_during_an_outage_does_not_page_again() {
    let mut watched = Watched::begin(true).await;
    watched.tutum.stream.go_down().await;
    assert_eq!(watched.next().await, "trigger");
    for _ in 0..2 {
        watched.daemon.kill().await;
        watched.daemon.start_again().await;
        sleep(3 * STEADY).await;
    }
    watched.no_more_than(&["trigger"]);
    watched.tutum.stream.come_back().await.expect("the port");
    assert_eq!(watched.next().await, "resolve");
    let first = watched.pagerduty.alerts().remove(0);
    assert_eq!(first.summary.as_deref(), Some("prod is deaf"));
    assert_eq!(
        (&first.body["client"], &first.body["client_url"]),
        (&"tidings".into(), &"https://bridge.example.com".into())
    );
}

#[tokio::test]
async fn a_source_that_never_comes_up_pages_and_a_pager_that_is_down_hears_later() {
    let watched = Watched::begin(false).await;
    assert_eq!(watched.next().await, "trigger");
    watched.pagerduty.go_down().await;
    watched.tutum.stream.come_back().await.expect("the port");
    watched.well().await;
    watched.pagerduty.come_back().await.expect("the port");
    assert_eq!(watched.next().await, "resolve");
    watched.no_more_than(&["trigger", "resolve"]);
}

#[tokio::test]
async fn flapping_pages_once_and_a_blip_not_at_all() {
    let watched = Watched::begin(true).await;
    watched.tutum.stream.drop_tcp();
    watched.tutum.stream.wait_connected(LIMIT).await.expect("it is back at once");
    watched.well().await;
    watched.no_more_than(&[]);

    watched.tutum.stream.go_down().await;
    assert_eq!(watched.next().await, "trigger");
    for _ in 0..3 {
        watched.tutum.stream.come_back().await.expect("the port");
        watched.tutum.stream.wait_connected(LIMIT).await.expect("it comes back");
        watched.tutum.stream.go_down().await;
    }
    watched.no_more_than(&["trigger"]);
    watched.tutum.stream.come_back().await.expect("the port");
    assert_eq!(watched.next().await, "resolve");
}

#[tokio::test]
async fn a_peer_that_stops_answering_is_found_by_a_deadline() {
    let watched = Watched::begin(true).await;
    watched.tutum.stream.go_silent();
    let until = tokio::time::Instant::now() + LIMIT;
    while !watched.daemon.log().contains("no answer to a ping") {
        assert!(tokio::time::Instant::now() < until, "{}", watched.daemon.log());
        sleep(Duration::from_millis(10)).await;
    }
    watched.daemon.until("up again", |status| status["sources"][0]["state"] == "up").await;
}

#[tokio::test]
async fn refused_credentials_are_said_in_plain_words_and_not_hammered() {
    let mut watched = Watched::begin(true).await;
    watched.daemon.kill().await;
    watched.tutum.stream.refuse_auth(tidings::demo::standins::Refusal::InStream);
    let before = watched.tutum.stream.connections();
    watched.daemon.start_again().await;
    assert_eq!(watched.next().await, "trigger");
    sleep(3 * STEADY).await;
    let tries = watched.tutum.stream.connections() - before;
    assert!(tries <= 1, "{tries} tries within a second");
    let log = watched.daemon.log();
    assert!(log.contains("authentication failed") && log.contains("token"), "{log}");
}
