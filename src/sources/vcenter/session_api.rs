//! The event history of a real vCenter, read in the session of its pool.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use super::api::{Connect, EventApi, Pages};
use super::config::Filter;
use crate::stop::Stop;
use crate::vsphere::{ApiError, Element, OwnSessions, PageWatch, Reference, Session, SessionPool};

/// Connects to a vCenter with the pool's account; events are selected by `filter`.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolConnect<'p> {
    pub(super) pool: &'p SessionPool,
    pub(super) filter: &'p Filter,
}

pub(super) struct SessionApi<'p> {
    pool: &'p SessionPool,
    filter: &'p Filter,
    session: Arc<Session>,
}

impl<'p> Connect for PoolConnect<'p> {
    type Api = SessionApi<'p>;

    async fn connect(&self, stop: &Stop) -> Result<Option<SessionApi<'p>>, ApiError> {
        let Self { pool, filter } = *self;
        let Some(session) = pool.session(stop).await? else { return Ok(None) };
        if session.about().api_type == "HostAgent" {
            warn!("this is a lone ESXi host, which keeps events for minutes only: expect gaps, or read its vCenter");
        }
        Ok(Some(SessionApi { pool, filter, session }))
    }
}

impl EventApi for SessionApi<'_> {
    type Watch = PageWatch;

    fn instance_uuid(&self) -> &str {
        &self.session.about().instance_uuid
    }

    fn own_sessions(&self) -> Arc<OwnSessions> {
        self.pool.own_sessions()
    }

    async fn server_time(&self) -> Result<Timestamp, ApiError> {
        self.session.current_time().await
    }

    async fn create_collector(&self, begin: Option<Timestamp>, page: u32) -> Result<Reference, ApiError> {
        self.session.create_event_collector(&self.filter.to_event_filter(begin, page)).await
    }

    async fn read_next(&self, of: &Reference, max: u32) -> Result<Vec<Element>, ApiError> {
        self.session.read_next_events(of, max).await
    }

    async fn latest_page(&self, of: &Reference) -> Result<Vec<Element>, ApiError> {
        self.session.latest_page(of).await
    }

    async fn watch(&self, of: &Reference) -> Result<PageWatch, ApiError> {
        self.session.watch_page(of).await
    }

    async fn next_pages(&self, watch: &mut PageWatch, wait: Duration) -> Result<Option<Pages>, ApiError> {
        self.session.next_pages(watch, wait).await
    }

    async fn unwatch(&self, watch: PageWatch) -> Result<(), ApiError> {
        self.session.destroy(watch.reference()).await
    }

    async fn destroy_collector(&self, collector: &Reference) -> Result<(), ApiError> {
        self.session.destroy(collector).await
    }

    async fn log_event(&self, message: &str) -> Result<(), ApiError> {
        let entity = self.filter.entity().unwrap_or_else(|| self.session.root_folder());
        self.session.log_user_event(entity, message).await
    }

    async fn session_lost(&self) {
        self.pool.replaced(&self.session).await;
    }

    async fn close(&self) {
        self.pool.close(&self.session).await;
    }
}
