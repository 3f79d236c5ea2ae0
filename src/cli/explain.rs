//! `tidings explain`: which relays would take an event, which would not, and why.

use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::admin_client::{self, Question};
use super::args::{Common, ExplainArgs};
use super::check;
use super::failure::{Exit, Failure};
use super::print;
use crate::admin::ExplainRequest;
use crate::admin::types::{Explained, RelayExplained, SilenceShown};
use crate::app::explained;
use crate::relay::Relays;

/// What the admin API takes; more is no event.
const EVENT: u64 = 1 << 20;

pub(super) fn explain(common: &Common, args: &ExplainArgs) -> Result<Exit, Failure> {
    let event = match (&args.id, &args.file) {
        (Some(id), _) => json!({ "id": id }),
        (None, Some(file)) if file != Path::new("-") => from_file(file)?,
        _ => from("standard input", std::io::stdin().lock())?,
    };
    let asked = admin_client::ask(common, &args.ask, Question::post("/api/v1/explain", event.clone()));
    let answer = match asked {
        // With nobody there, relays.toml itself can answer for an event that we hold in hand.
        Err(failure) if failure.exit == Exit::Unreachable && args.id.is_none() => offline(common, &event)?,
        asked => asked?,
    };
    if args.ask.json {
        print::json(&answer)?;
    } else {
        print::out(&listing(&admin_client::read(answer)?))?;
    }
    Ok(Exit::Fine)
}

fn offline(common: &Common, event: &Value) -> Result<Value, Failure> {
    let relays = Relays::compile(check::read(common)?.relays);
    let wrong = |said: String| Failure::new(Exit::Usage, said);
    match ExplainRequest::read(event, Timestamp::now()) {
        Ok(ExplainRequest::Shown(event)) => Ok(json!(explained(&relays, &event))),
        Ok(ExplainRequest::Stored(id)) => Err(wrong(format!("only a running daemon knows the event {id}"))),
        Err(refusal) => Err(wrong(refusal.error().to_owned()).hint(refusal.hint().to_owned())),
    }
}

fn from_file(path: &Path) -> Result<Value, Failure> {
    let file = std::fs::File::open(path)
        .map_err(|error| Failure::new(Exit::Usage, format!("{} cannot be read: {error}", path.display())))?;
    from(&path.display().to_string(), file)
}

fn from(name: &str, reader: impl std::io::Read) -> Result<Value, Failure> {
    let mut text = String::new();
    let read = reader.take(EVENT).read_to_string(&mut text);
    read.map_err(|error| Failure::new(Exit::Usage, format!("{name} cannot be read: {error}")))?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::new(Exit::Usage, format!("{name} is no event: {error}"))
            .hint(r#"write it like {"source": "prod", "type": "service.update", "subject": "…", "data": {…}}"#)
    })
}

fn listing(explained: &Explained) -> String {
    let event = &explained.event;
    let head = print::one_line(format!("{} {} {}", event.source, event.r#type, event.subject).trim_end());
    let row = |relay: &RelayExplained| {
        let to = if relay.took { relay.to.join(", ") } else { String::new() };
        let (verdict, why) = match (&relay.silence, relay.took) {
            (Some(SilenceShown { id, why, until, .. }), true) => {
                let until = print::local(until);
                ("is hushed", format!("it would take it, but silence {id} ({why}, until {until}) hushes it"))
            }
            (None, true) => ("takes it", relay.why.clone()),
            (_, false) => ("does not", relay.why.clone()),
        };
        [relay.relay.clone(), verdict.to_owned(), to, why]
    };
    let rows: Vec<_> = explained.relays.iter().map(row).collect();
    format!("{head}\n\n{}", print::table(["RELAY", "VERDICT", "TO", "WHY"], &rows, "there are no relays"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::types::EventShown;

    #[test]
    fn every_relay_says_what_it_makes_of_the_event() {
        let relay = |name: &str, took, why: &str| RelayExplained {
            relay: name.to_owned(),
            took,
            why: why.to_owned(),
            to: vec!["ops".to_owned(), "room".to_owned()],
            silence: None,
        };
        let event =
            EventShown { source: "prod".to_owned(), r#type: "service.update".to_owned(), ..EventShown::default() };
        let silence = SilenceShown { id: 3, why: "deploy".to_owned(), until: "14:00".to_owned(), ..Default::default() };
        let silenced = RelayExplained { silence: Some(silence), ..relay("all", true, "all of it matches") };
        let relays =
            vec![relay("services", true, "all of it matches"), relay("nodes", false, "type is no node.*"), silenced];
        insta::assert_snapshot!(listing(&Explained { event, relays }), @"
        prod service.update

        RELAY     VERDICT    TO         WHY
        services  takes it   ops, room  all of it matches
        nodes     does not   -          type is no node.*
        all       is hushed  ops, room  it would take it, but silence 3 (deploy, until 14:00) hushes it
        ");
    }

    #[test]
    fn what_is_no_event_is_refused_before_anyone_is_asked() {
        assert_eq!(from("it", &b"{\"type\":1}"[..]).expect("JSON"), json!({"type": 1}));
        let failure = from("it", &b"nope"[..]).expect_err("no JSON");
        assert_eq!(failure.exit, Exit::Usage);
    }
}
