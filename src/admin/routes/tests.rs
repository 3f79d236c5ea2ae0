//! The admin API over a real socket, with a house that answers from a script.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::admin::serve;
use crate::fault::Fault;
use crate::stop::Stop;

#[derive(Default)]
struct Scripted {
    draining: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn note(&self, asked: impl std::fmt::Debug) -> Value {
        self.asked.lock().expect("no panic holds it").push(format!("{asked:?}"));
        json!({ "count": 3 })
    }
}

impl AdminBackend for Scripted {
    fn ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) { Err("draining".to_owned()) } else { Ok(()) }
    }
    async fn metrics(&self) -> String {
        "tidings_build_info 1\n".to_owned()
    }
    async fn status(&self) -> Value {
        json!({ "ready": true })
    }
    async fn events(&self, ask: EventsRequest) -> Result<Value, HttpError> {
        Ok(self.note(ask))
    }
    async fn dead(&self, _: DeadRequest) -> Result<Value, HttpError> {
        Err(HttpError::internal_fault(&Fault::new("disk", "the disk is gone")))
    }
    async fn replay(&self, ask: DeadRequest) -> Result<Value, HttpError> {
        Ok(self.note(ask))
    }
    async fn drop_dead(&self, ask: DeadRequest) -> Result<Value, HttpError> {
        Ok(self.note(ask))
    }
    async fn silences(&self, ask: SilencesRequest) -> Result<Value, HttpError> {
        Ok(self.note(ask))
    }
    async fn add_silence(&self, ask: SilenceRequest) -> Result<Value, HttpError> {
        Ok(self.note(ask))
    }
    async fn expire_silences(&self, ask: ExpireRequest) -> Result<Value, HttpError> {
        Ok(self.note(ask))
    }
    async fn explain(&self, ask: ExplainRequest) -> Result<Value, HttpError> {
        match ask {
            ExplainRequest::Stored(id) => {
                Err(HttpError::not_found(format!("no event {id} is remembered"), "send it whole"))
            }
            ExplainRequest::Shown(event) => Ok(event.to_json()),
        }
    }
}

struct World {
    backend: Arc<Scripted>,
    address: SocketAddr,
    stop: Stop,
    serving: JoinHandle<Result<(), Fault>>,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "the test owns the admin API's task and ends it")]
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let (address, stop, backend) = (listener.local_addr().expect("an address"), Stop::new(), Arc::default());
        let server = AdminServer { backend: Arc::clone(&backend), hosts: vec!["desk.example.com".to_owned()] };
        let serving = tokio::spawn(serve(listener, server, stop.clone()));
        Self { backend, address, stop, serving }
    }

    async fn say(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("a desk");
        stream.write_all(request.as_bytes()).await.expect("someone who reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.expect("an answer");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        (status, body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.say(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
    }

    async fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.post_as("application/json", path, body).await
    }

    async fn post_as(&self, media: &str, path: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: {media}");
        self.say(&format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}")).await
    }

    async fn end(self) {
        self.stop.trigger();
        assert_eq!(self.serving.await.expect("no panic"), Ok(()));
    }
}

#[tokio::test]
async fn every_route_answers() {
    let world = World::new().await;
    assert_eq!(world.get("/-/healthy").await.0, 200);
    assert_eq!(world.get("/-/ready").await.0, 200);
    assert_eq!(world.get("/metrics").await, (200, "tidings_build_info 1\n".to_owned()));
    assert_eq!(world.get("/api/v1/status").await, (200, r#"{"ready":true}"#.to_owned()));
    assert_eq!(world.get("/api/v1/events?source=prod&limit=5&since=1h").await.0, 200);
    assert_eq!(world.post("/api/v1/dead/replay", r#"{"ids":[7,8]}"#).await, (200, r#"{"count":3}"#.to_owned()));
    assert_eq!(world.post("/api/v1/dead/drop", r#"{"all":true}"#).await.0, 200);
    assert_eq!(world.get("/api/v1/silences?expired=true").await.0, 200);
    let silence = r#"{"matches":["type=a.*"],"for":"2h","why":"deploy"}"#;
    assert_eq!(world.post("/api/v1/silences", silence).await.0, 200);
    assert_eq!(world.post("/api/v1/silences/expire", r#"{"id":3}"#).await, (200, r#"{"count":3}"#.to_owned()));
    let (status, body) = world.post("/api/v1/explain", r#"{"source":"prod","type":"a.b","data":{"x":1}}"#).await;
    assert_eq!(status, 200);
    assert!(body.contains(r#""data":{"x":1}"#), "{body}");
    world.end().await;
}

#[tokio::test]
async fn readiness_falls_while_health_stays() {
    let world = World::new().await;
    world.backend.draining.store(true, Ordering::Relaxed);
    let (status, body) = world.get("/-/ready").await;
    assert_eq!(status, 503);
    assert!(body.contains(r#""error":"draining""#), "{body}");
    assert_eq!(world.get("/-/healthy").await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn every_refusal_is_json_with_a_way_out() {
    let world = World::new().await;
    let long = format!(r#"{{"relay":"{}"}}"#, "x".repeat(BODY));
    let refusals = [
        (404, world.get("/nowhere").await),
        (405, world.post("/api/v1/status", "{}").await),
        (405, world.get("/api/v1/dead/drop").await),
        (400, world.get("/api/v1/events?sauce=prod").await),
        (400, world.get("/api/v1/events?limit=many").await),
        (400, world.get("/api/v1/dead?ids=1,x").await),
        (500, world.get("/api/v1/dead?ids=1,2").await),
        (400, world.post("/api/v1/dead/drop", "").await),
        (400, world.post("/api/v1/dead/drop", "{}").await),
        (400, world.post("/api/v1/dead/drop", r#"{"snik":"ops"}"#).await),
        (400, world.post("/api/v1/dead/replay", r#"{"all":true,"sink":"ops"}"#).await),
        (413, world.post("/api/v1/dead/replay", &long).await),
        (415, world.post_as("text/plain", "/api/v1/dead/drop", r#"{"all":true}"#).await),
        (400, world.get("/api/v1/silences?expired=perhaps").await),
        (400, world.post("/api/v1/silences", r#"{"for":"2h","why":"deploy"}"#).await),
        (415, world.post_as("text/plain", "/api/v1/silences", r#"{"all":true,"for":"2h","why":"x"}"#).await),
        (405, world.get("/api/v1/silences/expire").await),
        (400, world.post("/api/v1/silences/expire", "{}").await),
        (400, world.post("/api/v1/explain", "[1]").await),
        (404, world.post("/api/v1/explain", r#"{"id":"gone"}"#).await),
    ];
    for (number, (expected, (status, body))) in refusals.into_iter().enumerate() {
        assert_eq!(status, expected, "{number}: {body}");
        let said: Value = serde_json::from_str(&body).expect("JSON");
        assert!(said["error"].is_string() && said["hint"].is_string(), "{number}: {body}");
    }
    assert!(world.backend.asked.lock().expect("no panic holds it").is_empty(), "nothing of this reached the house");
    world.end().await;
}

#[tokio::test]
async fn a_page_under_a_foreign_name_is_refused() {
    let world = World::new().await;
    let get = |host: &str| format!("GET /api/v1/status HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    for good in ["localhost:8089", "127.0.0.1", "[::1]:8089", "desk.example.com"] {
        assert_eq!(world.say(&get(good)).await.0, 200, "{good}");
    }
    assert_eq!(world.say("GET /api/v1/status HTTP/1.0\r\n\r\n").await.0, 200);
    for bad in ["evil.example", "127.0.0.1.evil.example:8089"] {
        assert_eq!(world.say(&get(bad)).await.0, 403, "{bad}");
    }
    let elsewhere = "GET http://evil.example/-/healthy HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(world.say(elsewhere).await.0, 403);
    world.end().await;
}

#[tokio::test]
async fn lists_have_a_limit_also_when_nobody_names_one() {
    let world = World::new().await;
    world.get("/api/v1/events").await;
    world.get("/api/v1/events?limit=999999999").await;
    let asked = world.backend.asked.lock().expect("no panic holds it").join("\n");
    assert!(asked.contains("limit: Some(100)") && asked.contains("limit: Some(10000)"), "{asked}");
    world.end().await;
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_end_up() {
    let world = World::new().await;
    let mut idle = TcpStream::connect(world.address).await.expect("a desk");
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("someone who reads");
    assert!(idle.read(&mut [0; 64]).await.expect("an answer") > 0);
    world.end().await;
}
