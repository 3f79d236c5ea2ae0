//! An hour of a busy house in a minute or two: what a daemon has in memory and on disk while it goes by.
//!
//! The bench `soak` and the test of the same name both live through it.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tidings::demo::standins::{Mix, Slack, Tutum};
use tokio::time::{Instant, interval};

use crate::memory::memory_mib;

/// The file may use so much; what comes in the hour is several times that.
pub(crate) const FILE_MIB: f64 = 4.0;
/// Retention works in laps, of ten thousand deliveries or a minute: what came since the latest one stands above the limit.
const LAP_MIB: f64 = 6.0;
/// How much the last quarter's memory may lie above the second's.
const GROWTH: f64 = 1.05;
/// One event in so many is posted to the listener, with an id to be remembered.
const POSTED: u32 = 10;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(crate) struct House {
    tutum: Tutum,
    ops: Slack,
    http: reqwest::Client,
}

/// One look at the daemon, in MiB.
struct Look {
    memory: f64,
    file: f64,
    log: f64,
}

impl House {
    pub(crate) async fn start() -> Result<Self> {
        let (tutum, ops) = (Tutum::start().await?, Slack::start().await?);
        // As a chat is on most days.
        let retry = Mix { p500: 0.01, p_reset_before: 0.005, seed: 7, ..Mix::default() };
        ops.mix(retry);
        let http = reqwest::Client::builder().no_proxy().timeout(LONGEST_WAIT).build()?;
        Ok(Self { tutum, ops, http })
    }

    /// Ages are short as the hour is.
    pub(crate) fn relays_toml(&self) -> String {
        format!(
            r#"
[daemon]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
state = "state/tidings.db"
retention = {{ age = "10s", size = "{FILE_MIB}MiB" }}
remember = "10s"
[source.tutum.prod]
user = "{}"
token = "{}"
url = "{}"
api = "{}"
[source.webhook.shop]
[sink.slack.ops]
webhook = "{}"
rate = "none"
digest = 0
concurrency = 16
retry = {{ first = "10ms", max = "100ms" }}
[[relay]]
name = "all"
text = "{{{{ data.action }}}} {{{{ data.n }}}}"
to = "ops"
[[relay]]
name = "once"
from = "prod"
match = {{ type = "service.*" }}
text = "{{{{ event.subject }}}}"
unique = "2s"
to = "ops"
"#,
            self.tutum.credentials().user,
            self.tutum.credentials().token,
            self.tutum.stream.url(),
            self.tutum.api.url(),
            self.ops.url(),
        )
    }

    /// Lives through `events`, evenly over the time, and tells what it saw; an error where something grew.
    pub(crate) async fn live(&self, pid: u32, folder: &Path, seconds: u32, events: u32) -> Result<String> {
        self.tutum.stream.wait_connected(LONGEST_WAIT).await?;
        let listener = std::fs::read_to_string(folder.join("state/door")).context("no door")?;
        let hook = format!("http://{}/hooks/shop", listener.trim());
        let (begun, filler) = (Instant::now(), "x".repeat(200));
        let length = Duration::from_secs(seconds.into());
        let mut ticks = interval(Duration::from_millis(20));
        let (mut looks, mut said) = (Vec::new(), 0);
        while begun.elapsed() < length {
            ticks.tick().await;
            let due = (f64::from(events) * begun.elapsed().as_secs_f64() / f64::from(seconds)).min(f64::from(events));
            while f64::from(said) < due {
                self.say(said, &filler, &hook).await?;
                said += 1;
            }
            if begun.elapsed().as_secs_f64() * 4.0 > f64::from(u32::try_from(looks.len())?) {
                looks.push(look(pid, folder)?);
            }
        }
        // Every event, and a few services said by both relays.
        let limit = Instant::now() + LONGEST_WAIT;
        while self.ops.log().len() < said as usize {
            ensure!(Instant::now() < limit, "{} of {said} were told", self.ops.log().len());
            ticks.tick().await;
        }
        judge(&looks, said)
    }

    async fn say(&self, n: u32, filler: &str, hook: &str) -> Result<()> {
        if n.is_multiple_of(POSTED) {
            let post = self.http.post(hook).header("webhook-id", format!("msg_{n}"));
            let status = post.json(&json!({ "action": "paid", "n": n, "filler": filler })).send().await?.status();
            ensure!(status == 202, "the listener says {status}");
        } else {
            let (kind, which) = if n % 20 == 1 { ("service", n % 50) } else { ("container", n % 500) };
            let uri = format!("/api/v1/{kind}/{which}/");
            let event = json!({ "type": kind, "action": "update", "resource_uri": uri, "n": n, "filler": filler });
            self.tutum.stream.send(&event);
        }
        Ok(())
    }
}

fn look(pid: u32, folder: &Path) -> Result<Look> {
    let size = |name: &str| {
        let bytes = std::fs::metadata(folder.join("state").join(name)).map_or(0, |file| file.len());
        Duration::from_micros(bytes).as_secs_f64() * 1e6 / f64::from(1 << 20)
    };
    Ok(Look { memory: memory_mib(pid, "VmRSS")?, file: size("tidings.db"), log: size("tidings.db-wal") })
}

fn judge(looks: &[Look], said: u32) -> Result<String> {
    let quarter = looks.len() / 4;
    ensure!(quarter > 4, "too short to be judged");
    let part = |number: usize| looks.iter().skip(number * quarter).take(quarter);
    let count = f64::from(u32::try_from(quarter)?);
    let memory = |number| part(number).map(|look| look.memory).sum::<f64>() / count;
    let file = |number| part(number).map(|look| look.file).fold(0.0, f64::max);
    let log = |number| part(number).map(|look| look.log).fold(0.0, f64::max);
    let mut told = format!("{said} events; by quarters:\n");
    for number in 0..4 {
        let (memory, file, log) = (memory(number), file(number), log(number));
        writeln!(told, "  memory {memory:6.2} MiB, state file at most {file:6.2} MiB, its log {log:5.2} MiB")?;
    }
    let growth = memory(3) / memory(1);
    write!(told, "memory, last quarter to second: {growth:.3} (at most {GROWTH} may be)")?;
    ensure!(growth <= GROWTH, "memory grows\n{told}");
    ensure!(file(3) <= FILE_MIB + LAP_MIB, "the state file is larger than `retention` allows\n{told}");
    Ok(told)
}
