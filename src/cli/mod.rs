//! What can be asked for on the command line, and how it ends.
//!
//! A verb either runs the daemon (`run`, `demo`), reads relays.toml (`check`), or speaks to the daemon's admin API.

mod admin_client;
mod args;
mod check;
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

use clap::Parser as _;

use args::{Args, Verb};
pub use failure::{Exit, Failure};

/// The whole program.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(said) => return refused(&said).into(),
    };
    match perform(&args) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}

fn perform(args: &Args) -> Result<Exit, Failure> {
    let common = &args.common;
    logging::start(common)?;
    match args.verb.as_ref().unwrap_or(&Verb::Run) {
        Verb::Run => run::run(common),
        Verb::Check => check::check(common),
        Verb::Demo(args) => demo::demo(args),
        Verb::Explain(ask) => explain::explain(common, ask),
        Verb::Events(ask) => events::events(common, ask),
        Verb::Dead(ask) => dead::dead(common, ask),
        Verb::Silence(ask) => silence::silence(common, ask),
        Verb::Status(ask) => status::status(common, ask),
    }
}

/// Help and version are asked for; everything else that clap has to say is a mistake in usage.
fn refused(said: &clap::Error) -> Exit {
    let exit = if said.use_stderr() { Exit::Usage } else { Exit::Fine };
    // A reader who has gone away (`tidings --help | head`) misses nothing.
    said.print().ok();
    exit
}
