//! Tutum's stream: a WebSocket that greets who is known, and says what it is told to say.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use super::log::{Late, Log};
use super::port::Port;
use super::tutum::Credentials;
use super::tutum_auth::{AuthForm, Refusal};
use super::tutum_line::{Item, Order, Shared, lock};

/// Ends, with all its connections, when it is dropped.
pub struct Stream {
    port: Port,
    shared: Arc<Shared>,
}

impl Stream {
    pub async fn start(port: u16, credentials: Credentials) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(credentials));
        let seen = Arc::clone(&shared);
        let port = Port::open(port, move |stream| {
            let shared = Arc::clone(&seen);
            Box::pin(async move {
                // A broken connection is the client's to notice; the stream waits for the next one.
                drop(shared.converse(stream).await);
            })
        });
        Ok(Self { port: port.await?, shared })
    }

    /// `ws://127.0.0.1:PORT/v1/events`
    pub fn url(&self) -> String {
        format!("ws://{}/v1/events", self.port.address())
    }

    /// Sends an event to whoever is connected; to the next one if nobody is, unless `hold` was set to false.
    pub fn send(&self, event: &Value) {
        self.send_text(event.to_string());
    }

    /// Like `send`, for what need not be JSON.
    pub fn send_text(&self, text: impl Into<String>) {
        self.shared.say(text.into());
    }

    /// `send` for those who cannot hold the stream itself.
    pub fn voice(&self) -> impl Fn(&Value) + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move |event| shared.say(event.to_string())
    }

    /// Whether what is said while nobody listens is kept (at first: yes) or lost, as with the real Tutum.
    pub fn hold(&self, hold: bool) {
        self.shared.hold.store(hold, Ordering::SeqCst);
    }

    /// What was said while nobody listened, and not kept.
    pub fn missed(&self) -> usize {
        self.shared.missed.load(Ordering::SeqCst)
    }

    /// How many messages went into a connection.
    pub fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Resolves when the client has read everything sent so far: it has answered a ping sent after it.
    pub async fn read_up(&self, limit: Duration) -> Result<(), Late> {
        let ping = self.shared.pings.fetch_add(1, Ordering::SeqCst) + 1;
        self.shared.push(Item::Ping(ping));
        reach(&self.shared.heard, |heard| *heard >= ping, ("answered pings", ping), limit).await
    }

    /// Ends the connections politely; the port stays open.
    pub fn close(&self) {
        self.order(Order::Close);
    }

    /// Resets the connections; the port stays open.
    pub fn drop_tcp(&self) {
        self.order(Order::Reset);
    }

    /// From now on the present connections say nothing, read nothing and answer no ping, yet stay open.
    pub fn go_silent(&self) {
        self.order(Order::Silence);
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
    pub fn refuse_auth(&self, refusal: impl Into<Option<Refusal>>) {
        *lock(&self.shared.refusal) = refusal.into();
    }

    /// One entry for each client that was let in, with the way in which it showed who it is.
    pub fn admitted(&self) -> &Log<AuthForm> {
        &self.shared.admitted
    }

    /// How many clients were let in so far.
    pub fn connections(&self) -> usize {
        self.shared.admitted.len()
    }

    /// How many clients are listening, as a state that can be waited for.
    pub fn listening(&self) -> watch::Receiver<usize> {
        self.shared.listening.subscribe()
    }

    pub async fn wait_connected(&self, limit: Duration) -> Result<(), Late> {
        reach(&self.shared.listening, |now| *now > 0, ("connections", 1), limit).await
    }

    pub async fn wait_disconnected(&self, limit: Duration) -> Result<(), Late> {
        reach(&self.shared.listening, |now| *now == 0, ("connections", 0), limit).await
    }

    pub fn offences(&self) -> Vec<String> {
        self.shared.offences.all()
    }

    fn order(&self, order: Order) {
        // An error says that no connection listens: then there is none to do it to.
        self.shared.orders.send(order).unwrap_or_default();
    }
}

async fn reach(
    state: &watch::Sender<usize>,
    holds: impl FnMut(&usize) -> bool,
    (what, wanted): (&'static str, usize),
    limit: Duration,
) -> Result<(), Late> {
    let mut watching = state.subscribe();
    match timeout(limit, watching.wait_for(holds)).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Late { what, wanted, had: *state.borrow(), limit }),
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

    /// A client that has said who it is, and what it was greeted with.
    async fn client(
        stream: &Stream,
        query: &str,
    ) -> (impl futures::Stream<Item = Result<Message, WsError>> + Unpin, String) {
        let (mut socket, _) = connect_async(format!("{}?{query}", stream.url())).await.unwrap();
        let greeting = socket.next().await.unwrap().unwrap();
        (socket, greeting.to_text().unwrap().to_owned())
    }

    #[tokio::test]
    async fn a_known_client_is_greeted_and_told_what_was_held_for_it() {
        let stream = stream().await;
        stream.send(&json!({ "type": "container", "action": "create" }));
        for (query, form) in
            [("token=s3cr3t&user=demo", AuthForm::TokenAndUser), ("auth=ApiKey%20demo:s3cr3t", AuthForm::Auth)]
        {
            let (mut socket, greeting) = client(&stream, query).await;
            assert_eq!(greeting, r#"{"type":"auth"}"#);
            assert_eq!(stream.admitted().next(LIMIT).await.unwrap(), form);
            if form == AuthForm::TokenAndUser {
                let event = socket.next().await.unwrap().unwrap();
                assert!(event.to_text().unwrap().contains("create"));
                let (read_up, pinged) = tokio::join!(stream.read_up(LIMIT), async {
                    let ping = socket.next().await.unwrap().unwrap();
                    // The pong leaves with the next look at the socket.
                    (ping.is_ping(), timeout(Duration::ZERO, socket.next()).await.is_err())
                });
                assert_eq!((read_up, pinged), (Ok(()), (true, true)));
            }
            stream.drop_tcp();
            assert!(socket.next().await.is_none_or(|message| message.is_err()));
            stream.wait_disconnected(LIMIT).await.unwrap();
        }
        assert_eq!((stream.connections(), stream.sent()), (2, 1));
        assert!(stream.offences().is_empty());
    }

    #[tokio::test]
    async fn a_stranger_is_told_so_in_the_stream_and_booked() {
        let stream = stream().await;
        let (_socket, greeting) = client(&stream, "token=s3cr3t&user=other").await;
        assert!(greeting.contains("UNAUTHORIZED"));
        assert_eq!((stream.offences().len(), stream.connections()), (1, 0));
        stream.refuse_auth(Refusal::AtHandshake(401));
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
    async fn a_silent_stream_stays_open_and_a_header_shows_who_asks_as_well() {
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
        // Neither the event nor a pong, but only the reset: nothing was said before it.
        stream.drop_tcp();
        assert!(socket.next().await.is_none_or(|message| message.is_err()));
        assert_eq!(stream.sent(), 0);
    }

    #[tokio::test]
    async fn what_is_said_to_nobody_is_lost_where_it_is_not_held() {
        let stream = stream().await;
        stream.hold(false);
        stream.send(&json!({ "type": "container" }));
        assert_eq!((stream.missed(), stream.sent()), (1, 0));
    }
}
