//! The Engine's API: ping, event stream, and inspection of what an event refers to.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::Url;
use reqwest::header::{DATE, HeaderMap};
use serde_json::Value;

use super::config::{Address, Config};
use crate::fault::Fault;
use crate::outbound::{NO_SOCKET, Outbound, PERMISSION, Reply, ReplyStream, Request};
use crate::reconnect::REFUSED;

/// The version requested from newer Engines, which support older versions: so an update does not change what they send.
const API_VERSION: (u32, u32) = (1, 44);
/// The caller has a shorter limit (`fetch_timeout`); this one only prevents waiting for ever.
const INSPECT_TIMEOUT: Duration = Duration::from_secs(60);
const LARGEST_INSPECTION: usize = 1 << 20;
const LARGEST_PONG: usize = 4 << 10;
const LONGEST_NAME: usize = 512;
/// For the body of an error.
const ERROR_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Engine {
    net: Outbound,
    base: Url,
    /// For error texts. None: the Engine is reached by TCP.
    socket: Option<PathBuf>,
    /// The path prefix that selects the API version (`/v1.44`); None before the first ping.
    version: Mutex<Option<String>>,
}

impl Engine {
    pub(super) fn new(config: &Config, net: &Outbound) -> Self {
        let socket = match &config.address {
            Address::Socket(path) => Some(path.clone()),
            Address::Tcp(_) => None,
        };
        Self { net: config.client(net), base: config.address.base(), socket, version: Mutex::default() }
    }

    /// Returns the Engine's time.
    pub(super) async fn ping(&self, limit: Duration) -> Result<Timestamp, Fault> {
        let answer = self.get("/_ping", LARGEST_PONG, limit).await?;
        if answer.status != 200 {
            return Err(status_fault(answer.status, &error_message(&answer.body)));
        }
        let version = version(&answer.headers);
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok());
        let time = date.and_then(|date| rfc2822::parse(date).ok()).map(|date| date.timestamp());
        Ok(time.unwrap_or_else(Timestamp::now))
    }

    /// The stream from `since` on. Must be preceded by a ping, which determines the version.
    pub(super) async fn events(&self, since: &str, filters: Option<&str>) -> Result<ReplyStream, Fault> {
        let mut url = self.url(&format!("{}/events", self.known_version().unwrap_or_default()));
        url.query_pairs_mut().append_pair("since", since).extend_pairs(filters.map(|filters| ("filters", filters)));
        let stream = self.net.stream(Request::get(url)).await.map_err(|fault| self.explain(fault))?;
        match stream.status() {
            200 => Ok(stream),
            status => Err(status_fault(status, &error_message(stream.error_text(ERROR_TIMEOUT).await.as_bytes()))),
        }
    }

    /// `reference` is like `container/web`. It comes from an event, so it is checked before anything is sent.
    pub(super) async fn inspect(&self, reference: &str) -> Result<Value, Fault> {
        let path = inspect_path(reference)?;
        if self.known_version().is_none() {
            self.ping(INSPECT_TIMEOUT).await?;
        }
        let path = format!("{}{path}", self.known_version().unwrap_or_default());
        let answer = self.get(&path, LARGEST_INSPECTION, INSPECT_TIMEOUT).await?;
        if answer.status != 200 {
            return Err(Fault::new("status", answer.status.to_string()));
        }
        answer.json()
    }

    fn known_version(&self) -> Option<String> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let full = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&full);
        url
    }

    async fn get(&self, path: &str, limit: usize, timeout: Duration) -> Result<Reply, Fault> {
        let request = Request::get(self.url(path)).reply_limit(limit).timeout(timeout);
        self.net.send(request).await.map_err(|fault| self.explain(fault))
    }

    /// Adds what to do to the two faults that new users meet.
    fn explain(&self, fault: Fault) -> Fault {
        let Some(path) = &self.socket else { return fault };
        let path = path.display();
        match fault.reason() {
            PERMISSION => Fault::new(
                REFUSED,
                format!(
                    "no permission to use {path}: add the user that tidings runs as to the group docker (usermod -aG docker USER) and restart tidings"
                ),
            ),
            NO_SOCKET => {
                Fault::new("no_socket", format!("there is no {path}: check that Docker is running, and the key `url`"))
            }
            _ => fault,
        }
    }
}

/// `/v1.44`, or the version of an older Engine; empty where the Engine does not report one.
fn version(headers: &HeaderMap) -> String {
    let header = headers.get("api-version").and_then(|value| value.to_str().ok());
    let theirs = header
        .and_then(|version| version.split_once('.'))
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    theirs.map_or_else(String::new, |theirs| {
        let (major, minor) = theirs.min(API_VERSION);
        format!("/v{major}.{minor}")
    })
}

/// The message of `{"message": "…"}`.
fn error_message(body: &[u8]) -> String {
    let message =
        serde_json::from_slice(body).ok().and_then(|body: Value| Some(body.get("message")?.as_str()?.to_owned()));
    message.unwrap_or_default().chars().filter(|letter| !letter.is_control()).take(200).collect()
}

fn status_fault(status: u16, message: &str) -> Fault {
    let reason = if matches!(status, 401 | 403) { REFUSED } else { "status" };
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    Fault::new(reason, format!("the Engine answers {status}{message}"))
}

fn inspect_path(reference: &str) -> Result<String, Fault> {
    let wrong = |why: &'static str| Err(Fault::new("refused", why));
    let Some((kind, name)) = reference.split_once('/') else {
        return wrong(
            "a reference is like container/NAME; image, network, volume, service and node are also supported",
        );
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let fits = match kind {
        "image" => name.bytes().all(|byte| plain(byte) || matches!(byte, b'/' | b':' | b'@')),
        _ => name.bytes().all(plain),
    };
    // A segment that is empty or only dots would change the path.
    let escapes = name.split('/').any(|segment| segment.bytes().all(|byte| byte == b'.'));
    if !fits || escapes || name.len() > LONGEST_NAME {
        return wrong("the reference is not a valid name");
    }
    match kind {
        "container" => Ok(format!("/containers/{name}/json")),
        "image" => Ok(format!("/images/{name}/json")),
        "network" => Ok(format!("/networks/{name}")),
        "volume" => Ok(format!("/volumes/{name}")),
        "service" => Ok(format!("/services/{name}")),
        "node" => Ok(format!("/nodes/{name}")),
        _ => wrong("only container, image, network, volume, service and node can be fetched"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_paths_of_the_api_and_no_others() {
        for (reference, path) in [
            ("container/web_1", "/containers/web_1/json"),
            ("image/registry.example:5000/team/app:1.2", "/images/registry.example:5000/team/app:1.2/json"),
            ("image/app@sha256:0afb", "/images/app@sha256:0afb/json"),
            ("network/bridge", "/networks/bridge"),
            ("volume/data.1-a", "/volumes/data.1-a"),
            ("service/web", "/services/web"),
        ] {
            assert_eq!(inspect_path(reference).as_deref(), Ok(path));
        }
        for bad in [
            "",
            "web",
            "container/",
            "container/..",
            "container/a/b",
            "container/a?b",
            "container/a%2fb",
            "volume/a#b",
            "image/../containers/x",
            "image//x",
            "image/a/./b",
            "secret/x",
            "exec/x",
            "container/a b",
            "/web",
            "container/\u{e9}",
            "https://evil.example/x",
            "container/a\r\nb",
        ] {
            assert_eq!(inspect_path(bad).expect_err(bad).reason(), "refused");
        }
        assert!(inspect_path(&format!("container/{}", "a".repeat(600))).is_err());
    }

    #[test]
    fn the_requested_version_is_ours_or_an_older_one() {
        let of = |text: &str| {
            version(&HeaderMap::from_iter([(
                reqwest::header::HeaderName::from_static("api-version"),
                reqwest::header::HeaderValue::try_from(text).expect("a value"),
            )]))
        };
        for (text, path) in
            [("1.53", "/v1.44"), ("1.44", "/v1.44"), ("1.41", "/v1.41"), ("2.0", "/v1.44"), ("x", ""), ("1.", "")]
        {
            assert_eq!(of(text), path);
        }
        assert_eq!(version(&HeaderMap::new()), "");
    }

    #[test]
    fn a_missing_permission_for_the_socket_is_explained() {
        let reading = crate::config_reader::ConfigReader::new("", &|_| None);
        let tree = reading.tree();
        let config = Config::read(&crate::config_reader::TableReader::new(&reading, "source.docker", &tree))
            .expect("a valid configuration");
        let engine = Engine::new(&config, &Outbound::new());
        let fault = engine.explain(Fault::new(PERMISSION, "no connection: Permission denied (os error 13)"));
        assert_eq!(fault.reason(), REFUSED);
        assert!(fault.to_string().contains("to the group docker (usermod -aG docker USER)"), "{fault}");
        let other = Fault::new("reset", "x");
        assert_eq!(engine.explain(other.clone()), other);
    }

    #[test]
    fn error_messages_of_the_engine_are_quoted() {
        let text = |status, body: &str| status_fault(status, &error_message(body.as_bytes())).to_string();
        assert_eq!(
            text(400, r#"{"message":"client version 1.44 is too new"}"#),
            "the Engine answers 400: client version 1.44 is too new"
        );
        assert_eq!(text(500, "<html>"), "the Engine answers 500");
        assert_eq!(status_fault(403, "").reason(), REFUSED);
    }
}
