//! The event history of a real vCenter, read in the session of its pool.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use super::Vcenter;
use super::api::{Connect, EventApi, Pages};
use crate::stop::Stop;
use crate::vsphere::{ApiError, Element, PageWatch, Reference, Session};

pub(super) struct SessionApi<'v> {
    vcenter: &'v Vcenter,
    session: Arc<Session>,
}

impl<'v> Connect for &'v Vcenter {
    type Api = SessionApi<'v>;

    async fn connect(&self, stop: &Stop) -> Result<Option<SessionApi<'v>>, ApiError> {
        let Some(session) = self.pool.session(stop).await? else { return Ok(None) };
        if session.about("apiType") == "HostAgent" {
            warn!("this is a lone ESXi host, which keeps events for minutes only: expect gaps, or read its vCenter");
        }
        Ok(Some(SessionApi { vcenter: self, session }))
    }
}

impl EventApi for SessionApi<'_> {
    fn instance_uuid(&self) -> &str {
        self.session.about("instanceUuid")
    }

    async fn server_time(&self) -> Result<Timestamp, ApiError> {
        self.session.current_time().await
    }

    async fn create_collector(&self, begin: Option<Timestamp>, page: u32) -> Result<Reference, ApiError> {
        self.session.create_event_collector(&self.vcenter.config.filter, begin, page).await
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

    async fn destroy(&self, collector: &Reference) -> Result<(), ApiError> {
        self.session.destroy(collector).await
    }

    /// Into the filter's entity, so that it passes the filter.
    async fn log_event(&self, message: &str) -> Result<(), ApiError> {
        let entity = self.vcenter.config.filter.entity.clone();
        let entity = entity.map_or_else(|| self.session.service("rootFolder"), Ok)?;
        self.session.log_user_event(&entity, message).await
    }

    async fn session_lost(&self) {
        self.vcenter.pool.replaced(&self.session).await;
    }

    async fn close(&self) {
        self.vcenter.pool.close(&self.session).await;
    }
}
