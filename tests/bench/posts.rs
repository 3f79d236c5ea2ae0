//! Who posts to a hook, and who takes what a daemon makes of it. Just enough HTTP/1.1 to cost little beside what is
//! measured: connections are kept, and every message has its Content-Length.

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

pub(crate) const KEY: &str = "a key that both of them know";

#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) posts: u32,
    pub(crate) concurrency: u32,
}

pub(crate) struct Hook {
    pub(crate) address: String,
    pub(crate) path: &'static str,
}

/// Brings all of them, each answered with a 2xx, and tells how long each answer took.
pub(crate) async fn bring(hook: &Hook, load: Load) -> Result<Vec<Duration>> {
    let one = |first: u32| async move {
        let mut tcp = TcpStream::connect(&hook.address).await?;
        tcp.set_nodelay(true)?;
        let mut delays = Vec::new();
        for n in (first..load.posts).step_by(load.concurrency as usize) {
            let request = request(hook, n);
            let begun = Instant::now();
            tcp.write_all(request.as_bytes()).await?;
            let answer = message(&mut tcp).await?.context("the hook hung up")?;
            delays.push(begun.elapsed());
            ensure!(answer.starts_with("HTTP/1.1 2"), "{answer}");
        }
        Ok(delays)
    };
    Ok(try_join_all((0..load.concurrency).map(one)).await?.concat())
}

fn request(Hook { address, path }: &Hook, n: u32) -> String {
    let body = json!({ "kind": "order.paid", "n": n, "customer": "c-0b0e3538", "lines": [{ "sku": "a", "count": 1 }] });
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("any length will do");
    mac.update(body.as_bytes());
    let mut request =
        format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nX-Signature: sha256=");
    for byte in mac.finalize().into_bytes() {
        write!(request, "{byte:02x}").expect("a String takes all");
    }
    write!(request, "\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("a String takes all");
    request
}

/// One message, head and body; None at the end. Whoever is on the other side sends nothing unasked.
async fn message(tcp: &mut TcpStream) -> Result<Option<String>> {
    let mut said = Vec::with_capacity(512);
    loop {
        if tcp.read_buf(&mut said).await? == 0 {
            return Ok(None);
        }
        let text = std::str::from_utf8(&said)?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().filter_map(|line| line.split_once(": "));
        let length =
            length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value).next();
        // An answer to nothing at all has none.
        if body.len() >= length.map_or(Ok(0), str::parse)? {
            return Ok(Some(String::from_utf8(said)?));
        }
    }
}

/// Takes posts on a thread of its own, and counts them.
pub(crate) struct Receiver {
    pub(crate) address: String,
    taken: Arc<AtomicU64>,
}

impl Receiver {
    pub(crate) fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        let taken = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&taken);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || runtime.block_on(take(listener, &counted)));
        Ok(Self { address, taken })
    }

    pub(crate) async fn wait_for(&self, posts: u64, limit: Duration) -> Result<()> {
        let limit = Instant::now() + limit;
        while self.taken.load(Ordering::Relaxed) < posts {
            ensure!(Instant::now() < limit, "{} of {posts} were delivered", self.taken.load(Ordering::Relaxed));
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

async fn take(listener: std::net::TcpListener, taken: &AtomicU64) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut tcp, _) = accepted?;
                connections.push(async move {
                    while let Ok(Some(_)) = message(&mut tcp).await {
                        taken.fetch_add(1, Ordering::Relaxed);
                        tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
                    }
                    Ok::<_, std::io::Error>(())
                });
            }
            // One that hangs up is no trouble of ours; what is missing will show.
            Some(_ended) = connections.next(), if !connections.is_empty() => {}
        }
    }
}
