//! The command line: arguments in, exit code out.
//!
//! A verb runs the daemon (`run`, `demo`), reads relays.toml (`check`), or calls the daemon's admin API.

mod admin_client;
mod check;
mod common;
mod config_file;
mod dead;
mod demo;
mod events;
mod explain;
mod failure;
mod logging;
mod print;
mod run;
mod signals;
mod silence;
mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use common::{AdminArgs, Common};
pub use failure::{Exit, Failure};

/// Sends infrastructure events to the chat where your team works, and pages the on-call
#[derive(Debug, Parser)]
#[command(name = "tidings", version, disable_help_subcommand = true, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon (the default)
    Run,
    /// Check relays.toml and report every error; contacts nothing
    Check,
    /// Run a demonstration against stand-ins on this machine; needs no configuration
    Demo(demo::DemoArgs),
    /// Show which relays take an event, and why
    Explain(explain::ExplainArgs),
    /// List the latest events and their deliveries
    Events(events::EventsArgs),
    /// List, show, replay or drop dead letters
    #[command(subcommand)]
    Dead(dead::DeadVerb),
    /// Add, list or expire silences
    #[command(subcommand)]
    Silence(silence::SilenceVerb),
    /// Show sources, sinks and open incidents
    Status(AdminArgs),
}

/// The whole program.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return print_usage(&error).into(),
    };
    match run_verb(&args) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}

fn run_verb(args: &Args) -> Result<Exit, Failure> {
    let common = &args.common;
    logging::start(common)?;
    match args.verb.as_ref().unwrap_or(&Verb::Run) {
        Verb::Run => run::run(common),
        Verb::Check => check::run(common),
        Verb::Demo(args) => demo::run(args),
        Verb::Explain(args) => explain::run(common, args),
        Verb::Events(args) => events::run(common, args),
        Verb::Dead(verb) => dead::run(common, verb),
        Verb::Silence(verb) => silence::run(common, verb),
        Verb::Status(args) => status::run(common, args),
    }
}

/// Prints clap's message: the requested help or version, or an error.
fn print_usage(message: &clap::Error) -> Exit {
    let exit = if message.use_stderr() { Exit::Usage } else { Exit::Success };
    // A closed pipe (`tidings --help | head`) is no failure.
    message.print().ok();
    exit
}

#[cfg(test)]
mod tests;
