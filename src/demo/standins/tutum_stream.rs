//! Tutum's stream: a WebSocket that sends events to clients with the account's credentials.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::log::{WaitTimeout, reach};
use super::port::Port;
use super::tutum_account::Credentials;
use super::tutum_connection::{Command, StreamState};

/// When it is dropped, it ends with all its connections.
pub struct Stream {
    port: Port,
    state: Arc<StreamState>,
}

impl Stream {
    pub fn start(credentials: Credentials) -> io::Result<Self> {
        let state = Arc::new(StreamState::new(credentials));
        let shared = Arc::clone(&state);
        let port = Port::open(move |stream| {
            let state = Arc::clone(&shared);
            Box::pin(async move {
                // An error is a broken connection, which the client has to report.
                drop(state.serve(stream).await);
            })
        });
        Ok(Self { port: port?, state })
    }

    /// `ws://127.0.0.1:PORT/v1/events`
    pub fn url(&self) -> String {
        format!("ws://{}/v1/events", self.port.address())
    }

    /// Sends an event to a connected client, or to the next one that connects.
    pub fn send(&self, event: &Value) {
        self.send_text(event.to_string());
    }

    /// Like `send`, for text that need not be JSON.
    pub fn send_text(&self, text: impl Into<String>) {
        self.state.push(Message::text(text.into()));
    }

    /// Waits until the client has read everything sent so far: it has answered a ping sent after it.
    pub async fn wait_read(&self, limit: Duration) -> Result<(), WaitTimeout> {
        let ping = self.state.pings.fetch_add(1, Ordering::SeqCst) + 1;
        self.state.push(Message::Ping(ping.to_string().into_bytes().into()));
        reach(&self.state.answered, |answered| *answered, (ping, "answered pings"), limit).await
    }

    /// Resets the connections; the port stays open.
    pub fn drop_tcp(&self) {
        self.command(Command::Reset);
    }

    /// The present connections stay open, but send nothing, read nothing and answer no ping.
    pub fn go_silent(&self) {
        self.command(Command::Silence);
    }

    /// Breaks every connection and refuses new ones.
    pub async fn go_down(&self) {
        self.drop_tcp();
        self.port.close().await;
    }

    /// At the same address.
    pub async fn come_back(&self) -> io::Result<()> {
        self.port.reopen().await
    }

    /// From now on every new client is refused, or no longer.
    pub fn refuse_auth(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::SeqCst);
    }

    /// How many clients were accepted so far.
    pub fn connections(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    pub async fn wait_connected(&self, limit: Duration) -> Result<(), WaitTimeout> {
        reach(&self.state.connected, |now| *now, (1, "connections"), limit).await
    }

    pub async fn wait_disconnected(&self, limit: Duration) -> Result<(), WaitTimeout> {
        reach(&self.state.connected, |now| usize::from(*now == 0), (1, "ends of all connections"), limit).await
    }

    pub fn offences(&self) -> Vec<String> {
        self.state.offences.all()
    }

    fn command(&self, command: Command) {
        // An error means that there is no connection.
        self.state.commands.send(command).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use futures::{SinkExt, StreamExt};
    use serde_json::json;
    use tokio::time::timeout;
    use tokio_tungstenite::connect_async;
    use tokio_tungstenite::tungstenite::Error as WsError;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn stream() -> Stream {
        Stream::start(Credentials { user: "demo".to_owned(), token: "s3cr3t".to_owned() }).unwrap()
    }

    /// A client that authenticated with `query`, and the first message that it received.
    async fn client(
        stream: &Stream,
        query: &str,
    ) -> (impl futures::Stream<Item = Result<Message, WsError>> + Unpin, String) {
        let (mut socket, _) = connect_async(format!("{}?{query}", stream.url())).await.unwrap();
        let first = socket.next().await.unwrap().unwrap();
        (socket, first.to_text().unwrap().to_owned())
    }

    #[tokio::test]
    async fn a_client_with_credentials_receives_an_auth_message_and_what_was_held_for_it() {
        let stream = stream();
        stream.send(&json!({ "type": "container", "action": "create" }));
        for connections in [1, 2] {
            let (mut socket, first) = client(&stream, "token=s3cr3t&user=demo").await;
            assert_eq!((first.as_str(), stream.connections()), (r#"{"type":"auth"}"#, connections));
            if connections == 1 {
                let event = socket.next().await.unwrap().unwrap();
                assert!(event.to_text().unwrap().contains("create"));
                let (wait_read, pinged) = tokio::join!(stream.wait_read(LIMIT), async {
                    let ping = socket.next().await.unwrap().unwrap();
                    // The pong is sent by the next read of the socket.
                    (ping.is_ping(), timeout(Duration::ZERO, socket.next()).await.is_err())
                });
                assert_eq!((wait_read, pinged), (Ok(()), (true, true)));
            }
            stream.drop_tcp();
            assert!(socket.next().await.is_none_or(|message| message.is_err()));
            stream.wait_disconnected(LIMIT).await.unwrap();
        }
        assert!(stream.state.pending.borrow().is_empty());
        assert!(stream.offences().is_empty());
    }

    #[tokio::test]
    async fn a_client_without_credentials_is_refused_in_the_stream_and_recorded() {
        let stream = stream();
        let (_socket, first) = client(&stream, "token=s3cr3t&user=other").await;
        assert!(first.contains("UNAUTHORIZED"));
        assert_eq!((stream.offences().len(), stream.connections()), (1, 0));
        stream.refuse_auth(true);
        assert!(client(&stream, "token=s3cr3t&user=demo").await.1.contains("UNAUTHORIZED"));
        stream.refuse_auth(false);
        assert!(client(&stream, "token=s3cr3t&user=demo").await.1.contains("auth"));
        assert_eq!(stream.offences().len(), 1);
    }

    #[tokio::test]
    async fn a_stream_that_is_down_refuses_and_comes_back_at_its_address() {
        let stream = stream();
        let (mut socket, _) = client(&stream, "token=s3cr3t&user=demo").await;
        stream.go_down().await;
        assert!(socket.next().await.is_none_or(|message| message.is_err()));
        assert!(connect_async(stream.url()).await.is_err());
        stream.come_back().await.unwrap();
        assert!(client(&stream, "token=s3cr3t&user=demo").await.1.contains("auth"));
    }

    #[tokio::test]
    async fn a_silent_stream_stays_open() {
        let stream = stream();
        let (mut socket, _) = connect_async(format!("{}?token=s3cr3t&user=demo", stream.url())).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap().is_text());

        stream.go_silent();
        stream.wait_disconnected(LIMIT).await.unwrap();
        stream.send(&json!({ "type": "container" }));
        socket.send(Message::Ping("still there?".into())).await.unwrap();
        // Only the reset: neither the event nor a pong came before it.
        stream.drop_tcp();
        assert!(socket.next().await.is_none_or(|message| message.is_err()));
        assert_eq!(stream.state.pending.borrow().len(), 1);
    }
}
