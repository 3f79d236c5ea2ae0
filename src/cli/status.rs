//! `tidings status`: the sources, the sinks, and the open incidents.

use jiff::Timestamp;

use super::admin_client::{self, ApiRequest};
use super::common::{AdminArgs, Common};
use super::failure::{Exit, Failure};
use super::print;
use crate::admin::types::{Status, paths};
use crate::message::Markup;

pub(super) fn run(common: &Common, args: &AdminArgs) -> Result<Exit, Failure> {
    let request = ApiRequest::get(paths::STATUS, &());
    admin_client::show(common, args, request, |status| page(status, Timestamp::now()))
}

fn page(status: Status, now: Timestamp) -> String {
    let Status { version, uptime_seconds, ready, why, sources, sinks, incidents, silences } = status;
    let readiness = match (ready, why) {
        (true, _) => "ready".to_owned(),
        (false, why) => format!("not ready: {}", Markup::Plain.escaped(&why.unwrap_or_default())),
    };
    let sources: Vec<_> = sources
        .into_iter()
        .map(|source| {
            let (since, last) =
                (print::age(source.since.as_deref(), now), print::age(source.last_event.as_deref(), now));
            [source.name, source.kind, source.state, since, last, source.why.unwrap_or_default()]
        })
        .collect();
    let sinks: Vec<_> = sinks
        .into_iter()
        .map(|sink| {
            let state = match (sink.stopped, sink.held) {
                (Some(why), _) => format!("stopped: {why}"),
                (None, Some(why)) => format!("waiting: {why}"),
                (None, None) => "open".to_owned(),
            };
            let oldest = print::age(sink.oldest.as_deref(), now);
            let [pending, dead, suppressed] = [sink.pending, sink.dead, sink.suppressed].map(|count| count.to_string());
            [sink.name, sink.kind, pending, oldest, dead, suppressed, state]
        })
        .collect();
    let incidents: Vec<_> = incidents
        .into_iter()
        .map(|incident| [incident.source, incident.event, print::age(incident.since.as_deref(), now), incident.why])
        .collect();
    let silences = match silences {
        0 => String::new(),
        1 => "1 silence is active: `tidings silence list` shows it\n".to_owned(),
        many => format!("{many} silences are active: `tidings silence list` shows them\n"),
    };
    [
        format!("tidings {version}, up for {}, {readiness}\n{silences}", print::span(uptime_seconds)),
        print::table(["SOURCE", "KIND", "STATE", "SINCE", "LAST EVENT", "WHY"], &sources, "no sources"),
        print::table(["SINK", "KIND", "PENDING", "OLDEST", "DEAD", "SUPPRESSED", "STATE"], &sinks, "no sinks"),
        print::table(["INCIDENT", "EVENT", "SINCE", "WHY"], &incidents, "no open incidents"),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::types::{Incident, SinkStatus, SourceStatus};

    #[test]
    fn a_page_shows_the_state_of_everything() {
        let at = |second| Some(Timestamp::from_second(second).expect("a time").to_string());
        let status = Status {
            version: "0.1.0".to_owned(),
            uptime_seconds: 7300,
            ready: true,
            why: None,
            sources: vec![SourceStatus {
                name: "prod".to_owned(),
                kind: "tutum".to_owned(),
                state: "lost".to_owned(),
                since: at(100),
                why: Some("connection refused".to_owned()),
                last_event: None,
            }],
            sinks: vec![
                SinkStatus { name: "ops".to_owned(), kind: "slack".to_owned(), ..SinkStatus::default() },
                SinkStatus {
                    name: "oncall".to_owned(),
                    kind: "pagerduty".to_owned(),
                    pending: 12,
                    oldest: at(40),
                    dead: 1,
                    suppressed: 3,
                    stopped: Some("403".to_owned()),
                    held: None,
                },
            ],
            incidents: vec![Incident {
                source: "prod".to_owned(),
                event: "source.lost".to_owned(),
                why: "connection refused".to_owned(),
                since: at(100),
            }],
            silences: 2,
        };
        insta::assert_snapshot!(page(status, Timestamp::from_second(160).expect("a time")), @"
        tidings 0.1.0, up for 2h, ready
        2 silences are active: `tidings silence list` shows them

        SOURCE  KIND   STATE  SINCE  LAST EVENT  WHY
        prod    tutum  lost   1m     -           connection refused

        SINK    KIND       PENDING  OLDEST  DEAD  SUPPRESSED  STATE
        ops     slack      0        -       0     0           open
        oncall  pagerduty  12       2m      1     3           stopped: 403

        INCIDENT  EVENT        SINCE  WHY
        prod      source.lost  1m     connection refused
        ");
    }
}
