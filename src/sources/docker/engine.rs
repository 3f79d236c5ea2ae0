//! The Engine's API: its stream, its sign of life, and looking at what an event names.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap};
use reqwest::{Method, Request, Url};
use serde_json::Value;

use super::config::{Address, Config};
use crate::fault::Fault;
use crate::outbound::{Answer, Flow, NOBODY, Outbound, PERMISSION};
use crate::reconnect::REFUSED;

/// What we were written for. Newer Engines speak it as well, and what they send then stays as it is when they are renewed.
const OUR_VERSION: (u32, u32) = (1, 44);
/// Whoever asks has a shorter limit of its own (`fetch_timeout`); this one only makes sure that there is an end.
const LONGEST_LOOK: Duration = Duration::from_secs(60);
const LONGEST_INSPECTION: usize = 1 << 20;
const LONGEST_PONG: usize = 4 << 10;
const LONGEST_NAME: usize = 512;
/// How long the words of a refusal are waited for.
const LONGEST_WORDS: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Engine {
    net: Outbound,
    base: Url,
    /// Where it is a socket that we may not be let into.
    socket: Option<PathBuf>,
    /// The path that says which version of the API is spoken; None until somebody asked.
    version: Mutex<Option<String>>,
}

impl Engine {
    pub(super) fn new(config: &Config, net: &Outbound) -> Self {
        let socket = match &config.address {
            Address::Socket(path) => Some(path.clone()),
            Address::Tcp(_) => None,
        };
        Self { net: config.road(net), base: config.address.base(), socket, version: Mutex::default() }
    }

    /// Whether it lives; and what time it is there.
    pub(super) async fn ping(&self, patience: Duration) -> Result<Timestamp, Fault> {
        let answer = self.ask("/_ping", LONGEST_PONG, patience).await?;
        if answer.status != 200 {
            return Err(refused(answer.status, &words(&answer.body)));
        }
        let version = version(&answer.headers);
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok());
        let there = date.and_then(|date| rfc2822::parse(date).ok()).map(|date| date.timestamp());
        Ok(there.unwrap_or_else(Timestamp::now))
    }

    /// The stream from `since` on. The version is known from the ping before.
    pub(super) async fn events(&self, since: &str, filters: Option<&str>) -> Result<Flow, Fault> {
        let mut url = self.url(&format!("{}/events", self.known_version().unwrap_or_default()));
        url.query_pairs_mut().append_pair("since", since).extend_pairs(filters.map(|filters| ("filters", filters)));
        let flow = self.net.flow(Request::new(Method::GET, url)).await.map_err(|fault| self.plain(fault))?;
        match flow.status() {
            200 => Ok(flow),
            status => Err(refused(status, &words(flow.refusal(LONGEST_WORDS).await.as_bytes()))),
        }
    }

    /// `container/web` and its like, out of an event, so refused before anything is sent if it is anything else.
    pub(super) async fn inspect(&self, reference: &str) -> Result<Value, Fault> {
        let path = path_of(reference)?;
        if self.known_version().is_none() {
            self.ping(LONGEST_LOOK).await?;
        }
        let path = format!("{}{path}", self.known_version().unwrap_or_default());
        let answer = self.ask(&path, LONGEST_INSPECTION, LONGEST_LOOK).await?;
        if answer.status != 200 {
            return Err(Fault::new("status", answer.status.to_string()));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| Fault::new("not_json", format!("the answer is no JSON: {error}")))
    }

    fn known_version(&self) -> Option<String> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let whole = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&whole);
        url
    }

    async fn ask(&self, path: &str, limit: usize, budget: Duration) -> Result<Answer, Fault> {
        let request = Request::new(Method::GET, self.url(path));
        self.net.exchange(request, limit, budget).await.map_err(|fault| self.plain(fault))
    }

    /// What everybody meets once: said so that it needs no search.
    fn plain(&self, fault: Fault) -> Fault {
        let Some(path) = &self.socket else { return fault };
        let path = path.display();
        match fault.reason() {
            PERMISSION => Fault::new(
                REFUSED,
                format!(
                    "the user that tidings runs as may not use {path}; add the user to the group docker (usermod -aG docker USER) and restart tidings"
                ),
            ),
            NOBODY => {
                Fault::new("no_socket", format!("there is no {path}; is Docker running here, and is `url` right?"))
            }
            _ => fault,
        }
    }
}

/// `/v1.44`, or what an older Engine offers; nothing where it does not say.
fn version(headers: &HeaderMap) -> String {
    let said = headers.get("api-version").and_then(|value| value.to_str().ok());
    let theirs = said
        .and_then(|said| said.split_once('.'))
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    theirs.map_or_else(String::new, |theirs| {
        let (major, minor) = theirs.min(OUR_VERSION);
        format!("/v{major}.{minor}")
    })
}

/// Engines say what is wrong as `{"message": "…"}`.
fn words(body: &[u8]) -> String {
    let message =
        serde_json::from_slice(body).ok().and_then(|body: Value| Some(body.get("message")?.as_str()?.to_owned()));
    message.unwrap_or_default().chars().filter(|letter| !letter.is_control()).take(200).collect()
}

fn refused(status: u16, words: &str) -> Fault {
    let reason = if matches!(status, 401 | 403) { REFUSED } else { "status" };
    let words = if words.is_empty() { String::new() } else { format!(": {words}") };
    Fault::new(reason, format!("the Engine answers {status}{words}"))
}

fn path_of(reference: &str) -> Result<String, Fault> {
    let wrong = |said: &'static str| Err(Fault::new("refused", said));
    let Some((kind, name)) = reference.split_once('/') else {
        return wrong("a reference is like container/NAME; image, network, volume, service and node work as well");
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let fits = match kind {
        "image" => name.bytes().all(|byte| plain(byte) || matches!(byte, b'/' | b':' | b'@')),
        _ => name.bytes().all(plain),
    };
    // No segment that is empty or only dots: it would lead to another path.
    let leads_away = name.split('/').any(|segment| segment.bytes().all(|byte| byte == b'.'));
    if !fits || leads_away || name.len() > LONGEST_NAME {
        return wrong("the reference holds what no name holds");
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
    fn references_lead_where_they_say_and_nowhere_else() {
        for (reference, path) in [
            ("container/web_1", "/containers/web_1/json"),
            ("image/registry.example:5000/team/app:1.2", "/images/registry.example:5000/team/app:1.2/json"),
            ("image/app@sha256:0afb", "/images/app@sha256:0afb/json"),
            ("network/bridge", "/networks/bridge"),
            ("volume/data.1-a", "/volumes/data.1-a"),
            ("service/web", "/services/web"),
        ] {
            assert_eq!(path_of(reference).as_deref(), Ok(path));
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
            assert_eq!(path_of(bad).expect_err(bad).reason(), "refused");
        }
        assert!(path_of(&format!("container/{}", "a".repeat(600))).is_err());
    }

    #[test]
    fn the_version_spoken_is_ours_or_an_older_one() {
        let of = |said: &str| {
            version(&HeaderMap::from_iter([(
                reqwest::header::HeaderName::from_static("api-version"),
                reqwest::header::HeaderValue::try_from(said).expect("a value"),
            )]))
        };
        for (said, path) in
            [("1.53", "/v1.44"), ("1.44", "/v1.44"), ("1.41", "/v1.41"), ("2.0", "/v1.44"), ("x", ""), ("1.", "")]
        {
            assert_eq!(of(said), path);
        }
        assert_eq!(version(&HeaderMap::new()), "");
    }

    #[test]
    fn a_socket_that_we_may_not_use_is_said_with_the_way_out() {
        let reading = crate::config_reader::ConfigReader::new("", &|_| None);
        let tree = reading.tree();
        let config =
            Config::read(&crate::config_reader::TableReader::new(&reading, "source.docker", &tree)).expect("right");
        let engine = Engine::new(&config, &Outbound::new());
        let said = engine.plain(Fault::new(PERMISSION, "no connection: Permission denied (os error 13)"));
        assert_eq!(said.reason(), REFUSED);
        assert!(said.to_string().contains("add the user to the group docker"), "{said}");
        let other = Fault::new("reset", "x");
        assert_eq!(engine.plain(other.clone()), other);
    }

    #[test]
    fn refusals_are_said_in_the_engines_own_words() {
        let said = |status, body: &str| refused(status, &words(body.as_bytes())).to_string();
        assert_eq!(
            said(400, r#"{"message":"client version 1.44 is too new"}"#),
            "the Engine answers 400: client version 1.44 is too new"
        );
        assert_eq!(said(500, "<html>"), "the Engine answers 500");
        assert_eq!(refused(403, "").reason(), REFUSED);
    }
}
