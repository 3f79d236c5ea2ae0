//! A minimal Engine: it remembers 256 events, sends them again from `since` on, drops what a client does not read, and
//! knows only the paths that the source requests.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::{JoinHandle, JoinSet};

use crate::sources::docker::cursor::ENGINE_MEMORY;

/// The Engine's clock, which does not advance: `START` in seconds.
const DATE: &str = "Fri, 29 Apr 2016 15:18:20 GMT";
/// How many events a real Engine keeps for a client that does not read, besides the socket's buffer.
const CLIENT_BUFFER: usize = 1024;
pub(super) const START: i64 = 1_461_943_100;

pub(super) struct FakeEngine {
    folder: TempDir,
    state: Arc<Mutex<State>>,
    serving: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    memory: VecDeque<(i64, String)>,
    clients: Vec<mpsc::Sender<String>>,
    requests: Vec<String>,
    /// The status of every answer.
    refuse_with: Option<u16>,
    /// Pings are not answered.
    ignores_pings: bool,
}

impl State {
    fn send(&mut self, text: &str) {
        self.clients.retain(|client| !matches!(client.try_send(text.to_owned()), Err(TrySendError::Closed(_))));
    }
}

impl FakeEngine {
    pub(super) fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut engine = Self { folder, state: Arc::default(), serving: None };
        engine.restart();
        engine
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    pub(super) fn restart(&mut self) {
        self.kill();
        let listener = UnixListener::bind(self.path()).expect("a free path");
        #[expect(clippy::disallowed_methods, reason = "the stand-in owns its listener and aborts it when killed")]
        let serving = tokio::spawn(serve(listener, Arc::clone(&self.state)));
        self.serving = Some(serving);
    }

    /// Closes the connections and the socket. What it remembers stays.
    pub(super) fn kill(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            std::fs::remove_file(self.path()).expect("the socket exists");
        }
        self.state().clients.clear();
    }

    pub(super) fn forget(&self) {
        self.state().memory.clear();
    }

    pub(super) fn refuse(&self, status: Option<u16>) {
        self.state().refuse_with = status;
    }

    pub(super) fn stop_answering_pings(&self) {
        self.state().ignores_pings = true;
    }

    /// An event of a container, `millis` after `START`.
    pub(super) fn emit(&self, millis: i64, action: &str, name: &str) {
        self.emit_with(millis, action, name, "");
    }

    /// The same with a label of any length.
    pub(super) fn emit_with(&self, millis: i64, action: &str, name: &str, label: &str) {
        let nano = START * 1_000_000_000 + millis * 1_000_000;
        let event = json!({"Type": "container", "Action": action, "scope": "local", "time": nano / 1_000_000_000, "timeNano": nano,
            "Actor": {"ID": format!("id-of-{name}"), "Attributes": {"name": name, "label": label}}});
        let line = format!("{event}\n");
        let mut state = self.state();
        state.memory.push_back((nano, line.clone()));
        if state.memory.len() > ENGINE_MEMORY {
            state.memory.pop_front();
        }
        state.send(&line);
    }

    /// Sends any text to the clients of the stream.
    pub(super) fn send(&self, text: &str) {
        self.state().send(text);
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

async fn serve(listener: UnixListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream, Arc::clone(&state)));
    }
}

/// Serves one connection; None when the client disconnects.
async fn answer(mut stream: UnixStream, state: Arc<Mutex<State>>) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).expect("text");
        let target = head.strip_prefix("GET ").expect("only GET").split(' ').next().expect("a target").to_owned();
        let refuse_with = {
            let mut state = state.lock().expect("not poisoned");
            state.requests.push(target.clone());
            state.refuse_with
        };
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (status, body) = match path {
            _ if refuse_with.is_some() => (refuse_with.unwrap_or_default(), r#"{"message":"not you"}"#.to_owned()),
            "/_ping" if state.lock().expect("not poisoned").ignores_pings => std::future::pending().await,
            "/_ping" => (200, "OK".to_owned()),
            "/v1.44/events" => return events(stream, query, &state).await,
            "/v1.44/containers/web/json" => (200, json!({"Name": "/web", "State": {"ExitCode": 137}}).to_string()),
            _ => (404, r#"{"message":"page not found"}"#.to_owned()),
        };
        let reply = format!(
            "HTTP/1.1 {status} X\r\nApi-Version: 1.53\r\nDate: {DATE}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(reply.as_bytes()).await.ok()?;
    }
}

async fn events(mut stream: UnixStream, query: &str, state: &Mutex<State>) -> Option<()> {
    let since = query.split('&').find_map(|pair| pair.strip_prefix("since=")).expect("`since` is in the query");
    let (seconds, nanos) = since.split_once('.').expect("with nanoseconds");
    assert_eq!(nanos.len(), 9, "{since}");
    let from = seconds.parse::<i64>().expect("seconds") * 1_000_000_000 + nanos.parse::<i64>().expect("nanoseconds");
    let (sender, mut live) = mpsc::channel(CLIENT_BUFFER);
    let mut replay =
        String::from("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    {
        let mut state = state.lock().expect("not poisoned");
        // Like a real Engine: from the newest back to the first that is older.
        let again: Vec<_> = state.memory.iter().rev().take_while(|(nano, _)| *nano >= from).collect();
        again.iter().rev().for_each(|(_, line)| replay.push_str(&chunk(line)));
        state.clients.push(sender);
    }
    stream.write_all(replay.as_bytes()).await.ok()?;
    loop {
        let mut byte = [0];
        tokio::select! {
            text = live.recv() => stream.write_all(chunk(&text?).as_bytes()).await.ok()?,
            _closed = stream.read(&mut byte) => return None,
        }
    }
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}
