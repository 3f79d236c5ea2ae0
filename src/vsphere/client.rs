//! One HTTP client for one vCenter: says calls, tells answers from faults, faults from pages that are no SOAP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, USER_AGENT};

use super::call::Call;
use super::element::{self, Element, parse};
use super::hidden::Hidden;
use super::{Account, Trouble, user_agent};
use crate::fault::Fault;
use crate::outbound::{Outbound, Reply, Request};

const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=\"utf-8\"");
/// What is asked for where a vCenter does not say what it speaks. The oldest whose answers are understood.
const OLDEST: &str = "6.5";

/// How long vCenter may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    pub(super) call: Duration,
    /// Reading its event table, which may be large and on a busy disk.
    pub(super) history: Duration,
    /// Beyond the time that it was asked to wait.
    pub(super) slack: Duration,
    /// Saying goodbye, all of it.
    pub(super) goodbye: Duration,
}

impl Deadlines {
    const USUAL: Self = Self {
        call: Duration::from_secs(30),
        history: Duration::from_secs(120),
        slack: Duration::from_secs(30),
        goodbye: Duration::from_secs(2),
    };
}

/// Makes sessions. Cheap to clone; Debug shows the host only.
#[derive(Clone)]
pub struct Client {
    pub(super) account: Arc<Account>,
    net: Outbound,
    pub(super) deadlines: Deadlines,
}

/// With what a call goes out besides its body.
pub(super) struct Pass<'p> {
    /// The version of the API that is spoken, as the header `SOAPAction`.
    pub(super) action: &'p HeaderValue,
    pub(super) cookie: Option<&'p HeaderValue>,
    pub(super) hidden: &'p Hidden,
}

impl Client {
    /// Touches no network.
    pub fn new(account: Account, net: &Outbound) -> Self {
        Self::with_deadlines(account, net, Deadlines::USUAL)
    }

    pub(super) fn with_deadlines(account: Account, net: &Outbound, deadlines: Deadlines) -> Self {
        Self { net: net.trusting(&account.trust), account: Arc::new(account), deadlines }
    }

    /// Says `call` and gives its `…Response`, with the headers that it came with.
    pub(super) async fn say(
        &self,
        call: Call,
        pass: Pass<'_>,
        budget: Duration,
    ) -> Result<(Element, HeaderMap), Trouble> {
        self.say_bounded(call, pass, budget, element::LONGEST).await
    }

    /// The same, for an answer of at most so many bytes.
    pub(super) async fn say_bounded(
        &self,
        call: Call,
        pass: Pass<'_>,
        budget: Duration,
        most: usize,
    ) -> Result<(Element, HeaderMap), Trouble> {
        let name = call.name;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, XML);
        headers.insert(USER_AGENT, HeaderValue::from_static(user_agent()));
        headers.insert("soapaction", pass.action.clone());
        if let Some(cookie) = pass.cookie {
            headers.insert(COOKIE, cookie.clone());
        }
        let request = Request::new(Method::POST, self.account.url.clone()).headers(headers);
        let request = request.body(call.into_envelope().into()).reply_limit(most).timeout(budget);
        let answer = self.net.send(request).await.map_err(|fault| Trouble::Road(fault.while_doing(name)))?;
        Ok((understood(name, &answer, pass.hidden)?, answer.headers))
    }

    /// The header that asks for the newest API this vCenter speaks, in the quotes that SOAP 1.1 wants.
    pub(super) async fn action(&self) -> Result<HeaderValue, Trouble> {
        let mut url = self.account.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("vimServiceVersions.xml");
        }
        let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(user_agent()))]);
        let request = Request::get(url).headers(headers).reply_limit(element::LONGEST).timeout(self.deadlines.call);
        let answer = self.net.send(request).await.map_err(Trouble::Road)?;
        let version = match answer.status {
            200 => newest(&parse(&answer.body).map_err(Trouble::garbled)?),
            // Where a proxy lets nothing but the endpoint itself through.
            403 | 404 => None,
            _ => return Err(Trouble::Road(page(answer.status))),
        };
        let action = format!("\"urn:vim25/{}\"", version.as_deref().unwrap_or(OLDEST));
        HeaderValue::try_from(action).map_err(|_| Trouble::garbled("its version is none"))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.account.url.host_str().unwrap_or_default())
    }
}

/// The answer to the call `name`, out of its envelope.
pub(super) fn understood(name: &str, answer: &Reply, hidden: &Hidden) -> Result<Element, Trouble> {
    let envelope = match parse(&answer.body) {
        Ok(envelope) => envelope,
        Err(fault) if answer.status == 200 => return Err(Trouble::Road(fault.while_doing(name))),
        Err(_) => return Err(Trouble::Road(page(answer.status))),
    };
    let said = (envelope.name == "Envelope")
        .then(|| envelope.into_child("Body"))
        .flatten()
        .and_then(|body| body.children.into_iter().next());
    match said {
        Some(fault) if fault.name == "Fault" => Err(Trouble::of_soap(name, &fault, hidden)),
        _ if answer.status != 200 => Err(Trouble::Road(page(answer.status))),
        Some(response) if response.name.strip_suffix("Response") == Some(name) => Ok(response),
        _ => Err(Trouble::garbled(format_args!("{name} has another one"))),
    }
}

/// Somebody answered, but not vCenter's API: what that commonly means.
fn page(status: u16) -> Fault {
    let (reason, why) = match status {
        200 => ("garbled", "with a page that is no SOAP; is the address right (https://…/sdk)?"),
        300..=399 => ("redirect", "and points elsewhere; is the address right (https://…/sdk)?"),
        401 => ("status_401", "something in front of it wants another login"),
        403 => ("status_403", "something in front of it refuses us"),
        404 => ("status_404", "nothing is there; the address must end in /sdk"),
        502 => ("status_502", "it is starting or its service is down"),
        503 => ("status_503", "it is starting or its service is down"),
        504 => ("status_504", "its service does not answer the proxy in front of it"),
        500..=599 => ("status_5xx", "its service is in trouble"),
        400..=499 => ("status_4xx", "is the address right (https://…/sdk)?"),
        _ => ("status_odd", "which is no answer of a vCenter"),
    };
    Fault::new(reason, format!("vCenter answers {status}: {why}"))
}

/// The version to ask for: the newest of the vim25 API, and never one older than we understand.
fn newest(versions: &Element) -> Option<String> {
    let vim25 =
        versions.all("namespace").find(|space| space.text_of("name").is_some_and(|name| name.trim() == "urn:vim25"))?;
    let version = vim25.text_of("version")?.trim();
    let fits = version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    (fits && version.len() <= 32 && numbers(version) >= numbers(OLDEST)).then(|| version.to_owned())
}

/// `8.0.3.0` so that it can be compared. What is no number counts for nothing.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
