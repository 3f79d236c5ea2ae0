//! One HTTP server for the public listener and the admin API: connection limits, timeouts, error answers.
//!
//! It knows no path and no handler; `ingress` and `admin` hand it their routers.

mod address;
mod connection_limiter;
mod listener;
mod refusal;
mod serve;

pub use address::Address;
pub use connection_limiter::{ServerLimits, Slot};
pub use refusal::Refusal;
pub use serve::serve;
