//! `tidings silence`: adds, lists and expires silences.

use jiff::Timestamp;

use super::admin_client::{self, ApiRequest};
use super::common::{Call, Common};
use super::failure::{Exit, Failure};
use super::print;
use crate::admin::types::{Count, ExpireRequest, NewSilence, Silence, Silences, SilencesRequest, paths};

#[derive(Debug, clap::Subcommand)]
pub(super) enum SilenceVerb {
    /// Suppress matching messages for a while; they are recorded with the reason, but not sent
    Add(Call<NewSilence>),
    /// List the active silences
    List(Call<SilencesRequest>),
    /// End a silence early
    Expire(Call<ExpireRequest>),
}

pub(super) fn run(common: &Common, verb: &SilenceVerb) -> Result<Exit, Failure> {
    match verb {
        SilenceVerb::Add(Call { request, admin }) => {
            let request = ApiRequest::post(paths::SILENCES, request);
            admin_client::show(common, admin, request, |silence| added(&silence))
        }
        SilenceVerb::List(Call { request, admin }) => {
            let request = ApiRequest::get(paths::SILENCES, request);
            admin_client::show(common, admin, request, |silences| listing(&silences, Timestamp::now()))
        }
        SilenceVerb::Expire(Call { request, admin }) => {
            let request = ApiRequest::post(paths::SILENCES_EXPIRE, request);
            admin_client::show(common, admin, request, |Count { count }| print::count(count, "silence", "ended"))
        }
    }
}

fn added(silence: &Silence) -> String {
    let Silence { id, until, .. } = silence;
    format!("silence {id} is active until {}: {}\n", print::local(until), matches(silence))
}

fn listing(silences: &Silences, now: Timestamp) -> String {
    let row = |silence: &Silence| {
        let state = match &silence.ended {
            Some(ended) => format!("ended {} ago", print::age(Some(ended), now)),
            None => format!("until {}", print::local(&silence.until)),
        };
        let Silence { id, since, why, .. } = silence;
        [id.to_string(), print::age(Some(since), now), state, matches(silence), why.clone()]
    };
    let rows: Vec<_> = silences.silences.iter().map(row).collect();
    print::table(["ID", "SINCE", "STATE", "MATCH", "WHY"], &rows, "no silences")
}

fn matches(silence: &Silence) -> String {
    if silence.matches.is_empty() { "everything".to_owned() } else { print::one_line(&silence.matches.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_listed_with_its_matches_time_and_reason() {
        let at = |second| Timestamp::from_second(second).expect("a time").to_string();
        let silence = |id, matches: &[&str], ended: Option<i64>| Silence {
            id,
            matches: matches.iter().map(|text| (*text).to_owned()).collect(),
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
        ID  SINCE  STATE         MATCH                       WHY
        3   10m    until 14:00   type=container.* data.x= 1  deploy
        2   10m    ended 1m ago  relay=one                   deploy
        4   10m    until 14:00   everything                  deploy
        ");
        assert_eq!(listing(&Silences::default(), Timestamp::UNIX_EPOCH), "no silences\n");
        assert_eq!(added(&silence(3, &["type=a"], None)), "silence 3 is active until 14:00: type=a\n");
    }
}
