//! What a relay's `fetch` gets: the object of a reference, with its path in the inventory. `query` reads it, `json` shapes it.

mod json;
mod query;

pub(super) use query::{HostNames, InventoryQuery};
