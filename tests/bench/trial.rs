//! One trial: a stream, a bridge and a sink, each a process of its own, from the first handshake to the last post.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use crate::cpu::cpu_seconds;
use crate::memory::memory_mib;
use crate::mix::now_us;

/// No single wait of a trial is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// After the handshake, before the memory at rest is read.
const REST: Duration = Duration::from_secs(1);
/// What a bridge still writes down after its last post is its work too.
const AFTERMATH: Duration = Duration::from_millis(500);

#[derive(Clone, Copy)]
pub(crate) enum Bridge {
    Floor,
    Tidings,
}

#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) events: u64,
    /// Events per second; 0: as fast as the bridge reads.
    pub(crate) rate: u32,
}

/// What one trial has shown.
pub(crate) struct Figures {
    pub(crate) startup_ms: f64,
    pub(crate) idle_mib: f64,
    pub(crate) peak_mib: f64,
    pub(crate) events_a_second: f64,
    pub(crate) cpu_ms_a_thousand: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

pub(crate) async fn run(bridge: Bridge, load: Load) -> Result<Figures> {
    let events = load.events.to_string();
    let (mut sink, hook) = Standin::start(&["sink", "--events", &events]).await?;
    let (mut stream, ws) = Standin::start(&["stream", "--events", &events, "--rate", &load.rate.to_string()]).await?;
    // Below the target folder, since /tmp may be memory, where a journal costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let spawned_us = now_us();
    let mut child = spawn(bridge, &ws, &hook, folder.path())?;
    let told = tokio::select! {
        connected = stream.said("connected") => connected,
        ended = child.wait() => bail!("the bridge ended ({}):\n{}", ended?, log_of(folder.path())),
    };
    let connected_us = told.with_context(|| log_of(folder.path()))?;
    sleep(REST).await;
    let pid = child.id().context("the bridge is gone")?;
    let idle_mib = memory_mib(pid, "VmRSS")?;
    let cpu_before = cpu_seconds(pid)?;

    let begun_us = now_us();
    stream.go().await?;
    let got = match sink.said("complete").await {
        Ok(got) => got,
        Err(_) => sink.give_up().await?,
    };
    sleep(AFTERMATH).await;
    let cpu = cpu_seconds(pid).with_context(|| log_of(folder.path()))? - cpu_before;
    let peak_mib = memory_mib(pid, "VmHWM")?;
    child.kill().await?;

    let number = |key: &str| got[key].as_f64().unwrap_or(f64::NAN);
    let wrong = number("missing") + number("twice") + number("unwanted");
    ensure!(wrong == 0.0, "lost or twice: {got}\n{}", log_of(folder.path()));
    let micros = |us: &Value| us.as_u64().context("not a time");
    let seconds = us_to_ms(micros(&got["last_us"])?.saturating_sub(begun_us)) / 1e3;
    let events = f64::from(u32::try_from(load.events)?);
    Ok(Figures {
        startup_ms: us_to_ms(micros(&connected_us)?.saturating_sub(spawned_us)),
        idle_mib,
        peak_mib,
        events_a_second: events / seconds,
        cpu_ms_a_thousand: cpu * 1e6 / events,
        p50_ms: number("p50_us") / 1e3,
        p99_ms: number("p99_us") / 1e3,
    })
}

fn spawn(bridge: Bridge, ws: &str, hook: &str, folder: &Path) -> Result<Child> {
    let log = std::fs::File::create(folder.join("log"))?;
    let mut command = match bridge {
        Bridge::Floor => {
            let mut command = Command::new(std::env::current_exe()?);
            let journal = folder.join("journal");
            command.args(["floor", "--url", &format!("ws://{ws}/"), "--hook", hook, "--journal"]).arg(journal);
            command
        }
        Bridge::Tidings => {
            let relays = folder.join("relays.toml");
            std::fs::write(&relays, relays_toml(ws, hook))?;
            let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
            command.args(["run", "--config"]).arg(relays);
            command
        }
    };
    command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    Ok(command.spawn()?)
}

/// The same task as the floor's; the state file lies beside, as `state/tidings.db`.
fn relays_toml(ws: &str, hook: &str) -> String {
    format!(
        r#"
[daemon]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
state = "state/tidings.db"

[source.websocket.stream]
url = "ws://{ws}/"
type = "{{{{ data.type }}}}.{{{{ data.action }}}}"

[sink.slack.hook]
webhook = "http://{hook}/hook"
rate = "none"
digest = 0
concurrency = 32

[[relay]]
name = "services"
from = "stream"
match = {{ type = ["service.create", "service.update"] }}
text = "{{{{ data.type }}}} {{{{ data.action }}}} {{{{ data.state }}}} {{{{ data.resource_uri }}}} [id={{{{ data.id }}}} t={{{{ data.sent_us }}}}]"
to = "hook"
"#
    )
}

fn log_of(folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    let mut last: Vec<&str> = log.lines().rev().take(20).collect();
    last.reverse();
    format!("the bridge's last words:\n{}", last.join("\n"))
}

/// This program again, as one of its own stand-ins. It ends when its stdin does.
struct Standin {
    _process: Child,
    told: Lines<BufReader<ChildStdout>>,
    tell: Option<ChildStdin>,
}

impl Standin {
    async fn start(args: &[&str]) -> Result<(Self, String)> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let tell = process.stdin.take();
        let told = BufReader::new(process.stdout.take().context("its stdout")?).lines();
        let mut standin = Self { _process: process, told, tell };
        let address = standin.said("listening").await?;
        Ok((standin, address.as_str().context("an address")?.to_owned()))
    }

    /// Waits for the line `{"WORD": …}` and gives what it says.
    async fn said(&mut self, word: &str) -> Result<Value> {
        let wait = async {
            while let Some(line) = self.told.next_line().await? {
                let mut line: Value = serde_json::from_str(&line)?;
                if let Some(said) = line.get_mut(word) {
                    return Ok(said.take());
                }
            }
            bail!("a stand-in ended before it said {word:?}")
        };
        timeout(LONGEST_WAIT, wait).await.with_context(|| format!("no {word:?} within {LONGEST_WAIT:?}"))?
    }

    async fn go(&mut self) -> Result<()> {
        Ok(self.tell.as_mut().context("told already")?.write_all(b"go\n").await?)
    }

    /// Ends the waiting, and asks what came until now.
    async fn give_up(&mut self) -> Result<Value> {
        self.tell = None;
        self.said("incomplete").await
    }
}

fn us_to_ms(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64() * 1e3
}
