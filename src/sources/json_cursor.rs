//! Cursors that are stored as JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::outbox::Outbox;

/// The stored cursor. None: there is none, or it cannot be read, which is logged.
pub(super) fn stored_cursor<C: DeserializeOwned>(out: &Outbox) -> Option<C> {
    let text = out.cursor()?;
    let cursor = serde_json::from_str(&text).ok();
    if cursor.is_none() {
        warn!(source = %out.source(), "stored cursor is unreadable, starting over");
    }
    cursor
}

pub(super) fn print_cursor(cursor: &impl Serialize) -> String {
    serde_json::to_string(cursor).expect("numbers and strings are serializable")
}
