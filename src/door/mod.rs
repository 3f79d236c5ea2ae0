//! The door: where others bring us something. May face the internet, behind TLS.
//!
//! It knows paths, limits and patience; what is brought, and whether it is genuine, is its receiver's business.

mod hook;
mod knock;
mod refusal;

pub use hook::Hook;
pub use knock::{Answer, Knock, Welcome};
pub use refusal::Refusal;
