//! `[source.vcenter.NAME]` of relays.toml.

mod address;

use std::time::Duration;

use crate::config_reader::{Problem, Spanned, TableReader, parse_duration, print_duration};
use crate::outbound::Trust;
use crate::reconnect::ReconnectConfig;
use crate::secret::{Origin, Secret};
use crate::sources::Settings;
use crate::vsphere::{Account, EventFilter};
use address::Address;

/// A dead connection is found within a minute, and a wait costs 400 bytes.
const POLL: Duration = Duration::from_secs(30);
/// vCenter ends sessions that are idle for half an hour; each wait counts as activity.
const MAX_POLL: Duration = Duration::from_secs(600);
/// How late an event may be recorded: after a disconnection, hosts send theirs with the time of the host.
const OVERLAP: Duration = Duration::from_secs(300);
/// The store remembers ids for a day by default. A longer overlap would only be read again at every reconnect.
const MAX_OVERLAP: Duration = Duration::from_secs(86_400);
/// The most entries of one list in the filter.
const MAX_FILTER_ENTRIES: usize = 256;

#[derive(Debug)]
pub struct Config {
    pub(super) account: Account,
    pub(super) filter: EventFilter,
    pub(super) options: ReadOptions,
    pub(super) reconnect: ReconnectConfig,
}

/// How the history is read.
#[derive(Debug, Clone)]
pub(super) struct ReadOptions {
    pub(super) from: StartFrom,
    /// How late an event may appear in the history.
    pub(super) overlap: Duration,
    /// The longest single wait for new events.
    pub(super) poll: Duration,
    /// The time between canary events; None: no canary.
    pub(super) canary: Option<Duration>,
    /// Identifies the filter; 0 is none.
    pub(super) filter: u32,
}

/// Where the very first reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartFrom {
    Now,
    Ago(Duration),
    Beginning,
}

impl Settings for Config {}

impl Config {
    pub(in crate::sources) fn read(table: &TableReader) -> Option<Self> {
        let trust = Trust::read(table);
        let reconnect = ReconnectConfig::read(table);
        let address = address(table);
        let (username, password) = (table.text_or_secret("username"), table.secret("password"));
        let from = start_from(table);
        let poll = bounded(table, "poll", table.wait("poll"), MAX_POLL).unwrap_or(POLL);
        let overlap = bounded(table, "overlap", table.duration("overlap"), MAX_OVERLAP).unwrap_or(OVERLAP);
        let canary = table.wait("canary");
        let filter = filter(table);
        if canary.is_some() && (!filter.types.is_empty() || !filter.users.is_empty()) {
            let wrong = "`canary` cannot come back through a filter by `types` or `users`";
            let hint = "remove one of them; relays can also select types and users";
            table.reader.problem(Problem::error(table.span.clone(), wrong).hint(hint));
        }
        if table.unset_secret().is_some() {
            return None;
        }
        let (url, user, password) = credentials(table, address, username, password)?;
        let options = ReadOptions { from, overlap, poll, canary, filter: number(&filter) };
        Some(Self { account: Account { url, user, password, trust }, filter, options, reconnect })
    }
}

fn address(table: &TableReader) -> Option<Spanned<Address>> {
    let Some(url) = table.text_or_secret("url") else {
        if !table.has("url") {
            table.missing_with_hint(
                "url",
                Some("write url = \"https://vcenter.example.com\", or url = { env = \"VCENTER_URL\" }"),
            );
        }
        return None;
    };
    match Address::parse(url.value.expose()) {
        Ok(address) => {
            if address.password.is_some() && *url.value.origin() == Origin::Literal {
                let problem = Problem::warning(url.span.clone(), "a password is written into this address");
                table.reader.problem(
                    problem.hint("better: url = { env = \"VCENTER_URL\" }, or `password` as a separate secret"),
                );
            }
            Some(Spanned { value: address, span: url.span })
        }
        Err(wrong) => {
            let problem = Problem::error(url.span, format!("`url`: {wrong}"));
            table.reader.problem(problem.hint("write it like https://vcenter.example.com or user:password@host:443"));
            None
        }
    }
}

/// User and password are either in the address or in their keys, not in both.
fn credentials(
    table: &TableReader,
    address: Option<Spanned<Address>>,
    username: Option<Spanned<Secret>>,
    password: Option<Spanned<Secret>>,
) -> Option<(reqwest::Url, String, Secret)> {
    let Spanned { value: Address { url, user, password: inside }, span } = address?;
    let mut twice = false;
    for (key, is_inside) in [("username", user.is_some()), ("password", inside.is_some())] {
        match (is_inside, table.has(key)) {
            (true, true) => {
                let problem = Problem::error(span.clone(), format!("`url` and `{key}` both give the account"));
                table.reader.problem(problem.hint("keep one of them"));
                twice = true;
            }
            (false, false) => {
                let hint = "write username = \"tidings@vsphere.local\", password = { env = \"VCENTER_PASSWORD\" }";
                table.missing_with_hint(key, Some(hint));
            }
            _ => {}
        }
    }
    let user = user.or_else(|| username.map(|username| username.value.expose().to_owned()))?;
    let password = inside.map(|inside| Secret::literal(&inside)).or_else(|| password.map(|password| password.value))?;
    (!twice).then_some((url, user, password))
}

fn start_from(table: &TableReader) -> StartFrom {
    let Some(from) = table.text("from") else { return StartFrom::Now };
    let ago = match from.value.as_str() {
        "now" => return StartFrom::Now,
        "beginning" => return StartFrom::Beginning,
        text => parse_duration(text).ok(),
    };
    if ago.is_none() {
        let problem = Problem::error(from.span, format!("`{}` is not a time to start from", from.value));
        table.reader.problem(problem.hint("write \"now\", \"beginning\", or how long ago, like \"1h\""));
    }
    ago.map_or(StartFrom::Now, StartFrom::Ago)
}

fn bounded(table: &TableReader, key: &'static str, duration: Option<Duration>, max: Duration) -> Option<Duration> {
    if let Some(item) = duration.filter(|duration| *duration > max).and_then(|_| table.item(key)) {
        let max = print_duration(max);
        table.reader.problem(Problem::error(item.span.clone(), format!("`{key}` is at most {max}")));
    }
    duration
}

fn filter(table: &TableReader) -> EventFilter {
    let Some(inner) = table.table("filter") else { return EventFilter::default() };
    let entity = inner.text("entity").and_then(|entity| {
        let invalid = |fault| inner.reader.problem(Problem::error(entity.span, format!("`entity`: {fault}")));
        entity.value.parse().map_err(invalid).ok()
    });
    let entries = |key: &'static str| {
        let entries = inner.texts(key).unwrap_or_default();
        if entries.len() > MAX_FILTER_ENTRIES {
            let wrong = format!("`{key}` has more than {MAX_FILTER_ENTRIES} entries; select them in relays instead");
            inner.reader.problem(Problem::error(inner.span.clone(), wrong));
        }
        entries.into_iter().map(|entry| entry.value).collect()
    };
    let filter = EventFilter { entity, types: entries("types"), users: entries("users") };
    inner.finish();
    filter
}

/// Identifies the filter; 0 is none.
fn number(filter: &EventFilter) -> u32 {
    if *filter == EventFilter::default() { 0 } else { crc32c::crc32c(format!("{filter:?}").as_bytes()).max(1) }
}
