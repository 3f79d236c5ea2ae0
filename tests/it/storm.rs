//! Ten thousand events at once: a chat receives a few digests that count them all, and pages are not delayed.

use std::time::Duration;

use serde_json::json;
use tidings::demo::standins::{InjectedFault, PagerDuty, Slack, SlackPost, Tutum};
use tidings::demo::{pagerduty_sink, slack_sink, tutum_config};

use crate::daemon::{Daemon, LIMIT, sqlite};
use crate::pagerduty;
use crate::slack;

const MANY: usize = 10_000;
/// The chat's own limit is one message per second, so this takes a while.
const STORM_LIMIT: Duration = Duration::from_secs(120);

struct Setup {
    tutum: Tutum,
    slack: Slack,
    pager: PagerDuty,
}

impl Setup {
    fn start() -> Self {
        let (tutum, slack) = (Tutum::start().expect("loopback"), slack::start());
        Self { tutum, slack, pager: pagerduty::start() }
    }

    /// The sinks have their default limits.
    async fn daemon(&self, relays: &str) -> Daemon {
        let (tutum, slack) = (tutum_config(&self.tutum, "", ""), slack_sink("ops", "SLACK_URL", ""));
        let config = format!("{tutum}{slack}{}{relays}", pagerduty_sink(&self.pager, ""));
        let (credentials, url) = (self.tutum.credentials(), self.slack.url());
        let env = [
            ("TUTUM_USERNAME", &*credentials.user),
            ("TUTUM_TOKEN", &*credentials.token),
            ("SLACK_URL", &*url),
            ("PAGERDUTY_KEY", self.pager.key()),
        ];
        let daemon = Daemon::start(&config, &env).await;
        self.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
        daemon
    }
}

const RELAYS: &str = r#"
    [[relay]]
    name = "containers"
    match = { type = "container.*" }
    text = "{{ data.n }}"
    to = "ops"
    [[relay]]
    name = "pages"
    match = { type = "service.fail" }
    text = "A service failed."
    signal = "trigger"
    to = ["oncall"]
"#;

/// How many events the text is about: `137 events of relay containers` is about 137, any other about one.
fn event_count(text: &str) -> usize {
    let count = text.split(" events of relay ").next().filter(|count| count.len() < text.len());
    count.map_or(1, |count| count.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().expect("a count"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_are_a_few_messages_that_count_them_all_and_delay_no_page() {
    let setup = Setup::start();
    let daemon = setup.daemon(RELAYS).await;
    for n in 0..MANY {
        if n == MANY / 2 {
            setup
                .tutum
                .stream
                .send(&json!({ "type": "service", "action": "fail", "resource_uri": "/api/v1/service/1/" }));
        }
        let (uri, action) = (format!("/api/v1/container/{}/", n % 100), if n % 4 == 0 { "stop" } else { "start" });
        setup.tutum.stream.send(&json!({ "type": "container", "action": action, "resource_uri": uri, "n": n }));
    }
    setup.pager.next(LIMIT).await.expect("a page");
    let posted_before: usize = setup.slack.posts().iter().map(|post| event_count(&visible_text(post))).sum();
    assert!(posted_before < MANY, "the page did not wait for the chat");
    let limit = tokio::time::Instant::now() + STORM_LIMIT;
    while daemon.pending() > 0 || posted(&setup) < MANY {
        assert!(tokio::time::Instant::now() < limit, "{} of {MANY} posted\n{}", posted(&setup), daemon.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(posted(&setup), MANY, "single messages and digests add up");
    let posts = setup.slack.posts();
    assert!(posts.len() <= 60, "{} messages", posts.len());
    assert_eq!(setup.slack.offences(), [""; 0], "and never faster than Slack allows");
    let digest = posts.iter().map(visible_text).find(|text| event_count(text) > 1).expect("a digest");
    assert!(digest.contains("container.start") && digest.contains("tidings events --relay containers"), "{digest}");
    let unsent = sqlite(&daemon.state_file(), "select count(*) from delivery where state <> 1");
    assert_eq!(unsent, "0");
}

/// Text, and the title and text of the attachment.
fn visible_text(post: &SlackPost) -> String {
    let attachment = &post.body["attachments"][0];
    let part = |key: &str| attachment[key].as_str().unwrap_or_default().to_owned();
    format!("{}{}\n{}", post.text, part("title"), part("text"))
}

fn posted(setup: &Setup) -> usize {
    setup.slack.posts().iter().map(|post| event_count(&visible_text(post))).sum()
}

#[tokio::test]
async fn a_message_that_a_rate_limit_delayed_for_a_minute_is_marked() {
    let setup = Setup::start();
    setup.slack.fail_with([InjectedFault::Throttled { retry_after: Some(61) }]);
    let _daemon = setup.daemon(RELAYS).await;
    setup.tutum.stream.send(&json!({ "type": "container", "action": "start", "resource_uri": "/c/1/", "n": 7 }));
    let post = setup.slack.next(STORM_LIMIT).await.expect("a message");
    assert_eq!(post.text, "7\n(delayed 1 min: Slack limited us)");
}
