//! Reads relays.toml key by key, so that one run finds every error and each error has its position.
//!
//! serde stops at the first error and suggests no similar key. Here each component reads its keys by name from a
//! [`TableReader`]. The keys that are read are the keys that exist: unknown keys, the nearest valid key and the list
//! of all documented keys come from the same calls.

mod item;
mod messages;
mod problem;
mod reader;
mod secrets;
mod table_reader;
mod values;

pub use item::{Item, Node, Spanned};
pub use problem::{Problem, nearest, render};
pub use reader::{ConfigReader, Findings};
pub use table_reader::TableReader;
pub use values::{Rate, parse_duration, parse_rate, parse_size, print_duration};
