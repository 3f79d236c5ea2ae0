//! The options and variables that several verbs share.

use std::path::PathBuf;

use clap::{ArgAction, ColorChoice, ValueEnum};

// Not clap's `env`: an empty variable counts as unset.
const CONFIG: &str =
    "Path of relays.toml [env: TIDINGS_CONFIG] [default: ./relays.toml, else /etc/tidings/relays.toml]";
const ADMIN: &str =
    "Address of the daemon's admin API [env: TIDINGS_ADMIN] [default: from the file admin.addr beside the state file]";
const COLOR: &str = "Whether output is coloured; auto respects NO_COLOR";

#[derive(Debug, clap::Args)]
pub(super) struct Common {
    #[arg(short, long, value_name = "FILE", global = true, help = CONFIG)]
    pub(super) config: Option<PathBuf>,
    /// Format of the log on stderr
    #[arg(long, value_name = "FORMAT", global = true, default_value = "text")]
    pub(super) log_format: LogFormat,
    /// Log more; twice: everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// Log warnings only; twice: errors only; three times: nothing
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "verbose")]
    pub(super) quiet: u8,
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", help = COLOR)]
    pub(super) color: ColorChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// The options of every verb that calls the daemon.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct AdminArgs {
    #[arg(long, value_name = "URL", help = ADMIN)]
    pub(super) admin: Option<String>,
    /// Print the admin API's response as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The arguments of a verb that sends the request `R` to the daemon.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Call<R: clap::Args> {
    #[command(flatten)]
    pub(super) request: R,
    #[command(flatten)]
    pub(super) admin: AdminArgs,
}

/// The process's own variables; an empty one counts as unset.
pub(super) fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
