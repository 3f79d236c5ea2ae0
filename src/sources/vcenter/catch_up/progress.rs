//! How far one catch-up has come, over all its collectors.

use jiff::Timestamp;

use crate::sources::vcenter::cursor::EventIdentity;

pub(super) struct Progress {
    /// Events before this time count as read.
    pub(super) since: Option<Timestamp>,
    /// Where the next collector begins: one page before the end of what was read.
    pub(super) begin: Option<Timestamp>,
    /// The last event that was read before, where the history must still contain it.
    pub(super) expected: Option<EventIdentity>,
    /// The latest event of this catch-up.
    pub(super) latest: Option<EventIdentity>,
    /// How many new events were read.
    pub(super) read: usize,
}

impl Progress {
    pub(super) fn new(begin: Option<Timestamp>, expected: Option<EventIdentity>) -> Self {
        Self { since: begin, begin, expected, latest: None, read: 0 }
    }

    /// The last event that was read, by this catch-up or before it.
    pub(super) fn last_read(&self) -> Option<EventIdentity> {
        self.latest.or(self.expected)
    }
}
