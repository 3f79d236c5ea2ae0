//! What a sender at the listener hears of the intake and the disk. Real sockets, real files.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::ingress::{self, Accepted, Answer, Endpoint, Hook, HookRequest, Receiver};

/// Generous: only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(30);

/// Every body is the number of an event of so many bytes.
struct Shop(Outbox, usize);

impl Receiver for Shop {
    async fn receive(&self, knock: HookRequest) -> Answer {
        let n = std::str::from_utf8(&knock.body).ok().and_then(|text| text.parse().ok()).expect("a number");
        self.0.put_all(vec![event("wanted", n, self.1)], None).await?;
        Ok(Accepted::accepted(1))
    }
}

struct Street {
    address: SocketAddr,
    stop: Stop,
    listener: JoinHandle<Result<(), Fault>>,
}

#[expect(clippy::disallowed_methods, reason = "the test owns the listener's task and ends it")]
async fn open_door(out: &Outbox, size: usize) -> Street {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let (address, stop, metrics) = (listener.local_addr().expect("an address"), Stop::new(), Metrics::new());
    let receiver = Shop(out.hurried(Duration::from_millis(20)), size);
    let place =
        Endpoint { name: "shop".into(), hook: Hook::named(), receiver, metrics: metrics.endpoint(&"shop".into()) };
    let listener = tokio::spawn(ingress::open(listener, vec![place], metrics.endpoint(&"".into()), stop.clone()));
    Street { address, stop, listener }
}

impl Street {
    /// The status, and whether it says when to come again.
    async fn post(&self, n: u64) -> (u16, bool) {
        let body = n.to_string();
        let length = body.len();
        let request = format!(
            "POST /hooks/shop HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let talk = async {
            let mut stream = TcpStream::connect(self.address).await.expect("a door");
            stream.write_all(request.as_bytes()).await.expect("heard");
            let mut reply = String::new();
            stream.read_to_string(&mut reply).await.expect("an answer");
            reply
        };
        let reply = tokio::time::timeout(LIMIT, talk).await.expect("an answer");
        let status = reply.split(' ').nth(1).expect("a status").parse().expect("a number");
        (status, reply.contains("retry-after: "))
    }

    async fn end(self) {
        self.stop.trigger();
        self.listener.await.expect("no panic").expect("a peaceful end");
    }
}

#[tokio::test]
async fn the_answer_comes_when_it_is_on_disk_and_not_before() {
    let (world, intake) = World::standing_still(Policy::default());
    let street = open_door(&world.out, 0).await;
    let mut asking = Box::pin(street.post(7));
    let early = tokio::time::timeout(Duration::from_millis(50), &mut asking).await;
    assert!(early.is_err(), "answered {early:?} although nothing was written");
    let world = world.going(intake);
    assert_eq!(asking.await, (202, false));
    assert_eq!(world.committed(&mut world.store.stream("ops")).await, [7]);
    street.end().await;
}

#[tokio::test]
async fn a_full_disk_is_told_and_what_was_refused_never_comes() {
    let world = World::new(small_disk());
    let street = open_door(&world.out, TOO_MUCH).await;
    let (mut taken, mut refused) = (Vec::new(), 0);
    for n in 0..1000 {
        match street.post(n).await {
            (202, false) => taken.push(n),
            (503, true) => refused += 1,
            other => panic!("{other:?}"),
        }
        if refused == 3 {
            break;
        }
    }
    assert!(refused == 3 && taken.len() > 20, "{refused} of {}", taken.len());
    assert_eq!(world.committed(&mut world.store.stream("ops")).await, taken);
    street.end().await;
}

#[tokio::test]
async fn a_full_intake_is_told_and_what_was_refused_never_comes() {
    let (world, intake) = World::standing_still(Policy::default());
    let street = open_door(&world.out, 0).await;
    for n in 0..INTAKE {
        world.out.offer(event("wanted", n as u64, 0)).await.expect("room in the intake");
    }
    assert_eq!(street.post(9999).await, (429, true));
    let world = world.going(intake);
    assert_eq!(street.post(INTAKE as u64).await, (202, false));
    let committed = world.committed(&mut world.store.stream("ops")).await;
    assert_eq!(committed, (0..=INTAKE as u64).collect::<Vec<_>>());
    street.end().await;
}

#[tokio::test]
async fn an_intake_that_closes_is_told_as_well() {
    let world = World::new(Policy::default());
    let street = open_door(&world.out, 0).await;
    world.stop.trigger();
    world.intake.await.expect("no panic").expect("a peaceful end");
    assert_eq!(street.post(1).await, (503, true));
    street.end().await;
}
