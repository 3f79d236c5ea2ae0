//! The setup of many tests: a Tutum, a Slack, and a daemon that connects them.

use serde_json::Value;
use tidings::demo::standins::{Slack, Tutum};
use tidings::demo::{slack_sink, tutum_config};

use crate::daemon::{Daemon, LIMIT};
use crate::slack;

/// Retries in milliseconds, and no rate limit.
const FAST_SOURCE: &str = "retry = { first = \"10ms\", max = \"50ms\" }\n";
const FAST_SINK: &str = "rate = \"none\"\nretry = { first = \"10ms\", max = \"100ms\" }\n";

/// A relay that wants every event and posts its number `n`.
pub(crate) const EVERYTHING: &str = r#"
    [[relay]]
    name = "all"
    match = { type = "*" }
    text = "{{ data.n }}"
    to = "ops"
"#;

pub(crate) struct TutumToSlack {
    pub(crate) tutum: Tutum,
    pub(crate) slack: Slack,
}

impl TutumToSlack {
    pub(crate) fn start() -> Self {
        Self { tutum: Tutum::start().expect("loopback"), slack: slack::start() }
    }

    /// The source `prod` and the sink `ops`; `rest` is the rest of the file.
    pub(crate) fn config(&self, source_keys: &str, sink_keys: &str, rest: &str) -> String {
        let source = tutum_config(&self.tutum, "", &format!("{FAST_SOURCE}{source_keys}"));
        let sink = slack_sink("ops", "SLACK_URL", &format!("{FAST_SINK}{sink_keys}"));
        format!("{source}{sink}{rest}")
    }

    pub(crate) fn prepare(&self, config: &str) -> Daemon {
        let (credentials, url) = (self.tutum.credentials(), self.slack.url());
        let env = [("TUTUM_USERNAME", &*credentials.user), ("TUTUM_TOKEN", &*credentials.token), ("SLACK_URL", &*url)];
        Daemon::prepare(config, &env)
    }

    /// A daemon that is connected to the stream.
    pub(crate) async fn daemon(&self, source_keys: &str, rest: &str) -> Daemon {
        let mut daemon = self.prepare(&self.config(source_keys, "", rest));
        daemon.start_again().await;
        self.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
        daemon
    }

    /// Sends the event and returns the text of the next message.
    pub(crate) async fn message_for(&self, event: Value) -> String {
        self.tutum.stream.send(&event);
        self.slack.next(LIMIT).await.expect("a message").text
    }
}
