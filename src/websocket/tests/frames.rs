//! Frames that are too large, and frames that are not text.

use super::*;

#[tokio::test]
async fn a_frame_that_announces_a_huge_length_costs_no_memory() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let config = ConnectionConfig { max_frame: 1024, ..config() };
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let mut socket = opened(&mut client, &peer).await;
    let mut head = vec![0x81, 127];
    head.extend(100_000_000_u64.to_be_bytes());
    soon(socket.get_mut().write_all(&head)).await.expect("written");
    let fault = lost(&mut client).await;
    assert_eq!(fault.reason(), "too_big");
    assert_eq!(fault.to_string(), "a message of 100000000 bytes is above max_frame (1024 bytes)");
    assert_eq!(until_closed(&mut socket).await, Some(1009));
    opened(&mut client, &peer).await;
}

#[tokio::test]
async fn fragments_are_counted_together() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let config = ConnectionConfig { max_frame: 1024, ..config() };
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let mut socket = opened(&mut client, &peer).await;
    // FIN is not set: a text that never ends.
    let mut fragments = vec![0x01, 126, 2, 0];
    fragments.extend([b'x'; 512]);
    for _ in 0..2 {
        fragments.extend([0x00, 126, 2, 0]);
        fragments.extend([b'x'; 512]);
    }
    soon(socket.get_mut().write_all(&fragments)).await.expect("written");
    assert_eq!(lost(&mut client).await.reason(), "too_big");
}

#[tokio::test]
async fn binary_messages_are_text_if_they_are_utf_8() {
    let (peer, config, stop) = (Peer::new().await, config(), Stop::new());
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let mut socket = opened(&mut client, &peer).await;
    for bytes in [&b"{\"a\":1}"[..], b"\xff\xfe"] {
        soon(socket.send(Message::binary(bytes.to_vec()))).await.expect("sent");
    }
    assert_eq!(text(&mut client).await, "{\"a\":1}");
    assert!(matches!(soon(client.next()).await, SocketEvent::Binary));
    // A text frame that is not UTF-8 violates the protocol, so the connection ends.
    soon(socket.get_mut().write_all(&[0x81, 2, 0xff, 0xfe])).await.expect("written");
    assert_eq!(lost(&mut client).await.reason(), "protocol");
}
