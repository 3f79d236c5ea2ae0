//! The daemon's own standard output: for those who try it out, and for whoever collects it.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::json;

use super::{Audience, Sink, SinkTraits};
use crate::config_reader::TableReader;
use crate::fault::Fault;
use crate::message::{Markup, Message, Receipt, SendError};
use crate::outbound::Outbound;

#[derive(Debug)]
pub struct Config {
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// For people.
    Text,
    /// One object a line, for programs.
    Json,
}

impl Config {
    #[expect(clippy::unnecessary_wraps, reason = "all sinks are read alike, and most can miss something")]
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let format = match table.word("format", &["text", "json"]) {
            Some("json") => Format::Json,
            _ => Format::Text,
        };
        Some(Self { format })
    }
}

#[derive(Debug)]
pub struct Console {
    format: Format,
}

impl Console {
    #[expect(clippy::needless_pass_by_value, reason = "all sinks are opened alike, and most keep their configuration")]
    pub(super) fn open(config: Config, _net: &Outbound) -> Self {
        Self { format: config.format }
    }

    /// What is printed of a message.
    pub(super) fn lines(&self, message: &Message) -> String {
        match self.format {
            Format::Text => for_people(message),
            Format::Json => for_programs(message),
        }
    }
}

impl Sink for Console {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let lines = self.lines(message);
        // Whoever reads along may stop reading; then this waits, and must not keep a thread that others need.
        let written = tokio::task::spawn_blocking(move || write(&mut io::stdout().lock(), &lines)).await;
        written.map_err(|_| failed("the daemon is stopping"))?
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits { audience: Audience::Chat, ..SinkTraits::plain("console".to_owned()) }
    }
}

/// In one piece, so that nothing else gets in between. A reader who is gone may come back (a terminal, a
/// collector that restarts), so that is no reason to drop anything.
fn write(out: &mut impl Write, lines: &str) -> Result<Receipt, SendError> {
    let written = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
    written
        .map(|()| Receipt::default())
        .map_err(|error| failed(format!("standard output cannot be written to: {error}")))
}

fn failed(said: impl Into<std::borrow::Cow<'static, str>>) -> SendError {
    SendError::Later { wait: None, lane: true, maybe: false, cause: Fault::new("stdout", said) }
}

/// `1970-01-01T00:00:00Z info prod: the text`, with everything further indented below.
fn for_people(message: &Message) -> String {
    let origin = &message.origin;
    let mut out = String::with_capacity(message.text.len() + 80);
    // Writing to a String cannot fail.
    let _ = write!(out, "{:.0} {} {}: ", origin.time, message.severity.word(), origin.source);
    let title = message.title.as_deref().unwrap_or_default().trim();
    let text = message.text.trim();
    let mut lines: Vec<&str> = title.lines().chain(text.lines()).collect();
    let happened = Markup::Plain.escaped(format!("{} {}", origin.r#type, origin.subject).trim());
    if lines.is_empty() {
        lines.push(&happened);
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

fn for_programs(message: &Message) -> String {
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
    use super::super::harness::{message, read, told};
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
    fn people_read_one_line_and_what_belongs_to_it() {
        assert_eq!(for_people(&message("up")), "1970-01-01T00:00:00Z info prod: up\n");
        assert_eq!(
            for_people(&message("")),
            "1970-01-01T00:00:00Z info prod: container.create /api/v1/container/<7a>/\n"
        );
        insta::assert_snapshot!(for_people(&full()), @"
        1970-01-01T00:00:00Z error prod: Stack web
            It was stopped.
            Nobody knows why.
            State: Stopped
            https://x.example/
        ");
    }

    #[test]
    fn programs_read_one_object_a_line() {
        let line = for_programs(&full());
        assert_eq!(line.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(
            (&value["text"], &value["relay"]),
            (&"It was stopped.\nNobody knows why.".into(), &"containers".into())
        );
        let mut raw = message("x");
        raw.raw = Some(json!({ "mine": true }));
        assert_eq!(for_programs(&raw), "{\"mine\":true}\n");
    }

    #[test]
    fn a_reader_who_is_gone_is_waited_for() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(told(&write(&mut Gone, "x\n")), "later, all: stdout");
        let mut kept = Vec::new();
        assert_eq!(told(&write(&mut kept, "x\n")), "delivered");
        assert_eq!(kept, b"x\n");
    }

    #[test]
    fn its_format_is_one_of_two() {
        assert!(read("console", "format = \"json\"").0.is_some());
        assert_eq!(read("console", "format = \"xml\"").1, ["`xml` is not one of text, json"]);
    }
}
