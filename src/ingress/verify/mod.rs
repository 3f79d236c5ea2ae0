//! Verification of a request's sender, over the raw bytes, before anything in it is parsed: the key `verify`.
//!
//! Comparisons take the same time whatever is wrong, and an old secret may be valid together with the new one while senders
//! change over.

mod check;
mod hmac_signature;
mod method;
mod secrets;
mod shared_secret;
mod standard_webhooks;
#[cfg(test)]
mod tests;

pub use check::{Proof, VerifyError};
pub use hmac_signature::HmacSignature;
pub use method::Verify;
pub use secrets::secrets;
pub use shared_secret::SharedSecret;
pub use standard_webhooks::StandardWebhooks;
