//! Everything that requests from outside pass through: paths, limits, verification of senders, reading of bodies.
//!
//! It may face the internet, behind TLS. It knows no kind of source: a source reads its vendor's fields out of what
//! [`HookAuth`] has verified and [`json`], [`cloudevents`] and [`Split`] have read.

mod body_reader;
pub mod cloudevents;
mod content;
mod endpoint;
mod form;
mod hook_auth;
mod labels;
mod listener;
mod request;
mod router;
mod split;
#[cfg(test)]
mod tests;
mod unreadable;
pub mod verify;

pub use content::{Media, json, text_at};
pub use endpoint::{EndpointConfig, MAX_BODY};
pub use hook_auth::{HookAuth, VerifiedRequest};
pub use labels::{Arrived, Known, Labels, dotted_type, image_subject, parse_time};
pub use listener::{INTAKE_TIMEOUT, address_file, serve};
pub use request::{Accepted, HookRequest, HookResult};
pub use router::{Endpoint, Receiver};
pub use split::{MAX_ELEMENTS, Split, list};
pub use unreadable::Unreadable;
