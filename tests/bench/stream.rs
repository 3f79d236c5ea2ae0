//! The stand-in for Tutum's stream, a process of its own: accepts WebSocket clients, and sends the events on command.

use std::io::BufRead;
use std::time::Duration;

use anyhow::Result;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use crate::mix::{now_us, write_event};

/// Sends `events` events, `rate` of them per second; 0: as fast as the client reads.
pub(crate) async fn run(events: u64, rate: u32) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", json!({ "listening": listener.local_addr()?.to_string() }));
    let mut start = Some(start_command());
    loop {
        let (tcp, _) = listener.accept().await?;
        // Only the first client receives events: after a reconnect it would have missed some, as with a live stream.
        serve(tcp, start.take(), events, rate).await?;
    }
}

async fn serve(tcp: TcpStream, start: Option<oneshot::Receiver<()>>, events: u64, rate: u32) -> Result<()> {
    tcp.set_nodelay(true)?;
    let (mut to_client, mut from_client) = accept_async(tcp).await?.split();
    println!("{}", json!({ "connected": now_us() }));
    let send_events = async {
        to_client.send(Message::text(r#"{"type":"auth"}"#)).await?;
        let Some(start) = start else { return std::future::pending().await };
        start.await?;
        let started = Instant::now();
        for id in 0..events {
            if rate > 0 {
                let due = started + Duration::from_secs(id) / rate;
                if due > Instant::now() {
                    to_client.flush().await?;
                    sleep_until(due).await;
                }
            }
            let mut text = String::with_capacity(384);
            write_event(id, &mut text);
            to_client.feed(Message::text(text)).await?;
        }
        to_client.flush().await?;
        std::future::pending::<Result<()>>().await
    };
    // Reading also answers the client's pings.
    let client_closed = async { while from_client.next().await.is_some_and(|frame| frame.is_ok()) {} };
    tokio::select! {
        ended = send_events => ended,
        () = client_closed => Ok(()),
    }
}

/// The first line on stdin starts the events; the end of stdin means that the bench has ended.
fn start_command() -> oneshot::Receiver<()> {
    let (started, start) = oneshot::channel();
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lock().lines();
        if lines.next().is_some_and(|line| line.is_ok()) && started.send(()).is_ok() {
            for _ in lines {}
        }
        std::process::exit(0);
    });
    start
}
