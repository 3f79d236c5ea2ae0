//! Which request asks for what.

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
use serde_json::Value;
use tokio::time::timeout;

use super::{DeadAsk, Desk, EventsAsk, ExpireAsk, ExplainAsk, House, Refusal, SilenceAsk, SilencesAsk, guard};

const BODY: usize = 1 << 20;
/// For reading one request and answering it. Shorter than the patience with a mute connection.
const REQUEST: Duration = Duration::from_secs(30);

type Asked<H> = State<Arc<Desk<H>>>;
type Body = Result<Bytes, BytesRejection>;
type Answer = Result<Json<Value>, Refusal>;

pub(super) fn router<H: House>(desk: Desk<H>) -> Router {
    let desk = Arc::new(desk);
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
        .fallback(async || Refusal::unknown("there is nothing at this path", "see the README for the desk's paths"))
        .method_not_allowed_fallback(async || {
            let hint = "reading is GET; what changes or explains something is POST";
            Refusal::with(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method", hint)
        })
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn_with_state(desk.clone(), admit::<H>))
        .with_state(desk)
}

async fn admit<H: House>(State(desk): Asked<H>, request: Request, next: Next) -> Response {
    if let Err(refusal) = guard::check(request.method(), request.uri(), request.headers(), &desk.hosts) {
        return refusal.into_response();
    }
    let answer = timeout(REQUEST, next.run(request)).await;
    answer.unwrap_or_else(|_| Refusal::unready("this took too long", "ask for less, or ask again").into_response())
}

async fn ready<H: House>(State(desk): Asked<H>) -> Result<&'static str, Refusal> {
    match desk.house.ready() {
        Ok(()) => Ok("ready\n"),
        Err(why) => Err(Refusal::unready(why, "ask again in a moment; `tidings status` shows more")),
    }
}

async fn metrics<H: House>(State(desk): Asked<H>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], desk.house.metrics().await)
}

async fn status<H: House>(State(desk): Asked<H>) -> Json<Value> {
    Json(desk.house.status().await)
}

async fn events<H: House>(State(desk): Asked<H>, uri: Uri) -> Answer {
    let ask: EventsAsk = query(&uri)?;
    desk.house.events(ask.bounded()).await.map(Json)
}

async fn dead<H: House>(State(desk): Asked<H>, uri: Uri) -> Answer {
    let ask: DeadAsk = query(&uri)?;
    desk.house.dead(ask.bounded()).await.map(Json)
}

async fn replay<H: House>(State(desk): Asked<H>, body: Body) -> Answer {
    let ask: DeadAsk = json(body)?;
    desk.house.replay(ask.chosen()?).await.map(Json)
}

async fn drop_dead<H: House>(State(desk): Asked<H>, body: Body) -> Answer {
    let ask: DeadAsk = json(body)?;
    desk.house.drop_dead(ask.chosen()?).await.map(Json)
}

async fn silences<H: House>(State(desk): Asked<H>, uri: Uri) -> Answer {
    let ask: SilencesAsk = query(&uri)?;
    desk.house.silences(ask).await.map(Json)
}

async fn add_silence<H: House>(State(desk): Asked<H>, body: Body) -> Answer {
    let ask: SilenceAsk = json(body)?;
    desk.house.add_silence(ask.checked()?).await.map(Json)
}

async fn expire_silences<H: House>(State(desk): Asked<H>, body: Body) -> Answer {
    let ask: ExpireAsk = json(body)?;
    desk.house.expire_silences(ask.chosen()?).await.map(Json)
}

async fn explain<H: House>(State(desk): Asked<H>, body: Body) -> Answer {
    let ask = ExplainAsk::read(&json(body)?, Timestamp::now())?;
    desk.house.explain(ask).await.map(Json)
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    let Query(ask) = Query::try_from_uri(uri)
        .map_err(|error| Refusal::wrong(error.body_text(), "see the README for what may be asked here"))?;
    Ok(ask)
}

fn json<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    let body = body.map_err(|error| {
        let hint = format!("a body may have {} KiB and must arrive whole", BODY / 1024);
        Refusal::with(error.status(), error.body_text(), hint)
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| Refusal::wrong(error.to_string(), "see the README for the body's form"))
}

#[cfg(test)]
mod tests;
