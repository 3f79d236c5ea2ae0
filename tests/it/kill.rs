//! SIGKILL at random moments, with hundreds of deliveries pending: what the state file held arrives.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::json;
use tidings::demo::standins::{Slack, Tutum};
use tokio::time::{Instant, sleep};

use crate::daemon::{Daemon, LIMIT, hearing, seed, sqlite};

const EVENTS: usize = 20_000;
const KILLS: usize = 10;
const PENDING_AT_A_KILL: u32 = 500;
const AT_ONCE: usize = 32;

fn config(tutum: &Tutum) -> String {
    let hearing = hearing(tutum, "", "retry = { first = \"10ms\", max = \"50ms\" }");
    format!(
        r#"
        {hearing}
        [sink.slack.ops]
        webhook = {{ env = "SLACK_URL" }}
        rate = "none"
        concurrency = {AT_ONCE}
        retry = {{ first = "10ms", max = "100ms" }}
        [[relay]]
        name = "all"
        from = "prod"
        match = {{ type = "container.create" }}
        text = "{{{{ data.n }}}}"
        to = "ops"
        "#,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_arrives_although_the_daemon_is_killed_again_and_again() {
    let seed = seed();
    let tutum = Tutum::start().await.expect("loopback");
    let slack = Slack::start().await.expect("loopback");
    let credentials = tutum.credentials().clone();
    let url = slack.url();
    let env = [("USERNAME", &*credentials.user), ("TOKEN", &*credentials.token), ("SLACK_URL", &*url)];
    let mut daemon = Daemon::start(&config(&tutum), &env).await;

    // The stream keeps what it has not sent, and sends as fast as it is read.
    tutum.stream.hold(true);
    let batch = EVENTS / (KILLS + 1);
    let mut sent = 0;
    let mut held_at_a_kill: HashSet<usize> = HashSet::new();
    for round in 0..=KILLS {
        let until = if round == KILLS { EVENTS } else { sent + batch };
        slack.slow_down(Duration::from_millis(60));
        for n in sent..until {
            tutum
                .stream
                .send(&json!({"type": "container", "action": "create", "resource_uri": format!("/c/{n}/"), "n": n}));
        }
        sent = until;
        if round == KILLS {
            break;
        }
        let limit = Instant::now() + LIMIT;
        // Of this batch, too: what earlier ones left over would let the kills fall one after the other.
        let enough = sent - batch + PENDING_AT_A_KILL as usize;
        while daemon.pending() < u64::from(PENDING_AT_A_KILL)
            || daemon.latest_held().is_none_or(|latest| latest < enough)
        {
            assert!(Instant::now() < limit, "never {PENDING_AT_A_KILL} pending:\n{}", daemon.log());
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_millis(fastrand::u64(0..40))).await;
        daemon.kill().await;
        held_at_a_kill.extend(daemon.held());
        assert!(daemon.pending() >= u64::from(PENDING_AT_A_KILL) / 2, "the kill fell while a pile was pending");
        daemon.start_again().await;
    }
    slack.slow_down(Duration::ZERO);
    tutum.stream.read_up(LIMIT).await.expect("everything was sent");
    daemon.until("empty", |status| status["sinks"][0]["pending"] == 0).await;

    let mut arrived: HashMap<usize, usize> = HashMap::new();
    for post in slack.posts() {
        *arrived.entry(post.text.parse().expect("a number")).or_default() += 1;
    }
    let missing: Vec<_> = held_at_a_kill.iter().filter(|n| !arrived.contains_key(n)).collect();
    assert!(missing.is_empty(), "{} that were accepted never arrived, seed {seed}: {missing:?}", missing.len());
    let twice: usize = arrived.values().map(|times| times - 1).sum();
    println!(
        "{EVENTS} sent, {} accepted before a kill, {} arrived, {twice} twice",
        held_at_a_kill.len(),
        arrived.len()
    );
    assert!(held_at_a_kill.len() >= KILLS * PENDING_AT_A_KILL as usize);
    // In flight at a kill, or answered but the verdict not yet on disk when it came.
    assert!(twice <= KILLS * AT_ONCE * 2, "{twice} arrived twice, seed {seed}");
    assert_eq!(slack.offences(), [""; 0]);
    assert_eq!(sqlite(&daemon.state_file(), "pragma integrity_check"), "ok");
}
