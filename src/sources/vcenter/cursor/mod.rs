//! How far the history was read: `position` with the events that were `seen`, and the `format` in which it is stored.

mod format;
mod identity;
mod position;
mod seen;
#[cfg(test)]
mod tests;

pub(super) use identity::{CLOCK_TOLERANCE, EventIdentity, TIME_ROUNDING, before};
pub(super) use position::Cursor;
