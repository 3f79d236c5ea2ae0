//! The words of the command line.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

// The variables are read by hand, because one that is set to nothing counts as not set.
const CONFIG: &str =
    "Where relays.toml is [env: TIDINGS_CONFIG] [default: ./relays.toml, else /etc/tidings/relays.toml]";
const DESK: &str = "Where the daemon's admin API is [env: TIDINGS_ADMIN] [default: what the file admin.addr beside the state file says]";
const LONG: &str = "Show what an event says of itself: type:action:state:resource_uri:parents";
const MATCH: &str = "What to hush: a path as in a relay's `match` (type, source, subject, data.state, \
    data.parents[]) or `relay`, and a pattern that may hold `*`; != for what must not match. All that are given must hold";
const ALL: &str = "Hush everything but what the daemon says of itself, which only source=tidings or a relay hushes";
const COLOR: &str = "Whether output is coloured; auto respects NO_COLOR";

/// Brings what happens in your infrastructure into the place where your team talks.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, disable_help_subcommand = true, max_term_width = 100)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Common {
    #[arg(short, long, value_name = "FILE", global = true, help = CONFIG)]
    pub(super) config: Option<PathBuf>,
    /// How the log is written to stderr
    #[arg(long, value_name = "FORM", global = true, default_value = "text")]
    pub(super) log_format: LogFormat,
    /// Log more; twice: everything of our own
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// Log warnings only; twice: errors only; three times: nothing
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "verbose")]
    pub(super) quiet: u8,
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", help = COLOR)]
    pub(super) color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the daemon (also when no verb is given)
    Run,
    /// Read relays.toml and report every fault in it; nothing is contacted
    Check,
    /// Show what it does, against stand-ins on this machine; needs nothing
    Demo(DemoArgs),
    /// Say which relays would take an event, which would not, and why
    Explain(ExplainArgs),
    /// List the latest events and what became of them
    Events(EventsArgs),
    /// List, show, replay or drop what could not be delivered
    #[command(subcommand)]
    Dead(DeadVerb),
    /// Hush what is expected for a while: add, list or expire silences
    #[command(subcommand)]
    Silence(SilenceVerb),
    /// Show how sources and sinks are, and which incidents are open
    Status(Ask),
}

#[derive(Debug, Default, clap::Args)]
pub(super) struct DemoArgs {
    /// Stay after the story, with an event every few seconds, until Ctrl-C
    #[arg(long)]
    pub(super) keep: bool,
}

/// What every verb understands that speaks to the daemon.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Ask {
    #[arg(long, value_name = "URL", help = DESK)]
    pub(super) admin: Option<String>,
    /// Print the admin API's answer as it is
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
#[group(id = "event", required = true, multiple = false, args = ["file", "stdin", "id"])]
pub(super) struct ExplainArgs {
    /// A file with an event as JSON: source, type, subject, data
    #[arg(long, value_name = "EVENT.json")]
    pub(super) file: Option<PathBuf>,
    /// Read the event from standard input
    #[arg(value_name = "-", value_parser = ["-"], hide_possible_values = true)]
    pub(super) stdin: Option<String>,
    /// An event that the daemon has seen
    #[arg(long)]
    pub(super) id: Option<String>,
    #[command(flatten)]
    pub(super) ask: Ask,
}

#[derive(Debug, Default, clap::Args)]
pub(super) struct EventsArgs {
    /// Only events of this source
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<String>,
    /// Only events of this type; may hold `*`
    #[arg(long, value_name = "TYPE")]
    pub(super) r#type: Option<String>,
    /// Only events that this relay took
    #[arg(long, value_name = "NAME")]
    pub(super) relay: Option<String>,
    /// Only events that go to this sink
    #[arg(long, value_name = "NAME")]
    pub(super) sink: Option<String>,
    /// Only events since a time (2026-01-31T12:00:00Z) or for so long (1h)
    #[arg(long, value_name = "WHEN")]
    pub(super) since: Option<String>,
    /// Only events up to a time, or to so long ago
    #[arg(long, value_name = "WHEN")]
    pub(super) until: Option<String>,
    /// How many, the latest first to stay
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
    #[arg(long, help = LONG)]
    pub(super) long: bool,
    #[command(flatten)]
    pub(super) ask: Ask,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadVerb {
    /// List them, oldest first
    List {
        #[command(flatten)]
        filter: DeadFilter,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        ask: Ask,
    },
    /// Show one with its event
    Show {
        id: i64,
        #[command(flatten)]
        ask: Ask,
    },
    /// Deliver them once more
    Replay(DeadChoice),
    /// Forget them
    Drop(DeadChoice),
}

#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct DeadFilter {
    /// Only those of this relay
    #[arg(long, value_name = "NAME")]
    pub(super) relay: Option<String>,
    /// Only those to this sink
    #[arg(long, value_name = "NAME")]
    pub(super) sink: Option<String>,
    /// Only those buried longer ago than this (2h, 7d)
    #[arg(long, value_name = "AGE")]
    pub(super) older_than: Option<String>,
}

/// Something must be chosen: an empty choice is a mistake, not everything.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "choice", required = true, multiple = true, args = ["ids", "all", "relay", "sink", "older_than"])]
pub(super) struct DeadChoice {
    /// Numbers as `dead list` shows them
    #[arg(value_name = "ID")]
    pub(super) ids: Vec<i64>,
    /// All of them
    #[arg(long, conflicts_with_all = ["ids", "relay", "sink", "older_than"])]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) filter: DeadFilter,
    #[command(flatten)]
    pub(super) ask: Ask,
}

#[derive(Debug, Subcommand)]
pub(super) enum SilenceVerb {
    /// Hush what matches; it is kept with its reason, not sent, and not counted as lost
    Add(NewSilence),
    /// List those that are in force
    List {
        /// Also those that are over
        #[arg(long)]
        expired: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// End one before its time
    Expire(Expiry),
}

/// Something must be chosen here too: that everything is hushed has to be said.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "hushed", required = true, multiple = true, args = ["matches", "relay", "all"])]
pub(super) struct NewSilence {
    #[arg(long = "match", value_name = "KEY=PATTERN", help = MATCH)]
    pub(super) matches: Vec<String>,
    /// Only what this relay says; the same as --match relay=NAME
    #[arg(long, value_name = "NAME")]
    pub(super) relay: Option<String>,
    #[arg(long, conflicts_with_all = ["matches", "relay"], help = ALL)]
    pub(super) all: bool,
    /// How long (30m, 2h, 7d), at most 366d
    #[arg(long, value_name = "DURATION")]
    pub(super) r#for: String,
    /// What for; whoever wonders later why nothing was said reads it
    #[arg(long, value_name = "REASON")]
    pub(super) why: String,
    #[command(flatten)]
    pub(super) ask: Ask,
}

#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "ended", required = true, multiple = false, args = ["id", "all"])]
pub(super) struct Expiry {
    /// Its number, as `silence list` shows it
    pub(super) id: Option<i64>,
    /// All that are in force
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) ask: Ask,
}

#[cfg(test)]
mod tests;
