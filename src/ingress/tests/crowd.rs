//! Those who dawdle, those who stand about, and those who only come to disturb.

use tokio::task::JoinSet;

use super::*;

/// Sends byte after byte, for ever, and gives what came back when the other side had enough.
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
        // A reset is an end as well.
        _ended = reading.read_to_end(&mut reply) => {}
        () = sending => {}
        () = tokio::time::sleep(LIMIT) => panic!("it is listened to for ever"),
    }
    String::from_utf8(reply).expect("text")
}

#[tokio::test]
async fn headers_that_trickle_are_not_listened_to_for_ever() {
    let head = Duration::from_millis(100);
    let world = World::with(ServerLimits { head, ..LIMITS }, Limits::default()).await;
    assert_eq!(trickle(world.connect().await, "").await, "");
    assert_eq!(trickle(world.connect().await, "POST /hooks/shop HTTP/1.1\r\nhost: door\r\nx-long: ").await, "");
    // A second request on a connection gets no more time than the first.
    let mut again = world.connect().await;
    again.write_all(b"POST /hooks/shop HTTP/1.1\r\nhost: door\r\ncontent-length: 1\r\n\r\nx").await.expect("heard");
    assert!(again.read(&mut [0; 1024]).await.expect("an answer") > 0);
    assert_eq!(trickle(again, "POST /hooks/shop HTTP/1.1\r\nx-long: ").await, "");
    world.end().await;
}

#[tokio::test]
async fn a_body_that_trickles_is_told_so_and_cut_off() {
    let limits = Limits { body: Duration::from_millis(100), ..Limits::default() };
    let world = World::with(LIMITS, limits).await;
    let start = "POST /hooks/shop HTTP/1.1\r\nhost: door\r\ncontent-length: 1000000\r\n\r\n";
    let reply = Reply::read(&trickle(world.connect().await, start).await);
    reply.refused(408);
    assert!(reply.head.contains("connection: close"), "{reply:?}");
    assert_eq!(world.receiver.entered.available_permits(), 0);
    world.end().await;
}

#[tokio::test]
async fn a_connection_between_requests_is_kept_for_a_while_only() {
    let world = World::with(ServerLimits { idle: Duration::from_millis(50), ..LIMITS }, Limits::default()).await;
    let mut stream = world.connect().await;
    stream.write_all(b"POST /hooks/shop HTTP/1.1\r\nhost: door\r\ncontent-length: 0\r\n\r\n").await.expect("heard");
    let mut all = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut all)).await.expect("it is closed").expect("in peace");
    assert!(String::from_utf8(all).expect("text").contains("202"));
    world.end().await;
}

#[tokio::test]
async fn a_crowd_that_only_stands_about_keeps_nobody_out() {
    // With these deadlines only making room helps.
    let limits = ServerLimits { room: 8, head: LIMIT * 100, ..LIMITS };
    let world = World::with(limits, Limits { body: LIMIT * 100, ..Limits::default() }).await;
    let mut crowd = Vec::new();
    for round in 0..20 {
        for start in ["", "POST /hooks", "POST /hooks/shop HTTP/1.1\r\nhost: door\r\ncontent-length: 9\r\n\r\nhalf"] {
            let mut mute = world.connect().await;
            mute.write_all(start.as_bytes()).await.expect("room in the socket");
            crowd.push(mute);
        }
        assert_eq!(world.post("/hooks/shop", "hello").await.status, 202, "round {round}");
    }
    drop(crowd);
    world.end().await;
}

#[tokio::test]
async fn whoever_is_being_served_need_not_make_room() {
    let world = World::with(ServerLimits { room: 2, ..LIMITS }, Limits::default()).await;
    let served = async { tokio::join!(world.post("/hooks/shop", "wait"), world.post("/hooks/shop", "wait")) };
    let more = async {
        let _both_inside = world.receiver.entered.acquire_many(2).await.expect("open");
        let third = world.post("/hooks/shop", "hello");
        let release = async { world.receiver.permits.add_permits(2) };
        tokio::join!(third, release).0
    };
    let ((first, second), third) = tokio::join!(served, more);
    assert_eq!((first.status, second.status, third.status), (202, 202, 202));
    world.end().await;
}

#[tokio::test]
async fn a_flood_of_bad_requests_starves_no_good_one() {
    let world = World::new().await;
    let (address, flood_ends) = (world.address, Stop::new());
    let mut flood = JoinSet::new();
    for number in 0..40 {
        let flood_ends = flood_ends.clone();
        flood.spawn(async move {
            let bad = [
                post("/nowhere", "x"),
                "GET /hooks/shop HTTP/1.1\r\nhost: door\r\nconnection: close\r\n\r\n".to_owned(),
                post("/hooks/shop", "bad"),
                post("/hooks/quiet/wrong", &"x".repeat(100_000)),
                "rubbish\r\n\r\n".to_owned(),
            ];
            let mut seen = 0_usize;
            while !flood_ends.is_triggered() {
                let request = &bad[(number + seen) % bad.len()];
                let reply = say(address, request).await;
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
async fn who_does_not_get_a_turn_is_told_when_to_come_again() {
    let limits = Limits { turns: 1, turn: Duration::from_millis(20), ..Limits::default() };
    let world = World::with(LIMITS, limits).await;
    let crowded = async {
        let _inside = world.receiver.entered.acquire().await.expect("open");
        let reply = world.post("/hooks/shop", "hello").await;
        world.receiver.permits.add_permits(1);
        reply
    };
    let (first, second) = tokio::join!(world.post("/hooks/shop", "wait"), crowded);
    assert_eq!(first.status, 202);
    second.refused(429);
    assert!(second.head.contains("retry-after: "), "{second:?}");
    assert_eq!(world.post("/hooks/shop", "hello").await.status, 202);
    world.end().await;
}
