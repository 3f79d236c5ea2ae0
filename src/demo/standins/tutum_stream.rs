//! Tutum's stream: a WebSocket that sends events to clients with the account's credentials.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use super::log::{Log, WaitTimeout};
use super::port::Port;
use super::tutum_account::Credentials;
use super::tutum_auth::{AuthForm, AuthRefusal};
use super::tutum_connection::{Command, Item, StreamState, lock};

/// When it is dropped, it ends with all its connections.
pub struct Stream {
    port: Port,
    state: Arc<StreamState>,
}

impl Stream {
    pub async fn start(port: u16, credentials: Credentials) -> io::Result<Self> {
        let state = Arc::new(StreamState::new(credentials));
        let shared = Arc::clone(&state);
        let port = Port::open(port, move |stream| {
            let state = Arc::clone(&shared);
            Box::pin(async move {
                // An error is a broken connection, which the client has to report.
                drop(state.serve(stream).await);
            })
        });
        Ok(Self { port: port.await?, state })
    }

    /// `ws://127.0.0.1:PORT/v1/events`
    pub fn url(&self) -> String {
        format!("ws://{}/v1/events", self.port.address())
    }

    /// Sends an event to a connected client. Without one it is held for the next client, unless `hold` was set to false.
    pub fn send(&self, event: &Value) {
        self.send_text(event.to_string());
    }

    /// Like `send`, for text that need not be JSON.
    pub fn send_text(&self, text: impl Into<String>) {
        self.state.send(text.into());
    }

    /// `send` as a function that does not borrow the stream.
    pub fn sender(&self) -> impl Fn(&Value) + Send + Sync + use<> {
        let state = Arc::clone(&self.state);
        move |event| state.send(event.to_string())
    }

    /// Whether events without a connected client are kept (at first: yes) or lost, as with the real Tutum.
    pub fn hold(&self, hold: bool) {
        self.state.hold.store(hold, Ordering::SeqCst);
    }

    /// How many events were lost because no client was connected.
    pub fn missed(&self) -> usize {
        self.state.missed.load(Ordering::SeqCst)
    }

    /// How many messages were written to a connection.
    pub fn sent(&self) -> usize {
        self.state.sent.load(Ordering::SeqCst)
    }

    /// Waits until the client has read everything sent so far: it has answered a ping sent after it.
    pub async fn wait_read(&self, limit: Duration) -> Result<(), WaitTimeout> {
        let ping = self.state.pings.fetch_add(1, Ordering::SeqCst) + 1;
        self.state.push(Item::Ping(ping));
        reach(&self.state.answered, |answered| *answered >= ping, ("answered pings", ping), limit).await
    }

    /// Closes the connections with a close frame; the port stays open.
    pub fn close(&self) {
        self.command(Command::Close);
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

    /// Refuses every new client; None ends that.
    pub fn refuse_auth(&self, refusal: impl Into<Option<AuthRefusal>>) {
        *lock(&self.state.refusal) = refusal.into();
    }

    /// One entry for each client that was accepted, with its form of authentication.
    pub fn admitted(&self) -> &Log<AuthForm> {
        &self.state.admitted
    }

    /// How many clients were accepted so far.
    pub fn connections(&self) -> usize {
        self.state.admitted.len()
    }

    /// How many clients are connected, as a value that can be waited for.
    pub fn connected(&self) -> watch::Receiver<usize> {
        self.state.connected.subscribe()
    }

    pub async fn wait_connected(&self, limit: Duration) -> Result<(), WaitTimeout> {
        reach(&self.state.connected, |now| *now > 0, ("connections", 1), limit).await
    }

    pub async fn wait_disconnected(&self, limit: Duration) -> Result<(), WaitTimeout> {
        reach(&self.state.connected, |now| *now == 0, ("connections", 0), limit).await
    }

    pub fn offences(&self) -> Vec<String> {
        self.state.offences.all()
    }

    fn command(&self, command: Command) {
        // An error means that there is no connection.
        self.state.commands.send(command).unwrap_or_default();
    }
}

async fn reach(
    value: &watch::Sender<usize>,
    holds: impl FnMut(&usize) -> bool,
    (what, wanted): (&'static str, usize),
    limit: Duration,
) -> Result<(), WaitTimeout> {
    let mut watching = value.subscribe();
    match timeout(limit, watching.wait_for(holds)).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(WaitTimeout { what, wanted, had: *value.borrow(), limit }),
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({:?})", self.port)
    }
}

#[cfg(test)]
mod tests {
    use futures::{SinkExt, StreamExt};
    use serde_json::json;
    use tokio_tungstenite::connect_async;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    use tokio_tungstenite::tungstenite::{Error as WsError, Message};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    async fn stream() -> Stream {
        let credentials = Credentials { user: "demo".to_owned(), token: "s3cr3t".to_owned() };
        Stream::start(0, credentials).await.unwrap()
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
        let stream = stream().await;
        stream.send(&json!({ "type": "container", "action": "create" }));
        for (query, form) in
            [("token=s3cr3t&user=demo", AuthForm::TokenAndUser), ("auth=ApiKey%20demo:s3cr3t", AuthForm::Auth)]
        {
            let (mut socket, first) = client(&stream, query).await;
            assert_eq!(first, r#"{"type":"auth"}"#);
            assert_eq!(stream.admitted().next(LIMIT).await.unwrap(), form);
            if form == AuthForm::TokenAndUser {
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
        assert_eq!((stream.connections(), stream.sent()), (2, 1));
        assert!(stream.offences().is_empty());
    }

    #[tokio::test]
    async fn a_client_without_credentials_is_refused_in_the_stream_and_recorded() {
        let stream = stream().await;
        let (_socket, first) = client(&stream, "token=s3cr3t&user=other").await;
        assert!(first.contains("UNAUTHORIZED"));
        assert_eq!((stream.offences().len(), stream.connections()), (1, 0));
        stream.refuse_auth(AuthRefusal::AtHandshake(401));
        assert!(connect_async(format!("{}?token=s3cr3t&user=demo", stream.url())).await.is_err());
        stream.refuse_auth(None);
        assert!(client(&stream, "token=s3cr3t&user=demo").await.1.contains("auth"));
        assert_eq!(stream.offences().len(), 1);
    }

    #[tokio::test]
    async fn a_stream_that_is_down_refuses_and_comes_back_at_its_address() {
        let stream = stream().await;
        let (mut socket, _) = client(&stream, "token=s3cr3t&user=demo").await;
        stream.go_down().await;
        assert!(socket.next().await.is_none_or(|message| message.is_err()));
        assert!(connect_async(stream.url()).await.is_err());
        stream.come_back().await.unwrap();
        assert!(client(&stream, "token=s3cr3t&user=demo").await.1.contains("auth"));
    }

    #[tokio::test]
    async fn a_silent_stream_stays_open_and_a_header_authenticates_as_well() {
        let stream = stream().await;
        let mut request = stream.url().into_client_request().unwrap();
        let basic = Credentials { user: "demo".to_owned(), token: "s3cr3t".to_owned() }.basic();
        request.headers_mut().insert("authorization", basic.parse().unwrap());
        let (mut socket, _) = connect_async(request).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap().is_text());
        assert_eq!(stream.admitted().next(LIMIT).await.unwrap(), AuthForm::Header);

        stream.go_silent();
        stream.wait_disconnected(LIMIT).await.unwrap();
        stream.send(&json!({ "type": "container" }));
        socket.send(Message::Ping("still there?".into())).await.unwrap();
        // Only the reset: neither the event nor a pong came before it.
        stream.drop_tcp();
        assert!(socket.next().await.is_none_or(|message| message.is_err()));
        assert_eq!(stream.sent(), 0);
    }

    #[tokio::test]
    async fn an_event_without_a_client_is_lost_unless_it_is_held() {
        let stream = stream().await;
        stream.hold(false);
        stream.send(&json!({ "type": "container" }));
        assert_eq!((stream.missed(), stream.sent()), (1, 0));
    }
}
