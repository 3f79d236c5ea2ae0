//! Which request asks for what.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    AdminBackend, AdminServer, DeadRequest, EventsRequest, ExpireRequest, ExplainRequest, HttpError, SilenceRequest,
    SilencesRequest, guard,
};

const BODY: usize = 1 << 20;
/// For reading one request and answering it. Shorter than the patience with a mute connection.
const REQUEST: Duration = Duration::from_secs(30);

type Asked<H> = State<Arc<AdminServer<H>>>;
type Body = Result<Bytes, BytesRejection>;
type Answer = Result<Json<Value>, HttpError>;

pub(super) fn router<H: AdminBackend>(server: AdminServer<H>) -> Router {
    let server = Arc::new(server);
    Router::new()
        .route("/-/healthy", get(async || "healthy\n"))
        .route("/-/ready", get(ready::<H>))
        .route("/metrics", get(metrics::<H>))
        .route("/api/v1/status", get(status::<H>))
        .route("/api/v1/events", get(events::<H>))
        .route("/api/v1/dead", get(dead::<H>))
        .route("/api/v1/dead/replay", post(replay::<H>))
        .route("/api/v1/dead/drop", post(drop_dead::<H>))
        .route("/api/v1/silences", get(silences::<H>).post(add_silence::<H>))
        .route("/api/v1/silences/expire", post(expire_silences::<H>))
        .route("/api/v1/explain", post(explain::<H>))
        .fallback(async || {
            HttpError::not_found("there is nothing at this path", "see the README for the admin API's paths")
        })
        .method_not_allowed_fallback(async || {
            let hint = "reading is GET; what changes or explains something is POST";
            HttpError::method_not_allowed(hint)
        })
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn_with_state(server.clone(), admit::<H>))
        .with_state(server)
}

async fn admit<H: AdminBackend>(State(server): Asked<H>, request: Request, next: Next) -> Response {
    if let Err(refusal) = guard::check(request.method(), request.uri(), request.headers(), &server.hosts) {
        return refusal.into_response();
    }
    let answer = timeout(REQUEST, next.run(request)).await;
    answer
        .unwrap_or_else(|_| HttpError::unavailable("this took too long", "ask for less, or ask again").into_response())
}

async fn ready<H: AdminBackend>(State(server): Asked<H>) -> Result<&'static str, HttpError> {
    match server.backend.ready() {
        Ok(()) => Ok("ready\n"),
        Err(why) => Err(HttpError::unavailable(why, "ask again in a moment; `tidings status` shows more")),
    }
}

async fn metrics<H: AdminBackend>(State(server): Asked<H>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], server.backend.metrics().await)
}

async fn status<H: AdminBackend>(State(server): Asked<H>) -> Json<Value> {
    Json(server.backend.status().await)
}

async fn events<H: AdminBackend>(State(server): Asked<H>, uri: Uri) -> Answer {
    let ask: EventsRequest = query(&uri)?;
    server.backend.events(ask.bounded()).await.map(Json)
}

async fn dead<H: AdminBackend>(State(server): Asked<H>, uri: Uri) -> Answer {
    let ask: DeadRequest = query(&uri)?;
    server.backend.dead(ask.bounded()).await.map(Json)
}

async fn replay<H: AdminBackend>(State(server): Asked<H>, body: Body) -> Answer {
    let ask: DeadRequest = json(body)?;
    server.backend.replay(ask.chosen()?).await.map(Json)
}

async fn drop_dead<H: AdminBackend>(State(server): Asked<H>, body: Body) -> Answer {
    let ask: DeadRequest = json(body)?;
    server.backend.drop_dead(ask.chosen()?).await.map(Json)
}

async fn silences<H: AdminBackend>(State(server): Asked<H>, uri: Uri) -> Answer {
    let ask: SilencesRequest = query(&uri)?;
    server.backend.silences(ask).await.map(Json)
}

async fn add_silence<H: AdminBackend>(State(server): Asked<H>, body: Body) -> Answer {
    let ask: SilenceRequest = json(body)?;
    server.backend.add_silence(ask.checked()?).await.map(Json)
}

async fn expire_silences<H: AdminBackend>(State(server): Asked<H>, body: Body) -> Answer {
    let ask: ExpireRequest = json(body)?;
    server.backend.expire_silences(ask.chosen()?).await.map(Json)
}

async fn explain<H: AdminBackend>(State(server): Asked<H>, body: Body) -> Answer {
    let ask = ExplainRequest::read(&json(body)?, Timestamp::now())?;
    server.backend.explain(ask).await.map(Json)
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, HttpError> {
    let Query(ask) = Query::try_from_uri(uri)
        .map_err(|error| HttpError::bad_request(error.body_text(), "see the README for what may be asked here"))?;
    Ok(ask)
}

fn json<T: DeserializeOwned>(body: Body) -> Result<T, HttpError> {
    let body = body.map_err(|error| {
        let hint = format!("a body may have {} KiB and must arrive whole", BODY / 1024);
        HttpError::new(error.status(), error.body_text(), hint)
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| HttpError::bad_request(error.to_string(), "see the README for the body's form"))
}

#[cfg(test)]
mod tests;
