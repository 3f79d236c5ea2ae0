//! What is kept from one poll to the next: which items are known, and what to request.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::ingress::MAX_ELEMENTS;

/// Up to this many items are remembered in total after they leave the list, for lists that are empty temporarily.
const MOST_REMEMBERED: usize = 2000;

/// Twice the longest list: new items of a list that could only be read in part are added to the known ones, and any that
/// did not fit would become events again.
const MOST_KNOWN: usize = 2 * MAX_ELEMENTS;

/// Committed with the events. The serialized names stay as they are, so that stored cursors remain readable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The digest of the polled address. Another address has other items.
    #[serde(rename = "of")]
    pub(super) address: String,
    /// Digests of items, those of the last document first.
    #[serde(default)]
    pub(super) known: Vec<String>,
    /// The last value that the key `cursor` rendered.
    #[serde(default, rename = "cursor")]
    pub(super) parameter: Option<String>,
    #[serde(default, rename = "tag")]
    pub(super) validators: Option<Validators>,
}

/// HTTP's validators of a document, with which the server can answer 304, and the digest of the URL they belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    pub(super) url: String,
    pub(super) etag: Option<String>,
    pub(super) modified: Option<String>,
}

impl Cursor {
    /// Makes the items of `listed` known. Items without ids are forgotten when they leave the list: if they return, they
    /// are new.
    pub(super) fn set_known(&mut self, listed: Vec<String>, has_ids: bool) {
        let before = std::mem::replace(&mut self.known, listed);
        self.known.truncate(MOST_KNOWN);
        if !has_ids {
            return;
        }
        let current: HashSet<&String> = self.known.iter().collect();
        let capacity = MOST_REMEMBERED.saturating_sub(self.known.len());
        let gone: Vec<_> = before.into_iter().filter(|item| !current.contains(item)).take(capacity).collect();
        self.known.extend(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::json_cursor::print_cursor;

    fn items(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| number.to_string()).collect()
    }

    #[test]
    fn items_with_ids_stay_known_after_they_leave_the_list_but_not_for_ever() {
        let mut cursor = Cursor::default();
        cursor.set_known(items(0..5), true);
        cursor.set_known(Vec::new(), true);
        assert_eq!(cursor.known, items(0..5));
        cursor.set_known(items(5..2003), true);
        assert_eq!(cursor.known.len(), MOST_REMEMBERED);
        assert!(cursor.known.contains(&"1".to_owned()) && !cursor.known.contains(&"2".to_owned()));
        cursor.set_known(items(0..2 * MOST_KNOWN), true);
        assert_eq!(cursor.known.len(), MOST_KNOWN);
    }

    #[test]
    fn items_without_ids_are_known_while_they_are_listed() {
        let mut cursor = Cursor::default();
        cursor.set_known(items(0..2), false);
        cursor.set_known(items(1..3), false);
        assert_eq!(cursor.known, items(1..3));
    }

    #[test]
    fn a_cursor_survives_being_stored() {
        let validators = Validators { url: "u".into(), etag: Some("\"x\"".into()), modified: None };
        let cursor = Cursor {
            address: "a".into(),
            known: items(0..2),
            parameter: Some("c".into()),
            validators: Some(validators),
        };
        let parse = |text: &str| serde_json::from_str::<Cursor>(text).ok();
        assert_eq!(parse(&print_cursor(&cursor)), Some(cursor));
        assert_eq!(parse("{"), None);
    }
}
