//! `tidings check`: reads relays.toml, contacts nothing, and reports every fault at once.

use std::io::IsTerminal as _;

use tracing::warn;

use super::args::Common;
use super::config_file::{self, process_env};
use super::failure::{Exit, Failure};
use super::{logging, print};
use crate::config::{Config, ConfigError};

pub(super) fn check(common: &Common) -> Result<Exit, Failure> {
    let config = read(common)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let (sources, sinks, relays) = (config.sources.len(), config.sinks.len(), config.relays.len());
    let path = config.path.display();
    print::out(&format!("{path}: in order ({sources} sources, {sinks} sinks, {relays} relays)\n"))?;
    Ok(Exit::Fine)
}

/// What relays.toml means; also for the verbs that go on with it.
pub(super) fn read(common: &Common) -> Result<Config, Failure> {
    let color = logging::in_color(common.color, std::io::stderr().is_terminal(), &process_env);
    let path = config_file::path(common, &process_env);
    Config::load(&path, &process_env, color).map_err(|error| {
        let failure = Failure::new(Exit::Config, error.to_string());
        match error {
            ConfigError::Unreadable { .. } => failure.hint("name another file with --config"),
            ConfigError::Invalid { errors, .. } => failure.hint(format!("{errors} errors to fix")),
        }
    })
}
