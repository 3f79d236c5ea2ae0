//! SIGKILL at random moments, with hundreds of deliveries pending: everything in the state file is delivered.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::daemon::{LIMIT, seed, sqlite};
use crate::tutum_to_slack::TutumToSlack;

const EVENTS: usize = 20_000;
const KILLS: usize = 10;
const PENDING_AT_A_KILL: u32 = 500;
const AT_ONCE: usize = 32;

const RELAYS: &str = r#"
    [[relay]]
    name = "all"
    from = "prod"
    match = { type = "container.create" }
    text = "{{ data.n }}"
    to = "ops"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_delivered_although_the_daemon_is_killed_repeatedly() {
    let seed = seed();
    let setup = TutumToSlack::start();
    let TutumToSlack { tutum, slack } = &setup;
    let mut daemon = setup.prepare(&setup.config("", &format!("concurrency = {AT_ONCE}"), RELAYS));
    daemon.start_again().await;

    // The stream keeps what it has not sent, and sends as fast as the daemon reads.
    let batch = EVENTS / (KILLS + 1);
    let mut sent = 0;
    let mut stored_at_a_kill: HashSet<usize> = HashSet::new();
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
        // Also of this batch: otherwise what earlier ones left would let the kills follow at once.
        let enough = sent - batch + PENDING_AT_A_KILL as usize;
        while daemon.pending() < u64::from(PENDING_AT_A_KILL)
            || daemon.latest_stored().is_none_or(|latest| latest < enough)
        {
            assert!(Instant::now() < limit, "never {PENDING_AT_A_KILL} pending:\n{}", daemon.log());
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_millis(fastrand::u64(0..40))).await;
        daemon.kill().await;
        stored_at_a_kill.extend(daemon.stored());
        assert!(daemon.pending() >= u64::from(PENDING_AT_A_KILL) / 2, "many deliveries were pending at the kill");
        daemon.start_again().await;
    }
    slack.slow_down(Duration::ZERO);
    tutum.stream.wait_read(LIMIT).await.expect("everything was sent");
    daemon.until("empty", |status| status["sinks"][0]["pending"] == 0).await;

    let mut arrived: HashMap<usize, usize> = HashMap::new();
    for post in slack.posts() {
        *arrived.entry(post.text.parse().expect("a number")).or_default() += 1;
    }
    let missing: Vec<_> = stored_at_a_kill.iter().filter(|n| !arrived.contains_key(n)).collect();
    assert!(missing.is_empty(), "{} were accepted and did not arrive, seed {seed}: {missing:?}", missing.len());
    let twice: usize = arrived.values().map(|times| times - 1).sum();
    println!(
        "{EVENTS} sent, {} accepted before a kill, {} arrived, {twice} twice",
        stored_at_a_kill.len(),
        arrived.len()
    );
    assert!(stored_at_a_kill.len() >= KILLS * PENDING_AT_A_KILL as usize);
    // Being sent at a kill, or answered without the verdict on disk.
    assert!(twice <= KILLS * AT_ONCE * 2, "{twice} arrived twice, seed {seed}");
    assert_eq!(slack.offences(), [""; 0]);
    assert_eq!(sqlite(&daemon.state_file(), "pragma integrity_check"), "ok");
}
