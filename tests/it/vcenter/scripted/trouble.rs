//! What is answered instead of an answer.

use super::Trouble;
use super::soap::{envelope, fault, response};
use super::wire::{Answer, whole};

pub(super) fn befallen(trouble: Trouble, name: &str, answer: String) -> Answer {
    match trouble {
        Trouble::Html503 => Answer::Whole {
            status: 503,
            kind: "text/html",
            cookie: None,
            body: "<html><head><title>503 Service Unavailable</title><body><h1>503<br>no healthy upstream".to_owned(),
        },
        Trouble::CutOff => whole(200, in_mid_element(&answer)),
        Trouble::Broken => Answer::Broken(in_mid_element(&answer)),
        Trouble::Hang => Answer::Never,
        Trouble::Fault(name) => whole(500, fault(name, "Ein allgemeiner Fehler ist aufgetreten.", "")),
        Trouble::Bomb => whole(200, bomb()),
        Trouble::Empty => whole(200, response(name, "")),
        Trouble::Abyss => whole(200, envelope(&"<a>".repeat(200_000))),
        Trouble::LoggedOut | Trouble::LoggedOutQuietly | Trouble::Gone | Trouble::Storm(..) => whole(200, answer),
    }
}

/// Two thirds of it, and then to the middle of the next tag.
fn in_mid_element(answer: &str) -> String {
    let from = answer.len() * 2 / 3;
    let tag = answer.char_indices().find(|(at, letter)| *at >= from && *letter == '<');
    let end = tag.map_or(from, |(at, _)| at + 3);
    answer.chars().take(answer.get(..end).map_or(10, |part| part.chars().count())).collect()
}

fn bomb() -> String {
    let entity = |n: u32| format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10));
    let entities = (1..=9).map(entity).collect::<Vec<_>>().concat();
    let text = envelope("<LoginResponse xmlns=\"urn:vim25\"><returnval><key>&a9;</key></returnval></LoginResponse>");
    let (head, rest) = text.split_once('\n').expect("a declaration");
    format!("{head}\n<!DOCTYPE a [<!ENTITY a0 \"boom boom boom boom\">{entities}]>{rest}")
}
