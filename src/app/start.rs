//! Starts a built daemon: binds its listeners, reads its state, then starts the tasks.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tracing::{info, warn};

use super::build::App;
use super::endpoints;
use super::running::{Running, TaskGroups, notify_systemd, report_life};
use crate::event::Name;
use crate::http_server::ListenSocket;
use crate::store::Incident;
use crate::{admin, ingress};

impl App {
    /// The admin API is bound first: a port that is in use must fail the start before anything else happens.
    pub async fn start(self, listen_socket: &mut ListenSocket) -> anyhow::Result<Running> {
        let daemon = &self.daemon;
        let admin_listener = bind_admin(daemon.admin, &admin::address_file(&daemon.state)).await?;
        let endpoints = endpoints::endpoints(&self.sources, &self.backend.metrics);
        let listener =
            endpoints::listen(daemon.listen, listen_socket, &endpoints, &ingress::address_file(&daemon.state)).await?;
        let incidents = self.backend.store.incidents().await.context("cannot read the open incidents")?;
        self.warn_of_leftovers(&incidents).await?;
        let mut cursors = Vec::new();
        for source in &self.sources {
            let cursor = self.backend.store.cursor(&source.name).await;
            cursors.push(cursor.with_context(|| format!("cannot read the cursor of source {}", source.name))?);
        }
        self.backend.silences.load().await.context("cannot read the silences")?;
        match self.backend.silences.active() {
            0 => {}
            count => warn!("active silences: {count}; `tidings silence list` shows them"),
        }

        let Self { daemon, sources, lanes, intake, reporter, backend } = self;
        let backend = Arc::new(backend);
        let metrics = &backend.metrics;
        let mut groups = TaskGroups::new(metrics);
        let admin = admin::serve(admin_listener, Arc::clone(&backend), groups.admin.stop.clone());
        groups.admin.tasks.run("admin API", admin);
        let (silences, stop) = (Arc::clone(&backend.silences), groups.admin.stop.clone());
        groups.admin.tasks.run("silences", async move { silences.log_ends(stop).await });
        for lane in lanes {
            groups.lanes.tasks.run(format!("lane {}", lane.name), lane.run(groups.lanes.stop.clone()));
        }
        groups.intake.tasks.run("intake", intake.run(groups.intake.stop.clone()));
        if let Some(listener) = listener {
            let unmatched = metrics.endpoint(&Name::from(""));
            let stop = groups.listener.stop.clone();
            groups.listener.tasks.run("listener", ingress::serve(listener, endpoints, unmatched, stop));
        }
        for (source, cursor) in sources.into_iter().zip(cursors) {
            source.outbox.resume_at(cursor);
            let incident = incidents.iter().find(|incident| incident.source == source.name).cloned();
            source.start(&mut groups.sources, incident, &reporter, metrics, &backend.store);
        }
        backend.not_ready.send_replace(None);
        notify_systemd(NotifyState::Ready);
        info!(version = env!("CARGO_PKG_VERSION"), "started");
        report_life(&reporter, "daemon.started").await;
        Ok(Running { groups, drain: daemon.drain, reporter, backend })
    }

    /// Alerts and deliveries of sources and sinks that relays.toml no longer has.
    async fn warn_of_leftovers(&self, incidents: &[Incident]) -> anyhow::Result<()> {
        for Incident { source, since, .. } in incidents {
            if !self.sources.iter().any(|known| known.name == *source) {
                warn!("source {source} is gone, but its alert of {since} is still open: resolve it by hand");
            }
        }
        for backlog in self.backend.store.backlog().await.context("cannot read the backlog")? {
            if backlog.pending > 0 && !self.lanes.iter().any(|lane| lane.name == backlog.sink) {
                let (sink, pending) = (&backlog.sink, backlog.pending);
                warn!("{pending} messages are pending for {sink}, which is not set up: they are kept until it is");
            }
        }
        Ok(())
    }
}

async fn bind_admin(address: SocketAddr, file: &Path) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("the admin API cannot listen on {address}: is another tidings running? else set `admin` in [daemon]; port 0 takes any free port")
    })?;
    let address = endpoints::publish(&listener, file)?;
    info!(admin = %address, "admin API listening");
    Ok(listener)
}
