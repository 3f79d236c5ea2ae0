//! A client that posts to a hook, and a server that receives what the daemon delivers. They implement only the HTTP/1.1
//! that is needed, to cost little compared with what is measured: kept connections, bodies with Content-Length.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

pub(crate) const KEY: &str = "a key that client and server share";

#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) posts: u32,
    pub(crate) concurrency: u32,
}

pub(crate) struct Hook {
    pub(crate) address: String,
    pub(crate) path: &'static str,
}

/// Sends all posts, each of which must be answered with a 2xx, and returns how long each answer took.
pub(crate) async fn send(hook: &Hook, load: Load) -> Result<Vec<Duration>> {
    let one = |first: u32| async move {
        let mut tcp = TcpStream::connect(&hook.address).await?;
        tcp.set_nodelay(true)?;
        let mut delays = Vec::new();
        for n in (first..load.posts).step_by(load.concurrency as usize) {
            let request = request(hook, n);
            let started = Instant::now();
            tcp.write_all(request.as_bytes()).await?;
            let answer = message(&mut tcp).await?.context("the connection was closed")?;
            delays.push(started.elapsed());
            ensure!(answer.starts_with("HTTP/1.1 2"), "{answer}");
        }
        Ok(delays)
    };
    Ok(try_join_all((0..load.concurrency).map(one)).await?.concat())
}

fn request(Hook { address, path }: &Hook, n: u32) -> String {
    let body = json!({ "kind": "order.paid", "n": n, "customer": "c-0b0e3538", "lines": [{ "sku": "a", "count": 1 }] });
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("a key of any length is valid");
    mac.update(body.as_bytes());
    let mut request =
        format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nX-Signature: sha256=");
    for byte in mac.finalize().into_bytes() {
        write!(request, "{byte:02x}").expect("writing to a String cannot fail");
    }
    write!(request, "\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("writing to a String cannot fail");
    request
}

/// One message, head and body; None at the end. There is no pipelining.
async fn message(tcp: &mut TcpStream) -> Result<Option<String>> {
    let mut received = Vec::with_capacity(512);
    loop {
        if tcp.read_buf(&mut received).await? == 0 {
            return Ok(None);
        }
        let text = std::str::from_utf8(&received)?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().filter_map(|line| line.split_once(": "));
        let length =
            length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value).next();
        // A message without a body has none.
        if body.len() >= length.map_or(Ok(0), str::parse)? {
            return Ok(Some(String::from_utf8(received)?));
        }
    }
}

/// Receives posts on a thread of its own, and counts them.
pub(crate) struct Receiver {
    pub(crate) address: String,
    received: Arc<AtomicU64>,
}

impl Receiver {
    pub(crate) fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || runtime.block_on(receive(listener, &counted)));
        Ok(Self { address, received: count })
    }

    pub(crate) async fn wait_for(&self, posts: u64, limit: Duration) -> Result<()> {
        let limit = Instant::now() + limit;
        while self.received.load(Ordering::Relaxed) < posts {
            ensure!(Instant::now() < limit, "{} of {posts} were delivered", self.received.load(Ordering::Relaxed));
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

async fn receive(listener: std::net::TcpListener, count: &AtomicU64) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut tcp, _) = accepted?;
                connections.push(async move {
                    while let Ok(Some(_)) = message(&mut tcp).await {
                        count.fetch_add(1, Ordering::Relaxed);
                        tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
                    }
                    Ok::<_, std::io::Error>(())
                });
            }
            // A closed connection is not an error here; missing posts are reported at the end.
            Some(_ended) = connections.next(), if !connections.is_empty() => {}
        }
    }
}
