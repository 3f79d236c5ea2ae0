//! `tidings check`: reads relays.toml, contacts nothing, and reports every error at once.

use tracing::warn;

use super::common::Common;
use super::failure::{Exit, Failure};
use super::{config_file, print};

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let config = config_file::load(common)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let (sources, sinks, relays) = (config.sources.len(), config.sinks.len(), config.relays.len());
    let path = config.path.display();
    print::out(&format!("{path}: valid ({sources} sources, {sinks} sinks, {relays} relays)\n"))?;
    Ok(Exit::Success)
}
