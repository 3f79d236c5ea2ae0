//! `[source.docker.NAME]`

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde_json::{Map, Value};

use crate::config_reader::{Problem, Spanned, TableReader};
use crate::outbound::{Identity, Outbound, Trust, is_loopback};
use crate::sources::Settings;
use crate::websocket::ConnectionConfig;

const SOCKET: &str = "/var/run/docker.sock";
/// The filters that the Engine's API supports.
const FILTERS: [&str; 14] = [
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];
const ADDRESSES: &str = "write it like unix:///var/run/docker.sock or https://docker.example.com:2376";

#[derive(Debug)]
pub struct Config {
    pub(super) address: Address,
    pub(super) trust: Trust,
    pub(super) identity: Option<Identity>,
    /// As JSON, as the API expects it; None: all events.
    pub(super) filters: Option<String>,
    pub(super) connection: ConnectionConfig,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Socket(PathBuf),
    Tcp(Url),
}

impl Settings for Config {}

impl Config {
    pub(in crate::sources) fn read(table: &TableReader) -> Option<Self> {
        let connection = ConnectionConfig::read(table);
        let trust = Trust::read(table);
        let identity = Identity::read(table);
        let filters = filters(table);
        let address = match table.text("url") {
            Some(url) => Address::read(table, &url),
            None if table.has("url") => None,
            None => Some(Address::Socket(SOCKET.into())),
        };
        Some(Self { address: address?, trust, identity, filters, connection })
    }

    /// The HTTP client for this Engine.
    pub(super) fn client(&self, net: &Outbound) -> Outbound {
        match &self.address {
            Address::Socket(path) => net.over_socket(path),
            Address::Tcp(_) => {
                let net = net.trusting(&self.trust);
                self.identity.as_ref().map_or(net.clone(), |identity| net.with_identity(identity))
            }
        }
    }
}

impl Address {
    fn read(table: &TableReader, url: &Spanned<String>) -> Option<Self> {
        let refuse = |wrong: String, hint: &str| {
            table.reader.problem(Problem::error(url.span.clone(), wrong).hint(hint));
            None
        };
        if let Some(path) = url.value.strip_prefix("unix://") {
            if !Path::new(path).is_absolute() {
                return refuse(
                    "the path of a socket begins with a slash: write three slashes after `unix:`".into(),
                    ADDRESSES,
                );
            }
            if let Some(key) = ["ca_file", "fingerprint", "cert_file"].into_iter().find(|key| table.has(key)) {
                return refuse(format!("`{key}` is for TLS, which is not used on a socket"), ADDRESSES);
            }
            return Some(Self::Socket(path.into()));
        }
        let parsed = match Url::parse(&url.value) {
            Ok(parsed) => parsed,
            Err(error) => return refuse(format!("this is not a URL: {error}"), ADDRESSES),
        };
        match parsed.scheme() {
            "https" => {}
            "http" => {
                if !is_loopback(&parsed) {
                    let wrong = "this connection is not encrypted: anyone on the network path can control the Engine, and so its host";
                    let hint = "use https with `ca_file`, `cert_file` and `key_file`, or a proxy that only permits reading events";
                    table.reader.problem(Problem::warning(url.span.clone(), wrong).hint(hint));
                }
            }
            "tcp" => {
                let (_, rest) = url.value.split_once(':').unwrap_or_default();
                return refuse(
                    "an Engine's URL begins with unix, https or http, not with tcp".into(),
                    &format!("did you mean `https:{rest}`?"),
                );
            }
            scheme => {
                return refuse(
                    format!("an Engine's URL begins with unix, https or http, not with {scheme}"),
                    ADDRESSES,
                );
            }
        }
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.query().is_some() {
            return refuse("this URL may contain only a host, a port and a path".into(), ADDRESSES);
        }
        Some(Self::Tcp(parsed))
    }

    pub(super) fn base(&self) -> Url {
        match self {
            // The host does not matter: requests go to the socket.
            Self::Socket(_) => Url::parse("http://docker/").expect("a valid URL"),
            Self::Tcp(url) => url.clone(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(url) => url.fmt(f),
        }
    }
}

/// `filters = { type = "container", label = ["env=prod"] }`
fn filters(table: &TableReader) -> Option<String> {
    let section = table.table("filters")?;
    let mut filters = Map::new();
    for name in FILTERS {
        if let Some(values) = section.texts(name) {
            let values: Vec<Value> = values.into_iter().map(|value| value.value.into()).collect();
            filters.insert(name.to_owned(), values.into());
        }
    }
    section.finish();
    (!filters.is_empty()).then(|| Value::Object(filters).to_string())
}
