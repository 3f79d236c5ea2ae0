//! The reading's view of a real vCenter, and the session that look-ups share with it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::config::Filter;
use super::history::{Gate, History, Pages};
use crate::vsphere::{Client, Element, Reference, Session, Trouble, Watched, user_agent};

#[derive(Debug)]
pub(super) struct Entrance {
    client: Client,
    filter: Filter,
    /// The session under way; look-ups wait for one here.
    current: watch::Sender<Option<Arc<Session>>>,
}

pub(super) struct Live<'a> {
    entrance: &'a Entrance,
    session: Arc<Session>,
}

impl Entrance {
    pub(super) fn new(client: Client, filter: Filter) -> Self {
        Self { client, filter, current: watch::Sender::new(None) }
    }

    /// The session under way, or the next one.
    pub(super) async fn session(&self) -> Option<Arc<Session>> {
        let mut current = self.current.subscribe();
        let found = current.wait_for(Option::is_some).await.ok()?;
        found.clone()
    }

    /// Whoever met `NotAuthenticated` says so, so that the reading need not find out by itself.
    pub(super) fn is_dead(&self, session: &Arc<Session>) {
        self.current.send_if_modified(|current| {
            let same = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, session));
            if same {
                *current = None;
            }
            same
        });
    }
}

impl<'a> Gate for &'a Entrance {
    type Inside = Live<'a>;

    async fn enter(&self) -> Result<Live<'a>, Trouble> {
        let session = Arc::new(self.client.login().await?);
        let about = session.about();
        info!(name = about.name, version = about.version, build = about.build, "logged in");
        if about.api_type == "HostAgent" {
            warn!("this is a lone ESXi, which keeps its events for minutes only: expect gaps; better read its vCenter");
        }
        self.current.send_replace(Some(Arc::clone(&session)));
        Ok(Live { entrance: self, session })
    }
}

impl History for Live<'_> {
    type Watch = Watched;

    fn instance(&self) -> &str {
        &self.session.about().instance_uuid
    }

    fn session_key(&self) -> &str {
        self.session.session_key()
    }

    fn user_agent(&self) -> &str {
        user_agent()
    }

    async fn now(&self) -> Result<Timestamp, Trouble> {
        self.session.current_time().await
    }

    async fn collect(&self, begin: Option<Timestamp>, most: u32) -> Result<Reference, Trouble> {
        self.session.create_event_collector(&self.entrance.filter.ask(begin, most)).await
    }

    async fn read_on(&self, of: &Reference, most: u32) -> Result<Vec<Element>, Trouble> {
        self.session.read_next_events(of, most).await
    }

    async fn latest(&self, of: &Reference) -> Result<Vec<Element>, Trouble> {
        self.session.latest_page(of).await
    }

    async fn watch(&self, of: &Reference) -> Result<Watched, Trouble> {
        self.session.watch_page(of).await
    }

    async fn changes(&self, watch: &mut Watched, wait: Duration) -> Result<Option<Pages>, Trouble> {
        self.session.next_pages(watch, wait).await
    }

    async fn unwatch(&self, watch: Watched) -> Result<(), Trouble> {
        self.session.destroy(watch.reference()).await
    }

    async fn destroy(&self, collector: &Reference) -> Result<(), Trouble> {
        self.session.destroy(collector).await
    }

    async fn note(&self, message: &str) -> Result<(), Trouble> {
        let entity = self.entrance.filter.entity().unwrap_or_else(|| self.session.root_folder());
        self.session.log_user_event(entity, message).await
    }

    async fn found_dead(&self) {
        let mut current = self.entrance.current.subscribe();
        let gone =
            current.wait_for(|current| !current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &self.session)));
        if gone.await.is_err() {
            // The other end lives as long as we do.
            std::future::pending::<()>().await;
        }
    }

    async fn leave(&self) {
        self.entrance.is_dead(&self.session);
        if let Err(trouble) = self.session.logout().await {
            debug!(%trouble, "not logged out; vCenter ends the session by itself");
        }
    }
}
