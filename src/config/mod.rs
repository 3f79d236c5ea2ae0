//! relays.toml as the daemon uses it: names resolved, templates compiled, secrets read.
//!
//! One run finds every error. Nothing here touches the network.

mod alert;
mod component;
mod daemon;
mod load;
mod names;
mod sink;
mod source;

pub use daemon::{Daemon, Env, default_state};
pub use load::{Config, ConfigError, documented_keys};
pub use names::CONSOLE;
pub use sink::SinkSettings;
pub use source::SourceSettings;
