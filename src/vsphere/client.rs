//! The HTTP side of one vCenter: distinguishes answers, SOAP faults and pages that are not SOAP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, USER_AGENT};

use super::api_error::ApiError;
use super::element::{Element, MAX_BYTES, parse};
use super::redact::Redactor;
use crate::fault::Fault;
use crate::outbound::{Outbound, Reply, Request, Trust};
use crate::secret::Secret;

/// The oldest API version that is understood; used where a vCenter names no version.
const MIN_VERSION: &str = "6.5";

/// The `User-Agent` of every call: vCenter shows it in its list of sessions and in its log-in events.
pub(super) const OWN_USER_AGENT: &str = concat!("tidings/", env!("CARGO_PKG_VERSION"));

/// Which vCenter, and as which user.
#[derive(Debug, Clone)]
pub struct Account {
    /// The whole endpoint, `https://vcenter.example.com/sdk`.
    pub url: Url,
    pub user: String,
    pub password: Secret,
    pub trust: Trust,
}

/// Cheap to clone; Debug shows the host only.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) account: Arc<Account>,
    net: Outbound,
    pub(super) deadlines: Deadlines,
}

/// How long vCenter may take for an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// In addition to the wait, where a call requests one.
    pub(super) call: Duration,
    /// For reading its event table, which may be large and on a busy disk.
    pub(super) history: Duration,
    /// For the whole log-out.
    pub(super) logout: Duration,
}

const DEADLINES: Deadlines =
    Deadlines { call: Duration::from_secs(30), history: Duration::from_secs(120), logout: Duration::from_millis(800) };

impl Client {
    /// Touches no network.
    pub(super) fn new(account: Account, net: &Outbound) -> Self {
        Self { net: net.trusting(&account.trust), account: Arc::new(account), deadlines: DEADLINES }
    }

    /// The `SOAPAction` header for the newest API version of this vCenter, in the quotes that SOAP 1.1 requires.
    pub(super) async fn soap_action(&self) -> Result<HeaderValue, ApiError> {
        let mut url = self.account.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("vimServiceVersions.xml");
        }
        let answer = self.exchange(Request::get(url), HeaderMap::new(), MAX_BYTES, self.deadlines.call).await;
        let answer = answer.map_err(ApiError::Transport)?;
        let version = match answer.status {
            200 => newest_version(&parse(&answer.body).map_err(ApiError::malformed)?),
            // A proxy that passes nothing but the endpoint itself.
            403 | 404 => None,
            _ => return Err(ApiError::Transport(unexpected_status(answer.status))),
        };
        let action = format!("\"urn:vim25/{}\"", version.as_deref().unwrap_or(MIN_VERSION));
        HeaderValue::try_from(action).map_err(|_| ApiError::malformed("its API version is not a version"))
    }

    /// Every request to vCenter passes here.
    pub(super) async fn exchange(
        &self,
        request: Request,
        mut headers: HeaderMap,
        max_bytes: usize,
        budget: Duration,
    ) -> Result<Reply, Fault> {
        headers.insert(USER_AGENT, HeaderValue::from_static(OWN_USER_AGENT));
        self.net.send(request.headers(headers).reply_limit(max_bytes).timeout(budget)).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.account.url.host_str().unwrap_or_default())
    }
}

/// The response to the call `name`, taken out of its envelope.
pub(super) fn response_in(name: &str, answer: &Reply, redactor: &Redactor) -> Result<Element, ApiError> {
    let envelope = match parse(&answer.body) {
        Ok(envelope) => envelope,
        Err(fault) if answer.status == 200 => return Err(ApiError::Transport(fault.while_doing(name))),
        Err(_) => return Err(ApiError::Transport(unexpected_status(answer.status))),
    };
    let content = (envelope.name == "Envelope")
        .then(|| envelope.into_child("Body"))
        .flatten()
        .and_then(|body| body.children.into_iter().next());
    match content {
        Some(fault) if fault.name == "Fault" => Err(ApiError::from_soap_fault(name, &fault, redactor)),
        _ if answer.status != 200 => Err(ApiError::Transport(unexpected_status(answer.status))),
        Some(response) if response.name.strip_suffix("Response") == Some(name) => Ok(response),
        _ => Err(ApiError::malformed(format_args!("it does not answer {name}"))),
    }
}

/// A server answered, but not vCenter's API. Names what that commonly means.
fn unexpected_status(status: u16) -> Fault {
    let (reason, why) = match status {
        200 => ("garbled", "the page is not SOAP; is the address right (https://…/sdk)?"),
        300..=399 => ("redirect", "it redirects elsewhere; is the address right (https://…/sdk)?"),
        401 => ("status_401", "a proxy in front of it requires another log-in"),
        403 => ("status_403", "a proxy in front of it refuses the request"),
        404 => ("status_404", "nothing is there; the address must end in /sdk"),
        502 => ("status_502", "it is starting or its service is down"),
        503 => ("status_503", "it is starting or its service is down"),
        504 => ("status_504", "its service does not answer the proxy in front of it"),
        500..=599 => ("status_5xx", "its service fails"),
        400..=499 => ("status_4xx", "is the address right (https://…/sdk)?"),
        _ => ("status_odd", "vCenter does not use this status"),
    };
    Fault::new(reason, format!("vCenter answers {status}: {why}"))
}

/// The newest vim25 API version in the list, unless it is older than [`MIN_VERSION`].
fn newest_version(versions: &Element) -> Option<String> {
    let vim25 =
        versions.all("namespace").find(|space| space.text_of("name").is_some_and(|name| name.trim() == "urn:vim25"))?;
    let version = vim25.text_of("version")?.trim();
    let valid = version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    (valid && version.len() <= 32 && numbers(version) >= numbers(MIN_VERSION)).then(|| version.to_owned())
}

/// `8.0.3.0` in a form that can be compared. A part that is not a number counts as 0.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
