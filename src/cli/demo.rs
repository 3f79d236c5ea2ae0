//! `tidings demo`: the real daemon against stand-ins of the services it talks to.

use super::failure::{Exit, Failure};
use super::run::runtime;
use crate::demo::{self, Options};

pub(super) fn run(options: Options) -> Result<Exit, Failure> {
    Ok(match runtime()?.block_on(demo::run(options)) {
        0 => Exit::Success,
        1 => Exit::Failed,
        _ => Exit::Internal,
    })
}
