//! A WebSocket client that stays connected: it reconnects, detects dead peers, limits what it reads, and retries slowly
//! where the credentials are refused.
//!
//! Knows frames and clocks, no events and no sources. A source calls [`ReconnectingSocket::next`] in a loop.

mod address;
mod config;
mod connection;
mod faults;
#[cfg(test)]
pub(crate) mod peer;
mod reconnecting;
#[cfg(test)]
mod tests;

pub use address::Address;
pub use config::ConnectionConfig;
pub use reconnecting::{LONGEST_MESSAGE, ReconnectingSocket, SocketEvent, unless_stopped};
