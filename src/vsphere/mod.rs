//! A small client for vCenter's SOAP API (6.5 to 9), written by hand.
//!
//! Knows how to ask and what the answer's XML is; what an event means is its users' business. Everything comes as
//! a plain tree of [`Element`]s, so that classes and fields which vCenter gains later pass through. Another call is
//! a method of [`Session`] in a file of its own: build a `Call`, hand it to `Session::call`, pick from the answer.

mod call;
mod client;
mod element;
mod events;
mod hidden;
mod login;
mod properties;
mod reference;
mod session;
#[cfg(test)]
mod tests;
mod trouble;
mod watch;

use reqwest::Url;

use crate::outbound::Trust;
use crate::secret::Secret;

pub use client::Client;
pub use element::{Element, parse};
pub use events::{EventFilter, Recursion};
pub use properties::{Ancestor, Found};
pub use reference::Reference;
pub use session::{About, Session, user_agent};
pub use trouble::Trouble;
pub use watch::Watched;

/// Where a vCenter is and as whom to enter.
#[derive(Debug, Clone)]
pub struct Account {
    /// The whole endpoint, `https://vcenter.example.com/sdk`.
    pub url: Url,
    pub user: String,
    pub password: Secret,
    pub trust: Trust,
}
