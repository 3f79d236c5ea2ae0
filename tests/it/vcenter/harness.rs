//! Starts daemons with a vCenter source, and reads from the state file which events they stored.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tidings::demo::standins::Slack;
use tokio::time::{Instant, sleep};

use super::scripted::{self, ScriptedVcenter};
use super::sim::{self, Simulator};
use crate::daemon::{Daemon, LIMIT, sqlite};

/// The keys of the source that name the simulator.
pub(crate) fn simulator_source(simulator: &Simulator) -> String {
    let ca = sim::beside("ca.pem");
    format!("{}\nca_file = \"{}\"", untrusted_simulator_source(simulator), ca.display())
}

/// Without a CA file, so that the certificate is not trusted.
pub(crate) fn untrusted_simulator_source(simulator: &Simulator) -> String {
    format!("url = \"{}\"\nusername = \"{}\"", simulator.url(), sim::USER)
}

pub(crate) fn scripted_source(vcenter: &ScriptedVcenter) -> String {
    format!("url = \"{}\"\nusername = '{}'", vcenter.url(), scripted::USER)
}

/// The beginning of every relays.toml: source `vc`, with short waits.
pub(crate) fn config_for(source: &str, daemon_keys: &str) -> String {
    format!(
        r#"
        [daemon]
        listen = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        {daemon_keys}
        [source.vcenter.vc]
        password = {{ env = "PASSWORD" }}
        poll = "1s"
        retry = {{ first = "10ms", max = "60ms" }}
        {source}
        "#,
    )
}

/// Stores every event, and prints it to stdout.
pub(crate) const RELAY_ALL: &str = r#"
    [[relay]]
    name = "all"
    from = "vc"
    text = "{{ data.message }}"
    "#;

/// The sink `ops`.
pub(crate) const OPS_SINK: &str = r#"
    [sink.slack.ops]
    webhook = { env = "SLACK_URL" }
    rate = "none"
    retry = { first = "20ms", max = "100ms" }
    "#;

pub(crate) async fn start(relays_toml: &str, password: &str) -> Daemon {
    Daemon::start(relays_toml, &[("PASSWORD", password)]).await
}

/// A daemon that stores every event.
pub(crate) async fn start_relaying(source: &str, password: &str) -> Daemon {
    start(&format!("{}{RELAY_ALL}", config_for(source, "")), password).await
}

pub(crate) async fn start_with_slack(relays_toml: &str, password: &str, slack: &Slack) -> Daemon {
    Daemon::start(relays_toml, &[("PASSWORD", password), ("SLACK_URL", &slack.url())]).await
}

/// Waits until the source is up.
pub(crate) async fn until_up(daemon: &Daemon) {
    daemon.until("up", |status| status["sources"][0]["state"] == "up").await;
}

/// Waits until only the tail reads: there is one collector, whose page is watched.
pub(crate) async fn until_caught_up(vcenter: &ScriptedVcenter) {
    let only_tail =
        |vcenter: &ScriptedVcenter| vcenter.calls("RetrievePropertiesEx") > 0 && vcenter.usage().collectors == 1;
    vcenter.until("caught up", only_tail, LIMIT).await;
}

pub(crate) async fn until_lost(daemon: &Daemon) {
    daemon.until("lost", |status| status["sources"][0]["state"] == "lost").await;
}

/// One column of the stored events of the source, in the order of their arrival.
pub(crate) fn column(daemon: &Daemon, expression: &str, condition: &str) -> Vec<String> {
    let query = format!("select {expression} from events where source = 'vc' and {condition} order by seq");
    sqlite(&daemon.state_file(), &query).lines().map(str::to_owned).collect()
}

const BURSTS: &str = "json_extract(body, '$.message') like 'burst %'";

/// Counts the stored events of bursts. Each query reads only what was added since the last one: while a hundred thousand
/// events arrive, the test must not be the load.
struct StoredCount {
    file: Connection,
    up_to: i64,
    count: usize,
}

impl StoredCount {
    fn of(state_file: &Path) -> Self {
        let file = Connection::open_with_flags(state_file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a state file");
        file.busy_timeout(LIMIT).expect("a timeout");
        Self { file, up_to: 0, count: 0 }
    }

    fn now(&mut self) -> usize {
        let query = format!(
            "select coalesce(max(seq), ?1), count(*) filter (where source = 'vc' and {BURSTS}) from events where seq > ?1"
        );
        let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get::<_, u32>(1)?));
        let (up_to, added) = self.file.query_row(&query, [self.up_to], row).expect("an answer");
        self.up_to = up_to;
        self.count += usize::try_from(added).expect("few");
        self.count
    }
}

/// The numbers of the stored burst events, in the order of their arrival.
pub(crate) fn stored(daemon: &Daemon) -> Vec<usize> {
    let numbers = column(daemon, "substr(json_extract(body, '$.message'), 7)", BURSTS);
    numbers.iter().map(|n| n.parse().expect("a number")).collect()
}

/// Waits until so many burst events are stored.
pub(crate) async fn until_stored(daemon: &Daemon, expected: usize, limit: Duration) {
    let until = Instant::now() + limit;
    let mut count = StoredCount::of(&daemon.state_file());
    loop {
        let stored = count.now();
        if stored >= expected {
            return;
        }
        assert!(Instant::now() < until, "{stored} of {expected} after {limit:?}:\n{}", daemon.log());
        sleep(Duration::from_millis(if expected < 10_000 { 5 } else { 100 })).await;
    }
}

/// Exactly these numbers are stored, each once. On failure shows examples, not thousands of numbers.
pub(crate) async fn assert_stored(daemon: &Daemon, numbers: std::ops::Range<usize>) {
    assert_stored_within(daemon, numbers, LIMIT).await;
}

pub(crate) async fn assert_stored_within(daemon: &Daemon, numbers: std::ops::Range<usize>, limit: Duration) {
    until_stored(daemon, numbers.len(), limit).await;
    let stored = stored(daemon);
    let mut times: HashMap<usize, usize> = HashMap::new();
    for n in &stored {
        *times.entry(*n).or_default() += 1;
    }
    let missing: Vec<_> = numbers.clone().filter(|n| !times.contains_key(n)).collect();
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).map(|(n, _)| n).collect();
    let log = daemon.log();
    assert!(missing.is_empty(), "{} missing, from {:?} on:\n{log}", missing.len(), missing.first());
    assert!(twice.is_empty(), "{} came more than once, {:?} among them:\n{log}", twice.len(), twice.first());
    assert_eq!(stored.len(), numbers.len(), "other events came, too:\n{log}");
}

/// Waits until the log contains a text.
pub(crate) async fn until_logged(daemon: &Daemon, text: &str) {
    let until = Instant::now() + LIMIT;
    while !daemon.log().contains(text) {
        assert!(Instant::now() < until, "never logged `{text}`:\n{}", daemon.log());
        sleep(Duration::from_millis(20)).await;
    }
}
