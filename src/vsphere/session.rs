//! One session: what vCenter is, what it lent us, and the way out.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use reqwest::header::HeaderValue;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use super::call::Call;
use super::client::Pass;
use super::element::LONGEST;
use super::hidden::Hidden;
use super::{Client, Element, Reference, Trouble};
use crate::fault::Fault;

/// How we show up in vCenter's list of sessions and in its login events.
pub fn user_agent() -> &'static str {
    concat!("tidings/", env!("CARGO_PKG_VERSION"))
}

/// What vCenter says that it is. What it does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub name: String,
    pub version: String,
    pub build: String,
    /// `VirtualCenter`, or `HostAgent` for a lone `ESXi`.
    pub api_type: String,
    pub instance_uuid: String,
}

/// Logged in. All methods may be called from several tasks at once, each call on a connection of its own. Debug shows
/// the host only.
pub struct Session {
    pub(super) client: Client,
    pub(super) action: HeaderValue,
    pub(super) cookie: HeaderValue,
    pub(super) key: String,
    pub(super) hidden: Hidden,
    pub(super) about: About,
    /// All the references that vCenter gives at the start.
    pub(super) content: Element,
    pub(super) root_folder: Reference,
    pub(super) began: Timestamp,
    /// What lives in vCenter on our behalf until it is destroyed.
    pub(super) made: Mutex<Vec<Reference>>,
}

impl Session {
    pub fn about(&self) -> &About {
        &self.about
    }

    pub fn root_folder(&self) -> &Reference {
        &self.root_folder
    }

    /// Names this session in vCenter's own events; not the cookie, but to be kept out of logs as well.
    pub fn session_key(&self) -> &str {
        &self.key
    }

    /// vCenter's clock when this session began.
    pub fn time_at_login(&self) -> Timestamp {
        self.began
    }

    /// vCenter's clock. Also keeps the session alive, and finds out whether it is.
    pub async fn current_time(&self) -> Result<Timestamp, Trouble> {
        let answer = self.call(Call::on("CurrentTime", &Reference::new("ServiceInstance", "ServiceInstance"))).await?;
        let time = answer.text_of("returnval").and_then(|text| text.trim().parse().ok());
        time.ok_or_else(|| Trouble::garbled("its time is none"))
    }

    /// Destroys what this session has made: a collector, a property collector or its filter, a view. That it is not
    /// there any more is no trouble.
    pub async fn destroy(&self, what: &Reference) -> Result<(), Trouble> {
        let name = match what.kind.as_str() {
            "EventHistoryCollector" | "TaskHistoryCollector" => "DestroyCollector",
            "PropertyCollector" => "DestroyPropertyCollector",
            "PropertyFilter" => "DestroyPropertyFilter",
            "ContainerView" | "InventoryView" | "ListView" => "DestroyView",
            // Whoever means to destroy a VM asks for that by its own name.
            other => {
                let words = format!("a {other} is nothing that a session has made, so it is not destroyed");
                return Err(Trouble::Road(Fault::new("refused", words)));
            }
        };
        match self.call(Call::on(name, what)).await {
            Ok(_) | Err(Trouble::Gone(_)) => {
                self.made().retain(|made| made != what);
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Ends waiting calls, destroys what this session made and still knows, and logs out: all within 2 s.
    pub async fn logout(&self) -> Result<(), Trouble> {
        let deadlines = self.client.deadlines;
        let until = Instant::now() + deadlines.goodbye;
        let made = std::mem::take(&mut *self.made());
        // The logout itself must have its turn, since with it vCenter forgets the rest.
        if timeout(deadlines.goodbye / 2, self.tidy(&made)).await.is_err() {
            debug!(left = made.len(), "vCenter was too slow to destroy what the session had made");
        }
        let logout = self.call(Call::on("Logout", &self.part("sessionManager")?));
        match timeout_at(until, logout).await {
            Ok(Ok(_) | Err(Trouble::LoggedOut)) => Ok(()),
            Ok(Err(trouble)) => Err(trouble),
            Err(_) => Err(Trouble::Road(Fault::new("timeout", "vCenter was too slow to log out"))),
        }
    }

    async fn tidy(&self, made: &[Reference]) {
        let waiting = made.iter().filter(|made| made.kind == "PropertyCollector");
        let cancel = |collector| self.call(Call::on("CancelWaitForUpdates", collector));
        for trouble in join_all(waiting.map(cancel)).await.into_iter().filter_map(Result::err) {
            debug!(%trouble, "a waiting call could not be ended");
        }
        for trouble in join_all(made.iter().map(|made| self.destroy(made))).await.into_iter().filter_map(Result::err) {
            debug!(%trouble, "what the session had made could not be destroyed");
        }
    }

    /// Logs out where there is a greater trouble to report.
    pub(super) async fn leave(&self) {
        if let Err(trouble) = self.logout().await {
            debug!(%trouble, "no logout");
        }
    }

    /// One call within the usual time.
    pub(super) async fn call(&self, call: Call) -> Result<Element, Trouble> {
        self.call_within(call, self.client.deadlines.call).await
    }

    pub(super) async fn call_within(&self, call: Call, budget: Duration) -> Result<Element, Trouble> {
        self.call_bounded(call, budget, LONGEST).await
    }

    /// One whose answer has at most so many bytes.
    pub(super) async fn call_bounded(&self, call: Call, budget: Duration, most: usize) -> Result<Element, Trouble> {
        let pass = Pass { action: &self.action, cookie: Some(&self.cookie), hidden: &self.hidden };
        Ok(self.client.say_bounded(call, pass, budget, most).await?.0)
    }

    /// A call that makes something. It is destroyed at the logout, unless it was before.
    pub(super) async fn make(&self, call: Call, budget: Duration) -> Result<Reference, Trouble> {
        let name = call.name;
        let answer = self.call_within(call, budget).await?;
        let made = answer.child("returnval").and_then(Element::reference);
        let made = made.ok_or_else(|| Trouble::garbled(format_args!("{name} has made nothing")))?;
        self.made().push(made.clone());
        Ok(made)
    }

    /// One of vCenter's services by its name in the service's content: `eventManager`, `searchIndex`.
    pub(super) fn part(&self, name: &str) -> Result<Reference, Trouble> {
        part(&self.content, name)
    }

    fn made(&self) -> MutexGuard<'_, Vec<Reference>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.client.account.url.host_str().unwrap_or_default())
    }
}

pub(super) fn part(content: &Element, name: &str) -> Result<Reference, Trouble> {
    let found = content.child(name).and_then(Element::reference);
    found.ok_or_else(|| Trouble::garbled(format_args!("its content has no {name}")))
}
