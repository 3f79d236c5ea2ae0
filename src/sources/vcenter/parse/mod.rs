//! Elements of the history as events: `event`, with its `event_type` and its data as `json`. What is not an event is
//! counted by `malformed`.

mod event;
mod event_type;
mod json;
mod malformed;

pub(super) use event::{event, identity};
pub(super) use malformed::MalformedEvents;
