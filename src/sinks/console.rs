//! The daemon's own standard output, for a first try or a log collector.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::json;

use super::message_parts as parts;
use super::sink::{Audience, SinkKind, SinkTraits};
use crate::config_reader::TableReader;
use crate::fault::Fault;
use crate::message::{Markup, Message, Receipt, SendError};
use crate::outbound::Outbound;

#[derive(Debug)]
pub struct Console {
    format: OutputFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutputFormat {
    /// For people.
    Text,
    /// One object a line, for programs.
    Json,
}

impl Console {
    #[expect(clippy::unnecessary_wraps, reason = "the registry reads all sinks alike, and most of them can fail")]
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let format = match table.word("format", &["text", "json"]) {
            Some("json") => OutputFormat::Json,
            _ => OutputFormat::Text,
        };
        Some(Self { format })
    }

    /// What is printed of a message.
    pub(super) fn lines(&self, message: &Message) -> String {
        match self.format {
            OutputFormat::Text => as_text(message),
            OutputFormat::Json => as_json(message),
        }
    }
}

impl SinkKind for Console {
    async fn send(&self, _net: &Outbound, message: &Message) -> Result<Receipt, SendError> {
        let lines = self.lines(message);
        // A reader that stops reading blocks this, so it must not run on a thread that other tasks need.
        let written = tokio::task::spawn_blocking(move || write(&mut io::stdout().lock(), &lines)).await;
        written.map_err(|_| failed("the daemon is stopping"))?
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits { audience: Audience::Chat, ..SinkTraits::plain("console".to_owned()) }
    }
}

/// Writes `lines` in one piece, so that nothing is interleaved. A closed reader is no reason to drop a message: a
/// collector may restart.
fn write(out: &mut impl Write, lines: &str) -> Result<Receipt, SendError> {
    let written = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
    written.map(|()| Receipt::default()).map_err(|error| failed(format!("standard output is not writable: {error}")))
}

fn failed(message: impl Into<std::borrow::Cow<'static, str>>) -> SendError {
    SendError::Later { wait: None, lane: true, maybe: false, cause: Fault::new("stdout", message) }
}

/// `1970-01-01T00:00:00Z info prod: the text`, and the rest indented below.
fn as_text(message: &Message) -> String {
    let origin = &message.origin;
    let mut out = String::with_capacity(message.text.len() + 80);
    // Writing to a String cannot fail.
    let _ = write!(out, "{:.0} {} {}: ", origin.time, message.severity.word(), origin.source);
    let title = message.title.as_deref().unwrap_or_default().trim();
    let text = message.text.trim();
    let mut lines: Vec<&str> = title.lines().chain(text.lines()).collect();
    let event_line = parts::event_line(message, Markup::Plain);
    if lines.is_empty() {
        lines.push(&event_line);
    }
    let fields: Vec<String> = message.fields.iter().map(|field| format!("{}: {}", field.name, field.value)).collect();
    lines.extend(fields.iter().flat_map(|field| field.lines()));
    lines.extend(message.link.as_deref().map(str::trim).filter(|link| !link.is_empty()));
    for (at, line) in lines.into_iter().enumerate() {
        if at > 0 {
            out.push_str("    ");
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

fn as_json(message: &Message) -> String {
    let origin = &message.origin;
    let fields: Vec<_> = message
        .fields
        .iter()
        .map(|field| json!({ "name": field.name, "value": field.value, "short": field.short }))
        .collect();
    let mut line = match &message.raw {
        Some(raw) => raw.to_string(),
        None => json!({
            "time": origin.time.to_string(),
            "severity": message.severity.word(),
            "title": message.title,
            "text": message.text,
            "fields": fields,
            "link": message.link,
            "key": message.key,
            "signal": message.signal.map(crate::message::Signal::word),
            "event": origin.id.to_string(),
            "source": &*origin.source,
            "type": origin.r#type,
            "subject": origin.subject,
            "relay": &*origin.relay,
        })
        .to_string(),
    };
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::super::harness::{message, read, verdict};
    use super::*;
    use crate::message::{Field, Severity};

    fn full() -> Message {
        let mut full = message("It was stopped.\nNobody knows why.");
        full.title = Some("Stack web".to_owned());
        full.severity = Severity::Error;
        full.link = Some("https://x.example/".to_owned());
        full.fields = vec![Field { name: "State".to_owned(), value: "Stopped".to_owned(), short: true }];
        full
    }

    #[test]
    fn text_is_one_line_with_the_rest_below() {
        assert_eq!(as_text(&message("up")), "1970-01-01T00:00:00Z info prod: up\n");
        assert_eq!(as_text(&message("")), "1970-01-01T00:00:00Z info prod: container.create /api/v1/container/<7a>/\n");
        insta::assert_snapshot!(as_text(&full()), @"
        1970-01-01T00:00:00Z error prod: Stack web
            It was stopped.
            Nobody knows why.
            State: Stopped
            https://x.example/
        ");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let line = as_json(&full());
        assert_eq!(line.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(
            (&value["text"], &value["relay"]),
            (&"It was stopped.\nNobody knows why.".into(), &"containers".into())
        );
        let mut raw = message("x");
        raw.raw = Some(json!({ "mine": true }));
        assert_eq!(as_json(&raw), "{\"mine\":true}\n");
    }

    #[test]
    fn a_closed_reader_is_waited_for() {
        struct ClosedReader;
        impl Write for ClosedReader {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(verdict(&write(&mut ClosedReader, "x\n")), "later, all: stdout");
        let mut kept = Vec::new();
        assert_eq!(verdict(&write(&mut kept, "x\n")), "delivered");
        assert_eq!(kept, b"x\n");
    }

    #[test]
    fn an_unknown_format_is_a_problem() {
        assert!(read("console", "format = \"json\"").0.is_some());
        assert_eq!(read("console", "format = \"xml\"").1, ["`xml` is not one of text, json"]);
    }
}
