//! Builds the lanes of all sinks.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::SinkSettings;
use crate::delivery::{Fetcher, Lane, LaneConfig, LaneState, RateLimit, RateLimits, RelayPreparation};
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::relay::{Relays, Silences};
use crate::sinks::{AnySink, Sink};
use crate::sources::AnySource;
use crate::store::Store;

pub(super) type SinkLane = Lane<AnySink, RelayPreparation<AnySource>>;

/// What all lanes share.
pub(super) struct Shared<'a> {
    pub(super) relays: &'a Arc<Relays>,
    pub(super) silences: &'a Silences,
    pub(super) fetcher: &'a Arc<Fetcher<AnySource>>,
    pub(super) store: &'a Store,
    /// For the daemon's own events.
    pub(super) own_outbox: &'a Outbox,
    pub(super) metrics: &'a Metrics,
}

pub(super) fn build(sinks: Vec<SinkSettings>, net: &Outbound, shared: &Shared) -> Vec<SinkLane> {
    let mut rate_limits = RateLimits::default();
    // Sinks with the same destination share one limit, so all limits are known before the first lane gets its own.
    let opened: Vec<_> = sinks
        .into_iter()
        .map(|SinkSettings { name, config, lane }| {
            let (kind, sink) = (config.kind(), Arc::new(config.open(net)));
            rate_limit(&sink, &lane, &mut rate_limits);
            (name, kind, sink, lane)
        })
        .collect();
    opened
        .into_iter()
        .map(|(name, kind, sink, config)| {
            let (state, _) = watch::channel(LaneState::default());
            Lane {
                rate_limit: rate_limit(&sink, &config, &mut rate_limits),
                metrics: shared.metrics.sink(&name),
                name,
                kind,
                preparation: Arc::new(RelayPreparation {
                    relays: Arc::clone(shared.relays),
                    fetcher: Arc::clone(shared.fetcher),
                    markup: sink.traits().markup,
                    kind,
                }),
                destination: sink,
                config,
                silences: shared.silences.clone(),
                store: shared.store.clone(),
                outbox: shared.own_outbox.clone(),
                state,
            }
        })
        .collect()
}

fn rate_limit(sink: &AnySink, config: &LaneConfig, rate_limits: &mut RateLimits) -> Option<Arc<RateLimit>> {
    let traits = sink.traits();
    let rate = config.rate.unwrap_or(traits.rate)?;
    Some(rate_limits.share(&traits.destination, rate, traits.burst))
}
