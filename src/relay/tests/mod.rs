//! Relays as relays.toml has them, from the file's text to the message.

mod conditions;
mod loading;
mod matching;
mod quiet;
mod rendering;
mod silences;

use jiff::Timestamp;

use super::*;
use crate::config_reader::{ConfigReader, Item, Node, TableReader, render};
use crate::event::{Body, Event, EventId};

const CONTAINER: &str = r#"{"state":"Starting","parents":["/api/v1/service/d0b1eb62-7662-4a81-8a10-d5a74b07811e/","/api/v1/node/75d2f30f-ada7-4df5-ac49-c97aac3b8b7a/","/api/v1/stack/f24bca18-e1dd-40aa-9b3c-064c0c26683e/","/api/v1/nodecluster/99908d8c-027a-4124-a868-274db7f3e6ca/"],
 "action":"create","type":"container","resource_uri":"/api/v1/container/df3eb045-8bb9-46c1-ac59-a67ce0f4d875/"}"#;

/// An event of Tutum's stream, as its source makes it.
fn tutum(body: &str) -> Event {
    let data = Body::parse(body).expect("JSON");
    let text = |key: &str| data.value().get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    Event {
        id: EventId::Given("e1".into()),
        source: "prod".into(),
        kind: "tutum".into(),
        r#type: format!("{}.{}", text("type"), text("action")).into(),
        time: Timestamp::UNIX_EPOCH,
        subject: text("resource_uri").into(),
        data,
    }
}

/// The relays of a file, and what is wrong with it.
fn read(file: &str) -> (Relays, String) {
    let (relays, problems) = read_loosely(file);
    (Relays::compile(relays), problems)
}

fn read_all(file: &str) -> Vec<Relay> {
    read_loosely(file).0
}

fn read_loosely(file: &str) -> (Vec<Relay>, String) {
    with_compiler_stack(|| {
        let reader = ConfigReader::new(file, &|_| None);
        let tree = reader.tree();
        let mut relays = Vec::new();
        if let Node::Table(members) = &tree.node
            && let Some((_, Item { node: Node::List(items), .. })) =
                members.iter().find(|(key, _)| key.value == "relay")
        {
            for item in items {
                let table = TableReader::new(&reader, "relay", item);
                relays.extend(Relay::read(&table));
                table.finish();
            }
        }
        let findings = reader.into_findings();
        (relays, render(&findings.problems, "relays.toml", &findings.text, false))
    })
}

fn relays(file: &str) -> Relays {
    let (relays, problems) = read(file);
    assert_eq!(problems, "", "{file}");
    relays
}

fn problems(file: &str) -> String {
    let (_, problems) = read(file);
    problems.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// One relay of one `match` (or other lines).
fn one(lines: &str) -> Relays {
    relays(&format!("[[relay]]\nname = \"one\"\n{lines}"))
}

fn takes(lines: &str, event: &Event) -> bool {
    let relays = one(lines);
    let plan = relays.plan(event);
    let [explained] = relays.explain(event).try_into().expect("one relay");
    assert_eq!(plan.wanted == [0], explained.taken, "{lines}: {}", explained.why);
    assert_eq!(plan.faults, [], "{lines}");
    plan.wanted == [0]
}
