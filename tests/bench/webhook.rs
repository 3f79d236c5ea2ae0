//! The cost of an accepted post, compared with Debian's `webhook` package: `cargo bench --bench webhook`.
//!
//! Both check the same signature. The daemon stores every event on disk before it answers, and delivers it; `webhook`
//! stores nothing and starts `/bin/true` for each. They take turns in every round, so that other load on the machine
//! affects both. Quote the ratios: they hold on other machines too.
#![expect(clippy::print_stdout, reason = "what it prints is the result")]

mod cpu;
mod median;
mod memory;
mod posts;

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::json;
use tidings::demo::Daemon;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use cpu::cpu_seconds;
use median::median;
use memory::memory_mib;
use posts::{Hook, KEY, Load, Receiver};

/// The daemon's listener compared with Debian's webhook: posts per second, delay, CPU, memory
#[derive(Parser)]
struct Options {
    /// Rounds; each measures both once
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Posts in each round
    #[arg(long, default_value_t = 10_000)]
    posts: u32,
    /// Posts at a time
    #[arg(long, default_value_t = 32)]
    concurrency: u32,
    /// `cargo bench` passes this to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// The result of one trial.
struct Figures {
    posts_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_ms_per_thousand: f64,
    peak_mib: f64,
}

type Row = (&'static str, fn(&Figures) -> f64);

const ROWS: [Row; 5] = [
    ("posts/s accepted", |of| of.posts_per_second),
    ("answer p50, ms", |of| of.p50_ms),
    ("answer p99, ms", |of| of.p99_ms),
    ("CPU ms per 1,000 posts", |of| of.cpu_ms_per_thousand),
    ("peak memory, MiB", |of| of.peak_mib),
];

/// No single wait is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let theirs = Command::new("webhook").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    if !theirs.is_ok_and(|status| status.success()) {
        println!("SKIPPED: Debian's webhook is not installed (apt-get install webhook)");
        return Ok(());
    }
    let Options { rounds, posts, concurrency, .. } = options;
    println!("{rounds} rounds of {posts} posts, {concurrency} at a time, each signed (HMAC-SHA256)");
    let load = Load { posts, concurrency };
    let mut all = Vec::new();
    for round in 1..=rounds {
        all.push((debians(load).await?, ours(load).await?));
        println!("round {round} of {rounds} done");
    }
    println!("\n{:<34}{:>12}{:>12}{:>10}  (medians; ratios within each round)", "", "webhook", "tidings", "ratio");
    for (name, read) in ROWS {
        let theirs = median(all.iter().map(|(theirs, _)| read(theirs)));
        let ours = median(all.iter().map(|(_, ours)| read(ours)));
        let ratio = median(all.iter().map(|(theirs, ours)| read(ours) / read(theirs)));
        println!("{name:<34}{theirs:>12.2}{ours:>12.2}{ratio:>10.2}");
    }
    Ok(())
}

async fn debians(load: Load) -> Result<Figures> {
    let folder = folder()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let rule = json!({ "match": {
        "type": "payload-hmac-sha256", "secret": KEY, "parameter": { "source": "header", "name": "X-Signature" },
    }});
    let hooks = json!([{ "id": "in", "execute-command": "/bin/true", "http-methods": ["POST"], "trigger-rule": rule }]);
    let file = folder.path().join("hooks.json");
    std::fs::write(&file, hooks.to_string())?;
    let mut command = Command::new("webhook");
    command.arg("-hooks").arg(&file).args(["-ip", "127.0.0.1", "-port", &port.to_string()]);
    let log = std::fs::File::create(folder.path().join("log"))?;
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    let mut child = command.spawn()?;
    let address = format!("127.0.0.1:{port}");
    let limit = Instant::now() + LONGEST_WAIT;
    while TcpStream::connect(&address).await.is_err() {
        ensure!(Instant::now() < limit && child.try_wait()?.is_none(), "webhook does not listen");
        sleep(Duration::from_millis(10)).await;
    }
    let pid = child.id().context("it ended")?;
    let figures = measure(pid, &Hook { address, path: "/hooks/in" }, load, None).await?;
    child.kill().await?;
    Ok(figures)
}

async fn ours(load: Load) -> Result<Figures> {
    let folder = folder()?;
    let receiver = Receiver::start()?;
    let relays = format!(
        r#"
[daemon]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
state = "state/tidings.db"
[source.webhook.in]
verify = {{ hmac_sha256 = "{KEY}", header = "X-Signature", prefix = "sha256=" }}
type = "{{{{ data.kind }}}}"
[sink.slack.hook]
webhook = "http://{}/hook"
rate = "none"
digest = 0
concurrency = 32
[[relay]]
name = "all"
text = "{{{{ data.n }}}}"
to = "hook"
"#,
        receiver.address
    );
    let mut daemon = Daemon::prepare(Path::new(env!("CARGO_BIN_EXE_tidings")), folder.path(), &relays)?;
    daemon.start()?;
    daemon.wait_until_ready(LONGEST_WAIT).await?;
    let address = daemon.listener_url()?.trim_start_matches("http://").to_owned();
    let pid = daemon.pid().context("it ended")?;
    let figures = measure(pid, &Hook { address, path: "/hooks/in" }, load, Some(&receiver)).await?;
    daemon.kill().await?;
    Ok(figures)
}

/// The CPU time includes what is done after the last answer.
async fn measure(pid: u32, hook: &Hook, load: Load, receiver: Option<&Receiver>) -> Result<Figures> {
    let warm_up = Load { posts: 500, ..load };
    posts::send(hook, warm_up).await?;
    let cpu_before = cpu_seconds(pid)?;
    let started = Instant::now();
    let mut delays = posts::send(hook, load).await?;
    let seconds = started.elapsed().as_secs_f64();
    if let Some(receiver) = receiver {
        receiver.wait_for(u64::from(warm_up.posts) + u64::from(load.posts), LONGEST_WAIT).await?;
    }
    sleep(Duration::from_millis(500)).await;
    let posts = f64::from(load.posts);
    let cpu_ms_per_thousand = (cpu_seconds(pid)? - cpu_before) * 1e6 / posts;
    let peak_mib = memory_mib(pid, "VmHWM")?;
    delays.sort_unstable();
    let at = |percent: usize| {
        let place = delays.len().saturating_sub(1) * percent / 100;
        delays.get(place).map_or(f64::NAN, |delay| delay.as_secs_f64() * 1e3)
    };
    Ok(Figures { posts_per_second: posts / seconds, p50_ms: at(50), p99_ms: at(99), cpu_ms_per_thousand, peak_mib })
}

/// Below the target folder: /tmp may be in memory, where a disk costs nothing.
fn folder() -> Result<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}
