//! `tidings demo`: the real daemon against stand-ins of everyone it talks to.

use super::args::DemoArgs;
use super::failure::{Exit, Failure};
use super::run::runtime;
use crate::demo::{Options, run};

pub(super) fn demo(args: &DemoArgs) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    match runtime.block_on(run(Options { keep: args.keep })) {
        0 => Ok(Exit::Fine),
        1 => Ok(Exit::DidNotHold),
        _ => Ok(Exit::Internal),
    }
}
