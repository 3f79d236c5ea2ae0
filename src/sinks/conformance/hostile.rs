//! Hostile events, rendered by relays as the daemon renders them.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::Sink;
use super::row::Row;
use super::rows::ROWS;
use crate::config_reader::{ConfigReader, Item, Node, TableReader};
use crate::event::{Body, Event, EventId};
use crate::message::{Markup, Message};
use crate::relay::{Fetched, Relay, Relays, with_compiler_stack};

/// Relays with event data in every part of a message, and in none.
const RELAYS: &str = r#"
[[relay]]
name   = "rendered"
title  = "{{ data.name }}"
text   = "{{ data.name }} was {{ data.name }}"
fields = [{ name = "{{ data.name }}", value = "{{ data.name }}" }]
link   = "https://x.example/{{ data.name }}"
color  = "{{ data.name }}"
key    = "{{ data.name }}"

[[relay]]
name = "short"
text = "{{ data.name }}{% if data.huge %} {{ data.huge[:5000] }}{% endif %}"

[[relay]]
name = "unrendered"

[[relay]]
name = "linked"
text = "look"
link = "https://x.example/{{ data.name }}"
"#;

const HOSTILE: &[&str] = &[
    "<!channel>",
    "<!here|x>",
    "<@U123>",
    "</b>",
    "<users/all>",
    "<at>Bob</at>",
    "@everyone",
    "@here and @channel and @all",
    "<https://evil.example|bank>",
    "[click](https://evil.example)",
    "![x](https://evil.example/pixel)",
    "**bold** __under__ ~~gone~~ `code` ||hidden||",
    "# head\n> quote\n- item",
    "&lt;!channel&gt;",
    "{{ data }} {% raw %}",
    "\"}],\"text\":\"<!channel>",
    "a\u{1b}[31mb\u{0}\u{7}",
    "line\r\nInjected: header",
    "\\",
    "\u{200d}\u{301}\u{fe0f}",
    "",
];

fn relays() -> Relays {
    with_compiler_stack(|| {
        let reading = ConfigReader::new(RELAYS, &|_| None);
        let tree = reading.tree();
        let Node::Table(members) = &tree.node else { panic!("no table") };
        let [(_, Item { node: Node::List(items), .. })] = &members[..] else { panic!("no list") };
        let relays = items.iter().filter_map(|item| Relay::read(&TableReader::new(&reading, "relay", item))).collect();
        assert!(!reading.has_errors());
        Relays::compile(relays)
    })
}

fn event(name: &str, data: &Value) -> Arc<Event> {
    Arc::new(Event {
        id: EventId::Given(name.into()),
        source: "prod".into(),
        kind: "websocket".into(),
        r#type: name.into(),
        time: Timestamp::UNIX_EPOCH,
        subject: name.into(),
        data: Body::from_value(data),
    })
}

fn rendered(row: &Row, event: &Arc<Event>, markup: Markup) -> Vec<Message> {
    let render = |relay: &Relay| relay.render(event, &Fetched::default(), markup, row.kind).expect("rendered");
    relays().iter().map(render).collect()
}

#[tokio::test]
async fn markup_in_an_event_stays_text() {
    for row in ROWS {
        let markup = row.open("https://x.example").traits().markup;
        for name in HOSTILE {
            let messages = rendered(row, &event(name, &json!({ "name": name })), markup);
            for payload in row.posted(&messages).await {
                assert_eq!((row.refuses)(&payload), None, "{}: {name:?}: {payload}", row.kind);
                for text in row.prose(&payload) {
                    let found = row.forbidden.iter().find(|markup| text.contains(**markup));
                    assert_eq!(found, None, "{}: {text:?}", row.kind);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_megabyte_in_a_field_does_not_stop_its_message() {
    for huge in ["x".repeat(1 << 20), "<!channel>@everyone\u{0}".repeat(1 << 16), "é🎉".repeat(1 << 18)] {
        let event = event("disk", &json!({ "name": "full", "huge": huge }));
        for row in ROWS {
            let markup = row.open("https://x.example").traits().markup;
            for payload in row.posted(&rendered(row, &event, markup)).await {
                assert_eq!((row.refuses)(&payload), None, "{}", row.kind);
                for text in row.prose(&payload) {
                    assert!(row.forbidden.iter().all(|markup| !text.contains(markup)), "{}: {text}", row.kind);
                }
            }
        }
    }
}
