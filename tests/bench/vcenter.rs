//! How fast a vCenter's history is read, and in how much memory: `cargo bench --bench vcenter`.
//!
//! The floor is a bare loop that reads page after page and only counts. The daemon reads the same history, once where no
//! relay matches the events and once where all are stored. Against the scripted server of the integration tests, which
//! serves full pages at once, and against the simulator where `TIDINGS_VCSIM` names it. Quote the ratios.
#![expect(clippy::print_stdout, reason = "the output is the result")]

mod cpu;
mod median;
mod memory;
#[path = "../it/vcenter/scripted/mod.rs"]
#[expect(dead_code, reason = "the integration tests use the rest")]
mod scripted;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use tidings::demo::Daemon;
use tidings::outbound::{Outbound, Trust};
use tidings::secret::Secret;
use tidings::stop::Stop;
use tidings::vsphere::{Account, EventFilter, SessionPool};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout};

use cpu::cpu_seconds;
use median::median;
use memory::memory_mib;
use scripted::{PASSWORD, ScriptedVcenter, USER};

/// Longer than any step.
const LIMIT: Duration = Duration::from_secs(300);
/// The most events that a vCenter returns at once.
const PAGE: u32 = 1000;
/// The simulator holds a thousand events, among them those of the log-ins of one round.
const SIMULATED: u64 = 900;

/// Reading a vCenter's history: the daemon and a loop that only counts
#[derive(Parser)]
struct Options {
    /// Rounds; each measures the floor and the daemon twice
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Events in the scripted history
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// Passed by `cargo bench` to every bench
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// The roles in which this program starts itself.
#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Server {
        #[arg(long)]
        events: usize,
    },
    #[command(hide = true)]
    Floor {
        #[arg(long)]
        url: String,
        #[arg(long)]
        events: u64,
    },
}

struct Figures {
    events_a_second: f64,
    cpu_ms_a_thousand: f64,
    peak_mib: f64,
}

/// One row of the table: its name, and how to read it off a trial.
type Row = (&'static str, fn(&Figures) -> f64);

const ROWS: [Row; 3] = [
    ("events/s", |of| of.events_a_second),
    ("CPU ms per 1,000 events", |of| of.cpu_ms_a_thousand),
    ("peak memory, MiB", |of| of.peak_mib),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    match &options.role {
        Some(Role::Server { events }) => serve(*events).await,
        Some(Role::Floor { url, events }) => floor(url, *events).await,
        None => measure(&options).await,
    }
}

async fn measure(options: &Options) -> Result<()> {
    let events = options.events.to_string();
    let (_server, url) = Peer::start(std::env::current_exe()?, ["server", "--events", &events]).await?;
    rounds("a server of full pages", &url, options.rounds, options.events).await?;
    let Some(simulator) = std::env::var_os("TIDINGS_VCSIM") else {
        println!("\nSKIPPED: the simulator (TIDINGS_VCSIM names none; tests/run builds it)");
        return Ok(());
    };
    let (mut simulator, url) = Peer::start(simulator, ["-user", USER, "-password", PASSWORD]).await?;
    for _ in 0..options.rounds {
        simulator.command(&format!("burst 0 {SIMULATED}")).await?;
    }
    rounds("the simulator", &url, options.rounds, SIMULATED).await
}

/// Alternates, so that other load of the machine affects all three alike.
async fn rounds(name: &str, url: &str, rounds: u32, events: u64) -> Result<()> {
    let mut trials = Vec::new();
    for _ in 0..rounds {
        trials.push([count(url, events).await?, daemon(url, events, false).await?, daemon(url, events, true).await?]);
    }
    println!("\n{name}, {events} events, {rounds} rounds (medians; ratios within each round)");
    println!("{:<26}{:>10}{:>12}{:>8}{:>12}{:>8}", "", "floor", "unmatched", "ratio", "stored", "ratio");
    for (row, read) in ROWS {
        let figure = |of: usize| median(trials.iter().map(|trial| read(&trial[of])));
        let ratio = |of: usize| median(trials.iter().map(|trial| read(&trial[of]) / read(&trial[0])));
        let (floor, unmatched, stored) = (figure(0), figure(1), figure(2));
        println!("{row:<26}{floor:>10.2}{unmatched:>12.2}{:>8.2}{stored:>12.2}{:>8.2}", ratio(1), ratio(2));
    }
    Ok(())
}

/// The floor as a process of its own.
async fn count(url: &str, events: u64) -> Result<Figures> {
    let (_floor, figures_json) =
        Peer::start(std::env::current_exe()?, ["floor", "--url", url, "--events", &events.to_string()]).await?;
    let measured: Value = serde_json::from_str(&figures_json)?;
    let number = |key: &str| measured[key].as_f64().context("not a number");
    figures(number("events")?, number("seconds")?, number("cpu")?, number("peak_mib")?)
}

fn figures(events: f64, seconds: f64, cpu: f64, peak_mib: f64) -> Result<Figures> {
    ensure!(events > 0.0, "nothing was read");
    Ok(Figures { events_a_second: events / seconds, cpu_ms_a_thousand: cpu * 1e6 / events, peak_mib })
}

/// Reads page after page and only counts.
async fn floor(url: &str, events: u64) -> Result<()> {
    let account =
        Account { url: url.parse()?, user: USER.to_owned(), password: Secret::literal(PASSWORD), trust: Trust::System };
    let pool = SessionPool::new(account, &Outbound::new());
    let session = pool.session(&Stop::new()).await?.context("not stopped")?;
    let pid = std::process::id();
    let cpu_before = cpu_seconds(pid)?;
    let begun = Instant::now();
    let collector = session.create_event_collector(&EventFilter::default(), None, PAGE).await?;
    let mut read = 0;
    // The simulator repeats itself at the end.
    while read < events {
        let page = session.read_next_events(&collector, PAGE).await?.len();
        ensure!(page > 0, "{read} of {events} events, and no more");
        read += u64::try_from(page)?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (cpu, peak_mib) = (cpu_seconds(pid)? - cpu_before, memory_mib(pid, "VmHWM")?);
    println!("{}", json!({ "events": read, "seconds": seconds, "cpu": cpu, "peak_mib": peak_mib }));
    pool.close(&session).await;
    Ok(())
}

/// The daemon from its start until it logs that it has caught up with the whole history. The time covers only reading
/// and committing; CPU and memory include the start.
async fn daemon(url: &str, events: u64, stored: bool) -> Result<Figures> {
    // Below the target folder: /tmp may be in memory, where a state file costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let types = if stored { "*" } else { "no.such.type" };
    let program = Path::new(env!("CARGO_BIN_EXE_tidings"));
    let mut daemon = Daemon::prepare(program, folder.path(), &relays_toml(url, types))?;
    daemon.set_variable("PASSWORD", PASSWORD);
    daemon.start()?;
    let pid = daemon.pid().context("the daemon ended")?;
    let caught_up = async {
        loop {
            if let Some(caught_up) = caught_up(&daemon.log()) {
                return Ok(caught_up);
            }
            let ended = timeout(Duration::from_millis(10), daemon.ended()).await;
            ensure!(ended.is_err(), "the daemon ended:\n{}", daemon.log_end());
        }
    };
    let (read, seconds) = timeout(LIMIT, caught_up).await.context("not caught up in time")??;
    let (cpu, peak_mib) = (cpu_seconds(pid)?, memory_mib(pid, "VmHWM")?);
    daemon.kill().await?;
    ensure!(read >= f64::from(u32::try_from(events)?), "only {read} of {events} events:\n{}", daemon.log_end());
    figures(read, seconds, cpu, peak_mib)
}

fn relays_toml(url: &str, types: &str) -> String {
    format!(
        r#"
[daemon]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
state = "state/tidings.db"

[source.vcenter.vc]
url = "{url}"
username = '{USER}'
password = {{ env = "PASSWORD" }}
from = "beginning"

[[relay]]
name = "matching"
from = "vc"
match = {{ type = "{types}" }}
text = "{{{{ data.message }}}}"
"#
    )
}

/// How many events the log says were read, and in how many seconds.
fn caught_up(log: &str) -> Option<(f64, f64)> {
    let line = log.lines().find(|line| line.contains("caught up"))?;
    let field = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
    let took = field("took=")?;
    let number = took.trim_end_matches(|letter: char| letter.is_alphabetic());
    let unit = match took.strip_prefix(number)? {
        "s" => 1.0,
        "ms" => 1e-3,
        _ => 1e-6,
    };
    Some((field("events=")?.parse().ok()?, number.parse::<f64>().ok()? * unit))
}

async fn serve(events: usize) -> Result<()> {
    let vcenter = ScriptedVcenter::start();
    vcenter.burst(0..events);
    println!("{}", vcenter.url());
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    Ok(())
}

/// A program that prints one line when it is ready, takes commands, and ends when its input ends.
struct Peer {
    _process: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Returns its first line as well.
    async fn start<'a>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = &'a str>) -> Result<(Self, String)> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let commands = process.stdin.take().context("its input")?;
        let answers = BufReader::new(process.stdout.take().context("its output")?).lines();
        let mut peer = Self { _process: process, commands, answers };
        let first = peer.next().await?;
        Ok((peer, first))
    }

    async fn command(&mut self, command: &str) -> Result<()> {
        self.commands.write_all(format!("{command}\n").as_bytes()).await?;
        let answer = self.next().await?;
        if answer.starts_with("ok") { Ok(()) } else { bail!("{command}: {answer}") }
    }

    async fn next(&mut self) -> Result<String> {
        let line = timeout(LIMIT, self.answers.next_line()).await.context("no answer")??;
        line.context("it ended without an answer")
    }
}
