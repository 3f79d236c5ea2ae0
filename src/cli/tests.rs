//! The command line as users type it.

use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::*;
use common::{Call, LogFormat};
use dead::DeadVerb;
use silence::SilenceVerb;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(line.split(' '))
}

#[test]
fn the_definitions_are_consistent() {
    Args::command().debug_assert();
}

#[test]
fn the_help_is_complete() {
    insta::assert_snapshot!(Args::command().term_width(100).render_help(), @"
    Sends infrastructure events to the chat where your team works, and pages the on-call

    Usage: tidings [OPTIONS] [COMMAND]

    Commands:
      run      Run the daemon (the default)
      check    Check relays.toml and report every error; contacts nothing
      demo     Run a demonstration against stand-ins on this machine; needs no configuration
      explain  Show which relays take an event, and why
      events   List the latest events and their deliveries
      dead     List, show, replay or drop dead letters
      silence  Add, list or expire silences
      status   Show sources, sinks and open incidents

    Options:
      -c, --config <FILE>        Path of relays.toml [env: TIDINGS_CONFIG] [default: ./relays.toml, else /etc/tidings/relays.toml]
          --log-format <FORMAT>  Format of the log on stderr [default: text] [possible values: text, json]
      -v, --verbose...           Log more; twice: everything
      -q, --quiet...             Log warnings only; twice: errors only; three times: nothing
          --color <WHEN>         Whether output is coloured; auto respects NO_COLOR [default: auto] [possible values: auto, always, never]
      -h, --help                 Print help
      -V, --version              Print version
    ");
}

#[test]
fn without_a_verb_the_daemon_runs() {
    assert!(parse("tidings").expect("no arguments").verb.is_none());
    let args = parse("tidings -c /etc/t.toml -vv --log-format json run").expect("a line");
    assert!(matches!(args.verb, Some(Verb::Run)));
    assert_eq!((args.common.verbose, args.common.log_format), (2, LogFormat::Json));
    let after = parse("tidings check --config x.toml").expect("flags may follow the verb");
    assert_eq!(after.common.config, Some(PathBuf::from("x.toml")));
}

#[test]
fn invalid_command_lines_are_usage_errors() {
    for line in [
        "tidings fly",
        "tidings --colour never",
        "tidings -v -q",
        "tidings --log-format xml",
        "tidings dead",
        "tidings dead replay",
        "tidings dead drop --json",
        "tidings dead replay --all --sink ops",
        "tidings dead replay one",
        "tidings silence",
        "tidings silence add --for 2h --why deploy",
        "tidings silence add --match type=a --for 2h",
        "tidings silence add --match type=a --why deploy",
        "tidings silence add --all --match type=a --for 2h --why deploy",
        "tidings silence expire",
        "tidings silence expire 3 --all",
        "tidings silence expire three",
        "tidings explain",
        "tidings explain event.json",
        "tidings explain - --id e-1",
        "tidings events --limit many",
        "tidings serve",
    ] {
        let error = parse(line).expect_err(line);
        assert!(error.use_stderr(), "{line}");
    }
    assert_eq!(print_usage(&parse("tidings fly").expect_err("no verb")), Exit::Usage);
    let help = parse("tidings --version").expect_err("a version is no verb");
    assert_eq!(help.kind(), ErrorKind::DisplayVersion);
    assert!(!help.use_stderr());
}

#[test]
fn a_selection_of_dead_letters_is_parsed() {
    let Some(Verb::Dead(DeadVerb::Replay(selection))) =
        parse("tidings dead replay 3 5 --sink ops").expect("a line").verb
    else {
        panic!("that is a replay")
    };
    let request = selection.call.request;
    assert_eq!((request.ids, request.sink.as_deref(), request.all), (vec![3, 5], Some("ops"), false));
    assert!(parse("tidings dead drop --all").is_ok());
    assert!(parse("tidings dead drop --older-than 7d").is_ok());
}

#[test]
fn a_silence_is_parsed() {
    let line = "tidings silence add --match type=a.* --match data.x!=1 --relay one --for 2h --why deploy";
    let Some(Verb::Silence(SilenceVerb::Add(Call { request, .. }))) = parse(line).expect("a line").verb else {
        panic!("that is a silence")
    };
    assert_eq!(
        (request.matches, request.relay.as_deref(), request.r#for),
        (vec!["type=a.*".into(), "data.x!=1".into()], Some("one"), Some(Duration::from_secs(7200)))
    );
    for line in [
        "tidings silence add --all --for 2h --why deploy --json",
        "tidings silence add --relay one --for 2h --why deploy",
        "tidings silence list --expired",
        "tidings silence expire 3",
        "tidings silence expire --all",
    ] {
        assert!(matches!(parse(line).expect(line).verb, Some(Verb::Silence(_))), "{line}");
    }
}

#[test]
fn an_event_to_explain_has_one_origin() {
    for line in
        ["tidings explain -", "tidings explain --file e.json", "tidings explain --file -", "tidings explain --id t-1"]
    {
        assert!(matches!(parse(line).expect(line).verb, Some(Verb::Explain(_))), "{line}");
    }
}
