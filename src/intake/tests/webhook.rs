//! How the listener answers while the intake or the disk is full. Real sockets, real files.

use std::net::SocketAddr;

use axum::response::{IntoResponse as _, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::http_server::HttpError;
use crate::ingress::{self, Accepted, Endpoint, EndpointConfig, HookRequest, Receiver};

/// Generous: only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(30);

/// Every body is the number of an event of so many bytes.
struct Numbers(Outbox, usize);

impl Receiver for Numbers {
    async fn receive(&self, request: HookRequest) -> Result<Response, HttpError> {
        let n = std::str::from_utf8(&request.body).ok().and_then(|text| text.parse().ok()).expect("a number");
        self.0.put_all(vec![event("wanted", n, self.1)], None).await?;
        Ok(Accepted::new(1).into_response())
    }
}

struct Listening {
    address: SocketAddr,
    stop: Stop,
    listener: JoinHandle<Result<(), Fault>>,
}

#[expect(clippy::disallowed_methods, reason = "the test owns the listener's task and ends it")]
async fn listen(out: &Outbox, size: usize) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let (address, stop, metrics) = (listener.local_addr().expect("an address"), Stop::new(), Metrics::new());
    let receiver = Numbers(out.with_timeout(Duration::from_millis(20)), size);
    let place = Endpoint {
        name: "shop".into(),
        config: EndpointConfig::default(),
        receiver,
        metrics: metrics.endpoint(&"shop".into()),
    };
    let listener = tokio::spawn(ingress::serve(listener, vec![place], metrics.endpoint(&"".into()), stop.clone()));
    Listening { address, stop, listener }
}

impl Listening {
    /// The status, and whether there is a `Retry-After`.
    async fn post(&self, n: u64) -> (u16, bool) {
        let body = n.to_string();
        let length = body.len();
        let request = format!(
            "POST /hooks/shop HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.expect("a listener");
            stream.write_all(request.as_bytes()).await.expect("written");
            let mut reply = String::new();
            stream.read_to_string(&mut reply).await.expect("an answer");
            reply
        };
        let reply = tokio::time::timeout(LIMIT, exchange).await.expect("an answer");
        let status = reply.split(' ').nth(1).expect("a status").parse().expect("a number");
        (status, reply.contains("retry-after: "))
    }

    async fn end(self) {
        self.stop.trigger();
        self.listener.await.expect("no panic").expect("a planned end");
    }
}

#[tokio::test]
async fn the_answer_is_sent_once_the_event_is_on_disk() {
    let (harness, intake) = Harness::not_started(Policy::default());
    let listener = listen(&harness.out, 0).await;
    let mut asking = Box::pin(listener.post(7));
    let early = tokio::time::timeout(Duration::from_millis(50), &mut asking).await;
    assert!(early.is_err(), "answered {early:?} although nothing was written");
    let harness = harness.started(intake);
    assert_eq!(asking.await, (202, false));
    assert_eq!(harness.committed(&mut harness.store.stream("ops")).await, [7]);
    listener.end().await;
}

#[tokio::test]
async fn a_full_disk_is_answered_with_503_and_what_was_refused_is_not_stored() {
    let harness = Harness::new(small_disk());
    let listener = listen(&harness.out, TOO_MUCH).await;
    let (mut taken, mut refused) = (Vec::new(), 0);
    for n in 0..1000 {
        match listener.post(n).await {
            (202, false) => taken.push(n),
            (503, true) => refused += 1,
            other => panic!("{other:?}"),
        }
        if refused == 3 {
            break;
        }
    }
    assert!(refused == 3 && taken.len() > 20, "{refused} of {}", taken.len());
    assert_eq!(harness.committed(&mut harness.store.stream("ops")).await, taken);
    listener.end().await;
}

#[tokio::test]
async fn a_full_intake_is_answered_with_429_and_what_was_refused_is_not_stored() {
    let (harness, intake) = Harness::not_started(Policy::default());
    let listener = listen(&harness.out, 0).await;
    for n in 0..INTAKE {
        harness.out.offer(event("wanted", n as u64, 0)).await.expect("room in the intake");
    }
    assert_eq!(listener.post(9999).await, (429, true));
    let harness = harness.started(intake);
    assert_eq!(listener.post(INTAKE as u64).await, (202, false));
    let committed = harness.committed(&mut harness.store.stream("ops")).await;
    assert_eq!(committed, (0..=INTAKE as u64).collect::<Vec<_>>());
    listener.end().await;
}

#[tokio::test]
async fn an_intake_that_closes_is_answered_with_503() {
    let harness = Harness::new(Policy::default());
    let listener = listen(&harness.out, 0).await;
    harness.stop.trigger();
    harness.intake.await.expect("no panic").expect("a planned end");
    assert_eq!(listener.post(1).await, (503, true));
    listener.end().await;
}
