//! Events of any content against the relays: matched, fetched for, and rendered for every sink.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tidings::config::Config;
use tidings::event::{Body, Event, EventId, Name};
use tidings::message::Markup;
use tidings::relay::{FetchOutcome, Fetched, Relays};

use crate::corpus;
use crate::engine::{Target, gist};

const FILE: &str = r#"
[sink.console.ops]
[[relay]]
name = "all"
text = "Your {{ data.type }} was {{ data.action | past }}. {{ data.resource_uri }}\n{% for parent in data.parents %}{{ parent }}, {% endfor %}{{ stack.name }}"
fetch.stack = "{{ data.parents | of_type('stack') }}"
key = "{{ event.subject }} {{ data.n }}"
to = "ops"
[[relay]]
name = "picky"
match = { type = "service.*", "data.parents[]" = { regex = "/sta(c|k)+/" }, "data.n" = { ge = 1, lt = 1e9 }, "data.state" = { not = "Init", ignore_case = true } }
when = "data.state != 'Init' and data.parents | length < 3"
title = "{{ data.state | upper }}"
text = "{{ data }}"
severity = "{{ 'critical' if data.state == 'Failed' else 'info' }}"
signal = "{{ 'resolve' if data.state == 'Running' else 'trigger' }}"
link = "{{ data.link }}"
color = "{{ data.color }}"
fields = [{ name = "{{ data.type }}", value = "{{ data.state }}", short = true }]
to = "ops"
[[relay]]
name = "raw"
when = "data.n > 1 or data.list[0] == 'a'"
text = "{{ data.list | join(', ') }}"
raw.slack = { text = "{{ data.state }}", blocks = [{ type = "section", text = "{{ data }}" }] }
to = "ops"
"#;

/// The relays of `text`, if it is a configuration.
pub(crate) fn relays(text: &str) -> Result<Relays, String> {
    let env = |name: &str| (name == "SET").then(|| "a value".to_owned());
    let config = Config::from_text(Path::new("relays.toml"), text, &env, false).map_err(|error| error.to_string())?;
    Ok(Relays::compile(config.relays))
}

pub(crate) fn event(data: Body) -> Arc<Event> {
    Arc::new(Event {
        id: EventId::Given("1".into()),
        source: Name::from("prod"),
        kind: Name::from("tutum"),
        r#type: "service.update".into(),
        time: Timestamp::UNIX_EPOCH,
        subject: "/api/v1/service/49f0/".into(),
        data,
    })
}

/// The results of all relays for an event, in short.
pub(crate) fn outcomes(relays: &Relays, event: &Arc<Event>) -> Vec<String> {
    let mut results: Vec<_> =
        relays.explain(event).iter().map(|one| format!("{} {}", one.taken, gist(&one.why))).collect();
    let _plan = relays.plan(event);
    for relay in relays.iter() {
        let mut fetched = Fetched::default();
        for wanted in relay.references(event) {
            let outcome = match wanted.reference {
                Ok(Some(_)) => FetchOutcome::Found(Arc::clone(event.data.value())),
                Ok(None) => FetchOutcome::NotAsked,
                Err(fault) => FetchOutcome::Failed(fault),
            };
            fetched.put(wanted.name, outcome);
        }
        results.push(format!("{:?}", relay.still_wants(event, &fetched).map_err(|fault| fault.reason())));
        for (markup, kind) in
            Markup::ALL.into_iter().zip(["console", "slack", "google-chat", "discord", "mattermost", "teams"])
        {
            let rendered = relay.render(event, &fetched, markup, kind);
            results.push(
                rendered.map_or_else(|fault| fault.reason().to_owned(), |message| message.severity.word().to_owned()),
            );
        }
    }
    results
}

#[test]
fn event_data() {
    let relays = relays(FILE).expect("a configuration");
    let words = &[
        "\"type\":",
        "\"action\":",
        "\"state\":",
        "\"resource_uri\":",
        "\"parents\":",
        "\"n\":",
        "\"list\":",
        "\"link\":",
        "\"color\":",
        "/api/v1/stack/1/",
        "Init",
        "Failed",
        "Running",
        "<!channel>",
        "</b>",
        "{{ 7*7 }}",
        "{% for %}",
        "javascript:",
        "https://",
        "null",
        "[]",
        "{}",
        ",",
        "true",
    ];
    let mut corpus = corpus::messages();
    corpus.push(br##"{"n":17,"state":"Failed","list":["a",2],"link":"https://x.example","color":"#ff0000","parents":["/api/v1/stack/1/"]}"##.to_vec());
    Target { name: "event_data", corpus, words, longest: 1 << 14 }.fuzz(|bytes| {
        let body = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned());
        match body.and_then(|text| Body::parse(text).map_err(|error| gist(&error.to_string()))) {
            Ok(body) => outcomes(&relays, &event(body)),
            Err(error) => vec![error],
        }
    });
}
