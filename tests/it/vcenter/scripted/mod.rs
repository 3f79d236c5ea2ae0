//! A scripted vCenter over real sockets: what a real one does and the simulator does not, and what it does at its worst.
//!
//! It keeps the rules that a real one keeps (order of elements, cookies, 32 collectors, versions) and writes down who
//! breaks them.

mod history;
mod inventory;
mod server;
mod soap;
mod state;
mod trouble;
mod waiting;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::timeout;

pub(crate) use self::history::What;
use self::server::Shared;
use self::wire::Port;

pub(crate) const USER: &str = "VSPHERE.LOCAL\\tidings";
pub(crate) const PASSWORD: &str = "s3cr3t <&> \"quoted\"";

/// What befalls a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The proxy in front of a vCenter that is just starting says so, in HTML.
    Html503,
    /// A whole answer over HTTP, and no whole XML: it ends in mid-element.
    CutOff,
    /// The connection ends in mid-answer.
    Broken,
    /// Entities of entities of entities.
    Bomb,
    /// Elements in elements in elements.
    Abyss,
    /// Never an answer.
    Hang,
    /// The session is gone, and with it what it held. Said by a fault.
    LoggedOut,
    /// The same, said by a `missingSet` under status 200 where the request reads properties.
    LoggedOutQuietly,
    /// Nothing is there, it says, though there is; and passes over what it would have said.
    Empty,
    /// No trouble: these numbers happen at this moment, and the request is answered.
    Storm(usize, usize),
    /// What it acts on is taken away, as by an administrator.
    Gone,
    /// Any other fault.
    Fault(&'static str),
}

/// What becomes of `LogUserEvent`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Canary {
    #[default]
    Sings,
    /// Taken, and never seen again.
    Silent,
    /// `NoPermission`
    Forbidden,
}

/// Which road goes deaf. Only collectors that there are now: a new one hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deaf {
    /// `ReadNextEvents` is empty for ever.
    Reads,
    /// `WaitForUpdatesEx` never tells of a change.
    Waits,
}

/// Ends when it is dropped.
pub(crate) struct Scripted {
    port: Port,
    shared: Arc<Shared>,
}

/// What a client holds or has held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) sessions: usize,
    pub(crate) collectors: usize,
    /// Of all times, in one session.
    pub(crate) most_collectors: usize,
    /// Tries to log in, good and bad.
    pub(crate) logins: usize,
    pub(crate) refused_logins: usize,
    pub(crate) logouts: usize,
}

impl Scripted {
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::new());
        let answering = Arc::clone(&shared);
        let port = Port::open(move |request| {
            let shared = Arc::clone(&answering);
            Box::pin(async move { shared.answer(request).await })
        });
        Self { port, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/sdk", self.port.address())
    }

    /// It happens now.
    pub(crate) fn happens(&self, what: What) {
        self.shared.change(|state| state.history.push("admin", what));
    }

    /// An event of this class, with nothing but what all events have.
    pub(crate) fn plain(&self, class: &'static str, message: &str) {
        self.happens(What::Other { class, message: message.to_owned(), rest: String::new() });
    }

    /// All of these at once, numbered.
    pub(crate) fn burst(&self, numbers: std::ops::Range<usize>) {
        self.shared.change(|state| state.history.push_burst(numbers));
    }

    /// The next event has this key, the ones after it follow, and after the largest comes the smallest.
    pub(crate) fn next_key(&self, key: i32) {
        self.shared.change(|state| state.history.next_key(key));
    }

    /// Only the latest so many are kept; the others are past the retention.
    pub(crate) fn forget_all_but(&self, latest: usize) {
        self.shared.change(|state| state.forget_all_but(latest));
    }

    /// The clock over there, compared to ours.
    pub(crate) fn set_clock_ahead(&self, by: SignedDuration) {
        self.shared.change(|state| state.history.ahead = by);
    }

    /// Befalls a coming request of this name: the next one after `spared` others.
    pub(crate) fn befall(&self, request: &'static str, spared: usize, trouble: Trouble) {
        self.shared.change(|state| state.script.push((request, spared, trouble)));
    }

    pub(crate) fn canary(&self, canary: Canary) {
        self.shared.change(|state| state.canary = canary);
    }

    pub(crate) fn go_deaf(&self, deaf: Deaf) {
        self.shared.change(|state| state.go_deaf(deaf));
    }

    /// As a restart of vpxd does: nobody is logged in any more.
    pub(crate) fn drop_sessions(&self) {
        self.shared.change(|state| state.sessions.clear());
    }

    pub(crate) async fn go_down(&self) {
        self.port.close().await;
    }

    pub(crate) fn come_back(&self) {
        self.port.reopen();
    }

    pub(crate) fn held(&self) -> Held {
        self.shared.look(state::State::held)
    }

    /// How often this was asked so far.
    pub(crate) fn asked(&self, request: &str) -> usize {
        self.shared.look(|state| state.asked.get(request).copied().unwrap_or(0))
    }

    /// The troubles that have not come yet.
    pub(crate) fn troubles_left(&self) -> usize {
        self.shared.look(|state| state.script.len())
    }

    /// The rules of a vCenter that were broken: should be none.
    pub(crate) fn offences(&self) -> Vec<String> {
        self.shared.look(|state| state.offences.clone())
    }

    /// Waits until something holds here.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool, limit: Duration) {
        let mut seen = self.shared.watch();
        let waiting = async {
            while !holds(self) {
                seen.changed().await.expect("it lives");
            }
        };
        if timeout(limit, waiting).await.is_err() {
            let (asked, script) = self.shared.look(|state| (state.asked.clone(), state.script.clone()));
            panic!("never {what}: {:?}, asked {asked:?}, {:?}, to come: {script:?}", self.held(), self.offences());
        }
    }
}
