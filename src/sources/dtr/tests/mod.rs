//! The whole source: what is posted to it, its configuration, and its requests to a scripted registry.

mod api;
mod config;
mod findings;
mod posted;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::notification::DtrKind;
use super::*;
use crate::event::Event;
use crate::sources::test_support::post::{events_of, read_config};

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
    read_config(text, &env, Config::read)
}

fn dtr(text: &str) -> Dtr {
    let (config, problems) = read(text);
    assert_eq!(problems, [""; 0], "{text}");
    Dtr::open(config.expect("right"), &Outbound::new())
}

fn events(body: &str) -> Result<Vec<Event>, String> {
    events_of(&DtrKind, &HeaderMap::new(), body.as_bytes()).map(|read| read.events)
}

fn one(body: &Value) -> Event {
    events(&body.to_string()).expect("read").remove(0)
}
