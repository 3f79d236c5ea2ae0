//! Slow clients, silent connections, and floods of bad requests.

use tokio::task::JoinSet;

use super::*;

/// Sends byte after byte until the server closes the connection; gives the answer.
async fn trickle(mut stream: TcpStream, start: &str) -> String {
    let (mut reading, mut writing) = stream.split();
    let mut reply = Vec::new();
    let sending = async {
        if writing.write_all(start.as_bytes()).await.is_ok() {
            while writing.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // A reset ends it too.
        _ended = reading.read_to_end(&mut reply) => {}
        () = sending => {}
        () = tokio::time::sleep(LIMIT) => panic!("the connection is never closed"),
    }
    String::from_utf8(reply).expect("text")
}

#[tokio::test]
async fn slow_headers_time_out() {
    let head = Duration::from_millis(100);
    let world = World::with(ServerLimits { head, ..LIMITS }, RouterLimits::default()).await;
    assert_eq!(trickle(world.connect().await, "").await, "");
    assert_eq!(trickle(world.connect().await, "POST /hooks/shop HTTP/1.1\r\nhost: x\r\nx-long: ").await, "");
    // A second request on a connection gets no more time than the first.
    let mut again = world.connect().await;
    again.write_all(b"POST /hooks/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx").await.expect("written");
    assert!(again.read(&mut [0; 1024]).await.expect("an answer") > 0);
    assert_eq!(trickle(again, "POST /hooks/shop HTTP/1.1\r\nx-long: ").await, "");
    world.end().await;
}

#[tokio::test]
async fn a_slow_body_is_answered_408_and_disconnected() {
    let limits = RouterLimits { body: Duration::from_millis(100), ..RouterLimits::default() };
    let world = World::with(LIMITS, limits).await;
    let start = "POST /hooks/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    let reply = Reply::read(&trickle(world.connect().await, start).await);
    reply.assert_error(408);
    assert!(reply.head.contains("connection: close"), "{reply:?}");
    assert_eq!(world.receiver.entered.available_permits(), 0);
    world.end().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_a_while() {
    let world = World::with(ServerLimits { idle: Duration::from_millis(50), ..LIMITS }, RouterLimits::default()).await;
    let mut stream = world.connect().await;
    stream.write_all(b"POST /hooks/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.expect("written");
    let mut all = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut all)).await.expect("it is closed").expect("no reset");
    assert!(String::from_utf8(all).expect("text").contains("202"));
    world.end().await;
}

#[tokio::test]
async fn silent_connections_keep_no_request_out() {
    // With these deadlines only eviction helps.
    let limits = ServerLimits { connections: 8, head: LIMIT * 100, ..LIMITS };
    let world = World::with(limits, RouterLimits { body: LIMIT * 100, ..RouterLimits::default() }).await;
    let mut crowd = Vec::new();
    for round in 0..20 {
        for start in ["", "POST /hooks", "POST /hooks/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf"] {
            let mut silent = world.connect().await;
            silent.write_all(start.as_bytes()).await.expect("written");
            crowd.push(silent);
        }
        assert_eq!(world.post("/hooks/shop", "hello").await.status, 202, "round {round}");
    }
    drop(crowd);
    world.end().await;
}

#[tokio::test]
async fn requests_in_progress_are_not_evicted() {
    let world = World::with(ServerLimits { connections: 2, ..LIMITS }, RouterLimits::default()).await;
    let served = async { tokio::join!(world.post("/hooks/shop", "wait"), world.post("/hooks/shop", "wait")) };
    let more = async {
        let _both_entered = world.receiver.entered.acquire_many(2).await.expect("open");
        let third = world.post("/hooks/shop", "hello");
        let release = async { world.receiver.permits.add_permits(2) };
        tokio::join!(third, release).0
    };
    let ((first, second), third) = tokio::join!(served, more);
    assert_eq!((first.status, second.status, third.status), (202, 202, 202));
    world.end().await;
}

#[tokio::test]
async fn a_flood_of_bad_requests_blocks_no_good_one() {
    let world = World::new().await;
    let (address, flood_ends) = (world.address, Stop::new());
    let mut flood = JoinSet::new();
    for number in 0..40 {
        let flood_ends = flood_ends.clone();
        flood.spawn(async move {
            let bad = [
                post("/nowhere", "x"),
                "GET /hooks/shop HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
                post("/hooks/shop", "bad"),
                post("/hooks/quiet/wrong", &"x".repeat(100_000)),
                "rubbish\r\n\r\n".to_owned(),
            ];
            let mut seen = 0_usize;
            while !flood_ends.is_triggered() {
                let request = &bad[(number + seen) % bad.len()];
                let reply = send(address, request).await;
                assert!((400..500).contains(&reply.status), "{reply:?}");
                seen += 1;
            }
            seen
        });
    }
    for n in 0..200 {
        let reply = world.post("/hooks/shop", "hello").await;
        assert_eq!(reply.status, 202, "{n}: {reply:?}");
    }
    flood_ends.trigger();
    let mut seen = 0;
    while let Some(ended) = flood.join_next().await {
        seen += ended.expect("no panic");
    }
    assert!(seen >= 40, "{seen}");
    world.end().await;
}

#[tokio::test]
async fn a_request_that_waits_too_long_is_answered_429_with_retry_after() {
    let limits = RouterLimits { concurrent: 1, wait: Duration::from_millis(20), ..RouterLimits::default() };
    let world = World::with(LIMITS, limits).await;
    let crowded = async {
        let _entered = world.receiver.entered.acquire().await.expect("open");
        let reply = world.post("/hooks/shop", "hello").await;
        world.receiver.permits.add_permits(1);
        reply
    };
    let (first, second) = tokio::join!(world.post("/hooks/shop", "wait"), crowded);
    assert_eq!(first.status, 202);
    second.assert_error(429);
    assert!(second.head.contains("retry-after: "), "{second:?}");
    assert_eq!(world.post("/hooks/shop", "hello").await.status, 202);
    world.end().await;
}
