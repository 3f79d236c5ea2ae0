//! The cursor as it is stored: JSON.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::position::Cursor;
use super::seen::SeenEvents;

/// A cursor of another version is unreadable.
const VERSION: u8 = 2;
/// The latest events are stored whatever their age: a tail shows late ones again.
const MIN_STORED: usize = 100;

/// Times are text. `seen` holds the nanoseconds before `listened_until` and the key, each as the difference to the one
/// before: small numbers, since there may be thousands.
#[derive(Serialize, Deserialize)]
struct StoredCursor {
    version: u8,
    instance: String,
    filter: u32,
    since: Option<String>,
    last: Option<(String, i64)>,
    listened_until: String,
    seen: Vec<(i128, i64)>,
    forgotten: Option<String>,
}

impl Cursor {
    /// With the events that the next reading can meet: those within `overlap`, and those that a tail still shows.
    pub(crate) fn write(&self, overlap: Duration) -> String {
        let begin = self.begin(overlap).unwrap_or(Timestamp::MIN);
        let latest = self.seen.order.len().saturating_sub(MIN_STORED);
        let stored = self.seen.order.iter().enumerate().filter(|(at, event)| *at >= latest || begin <= event.0);
        let mut previous = (0_i128, 0_i64);
        let seen = stored.map(|(_, (time, key))| {
            let current = (self.listened_until.as_nanosecond() - time.as_nanosecond(), *key);
            let step = (current.0 - previous.0, current.1.wrapping_sub(previous.1));
            previous = current;
            step
        });
        let stored = StoredCursor {
            version: VERSION,
            instance: self.instance.clone(),
            filter: self.filter,
            since: self.since.map(|time| time.to_string()),
            last: self.last.map(|(time, key)| (time.to_string(), key)),
            listened_until: self.listened_until.to_string(),
            seen: seen.collect(),
            forgotten: self.seen.forgotten.filter(|until| begin <= *until).map(|time| time.to_string()),
        };
        // Serializing plain data cannot fail. An empty text would be an unreadable cursor.
        serde_json::to_string(&stored).unwrap_or_default()
    }

    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let stored: StoredCursor = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if stored.version != VERSION {
            return Err(format!("its version is {}, and this program reads {VERSION}", stored.version));
        }
        let StoredCursor { version: _, instance, filter, since, last, listened_until, seen, forgotten } = stored;
        let time = |text: &String| text.parse::<Timestamp>().map_err(|error| error.to_string());
        let listened_until = time(&listened_until)?;
        let since = since.as_ref().map(time).transpose()?;
        let last = last.map(|(text, key)| time(&text).map(|time| (time, key))).transpose()?;
        let mut events = SeenEvents::default();
        events.forgotten = forgotten.as_ref().map(time).transpose()?;
        let mut previous = (listened_until.as_nanosecond(), 0_i64);
        for step in seen {
            previous = (previous.0.wrapping_sub(step.0), previous.1.wrapping_add(step.1));
            let time = Timestamp::from_nanosecond(previous.0).map_err(|error| error.to_string())?;
            events.insert((time, previous.1), listened_until);
        }
        Ok(Self { instance, filter, since, last, listened_until, seen: events })
    }
}
