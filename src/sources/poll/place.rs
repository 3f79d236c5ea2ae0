//! What we remember from one poll to the next: which items were there, and what to ask for.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::ingress::MAX_ELEMENTS;

/// Of items that are no longer shown so many are still known, for lists that are empty once and full again.
const KNOWN_BEYOND: usize = 2000;

/// A list shows no more than half of this. The other half is for what is new on a list of which the rest could not be
/// read: what is not known of that would be told again.
const MOST_KNOWN: usize = 2 * MAX_ELEMENTS;

/// Written down with the events as the source's cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// What the address was: another one has another history.
    pub(super) of: String,
    /// Digests of items, those of the last document first.
    #[serde(default)]
    pub(super) known: Vec<String>,
    /// What `cursor` said last.
    #[serde(default)]
    pub(super) cursor: Option<String>,
    #[serde(default)]
    pub(super) tag: Option<Tag>,
}

/// How the server tells one state of a document from another, and of which address it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tag {
    pub(super) url: String,
    pub(super) etag: Option<String>,
    pub(super) modified: Option<String>,
}

impl Place {
    /// None where the text is no place.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn print(&self) -> String {
        serde_json::to_string(self).expect("text is always JSON")
    }

    /// What is known once `shown` is told. Without ids of their own, items that went away and come again are news.
    pub(super) fn know(&mut self, shown: Vec<String>, has_ids: bool) {
        let before = std::mem::replace(&mut self.known, shown);
        self.known.truncate(MOST_KNOWN);
        if !has_ids {
            return;
        }
        let here: HashSet<&String> = self.known.iter().collect();
        let room = KNOWN_BEYOND.saturating_sub(self.known.len());
        let gone: Vec<_> = before.into_iter().filter(|item| !here.contains(item)).take(room).collect();
        self.known.extend(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| number.to_string()).collect()
    }

    #[test]
    fn items_with_ids_are_known_for_longer_than_they_are_shown_but_not_for_ever() {
        let mut place = Place::default();
        place.know(items(0..5), true);
        place.know(Vec::new(), true);
        assert_eq!(place.known, items(0..5));
        place.know(items(5..2003), true);
        assert_eq!(place.known.len(), KNOWN_BEYOND);
        assert!(place.known.contains(&"1".to_owned()) && !place.known.contains(&"2".to_owned()));
        place.know(items(0..2 * MOST_KNOWN), true);
        assert_eq!(place.known.len(), MOST_KNOWN);
    }

    #[test]
    fn items_without_ids_are_known_while_they_are_shown() {
        let mut place = Place::default();
        place.know(items(0..2), false);
        place.know(items(1..3), false);
        assert_eq!(place.known, items(1..3));
    }

    #[test]
    fn a_place_survives_being_written_down() {
        let tag = Tag { url: "u".into(), etag: Some("\"x\"".into()), modified: None };
        let place = Place { of: "a".into(), known: items(0..2), cursor: Some("c".into()), tag: Some(tag) };
        assert_eq!(Place::parse(&place.print()), Some(place));
        assert_eq!(Place::parse("{"), None);
    }
}
