//! `tidings explain`: which relays take an event, and why.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::admin_client::{self, ApiRequest};
use super::common::{AdminArgs, Common};
use super::config_file;
use super::failure::{Exit, Failure};
use super::print;
use crate::admin::types::{ExplainRequest, ExplainTarget, Explanation, RelayVerdict, Silence, paths};
use crate::app;
use crate::relay::Relays;

/// The limit of the admin API.
const MAX_EVENT: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
#[group(id = "event", required = true, multiple = false, args = ["file", "stdin", "id"])]
pub(super) struct ExplainArgs {
    /// A file with an event as JSON: source, type, subject, data
    #[arg(long, value_name = "EVENT.json")]
    file: Option<PathBuf>,
    /// Read the event from standard input
    #[arg(value_name = "-", value_parser = ["-"], hide_possible_values = true)]
    stdin: Option<String>,
    /// The id of an event that the daemon knows
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(common: &Common, args: &ExplainArgs) -> Result<Exit, Failure> {
    let event = match (&args.id, &args.file) {
        (Some(id), _) => json!({ "id": id }),
        (None, Some(file)) if file != Path::new("-") => from_file(file)?,
        _ => from("standard input", std::io::stdin().lock())?,
    };
    let request: ExplainRequest = serde_json::from_value(event)
        .map_err(|error| Failure::new(Exit::Usage, format!("this is not an event: {error}")))?;
    let response = match admin_client::call(common, &args.admin, ApiRequest::post(paths::EXPLAIN, &request)) {
        // Without a daemon, relays.toml is enough to explain a given event.
        Err(failure) if failure.exit == Exit::Unreachable && args.id.is_none() => offline(common, request)?,
        response => response?,
    };
    admin_client::print(&args.admin, response, |explanation| listing(&explanation))
}

fn offline(common: &Common, request: ExplainRequest) -> Result<Value, Failure> {
    let relays = Relays::compile(config_file::load(common)?.relays);
    match request.checked(Timestamp::now()) {
        Ok(ExplainTarget::Given(event)) => Ok(json!(app::explain(&relays, &event))),
        Ok(ExplainTarget::Known(id)) => {
            Err(Failure::new(Exit::Usage, format!("only a running daemon knows the event {id}")))
        }
        Err(refusal) => Err(Failure::new(Exit::Usage, refusal.error).hint(refusal.hint)),
    }
}

fn from_file(path: &Path) -> Result<Value, Failure> {
    let file = std::fs::File::open(path)
        .map_err(|error| Failure::new(Exit::Usage, format!("{} cannot be read: {error}", path.display())))?;
    from(&path.display().to_string(), file)
}

fn from(name: &str, reader: impl std::io::Read) -> Result<Value, Failure> {
    let mut text = String::new();
    let read = reader.take(MAX_EVENT).read_to_string(&mut text);
    read.map_err(|error| Failure::new(Exit::Usage, format!("{name} cannot be read: {error}")))?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::new(Exit::Usage, format!("{name} is not an event: {error}"))
            .hint(r#"write it like {"source": "prod", "type": "service.update", "subject": "…", "data": {…}}"#)
    })
}

fn listing(explanation: &Explanation) -> String {
    let event = &explanation.event;
    let head = print::one_line(format!("{} {} {}", event.source, event.r#type, event.subject).trim_end());
    let row = |relay: &RelayVerdict| {
        let to = if relay.took { relay.to.join(", ") } else { String::new() };
        let (verdict, why) = match (&relay.silence, relay.took) {
            (Some(Silence { id, why, until, .. }), true) => {
                let until = print::local(until);
                ("silenced", format!("it matches, but silence {id} ({why}, until {until}) suppresses it"))
            }
            (None, true) => ("takes it", relay.why.clone()),
            (_, false) => ("does not", relay.why.clone()),
        };
        [relay.relay.clone(), verdict.to_owned(), to, why]
    };
    let rows: Vec<_> = explanation.relays.iter().map(row).collect();
    format!("{head}\n\n{}", print::table(["RELAY", "VERDICT", "TO", "WHY"], &rows, "there are no relays"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::types::EventRecord;

    #[test]
    fn every_relay_is_listed_with_its_verdict() {
        let relay = |name: &str, took, why: &str| RelayVerdict {
            relay: name.to_owned(),
            took,
            why: why.to_owned(),
            to: vec!["ops".to_owned(), "room".to_owned()],
            silence: None,
        };
        let event =
            EventRecord { source: "prod".to_owned(), r#type: "service.update".to_owned(), ..EventRecord::default() };
        let silence = Silence { id: 3, why: "deploy".to_owned(), until: "14:00".to_owned(), ..Default::default() };
        let silenced = RelayVerdict { silence: Some(silence), ..relay("all", true, "everything matches") };
        let relays =
            vec![relay("services", true, "everything matches"), relay("nodes", false, "type is not node.*"), silenced];
        insta::assert_snapshot!(listing(&Explanation { event, relays }), @"
        prod service.update

        RELAY     VERDICT   TO         WHY
        services  takes it  ops, room  everything matches
        nodes     does not  -          type is not node.*
        all       silenced  ops, room  it matches, but silence 3 (deploy, until 14:00) suppresses it
        ");
    }

    #[test]
    fn text_that_is_not_json_is_refused_without_a_request() {
        assert_eq!(from("it", &b"{\"type\":1}"[..]).expect("JSON"), json!({"type": 1}));
        let failure = from("it", &b"nope"[..]).expect_err("no JSON");
        assert_eq!(failure.exit, Exit::Usage);
    }
}
