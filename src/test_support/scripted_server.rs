//! An HTTP server that plays a script over real sockets, misbehaviour included.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What the server does with one request. Bytes are sent as they are, status line and headers included.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Sends this and keeps the connection.
    Reply(String),
    /// Sends this and closes the connection.
    ReplyAndClose(String),
    /// Sends these bytes, then nothing more, and keeps the connection open.
    ReplyAndStall(Vec<u8>),
    /// Sends these bytes, and closes the connection when what the client sent since then fulfils the condition.
    ReplyUntil(Vec<u8>, fn(&[u8]) -> bool),
    /// Sends nothing and keeps the connection open.
    Stall,
    /// Sends the first once, then the second over and over.
    Endless(String, String),
    /// Reads the request, then resets the connection.
    Reset,
    /// Resets the connection before anything is read.
    ResetBeforeRead,
}

/// A complete reply with a body. Each of `headers` ends in `\r\n`.
pub(crate) fn reply(status: u16, headers: &str, body: &str) -> Step {
    Step::Reply(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()))
}

#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    pub head: String,
    pub body: String,
    /// The number of the connection that it came on, from 1.
    pub connection: usize,
}

impl ReceivedRequest {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).expect("a request line")
    }
}

/// Plays one step for each request, in order, and keeps the requests. A request beyond the script is a panic.
pub(crate) struct ScriptedServer {
    pub url: String,
    requests: watch::Receiver<Vec<ReceivedRequest>>,
    serving: JoinHandle<()>,
}

/// What the connections share.
struct Script {
    steps: Mutex<Steps>,
    requests: watch::Sender<Vec<ReceivedRequest>>,
}

enum Steps {
    /// One for each request. The next one is the last.
    Listed(Vec<Step>),
    Chosen(Box<dyn FnMut(&ReceivedRequest) -> Step + Send>),
}

impl ScriptedServer {
    pub(crate) async fn start(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut steps: Vec<Step> = steps.into_iter().collect();
        steps.reverse();
        Self::play(Steps::Listed(steps)).await
    }

    /// Plays the step that `choose` returns for each request.
    pub(crate) async fn choosing(choose: impl FnMut(&ReceivedRequest) -> Step + Send + 'static) -> Self {
        Self::play(Steps::Chosen(Box::new(choose))).await
    }

    async fn play(steps: Steps) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket"));
        let (sender, requests) = watch::channel(Vec::new());
        let script = Arc::new(Script { steps: Mutex::new(steps), requests: sender });
        #[expect(clippy::disallowed_methods, reason = "the server owns the task and aborts it when dropped")]
        let serving = tokio::spawn(accept(listener, script));
        Self { url, requests, serving }
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.borrow().clone()
    }

    pub(crate) fn only_request(&self) -> ReceivedRequest {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "exactly one request");
        requests.remove(0)
    }

    /// Resolves when `count` requests were received.
    pub(crate) async fn wait_for(&self, count: usize) {
        let mut requests = self.requests.clone();
        let enough = requests.wait_for(|requests| requests.len() >= count);
        let _requests = tokio::time::timeout(Duration::from_secs(20), enough).await.expect("in time").expect("running");
    }
}

impl Script {
    /// Whether the next connection is reset before its request is read.
    fn is_unread(&self) -> bool {
        let steps = self.steps.lock().expect("no panic");
        matches!(&*steps, Steps::Listed(steps) if matches!(steps.last(), Some(Step::ResetBeforeRead)))
    }

    fn step(&self, request: Option<&ReceivedRequest>) -> Step {
        match &mut *self.steps.lock().expect("no panic") {
            Steps::Listed(steps) => steps.pop().expect("a step for every request"),
            Steps::Chosen(choose) => choose(request.expect("a request that was read")),
        }
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept().await {
        number += 1;
        connections.spawn(serve(stream, Arc::clone(&script), number));
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, connection: usize) {
    loop {
        let mut request = None;
        if !script.is_unread() {
            let Some((head, body)) = read_request(&mut stream).await else { return };
            let received = ReceivedRequest { head, body, connection };
            script.requests.send_modify(|requests| requests.push(received.clone()));
            request = Some(received);
        }
        match script.step(request.as_ref()) {
            Step::Reply(bytes) => stream.write_all(bytes.as_bytes()).await.expect("written"),
            Step::Stall => std::future::pending().await,
            Step::ReplyAndStall(bytes) => {
                stream.write_all(&bytes).await.expect("written");
                std::future::pending::<()>().await;
            }
            Step::ReplyUntil(bytes, is_end) => {
                stream.write_all(&bytes).await.expect("written");
                let mut received = Vec::new();
                while stream.read_buf(&mut received).await.is_ok_and(|read| read > 0) && !is_end(&received) {}
                return;
            }
            Step::ReplyAndClose(bytes) => {
                stream.write_all(bytes.as_bytes()).await.expect("written");
                return;
            }
            Step::Reset | Step::ResetBeforeRead => {
                stream.set_zero_linger().expect("an open socket");
                return;
            }
            Step::Endless(first, again) => {
                let mut written = stream.write_all(first.as_bytes()).await;
                while written.is_ok() {
                    written = stream.write_all(again.as_bytes()).await;
                }
                return;
            }
        }
    }
}

/// One request's head and body, or None where the client closed the connection.
async fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
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
