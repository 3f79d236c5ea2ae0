//! A stop ends everything, with a closing handshake where the peer takes part in it.

use super::*;

#[tokio::test]
async fn a_stop_sends_a_close_frame() {
    let (peer, config, stop) = (Peer::new().await, config(), Stop::new());
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let mut socket = opened(&mut client, &peer).await;
    stop.trigger();
    let (event, code) = join!(soon(client.next()), until_closed(&mut socket));
    assert!(matches!(event, SocketEvent::Stopped));
    assert_eq!(code, Some(1005));
    assert!(matches!(soon(client.next()).await, SocketEvent::Stopped));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_peer_that_reads_nothing() {
    let (peer, config, stop) = (Peer::new().await, config(), Stop::new());
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let _mute = opened(&mut client, &peer).await;
    let (event, ()) = join!(soon(client.next()), async { stop.trigger() });
    assert!(matches!(event, SocketEvent::Stopped));
}

#[tokio::test]
async fn a_stop_ends_connecting_and_waiting() {
    let (peer, config, stop) = (Peer::new().await, config(), Stop::new());
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let (event, mut tcp) = join!(soon(client.next()), async {
        let tcp = peer.accept_tcp().await;
        stop.trigger();
        tcp
    });
    assert!(matches!(event, SocketEvent::Stopped));
    soon(tcp.read_to_end(&mut Vec::new())).await.expect("the connection is closed too");

    let stop = Stop::new();
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let _lost = join!(lost(&mut client), peer.answer("HTTP/1.1 500 No\r\n\r\n"));
    let (event, ()) = join!(soon(client.next()), async { stop.trigger() });
    assert!(matches!(event, SocketEvent::Stopped), "it would have waited an hour");
}
