//! Events. Plain data: made by a source, never changed afterwards.
//!
//! The shape is that of `CloudEvents` 1.0. Deliberately knows no relay, no store and no kind of source.

mod body;
mod digest;
mod id;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use body::{Body, BodyError, Picked, Step, path};
pub use digest::digest;
pub use id::EventId;

/// The `source` of the daemon's own events.
pub const OURSELVES: &str = "tidings";

#[derive(Debug, Clone)]
pub struct Event {
    pub id: EventId,
    /// The name of the source in relays.toml (`prod`), or [`OURSELVES`].
    pub source: Name,
    /// The kind of the source (`tutum`).
    pub kind: Name,
    /// Dotted lower case, noun first: `container.create`.
    pub r#type: Box<str>,
    pub time: Timestamp,
    pub subject: Box<str>,
    /// The original body.
    pub data: Body,
}

impl Event {
    /// An event of the daemon's own life.
    pub fn ours(r#type: &str, subject: &str, time: Timestamp, data: &Value) -> Self {
        Self {
            id: EventId::fresh(time),
            source: Name::from(OURSELVES),
            kind: Name::from(OURSELVES),
            r#type: r#type.into(),
            time,
            subject: subject.into(),
            data: Body::from_value(data),
        }
    }

    pub fn is_ours(&self) -> bool {
        &*self.source == OURSELVES
    }

    /// The envelope as `CloudEvents` spells it, `data` included: what the admin API and `--json` show.
    pub fn to_json(&self) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id.to_string(),
            "source": &*self.source,
            "kind": &*self.kind,
            "type": &*self.r#type,
            "time": self.time.to_string(),
            "subject": &*self.subject,
            "data": self.data.value().as_ref(),
        })
    }
}

/// A name out of relays.toml. Cheap to clone: every event and delivery has some.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
