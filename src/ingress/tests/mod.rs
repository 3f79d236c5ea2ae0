//! The listener over real sockets, with a receiver that answers from a script.

mod crowd;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::http_server::Refusal;
use crate::metrics::Metrics;
use crate::secret::Secret;

/// Generous: only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(30);
const SECRET: &str = "s3cr3t/=";

/// Answers with what it heard; `wait` waits for a permit, `panic` panics.
#[derive(Clone)]
struct Scripted {
    permits: Arc<Semaphore>,
    entered: Arc<Semaphore>,
}

impl Receiver for Scripted {
    async fn receive(&self, request: HookRequest) -> Answer {
        self.entered.add_permits(1);
        match &*request.body {
            b"wait" => self.permits.acquire().await.expect("open").forget(),
            b"panic" => panic!("as the script says"),
            b"bad" => return Err(Refusal::bad_request("this is no JSON", "send JSON")),
            b"who" => return Err(Refusal::unauthorized("no signature", "sign it").challenge("Basic")),
            _ => {}
        }
        assert_eq!(request.headers["host"], "door");
        Ok(Accepted::accepted(request.body.len() + request.query.map_or(0, |query| query.len())))
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
        Self::with(LIMITS, Limits::default()).await
    }

    #[expect(clippy::disallowed_methods, reason = "the test owns the listener's task and ends it")]
    async fn with(server: ServerLimits, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let (address, stop, metrics) = (listener.local_addr().expect("an address"), Stop::new(), Metrics::new());
        let receiver = Scripted { permits: Arc::new(Semaphore::new(0)), entered: Arc::new(Semaphore::new(0)) };
        let place = |name: &str, hook: Hook| {
            let (receiver, metrics) = (receiver.clone(), metrics.endpoint(&name.into()));
            Endpoint { name: name.into(), hook, receiver, metrics }
        };
        let places = vec![
            place("shop", Hook::named()),
            place("quiet", Hook::named().with_secret(Secret::literal(SECRET))),
            place("asked", Hook::named().asked_first()),
        ];
        let router = Router::new(places, metrics.endpoint(&"".into()), limits, stop.clone());
        let serving = tokio::spawn(serve(listener, router.router(), server, stop.clone()));
        Self { address, receiver, metrics, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a door")
    }

    async fn say(&self, request: &str) -> Reply {
        say(self.address, request).await
    }

    async fn post(&self, path: &str, body: &str) -> Reply {
        self.say(&post(path, body)).await
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

    /// A refusal says what is wrong and the way out.
    fn refused(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        let said: Value = serde_json::from_str(&self.body).expect("JSON");
        assert!(said["error"].is_string() && said["hint"].is_string(), "{self:?}");
    }
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: door\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

async fn say(address: SocketAddr, request: &str) -> Reply {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.expect("a door");
        let (mut reading, mut writing) = stream.split();
        let mut reply = Vec::new();
        // Whoever is refused may find the listener shut before the last byte is sent.
        let (_sent, _ended) = tokio::join!(writing.write_all(request.as_bytes()), reading.read_to_end(&mut reply));
        Reply::read(&String::from_utf8(reply).expect("text"))
    };
    timeout(LIMIT, talk).await.expect("an answer")
}

#[tokio::test]
async fn what_is_brought_whole_is_handed_over_and_the_answer_given_back() {
    let world = World::new().await;
    let reply = world.post("/hooks/shop?a=b", "hello").await;
    assert_eq!((reply.status, &*reply.body), (202, r#"{"accepted":8}"#), "{reply:?}");
    let chunked = "POST /hooks/shop HTTP/1.1\r\nhost: door\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
                   3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    assert_eq!(world.say(chunked).await.body, r#"{"accepted":5}"#);
    assert_eq!(world.post("/hooks/shop", "").await.body, r#"{"accepted":0}"#);
    world.post("/hooks/shop", "bad").await.refused(400);
    let unknown = world.post("/hooks/shop", "who").await;
    unknown.refused(401);
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
    assert_eq!(world.post("/hooks/quiet/s3cr3t%2F%3d", "x").await.status, 202, "however the sender writes it");
    let missing = world.post("/hooks/nobody", "x").await;
    missing.refused(404);
    for path in ["/hooks/quiet", "/hooks/quiet/", "/hooks/quiet/s3cr3t", "/hooks/quiet/S3cr3t/=", "/", "/hooks/shop/"] {
        let reply = world.post(path, "x").await;
        assert_eq!((reply.status, &reply.body), (404, &missing.body), "{path}");
    }
    let reading = world.say("GET /hooks/quiet/nothing HTTP/1.1\r\nhost: door\r\nconnection: close\r\n\r\n").await;
    assert_eq!((reading.status, &reading.body), (404, &missing.body));
    assert!(
        world.metrics.render().contains(r#"tidings_http_requests_total{listener="listen",endpoint="",code="404"} 8"#)
    );
    world.end().await;
}

#[tokio::test]
async fn only_post_is_taken_and_options_where_senders_ask_first() {
    let world = World::new().await;
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let request = format!("{method} /hooks/shop HTTP/1.1\r\nhost: door\r\nconnection: close\r\n\r\n");
        let reply = world.say(&request).await;
        reply.refused(405);
        assert!(reply.head.contains("allow: post"), "{reply:?}");
    }
    let asking = |path: &str| {
        let origin = "webhook-request-origin: events.example";
        format!("OPTIONS {path} HTTP/1.1\r\nhost: door\r\nconnection: close\r\n{origin}\r\n\r\n")
    };
    let reply = world.say(&asking("/hooks/asked")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("webhook-allowed-origin: events.example"), "{reply:?}");
    world.say(&asking("/hooks/shop")).await.refused(405);
    assert_eq!(world.receiver.entered.available_permits(), 0, "nothing of this reached a receiver");
    world.end().await;
}

#[tokio::test]
async fn a_body_above_the_cap_is_refused_whether_its_length_is_said_or_not() {
    let world = World::new().await;
    let most = Hook::named().max_body();
    let large = "x".repeat(most + 1);
    world.post("/hooks/shop", &large).await.refused(413);
    let head = "POST /hooks/shop HTTP/1.1\r\nhost: door\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    world.say(&format!("{head}{:x}\r\n{large}\r\n0\r\n\r\n", large.len())).await.refused(413);
    // What would take days to come is refused at once.
    let head = "POST /hooks/shop HTTP/1.1\r\nhost: door\r\nexpect: 100-continue\r\ncontent-length: 99999999999\r\n\r\n";
    let reply = world.say(head).await;
    reply.refused(413);
    assert_eq!(world.receiver.entered.available_permits(), 0);
    assert_eq!(world.post("/hooks/shop", &"x".repeat(most)).await.body, format!(r#"{{"accepted":{most}}}"#));
    world.end().await;
}

#[tokio::test]
async fn a_panic_behind_the_door_is_one_bad_answer() {
    let world = World::new().await;
    let reply = world.post("/hooks/shop", "panic").await;
    reply.refused(500);
    assert!(!reply.body.contains("script"), "strangers are not told: {reply:?}");
    assert_eq!(world.post("/hooks/shop", "hello").await.status, 202);
    world.end().await;
}

#[tokio::test]
async fn what_is_under_way_at_the_stop_is_answered_and_what_comes_after_it_is_sent_back() {
    let world = World::new().await;
    let mut late = world.connect().await;
    late.write_all(b"POST /hooks/shop HTTP/1.1\r\nhost: door\r\n").await.expect("heard");
    let stopping = async {
        let _inside = world.receiver.entered.acquire().await.expect("open");
        world.stop.trigger();
        late.write_all(b"content-length: 5\r\n\r\nhello").await.expect("heard");
        let mut reply = String::new();
        timeout(LIMIT, late.read_to_string(&mut reply)).await.expect("an answer").expect("text");
        world.receiver.permits.add_permits(1);
        Reply::read(&reply)
    };
    let (first, late) = tokio::join!(world.post("/hooks/shop", "wait"), stopping);
    assert_eq!(first.status, 202);
    late.refused(503);
    assert!(late.head.contains("retry-after: "), "{late:?}");
    world.end().await;
}

#[test]
fn what_a_put_says_becomes_what_the_sender_hears() {
    let said = |reason| Refusal::from(Fault::new(reason, "the file /var/lib/x is gone"));
    for (reason, status) in [("busy", 429), ("state_file", 503), ("closing", 503), ("strange", 500)] {
        let refusal = said(reason);
        assert_eq!(refusal.status(), StatusCode::from_u16(status).expect("a status"));
        assert!(!refusal.error().contains("/var") && !refusal.hint().contains("/var"));
    }
}
