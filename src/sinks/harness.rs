//! What the tests of all sinks share: a message, a sink read from TOML, and a scripted server to send to.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::sink::Sink;
use super::{AnySink, SinkConfig};
use crate::config_reader::{ConfigReader, TableReader};
use crate::event::{Body, Event, EventId, Name};
use crate::message::{Message, Origin, Receipt, SendError};
use crate::outbound::Outbound;
use crate::test_support::scripted_server::{ReceivedRequest, ScriptedServer, Step};

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

/// The sink that `toml` describes; `@` in it is the URL of `server`.
pub(super) fn sink(kind: &str, toml: &str, server: &ScriptedServer) -> AnySink {
    opened(kind, toml, &server.url, &Outbound::new())
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

/// The request that the sink sends for `message`, and its result when the server plays `step`.
pub(super) async fn send(
    kind: &str,
    toml: &str,
    message: &Message,
    step: Step,
) -> (ReceivedRequest, Result<Receipt, SendError>) {
    let server = ScriptedServer::start([step]).await;
    let sink = sink(kind, toml, &server);
    let result = sink.send(message).await;
    let shown = format!("{sink:?} {result:?}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
    (server.only_request(), result)
}

/// The verdict on one line.
pub(super) fn verdict(result: &Result<Receipt, SendError>) -> String {
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
