//! One logged-in session: its calls, the objects that it made in vCenter, and the log-out.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use super::api_error::ApiError;
use super::call::Call;
use super::client::{Client, response_in};
use super::element::{Element, MAX_BYTES};
use super::redact::Redactor;
use super::reference::Reference;
use crate::fault::Fault;
use crate::outbound::Request;

const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=\"utf-8\"");
const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// All methods may be called from several tasks at once, each call on its own connection. Debug shows the host only.
pub struct Session {
    pub(super) client: Client,
    /// The header `SOAPAction`, which names the API version.
    pub(super) action: HeaderValue,
    /// None during the log-in: vCenter answers a log-in on a live session as it answers a wrong password.
    pub(super) cookie: Option<HeaderValue>,
    /// Names this session in vCenter's events. Not the cookie, but also kept out of logs.
    pub(super) key: String,
    pub(super) redactor: Redactor,
    /// The service content: vCenter's description of itself, and the references of its services.
    pub(super) content: Element,
    /// Objects in vCenter that exist until this session destroys them.
    pub(super) made: Mutex<Vec<Reference>>,
}

impl Session {
    /// vCenter's description of itself (`instanceUuid`, `apiType`); empty where it has no such member.
    pub fn about(&self, name: &str) -> &str {
        self.content.child("about").and_then(|about| about.text_of(name)).unwrap_or_default()
    }

    /// A service by its name in the service content: `eventManager`, `rootFolder`.
    pub fn service(&self, name: &str) -> Result<Reference, ApiError> {
        let found = self.content.child(name).and_then(Element::reference);
        found.ok_or_else(|| ApiError::malformed(format_args!("the service content has no {name}")))
    }

    /// vCenter's clock. The call also keeps the session alive and shows whether it still is.
    pub async fn current_time(&self) -> Result<Timestamp, ApiError> {
        let answer = self.call(Call::on("CurrentTime", &Reference::new("ServiceInstance", "ServiceInstance"))).await?;
        let time = answer.text_of("returnval").and_then(|text| text.trim().parse().ok());
        time.ok_or_else(|| ApiError::malformed("its time is not a time"))
    }

    /// Destroys an object that this session made: a collector or a property collector. An object that no longer exists
    /// is not an error.
    pub async fn destroy(&self, what: &Reference) -> Result<(), ApiError> {
        let name = match what.kind.as_str() {
            "EventHistoryCollector" => "DestroyCollector",
            "PropertyCollector" => "DestroyPropertyCollector",
            // Destroying a VM or the like takes a call of its own.
            other => {
                let message = format!("a {other} is not an object of the session, so it is not destroyed");
                return Err(ApiError::Transport(Fault::new("refused", message)));
            }
        };
        match self.call(Call::on(name, what)).await {
            Ok(_) | Err(ApiError::NotFound(_)) => {
                self.made().retain(|made| made != what);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Cancels waiting calls, destroys what this session made, and logs out: all within 2 s.
    pub(super) async fn logout(&self) -> Result<(), ApiError> {
        let deadlines = self.client.deadlines;
        let until = Instant::now() + deadlines.logout;
        let made = std::mem::take(&mut *self.made());
        // Time must be left for the log-out itself, which makes vCenter drop the rest.
        if timeout(deadlines.logout / 2, self.destroy_all(&made)).await.is_err() {
            debug!(objects = made.len(), "vCenter was too slow to destroy the session's objects");
        }
        let logout = self.call(Call::on("Logout", &self.service("sessionManager")?));
        match timeout_at(until, logout).await {
            Ok(Ok(_) | Err(ApiError::SessionLost)) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ApiError::Transport(Fault::new("timeout", "vCenter was too slow to log out"))),
        }
    }

    async fn destroy_all(&self, made: &[Reference]) {
        let waiting = made.iter().filter(|made| made.kind == "PropertyCollector");
        let cancel = |collector| self.call(Call::on("CancelWaitForUpdates", collector));
        for error in join_all(waiting.map(cancel)).await.into_iter().filter_map(Result::err) {
            debug!(%error, "could not cancel a waiting call");
        }
        for error in join_all(made.iter().map(|made| self.destroy(made))).await.into_iter().filter_map(Result::err) {
            debug!(%error, "could not destroy an object of the session");
        }
    }

    pub(super) async fn logout_or_log(&self) {
        if let Err(error) = self.logout().await {
            debug!(%error, "log-out failed; vCenter ends the session by itself");
        }
    }

    /// One call within the usual deadline.
    pub(super) async fn call(&self, call: Call) -> Result<Element, ApiError> {
        self.call_within(call, self.client.deadlines.call).await
    }

    pub(super) async fn call_within(&self, call: Call, budget: Duration) -> Result<Element, ApiError> {
        Ok(self.send(call, budget, MAX_BYTES).await?.0)
    }

    /// Sends `call` and returns its `…Response` element with the HTTP headers. An answer of more than `max_bytes` is
    /// an error.
    pub(super) async fn send(
        &self,
        call: Call,
        budget: Duration,
        max_bytes: usize,
    ) -> Result<(Element, HeaderMap), ApiError> {
        let name = call.name;
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, XML), (SOAP_ACTION, self.action.clone())]);
        headers.extend(self.cookie.iter().map(|cookie| (COOKIE, cookie.clone())));
        let url = self.client.account.url.clone();
        let request = Request::new(Method::POST, url).body(call.into_envelope().into());
        let answer = self.client.exchange(request, headers, max_bytes, budget).await;
        let answer = answer.map_err(|fault| ApiError::Transport(fault.while_doing(name)))?;
        Ok((response_in(name, &answer, &self.redactor)?, answer.headers))
    }

    /// A call that makes an object in vCenter, which the log-out destroys unless [`Session::destroy`] did before.
    pub(super) async fn make(&self, call: Call, budget: Duration) -> Result<Reference, ApiError> {
        let name = call.name;
        let answer = self.call_within(call, budget).await?;
        let made = answer.child("returnval").and_then(Element::reference);
        let made = made.ok_or_else(|| ApiError::malformed(format_args!("{name} returns no reference")))?;
        self.made().push(made.clone());
        Ok(made)
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
