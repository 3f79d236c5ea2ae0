//! `tidings demo`: a real daemon against stand-ins of the services it talks to, and a count of what was delivered.
//!
//! Needs no account, no configuration and no network beyond loopback. The tests and benches use the same daemon
//! launcher and the same stand-ins; what only they need is in tests/support.

mod burst;
mod config;
mod counts;
mod daemon;
mod environment;
mod error;
mod output;
mod result;
mod scenario;
mod script;
pub mod standins;

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub use config::{pagerduty_sink, slack_sink, tutum_config};
pub use daemon::{Daemon, DaemonError};

use error::DemoError;
use output::Output;
use scenario::Scenario;

#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Options {
    /// Keep running after the demo, with an event every few seconds, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
}

/// Everything was delivered as promised.
const HELD: u8 = 0;
/// It was not, or the demo was interrupted.
const DID_NOT_HOLD: u8 = 1;
/// The demo itself could not be set up.
const INTERNAL: u8 = 70;

/// Runs the demo and returns the exit code.
pub async fn run(options: Options) -> u8 {
    let output = Output::new();
    match run_scenario(options, output).await {
        Ok(held) => {
            if held {
                HELD
            } else {
                DID_NOT_HOLD
            }
        }
        Err(error) => {
            output.error(&error.to_string());
            if matches!(error, DemoError::Io(_) | DemoError::Daemon(DaemonError::Io(_))) {
                INTERNAL
            } else {
                DID_NOT_HOLD
            }
        }
    }
}

/// True if everything was delivered as promised.
async fn run_scenario(options: Options, output: Output) -> Result<bool, DemoError> {
    let mut interrupt = Interrupt::new()?;
    let mut scenario = tokio::select! {
        () = interrupt.wait() => return Err(DemoError::Interrupted),
        scenario = Scenario::start(output, script::RELAYS) => scenario?,
    };
    let ended = tokio::select! {
        () = interrupt.wait() => Err(DemoError::Interrupted),
        ended = scenario.run() => ended,
    };
    if let Err(error) = ended {
        if !matches!(error, DemoError::Interrupted) {
            scenario.keep_files()?;
        }
        return Err(error);
    }
    let held = scenario.show_result()?;
    if options.keep {
        scenario.show_how_to_continue()?;
        tokio::select! {
            () = interrupt.wait() => {}
            ended = scenario.keep_sending() => ended?,
        }
    }
    Ok(held)
}

/// SIGINT, SIGTERM or SIGHUP: dropping the scenario then ends the daemon and removes the folder.
struct Interrupt([Signal; 3]);

impl Interrupt {
    fn new() -> io::Result<Self> {
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
