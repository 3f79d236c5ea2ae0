//! The stand-in for the chat, a process of its own: receives posts as fast as they come and reports them.
//!
//! It implements only the HTTP/1.1 that is needed (keep-alive, Content-Length), to cost little compared with what is
//! measured.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::mix::{is_wanted, now_us};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok";

/// Waits for every wanted one of `events` events; prints `complete` then, or `incomplete` if stdin ends before.
pub(crate) async fn run(events: u64) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", json!({ "listening": listener.local_addr()?.to_string() }));
    let received = Received::new(events);
    let stdin_end = stdin_end();
    let mut connections = FuturesUnordered::new();
    let serve_all = async {
        loop {
            tokio::select! {
                accepted = listener.accept() => connections.push(serve(accepted?.0, &received)),
                // A closed connection is not an error here; missing posts are reported at the end.
                Some(_ended) = connections.next(), if !connections.is_empty() => {}
            }
        }
    };
    tokio::select! {
        failed = serve_all => failed,
        () = received.complete.notified() => {
            println!("{}", json!({ "complete": received.counts.borrow_mut().report() }));
            Ok(())
        }
        () = stdin_end.notified() => {
            println!("{}", json!({ "incomplete": received.counts.borrow_mut().report() }));
            Ok(())
        }
    }
}

fn stdin_end() -> std::sync::Arc<Notify> {
    let ended = std::sync::Arc::new(Notify::new());
    let notify = ended.clone();
    std::thread::spawn(move || {
        let mut nothing = Vec::new();
        if std::io::stdin().read_to_end(&mut nothing).is_ok() {
            notify.notify_one();
        }
    });
    ended
}

async fn serve(mut tcp: TcpStream, received: &Received) -> Result<()> {
    tcp.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(8192);
    loop {
        while let Some((head, end)) = request(&buffer)? {
            received.take(&buffer[head..end]);
            tcp.write_all(ANSWER).await?;
            buffer.drain(..end);
        }
        if tcp.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// The ends of the first request's head and of the request, once it is complete.
fn request(buffer: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else { return Ok(None) };
    let text = std::str::from_utf8(&buffer[..head])?;
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("a post without Content-Length")?;
    let end = head + length.1.trim().parse::<usize>()?;
    ensure!(end < 1 << 20, "a post of {end} bytes");
    Ok((buffer.len() >= end).then_some((head, end)))
}

struct Received {
    counts: RefCell<Counts>,
    complete: Notify,
}

struct Counts {
    missing: u64,
    seen: HashMap<u64, u32>,
    posts: u64,
    unwanted: u64,
    delays_us: Vec<u64>,
    last_us: u64,
}

impl Received {
    fn new(events: u64) -> Self {
        let seen: HashMap<u64, u32> = (0..events).filter(|id| is_wanted(*id)).map(|id| (id, 0)).collect();
        let missing = seen.len() as u64;
        let delays_us = Vec::with_capacity(seen.len());
        let counts = Counts { missing, seen, posts: 0, unwanted: 0, delays_us, last_us: 0 };
        Self { counts: counts.into(), complete: Notify::new() }
    }

    fn take(&self, body: &[u8]) {
        let mut counts = self.counts.borrow_mut();
        counts.posts += 1;
        counts.last_us = now_us();
        let mark = std::str::from_utf8(body).ok().and_then(mark);
        match mark.map(|(id, sent_us)| (counts.seen.get_mut(&id), sent_us)) {
            Some((Some(times), sent_us)) => {
                *times += 1;
                if *times == 1 {
                    counts.missing -= 1;
                    let delay = counts.last_us.saturating_sub(sent_us);
                    counts.delays_us.push(delay);
                }
            }
            _ => counts.unwanted += 1,
        }
        if counts.missing == 0 {
            self.complete.notify_one();
        }
    }
}

impl Counts {
    fn report(&mut self) -> Value {
        self.delays_us.sort_unstable();
        let at = |percent: usize| {
            let last = self.delays_us.len().saturating_sub(1);
            self.delays_us.get(last * percent / 100).copied().unwrap_or(0)
        };
        let twice: u64 = self.seen.values().filter(|times| **times > 1).count() as u64;
        json!({
            "posts": self.posts, "missing": self.missing, "twice": twice, "unwanted": self.unwanted,
            "last_us": self.last_us, "p50_us": at(50), "p99_us": at(99),
        })
    }
}

/// `[id=7 t=99]` somewhere in the text.
fn mark(body: &str) -> Option<(u64, u64)> {
    let (_, rest) = body.split_once("[id=")?;
    let (id, rest) = rest.split_once(" t=")?;
    let (sent_us, _) = rest.split_once(']')?;
    Some((id.parse().ok()?, sent_us.parse().ok()?))
}
