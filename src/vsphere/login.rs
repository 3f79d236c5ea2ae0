//! Logging in. A stop may cut it short without leaving a session behind in vCenter.

use std::pin::pin;
use std::sync::Mutex;

use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use tokio::time::timeout;

use super::api_error::ApiError;
use super::call::Call;
use super::client::{CallContext, Client};
use super::element::{Element, MAX_BYTES};
use super::redact::Redactor;
use super::reference::Reference;
use super::session::{About, Session, service};
use crate::fault::Fault;
use crate::stop::Stop;

const COOKIE_NAME: &str = "vmware_soap_session=";
/// The language of `fullFormattedMessage`.
const LOCALE: &str = "en_US";

/// What vCenter answers without a log-in.
struct ServiceContent {
    action: HeaderValue,
    content: Element,
    session_manager: Reference,
    root_folder: Reference,
}

impl Client {
    /// Four calls: the versions, the service content, the log-in and, as proof that the cookie works, the time.
    /// None where the stop comes first; a session that vCenter has made by then is logged out, all within 4 s.
    pub(super) async fn login(&self, stop: &Stop) -> Result<Option<Session>, ApiError> {
        let Some(content) = stop.or(self.service_content()).await else { return Ok(None) };
        let mut login = pin!(self.send_login(content?));
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

    async fn service_content(&self) -> Result<ServiceContent, ApiError> {
        let action = self.soap_action().await?;
        let redactor = Redactor::new([self.account.password.expose()]);
        let context = CallContext { action: &action, cookie: None, redactor: &redactor };
        let instance = Reference::new("ServiceInstance", "ServiceInstance");
        let call = Call::on("RetrieveServiceContent", &instance);
        let (answer, _) = self.send(call, context, self.deadlines.call, MAX_BYTES).await?;
        let service_content =
            answer.into_child("returnval").ok_or_else(|| ApiError::malformed("the service content is missing"))?;
        let (session_manager, root_folder) =
            (service(&service_content, "sessionManager")?, service(&service_content, "rootFolder")?);
        Ok(ServiceContent { action, content: service_content, session_manager, root_folder })
    }

    /// Whether the session works is not known yet.
    async fn send_login(&self, service: ServiceContent) -> Result<Session, ApiError> {
        let ServiceContent { action, content: service_content, session_manager, root_folder } = service;
        let password = self.account.password.expose();
        let redactor = Redactor::new([password]);
        // Without a cookie: vCenter answers a log-in on a live session as it answers a wrong password.
        let context = CallContext { action: &action, cookie: None, redactor: &redactor };
        let login = Call::on("Login", &session_manager)
            .text("userName", &self.account.user)
            .text("password", password)
            .text("locale", LOCALE);
        let sent = self.send(login, context, self.deadlines.call, MAX_BYTES).await;
        let (answer, headers) = sent.map_err(|error| self.explain(error))?;
        let cookie = cookie_in(&headers).ok_or_else(|| ApiError::malformed("the log-in returns no cookie"))?;
        let key = answer.child("returnval").and_then(|session| session.text_of("key")).unwrap_or_default().to_owned();
        Ok(Session {
            redactor: Redactor::new([password, &key, value_of(&cookie), value_of(&cookie).trim_matches('"')]),
            client: self.clone(),
            cookie,
            key,
            about: about(&service_content),
            root_folder,
            content: service_content,
            made: Mutex::default(),
            action,
        })
    }

    /// Adds what the operator has to check.
    fn explain(&self, error: ApiError) -> ApiError {
        let user = &self.account.user;
        match error {
            ApiError::LoginRefused(_) => ApiError::LoginRefused(Fault::new(
                "login_refused",
                format!(
                    "vCenter refuses this user name or password (user {user}): check both, and that the name has its \
                     domain (name@vsphere.local); a few wrong tries lock the account"
                ),
            )),
            ApiError::Server { name, fault } if name == "NoPermission" => ApiError::LoginRefused(Fault::new(
                "login_refused",
                format!(
                    "vCenter knows the user {user}, but the user has no role: Read-only at the root is enough ({fault})"
                ),
            )),
            other => other,
        }
    }
}

fn about(content: &Element) -> About {
    let Some(about) = content.child("about") else { return About::default() };
    let text = |name| about.text_of(name).unwrap_or_default().to_owned();
    About {
        name: text("name"),
        version: text("version"),
        build: text("build"),
        api_type: text("apiType"),
        instance_uuid: text("instanceUuid"),
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

fn value_of(cookie: &HeaderValue) -> &str {
    cookie.to_str().ok().and_then(|pair| pair.strip_prefix(COOKIE_NAME)).unwrap_or_default()
}
