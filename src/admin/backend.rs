//! What the admin API needs from the daemon.

use super::types::{
    Count, DeadLetters, DeadRequest, Events, EventsRequest, ExpireRequest, ExplainTarget, Explanation, NewSilence,
    Silence, Silences, SilencesRequest, Status,
};
use crate::http_server::HttpError;

/// Answers the requests; implemented by `app`. The routes check a request before they pass it on.
pub trait AdminBackend: Send + Sync + 'static {
    /// Err: why the daemon is not ready (starting, draining, or unable to write).
    fn ready(&self) -> Result<(), String>;
    /// In Prometheus' text format.
    fn metrics(&self) -> impl Future<Output = String> + Send;
    fn status(&self) -> impl Future<Output = Status> + Send;
    /// If there are more than `limit`, the latest.
    fn events(&self, request: EventsRequest) -> impl Future<Output = Result<Events, HttpError>> + Send;
    /// Without a selection: all, up to `limit`.
    fn dead(&self, request: DeadRequest) -> impl Future<Output = Result<DeadLetters, HttpError>> + Send;
    fn replay(&self, request: DeadRequest) -> impl Future<Output = Result<Count, HttpError>> + Send;
    fn drop_dead(&self, request: DeadRequest) -> impl Future<Output = Result<Count, HttpError>> + Send;
    fn silences(&self, request: SilencesRequest) -> impl Future<Output = Result<Silences, HttpError>> + Send;
    fn add_silence(&self, request: NewSilence) -> impl Future<Output = Result<Silence, HttpError>> + Send;
    fn expire_silences(&self, request: ExpireRequest) -> impl Future<Output = Result<Count, HttpError>> + Send;
    fn explain(&self, target: ExplainTarget) -> impl Future<Output = Result<Explanation, HttpError>> + Send;
}
