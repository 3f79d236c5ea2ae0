//! One vendor's HTTP server: the vendor's rules, injected faults, and a record of all attempts.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::faults::{Faults, InjectedFault, Injection, VendorLimit};
use super::http::{HttpConnection, Incoming, Reply, Request};
use super::log::Log;
use super::port::Port;

/// What a vendor takes and refuses, and how it answers.
pub trait Vendor: Send + Sync + 'static {
    /// A message that is taken is recorded before this returns.
    fn answer(&self, request: &Request) -> Reply;
    fn throttled(&self, request: &Request, retry_after: Option<u32>) -> Reply;
    fn broken(&self, request: &Request, status: u16) -> Reply;
}

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
    Reset { taken: bool },
    Stalled,
    Endless,
}

/// A vendor on a port of its own. When it is dropped, it ends with all its connections.
pub struct StandIn<V> {
    port: Port,
    server: Arc<Server<V>>,
}

struct Server<V> {
    vendor: V,
    faults: Faults,
    attempts: Log<Attempt>,
    offences: Log<String>,
}

impl<V: Vendor> StandIn<V> {
    /// `port` 0 is any free one.
    pub async fn open(port: u16, vendor: V) -> io::Result<Self> {
        let faults = Faults::default();
        let server =
            Arc::new(Server { vendor, faults, attempts: Log::new("attempts"), offences: Log::new("offences") });
        let shared = Arc::clone(&server);
        let port = Port::open(port, move |stream| {
            let server = Arc::clone(&shared);
            Box::pin(async move {
                // An error is a broken connection, which the client has to report.
                drop(server.serve(stream).await);
            })
        });
        Ok(Self { port: port.await?, server })
    }

    pub fn vendor(&self) -> &V {
        &self.server.vendor
    }

    /// `http://127.0.0.1:PORT`
    pub fn base(&self) -> String {
        format!("http://{}", self.port.address())
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
        self.server.faults.script(script);
    }

    /// From now on this decides about every request that no script does.
    pub fn inject(&self, source: impl FnMut() -> Injection + Send + 'static) {
        self.server.faults.set_source(Some(Box::new(source)));
    }

    /// Every answer is sent so much later; the message is taken at once. Replaces what `inject` was given.
    pub fn slow_down(&self, latency: Duration) {
        self.inject(move || Injection { fault: InjectedFault::None, latency });
    }

    /// The vendor's own rate limit; at first there is none, so that tests are fast.
    pub fn limit(&self, limit: impl Into<Option<VendorLimit>>) {
        self.server.faults.limit(limit.into());
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
        let Injection { fault, latency } = self.faults.next();
        let reply = match fault {
            InjectedFault::None => self.answer(request),
            InjectedFault::Status(status) => self.vendor.broken(request, status),
            InjectedFault::Throttled { retry_after } => self.vendor.throttled(request, retry_after),
            InjectedFault::ResetBefore => {
                self.record(request, AttemptOutcome::Reset { taken: false });
                return connection.reset().map(|()| None);
            }
            InjectedFault::ResetAfter => {
                drop(self.answer(request));
                self.record(request, AttemptOutcome::Reset { taken: true });
                return connection.reset().map(|()| None);
            }
            InjectedFault::Stall => {
                self.record(request, AttemptOutcome::Stalled);
                return connection.stall().await.map(|()| None);
            }
            InjectedFault::Endless => {
                self.record(request, AttemptOutcome::Endless);
                return connection.write_endless(500).await.map(|()| None);
            }
        };
        let retry_after = reply.headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, value)| value.clone());
        self.record(request, AttemptOutcome::Answered { status: reply.status, retry_after });
        if !latency.is_zero() {
            sleep(latency).await;
        }
        Ok(connection.answer(request, &reply).await?.then_some(connection))
    }

    fn answer(&self, request: &Request) -> Reply {
        let reply = self.vendor.answer(request);
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
}

impl<V> fmt::Debug for StandIn<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StandIn({:?})", self.port)
    }
}
