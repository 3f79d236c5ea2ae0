//! A small client for vCenter's SOAP API (6.5 to 9), and the session that all users of one account share.
//!
//! Knows the calls and the XML of their answers; what an event means is up to the caller. Answers come as plain trees of
//! [`Element`]s, so that classes and fields of later vCenter versions pass through. A new call is a method of [`Session`]
//! in its own file: build a `Call`, pass it to `Session::call`, pick from the answer.
//!
//! ```text
//!  SessionPool   one account: logs in on demand, once for all users; keeps refused credentials from being tried again
//!    Session     one log-in: events, watch, properties are its calls; logs out
//!      Client    one HTTP request and its answer
//! ```

mod api_error;
mod call;
mod client;
mod element;
mod events;
mod login;
mod own_sessions;
mod pool;
mod properties;
mod redact;
mod reference;
mod session;
#[cfg(test)]
mod tests;
mod watch;

pub use api_error::ApiError;
pub use client::Account;
pub use element::{Element, parse};
pub use events::EventFilter;
pub use own_sessions::OwnSessions;
pub use pool::SessionPool;
pub use properties::{Ancestor, Found};
pub use reference::Reference;
pub use session::Session;
pub use watch::PageWatch;
