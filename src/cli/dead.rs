//! `tidings dead`: what could not be delivered, and what is to become of it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::admin_client::{self, Question};
use super::args::{Ask, Common, DeadChoice, DeadFilter, DeadVerb};
use super::failure::{Exit, Failure};
use super::print;
use crate::admin::types::{Dead, DeadShown, Moved};
use crate::message::Markup;

pub(super) fn dead(common: &Common, verb: &DeadVerb) -> Result<Exit, Failure> {
    match verb {
        DeadVerb::List { filter, limit, ask } => list(common, filter, *limit, ask)?,
        DeadVerb::Show { id, ask } => show(common, *id, ask)?,
        DeadVerb::Replay(choice) => change(common, choice, "/api/v1/dead/replay", "to be delivered once more")?,
        DeadVerb::Drop(choice) => change(common, choice, "/api/v1/dead/drop", "dropped")?,
    }
    Ok(Exit::Fine)
}

fn list(common: &Common, filter: &DeadFilter, limit: usize, ask: &Ask) -> Result<(), Failure> {
    let DeadFilter { relay, sink, older_than } = filter.clone();
    let query = [("relay", relay), ("sink", sink), ("older_than", older_than), ("limit", Some(limit.to_string()))];
    let answer = admin_client::ask(common, ask, Question::get("/api/v1/dead", query))?;
    if ask.json { print::json(&answer) } else { print::out(&listing(admin_client::read(answer)?, Timestamp::now())) }
}

fn listing(dead: Dead, now: Timestamp) -> String {
    let row = |letter: DeadShown| {
        let DeadShown { id, since, relay, sink, attempts, tries, why, .. } = letter;
        let tried = print::age(tries.last().map(String::as_str), now);
        [id.to_string(), print::age(Some(&since), now), relay, sink, attempts.to_string(), tried, why]
    };
    let rows: Vec<_> = dead.dead.into_iter().map(row).collect();
    print::table(["ID", "SINCE", "RELAY", "SINK", "ATTEMPTS", "LAST TRY", "WHY"], &rows, "no dead letters")
}

fn show(common: &Common, id: i64, ask: &Ask) -> Result<(), Failure> {
    let answer = admin_client::ask(common, ask, Question::get("/api/v1/dead", [("ids", Some(id.to_string()))]))?;
    let dead: Dead = admin_client::read(answer.clone())?;
    let Some(letter) = dead.dead.into_iter().find(|letter| letter.id == id) else {
        let failure = Failure::new(Exit::Usage, format!("there is no dead letter {id}"));
        return Err(failure.hint("`tidings dead list` shows those there are"));
    };
    if ask.json { print::json(&answer["dead"][0]) } else { print::out(&whole(&letter)) }
}

fn whole(letter: &DeadShown) -> String {
    let rows = [
        ["id", &letter.id.to_string()],
        ["since", &print::local(&letter.since)],
        ["relay", &letter.relay],
        ["sink", &letter.sink],
        ["attempts", &letter.attempts.to_string()],
    ];
    let head = print::table(["why", &Markup::Plain.escaped(&letter.why)], &rows.map(|row| row.map(str::to_owned)), "");
    let mut text = head;
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

fn change(common: &Common, choice: &DeadChoice, path: &'static str, done: &str) -> Result<(), Failure> {
    let answer = admin_client::ask(common, &choice.ask, Question::post(path, body(choice)))?;
    if choice.ask.json {
        return print::json(&answer);
    }
    let Moved { count } = admin_client::read(answer)?;
    let letters = if count == 1 { "dead letter is" } else { "dead letters are" };
    print::out(&format!("{count} {letters} {done}\n"))
}

/// The choice as the admin API wants it: only what was said.
fn body(choice: &DeadChoice) -> Value {
    let DeadFilter { relay, sink, older_than } = &choice.filter;
    let mut body = json!({});
    let words = [("relay", relay), ("sink", sink), ("older_than", older_than)];
    for (name, said) in words.into_iter().filter_map(|(name, said)| Some((name, said.as_ref()?))) {
        body[name] = said.as_str().into();
    }
    if choice.all {
        body["all"] = true.into();
    }
    if !choice.ids.is_empty() {
        body["ids"] = choice.ids.clone().into();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> DeadShown {
        DeadShown {
            id: 7,
            since: "1970-01-01T00:00:00Z".to_owned(),
            relay: "services".to_owned(),
            sink: "ops".to_owned(),
            attempts: 3,
            tries: ["1970-01-01T00:00:00Z", "1970-01-01T00:02:00Z"].map(str::to_owned).to_vec(),
            why: "404: no_service".to_owned(),
            reply: Some("no_service\nask somebody".to_owned()),
            event: json!({"type": "service.update"}),
        }
    }

    #[test]
    fn a_dead_letter_says_why() {
        let now = Timestamp::from_second(180).expect("a time");
        insta::assert_snapshot!(listing(Dead { dead: vec![letter()], total: 1 }, now), @"
        ID  SINCE  RELAY     SINK  ATTEMPTS  LAST TRY  WHY
        7   3m     services  ops   3         1m        404: no_service
        ");
        assert_eq!(listing(Dead::default(), now), "no dead letters\n");
    }

    #[test]
    fn only_what_was_chosen_is_asked_for() {
        let filter = DeadFilter { sink: Some("ops".to_owned()), ..DeadFilter::default() };
        let choice = DeadChoice { ids: vec![1, 2], filter, ..DeadChoice::default() };
        assert_eq!(body(&choice), json!({"ids": [1, 2], "sink": "ops"}));
        assert_eq!(body(&DeadChoice { all: true, ..DeadChoice::default() }), json!({"all": true}));
    }

    #[test]
    fn a_whole_letter_shows_its_attempts_the_answer_and_its_event() {
        let text = whole(&letter());
        let (_, tried) = text.split_once("tried\n").expect("its attempts");
        assert!(tried.starts_with("  1970-01-01T") || tried.starts_with("  1969-12-31T"), "{text}");
        assert!(text.contains("\nreply\nno_service\nask somebody\nevent\n"), "{text}");
        assert!(text.starts_with("why       404: no_service\nid        7\n"), "{text}");
        assert!(text.ends_with("event\n{\n  \"type\": \"service.update\"\n}\n"), "{text}");
    }
}
