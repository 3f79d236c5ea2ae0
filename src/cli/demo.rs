//! `tidings demo`: the real daemon against stand-ins of the services it talks to.

use super::failure::{Exit, Failure};
use super::run::runtime;
use super::signals::Signals;
use crate::demo;

#[derive(Debug, Default, clap::Args)]
pub(super) struct DemoArgs {
    /// Keep running after the story, with an event every few seconds, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let interrupted = async {
            signals.next().await;
        };
        Ok(match demo::run(args.keep, interrupted).await {
            Ok(true) => Exit::Success,
            Ok(false) => Exit::Failed,
            // Already printed.
            Err(_) => Exit::Internal,
        })
    })
}
