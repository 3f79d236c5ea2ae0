//! The daemon's cost compared with a minimal bridge: `cargo bench --bench road`.
//!
//! Stream, bridge and sink are processes of their own on loopback. The bridge is in turn the baseline (floor.rs) and the
//! daemon, so that other load on the machine affects both. Quote the ratios: they hold on other machines too.
#![expect(clippy::print_stdout, reason = "what it prints is the result")]

mod cpu;
mod floor;
mod median;
mod memory;
mod mix;
mod sink;
mod stream;
mod trial;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use median::median;
use trial::{Bridge, Figures, Load};

/// The daemon compared with the baseline: speed, CPU, memory, delay
#[derive(Parser)]
struct Options {
    /// Rounds; each measures the baseline and the daemon once
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Events of the run at full speed
    #[arg(long, default_value_t = 500_000)]
    events: u64,
    /// Events per second of the steady run
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Length of the steady run in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Compare the baseline with itself: how far noise moves the ratio from 1 on this machine
    #[arg(long)]
    noise: bool,
    /// `cargo bench` passes this to every bench
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// The parts that this program starts as processes.
#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Stream {
        #[arg(long)]
        events: u64,
        #[arg(long)]
        rate: u32,
    },
    #[command(hide = true)]
    Sink {
        #[arg(long)]
        events: u64,
    },
    #[command(hide = true)]
    Floor {
        #[arg(long)]
        url: String,
        #[arg(long)]
        hook: SocketAddr,
        #[arg(long)]
        journal: PathBuf,
    },
}

/// One row of the table: its name and its figure.
type Row = (&'static str, fn(&Figures) -> f64);

const FAST: [Row; 5] = [
    ("events/s", |of| of.events_per_second),
    ("CPU ms per 1,000 events", |of| of.cpu_ms_per_thousand),
    ("peak memory, MiB", |of| of.peak_mib),
    ("idle memory, MiB", |of| of.idle_mib),
    ("start to handshake, ms", |of| of.startup_ms),
];
const STEADY: [Row; 3] = [
    ("delay p50, ms", |of| of.p50_ms),
    ("delay p99, ms", |of| of.p99_ms),
    ("CPU ms per 1,000 events, steady", |of| of.cpu_ms_per_thousand),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    match &options.role {
        Some(Role::Stream { events, rate }) => stream::run(*events, *rate).await,
        Some(Role::Sink { events }) => sink::run(*events).await,
        Some(Role::Floor { url, hook, journal }) => floor::run(url, *hook, journal).await,
        None => measure(&options).await,
    }
}

async fn measure(options: &Options) -> Result<()> {
    let fast = Load { events: options.events, rate: 0 };
    let steady = Load { events: u64::from(options.rate) * u64::from(options.seconds), rate: options.rate };
    println!(
        "{} rounds; fast: {} events, a tenth of them wanted; steady: {} events/s for {} s",
        options.rounds, options.events, options.rate, options.seconds
    );
    let (ours, column) = if options.noise { (Bridge::Floor, "floor") } else { (Bridge::Tidings, "tidings") };
    let (mut fast_rounds, mut steady_rounds) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        fast_rounds.push((trial::run(Bridge::Floor, fast).await?, trial::run(ours, fast).await?));
        steady_rounds.push((trial::run(Bridge::Floor, steady).await?, trial::run(ours, steady).await?));
        println!("round {round} of {} done", options.rounds);
    }
    println!("\n{:<34}{:>12}{column:>12}{:>10}  (medians; ratios within each round)", "", "floor", "ratio");
    print(&FAST, &fast_rounds);
    print(&STEADY, &steady_rounds);
    Ok(())
}

fn print(rows: &[Row], rounds: &[(Figures, Figures)]) {
    for (name, read) in rows {
        let floor = median(rounds.iter().map(|(floor, _)| read(floor)));
        let ours = median(rounds.iter().map(|(_, ours)| read(ours)));
        let ratio = median(rounds.iter().map(|(floor, ours)| read(ours) / read(floor)));
        println!("{name:<34}{floor:>12.2}{ours:>12.2}{ratio:>10.2}");
    }
}
