//! The listener over real sockets, with a receiver that answers from a script.

mod crowd;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::listener::LIMITS;
use super::router::{Router, RouterLimits};
use super::*;
use crate::fault::Fault;
use crate::http_server::{HttpError, ServerLimits, serve};
use crate::metrics::Metrics;
use crate::secret::Secret;
use crate::stop::Stop;

/// Generous: only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(30);
const SECRET: &str = "s3cr3t/=";

/// Answers with the length of the body and the query; `wait` waits for a permit, `panic` panics.
#[derive(Clone)]
struct Scripted {
    permits: Arc<Semaphore>,
    entered: Arc<Semaphore>,
}

impl Receiver for Scripted {
    async fn receive(&self, request: HookRequest) -> Result<Response, HttpError> {
        self.entered.add_permits(1);
        match &*request.body {
            b"wait" => self.permits.acquire().await.expect("open").forget(),
            b"panic" => panic!("as the script says"),
            b"bad" => return Err(HttpError::bad_request("this is no JSON", "send JSON")),
            b"who" => {
                let error = HttpError::new(StatusCode::UNAUTHORIZED, "no signature", "sign it");
                return Err(HttpError { challenge: Some("Basic"), ..error });
            }
            _ => {}
        }
        assert_eq!(request.headers["host"], "x");
        Ok(Accepted::new(request.body.len() + request.query.map_or(0, |query| query.len())).into_response())
    }
}

struct World {
    address: SocketAddr,
    receiver: Scripted,
    metrics: Metrics,
    stop: Stop,
    serving: JoinHandle<Result<(), Fault>>,
}

impl World {
    async fn new() -> Self {
        Self::with(LIMITS, RouterLimits::default()).await
    }

    #[expect(clippy::disallowed_methods, reason = "the test owns the listener's task and ends it")]
    async fn with(server: ServerLimits, limits: RouterLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let (address, stop, metrics) = (listener.local_addr().expect("an address"), Stop::new(), Metrics::new());
        let receiver = Scripted { permits: Arc::new(Semaphore::new(0)), entered: Arc::new(Semaphore::new(0)) };
        let endpoint = |name: &str, config: EndpointConfig| {
            let (receiver, metrics) = (receiver.clone(), metrics.endpoint(&name.into()));
            Endpoint { name: name.into(), config, receiver, metrics }
        };
        let endpoints = vec![
            endpoint("shop", EndpointConfig::default()),
            endpoint("quiet", EndpointConfig::default().with_secret(Secret::literal(SECRET))),
            endpoint("asked", EndpointConfig::default().with_preflight()),
        ];
        let router = Router::new(endpoints, metrics.endpoint(&"".into()), limits, stop.clone());
        let serving = tokio::spawn(serve(listener, router.into_axum(), server, stop.clone()));
        Self { address, receiver, metrics, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    async fn send(&self, request: &str) -> Reply {
        send(self.address, request).await
    }

    async fn post(&self, path: &str, body: &str) -> Reply {
        self.send(&post(path, body)).await
    }

    async fn end(self) {
        self.stop.trigger();
        assert_eq!(self.serving.await.expect("no panic"), Ok(()));
    }
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// An error answer has the cause and a hint.
    fn assert_error(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        let body: Value = serde_json::from_str(&self.body).expect("JSON");
        assert!(body["error"].is_string() && body["hint"].is_string(), "{self:?}");
    }
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

async fn send(address: SocketAddr, request: &str) -> Reply {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let (mut reading, mut writing) = stream.split();
        let mut reply = Vec::new();
        // A refused request may find the connection closed before its last byte is sent.
        let (_sent, _ended) = tokio::join!(writing.write_all(request.as_bytes()), reading.read_to_end(&mut reply));
        Reply::read(&String::from_utf8(reply).expect("text"))
    };
    timeout(LIMIT, exchange).await.expect("an answer")
}

#[tokio::test]
async fn a_complete_request_reaches_the_receiver_whose_answer_is_sent() {
    let world = World::new().await;
    let reply = world.post("/hooks/shop?a=b", "hello").await;
    assert_eq!((reply.status, &*reply.body), (202, r#"{"accepted":8}"#), "{reply:?}");
    let chunked = "POST /hooks/shop HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
                   3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    assert_eq!(world.send(chunked).await.body, r#"{"accepted":5}"#);
    assert_eq!(world.post("/hooks/shop", "").await.body, r#"{"accepted":0}"#);
    world.post("/hooks/shop", "bad").await.assert_error(400);
    let unknown = world.post("/hooks/shop", "who").await;
    unknown.assert_error(401);
    assert!(unknown.head.contains("www-authenticate: basic"), "{unknown:?}");
    let text = world.metrics.render();
    for line in [
        r#"tidings_http_requests_total{listener="listen",endpoint="shop",code="202"} 3"#,
        r#"tidings_http_requests_total{listener="listen",endpoint="shop",code="400"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_wrong_secret_looks_like_a_path_that_is_not_there() {
    let world = World::new().await;
    assert_eq!(world.post("/hooks/quiet/s3cr3t/=", "x").await.status, 202);
    assert_eq!(world.post("/hooks/quiet/s3cr3t%2F%3d", "x").await.status, 202, "percent-encoded");
    let missing = world.post("/hooks/nobody", "x").await;
    missing.assert_error(404);
    for path in ["/hooks/quiet", "/hooks/quiet/", "/hooks/quiet/s3cr3t", "/hooks/quiet/S3cr3t/=", "/", "/hooks/shop/"] {
        let reply = world.post(path, "x").await;
        assert_eq!((reply.status, &reply.body), (404, &missing.body), "{path}");
    }
    let reading = world.send("GET /hooks/quiet/nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!((reading.status, &reading.body), (404, &missing.body));
    assert!(
        world.metrics.render().contains(r#"tidings_http_requests_total{listener="listen",endpoint="",code="404"} 8"#)
    );
    world.end().await;
}

#[tokio::test]
async fn only_post_is_allowed_and_options_where_preflight_is() {
    let world = World::new().await;
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let request = format!("{method} /hooks/shop HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let reply = world.send(&request).await;
        reply.assert_error(405);
        assert!(reply.head.contains("allow: post"), "{reply:?}");
    }
    let preflight = |path: &str| {
        let origin = "webhook-request-origin: events.example";
        format!("OPTIONS {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{origin}\r\n\r\n")
    };
    let reply = world.send(&preflight("/hooks/asked")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("webhook-allowed-origin: events.example"), "{reply:?}");
    world.send(&preflight("/hooks/shop")).await.assert_error(405);
    assert_eq!(world.receiver.entered.available_permits(), 0, "none of these reached a receiver");
    world.end().await;
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_with_and_without_a_declared_length() {
    let world = World::new().await;
    let max = EndpointConfig::default().max_body();
    let large = "x".repeat(max + 1);
    world.post("/hooks/shop", &large).await.assert_error(413);
    let head = "POST /hooks/shop HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    world.send(&format!("{head}{:x}\r\n{large}\r\n0\r\n\r\n", large.len())).await.assert_error(413);
    // A huge declared length is refused at once.
    let head = "POST /hooks/shop HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999999\r\n\r\n";
    let reply = world.send(head).await;
    reply.assert_error(413);
    assert_eq!(world.receiver.entered.available_permits(), 0);
    assert_eq!(world.post("/hooks/shop", &"x".repeat(max)).await.body, format!(r#"{{"accepted":{max}}}"#));
    world.end().await;
}

#[tokio::test]
async fn a_panic_of_the_receiver_is_one_error_answer() {
    let world = World::new().await;
    let reply = world.post("/hooks/shop", "panic").await;
    reply.assert_error(500);
    assert!(!reply.body.contains("script"), "clients do not see the cause: {reply:?}");
    assert_eq!(world.post("/hooks/shop", "hello").await.status, 202);
    world.end().await;
}

#[tokio::test]
async fn requests_in_progress_at_the_stop_are_answered_and_later_ones_refused() {
    let world = World::new().await;
    let mut late = world.connect().await;
    late.write_all(b"POST /hooks/shop HTTP/1.1\r\nhost: x\r\n").await.expect("written");
    let stopping = async {
        let _inside = world.receiver.entered.acquire().await.expect("open");
        world.stop.trigger();
        late.write_all(b"content-length: 5\r\n\r\nhello").await.expect("written");
        let mut reply = String::new();
        timeout(LIMIT, late.read_to_string(&mut reply)).await.expect("an answer").expect("text");
        world.receiver.permits.add_permits(1);
        Reply::read(&reply)
    };
    let (first, late) = tokio::join!(world.post("/hooks/shop", "wait"), stopping);
    assert_eq!(first.status, 202);
    late.assert_error(503);
    assert!(late.head.contains("retry-after: "), "{late:?}");
    world.end().await;
}

#[tokio::test]
async fn a_connection_that_is_accepted_before_the_stop_gets_an_answer() {
    let world = World::new().await;
    let mut late = world.connect().await;
    // Connections are accepted in their order.
    assert_eq!(world.post("/hooks/shop", "hello").await.status, 202);
    world.stop.trigger();
    // The server sees the stop before the request.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut reply = String::new();
    late.write_all(post("/hooks/shop", "hello").as_bytes()).await.expect("written");
    timeout(LIMIT, late.read_to_string(&mut reply)).await.expect("an answer").expect("text");
    Reply::read(&reply).assert_error(503);
    world.end().await;
}

#[test]
fn the_fault_of_a_put_becomes_an_error_answer() {
    let error = |reason| HttpError::from(Fault::new(reason, "the file /var/lib/x is gone"));
    for (reason, status) in [("busy", 429), ("state_file", 503), ("closing", 503), ("strange", 500)] {
        let error = error(reason);
        assert_eq!(error.status, StatusCode::from_u16(status).expect("a status"));
        assert!(!error.error.contains("/var") && !error.hint.contains("/var"));
    }
}
