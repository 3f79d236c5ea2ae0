//! The store in one `SQLite` file.
//!
//! ```text
//!  commit ─▶ writer thread ─▶ file ─▶ ready buffer of each sink ─▶ DeliveryStream::take
//!  settle ─▶      ″                 ╰▶ reader thread ────────────▶      ″      (a sink that is behind)
//! ```
//!
//! One thread writes and puts everything that has queued up into one transaction (`writer`). Sinks get new deliveries
//! from memory and older ones from the file; `ready_buffer` explains how none is lost between the two.

mod access;
mod counts;
mod open;
mod queries;
mod reader;
mod ready_buffer;
mod requests;
mod retention;
mod rows;
mod schema;
mod settle;
mod shared;
mod silences;
mod source_up;
mod store;
mod stream;
mod transaction;
mod writer;

#[cfg(test)]
mod tests;

pub use store::Store;
pub use stream::DeliveryStream;
