//! `tidings silence`: what is not to be said for a while.

use jiff::Timestamp;
use serde_json::json;

use super::admin_client::{self, Question};
use super::args::{Ask, Common, Expiry, NewSilence, SilenceVerb};
use super::failure::{Exit, Failure};
use super::print;
use crate::admin::types::{Moved, SilenceShown, Silences};

const PATH: &str = "/api/v1/silences";

pub(super) fn silence(common: &Common, verb: &SilenceVerb) -> Result<Exit, Failure> {
    match verb {
        SilenceVerb::Add(new) => add(common, new)?,
        SilenceVerb::List { expired, ask } => list(common, *expired, ask)?,
        SilenceVerb::Expire(expiry) => expire(common, expiry)?,
    }
    Ok(Exit::Fine)
}

fn add(common: &Common, new: &NewSilence) -> Result<(), Failure> {
    let NewSilence { matches, relay, all, r#for, why, ask } = new;
    let body = json!({ "matches": matches, "relay": relay, "for": r#for, "why": why, "all": all });
    let answer = admin_client::ask(common, ask, Question::post(PATH, body))?;
    if ask.json { print::json(&answer) } else { print::out(&added(&admin_client::read(answer)?)) }
}

fn added(silence: &SilenceShown) -> String {
    let SilenceShown { id, until, .. } = silence;
    format!("silence {id} is in force until {}: {}\n", print::local(until), matches(silence))
}

fn list(common: &Common, expired: bool, ask: &Ask) -> Result<(), Failure> {
    let query = [("expired", expired.then(|| "true".to_owned()))];
    let answer = admin_client::ask(common, ask, Question::get(PATH, query))?;
    if ask.json { print::json(&answer) } else { print::out(&listing(&admin_client::read(answer)?, Timestamp::now())) }
}

fn listing(silences: &Silences, now: Timestamp) -> String {
    let row = |silence: &SilenceShown| {
        let state = match &silence.ended {
            Some(ended) => format!("over for {}", print::age(Some(ended), now)),
            None => format!("until {}", print::local(&silence.until)),
        };
        let SilenceShown { id, since, why, .. } = silence;
        [id.to_string(), print::age(Some(since), now), state, matches(silence), why.clone()]
    };
    let rows: Vec<_> = silences.silences.iter().map(row).collect();
    print::table(["ID", "SINCE", "STATE", "MATCH", "WHY"], &rows, "no silences")
}

fn matches(silence: &SilenceShown) -> String {
    if silence.matches.is_empty() { "everything".to_owned() } else { print::one_line(&silence.matches.join(" ")) }
}

fn expire(common: &Common, expiry: &Expiry) -> Result<(), Failure> {
    let body = expiry.id.map_or_else(|| json!({ "all": expiry.all }), |id| json!({ "id": id }));
    let answer = admin_client::ask(common, &expiry.ask, Question::post("/api/v1/silences/expire", body))?;
    if expiry.ask.json {
        return print::json(&answer);
    }
    let Moved { count } = admin_client::read(answer)?;
    let silences = if count == 1 { "silence is" } else { "silences are" };
    print::out(&format!("{count} {silences} over\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_says_what_it_hushes_how_long_and_why() {
        let at = |second| Timestamp::from_second(second).expect("a time").to_string();
        let silence = |id, matches: &[&str], ended: Option<i64>| SilenceShown {
            id,
            matches: matches.iter().map(|said| (*said).to_owned()).collect(),
            why: "deploy".to_owned(),
            since: at(0),
            until: "14:00".to_owned(),
            ended: ended.map(at),
        };
        let silences = vec![
            silence(3, &["type=container.*", "data.x=\t1"], None),
            silence(2, &["relay=one"], Some(500)),
            silence(4, &[], None),
        ];
        insta::assert_snapshot!(listing(&Silences { silences }, Timestamp::from_second(600).expect("a time")), @"
        ID  SINCE  STATE        MATCH                       WHY
        3   10m    until 14:00  type=container.* data.x= 1  deploy
        2   10m    over for 1m  relay=one                   deploy
        4   10m    until 14:00  everything                  deploy
        ");
        assert_eq!(listing(&Silences::default(), Timestamp::UNIX_EPOCH), "no silences\n");
        assert_eq!(added(&silence(3, &["type=a"], None)), "silence 3 is in force until 14:00: type=a\n");
    }
}
