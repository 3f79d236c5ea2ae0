//! `tidings demo`: a real daemon against stand-ins of the services it talks to, and a count of what was delivered.
//!
//! Needs no account, no configuration and no network beyond loopback. The tests and benches use the same daemon
//! launcher and the same stand-ins; what only they need is in tests/support.

mod config;
mod daemon;
mod environment;
mod error;
mod output;
mod result;
mod scenario;
mod script;
pub mod standins;
mod tally;

use std::future::Future;
use std::io;
use std::pin::pin;

pub use config::{pagerduty_sink, slack_sink, tutum_config};
pub use daemon::{Daemon, DaemonError};

use error::DemoError;
use output::Output;
use scenario::Scenario;

/// Runs the demo until it ends or `interrupted`: true if everything was delivered as promised, an error if the demo
/// could not be set up. With `keep` it goes on after the result until `interrupted`.
pub async fn run(keep: bool, interrupted: impl Future<Output = ()>) -> io::Result<bool> {
    let output = Output::new();
    let error = match run_scenario(keep, output, interrupted).await {
        Ok(held) => return Ok(held),
        Err(error) => error,
    };
    output.error(&error.to_string());
    match error {
        DemoError::Io(error) | DemoError::Daemon(DaemonError::Io(error)) => Err(error),
        _ => Ok(false),
    }
}

async fn run_scenario(keep: bool, output: Output, interrupted: impl Future<Output = ()>) -> Result<bool, DemoError> {
    let mut interrupted = pin!(interrupted);
    // Dropping the scenario ends the daemon and removes the folder.
    let (mut scenario, held) = tokio::select! {
        () = &mut interrupted => return Err(DemoError::Interrupted),
        ended = run_to_result(output) => ended?,
    };
    if keep {
        scenario.show_how_to_continue()?;
        tokio::select! {
            () = interrupted => {}
            ended = scenario.keep_sending() => ended?,
        }
    }
    Ok(held)
}

async fn run_to_result(output: Output) -> Result<(Scenario, bool), DemoError> {
    let mut scenario = Scenario::start(output, script::RELAYS).await?;
    if let Err(error) = scenario.run().await {
        scenario.keep_files()?;
        return Err(error);
    }
    let held = scenario.show_result()?;
    Ok((scenario, held))
}
