//! Support for the unit tests of all modules. Compiled for tests only, and uses no module of the crate.

pub(crate) mod log;
pub(crate) mod scripted_server;
pub(crate) mod tls;
