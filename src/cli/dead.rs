//! `tidings dead`: lists, shows, replays and drops dead letters.

use jiff::Timestamp;
use serde_json::Value;

use super::admin_client::{self, ApiRequest};
use super::common::{AdminArgs, Call, Common};
use super::failure::{Exit, Failure};
use super::print;
use crate::admin::types::{Count, DeadLetter, DeadLetters, DeadRequest, paths};
use crate::message::Markup;

#[derive(Debug, clap::Subcommand)]
pub(super) enum DeadVerb {
    /// List dead letters, the oldest first
    List(Call<DeadRequest>),
    /// Show a dead letter with its event
    Show {
        id: i64,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Deliver dead letters again
    Replay(Selection),
    /// Delete dead letters
    Drop(Selection),
}

/// At least one selection is required: an empty one is a mistake, not everything.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "selection", required = true, multiple = true, args = ["ids", "all", "relay", "sink", "older_than"])]
pub(super) struct Selection {
    #[command(flatten)]
    pub(super) call: Call<DeadRequest>,
}

pub(super) fn run(common: &Common, verb: &DeadVerb) -> Result<Exit, Failure> {
    match verb {
        DeadVerb::List(Call { request, admin }) => {
            let request = ApiRequest::get(paths::DEAD, request);
            admin_client::show(common, admin, request, |letters| listing(letters, Timestamp::now()))
        }
        DeadVerb::Show { id, admin } => show(common, *id, admin),
        DeadVerb::Replay(selection) => change(common, selection, paths::DEAD_REPLAY, "replayed"),
        DeadVerb::Drop(selection) => change(common, selection, paths::DEAD_DROP, "dropped"),
    }
}

fn listing(letters: DeadLetters, now: Timestamp) -> String {
    let row = |letter: DeadLetter| {
        let DeadLetter { id, since, relay, sink, attempts, tries, why, .. } = letter;
        let tried = print::age(tries.last().map(String::as_str), now);
        [id.to_string(), print::age(Some(&since), now), relay, sink, attempts.to_string(), tried, why]
    };
    let rows: Vec<_> = letters.dead.into_iter().map(row).collect();
    print::table(["ID", "SINCE", "RELAY", "SINK", "ATTEMPTS", "LAST TRY", "WHY"], &rows, "no dead letters")
}

fn show(common: &Common, id: i64, admin: &AdminArgs) -> Result<Exit, Failure> {
    let request = DeadRequest { ids: vec![id], ..DeadRequest::default() };
    let mut response = admin_client::call(common, admin, ApiRequest::get(paths::DEAD, &request))?;
    let Some(letter) = response.pointer_mut("/dead/0").map(Value::take) else {
        let failure = Failure::new(Exit::Usage, format!("there is no dead letter {id}"));
        return Err(failure.hint("`tidings dead list` shows all of them"));
    };
    admin_client::print(admin, letter, |letter| details(&letter))
}

fn details(letter: &DeadLetter) -> String {
    let rows = [
        ["id", &letter.id.to_string()],
        ["since", &print::local(&letter.since)],
        ["relay", &letter.relay],
        ["sink", &letter.sink],
        ["attempts", &letter.attempts.to_string()],
    ];
    let why = Markup::Plain.escaped(&letter.why);
    let mut text = print::table(["why", &why], &rows.map(|row| row.map(str::to_owned)), "");
    if !letter.tries.is_empty() {
        text.push_str("tried\n");
        letter.tries.iter().for_each(|time| text.extend(["  ", &print::one_line(&print::local(time)), "\n"]));
    }
    if let Some(reply) = &letter.reply {
        text.extend(["reply\n", &Markup::Plain.escaped(reply), "\n"]);
    }
    text.extend(["event\n", &Markup::Plain.escaped(&format!("{:#}", letter.event)), "\n"]);
    text
}

fn change(common: &Common, Selection { call }: &Selection, path: &'static str, done: &str) -> Result<Exit, Failure> {
    let request = ApiRequest::post(path, &call.request);
    admin_client::show(common, &call.admin, request, |Count { count }| print::count(count, "dead letter", done))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn letter() -> DeadLetter {
        DeadLetter {
            id: 7,
            since: "1970-01-01T00:00:00Z".to_owned(),
            relay: "services".to_owned(),
            sink: "ops".to_owned(),
            attempts: 3,
            tries: ["1970-01-01T00:00:00Z", "1970-01-01T00:02:00Z"].map(str::to_owned).to_vec(),
            why: "404: no_service".to_owned(),
            reply: Some("no_service\nask the admin".to_owned()),
            event: json!({"type": "service.update"}),
        }
    }

    #[test]
    fn a_dead_letter_is_listed_with_its_reason() {
        let now = Timestamp::from_second(180).expect("a time");
        insta::assert_snapshot!(listing(DeadLetters { dead: vec![letter()], total: 1 }, now), @"
        ID  SINCE  RELAY     SINK  ATTEMPTS  LAST TRY  WHY
        7   3m     services  ops   3         1m        404: no_service
        ");
        assert_eq!(listing(DeadLetters::default(), now), "no dead letters\n");
    }

    #[test]
    fn the_details_show_the_attempts_the_reply_and_the_event() {
        let text = details(&letter());
        let (_, tried) = text.split_once("tried\n").expect("its attempts");
        assert!(tried.starts_with("  1970-01-01T") || tried.starts_with("  1969-12-31T"), "{text}");
        assert!(text.contains("\nreply\nno_service\nask the admin\nevent\n"), "{text}");
        assert!(text.starts_with("why       404: no_service\nid        7\n"), "{text}");
        assert!(text.ends_with("event\n{\n  \"type\": \"service.update\"\n}\n"), "{text}");
    }
}
