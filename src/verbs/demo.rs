//! `tidings demo`: the real daemon against stand-ins of everyone it talks to.

use super::args::DemoArgs;
use super::failure::{Exit, Failure};
use super::run::runtime;

pub(super) fn demo(args: &DemoArgs) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    // SEAM demo: until `demo` is in this tree. What belongs here:
    //
    //     match runtime.block_on(crate::demo::run(crate::demo::Options { keep: args.keep })) {
    //         0 => Ok(Exit::Fine),
    //         1 => Ok(Exit::DidNotHold),
    //         _ => Ok(Exit::Internal),
    //     }
    drop(runtime);
    let what = if args.keep { "a demo that stays" } else { "the demo" };
    Err(Failure::new(Exit::DidNotHold, format!("{what} has nothing to show yet")))
}
