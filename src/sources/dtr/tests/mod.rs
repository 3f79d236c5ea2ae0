//! The whole source: what is posted to it, what it is told in relays.toml, and what it asks of a scripted registry.

mod asking;
mod config;
mod findings;
mod posted;

use serde_json::{Value, json};

use super::*;
use crate::config_reader::{ConfigReader, TableReader};
use crate::event::{Event, Name};
use crate::sources::labels::Arrived;

const TOKEN: &str = "a1b2c3d4-token";

fn env(name: &str) -> Option<String> {
    match name {
        "DTR_TOKEN" => Some(TOKEN.to_owned()),
        "GCHAT_WEBHOOK_ENDPOINT" => Some("web-hook".to_owned()),
        "KEY" => Some("1f81eb52-5198-4599".to_owned()),
        "NEWLINE" => Some("a\nb".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    let reading = ConfigReader::new(text, &env);
    let tree = reading.tree();
    let mut table = TableReader::new(&reading, "source.dtr", &tree);
    table.read_optional();
    let config = Config::read(&table);
    table.finish();
    (config, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
}

fn dtr(text: &str) -> Dtr {
    let (config, problems) = read(text);
    assert_eq!(problems, [""; 0], "{text}");
    Dtr::open(config.expect("right"), &Outbound::new())
}

fn events(body: &str) -> Result<Vec<Event>, String> {
    let (source, kind) = (Name::from("registry"), Name::from("dtr"));
    let arrived = Arrived { source: &source, kind: &kind, at: jiff::Timestamp::UNIX_EPOCH };
    reading::events_of(&reqwest::header::HeaderMap::new(), body.as_bytes(), arrived)
        .map_err(|refused| refused.to_string())
}

fn one(body: &Value) -> Event {
    events(&body.to_string()).expect("read").remove(0)
}
