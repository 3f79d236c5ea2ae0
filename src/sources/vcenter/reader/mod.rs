//! Reading the history session after session: `reconnect` → `session` → `resume`, `tail`, `page_diff`; all share `state`.

mod end;
mod options;
mod page_diff;
mod reconnect;
mod resume;
mod session;
mod state;
mod tail;

pub(super) use end::{ReadResult, SessionEnd};
pub(super) use options::{ReadOptions, StartFrom};
pub(super) use page_diff::PageDiff;
pub(super) use reconnect::run;
pub(super) use state::Reader;
pub(super) use tail::Tail;
