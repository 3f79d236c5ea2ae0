//! The answers of failing calls.

use super::Failure;
use super::http::{Answer, whole};
use super::soap::{envelope, fault, response};

pub(super) fn failing_answer(failure: Failure, name: &str, answer: String) -> Answer {
    match failure {
        Failure::Html503 => Answer::Whole {
            status: 503,
            kind: "text/html",
            cookie: None,
            body: "<html><head><title>503 Service Unavailable</title><body><h1>503<br>no healthy upstream".to_owned(),
        },
        Failure::CutOff => whole(200, truncated(&answer)),
        Failure::Broken => Answer::Broken(truncated(&answer)),
        Failure::Hang => Answer::Never,
        Failure::Fault(name) => whole(500, fault(name, "Ein allgemeiner Fehler ist aufgetreten.", "")),
        Failure::EntityBomb => whole(200, entity_bomb()),
        Failure::Empty => whole(200, response(name, "")),
        Failure::DeepNesting => whole(200, envelope(&"<a>".repeat(200_000))),
        Failure::LoggedOut | Failure::LoggedOutInMissingSet | Failure::Gone | Failure::Burst(..) => whole(200, answer),
    }
}

/// Two thirds of the answer, up to the middle of the next tag.
fn truncated(answer: &str) -> String {
    let from = answer.len() * 2 / 3;
    let tag = answer.char_indices().find(|(at, letter)| *at >= from && *letter == '<');
    let end = tag.map_or(from, |(at, _)| at + 3);
    answer.chars().take(answer.get(..end).map_or(10, |part| part.chars().count())).collect()
}

fn entity_bomb() -> String {
    let entity = |n: u32| format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10));
    let entities = (1..=9).map(entity).collect::<Vec<_>>().concat();
    let text = envelope("<LoginResponse xmlns=\"urn:vim25\"><returnval><key>&a9;</key></returnval></LoginResponse>");
    let (head, rest) = text.split_once('\n').expect("a declaration");
    format!("{head}\n<!DOCTYPE a [<!ENTITY a0 \"boom boom boom boom\">{entities}]>{rest}")
}
