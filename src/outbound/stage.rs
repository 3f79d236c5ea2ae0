//! A server that plays a script, so that tests meet real sockets and real misbehaviour.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the server does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers with these bytes and keeps the connection.
    Say(String),
    /// Answers nothing and keeps the connection.
    Stall,
    /// Says this and then nothing more.
    SayAndStall(String),
    /// Resets the connection after the request was read.
    Reset,
    /// Says this and closes the connection.
    SayAndClose(String),
    /// Says the first once, and the second for ever.
    Endless(String, String),
    /// Resets the connection at once, before anything was read.
    ResetUnread,
}

/// A reply with a body, as servers write it.
pub(crate) fn reply(status: u16, headers: &str, body: &str) -> Act {
    Act::Say(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()))
}

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub head: String,
    pub body: String,
    /// Counts from 1.
    pub connection: usize,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).expect("a request line")
    }
}

/// Plays its acts in order, one for each request, and remembers what it was asked.
pub(crate) struct Stage {
    pub url: String,
    seen: watch::Receiver<Vec<Seen>>,
    playing: tokio::task::JoinHandle<()>,
}

impl Stage {
    pub(crate) async fn open(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (tell, seen) = watch::channel(Vec::new());
        let mut acts: Vec<Act> = acts.into_iter().collect();
        acts.reverse();
        let play = play(listener, Arc::new(Mutex::new(acts)), tell);
        #[expect(clippy::disallowed_methods, reason = "the stage owns its player and aborts it when dropped")]
        let playing = tokio::spawn(play);
        Self { url, seen, playing }
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "exactly one request");
        seen.remove(0)
    }

    /// Resolves when `count` requests came.
    pub(crate) async fn until(&self, count: usize) {
        let mut seen = self.seen.clone();
        let came = seen.wait_for(|seen| seen.len() >= count);
        let _requests = tokio::time::timeout(Duration::from_secs(20), came).await.expect("in time").expect("alive");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.playing.abort();
    }
}

async fn play(listener: TcpListener, acts: Arc<Mutex<Vec<Act>>>, tell: watch::Sender<Vec<Seen>>) {
    let mut connections = tokio::task::JoinSet::new();
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept().await {
        number += 1;
        connections.spawn(serve(stream, Arc::clone(&acts), tell.clone(), number));
    }
}

async fn serve(mut stream: TcpStream, acts: Arc<Mutex<Vec<Act>>>, tell: watch::Sender<Vec<Seen>>, connection: usize) {
    loop {
        let unread = matches!(acts.lock().expect("sane").last(), Some(Act::ResetUnread));
        if !unread {
            let Some((head, body)) = request(&mut stream).await else { return };
            tell.send_modify(|seen| seen.push(Seen { head, body, connection }));
        }
        let act = acts.lock().expect("sane").pop();
        match act.expect("an act for every request") {
            Act::Say(bytes) => stream.write_all(bytes.as_bytes()).await.expect("written"),
            Act::Stall => std::future::pending().await,
            Act::SayAndStall(bytes) => {
                stream.write_all(bytes.as_bytes()).await.expect("written");
                std::future::pending::<()>().await;
            }
            Act::SayAndClose(bytes) => {
                stream.write_all(bytes.as_bytes()).await.expect("written");
                return;
            }
            Act::Reset | Act::ResetUnread => {
                stream.set_zero_linger().expect("an open socket");
                return;
            }
            Act::Endless(first, again) => {
                let mut more = stream.write_all(first.as_bytes()).await;
                while more.is_ok() {
                    more = stream.write_all(again.as_bytes()).await;
                }
                return;
            }
        }
    }
}

/// One request's head and body, or None where the client hung up.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = head_end {
            let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if let Some(body) = bytes.get(end + 4..end + 4 + length) {
                return Some((head, String::from_utf8_lossy(body).into_owned()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
