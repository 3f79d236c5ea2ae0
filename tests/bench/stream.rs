//! The stand-in of Tutum's stream, a process of its own: accepts WebSocket clients, and plays the events when told.

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

/// Plays `events` events, `rate` of them each second, or as fast as the client reads where it is 0.
pub(crate) async fn run(events: u64, rate: u32) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", json!({ "listening": listener.local_addr()?.to_string() }));
    let mut go = Some(told_to_go());
    loop {
        let (tcp, _) = listener.accept().await?;
        // Only the first client is played to: one that comes again has lost what a live stream sent meanwhile.
        serve(tcp, go.take(), events, rate).await?;
    }
}

async fn serve(tcp: TcpStream, go: Option<oneshot::Receiver<()>>, events: u64, rate: u32) -> Result<()> {
    tcp.set_nodelay(true)?;
    let (mut to_client, mut from_client) = accept_async(tcp).await?.split();
    println!("{}", json!({ "connected": now_us() }));
    let play = async {
        to_client.send(Message::text(r#"{"type":"auth"}"#)).await?;
        let Some(go) = go else { return std::future::pending().await };
        go.await?;
        let begun = Instant::now();
        for id in 0..events {
            if rate > 0 {
                let due = begun + Duration::from_secs(id) / rate;
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
    let client_left = async { while from_client.next().await.is_some_and(|frame| frame.is_ok()) {} };
    tokio::select! {
        played = play => played,
        () = client_left => Ok(()),
    }
}

/// The first line on stdin means go; its end means that whoever measures is gone.
fn told_to_go() -> oneshot::Receiver<()> {
    let (say, heard) = oneshot::channel();
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lock().lines();
        if lines.next().is_some_and(|line| line.is_ok()) && say.send(()).is_ok() {
            for _ in lines {}
        }
        std::process::exit(0);
    });
    heard
}
