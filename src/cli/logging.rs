//! The log on stderr, as text or JSON.

use std::io::IsTerminal as _;

use clap::ColorChoice;
use tracing::error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::common::{Common, LogFormat, process_env};
use super::failure::{Exit, Failure};
use crate::config::Env;
use crate::supervisor;

/// Libraries that log addresses and headers, credentials included: only warnings and errors are logged.
const LEAKING_TARGETS: [&str; 8] =
    ["h2", "hyper", "hyper_util", "reqwest", "rustls", "rustls_platform_verifier", "tokio_tungstenite", "tungstenite"];

pub(super) fn start(common: &Common) -> Result<(), Failure> {
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(in_color(common.color, std::io::stderr().is_terminal(), &process_env))
        .with_env_filter(filter(common, &process_env)?);
    let started = match common.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::new(Exit::Internal, format!("the log cannot be started: {error}")))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(place, "panicked: {}", supervisor::panic_message(panic.payload()));
    }));
    Ok(())
}

/// Whether to use colours on a stream that is, or is not, a terminal.
pub(super) fn in_color(color: ColorChoice, terminal: bool, env: Env) -> bool {
    match color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && env("NO_COLOR").is_none(),
    }
}

/// From `TIDINGS_LOG` if set; else from `-v` and `-q`, where `DEBUG=yes` counts as one `-v`.
fn filter(common: &Common, env: Env) -> Result<EnvFilter, Failure> {
    let directives = env("TIDINGS_LOG").unwrap_or_else(|| match level(common, env) {
        LevelFilter::OFF => "off".to_owned(),
        level => format!("warn,tidings={level}"),
    });
    let mut filter = EnvFilter::try_new(&directives).map_err(|error| {
        Failure::new(Exit::Usage, format!("TIDINGS_LOG cannot be parsed: {error}"))
            .hint("write it like debug, or info,tidings::sources=trace")
    })?;
    for target in LEAKING_TARGETS {
        let level = if directives == "off" { LevelFilter::OFF } else { LevelFilter::WARN };
        filter = filter.add_directive(format!("{target}={level}").parse().expect("a target and a level"));
    }
    Ok(filter)
}

fn level(common: &Common, env: Env) -> LevelFilter {
    let debug = env("DEBUG").is_some_and(|word| matches!(&*word.to_lowercase(), "yes" | "true" | "t" | "1"));
    match (common.quiet, common.verbose.max(debug.into())) {
        (0, 2..) => LevelFilter::TRACE,
        (0, 1) => LevelFilter::DEBUG,
        (0, 0) => LevelFilter::INFO,
        (1, _) => LevelFilter::WARN,
        (2, _) => LevelFilter::ERROR,
        (3.., _) => LevelFilter::OFF,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        common: Common,
    }

    fn common(flags: &[&str]) -> Common {
        Flags::try_parse_from(std::iter::once(&"tidings").chain(flags)).expect("flags").common
    }

    fn with(name: &'static str, value: &'static str) -> impl Fn(&str) -> Option<String> {
        move |variable| (variable == name).then(|| value.to_owned())
    }

    #[test]
    fn flags_and_debug_set_the_level() {
        let nothing = |_: &str| None;
        for (flags, expected) in [
            (&[][..], LevelFilter::INFO),
            (&["-v"], LevelFilter::DEBUG),
            (&["-vv"], LevelFilter::TRACE),
            (&["-q"], LevelFilter::WARN),
            (&["-qq"], LevelFilter::ERROR),
            (&["-qqq"], LevelFilter::OFF),
        ] {
            assert_eq!(level(&common(flags), &nothing), expected, "{flags:?}");
        }
        for word in ["yes", "YES", "true", "T", "1"] {
            assert_eq!(level(&common(&[]), &with("DEBUG", word)), LevelFilter::DEBUG, "{word}");
        }
        for word in ["no", "0", "false"] {
            assert_eq!(level(&common(&[]), &with("DEBUG", word)), LevelFilter::INFO, "{word}");
        }
        assert_eq!(level(&common(&["-q"]), &with("DEBUG", "yes")), LevelFilter::WARN);
        assert_eq!(level(&common(&["-vv"]), &with("DEBUG", "yes")), LevelFilter::TRACE);
    }

    #[test]
    fn no_filter_lets_libraries_log_credentials() {
        let filtered =
            filter(&common(&[]), &with("TIDINGS_LOG", "trace,tungstenite=trace")).expect("a filter").to_string();
        assert!(filtered.contains("tungstenite=warn") && !filtered.contains("tungstenite=trace"), "{filtered}");
        let failure = filter(&common(&[]), &with("TIDINGS_LOG", "tidings=loud")).expect_err("no level");
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[test]
    fn color_is_for_terminals_unless_set_otherwise() {
        let nothing = |_: &str| None;
        assert!(in_color(ColorChoice::Auto, true, &nothing));
        assert!(!in_color(ColorChoice::Auto, false, &nothing));
        assert!(!in_color(ColorChoice::Auto, true, &with("NO_COLOR", "1")));
        assert!(in_color(ColorChoice::Always, false, &with("NO_COLOR", "1")));
        assert!(!in_color(ColorChoice::Never, true, &nothing));
    }
}
