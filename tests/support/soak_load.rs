//! An hour's events in a minute or two, and the daemon's memory and disk usage in the meantime.
//!
//! Used by the bench `soak` and by the test of the same name.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tidings::demo::standins::{Slack, Tutum};
use tidings::demo::{Daemon, slack_sink, tutum_config};
use tokio::time::{Instant, interval};

use crate::memory::memory_mib;
use crate::random_faults::RandomFaults;
use crate::slack;

/// `retention.size`; the events of the hour need several times that.
const FILE_MIB: f64 = 4.0;
/// Retention runs every ten thousand deliveries or every minute, so the file may exceed the limit in between.
const EXCESS_MIB: f64 = 6.0;
/// The most that the last quarter's memory may be, relative to the second's.
const GROWTH: f64 = 1.05;
/// One event in so many is posted to the listener, with an id that is remembered.
const POSTED: u32 = 10;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

const RELAYS: &str = r#"
[source.webhook.shop]
[[relay]]
name = "all"
text = "{{ data.action }} {{ data.n }}"
to = "ops"
[[relay]]
name = "once"
from = "prod"
match = { type = "service.*" }
text = "{{ event.subject }}"
unique = "2s"
to = "ops"
"#;

pub(crate) struct SoakLoad {
    tutum: Tutum,
    ops: Slack,
    http: reqwest::Client,
}

/// In MiB.
struct Sample {
    memory: f64,
    file: f64,
    log: f64,
}

impl SoakLoad {
    pub(crate) fn start() -> Result<Self> {
        let (tutum, ops) = (Tutum::start()?, slack::start());
        // The usual rate of failures of a chat.
        let faults = RandomFaults { p500: 0.01, p_reset_before: 0.005, seed: 7, ..RandomFaults::default() };
        ops.inject(faults.source());
        let http = reqwest::Client::builder().no_proxy().timeout(LONGEST_WAIT).build()?;
        Ok(Self { tutum, ops, http })
    }

    /// Ages are scaled down like the hour.
    pub(crate) fn relays_toml(&self) -> String {
        let daemon = format!("retention = {{ age = \"10s\", size = \"{FILE_MIB}MiB\" }}\nremember = \"10s\"");
        let sink = "rate = \"none\"\ndigest = 0\nconcurrency = 16\nretry = { first = \"10ms\", max = \"100ms\" }";
        [&tutum_config(&self.tutum, &daemon, ""), &slack_sink("ops", "SLACK_URL", sink), RELAYS].join("\n")
    }

    /// What the configuration's secrets need.
    pub(crate) fn variables(&self) -> [(&'static str, String); 3] {
        let account = self.tutum.credentials();
        [
            ("TUTUM_USERNAME", account.user.clone()),
            ("TUTUM_TOKEN", account.token.clone()),
            ("SLACK_URL", self.ops.url()),
        ]
    }

    /// Sends `events`, evenly over the time, and reports the usage; an error if memory or the state file grew.
    pub(crate) async fn run(&self, daemon: &Daemon, seconds: u32, events: u32) -> Result<String> {
        self.tutum.stream.wait_connected(LONGEST_WAIT).await?;
        let hook = format!("{}/hooks/shop", daemon.listener_url().context("no listener")?);
        let (started, filler) = (Instant::now(), "x".repeat(200));
        let length = Duration::from_secs(seconds.into());
        let mut ticks = interval(Duration::from_millis(20));
        let (mut samples, mut sent) = (Vec::new(), 0);
        while started.elapsed() < length {
            ticks.tick().await;
            let due = (f64::from(events) * started.elapsed().as_secs_f64() / f64::from(seconds)).min(f64::from(events));
            while f64::from(sent) < due {
                self.send(sent, &filler, &hook).await?;
                sent += 1;
            }
            if started.elapsed().as_secs_f64() * 4.0 > f64::from(u32::try_from(samples.len())?) {
                samples.push(sample(daemon)?);
            }
        }
        // Every event, and a few services for both relays.
        let limit = Instant::now() + LONGEST_WAIT;
        while self.ops.log().entries().len() < sent as usize {
            ensure!(Instant::now() < limit, "{} of {sent} were delivered", self.ops.log().entries().len());
            ticks.tick().await;
        }
        judge(&samples, sent)
    }

    async fn send(&self, n: u32, filler: &str, hook: &str) -> Result<()> {
        if n.is_multiple_of(POSTED) {
            let post = self.http.post(hook).header("webhook-id", format!("msg_{n}"));
            let status = post.json(&json!({ "action": "paid", "n": n, "filler": filler })).send().await?.status();
            ensure!(status == 202, "the listener answers {status}");
        } else {
            let (kind, which) = if n % 20 == 1 { ("service", n % 50) } else { ("container", n % 500) };
            let uri = format!("/api/v1/{kind}/{which}/");
            let event = json!({ "type": kind, "action": "update", "resource_uri": uri, "n": n, "filler": filler });
            self.tutum.stream.send(&event);
        }
        Ok(())
    }
}

fn sample(daemon: &Daemon) -> Result<Sample> {
    let pid = daemon.pid().context("the daemon ended")?;
    let size = |name: &str| {
        let bytes = std::fs::metadata(daemon.state_folder().join(name)).map_or(0, |file| file.len());
        Duration::from_micros(bytes).as_secs_f64() * 1e6 / f64::from(1 << 20)
    };
    Ok(Sample { memory: memory_mib(pid, "VmRSS")?, file: size("tidings.db"), log: size("tidings.db-wal") })
}

fn judge(samples: &[Sample], sent: u32) -> Result<String> {
    let quarter = samples.len() / 4;
    ensure!(quarter > 4, "too short to judge");
    let part = |number: usize| samples.iter().skip(number * quarter).take(quarter);
    let count = f64::from(u32::try_from(quarter)?);
    let memory = |number| part(number).map(|sample| sample.memory).sum::<f64>() / count;
    let file = |number| part(number).map(|sample| sample.file).fold(0.0, f64::max);
    let log = |number| part(number).map(|sample| sample.log).fold(0.0, f64::max);
    let mut report = format!("{sent} events; by quarters:\n");
    for number in 0..4 {
        let (memory, file, log) = (memory(number), file(number), log(number));
        writeln!(report, "  memory {memory:6.2} MiB, state file at most {file:6.2} MiB, its log {log:5.2} MiB")?;
    }
    let growth = memory(3) / memory(1);
    write!(report, "memory, last quarter to second: {growth:.3} (at most {GROWTH} may be)")?;
    ensure!(growth <= GROWTH, "memory grows\n{report}");
    ensure!(file(3) <= FILE_MIB + EXCESS_MIB, "the state file is larger than `retention` allows\n{report}");
    Ok(report)
}
