//! What is said of many at once.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::message::Origin;

fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

fn delivery(id: i64, r#type: &str, accepted: Timestamp) -> Delivery {
    Delivery {
        id: DeliveryId(id),
        event: Arc::new(Event::ours(r#type, "/api/v1/container/1/", accepted, &json!({}))),
        relay: "containers".into(),
        sink: "ops".into(),
        accepted,
        attempts: 0,
        due: None,
        first_tried: None,
    }
}

/// What is said of it alone, as a wording would: what comes out of an event escaped.
fn message(delivery: &Delivery, text: &str, markup: Markup) -> Message {
    let origin = Origin { event: Arc::clone(&delivery.event), relay: delivery.relay.clone() };
    Message::plain(markup.escaped(text), "prod/1", origin)
}

const HOSTILE: [&str; 7] = [
    "Your container was started on Tutum!\nCheck /api/v1/container/1/",
    "<!channel> @everyone </b> `rm -rf`",
    "```\n\u{1b}[31mred & [free](http://x.example) *bold*",
    "\n  \n\u{2028}last\u{2028}line",
    "",
    "never shown",
    "never shown",
];

/// Three starts for each stop, two seconds apart.
fn bundle(kind: BundleKind, relay: &str, markup: Markup) -> Bundle {
    let mut bundle = Bundle::new(kind, relay.into());
    for (number, text) in (0_u32..).zip(HOSTILE.iter().cycle().take(137)) {
        let r#type = if number % 4 == 3 { "container.stop" } else { "container.start" };
        let delivery =
            delivery(i64::from(number) + 1, r#type, at("2026-11-21T10:02:11.5Z") + Duration::from_secs(2) * number);
        bundle.add(&delivery, &message(&delivery, text, markup));
    }
    bundle
}

fn shown(message: &Message) -> String {
    format!("{}\n{}", message.title.as_deref().unwrap_or("-"), message.text)
}

#[test]
fn a_digest_tells_how_many_when_what_and_how_to_see_the_rest() {
    let plain = bundle(BundleKind::Digest, "containers", Markup::Plain).word(Markup::Plain);
    insta::assert_snapshot!(shown(&plain), @"");
    let slack = bundle(BundleKind::Digest, "containers", Markup::Slack).word(Markup::Slack);
    insta::assert_snapshot!(shown(&slack), @"");
}
