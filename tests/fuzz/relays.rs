//! What an event may do to the relays: matched, fetched for, and worded for every sink.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tidings::config::Config;
use tidings::event::{Body, Event, EventId, Name};
use tidings::message::Markup;
use tidings::relay::{Fetched, Outcome, Relays};

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

/// What all relays make of an event, in few words. Whatever a template does, it does not for long, and says little.
pub(crate) fn tell(relays: &Relays, event: &Arc<Event>) -> Vec<String> {
    let mut told: Vec<_> =
        relays.explain(event).iter().map(|one| format!("{} {}", one.taken, gist(&one.why))).collect();
    let _plan = relays.plan(event);
    for relay in relays {
        let mut fetched = Fetched::default();
        for asked in relay.references(event) {
            let outcome = match asked.reference {
                Ok(Some(_)) => Outcome::Found(Arc::clone(event.data.value())),
                Ok(None) => Outcome::NotAsked,
                Err(fault) => Outcome::Failed(fault),
            };
            fetched.put(asked.name, outcome);
        }
        told.push(format!("{:?}", relay.still_wants(event, &fetched).map_err(|fault| fault.reason())));
        for (markup, kind) in
            Markup::ALL.into_iter().zip(["console", "slack", "google-chat", "discord", "mattermost", "teams"])
        {
            let worded = relay.word(event, &fetched, markup, kind);
            told.push(worded.map_or_else(|fault| fault.reason().to_owned(), |said| said.severity.word().to_owned()));
        }
    }
    told
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
        let body = std::str::from_utf8(bytes).map_err(|_| "no text".to_owned());
        match body.and_then(|text| Body::parse(text).map_err(|error| gist(&error.to_string()))) {
            Ok(body) => tell(&relays, &event(body)),
            Err(said) => vec![said],
        }
    });
}
