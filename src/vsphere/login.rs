//! The way in, which a stop may cut short without leaving a session behind.

use std::pin::pin;
use std::sync::Mutex;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use tokio::time::timeout;

use super::call::Call;
use super::client::Pass;
use super::hidden::Hidden;
use super::session::{About, Session, part};
use super::{Client, Element, Reference, Trouble};
use crate::fault::Fault;
use crate::stop::Stop;

const COOKIE_NAME: &str = "vmware_soap_session=";
/// In which language vCenter words `fullFormattedMessage`.
const LOCALE: &str = "en_US";

/// What is known before anybody is logged in.
struct Arrived {
    action: HeaderValue,
    content: Element,
    /// Whom the login is said to.
    doorkeeper: Reference,
    root_folder: Reference,
}

impl Client {
    /// Four calls: the versions, the service's content, the login and, as the cookie's proof, the time.
    pub async fn login(&self) -> Result<Session, Trouble> {
        let session = self.login_unless(&Stop::new()).await?;
        // Nobody says that stop.
        session.ok_or_else(|| Trouble::Road(Fault::new("closing", "stopped while logging in")))
    }

    /// The same, and None when the stop comes first: of a session that vCenter has made by then it is logged out, all
    /// within 4 s.
    pub async fn login_unless(&self, stop: &Stop) -> Result<Option<Session>, Trouble> {
        let Some(arrived) = stop.or(self.arrive()).await else { return Ok(None) };
        let mut entering = pin!(self.enter(arrived?));
        let entered = match stop.or(entering.as_mut()).await {
            // It was asked for, so it may be there, and only the answer says which one it is.
            None => timeout(self.deadlines.goodbye, entering).await.ok(),
            entered => entered,
        };
        let Some(mut session) = entered.transpose()? else { return Ok(None) };
        let now = stop.or(session.current_time()).await.transpose();
        if let Ok(Some(now)) = now {
            session.began = now;
            return Ok(Some(session));
        }
        session.leave().await;
        now.map(|_| None)
    }

    /// What is asked before anybody is logged in.
    async fn arrive(&self) -> Result<Arrived, Trouble> {
        let action = self.action().await?;
        let hidden = Hidden::new([self.account.password.expose()]);
        let pass = Pass { action: &action, cookie: None, hidden: &hidden };
        let instance = Reference::new("ServiceInstance", "ServiceInstance");
        let (answer, _) = self.say(Call::on("RetrieveServiceContent", &instance), pass, self.deadlines.call).await?;
        let content =
            answer.into_child("returnval").ok_or_else(|| Trouble::garbled("the service's content is missing"))?;
        let (doorkeeper, root_folder) = (part(&content, "sessionManager")?, part(&content, "rootFolder")?);
        Ok(Arrived { action, content, doorkeeper, root_folder })
    }

    /// The login itself. Whether the session is alive is still to be seen.
    async fn enter(&self, Arrived { action, content, doorkeeper, root_folder }: Arrived) -> Result<Session, Trouble> {
        let password = self.account.password.expose();
        let hidden = Hidden::new([password]);
        // No cookie goes along: vCenter takes a login within a living session for a wrong password.
        let pass = Pass { action: &action, cookie: None, hidden: &hidden };
        let login = Call::on("Login", &doorkeeper)
            .text("userName", &self.account.user)
            .text("password", password)
            .text("locale", LOCALE);
        let entered = self.say(login, pass, self.deadlines.call).await;
        let (answer, headers) = entered.map_err(|trouble| self.not_let_in(trouble))?;
        let cookie = cookie_in(&headers).ok_or_else(|| Trouble::garbled("the login gives no cookie"))?;
        let key = answer.child("returnval").and_then(|session| session.text_of("key")).unwrap_or_default().to_owned();
        Ok(Session {
            hidden: Hidden::new([password, &key, value_of(&cookie), value_of(&cookie).trim_matches('"')]),
            client: self.clone(),
            cookie,
            key,
            about: about(&content),
            root_folder,
            content,
            began: Timestamp::UNIX_EPOCH,
            made: Mutex::default(),
            action,
        })
    }

    /// The same trouble in words for whoever has to mend it.
    fn not_let_in(&self, trouble: Trouble) -> Trouble {
        let user = &self.account.user;
        match trouble {
            Trouble::Refused(_) => Trouble::Refused(Fault::new(
                "login_refused",
                format!(
                    "vCenter refuses this user name or password (user {user}): check both, and that the name has its \
                     domain (name@vsphere.local); a few wrong tries lock the account"
                ),
            )),
            Trouble::Server { name, fault } if name == "NoPermission" => Trouble::Refused(Fault::new(
                "login_refused",
                format!(
                    "vCenter knows the user {user} but gives it no role: Read-only at the root is enough ({fault})"
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

/// The session's cookie as it has to be sent back, letter for letter: real ones have quotes.
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
