//! The HTTP client for other people's servers: a [`Request`] in, a [`Reply`] or a [`ReplyStream`] out.
//!
//! Redirects are not followed. Every wait is bounded, except for the next piece of a stream. Every body that is read
//! whole is capped, and read to its end so that the connection is used again. Knows no vendor: what a reply means is
//! decided by [`Reply::verdict`] and the exceptions that its caller names.

mod api;
mod client;
mod credentials;
mod failure;
mod identity;
mod own_host;
mod redact;
mod reply;
mod request;
mod retry_after;
mod secret_url;
mod stream;
#[cfg(test)]
mod tests;
mod trust;

pub use api::Api;
pub use client::{Outbound, Timeouts};
pub use credentials::{basic, read_headers, read_login, read_query, secret_header};
pub use failure::{NO_SOCKET, PERMISSION};
pub use identity::Identity;
pub use own_host::own_host_only;
pub use reply::{FailureClass, Reply};
pub use request::Request;
pub use secret_url::{SecretUrl, is_loopback};
pub use stream::ReplyStream;
pub use trust::{Fingerprint, Trust, untrusted_certificate};
