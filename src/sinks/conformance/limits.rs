//! Texts of all lengths, and empty ones.

use std::sync::Arc;

use super::super::harness::message;
use super::rows::ROWS;
use crate::message::{Field, Message, Severity, Signal};

/// Repeated up to 10,000 characters: what must not be split, what grows when it is escaped, and what counts double.
const PIECES: &[&str] = &["x", "q\u{323}", "👩\u{200d}💻", "🎉", "&amp;", "\\*", "\n", "a b\tc\n", "\u{fffd}", "\"\\"];
const EMPTY: &[&str] = &["", " ", " \n\t\n"];

fn long(piece: &str) -> String {
    piece.chars().cycle().take(10_000).collect()
}

/// `text` in every part of a message, and parts of it left out.
fn shapes(text: &str) -> Vec<Message> {
    let plain = message(text);
    let mut severe = plain.clone();
    severe.severity = Severity::Error;
    let mut titled = plain.clone();
    titled.title = Some(text.to_owned());
    let mut linked = plain.clone();
    linked.link = Some(format!("https://x.example/{text}"));
    let mut full = linked.clone();
    full.title = Some(text.to_owned());
    full.severity = Severity::Critical;
    full.signal = Some(Signal::Resolve);
    full.color = Some(text.to_owned());
    full.client = Some(text.to_owned());
    full.client_url = Some(text.to_owned());
    full.fields = vec![Field { name: text.to_owned(), value: text.to_owned(), short: true }; 30];
    let mut nameless = full.clone();
    (nameless.text, nameless.title) = (String::new(), None);
    let mut odd = message("");
    let event = Arc::make_mut(&mut odd.origin.event);
    (event.subject, event.r#type) = (text.into(), text.into());
    vec![plain, severe, titled, linked, full, nameless, odd]
}

#[tokio::test]
async fn every_payload_is_within_the_vendors_limits() {
    for row in ROWS {
        for text in PIECES.iter().map(|piece| long(piece)).chain(EMPTY.iter().map(|text| (*text).to_owned())) {
            let messages = shapes(&text);
            for (shape, payload) in row.posted(&messages).await.iter().enumerate() {
                let beginning: String = text.chars().take(10).collect();
                assert_eq!((row.refuses)(payload), None, "{}, shape {shape} of {beginning:?}: {payload}", row.kind);
            }
        }
    }
}

#[tokio::test]
async fn cuts_do_not_split_characters_or_entities() {
    for row in ROWS {
        for (piece, torn) in [("q\u{323}", "q…"), ("👩\u{200d}💻", "\u{200d}…"), ("&amp;", "&am…")] {
            for payload in row.posted(&shapes(&long(piece))).await {
                for text in row.prose(&payload) {
                    assert!(!text.contains(torn), "{}: {text}", row.kind);
                }
            }
        }
    }
}

#[tokio::test]
async fn control_characters_of_an_event_are_not_sent_as_text() {
    let mut odd = message("");
    let event = Arc::make_mut(&mut odd.origin.event);
    (event.subject, event.r#type) = ("a\u{1b}[31mb\u{0}\r".into(), "t\u{7}\u{85}".into());
    let mut plain = odd.clone();
    plain.text = "text".to_owned();
    for row in ROWS {
        for payload in row.posted(&[odd.clone(), plain.clone()]).await {
            for text in row.prose(&payload) {
                let control = text.chars().find(|letter| letter.is_control() && !"\n\t".contains(*letter));
                assert_eq!(control, None, "{}: {text:?}", row.kind);
            }
        }
    }
}
