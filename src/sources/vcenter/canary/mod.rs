//! An event of our own that must return through the history. A missing one is the surest sign that vCenter has stopped
//! recording events although it answers: `state` is the timing, `check` sends and misses it.

mod check;
mod state;

pub(super) use state::Canary;
