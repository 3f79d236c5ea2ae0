//! The admin API's requests and responses, shared by the daemon and the CLI. A request's fields are the same in a query
//! string, a JSON body and the command line's arguments.
//!
//! Requests with unknown fields are refused: a mistyped filter must not drop every dead letter. Responses may lack
//! fields, so that the CLI can read those of an older daemon. Times in responses are RFC 3339 strings.

mod dead;
mod events;
mod explain;
mod fields;
mod silences;
mod status;

use serde::{Deserialize, Serialize};

pub use dead::{DeadLetter, DeadLetters, DeadRequest};
pub use events::{DeliveryRecord, EventRecord, Events, EventsRequest};
pub use explain::{ExplainRequest, ExplainTarget, Explanation, RelayVerdict};
pub use silences::{ExpireRequest, NewSilence, Silence, Silences, SilencesRequest};
pub use status::{Incident, SinkStatus, SourceStatus, Status};

pub mod paths {
    pub const STATUS: &str = "/api/v1/status";
    pub const EVENTS: &str = "/api/v1/events";
    pub const EXPLAIN: &str = "/api/v1/explain";
    pub const DEAD: &str = "/api/v1/dead";
    pub const DEAD_REPLAY: &str = "/api/v1/dead/replay";
    pub const DEAD_DROP: &str = "/api/v1/dead/drop";
    pub const SILENCES: &str = "/api/v1/silences";
    pub const SILENCES_EXPIRE: &str = "/api/v1/silences/expire";
}

/// How many dead letters were replayed or dropped, or how many silences ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    pub count: u64,
}
