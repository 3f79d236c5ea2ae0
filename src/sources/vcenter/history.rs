//! What the reading needs of a vCenter, and no more: so it is tested against one that is made of memory.

use std::time::Duration;

use jiff::Timestamp;

use crate::vsphere::{Element, Reference, Trouble};

/// Pages of events as they came, each the newest of its moment.
pub(super) type Pages = Vec<Vec<Element>>;

/// The way in.
pub(super) trait Gate {
    type Inside: History;
    fn enter(&self) -> impl Future<Output = Result<Self::Inside, Trouble>> + Send;
}

/// One session's view of the events.
pub(super) trait History: Send + Sync {
    /// What waits for changes of a collector's latest page.
    type Watch: Send;

    /// The vCenter's own id.
    fn instance(&self) -> &str;
    /// The session's key, by which its own traces are known.
    fn session_key(&self) -> &str;
    /// How we introduce ourselves: an earlier life's sessions are known by it.
    fn user_agent(&self) -> &str;
    /// The server's clock.
    fn now(&self) -> impl Future<Output = Result<Timestamp, Trouble>> + Send;
    /// A collector with pages of `most` events, of those since `begin`.
    fn collect(&self, begin: Option<Timestamp>, most: u32) -> impl Future<Output = Result<Reference, Trouble>> + Send;
    /// The next events of a collector, oldest first; none at its end.
    fn read_on(&self, of: &Reference, most: u32) -> impl Future<Output = Result<Vec<Element>, Trouble>> + Send;
    /// A collector's newest events.
    fn latest(&self, of: &Reference) -> impl Future<Output = Result<Vec<Element>, Trouble>> + Send;
    fn watch(&self, of: &Reference) -> impl Future<Output = Result<Self::Watch, Trouble>> + Send;
    /// The first answer is the page as it stands; None: nothing new within `wait`.
    fn changes(
        &self,
        watch: &mut Self::Watch,
        wait: Duration,
    ) -> impl Future<Output = Result<Option<Pages>, Trouble>> + Send;
    fn unwatch(&self, watch: Self::Watch) -> impl Future<Output = Result<(), Trouble>> + Send;
    fn destroy(&self, collector: &Reference) -> impl Future<Output = Result<(), Trouble>> + Send;
    /// Writes an event of its own into the history.
    fn note(&self, message: &str) -> impl Future<Output = Result<(), Trouble>> + Send;
    /// Resolves when somebody else found this session to be dead.
    fn found_dead(&self) -> impl Future<Output = ()> + Send;
    /// Takes back what this session made, and logs out. Bounded in time.
    fn leave(&self) -> impl Future<Output = ()> + Send;
}
