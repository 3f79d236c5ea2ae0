//! The admin API over a real socket, with a scripted backend.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::admin::serve;
use crate::admin::types::{ExplainTarget, SilencesRequest};
use crate::fault::Fault;
use crate::stop::Stop;

#[derive(Default)]
struct ScriptedBackend {
    draining: AtomicBool,
    requests: Mutex<Vec<String>>,
}

impl ScriptedBackend {
    fn note(&self, request: impl std::fmt::Debug) {
        self.requests.lock().expect("no panic holds it").push(format!("{request:?}"));
    }
}

impl AdminBackend for ScriptedBackend {
    fn ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) { Err("draining".to_owned()) } else { Ok(()) }
    }
    async fn metrics(&self) -> String {
        "tidings_build_info 1\n".to_owned()
    }
    async fn status(&self) -> Status {
        Status { ready: true, ..Status::default() }
    }
    async fn events(&self, request: EventsRequest) -> Result<Events, HttpError> {
        self.note(request);
        Ok(Events::default())
    }
    async fn dead(&self, _: DeadRequest) -> Result<DeadLetters, HttpError> {
        Err(HttpError::internal_fault(&Fault::new("disk", "the disk is gone")))
    }
    async fn replay(&self, request: DeadRequest) -> Result<Count, HttpError> {
        self.note(request);
        Ok(Count { count: 3 })
    }
    async fn drop_dead(&self, request: DeadRequest) -> Result<Count, HttpError> {
        self.note(request);
        Ok(Count { count: 3 })
    }
    async fn silences(&self, request: SilencesRequest) -> Result<Silences, HttpError> {
        self.note(request);
        Ok(Silences::default())
    }
    async fn add_silence(&self, request: NewSilence) -> Result<Silence, HttpError> {
        self.note(request);
        Ok(Silence::default())
    }
    async fn expire_silences(&self, request: ExpireRequest) -> Result<Count, HttpError> {
        self.note(request);
        Ok(Count { count: 3 })
    }
    async fn explain(&self, target: ExplainTarget) -> Result<Explanation, HttpError> {
        match target {
            ExplainTarget::Known(id) => {
                Err(HttpError::not_found(format!("there is no event {id}"), "send the whole event"))
            }
            ExplainTarget::Given(event) => {
                let event = serde_json::from_value(event.to_json()).expect("an event as JSON");
                Ok(Explanation { event, relays: Vec::new() })
            }
        }
    }
}

struct Fixture {
    backend: Arc<ScriptedBackend>,
    address: SocketAddr,
    stop: Stop,
    serving: JoinHandle<Result<(), Fault>>,
}

impl Fixture {
    #[expect(clippy::disallowed_methods, reason = "the test owns the admin API's task and ends it")]
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let (address, stop, backend) = (listener.local_addr().expect("an address"), Stop::new(), Arc::default());
        let serving = tokio::spawn(serve(listener, Arc::clone(&backend), stop.clone()));
        Self { backend, address, stop, serving }
    }

    async fn send(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("the server listens");
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.expect("a response");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        (status, body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
    }

    async fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.post_as("application/json", path, body).await
    }

    async fn post_as(&self, media: &str, path: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: {media}");
        self.send(&format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}")).await
    }

    async fn end(self) {
        self.stop.trigger();
        assert_eq!(self.serving.await.expect("no panic"), Ok(()));
    }
}

#[tokio::test]
async fn every_route_answers() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.get("/-/healthy").await.0, 200);
    assert_eq!(fixture.get("/-/ready").await.0, 200);
    assert_eq!(fixture.get("/metrics").await, (200, "tidings_build_info 1\n".to_owned()));
    let (status, body) = fixture.get("/api/v1/status").await;
    assert!(status == 200 && body.contains(r#""ready":true"#), "{body}");
    assert_eq!(fixture.get("/api/v1/events?source=prod&limit=5&since=1h").await.0, 200);
    assert_eq!(fixture.post("/api/v1/dead/replay", r#"{"ids":[7,8]}"#).await, (200, r#"{"count":3}"#.to_owned()));
    assert_eq!(fixture.post("/api/v1/dead/drop", r#"{"all":true}"#).await.0, 200);
    assert_eq!(fixture.get("/api/v1/silences?expired=true").await.0, 200);
    let silence = r#"{"matches":["type=a.*"],"for":"2h","why":"deploy"}"#;
    assert_eq!(fixture.post("/api/v1/silences", silence).await.0, 200);
    assert_eq!(fixture.post("/api/v1/silences/expire", r#"{"id":3}"#).await, (200, r#"{"count":3}"#.to_owned()));
    let (status, body) = fixture.post("/api/v1/explain", r#"{"source":"prod","type":"a.b","data":{"x":1}}"#).await;
    assert_eq!(status, 200);
    assert!(body.contains(r#""data":{"x":1}"#), "{body}");
    fixture.end().await;
}

#[tokio::test]
async fn readiness_falls_while_health_stays() {
    let fixture = Fixture::new().await;
    fixture.backend.draining.store(true, Ordering::Relaxed);
    let (status, body) = fixture.get("/-/ready").await;
    assert_eq!(status, 503);
    assert!(body.contains(r#""error":"draining""#), "{body}");
    assert_eq!(fixture.get("/-/healthy").await.0, 200);
    fixture.end().await;
}

#[tokio::test]
async fn every_refusal_is_json_with_a_hint() {
    let fixture = Fixture::new().await;
    let long = format!(r#"{{"relay":"{}"}}"#, "x".repeat(MAX_BODY));
    let refusals = [
        (404, fixture.get("/nowhere").await),
        (405, fixture.post("/api/v1/status", "{}").await),
        (405, fixture.get("/api/v1/dead/drop").await),
        (400, fixture.get("/api/v1/events?sauce=prod").await),
        (400, fixture.get("/api/v1/events?limit=many").await),
        (400, fixture.get("/api/v1/dead?ids=1,x").await),
        (500, fixture.get("/api/v1/dead?ids=1,2").await),
        (400, fixture.post("/api/v1/dead/drop", "").await),
        (400, fixture.post("/api/v1/dead/drop", "{}").await),
        (400, fixture.post("/api/v1/dead/drop", r#"{"snik":"ops"}"#).await),
        (400, fixture.post("/api/v1/dead/replay", r#"{"all":true,"sink":"ops"}"#).await),
        (413, fixture.post("/api/v1/dead/replay", &long).await),
        (415, fixture.post_as("text/plain", "/api/v1/dead/drop", r#"{"all":true}"#).await),
        (400, fixture.get("/api/v1/silences?expired=perhaps").await),
        (400, fixture.post("/api/v1/silences", r#"{"for":"2h","why":"deploy"}"#).await),
        (415, fixture.post_as("text/plain", "/api/v1/silences", r#"{"all":true,"for":"2h","why":"x"}"#).await),
        (405, fixture.get("/api/v1/silences/expire").await),
        (400, fixture.post("/api/v1/silences/expire", "{}").await),
        (400, fixture.post("/api/v1/explain", "[1]").await),
        (404, fixture.post("/api/v1/explain", r#"{"id":"gone"}"#).await),
    ];
    for (number, (expected, (status, body))) in refusals.into_iter().enumerate() {
        assert_eq!(status, expected, "{number}: {body}");
        let refusal: Value = serde_json::from_str(&body).expect("JSON");
        assert!(refusal["error"].is_string() && refusal["hint"].is_string(), "{number}: {body}");
    }
    assert!(
        fixture.backend.requests.lock().expect("no panic holds it").is_empty(),
        "none of these reached the backend"
    );
    fixture.end().await;
}

#[tokio::test]
async fn a_foreign_host_name_is_refused() {
    let fixture = Fixture::new().await;
    let get = |host: &str| format!("GET /api/v1/status HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    for good in ["localhost:8089", "127.0.0.1", "[::1]:8089"] {
        assert_eq!(fixture.send(&get(good)).await.0, 200, "{good}");
    }
    assert_eq!(fixture.send("GET /api/v1/status HTTP/1.0\r\n\r\n").await.0, 200);
    for bad in ["evil.example", "127.0.0.1.evil.example:8089", "admin.example.com"] {
        assert_eq!(fixture.send(&get(bad)).await.0, 403, "{bad}");
    }
    let elsewhere = "GET http://evil.example/-/healthy HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(fixture.send(elsewhere).await.0, 403);
    fixture.end().await;
}

#[tokio::test]
async fn lists_have_a_limit_even_if_none_is_requested() {
    let fixture = Fixture::new().await;
    fixture.get("/api/v1/events").await;
    fixture.get("/api/v1/events?limit=999999999").await;
    let requests = fixture.backend.requests.lock().expect("no panic holds it").join("\n");
    assert!(requests.contains("limit: Some(100)") && requests.contains("limit: Some(10000)"), "{requests}");
    fixture.end().await;
}

#[tokio::test]
async fn an_idle_connection_does_not_delay_the_stop() {
    let fixture = Fixture::new().await;
    let mut idle = TcpStream::connect(fixture.address).await.expect("the server listens");
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("the server reads");
    assert!(idle.read(&mut [0; 64]).await.expect("a response") > 0);
    fixture.end().await;
}
