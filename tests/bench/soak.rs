//! An hour of events in two minutes: `cargo bench --bench soak`. Fails where memory or the state file grows.
#![expect(clippy::print_stdout, reason = "what it prints is the result")]

mod hour;
mod memory;

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use hour::House;

/// Memory and state file over an hour's events
#[derive(Parser)]
struct Options {
    /// How long the hour takes
    #[arg(long, default_value_t = 120)]
    seconds: u32,
    /// Events of the hour
    #[arg(long, default_value_t = 120_000)]
    events: u32,
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { seconds, events, .. } = Options::parse();
    println!("{events} events in {seconds} s");
    let house = House::start().await?;
    // Below the target folder, since /tmp may be memory, where a disk costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    std::fs::write(folder.path().join("relays.toml"), house.relays_toml())?;
    let log = std::fs::File::create(folder.path().join("log"))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["run", "--config", "relays.toml"]).current_dir(folder.path()).stdin(Stdio::null());
    let mut child = command.stdout(log.try_clone()?).stderr(log).kill_on_drop(true).spawn()?;
    let limit = Instant::now() + Duration::from_secs(20);
    while !folder.path().join("state/door").exists() {
        ensure!(Instant::now() < limit && child.try_wait()?.is_none(), "it does not start");
        sleep(Duration::from_millis(10)).await;
    }
    println!("{}", house.live(child.id().context("it is gone")?, folder.path(), seconds, events).await?);
    Ok(())
}
