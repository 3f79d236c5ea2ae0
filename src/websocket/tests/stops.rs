//! A stop ends everything, politely where somebody listens.

use super::*;

#[tokio::test]
async fn a_stop_says_goodbye() {
    let (peer, habits, stop) = (Peer::new().await, habits(), Stop::new());
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let mut socket = opened(&mut wire, &peer).await;
    stop.trigger();
    let (news, code) = join!(soon(wire.next()), until_goodbye(&mut socket));
    assert!(matches!(news, News::Stopped));
    assert_eq!(code, Some(1005));
    assert!(matches!(soon(wire.next()).await, News::Stopped));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_peer_that_hears_nothing() {
    let (peer, habits, stop) = (Peer::new().await, habits(), Stop::new());
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let _mute = opened(&mut wire, &peer).await;
    let (news, ()) = join!(soon(wire.next()), async { stop.trigger() });
    assert!(matches!(news, News::Stopped));
}

#[tokio::test]
async fn a_stop_ends_connecting_and_waiting() {
    let (peer, habits, stop) = (Peer::new().await, habits(), Stop::new());
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let (news, mut tcp) = join!(soon(wire.next()), async {
        let tcp = peer.tcp().await;
        stop.trigger();
        tcp
    });
    assert!(matches!(news, News::Stopped));
    soon(tcp.read_to_end(&mut Vec::new())).await.expect("the connection is closed too");

    let stop = Stop::new();
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let _lost = join!(lost(&mut wire), peer.answer("HTTP/1.1 500 No\r\n\r\n"));
    let (news, ()) = join!(soon(wire.next()), async { stop.trigger() });
    assert!(matches!(news, News::Stopped), "it would have waited an hour");
}
