//! One vendor's HTTP server: its rules, the trouble it is in, and a book of all attempts.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::faults::{Fate, Faults, Limit, Mix, Trouble};
use super::log::Log;
use super::port::Port;
use super::wire::{Incoming, Reply, Request, Wire};

/// What a vendor takes, what it refuses, and in which words.
pub trait Vendor: Send + Sync + 'static {
    /// Judges one request; what is taken is written down before this returns.
    fn answer(&self, request: &Request) -> Reply;
    fn throttled(&self, request: &Request, retry_after: Option<u32>) -> Reply;
    fn broken(&self, request: &Request, status: u16) -> Reply;
}

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub at: Instant,
    pub path: String,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Answered { status: u16, retry_after: Option<String> },
    Reset { taken: bool },
    Stalled,
    Endless,
}

/// A vendor on a port of its own. Ends, with all its connections, when it is dropped.
pub struct Peer<V> {
    port: Port,
    shared: Arc<Shared<V>>,
}

struct Shared<V> {
    vendor: V,
    faults: Faults,
    attempts: Log<Attempt>,
    offences: Log<String>,
}

impl<V: Vendor> Peer<V> {
    pub(super) async fn open(port: u16, vendor: V) -> io::Result<Self> {
        let faults = Faults::default();
        let shared =
            Arc::new(Shared { vendor, faults, attempts: Log::new("attempts"), offences: Log::new("offences") });
        let seen = Arc::clone(&shared);
        let port = Port::open(port, move |stream| {
            let shared = Arc::clone(&seen);
            Box::pin(async move {
                // What breaks here is the client's connection, and the client is the one to tell of it.
                drop(shared.converse(stream).await);
            })
        });
        Ok(Self { port: port.await?, shared })
    }

    pub(super) fn vendor(&self) -> &V {
        &self.shared.vendor
    }

    /// `http://127.0.0.1:PORT`
    pub fn base(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// Every request, taken or not, with what became of it.
    pub fn attempts(&self) -> &Log<Attempt> {
        &self.shared.attempts
    }

    /// The vendor's rules that were broken: should be none.
    pub fn offences(&self) -> Vec<String> {
        self.shared.offences.all()
    }

    /// These troubles befall the next requests, one each, in this order.
    pub fn fail_with(&self, script: impl IntoIterator<Item = Trouble>) {
        self.shared.faults.script(script);
    }

    /// From now on chance has a word in it; None ends that.
    pub fn mix(&self, mix: impl Into<Option<Mix>>) {
        self.shared.faults.mix(mix.into());
    }

    /// Every answer comes so much later; what it answers is taken at once. Ends a mix.
    pub fn slow_down(&self, latency: Duration) {
        self.mix(Mix { latency, ..Mix::default() });
    }

    /// The vendor's own limit; off at first, so that tests may be quick.
    pub fn limit(&self, limit: impl Into<Option<Limit>>) {
        self.shared.faults.limit(limit.into());
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

impl<V: Vendor> Shared<V> {
    async fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let mut wire = Wire::new(stream)?;
        loop {
            match wire.read().await? {
                Incoming::End => return Ok(()),
                Incoming::Bad(reply) => {
                    self.book(&reply);
                    return wire.write(&reply).await;
                }
                Incoming::Request(request) => match self.befall(wire, &request).await? {
                    Some(still_open) => wire = still_open,
                    None => return Ok(()),
                },
            }
        }
    }

    /// None where the connection has ended.
    async fn befall(&self, mut wire: Wire, request: &Request) -> io::Result<Option<Wire>> {
        let Fate { trouble, latency } = self.faults.draw();
        let (reply, latency) = match trouble {
            Trouble::Nothing => (self.take(request), latency),
            Trouble::Slow(more) => (self.take(request), latency + more),
            Trouble::Status(status) => (self.vendor.broken(request, status), latency),
            Trouble::Throttled { retry_after } => (self.vendor.throttled(request, retry_after), latency),
            Trouble::ResetBefore => {
                self.write_down(request, Outcome::Reset { taken: false });
                return wire.reset().map(|()| None);
            }
            Trouble::ResetAfter => {
                drop(self.take(request));
                self.write_down(request, Outcome::Reset { taken: true });
                return wire.reset().map(|()| None);
            }
            Trouble::Stall => {
                self.write_down(request, Outcome::Stalled);
                return wire.stall().await.map(|()| None);
            }
            Trouble::Endless => {
                self.write_down(request, Outcome::Endless);
                return wire.write_for_ever(500).await.map(|()| None);
            }
        };
        let retry_after = reply.headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, value)| value.clone());
        self.write_down(request, Outcome::Answered { status: reply.status, retry_after });
        if !latency.is_zero() {
            sleep(latency).await;
        }
        Ok(wire.answer(request, &reply).await?.then_some(wire))
    }

    fn take(&self, request: &Request) -> Reply {
        let reply = self.vendor.answer(request);
        self.book(&reply);
        reply
    }

    fn book(&self, reply: &Reply) {
        if let Some(rule) = &reply.offence {
            self.offences.push(rule.clone());
        }
    }

    fn write_down(&self, request: &Request, outcome: Outcome) {
        self.attempts.push(Attempt { at: request.at, path: request.path.clone(), outcome });
    }
}

impl<V> fmt::Debug for Peer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({:?})", self.port)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::super::slack::Slack;
    use super::*;

    #[tokio::test]
    async fn an_endless_answer_flows_as_long_as_it_is_read_and_a_stalled_one_never_begins() {
        let slack = Slack::start().await.unwrap();
        slack.fail_with([Trouble::Endless, Trouble::Stall]);
        let address = slack.base().replace("http://", "");
        let mut client = TcpStream::connect(&address).await.unwrap();
        client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut much = vec![0; 4 * 1024 * 1024];
        client.read_exact(&mut much).await.unwrap();
        assert!(much.starts_with(b"HTTP/1.1 500 "));

        let mut client = TcpStream::connect(&address).await.unwrap();
        client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        let attempts = slack.attempts().wait_for(2, Duration::from_secs(10)).await.unwrap();
        assert_eq!(attempts.last().map(|attempt| &attempt.outcome), Some(&Outcome::Stalled));
        assert!(timeout(Duration::ZERO, client.read_u8()).await.is_err());
        assert!(slack.posts().is_empty());
    }
}
