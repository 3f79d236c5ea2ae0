//! What the reader needs of a vCenter. The tests implement it in memory.

use std::time::Duration;

use jiff::Timestamp;

use crate::stop::Stop;
use crate::vsphere::{ApiError, Element, PageWatch, Reference};

/// The most events that vCenter returns at once, and the most that are held in memory.
pub(super) const PAGE: u32 = 1000;

/// Versions of a collector's latest page, oldest version first.
pub(super) type Pages = Vec<Vec<Element>>;

/// Gives access to the event history.
pub(super) trait Connect {
    type Api: EventApi;
    /// None where the stop comes first; no session is left behind then.
    fn connect(&self, stop: &Stop) -> impl Future<Output = Result<Option<Self::Api>, ApiError>> + Send;
}

/// The event history within one session.
pub(super) trait EventApi: Send + Sync {
    /// Identifies the vCenter.
    fn instance_uuid(&self) -> &str;
    /// The server's clock.
    fn server_time(&self) -> impl Future<Output = Result<Timestamp, ApiError>> + Send;
    /// A collector of the events since `begin`, with a latest page of `page` events.
    fn create_collector(
        &self,
        begin: Option<Timestamp>,
        page: u32,
    ) -> impl Future<Output = Result<Reference, ApiError>> + Send;
    /// The next events of a collector, oldest first; none at its end.
    fn read_next(&self, of: &Reference, max: u32) -> impl Future<Output = Result<Vec<Element>, ApiError>> + Send;
    fn latest_page(&self, of: &Reference) -> impl Future<Output = Result<Vec<Element>, ApiError>> + Send;
    fn watch(&self, of: &Reference) -> impl Future<Output = Result<PageWatch, ApiError>> + Send;
    /// The first answer is the current page. None: no change within `wait`.
    fn next_pages(
        &self,
        watch: &mut PageWatch,
        wait: Duration,
    ) -> impl Future<Output = Result<Option<Pages>, ApiError>> + Send;
    /// Destroys a collector, or that of a watch.
    fn destroy(&self, collector: &Reference) -> impl Future<Output = Result<(), ApiError>> + Send;
    /// Adds a user event to the history.
    fn log_event(&self, message: &str) -> impl Future<Output = Result<(), ApiError>> + Send;
    /// Resolves when another user of the session finds it lost.
    fn session_lost(&self) -> impl Future<Output = ()> + Send;
    /// Destroys what this session made, and logs out. Bounded in time.
    fn close(&self) -> impl Future<Output = ()> + Send;
}
