//! One vendor's HTTP server: the vendor's rules, injected faults, and a record of all attempts.

use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::faults::{Faults, InjectedFault, Injection, TokenBucket, VendorLimit};
use super::http::{HttpConnection, Incoming, Reply, Request};
use super::log::{Log, WaitTimeout};
use super::port::Port;

/// What a vendor takes and refuses, and how it answers.
pub trait Vendor: Send + Sync + 'static {
    /// A message or an event that the vendor took.
    type Post: Clone + Send + Sync + 'static;

    /// Path and query of the endpoint, which may be a secret.
    fn endpoint(&self) -> String;
    fn log(&self) -> &Log<Self::Post>;
    /// A post that is taken is in the log before this returns.
    fn answer(&self, request: &Request) -> Reply;
    fn throttled(&self, request: &Request, retry_after: Option<u32>) -> Reply;
    fn broken(&self, status: u16) -> Reply;
}

/// Further rules of a vendor: the answer to a request that they decide about. The tests have stricter ones than the demo.
pub type Rules<V> = fn(&V, &Request) -> Option<Reply>;

/// One request and its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub at: Instant,
    pub path: String,
    pub outcome: AttemptOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    Answered { status: u16, retry_after: Option<String> },
    Failed(InjectedFault),
}

/// A vendor on a port of its own. When it is dropped, it ends with all its connections.
pub struct StandIn<V> {
    port: Port,
    server: Arc<Server<V>>,
}

struct Server<V> {
    vendor: V,
    rules: Option<Rules<V>>,
    faults: Mutex<Faults>,
    attempts: Log<Attempt>,
    offences: Log<String>,
}

impl<V: Vendor> StandIn<V> {
    pub fn open(vendor: V, rules: Option<Rules<V>>) -> io::Result<Self> {
        let (attempts, offences) = (Log::new("attempts"), Log::new("offences"));
        let server = Arc::new(Server { vendor, rules, faults: Mutex::default(), attempts, offences });
        let shared = Arc::clone(&server);
        let port = Port::open(move |stream| {
            let server = Arc::clone(&shared);
            Box::pin(async move {
                // An error is a broken connection, which the client has to report.
                drop(server.serve(stream).await);
            })
        });
        Ok(Self { port: port?, server })
    }

    /// The endpoint's URL.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.port.address(), self.endpoint())
    }

    pub fn log(&self) -> &Log<V::Post> {
        self.server.vendor.log()
    }

    /// What was taken, in order.
    pub fn posts(&self) -> Vec<V::Post> {
        self.log().all()
    }

    pub async fn wait_for(&self, posts: usize, limit: Duration) -> Result<Vec<V::Post>, WaitTimeout> {
        self.log().wait_for(posts, limit).await
    }

    pub async fn next(&self, limit: Duration) -> Result<V::Post, WaitTimeout> {
        self.log().next(limit).await
    }

    /// Every request, taken or not.
    pub fn attempts(&self) -> &Log<Attempt> {
        &self.server.attempts
    }

    /// The vendor's rules that were broken: should be none.
    pub fn offences(&self) -> Vec<String> {
        self.server.offences.all()
    }

    /// Injects these faults into the next requests, one each, in this order.
    pub fn fail_with(&self, script: impl IntoIterator<Item = InjectedFault>) {
        self.server.faults().script.extend(script);
    }

    /// From now on this decides about every request that no script does.
    pub fn inject(&self, source: impl FnMut() -> Injection + Send + 'static) {
        self.server.faults().source = Some(Box::new(source));
    }

    /// Every answer is sent so much later; the message is taken at once. Replaces what `inject` was given.
    pub fn slow_down(&self, latency: Duration) {
        self.inject(move || Injection { fault: InjectedFault::None, latency });
    }

    /// The vendor's own rate limit; at first there is none, so that tests are fast.
    pub fn limit(&self, limit: VendorLimit) {
        self.server.faults().limit = Some(TokenBucket::new(limit));
    }

    /// Closes the port and every connection.
    pub async fn go_down(&self) {
        self.port.close().await;
    }

    /// At the same address.
    pub async fn come_back(&self) -> io::Result<()> {
        self.port.reopen().await
    }
}

impl<V> Deref for StandIn<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.server.vendor
    }
}

impl<V: Vendor> Server<V> {
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut connection = HttpConnection::new(stream)?;
        loop {
            match connection.read().await? {
                Incoming::End => return Ok(()),
                Incoming::Bad(reply) => {
                    self.record_offence(&reply);
                    return connection.write(&reply).await;
                }
                Incoming::Request(request) => match self.handle(connection, &request).await? {
                    Some(still_open) => connection = still_open,
                    None => return Ok(()),
                },
            }
        }
    }

    /// None if the connection has ended.
    async fn handle(&self, mut connection: HttpConnection, request: &Request) -> io::Result<Option<HttpConnection>> {
        let Injection { fault, latency } = self.faults().next();
        let reply = match fault {
            InjectedFault::None => self.answer(request),
            InjectedFault::Status(status) => self.vendor.broken(status),
            InjectedFault::Throttled { retry_after } => self.vendor.throttled(request, retry_after),
            _ => return self.fail(connection, request, fault).await.map(|()| None),
        };
        let retry_after = reply.headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, value)| value.clone());
        self.record(request, AttemptOutcome::Answered { status: reply.status, retry_after });
        if !latency.is_zero() {
            sleep(latency).await;
        }
        connection.write(&reply).await?;
        Ok((!request.closes_connection()).then_some(connection))
    }

    /// Ends the connection without an answer.
    async fn fail(&self, mut connection: HttpConnection, request: &Request, fault: InjectedFault) -> io::Result<()> {
        if fault == InjectedFault::ResetAfter {
            drop(self.answer(request));
        }
        self.record(request, AttemptOutcome::Failed(fault));
        match fault {
            InjectedFault::Stall => connection.stall().await,
            InjectedFault::Endless => connection.write_endless().await,
            _ => connection.reset(),
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        let decided = self.rules.and_then(|rules| rules(&self.vendor, request));
        let reply = decided.unwrap_or_else(|| self.vendor.answer(request));
        self.record_offence(&reply);
        reply
    }

    fn record_offence(&self, reply: &Reply) {
        if let Some(rule) = &reply.offence {
            self.offences.push(rule.clone());
        }
    }

    fn record(&self, request: &Request, outcome: AttemptOutcome) {
        self.attempts.push(Attempt { at: request.at, path: request.path.clone(), outcome });
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::super::http::tests::{post, raw};
    use super::super::slack::Slack;
    use super::*;

    #[tokio::test]
    async fn faults_are_injected_in_order_and_a_lost_answer_means_a_taken_message() {
        let slack = Slack::start().unwrap();
        slack.fail_with([
            InjectedFault::Throttled { retry_after: Some(2) },
            InjectedFault::ResetBefore,
            InjectedFault::ResetAfter,
            InjectedFault::Status(503),
        ]);
        let url = slack.url();
        let (status, body) = post(&url, r#"{"text":"1"}"#).await;
        assert_eq!((status, body.contains("rate_limited")), (429, true));
        assert!(raw(&url, "application/json", r#"{"text":"2"}"#).await.is_err());
        assert!(raw(&url, "application/json", r#"{"text":"3"}"#).await.is_err());
        assert_eq!(post(&url, r#"{"text":"4"}"#).await.0, 503);
        assert_eq!(post(&url, r#"{"text":"5"}"#).await.0, 200);
        let texts: Vec<_> = slack.posts().into_iter().map(|post| post.text).collect();
        assert_eq!(texts, ["3", "5"]);
        let first = slack.attempts().all().remove(0).outcome;
        assert_eq!(first, AttemptOutcome::Answered { status: 429, retry_after: Some("2".to_owned()) });
    }

    #[tokio::test]
    async fn a_port_that_went_down_refuses_and_comes_back_at_its_address() {
        let slack = Slack::start().unwrap();
        let url = slack.url();
        slack.go_down().await;
        assert!(raw(&url, "application/json", r#"{"text":"x"}"#).await.is_err());
        slack.come_back().await.unwrap();
        assert_eq!(post(&url, r#"{"text":"x"}"#).await.0, 200);
    }

    #[tokio::test]
    async fn an_endless_answer_flows_as_long_as_it_is_read_and_a_stalled_one_never_begins() {
        let slack = Slack::start().unwrap();
        slack.fail_with([InjectedFault::Endless, InjectedFault::Stall]);
        let address = slack.port.address();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut much = vec![0; 4 * 1024 * 1024];
        client.read_exact(&mut much).await.unwrap();
        assert!(much.starts_with(b"HTTP/1.1 500 "));

        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        let attempts = slack.attempts().wait_for(2, Duration::from_secs(10)).await.unwrap();
        assert_eq!(
            attempts.last().map(|attempt| &attempt.outcome),
            Some(&AttemptOutcome::Failed(InjectedFault::Stall))
        );
        assert!(timeout(Duration::ZERO, client.read_u8()).await.is_err());
        assert!(slack.posts().is_empty());
    }
}
