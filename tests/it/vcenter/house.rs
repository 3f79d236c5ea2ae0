//! A daemon that listens to a vCenter, and what its state file says that it heard.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tidings::demo::standins::Slack;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::scripted::{self, Scripted};
use super::sim::{self, Simulator};
use crate::daemon::{Daemon, LIMIT, sqlite};

/// The source's table without its other keys, for the simulator.
pub(crate) fn to_simulator(simulator: &Simulator) -> String {
    let ca = sim::beside("ca.pem");
    format!("{}\nca_file = \"{}\"", to_simulator_untrusted(simulator), ca.display())
}

/// Nothing says why its certificate should be believed.
pub(crate) fn to_simulator_untrusted(simulator: &Simulator) -> String {
    format!("url = \"{}\"\nusername = \"{}\"", simulator.url(), sim::USER)
}

pub(crate) fn to_scripted(vcenter: &Scripted) -> String {
    format!("url = \"{}\"\nusername = '{}'", vcenter.url(), scripted::USER)
}

/// What every story begins with: `vc` is the vCenter, in a hurry.
pub(crate) fn hearing(source: &str, daemon_keys: &str) -> String {
    format!(
        r#"
        [daemon]
        listen = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        {daemon_keys}
        [source.vcenter.vc]
        password = {{ env = "PASSWORD" }}
        poll = "1s"
        retry = {{ first = "20ms", max = "200ms" }}
        {source}
        "#,
    )
}

/// Everything that a vCenter says is kept, and printed where nobody looks.
pub(crate) const KEEP: &str = r#"
    [[relay]]
    name = "all"
    from = "vc"
    text = "{{ data.message }}"
    "#;

/// What is told to a person goes to `ops`.
pub(crate) const OPS: &str = r#"
    [sink.slack.ops]
    webhook = { env = "SLACK_URL" }
    rate = "none"
    retry = { first = "20ms", max = "100ms" }
    "#;

pub(crate) async fn start(relays_toml: &str, password: &str) -> Daemon {
    Daemon::start(relays_toml, &[("PASSWORD", password)]).await
}

/// A daemon that keeps all it hears.
pub(crate) async fn keeping(source: &str, password: &str) -> Daemon {
    start(&format!("{}{KEEP}", hearing(source, "")), password).await
}

pub(crate) async fn with_slack(relays_toml: &str, password: &str, slack: &Slack) -> Daemon {
    Daemon::start(relays_toml, &[("PASSWORD", password), ("SLACK_URL", &slack.url())]).await
}

/// Connected, and caught up with.
pub(crate) async fn up(daemon: &Daemon) {
    daemon.until("up", |status| status["sources"][0]["state"] == "up").await;
}

/// Nothing is being read any more: there is one collector, and its page is watched.
pub(crate) async fn caught_up(vcenter: &Scripted) {
    let quiet = |vcenter: &Scripted| vcenter.asked("RetrievePropertiesEx") > 0 && vcenter.held().collectors == 1;
    vcenter.until("caught up", quiet, LIMIT).await;
}

pub(crate) async fn lost(daemon: &Daemon) {
    daemon.until("lost", |status| status["sources"][0]["state"] == "lost").await;
}

/// What the state file holds of the vCenter's events, in the order in which they came.
pub(crate) fn column(daemon: &Daemon, what: &str, condition: &str) -> Vec<String> {
    let question = format!("select {what} from events where source = 'vc' and {condition} order by seq");
    sqlite(&daemon.state_file(), &question).lines().map(str::to_owned).collect()
}

const BURSTS: &str = "json_extract(body, '$.message') like 'burst %'";

/// The numbers of the bursts' events that the state file holds, in the order in which they came.
pub(crate) fn held(daemon: &Daemon) -> Vec<usize> {
    let numbers = column(daemon, "substr(json_extract(body, '$.message'), 7)", BURSTS);
    numbers.iter().map(|n| n.parse().expect("a number")).collect()
}

fn how_many(state_file: &Path) -> usize {
    let question = format!("select count(*) from events where source = 'vc' and {BURSTS}");
    sqlite(state_file, &question).parse().expect("a number")
}

/// Waits until so many of the bursts' events are held.
pub(crate) async fn holds(daemon: &Daemon, many: usize, limit: Duration) {
    let until = Instant::now() + limit;
    loop {
        let held = how_many(&daemon.state_file());
        if held >= many {
            return;
        }
        assert!(Instant::now() < until, "{held} of {many} after {limit:?}:\n{}", daemon.log());
        sleep(Duration::from_millis(if many < 10_000 { 10 } else { 200 })).await;
    }
}

/// Every number once. Said in few words where it is not so.
pub(crate) async fn holds_exactly(daemon: &Daemon, numbers: std::ops::Range<usize>) {
    holds_exactly_within(daemon, numbers, LIMIT).await;
}

pub(crate) async fn holds_exactly_within(daemon: &Daemon, numbers: std::ops::Range<usize>, limit: Duration) {
    holds(daemon, numbers.len(), limit).await;
    let held = held(daemon);
    let mut times: HashMap<usize, usize> = HashMap::new();
    for n in &held {
        *times.entry(*n).or_default() += 1;
    }
    let missing: Vec<_> = numbers.clone().filter(|n| !times.contains_key(n)).collect();
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).map(|(n, _)| n).collect();
    let log = daemon.log();
    assert!(missing.is_empty(), "{} missing, from {:?} on:\n{log}", missing.len(), missing.first());
    assert!(twice.is_empty(), "{} came more than once, {:?} among them:\n{log}", twice.len(), twice.first());
    assert_eq!(held.len(), numbers.len(), "others came, too:\n{log}");
}

/// SIGSTOP or SIGCONT: a process that does nothing for a while, and knows nothing of it.
pub(crate) async fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().await.expect("kill runs");
    assert!(sent.success());
}

/// Waits for words in the log.
pub(crate) async fn logs(daemon: &Daemon, words: &str) {
    let until = Instant::now() + LIMIT;
    while !daemon.log().contains(words) {
        assert!(Instant::now() < until, "never said `{words}`:\n{}", daemon.log());
        sleep(Duration::from_millis(20)).await;
    }
}
