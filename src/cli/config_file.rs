//! Finds relays.toml, loads it, and reads the part of it that locates the daemon.
//!
//! The operator's shell has none of the daemon's secrets, so locating the daemon must work with a file that is not valid.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::common::{Common, process_env};
use super::failure::{Exit, Failure};
use super::logging;
use crate::config::{Config, ConfigError, Env, default_state};
use crate::config_reader::{ConfigReader, TableReader};

const LOCAL: &str = "relays.toml";
const SYSTEM: &str = "/etc/tidings/relays.toml";
/// The state file of the shipped unit, which `$STATE_DIRECTORY` names only inside the unit.
const SYSTEM_STATE: &str = "/var/lib/tidings/tidings.db";

/// From the argument, else from the variable, else the first default that exists.
pub(super) fn path(common: &Common, env: Env) -> PathBuf {
    let given = common.config.clone().or_else(|| env("TIDINGS_CONFIG").map(PathBuf::from));
    given.unwrap_or_else(|| {
        let existing = [LOCAL, SYSTEM].map(PathBuf::from).into_iter().find(|path| path.exists());
        // An error should name the place where a new file belongs.
        existing.unwrap_or_else(|| LOCAL.into())
    })
}

pub(super) fn load(common: &Common) -> Result<Config, Failure> {
    let color = logging::in_color(common.color, std::io::stderr().is_terminal(), &process_env);
    let path = path(common, &process_env);
    Config::load(&path, &process_env, color).map_err(|error| {
        let failure = Failure::new(Exit::Config, error.to_string());
        failure.hint(match error {
            ConfigError::Unreadable { .. } => "name another file with --config".to_owned(),
            ConfigError::Invalid { errors: 1, .. } => "1 error to fix".to_owned(),
            ConfigError::Invalid { errors, .. } => format!("{errors} errors to fix"),
        })
    })
}

/// Where the daemon may be, according to relays.toml.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DaemonLocation {
    /// Possible state files, the likeliest first.
    pub(super) state_files: Vec<PathBuf>,
    pub(super) admin: Option<String>,
}

impl DaemonLocation {
    pub(super) fn read(config: &Path, env: Env) -> Self {
        // Without the file, the defaults remain.
        let text = std::fs::read_to_string(config).unwrap_or_default();
        Self::from_text(&text, env)
    }

    fn from_text(text: &str, env: Env) -> Self {
        let reader = ConfigReader::new(text, env);
        let tree = reader.tree();
        let daemon = TableReader::new(&reader, "", &tree).table("daemon");
        let value = |key| Some(daemon.as_ref()?.text(key)?.value);
        let state_files = value("state").map_or_else(|| default_state_files(env), |state| vec![state.into()]);
        Self { state_files, admin: value("admin") }
    }
}

fn default_state_files(env: Env) -> Vec<PathBuf> {
    let mut files = vec![default_state(env), default_state(&|_| None), SYSTEM_STATE.into()];
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_file_still_locates_the_daemon() {
        let text =
            "[daemon]\nstate = \"/srv/t.db\"\nadmin = \"127.0.0.1:9\"\nnonsense = 1\n[sink.slack.ops]\nwebhook = ";
        let found = DaemonLocation::from_text(text, &|_| None);
        assert_eq!(
            found,
            DaemonLocation { state_files: vec!["/srv/t.db".into()], admin: Some("127.0.0.1:9".to_owned()) }
        );
    }

    #[test]
    fn without_the_key_the_default_files_are_tried() {
        let env = |name: &str| (name == "STATE_DIRECTORY").then(|| "/run/a:/run/b".to_owned());
        let files = DaemonLocation::from_text("", &env).state_files;
        assert_eq!(files, ["/run/a/tidings.db", "state/tidings.db", SYSTEM_STATE].map(PathBuf::from));
        assert_eq!(DaemonLocation::from_text("", &|_| None).state_files.len(), 2);
    }
}
