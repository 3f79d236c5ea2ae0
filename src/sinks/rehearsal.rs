//! What the tests of all sinks share: a message, a sink read from TOML, and a stage to send to.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::{AnySink, Sink, SinkConfig};
use crate::config_reader::{ConfigReader, TableReader};
use crate::event::{Body, Event, EventId, Name};
use crate::message::{Message, Origin, Receipt, SendError};
use crate::outbound::Outbound;
use crate::outbound::stage::{Act, Seen, Stage};

pub(super) fn message(text: &str) -> Message {
    let event = Event {
        id: EventId::Given("t-1".into()),
        source: Name::from("prod"),
        kind: Name::from("tutum"),
        r#type: "container.create".into(),
        time: Timestamp::UNIX_EPOCH,
        subject: "/api/v1/container/<7a>/".into(),
        data: Body::from_value(&json!({ "action": "create" })),
    };
    let origin = Origin { event: Arc::new(event), relay: Name::from("containers") };
    Message::plain(text, "prod/web", origin)
}

/// The sink that `toml` describes; `@` in it is the stage's address.
pub(super) fn sink(kind: &str, toml: &str, stage: &Stage) -> AnySink {
    opened(kind, toml, &stage.url, &Outbound::new())
}

pub(super) fn opened(kind: &str, toml: &str, url: &str, net: &Outbound) -> AnySink {
    let (config, problems) = read(kind, &toml.replace('@', url));
    config.unwrap_or_else(|| panic!("{problems:?}")).open(net)
}

pub(super) fn read(kind: &str, toml: &str) -> (Option<SinkConfig>, Vec<String>) {
    let reading = ConfigReader::new(toml, &|_| None);
    let tree = reading.tree();
    let table = TableReader::new(&reading, "sink.x", &tree);
    let config = SinkConfig::read(kind, &table);
    table.finish();
    let problems = reading.into_findings().problems.into_iter().filter(|problem| problem.is_error);
    (config, problems.map(|problem| problem.message).collect())
}

/// What the sink makes of one message and one answer.
pub(super) async fn send(kind: &str, toml: &str, message: &Message, answer: Act) -> (Seen, Result<Receipt, SendError>) {
    let stage = Stage::open([answer]).await;
    let sink = sink(kind, toml, &stage);
    let result = sink.send(message).await;
    let shown = format!("{sink:?} {result:?}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
    (stage.only(), result)
}

/// A verdict as one short line.
pub(super) fn told(result: &Result<Receipt, SendError>) -> String {
    match result {
        Ok(Receipt(None)) => "delivered".to_owned(),
        Ok(Receipt(Some(receipt))) => format!("delivered as {receipt}"),
        Err(SendError::Later { wait, lane, cause, .. }) => {
            let wait = wait.map_or(String::new(), |wait| format!(" in {wait:?}"));
            format!("later{wait}{}: {}", if *lane { ", all" } else { "" }, cause.reason())
        }
        Err(SendError::NeverMessage(cause)) => format!("never, message: {}", cause.reason()),
        Err(SendError::NeverDestination(cause)) => format!("never, destination: {}", cause.reason()),
    }
}
