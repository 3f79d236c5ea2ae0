//! `tidings demo`: the real daemon against stand-ins of the services it talks to.

use super::failure::{Exit, Failure};
use super::run::runtime;
use crate::demo::{Options, run as run_demo};

#[derive(Debug, Default, clap::Args)]
pub(super) struct DemoArgs {
    /// Keep running after the story, with an event every few seconds, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    match runtime.block_on(run_demo(Options { keep: args.keep })) {
        0 => Ok(Exit::Success),
        1 => Ok(Exit::Failed),
        _ => Ok(Exit::Internal),
    }
}
