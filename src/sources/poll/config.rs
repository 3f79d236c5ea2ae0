//! `[source.poll.NAME]`

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
};

use crate::config_reader::{Problem, Spanned, TableReader};
use crate::ingress::{Labels, Split};
use crate::outbound::{Trust, read_headers, read_query};
use crate::reconnect::ReconnectConfig;
use crate::relay::Template;
use crate::secret::Secret;
use crate::sources::Settings;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
const DEFAULT_MAX_BODY: u64 = 8 << 20;
/// The names that templates may use: an item, and the document that contains it.
const ROOTS: [&str; 2] = ["data", "body"];

pub struct Config {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// May contain secrets, so it is never logged.
    pub(super) query: Vec<(String, Secret)>,
    pub(super) trust: Trust,
    pub(super) every: Duration,
    pub(super) reconnect: ReconnectConfig,
    pub(super) items: Option<Split>,
    pub(super) labels: Labels,
    /// Whether the key `id` is set.
    pub(super) has_ids: bool,
    pub(super) cursor: Option<(String, Template)>,
    pub(super) next: Option<Next>,
    /// Whether the items of the first poll become events.
    pub(super) from_beginning: bool,
    pub(super) max_body: usize,
}

/// Where a document refers to its next page.
#[derive(Debug)]
pub(super) enum Next {
    /// The header `Link: <…>; rel="next"`.
    Link,
    /// A path in the document.
    Member(Split),
}

impl Settings for Config {}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("host", &self.host()).finish_non_exhaustive()
    }
}

impl Config {
    pub(in crate::sources) fn read(table: &TableReader) -> Option<Self> {
        let url = table.required_text("url").and_then(|url| address(table, &url));
        let headers = read_headers(table, is_reserved, "the request itself");
        let query = read_query(table);
        let trust = Trust::read(table);
        let every = table.wait("every").unwrap_or(DEFAULT_INTERVAL);
        let reconnect = ReconnectConfig::read(table);
        let items = Split::read_key(table, "items");
        let labels = Labels::read(table, &ROOTS);
        let cursor = cursor(table);
        let next = match table.text("next") {
            Some(next) if next.value == "link" => Some(Next::Link),
            Some(_) => Split::read_key(table, "next").map(Next::Member),
            None => None,
        };
        let from_beginning = table.word("from", &["now", "beginning"]) == Some("beginning");
        let max_body = table.size("max_body").unwrap_or(DEFAULT_MAX_BODY);
        if table.unset_secret().is_some() {
            return None;
        }
        let mut all_headers = HeaderMap::from_iter([(
            ACCEPT,
            HeaderValue::from_static("application/json, application/atom+xml, application/rss+xml, */*;q=0.1"),
        )]);
        all_headers.extend(headers);
        Some(Self {
            url: url?,
            headers: all_headers,
            query: query.into_iter().map(|(name, secret)| (name.value, secret.value)).collect(),
            trust,
            every,
            reconnect,
            items,
            labels,
            has_ids: table.has("id"),
            cursor,
            next,
            from_beginning,
            max_body: usize::try_from(max_body.min(u32::MAX.into())).unwrap_or(usize::MAX),
        })
    }
}

impl Config {
    /// For logs: scheme, host and port, since path and query may be secret.
    pub(super) fn host(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

fn is_reserved(name: &HeaderName) -> bool {
    [HOST, CONNECTION, ACCEPT_ENCODING, IF_NONE_MATCH, IF_MODIFIED_SINCE].contains(name)
}

fn address(table: &TableReader, text: &Spanned<String>) -> Option<Url> {
    let wrong = |what: String| table.reader.problem(Problem::error(text.span.clone(), what));
    let mut url = Url::parse(&text.value).map_err(|error| wrong(format!("this is not a URL: {error}"))).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        wrong(format!("a URL to poll begins with https or http, not with {}", url.scheme()));
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        wrong("this URL contains a user or password; use the keys for credentials".to_owned());
        return None;
    }
    url.set_fragment(None);
    Some(url)
}

/// `cursor = "{{ … }}"` with the name of its query parameter.
fn cursor(table: &TableReader) -> Option<(String, Template)> {
    let name = table.text("cursor_param");
    let Some(template) = table.text("cursor") else {
        if let Some(name) = name {
            let wrong = "`cursor_param` is the name of the parameter for `cursor`, which is not set";
            table.reader.problem(Problem::error(name.span, wrong));
        }
        return None;
    };
    let template = Template::compile(table.reader, &template, &ROOTS)?;
    Some((name.map_or_else(|| "since".to_owned(), |name| name.value), template))
}
