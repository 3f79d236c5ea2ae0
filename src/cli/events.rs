//! `tidings events`: the latest events, and what became of them.

use serde_json::Value;

use super::admin_client::{self, Question};
use super::args::{Common, EventsArgs};
use super::failure::{Exit, Failure};
use super::print;
use crate::admin::types::{DeliveryShown, EventShown, Events};

/// What a person at the terminal is not shown unless asked for by type or by the relay that took it: it is about
/// accounts, not about things.
const NOISE: &str = "user-notifications";

pub(super) fn events(common: &Common, args: &EventsArgs) -> Result<Exit, Failure> {
    let question = Question::get(
        "/api/v1/events",
        [
            ("source", args.source.clone()),
            ("type", args.r#type.clone()),
            ("relay", args.relay.clone()),
            ("sink", args.sink.clone()),
            ("since", args.since.clone()),
            ("until", args.until.clone()),
            ("limit", Some(args.limit.to_string())),
        ],
    );
    let answer = admin_client::ask(common, &args.ask, question)?;
    if args.ask.json {
        print::json(&answer)?;
    } else {
        print::out(&listing(&admin_client::read(answer)?, args))?;
    }
    Ok(Exit::Fine)
}

fn listing(events: &Events, args: &EventsArgs) -> String {
    let all = args.r#type.is_some() || args.relay.is_some();
    let shown = events.events.iter().filter(|event| all || !event.r#type.starts_with(NOISE));
    if args.long {
        let rows: Vec<_> =
            shown.map(|event| [print::local(&event.time), event.source.clone(), told(event), fates(event)]).collect();
        return print::table(["TIME", "SOURCE", "EVENT", "DELIVERIES"], &rows, "no events");
    }
    let rows: Vec<_> = shown
        .map(|event| {
            let EventShown { source, r#type, subject, .. } = event.clone();
            [print::local(&event.time), source, r#type, subject, fates(event)]
        })
        .collect();
    print::table(["TIME", "SOURCE", "TYPE", "SUBJECT", "DELIVERIES"], &rows, "no events")
}

/// The line that the Tutum examples print, `type:action:state:resource_uri:parents`; others have type and subject.
fn told(event: &EventShown) -> String {
    if event.kind != "tutum" {
        return format!("{}:{}", event.r#type, event.subject);
    }
    let parents = event.data.get("parents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let parents: Vec<_> = parents.iter().filter_map(Value::as_str).collect();
    let field = |name| event.data.get(name).and_then(Value::as_str).unwrap_or_default();
    let [r#type, action, state, uri] = ["type", "action", "state", "resource_uri"].map(field);
    format!("{type}:{action}:{state}:{uri}:{}", parents.join(","))
}

/// `ops delivered, oncall dead (503)`
fn fates(event: &EventShown) -> String {
    let fate = |delivery: &DeliveryShown| match &delivery.why {
        Some(why) if delivery.state != "delivered" => format!("{} {} ({why})", delivery.sink, delivery.state),
        _ => format!("{} {}", delivery.sink, delivery.state),
    };
    event.deliveries.iter().map(fate).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(r#type: &str, kind: &str) -> EventShown {
        EventShown {
            source: "prod".to_owned(),
            kind: kind.to_owned(),
            r#type: r#type.to_owned(),
            time: "then".to_owned(),
            subject: "/api/v1/service/1/".to_owned(),
            data: json!({
                "type": "service", "action": "update", "state": "Running",
                "resource_uri": "/api/v1/service/1/", "parents": ["/api/v1/stack/2/", "/api/v1/stack/3/"],
            }),
            deliveries: vec![
                DeliveryShown { sink: "ops".to_owned(), state: "delivered".to_owned(), ..DeliveryShown::default() },
                DeliveryShown {
                    sink: "oncall".to_owned(),
                    state: "dead".to_owned(),
                    why: Some("503".to_owned()),
                    ..DeliveryShown::default()
                },
            ],
            ..EventShown::default()
        }
    }

    #[test]
    fn a_line_tells_where_it_went() {
        let events = Events { events: vec![event("service.update", "tutum"), event("user-notifications.x", "tutum")] };
        insta::assert_snapshot!(listing(&events, &EventsArgs::default()), @"
        TIME  SOURCE  TYPE            SUBJECT             DELIVERIES
        then  prod    service.update  /api/v1/service/1/  ops delivered, oncall dead (503)
        ");
        let asked = EventsArgs { r#type: Some("user*".to_owned()), ..EventsArgs::default() };
        assert!(listing(&events, &asked).contains("user-notifications.x"));
        let of_a_relay = EventsArgs { relay: Some("all".to_owned()), ..EventsArgs::default() };
        assert!(listing(&events, &of_a_relay).contains("user-notifications.x"));
    }

    #[test]
    fn what_was_not_sent_on_purpose_says_why() {
        let silenced = DeliveryShown {
            sink: "ops".to_owned(),
            state: "suppressed".to_owned(),
            why: Some("silence 3: deploy".to_owned()),
            ..DeliveryShown::default()
        };
        let event = EventShown { deliveries: vec![silenced], ..EventShown::default() };
        assert_eq!(fates(&event), "ops suppressed (silence 3: deploy)");
    }

    #[test]
    fn the_long_form_tells_five_things_of_a_tutum_event() {
        let uri = "/api/v1/service/1/";
        assert_eq!(
            told(&event("service.update", "tutum")),
            format!("service:update:Running:{uri}:/api/v1/stack/2/,/api/v1/stack/3/")
        );
        assert_eq!(told(&event("message", "websocket")), format!("message:{uri}"));
        let long = EventsArgs { long: true, ..EventsArgs::default() };
        assert!(listing(&Events { events: vec![event("a.b", "tutum")] }, &long).contains("service:update:Running:"));
    }
}
