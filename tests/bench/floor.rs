//! The baseline: a minimal bridge that still keeps what it has accepted. The bench `road` compares the daemon with it.
//!
//! One thread and a journal: a fixed filter, every wanted event on disk (one fdatasync for many) before it is posted,
//! 32 posts at a time. No relays, no retries, no reconnects.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::connect_async_with_config;

const POSTS_AT_A_TIME: usize = 32;
/// Capacity between reader, journal and posts; each waits when the next one is full.
const QUEUE: usize = 8192;
/// The most entries that the journal writes with one fdatasync.
const BATCH: usize = 4096;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    action: Cow<'a, str>,
    #[serde(borrow, default)]
    state: Cow<'a, str>,
    #[serde(borrow, default)]
    resource_uri: Cow<'a, str>,
    #[serde(default)]
    id: u64,
    #[serde(default)]
    sent_us: u64,
}

enum Entry {
    Accepted(String),
    Delivered(String),
}

pub(crate) async fn run(url: &str, hook: SocketAddr, journal: &Path) -> Result<()> {
    let (mut ws, _) = connect_async_with_config(url, None, true).await?;
    let (to_journal, durable) = start_journal(File::create(journal)?);
    let read = async {
        while let Some(frame) = ws.next().await {
            if let Some(text) = frame?.to_text().ok().and_then(message) {
                to_journal.send(Entry::Accepted(text)).await?;
            }
        }
        Ok(())
    };
    tokio::try_join!(read, deliver(durable, hook, &to_journal))?;
    Ok(())
}

/// What to post for an event, if it is wanted.
fn message(text: &str) -> Option<String> {
    let Event { kind, action, state, resource_uri, id, sent_us } = serde_json::from_str(text).ok()?;
    let wanted = kind == "service" && (action == "create" || action == "update");
    wanted.then(|| format!("{kind} {action} {state} {resource_uri} [id={id} t={sent_us}]"))
}

/// Starts a thread that appends entries and passes the accepted ones on once they are durable.
fn start_journal(mut file: File) -> (mpsc::Sender<Entry>, mpsc::Receiver<String>) {
    let (to_journal, mut entries) = mpsc::channel(QUEUE);
    let (durable, to_post) = mpsc::channel(QUEUE);
    std::thread::spawn(move || {
        let (mut batch, mut chunk, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
        while entries.blocking_recv_many(&mut batch, BATCH) > 0 {
            for entry in batch.drain(..) {
                let (tag, text) = match &entry {
                    Entry::Accepted(text) => (b'+', text),
                    Entry::Delivered(text) => (b'-', text),
                };
                chunk.push(tag);
                chunk.extend_from_slice(text.as_bytes());
                chunk.push(b'\n');
                if let Entry::Accepted(text) = entry {
                    accepted.push(text);
                }
            }
            file.write_all(&chunk).expect("the journal can be written");
            chunk.clear();
            if !accepted.is_empty() {
                file.sync_data().expect("the journal can be made durable");
            }
            for text in accepted.drain(..) {
                if durable.blocking_send(text).is_err() {
                    return;
                }
            }
        }
    });
    (to_journal, to_post)
}

async fn deliver(mut durable: mpsc::Receiver<String>, hook: SocketAddr, journal: &mpsc::Sender<Entry>) -> Result<()> {
    let idle = RefCell::new(Vec::new());
    let texts = stream::poll_fn(|context| durable.poll_recv(context));
    let mut posts = std::pin::pin!(texts.map(|text| post(text, hook, &idle)).buffer_unordered(POSTS_AT_A_TIME));
    while let Some(posted) = posts.next().await {
        // If the journal is full, the entry is left out: waiting would be a deadlock.
        drop(journal.try_send(Entry::Delivered(posted?)));
    }
    Ok(())
}

async fn post(text: String, hook: SocketAddr, idle: &RefCell<Vec<TcpStream>>) -> Result<String> {
    let reused = idle.borrow_mut().pop();
    let mut tcp = match reused {
        Some(tcp) => tcp,
        None => TcpStream::connect(hook).await?,
    };
    let body = json!({ "text": text }).to_string();
    let head = format!("POST /hook HTTP/1.1\r\nHost: {hook}\r\nContent-Type: application/json\r\n");
    tcp.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    let mut answer = Vec::with_capacity(256);
    loop {
        ensure!(tcp.read_buf(&mut answer).await? > 0, "the sink closed the connection");
        let received = std::str::from_utf8(&answer)?;
        if let Some((head, body)) = received.split_once("\r\n\r\n") {
            let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next());
            if body.len() >= length.context("an answer without Content-Length")?.parse::<usize>()? {
                ensure!(head.starts_with("HTTP/1.1 2"), "{head}");
                break;
            }
        }
    }
    idle.borrow_mut().push(tcp);
    Ok(text)
}
