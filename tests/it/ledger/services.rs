//! The services of the ledger, and the daemon that connects them.

use std::time::Duration;

use tidings::demo::standins::{GoogleChat, PagerDuty, Slack, Tutum};
use tidings::demo::{pagerduty_sink, slack_sink, tutum_config};

use super::AT_ONCE;
use super::account::Arrived;
use crate::daemon::Daemon;
use crate::google_chat;
use crate::pagerduty;
use crate::random_faults::RandomFaults;
use crate::slack;

const RELAYS: &str = r#"
    [[relay]]
    name = "all"
    from = "prod"
    match = { type = "*" }
    text = "{{ data.n }}"
    to = ["ops", "dev", "room"]
    [[relay]]
    name = "pages"
    from = "prod"
    match = { type = "service.*" }
    text = "{{ data.n }}"
    signal = "{{ 'trigger' if data.action == 'fail' else 'resolve' }}"
    to = "oncall"
"#;

/// `ops`, `dev` and `room` receive every event, `oncall` those of services.
pub(super) struct Services {
    pub(super) tutum: Tutum,
    pub(super) ops: Slack,
    pub(super) dev: Slack,
    pub(super) room: GoogleChat,
    pub(super) oncall: PagerDuty,
}

impl Services {
    pub(super) fn start() -> Self {
        Self {
            tutum: Tutum::start().expect("loopback"),
            ops: slack::start(),
            dev: slack::start(),
            room: google_chat::start(),
            oncall: pagerduty::start(),
        }
    }

    fn config(&self) -> String {
        let source = "retry = { first = \"10ms\", max = \"50ms\" }";
        let fast = "rate = \"none\"\nretry = { first = \"10ms\", max = \"100ms\" }";
        let concurrent = format!("concurrency = {AT_ONCE}\n{fast}");
        let room = format!("[sink.google-chat.room]\nwebhook = \"{}\"\n{fast}\n", self.room.url());
        let parts: [&str; 6] = [
            &tutum_config(&self.tutum, "", source),
            &slack_sink("ops", "OPS_URL", &concurrent),
            &slack_sink("dev", "DEV_URL", &concurrent),
            &room,
            &pagerduty_sink(&self.oncall, fast),
            RELAYS,
        ];
        parts.concat()
    }

    /// The daemon that is to be started.
    pub(super) fn daemon(&self) -> Daemon {
        let (credentials, ops, dev) = (self.tutum.credentials(), self.ops.url(), self.dev.url());
        let env = [
            ("TUTUM_USERNAME", &*credentials.user),
            ("TUTUM_TOKEN", &*credentials.token),
            ("OPS_URL", &*ops),
            ("DEV_URL", &*dev),
            ("PAGERDUTY_KEY", self.oncall.key()),
        ];
        Daemon::prepare(&self.config(), &env)
    }

    /// Frequent faults, different for each sink, the same for the same seed.
    pub(super) fn inject_faults(&self, seed: u64) {
        let faults = |offset: u64, latency| {
            let latency = Duration::from_millis(latency);
            let (p500, p429, retry_after) = (0.05, 0.002, Some(1));
            let (p_reset_before, p_reset_after) = (0.02, 0.01);
            let seed = seed.wrapping_add(offset);
            RandomFaults { p500, p429, retry_after, p_reset_before, p_reset_after, latency, seed }.source()
        };
        self.ops.inject(faults(1, 1));
        self.dev.inject(faults(2, 20));
        self.room.inject(faults(3, 0));
        self.oncall.inject(faults(4, 0));
    }

    pub(super) fn arrived(&self) -> [Arrived; 4] {
        // A repetition is marked on a line of its own.
        let number = |text: &String| text.lines().next().and_then(|line| line.parse().ok()).expect("a number");
        let texts = |slack: &Slack| slack.posts().iter().map(|post| number(&post.text)).collect();
        let room = self.room.posts().iter().map(|post| number(&post.text)).collect();
        let summaries = self.oncall.alerts();
        let summaries = summaries.iter().map(|alert| number(alert.summary.as_ref().expect("a summary"))).collect();
        [
            Arrived::new("ops", texts(&self.ops), self.ops.attempts()),
            Arrived::new("dev", texts(&self.dev), self.dev.attempts()),
            Arrived::new("room", room, self.room.attempts()),
            Arrived::new("oncall", summaries, self.oncall.attempts()),
        ]
    }

    pub(super) fn offences(&self) -> Vec<String> {
        let sinks = [self.ops.offences(), self.dev.offences(), self.room.offences(), self.oncall.offences()];
        [sinks.concat(), self.tutum.offences()].concat()
    }
}
