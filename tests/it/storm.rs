//! Ten thousand events in a moment: a chat gets a few digests that count them all, and the pager does not wait for it.

use std::time::Duration;

use serde_json::json;
use tidings::demo::standins::{PagerDuty, Post, Slack, Trouble, Tutum};

use crate::daemon::{Daemon, LIMIT, hearing, sqlite};

const MANY: usize = 10_000;
/// The chat's own limit is one a second, so this story takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

struct World {
    tutum: Tutum,
    slack: Slack,
    pager: PagerDuty,
}

impl World {
    async fn start() -> Self {
        let (tutum, slack) = (Tutum::start().await.expect("loopback"), Slack::start().await.expect("loopback"));
        Self { tutum, slack, pager: PagerDuty::start().await.expect("loopback") }
    }

    /// Every limit and habit of the sinks is the one that a user gets who says nothing about it.
    async fn daemon(&self, relays: &str) -> Daemon {
        let (hearing, credentials) = (hearing(&self.tutum, "", ""), self.tutum.credentials());
        let config = format!(
            r#"
            {hearing}
            [sink.slack.ops]
            webhook = "{}"
            [sink.pagerduty.oncall]
            key = "{}"
            url = "{}"
            {relays}
            "#,
            self.slack.url(),
            self.pager.key(),
            self.pager.url(),
        );
        let env = [("USERNAME", &*credentials.user), ("TOKEN", &*credentials.token)];
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

/// `137 events of relay containers` stands for 137, anything else for itself.
fn stands_for(text: &str) -> usize {
    let count = text.split(" events of relay ").next().filter(|count| count.len() < text.len());
    count.map_or(1, |count| count.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().expect("a count"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_are_a_few_messages_that_count_them_all_and_delay_no_page() {
    let world = World::start().await;
    let daemon = world.daemon(RELAYS).await;
    for n in 0..MANY {
        if n == MANY / 2 {
            world
                .tutum
                .stream
                .send(&json!({ "type": "service", "action": "fail", "resource_uri": "/api/v1/service/1/" }));
        }
        let (uri, action) = (format!("/api/v1/container/{}/", n % 100), if n % 4 == 0 { "stop" } else { "start" });
        world.tutum.stream.send(&json!({ "type": "container", "action": action, "resource_uri": uri, "n": n }));
    }
    world.pager.next(LIMIT).await.expect("a page");
    let said_by_then: usize = world.slack.posts().iter().map(|post| stands_for(&words(post))).sum();
    assert!(said_by_then < MANY, "the page did not wait for the chat");
    let limit = tokio::time::Instant::now() + PATIENCE;
    while daemon.pending() > 0 || said(&world) < MANY {
        assert!(tokio::time::Instant::now() < limit, "{} of {MANY} said\n{}", said(&world), daemon.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(said(&world), MANY, "single messages and digests add up");
    let posts = world.slack.posts();
    assert!(posts.len() <= 60, "{} messages", posts.len());
    assert_eq!(world.slack.offences(), [""; 0], "and never faster than Slack allows");
    let digest = posts.iter().map(words).find(|text| stands_for(text) > 1).expect("a digest");
    assert!(digest.contains("container.start") && digest.contains("tidings events --relay containers"), "{digest}");
    let unsaid = sqlite(&daemon.state_file(), "select count(*) from delivery where state <> 1");
    assert_eq!(unsaid, "0");
}

/// Title and text of a post, wherever they stand.
fn words(post: &Post) -> String {
    let attachment = &post.body["attachments"][0];
    let part = |key: &str| attachment[key].as_str().unwrap_or_default().to_owned();
    format!("{}{}\n{}", post.text, part("title"), part("text"))
}

fn said(world: &World) -> usize {
    world.slack.posts().iter().map(|post| stands_for(&words(post))).sum()
}

#[tokio::test]
async fn what_a_limit_held_up_for_more_than_a_minute_says_so() {
    let world = World::start().await;
    world.slack.fail_with([Trouble::Throttled { retry_after: Some(61) }]);
    let _daemon = world.daemon(RELAYS).await;
    world.tutum.stream.send(&json!({ "type": "container", "action": "start", "resource_uri": "/c/1/", "n": 7 }));
    let post = world.slack.next(PATIENCE).await.expect("in the end");
    assert_eq!(post.text, "7\n(delayed 1 min: Slack limited us)");
}
