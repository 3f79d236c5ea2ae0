//! Frames that are too big, and frames that are no text.

use super::*;

#[tokio::test]
async fn a_frame_that_says_it_is_huge_costs_no_memory() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let habits = ConnectionConfig { max_frame: 1024, ..habits() };
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let mut socket = opened(&mut wire, &peer).await;
    let mut head = vec![0x81, 127];
    head.extend(100_000_000_u64.to_be_bytes());
    soon(socket.get_mut().write_all(&head)).await.expect("written");
    let fault = lost(&mut wire).await;
    assert_eq!(fault.reason(), "too_big");
    assert_eq!(fault.to_string(), "a message of 100000000 bytes is above max_frame (1024 bytes)");
    assert_eq!(until_goodbye(&mut socket).await, Some(1009));
    opened(&mut wire, &peer).await;
}

#[tokio::test]
async fn fragments_are_counted_together() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let habits = ConnectionConfig { max_frame: 1024, ..habits() };
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let mut socket = opened(&mut wire, &peer).await;
    // FIN is not set: a text that begins, and goes on, and on.
    let mut fragments = vec![0x01, 126, 2, 0];
    fragments.extend([b'x'; 512]);
    for _ in 0..2 {
        fragments.extend([0x00, 126, 2, 0]);
        fragments.extend([b'x'; 512]);
    }
    soon(socket.get_mut().write_all(&fragments)).await.expect("written");
    assert_eq!(lost(&mut wire).await.reason(), "too_big");
}

#[tokio::test]
async fn binary_text_is_text_and_the_rest_is_not() {
    let (peer, habits, stop) = (Peer::new().await, habits(), Stop::new());
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let mut socket = opened(&mut wire, &peer).await;
    for bytes in [&b"{\"a\":1}"[..], b"\xff\xfe"] {
        soon(socket.send(Message::binary(bytes.to_vec()))).await.expect("sent");
    }
    assert_eq!(text(&mut wire).await, "{\"a\":1}");
    assert!(matches!(soon(wire.next()).await, News::Binary));
    // A text frame that is no text breaks the protocol, so the connection ends.
    soon(socket.get_mut().write_all(&[0x81, 2, 0xff, 0xfe])).await.expect("written");
    assert_eq!(lost(&mut wire).await.reason(), "protocol");
}
