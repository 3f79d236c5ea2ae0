//! One trial: a stream, a bridge and a sink, each a process of its own, from the first handshake to the last post.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tidings::demo::Daemon;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use crate::cpu::cpu_seconds;
use crate::memory::memory_mib;
use crate::mix::now_us;

/// The limit of every wait.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// After the handshake, before the idle memory is read.
const IDLE: Duration = Duration::from_secs(1);
/// What a bridge still writes after its last post counts too.
const SETTLE: Duration = Duration::from_millis(500);

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

/// The result of one trial.
pub(crate) struct Figures {
    pub(crate) startup_ms: f64,
    pub(crate) idle_mib: f64,
    pub(crate) peak_mib: f64,
    pub(crate) events_per_second: f64,
    pub(crate) cpu_ms_per_thousand: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

pub(crate) async fn run(bridge: Bridge, load: Load) -> Result<Figures> {
    let events = load.events.to_string();
    let (mut sink, hook) = StandIn::start(&["sink", "--events", &events]).await?;
    let (mut stream, ws) = StandIn::start(&["stream", "--events", &events, "--rate", &load.rate.to_string()]).await?;
    // Below the target folder: /tmp may be in memory, where a journal costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let spawned_us = now_us();
    let mut process = Process::start(bridge, &ws, &hook, folder.path())?;
    let connected = tokio::select! {
        connected = stream.wait_for("connected") => connected,
        ended = process.ended() => bail!("the bridge ended ({}):\n{}", ended?, log_of(folder.path())),
    };
    let connected_us = connected.with_context(|| log_of(folder.path()))?;
    sleep(IDLE).await;
    let pid = process.pid().context("the bridge ended")?;
    let idle_mib = memory_mib(pid, "VmRSS")?;
    let cpu_before = cpu_seconds(pid)?;

    let started_us = now_us();
    stream.go().await?;
    let received = match sink.wait_for("complete").await {
        Ok(received) => received,
        Err(_) => sink.give_up().await?,
    };
    sleep(SETTLE).await;
    let cpu = cpu_seconds(pid).with_context(|| log_of(folder.path()))? - cpu_before;
    let peak_mib = memory_mib(pid, "VmHWM")?;
    process.kill().await?;

    let number = |key: &str| received[key].as_f64().unwrap_or(f64::NAN);
    let wrong = number("missing") + number("twice") + number("unwanted");
    ensure!(wrong == 0.0, "lost or twice: {received}\n{}", log_of(folder.path()));
    let micros = |us: &Value| us.as_u64().context("not a time");
    let seconds = us_to_ms(micros(&received["last_us"])?.saturating_sub(started_us)) / 1e3;
    let events = f64::from(u32::try_from(load.events)?);
    Ok(Figures {
        startup_ms: us_to_ms(micros(&connected_us)?.saturating_sub(spawned_us)),
        idle_mib,
        peak_mib,
        events_per_second: events / seconds,
        cpu_ms_per_thousand: cpu * 1e6 / events,
        p50_ms: number("p50_us") / 1e3,
        p99_ms: number("p99_us") / 1e3,
    })
}

/// The bridge's process.
enum Process {
    Floor(Child),
    Tidings(Daemon),
}

impl Process {
    fn start(bridge: Bridge, ws: &str, hook: &str, folder: &Path) -> Result<Self> {
        match bridge {
            Bridge::Floor => {
                let log = std::fs::File::create(folder.join("daemon.log"))?;
                let mut command = Command::new(std::env::current_exe()?);
                let url = format!("ws://{ws}/");
                command.args(["floor", "--url", &url, "--hook", hook, "--journal"]).arg(folder.join("journal"));
                command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
                Ok(Self::Floor(command.spawn()?))
            }
            Bridge::Tidings => {
                let program = Path::new(env!("CARGO_BIN_EXE_tidings"));
                let mut daemon = Daemon::prepare(program, folder, &relays_toml(ws, hook))?;
                daemon.start()?;
                Ok(Self::Tidings(daemon))
            }
        }
    }

    fn pid(&self) -> Option<u32> {
        match self {
            Self::Floor(child) => child.id(),
            Self::Tidings(daemon) => daemon.pid(),
        }
    }

    async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        match self {
            Self::Floor(child) => child.wait().await,
            Self::Tidings(daemon) => daemon.ended().await,
        }
    }

    async fn kill(&mut self) -> std::io::Result<()> {
        match self {
            Self::Floor(child) => child.kill().await,
            Self::Tidings(daemon) => daemon.kill().await,
        }
    }
}

/// The same task as the baseline's.
fn relays_toml(ws: &str, hook: &str) -> String {
    format!(
        r#"
[daemon]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"

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
    let log = std::fs::read_to_string(folder.join("daemon.log")).unwrap_or_default();
    let mut last: Vec<&str> = log.lines().rev().take(20).collect();
    last.reverse();
    format!("the end of the bridge's log:\n{}", last.join("\n"))
}

/// This program as one of its stand-ins, which ends when its stdin does.
struct StandIn {
    _process: Child,
    output: Lines<BufReader<ChildStdout>>,
    input: Option<ChildStdin>,
}

impl StandIn {
    async fn start(args: &[&str]) -> Result<(Self, String)> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().context("its stdout")?).lines();
        let mut stand_in = Self { _process: process, output, input };
        let address = stand_in.wait_for("listening").await?;
        Ok((stand_in, address.as_str().context("an address")?.to_owned()))
    }

    /// Waits for the line `{"KEY": VALUE}` and returns the value.
    async fn wait_for(&mut self, key: &str) -> Result<Value> {
        let wait = async {
            while let Some(line) = self.output.next_line().await? {
                let mut line: Value = serde_json::from_str(&line)?;
                if let Some(value) = line.get_mut(key) {
                    return Ok(value.take());
                }
            }
            bail!("a stand-in ended before it printed {key:?}")
        };
        timeout(LONGEST_WAIT, wait).await.with_context(|| format!("no {key:?} within {LONGEST_WAIT:?}"))?
    }

    async fn go(&mut self) -> Result<()> {
        Ok(self.input.as_mut().context("its stdin is closed")?.write_all(b"go\n").await?)
    }

    /// Ends the stand-in's waiting, and returns what it received so far.
    async fn give_up(&mut self) -> Result<Value> {
        self.input = None;
        self.wait_for("incomplete").await
    }
}

fn us_to_ms(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64() * 1e3
}
