//! An hour of events in two minutes: `cargo bench --bench soak`. Fails if memory or the state file grows.
#![expect(clippy::print_stdout, reason = "what it prints is the result")]

mod memory;
#[path = "../support/random_faults.rs"]
mod random_faults;
#[path = "../support/slack.rs"]
mod slack;
#[path = "../support/soak_load.rs"]
mod soak_load;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use tidings::demo::Daemon;

use soak_load::SoakLoad;

/// Memory and state file during an hour's events
#[derive(Parser)]
struct Options {
    /// How long the hour takes
    #[arg(long, default_value_t = 120)]
    seconds: u32,
    /// Events of the hour
    #[arg(long, default_value_t = 120_000)]
    events: u32,
    /// `cargo bench` passes this to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { seconds, events, .. } = Options::parse();
    println!("{events} events in {seconds} s");
    let load = SoakLoad::start()?;
    // Below the target folder: /tmp may be in memory, where a disk costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let program = Path::new(env!("CARGO_BIN_EXE_tidings"));
    let mut daemon = Daemon::prepare(program, folder.path(), &load.relays_toml())?;
    for (name, value) in load.variables() {
        daemon.set_variable(name, &value);
    }
    daemon.start()?;
    daemon.wait_until_ready(Duration::from_secs(20)).await?;
    println!("{}", load.run(&daemon, seconds, events).await?);
    Ok(())
}
