//! The command line as people type it.

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::*;
use crate::cli::{Exit, refused};

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(line.split(' '))
}

#[test]
fn the_words_are_in_order() {
    Args::command().debug_assert();
}

#[test]
fn help_reads_like_this() {
    insta::assert_snapshot!(Args::command().term_width(100).render_help(), @"
    Brings what happens in your infrastructure into the place where your team talks

    Usage: tidings [OPTIONS] [COMMAND]

    Commands:
      run      Run the daemon (also when no verb is given)
      check    Read relays.toml and report every fault in it; nothing is contacted
      demo     Show what it does, against stand-ins on this machine; needs nothing
      explain  Say which relays would take an event, which would not, and why
      events   List the latest events and what became of them
      dead     List, show, replay or drop what could not be delivered
      silence  Hush what is expected for a while: add, list or expire silences
      status   Show how sources and sinks are, and which incidents are open

    Options:
      -c, --config <FILE>      Where relays.toml is [env: TIDINGS_CONFIG] [default: ./relays.toml, else /etc/tidings/relays.toml]
          --log-format <FORM>  How the log is written to stderr [default: text] [possible values: text, json]
      -v, --verbose...         Log more; twice: everything of our own
      -q, --quiet...           Log warnings only; twice: errors only; three times: nothing
          --color <WHEN>       Whether output is coloured; auto respects NO_COLOR [default: auto] [possible values: auto, always, never]
      -h, --help               Print help
      -V, --version            Print version
    ");
}

#[test]
fn without_a_verb_the_daemon_runs() {
    assert!(parse("tidings").expect("nothing is fine").verb.is_none());
    let args = parse("tidings -c /etc/t.toml -vv --log-format json run").expect("a line");
    assert!(matches!(args.verb, Some(Verb::Run)));
    assert_eq!((args.common.verbose, args.common.log_format), (2, LogFormat::Json));
    let after = parse("tidings check --config x.toml").expect("flags may follow the verb");
    assert_eq!(after.common.config, Some(PathBuf::from("x.toml")));
}

#[test]
fn what_cannot_be_meant_is_a_mistake_in_usage() {
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
        let said = parse(line).expect_err(line);
        assert!(said.use_stderr(), "{line}");
    }
    assert_eq!(refused(&parse("tidings fly").expect_err("no verb")), Exit::Usage);
    let help = parse("tidings --version").expect_err("a version is no verb");
    assert_eq!(help.kind(), ErrorKind::DisplayVersion);
    assert!(!help.use_stderr());
}

#[test]
fn a_choice_of_dead_letters_is_understood() {
    let Some(Verb::Dead(DeadVerb::Replay(choice))) = parse("tidings dead replay 3 5 --sink ops").expect("a line").verb
    else {
        panic!("that is a replay")
    };
    assert_eq!((choice.ids, choice.filter.sink.as_deref(), choice.all), (vec![3, 5], Some("ops"), false));
    assert!(parse("tidings dead drop --all").is_ok());
    assert!(parse("tidings dead drop --older-than 7d").is_ok());
}

#[test]
fn a_silence_is_understood() {
    let line = "tidings silence add --match type=a.* --match data.x!=1 --relay one --for 2h --why deploy";
    let Some(Verb::Silence(SilenceVerb::Add(new))) = parse(line).expect("a line").verb else {
        panic!("that is a silence")
    };
    assert_eq!(
        (new.matches, new.relay.as_deref(), &*new.r#for),
        (vec!["type=a.*".into(), "data.x!=1".into()], Some("one"), "2h")
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
fn an_event_to_explain_comes_from_one_place() {
    for line in
        ["tidings explain -", "tidings explain --file e.json", "tidings explain --file -", "tidings explain --id t-1"]
    {
        assert!(matches!(parse(line).expect(line).verb, Some(Verb::Explain(_))), "{line}");
    }
}
