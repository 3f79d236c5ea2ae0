//! An Engine as small as it can be and as strict as a real one: it remembers 256 events, says them again from `since` on,
//! and knows no path that it was not asked to know.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::sources::docker::place::ENGINES_MEMORY;

/// The Engine's clock, which stands: `BEGINNING` in seconds.
const DATE: &str = "Fri, 29 Apr 2016 15:18:20 GMT";
pub(super) const BEGINNING: i64 = 1_461_943_100;

pub(super) struct Engine {
    folder: TempDir,
    state: Arc<Mutex<State>>,
    serving: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    memory: VecDeque<(i64, String)>,
    listeners: Vec<mpsc::UnboundedSender<String>>,
    asked: Vec<String>,
    /// Answers everything with this status.
    refuses: Option<u16>,
    /// Takes pings and answers none.
    mute: bool,
}

impl Engine {
    pub(super) fn start() -> Self {
        let folder = TempDir::new().expect("room");
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

    /// Every connection breaks, and nobody listens any more. What it remembers stays.
    pub(super) fn kill(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            std::fs::remove_file(self.path()).expect("it was there");
        }
        self.state().listeners.clear();
    }

    pub(super) fn forget(&self) {
        self.state().memory.clear();
    }

    pub(super) fn refuse(&self, status: Option<u16>) {
        self.state().refuses = status;
    }

    pub(super) fn be_mute(&self) {
        self.state().mute = true;
    }

    /// Something is done to a container, at so many milliseconds after the beginning.
    pub(super) fn happens(&self, millis: i64, action: &str, name: &str) {
        let nano = BEGINNING * 1_000_000_000 + millis * 1_000_000;
        let event = json!({"Type": "container", "Action": action, "scope": "local", "time": nano / 1_000_000_000, "timeNano": nano,
            "Actor": {"ID": format!("id-of-{name}"), "Attributes": {"name": name}}});
        let line = format!("{event}\n");
        let mut state = self.state();
        state.memory.push_back((nano, line.clone()));
        if state.memory.len() > ENGINES_MEMORY {
            state.memory.pop_front();
        }
        state.listeners.retain(|listener| listener.send(line.clone()).is_ok());
    }

    /// Whatever, to whoever listens.
    pub(super) fn says(&self, text: &str) {
        self.state().listeners.retain(|listener| listener.send(text.to_owned()).is_ok());
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("sane")
    }
}

impl Drop for Engine {
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

/// One connection; None when the client is gone.
async fn answer(mut stream: UnixStream, state: Arc<Mutex<State>>) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).expect("text");
        let target = head.strip_prefix("GET ").expect("only GET").split(' ').next().expect("a target").to_owned();
        let refuses = {
            let mut state = state.lock().expect("sane");
            state.asked.push(target.clone());
            state.refuses
        };
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (status, body) = match path {
            _ if refuses.is_some() => (refuses.unwrap_or_default(), r#"{"message":"not you"}"#.to_owned()),
            "/_ping" if state.lock().expect("sane").mute => std::future::pending().await,
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
    let since = query.split('&').find_map(|pair| pair.strip_prefix("since=")).expect("somebody asks since when");
    let (seconds, nanos) = since.split_once('.').expect("with nanoseconds");
    assert_eq!(nanos.len(), 9, "{since}");
    let from = seconds.parse::<i64>().expect("seconds") * 1_000_000_000 + nanos.parse::<i64>().expect("nanoseconds");
    let (sender, mut live) = mpsc::unbounded_channel();
    let mut replay =
        String::from("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    {
        let mut state = state.lock().expect("sane");
        // As the real one does: from the newest back to the first that is older.
        let again: Vec<_> = state.memory.iter().rev().take_while(|(nano, _)| *nano >= from).collect();
        again.iter().rev().for_each(|(_, line)| replay.push_str(&chunk(line)));
        state.listeners.push(sender);
    }
    stream.write_all(replay.as_bytes()).await.ok()?;
    loop {
        let mut byte = [0];
        tokio::select! {
            text = live.recv() => stream.write_all(chunk(&text?).as_bytes()).await.ok()?,
            _hung_up = stream.read(&mut byte) => return None,
        }
    }
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}
