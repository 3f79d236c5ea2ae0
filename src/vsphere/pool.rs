//! The session of one account, shared by its users: the event reader and its long waits, look-ups, later an action.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tracing::info;

use super::api_error::ApiError;
use super::client::{Account, Client};
use super::own_sessions::OwnSessions;
use super::session::Session;
use crate::fault::Fault;
use crate::outbound::Outbound;
use crate::stop::Stop;

/// vCenter's single sign-on locks an account after a few refused log-ins within minutes, and only an administrator can
/// unlock it.
const REFUSED_FOR: Duration = Duration::from_secs(300);

/// Debug shows the host only.
#[derive(Debug)]
pub struct SessionPool {
    pub(super) client: Client,
    current: watch::Sender<Option<Arc<Session>>>,
    /// Locked during a log-in, so that there is one at a time. Holds the last refusal, and when it was.
    login: Mutex<Option<(Instant, Fault)>>,
    /// The sessions of this pool, to recognise their log-ins.
    pub own_sessions: OwnSessions,
}

impl SessionPool {
    /// Touches no network.
    pub fn new(account: Account, net: &Outbound) -> Self {
        let (client, current) = (Client::new(account, net), watch::Sender::new(None));
        Self { client, current, login: Mutex::default(), own_sessions: OwnSessions::default() }
    }

    /// The current session, or a new one: the first user logs in, the others wait for it. None where the stop comes
    /// first; no session is left behind then. For five minutes after refused credentials the same refusal is returned
    /// without a call.
    pub async fn session(&self, stop: &Stop) -> Result<Option<Arc<Session>>, ApiError> {
        let Some(mut refusal) = stop.or(self.login.lock()).await else { return Ok(None) };
        if let Some(session) = self.current.borrow().clone() {
            return Ok(Some(session));
        }
        if let Some((_, fault)) = refusal.as_ref().filter(|(at, _)| at.elapsed() < REFUSED_FOR) {
            return Err(ApiError::LoginRefused(fault.clone()));
        }
        let login = self.client.login(stop).await;
        *refusal = match &login {
            Err(ApiError::LoginRefused(fault)) => Some((Instant::now(), fault.clone())),
            _ => None,
        };
        let Some(session) = login?.map(Arc::new) else { return Ok(None) };
        let about = |name| session.about(name);
        info!(name = about("name"), version = about("version"), build = about("build"), "logged in");
        self.own_sessions.add(&session.key);
        self.current.send_replace(Some(Arc::clone(&session)));
        Ok(Some(session))
    }

    /// Runs `call` with the current session, or the next one that another user logs in. Runs it a second time where the
    /// session turns out to be lost.
    pub async fn call<T, F>(&self, call: impl Fn(Arc<Session>) -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let session = self.next_session().await;
        match call(Arc::clone(&session)).await {
            Err(ApiError::SessionLost) => {
                self.invalidate(&session);
                call(self.next_session().await).await
            }
            answer => answer,
        }
    }

    /// Resolves when `session` is no longer the current one: another user found it lost, or closed it.
    pub async fn replaced(&self, session: &Arc<Session>) {
        // The sender lives in `self`, so the wait does not fail.
        self.current.subscribe().wait_for(|current| !is(current.as_ref(), session)).await.ok();
    }

    /// Ends `session` for all its users and logs out, all within 2 s. The next user that needs a session logs in.
    pub async fn close(&self, session: &Arc<Session>) {
        self.invalidate(session);
        session.logout_or_log().await;
    }

    fn invalidate(&self, session: &Arc<Session>) {
        self.current.send_if_modified(|current| {
            let is_current = is(current.as_ref(), session);
            if is_current {
                *current = None;
            }
            is_current
        });
    }

    async fn next_session(&self) -> Arc<Session> {
        let mut current = self.current.subscribe();
        loop {
            let found = current.wait_for(Option::is_some).await.ok().and_then(|session| session.clone());
            if let Some(session) = found {
                return session;
            }
        }
    }
}

fn is(current: Option<&Arc<Session>>, session: &Arc<Session>) -> bool {
    current.is_some_and(|current| Arc::ptr_eq(current, session))
}
