//! The routes of the admin API: reading and checking requests, serializing responses.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::backend::AdminBackend;
use super::guard;
use super::types::{
    Count, DeadLetters, DeadRequest, Events, EventsRequest, ExpireRequest, ExplainRequest, Explanation, NewSilence,
    Silence, Silences, Status, paths,
};
use crate::http_server::HttpError;

const MAX_BODY: usize = 1 << 20;
/// For reading one request and responding. Shorter than the limit on an idle connection.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

type Backend<B> = State<Arc<B>>;
type Body = Result<Bytes, BytesRejection>;
type Reply<T> = Result<Json<T>, HttpError>;

pub(super) fn router<B: AdminBackend>(backend: Arc<B>) -> Router {
    Router::new()
        .route("/-/healthy", get(async || "healthy\n"))
        .route("/-/ready", get(ready::<B>))
        .route("/metrics", get(metrics::<B>))
        .route(paths::STATUS, get(status::<B>))
        .route(paths::EVENTS, get(events::<B>))
        .route(paths::EXPLAIN, post(explain::<B>))
        .route(paths::DEAD, get(dead::<B>))
        .route(paths::DEAD_REPLAY, post(replay::<B>))
        .route(paths::DEAD_DROP, post(drop_dead::<B>))
        .route(paths::SILENCES, get(silences::<B>).post(add_silence::<B>))
        .route(paths::SILENCES_EXPIRE, post(expire_silences::<B>))
        .fallback(async || HttpError::not_found("there is nothing at this path", "see the README for the paths"))
        .method_not_allowed_fallback(async || {
            let hint = "use GET to read, POST to change or explain";
            HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not accept that method", hint)
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(admit))
        .with_state(backend)
}

/// Guards every route and limits its time.
async fn admit(request: Request, next: Next) -> Response {
    if let Err(refusal) = guard::check(request.method(), request.uri(), request.headers()) {
        return refusal.into_response();
    }
    let response = timeout(REQUEST_TIMEOUT, next.run(request)).await;
    response.unwrap_or_else(|_| {
        HttpError::unavailable("the request timed out", "request less, or try again").into_response()
    })
}

async fn ready<B: AdminBackend>(State(backend): Backend<B>) -> Result<&'static str, HttpError> {
    match backend.ready() {
        Ok(()) => Ok("ready\n"),
        Err(why) => Err(HttpError::unavailable(why, "try again in a moment; `tidings status` shows more")),
    }
}

async fn metrics<B: AdminBackend>(State(backend): Backend<B>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], backend.metrics().await)
}

async fn status<B: AdminBackend>(State(backend): Backend<B>) -> Json<Status> {
    Json(backend.status().await)
}

async fn events<B: AdminBackend>(State(backend): Backend<B>, uri: Uri) -> Reply<Events> {
    backend.events(query::<EventsRequest>(&uri)?.bounded()).await.map(Json)
}

async fn explain<B: AdminBackend>(State(backend): Backend<B>, body: Body) -> Reply<Explanation> {
    backend.explain(json::<ExplainRequest>(body)?.checked(Timestamp::now())?).await.map(Json)
}

async fn dead<B: AdminBackend>(State(backend): Backend<B>, uri: Uri) -> Reply<DeadLetters> {
    backend.dead(query::<DeadRequest>(&uri)?.bounded()).await.map(Json)
}

async fn replay<B: AdminBackend>(State(backend): Backend<B>, body: Body) -> Reply<Count> {
    backend.replay(json::<DeadRequest>(body)?.checked()?).await.map(Json)
}

async fn drop_dead<B: AdminBackend>(State(backend): Backend<B>, body: Body) -> Reply<Count> {
    backend.drop_dead(json::<DeadRequest>(body)?.checked()?).await.map(Json)
}

async fn silences<B: AdminBackend>(State(backend): Backend<B>, uri: Uri) -> Reply<Silences> {
    backend.silences(query(&uri)?).await.map(Json)
}

async fn add_silence<B: AdminBackend>(State(backend): Backend<B>, body: Body) -> Reply<Silence> {
    backend.add_silence(json::<NewSilence>(body)?.checked()?).await.map(Json)
}

async fn expire_silences<B: AdminBackend>(State(backend): Backend<B>, body: Body) -> Reply<Count> {
    backend.expire_silences(json::<ExpireRequest>(body)?.checked()?).await.map(Json)
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, HttpError> {
    let Query(request) = Query::try_from_uri(uri)
        .map_err(|error| HttpError::bad_request(error.body_text(), "see the README for the parameters of this path"))?;
    Ok(request)
}

fn json<T: DeserializeOwned>(body: Body) -> Result<T, HttpError> {
    let body = body.map_err(|error| {
        let hint = format!("a body may have at most {} KiB and must be complete", MAX_BODY / 1024);
        HttpError::new(error.status(), error.body_text(), hint)
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| HttpError::bad_request(error.to_string(), "see the README for the format of the body"))
}

#[cfg(test)]
mod tests;
