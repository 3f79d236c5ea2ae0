//! Logging in. A stop may cut it short without leaving a session behind in vCenter.

use std::pin::pin;
use std::sync::{Arc, Mutex};

use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use tokio::time::timeout;

use super::api_error::ApiError;
use super::call::Call;
use super::client::Client;
use super::element::{Element, MAX_BYTES};
use super::redact::Redactor;
use super::reference::Reference;
use super::session::Session;
use crate::fault::Fault;
use crate::stop::Stop;

const COOKIE_NAME: &str = "vmware_soap_session=";
/// The language of `fullFormattedMessage`.
const LOCALE: &str = "en_US";

impl Client {
    /// Four calls: the versions, the service content, the log-in and, as proof that the cookie works, the time.
    /// None where the stop comes first; a session that vCenter has made by then is logged out, all within 4 s.
    pub(super) async fn login(&self, stop: &Stop) -> Result<Option<Session>, ApiError> {
        let Some(session) = stop.or(self.without_login()).await else { return Ok(None) };
        let mut login = pin!(session?.log_in());
        let session = match stop.or(login.as_mut()).await {
            // The call was sent, so the session may exist, and only the answer names it.
            None => timeout(self.deadlines.logout, login).await.ok(),
            session => session,
        };
        let Some(session) = session.transpose()? else { return Ok(None) };
        let now = stop.or(session.current_time()).await.transpose();
        if let Ok(Some(_)) = now {
            return Ok(Some(session));
        }
        session.logout_or_log().await;
        now.map(|_| None)
    }

    /// A session that has read the service content, for which vCenter requires no log-in.
    async fn without_login(&self) -> Result<Session, ApiError> {
        let action = self.soap_action().await?;
        let redactor = Redactor::new([self.account.password.expose()]);
        let (content, made) = (Element::default(), Mutex::default());
        let mut session =
            Session { client: self.clone(), action, cookie: None, key: String::new(), redactor, content, made };
        let instance = Reference::new("ServiceInstance", "ServiceInstance");
        let answer = session.call(Call::on("RetrieveServiceContent", &instance)).await?;
        let content = answer.into_child("returnval");
        session.content = content.ok_or_else(|| ApiError::malformed("the service content is missing"))?;
        Ok(session)
    }

    /// Adds what the operator has to check.
    fn explain(&self, error: ApiError) -> ApiError {
        let user = &self.account.user;
        let message = match error {
            ApiError::LoginRefused(_) => format!(
                "vCenter refuses this user name or password (user {user}): check both, and that the name has its \
                 domain (name@vsphere.local); a few wrong tries lock the account"
            ),
            ApiError::Server { name, fault } if name == "NoPermission" => format!(
                "vCenter knows the user {user}, but the user has no role: Read-only at the root is enough ({fault})"
            ),
            other => return other,
        };
        ApiError::LoginRefused(Fault::new("login_refused", message))
    }
}

impl Session {
    /// Whether the session works is not known yet.
    async fn log_in(mut self) -> Result<Self, ApiError> {
        let account = Arc::clone(&self.client.account);
        let password = account.password.expose();
        let login = Call::on("Login", &self.service("sessionManager")?)
            .text("userName", &account.user)
            .text("password", password)
            .text("locale", LOCALE);
        let sent = self.send(login, self.client.deadlines.call, MAX_BYTES).await;
        let (answer, headers) = sent.map_err(|error| self.client.explain(error))?;
        let cookie = cookie_in(&headers).ok_or_else(|| ApiError::malformed("the log-in returns no cookie"))?;
        let value = cookie.to_str().ok().and_then(|pair| pair.strip_prefix(COOKIE_NAME)).unwrap_or_default();
        let key = answer.child("returnval").and_then(|session| session.text_of("key")).unwrap_or_default().to_owned();
        self.redactor = Redactor::new([password, &key, value, value.trim_matches('"')]);
        (self.cookie, self.key) = (Some(cookie), key);
        Ok(self)
    }
}

/// The session's cookie, which has to be sent back exactly as it came: a real vCenter's has quotes.
fn cookie_in(headers: &HeaderMap) -> Option<HeaderValue> {
    let set = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = set.filter_map(|value| value.split(';').next()).map(str::trim);
    let pair = pairs.filter(|pair| pair.len() > COOKIE_NAME.len()).find(|pair| pair.starts_with(COOKIE_NAME))?;
    let mut cookie = HeaderValue::from_str(pair).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}
