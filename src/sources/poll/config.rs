//! `[source.poll.NAME]`

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
};

use crate::backoff::Backoff;
use crate::config_reader::{Problem, Spanned, TableReader};
use crate::outbound::Trust;
use crate::relay::Template;
use crate::secret::Secret;
use crate::sources::Settings;
use crate::sources::credentials;
use crate::sources::labels::Labels;
use crate::sources::posted::split::Split;

const EVERY: Duration = Duration::from_secs(60);
/// Nobody's list of news is larger.
const LONGEST: u64 = 8 << 20;
/// The names that templates may use: an item, and the document it stands in.
const ROOTS: [&str; 2] = ["data", "body"];

#[derive(Debug)]
pub struct Config {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// Secrets among them: no log shows one.
    pub(super) query: Vec<(String, Secret)>,
    pub(super) trust: Trust,
    pub(super) every: Duration,
    pub(super) retry: Backoff,
    pub(super) items: Option<Split>,
    pub(super) labels: Labels,
    /// Whether items have ids of their own.
    pub(super) has_ids: bool,
    pub(super) cursor: Option<(String, Template)>,
    pub(super) next: Option<Next>,
    /// Whether what is there at the first poll is told.
    pub(super) from_beginning: bool,
    pub(super) max_body: usize,
}

/// Where a document says that it goes on.
#[derive(Debug)]
pub(super) enum Next {
    /// The header `Link: <…>; rel="next"`.
    Link,
    /// A path into the document.
    Member(Split),
}

impl Settings for Config {}

impl Config {
    pub(in crate::sources) fn read(table: &TableReader) -> Option<Self> {
        let url = table.required_text("url").and_then(|said| address(table, &said));
        let headers = credentials::headers(table, is_ours, "the request itself");
        let query = credentials::query(table);
        let trust = Trust::read(table);
        let every = table.wait("every").unwrap_or(EVERY);
        let retry = Backoff::read(table);
        let items = Split::read_key(table, "items");
        let labels = Labels::read(table, &ROOTS);
        let cursor = cursor(table);
        let next = match table.text("next") {
            Some(word) if word.value == "link" => Some(Next::Link),
            Some(_) => Split::read_key(table, "next").map(Next::Member),
            None => None,
        };
        let from_beginning = table.word("from", &["now", "beginning"]) == Some("beginning");
        let max_body = table.size("max_body").unwrap_or(LONGEST);
        if table.unset_secret().is_some() {
            return None;
        }
        let mut all = HeaderMap::from_iter([(
            ACCEPT,
            HeaderValue::from_static("application/json, application/atom+xml, application/rss+xml, */*;q=0.1"),
        )]);
        all.extend(headers);
        Some(Self {
            url: url?,
            headers: all,
            query: query.into_iter().map(|(name, secret)| (name.value, secret.value)).collect(),
            trust,
            every,
            retry,
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

fn is_ours(name: &HeaderName) -> bool {
    [HOST, CONNECTION, ACCEPT_ENCODING, IF_NONE_MATCH, IF_MODIFIED_SINCE].contains(name)
}

fn address(table: &TableReader, said: &Spanned<String>) -> Option<Url> {
    let wrong = |what: String| table.reading.problem(Problem::error(said.span.clone(), what));
    let mut url = Url::parse(&said.value).map_err(|error| wrong(format!("this is no URL: {error}"))).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        wrong(format!("what is polled has an address that begins with https or http, not with {}", url.scheme()));
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        wrong("a user or password stands in this URL; credentials have keys of their own".to_owned());
        return None;
    }
    url.set_fragment(None);
    Some(url)
}

/// `cursor = "{{ … }}"` and the name that it has in the query.
fn cursor(table: &TableReader) -> Option<(String, Template)> {
    let name = table.text("cursor_param");
    let Some(template) = table.text("cursor") else {
        if let Some(name) = name {
            let wrong = "`cursor_param` names what `cursor` says, and there is no `cursor`";
            table.reading.problem(Problem::error(name.span, wrong));
        }
        return None;
    };
    let template = Template::compile(table.reading, &template, &ROOTS)?;
    Some((name.map_or_else(|| "since".to_owned(), |name| name.value), template))
}
