//! `tidings check`: reads relays.toml, contacts nothing, and reports every fault at once.

use super::args::Common;
use super::config_file::{self, process_env};
use super::failure::{Exit, Failure};
use super::print;

pub(super) fn check(common: &Common) -> Result<Exit, Failure> {
    let path = config_file::path(common, &process_env);
    // SEAM check: until `config` is in this tree. What belongs here, `read` also being what `run` calls:
    //
    //     pub(super) fn read(common: &Common) -> Result<Config, Failure> {
    //         let color = logging::in_color(common.color, std::io::stderr().is_terminal(), &process_env);
    //         let path = config_file::path(common, &process_env);
    //         Config::load(&path, &|name| std::env::var(name).ok(), color).map_err(|rejected| {
    //             let failure = Failure::new(Exit::Config, rejected.to_string());
    //             match rejected {
    //                 Rejected::Unreadable { .. } => failure.hint("name another file with --config"),
    //                 Rejected::Faulty { faults, .. } => failure.hint(format!("{faults} to mend before it can run")),
    //             }
    //         })
    //     }
    //
    //     let config = read(common)?;
    //     for remark in &config.remarks { warn!("{remark}"); }
    //     let (sources, sinks, relays) = (config.sources.len(), config.sinks.len(), config.relays.len());
    //     print::out(&format!("{}: in order ({sources} sources, {sinks} sinks, {relays} relays)\n", path.display()))?;
    std::fs::metadata(&path)
        .map_err(|error| Failure::new(Exit::Config, format!("{} cannot be read: {error}", path.display())))?;
    print::out(&format!("{}\n", path.display()))?;
    Ok(Exit::Fine)
}
