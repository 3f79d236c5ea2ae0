//! One HTTP server for the public listener and the admin API: connection limits, timeouts, error answers.
//!
//! It knows no path and no handler; `ingress` and `admin` pass it their routers.

mod address;
mod connection_limiter;
mod error;
mod limited_listener;
mod listen_socket;
mod serve;

pub use address::Address;
pub use connection_limiter::{ServerLimits, Slot};
pub use error::HttpError;
pub use listen_socket::ListenSocket;
pub use serve::serve;
