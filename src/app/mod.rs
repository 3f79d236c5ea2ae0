//! The daemon: builds the parts from a [`Config`](crate::config::Config), connects them, starts and drains them.

mod backend;
mod build;
mod endpoints;
mod lanes;
mod responses;
mod running;
mod silences;
mod source;
mod start;

pub use crate::http_server::ListenSocket;
pub use build::App;
pub use responses::explain;
pub use running::Running;
