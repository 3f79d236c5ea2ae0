//! Relays: which of them want an event, and the message they make of it. No I/O, no clock, no store.
//!
//! `match` is checked first, for all relays at once (`index`), then the `when` of those that are left (`condition`).
//! For each wanted event, references are fetched ([`Relay::references`]), a `when` that needs them is checked
//! ([`Relay::still_wants`]), and the message is rendered for one sink ([`Relay::render`]). Only `engine` and
//! `variables` know `MiniJinja`. Silences are the only part that changes at run time and uses a clock.

mod acronyms;
mod bits;
mod comparison_guard;
mod condition;
mod defaults;
mod definition;
mod engine;
mod fetched;
mod filters;
mod glob;
mod index;
mod lookup;
mod message_template;
mod mute;
mod pattern;
mod pattern_reader;
mod quiet;
mod ranges;
mod raw;
mod relays;
mod silence;
mod template;
mod template_problems;
mod tokens;
mod variables;

#[cfg(test)]
mod tests;

pub use condition::Condition;
pub use defaults::Defaults;
pub use definition::{BuiltIn, Relay};
pub use engine::with_compiler_stack;
pub use fetched::{FetchOutcome, Fetched, Reference};
pub use glob::glob_matches;
pub use message_template::TypeText;
pub use quiet::{Group, Quiet, Throttle};
pub use relays::{Explained, Plan, Relays};
pub use silence::{Silence, SilenceMatch, Silences};
pub use template::Template;
