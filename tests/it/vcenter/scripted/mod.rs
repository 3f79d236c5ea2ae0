//! A scripted vCenter over real sockets: does what a real one does and the simulator does not, and fails as scripted.
//!
//! It enforces the rules of a real one (order of elements, cookies, 32 collectors, versions) and records violations.

mod calls;
mod failure;
mod history;
mod http;
mod inventory;
mod server;
mod soap;
mod state;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::timeout;

pub(crate) use self::history::NewEvent;
use self::http::HttpPort;
use self::server::Server;

pub(crate) const USER: &str = "VSPHERE.LOCAL\\tidings";
pub(crate) const PASSWORD: &str = "s3cr3t <&> \"quoted\"";

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The HTML page of the proxy in front of a vCenter that is starting.
    Html503,
    /// A complete HTTP answer with truncated XML.
    CutOff,
    /// The connection ends within the answer.
    Broken,
    /// A DTD with entities of entities of entities.
    EntityBomb,
    DeepNesting,
    /// No answer.
    Hang,
    /// The session and its objects are dropped. Answered with a fault.
    LoggedOut,
    /// The same, answered with a `missingSet` under status 200 where the call reads properties.
    LoggedOutInMissingSet,
    /// An empty answer that skips what it should have returned.
    Empty,
    /// Not a failure: these numbered events happen, and the call is answered.
    Burst(usize, usize),
    /// The object of the call is dropped, as by an administrator.
    Gone,
    /// Any other fault.
    Fault(&'static str),
}

/// What `LogUserEvent` does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LogEvents {
    #[default]
    Recorded,
    /// Accepted, but not recorded.
    Dropped,
    /// `NoPermission`
    Forbidden,
}

/// What stalls, for the existing collectors only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stall {
    /// `ReadNextEvents` is empty for ever.
    Reads,
    /// `WaitForUpdatesEx` never reports a change.
    Waits,
}

/// Ends when it is dropped.
pub(crate) struct ScriptedVcenter {
    port: HttpPort,
    server: Arc<Server>,
}

/// What a client has created and still has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) sessions: usize,
    pub(crate) collectors: usize,
    /// The largest number in one session.
    pub(crate) most_collectors: usize,
    /// All tries.
    pub(crate) logins: usize,
    pub(crate) refused_logins: usize,
    pub(crate) logouts: usize,
}

impl ScriptedVcenter {
    pub(crate) fn start() -> Self {
        let server = Arc::new(Server::new());
        let answering = Arc::clone(&server);
        let port = HttpPort::open(move |request| {
            let server = Arc::clone(&answering);
            Box::pin(async move { server.answer(request).await })
        });
        Self { port, server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/sdk", self.port.address())
    }

    pub(crate) fn add(&self, event: NewEvent) {
        self.server.change(|state| state.history.push("admin", event));
    }

    /// Adds an event with only the members that all events have.
    pub(crate) fn add_plain(&self, class: &'static str, message: &str) {
        self.add(NewEvent::Other { class, message: message.to_owned(), rest: String::new() });
    }

    /// Adds an event for each number, all at once.
    pub(crate) fn burst(&self, numbers: std::ops::Range<usize>) {
        self.server.change(|state| state.history.push_burst(numbers));
    }

    /// The key of the next event. The ones after it follow, and wrap after the largest.
    pub(crate) fn next_key(&self, key: i32) {
        self.server.change(|state| state.history.next_key(key));
    }

    /// Purges all but so many of the latest events.
    pub(crate) fn purge_all_but(&self, latest: usize) {
        self.server.change(|state| state.purge_all_but(latest));
    }

    /// Sets the server's clock ahead of ours.
    pub(crate) fn set_clock_ahead(&self, by: SignedDuration) {
        self.server.change(|state| state.history.ahead = by);
    }

    /// Lets one call of this name fail, after so many that succeed.
    pub(crate) fn fail(&self, call: &'static str, after: usize, failure: Failure) {
        self.server.change(|state| state.script.push((call, after, failure)));
    }

    pub(crate) fn log_events(&self, log_events: LogEvents) {
        self.server.change(|state| state.log_events = log_events);
    }

    pub(crate) fn stall(&self, stall: Stall) {
        self.server.change(|state| state.stall(stall));
    }

    /// Drops all sessions, as a restart of vpxd does.
    pub(crate) fn drop_sessions(&self) {
        self.server.change(|state| state.sessions.clear());
    }

    pub(crate) async fn go_down(&self) {
        self.port.close().await;
    }

    pub(crate) fn come_back(&self) {
        self.port.reopen();
    }

    pub(crate) fn usage(&self) -> Usage {
        self.server.look(state::State::usage)
    }

    /// How often this was called so far.
    pub(crate) fn calls(&self, name: &str) -> usize {
        self.server.look(|state| state.calls.get(name).copied().unwrap_or(0))
    }

    /// How many scripted failures are still to come.
    pub(crate) fn failures_left(&self) -> usize {
        self.server.look(|state| state.script.len())
    }

    /// The violated rules of a vCenter; there should be none.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.server.look(|state| state.violations.clone())
    }

    /// Waits until a condition holds.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool, limit: Duration) {
        let mut seen = self.server.watch();
        let waiting = async {
            while !condition(self) {
                seen.changed().await.expect("the state lives");
            }
        };
        if timeout(limit, waiting).await.is_err() {
            let (calls, script) = self.server.look(|state| (state.calls.clone(), state.script.clone()));
            panic!("never {what}: {:?}, calls {calls:?}, {:?}, to come: {script:?}", self.usage(), self.violations());
        }
    }
}
