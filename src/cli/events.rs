//! `tidings events`: the latest events and their deliveries.

use serde_json::Value;

use super::admin_client::{self, ApiRequest};
use super::common::{AdminArgs, Common};
use super::failure::{Exit, Failure};
use super::print;
use crate::admin::types::{DeliveryRecord, EventRecord, Events, EventsRequest, paths};

const LONG: &str = "Show the details that an event carries: type:action:state:resource_uri:parents";

/// The prefix of types about accounts, listed only if requested by type or by the relay that took them.
const ACCOUNT_EVENTS: &str = "user-notifications";

#[derive(Debug, Default, clap::Args)]
pub(super) struct EventsArgs {
    #[command(flatten)]
    request: EventsRequest,
    #[arg(long, help = LONG)]
    long: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(common: &Common, args: &EventsArgs) -> Result<Exit, Failure> {
    let request = ApiRequest::get(paths::EVENTS, &args.request);
    admin_client::show(common, &args.admin, request, |events| listing(&events, args))
}

fn listing(events: &Events, args: &EventsArgs) -> String {
    let all = args.request.r#type.is_some() || args.request.relay.is_some();
    let shown = events.events.iter().filter(|event| all || !event.r#type.starts_with(ACCOUNT_EVENTS));
    if args.long {
        let rows: Vec<_> = shown
            .map(|event| [print::local(&event.time), event.source.clone(), details(event), deliveries(event)])
            .collect();
        return print::table(["TIME", "SOURCE", "EVENT", "DELIVERIES"], &rows, "no events");
    }
    let rows: Vec<_> = shown
        .map(|event| {
            let EventRecord { source, r#type, subject, .. } = event.clone();
            [print::local(&event.time), source, r#type, subject, deliveries(event)]
        })
        .collect();
    print::table(["TIME", "SOURCE", "TYPE", "SUBJECT", "DELIVERIES"], &rows, "no events")
}

/// For Tutum `type:action:state:resource_uri:parents`, as its examples print; for others type and subject.
fn details(event: &EventRecord) -> String {
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
fn deliveries(event: &EventRecord) -> String {
    let text = |delivery: &DeliveryRecord| match &delivery.why {
        Some(why) if delivery.state != "delivered" => format!("{} {} ({why})", delivery.sink, delivery.state),
        _ => format!("{} {}", delivery.sink, delivery.state),
    };
    event.deliveries.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(r#type: &str, kind: &str) -> EventRecord {
        EventRecord {
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
                DeliveryRecord { sink: "ops".to_owned(), state: "delivered".to_owned(), ..DeliveryRecord::default() },
                DeliveryRecord {
                    sink: "oncall".to_owned(),
                    state: "dead".to_owned(),
                    why: Some("503".to_owned()),
                    ..DeliveryRecord::default()
                },
            ],
            ..EventRecord::default()
        }
    }

    #[test]
    fn a_line_shows_the_deliveries() {
        let events = Events { events: vec![event("service.update", "tutum"), event("user-notifications.x", "tutum")] };
        insta::assert_snapshot!(listing(&events, &EventsArgs::default()), @"
        TIME  SOURCE  TYPE            SUBJECT             DELIVERIES
        then  prod    service.update  /api/v1/service/1/  ops delivered, oncall dead (503)
        ");
        let by_type = EventsRequest { r#type: Some("user*".to_owned()), ..EventsRequest::default() };
        let by_type = EventsArgs { request: by_type, ..EventsArgs::default() };
        assert!(listing(&events, &by_type).contains("user-notifications.x"));
        let by_relay = EventsRequest { relay: Some("all".to_owned()), ..EventsRequest::default() };
        let by_relay = EventsArgs { request: by_relay, ..EventsArgs::default() };
        assert!(listing(&events, &by_relay).contains("user-notifications.x"));
    }

    #[test]
    fn a_suppressed_delivery_shows_why() {
        let silenced = DeliveryRecord {
            sink: "ops".to_owned(),
            state: "suppressed".to_owned(),
            why: Some("silence 3: deploy".to_owned()),
            ..DeliveryRecord::default()
        };
        let event = EventRecord { deliveries: vec![silenced], ..EventRecord::default() };
        assert_eq!(deliveries(&event), "ops suppressed (silence 3: deploy)");
    }

    #[test]
    fn the_long_form_shows_five_fields_of_a_tutum_event() {
        let uri = "/api/v1/service/1/";
        assert_eq!(
            details(&event("service.update", "tutum")),
            format!("service:update:Running:{uri}:/api/v1/stack/2/,/api/v1/stack/3/")
        );
        assert_eq!(details(&event("message", "websocket")), format!("message:{uri}"));
        let long = EventsArgs { long: true, ..EventsArgs::default() };
        assert!(listing(&Events { events: vec![event("a.b", "tutum")] }, &long).contains("service:update:Running:"));
    }
}
