//! Relays: who wants an event, and how it is said. No I/O, no clock, no queue.
//!
//! An event meets `match` first, all relays at once (`index`), then the `when` of those that are
//! left (`condition`). What is wanted is later fetched for ([`Relay::references`]), asked again
//! where `when` needed that ([`Relay::still_wants`]), and worded for one sink ([`Relay::word`]).
//! `MiniJinja` is met in `engine` and `view` only. What operators hush for a while (`silence`) is the one thing here
//! that changes while the daemon runs, and that looks at a clock.

mod acronyms;
mod bits;
mod condition;
mod defaults;
mod engine;
mod faults_in;
mod fetched;
mod filters;
mod glob;
mod guard;
mod index;
mod keys;
mod mute;
mod one;
mod pattern;
mod pattern_reader;
mod quiet;
mod ranges;
mod raw;
mod relays;
mod silence;
mod template;
mod tokens;
mod view;
mod wording;

#[cfg(test)]
mod tests;

pub use condition::Condition;
pub use defaults::Defaults;
pub use engine::with_room;
pub use fetched::{Fetched, Outcome, Reference};
pub use glob::fits;
pub use one::{BuiltIn, Relay};
pub use quiet::{Group, Quiet, Throttle};
pub use relays::{Explained, Plan, Relays};
pub use silence::{Silence, SilenceMatch, Silences};
pub use template::Template;
pub use wording::Says;
