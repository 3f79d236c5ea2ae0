//! `[source.vcenter.NAME]`

use std::time::Duration;

use super::address::Address;
use super::reading::{From, Wants};
use crate::backoff::Backoff;
use crate::config_reader::{Problem, Spanned, TableReader, parse_duration, print_duration};
use crate::outbound::Trust;
use crate::secret::{Origin, Secret};
use crate::sources::Settings;
use crate::vsphere::{Account, EventFilter, Recursion, Reference};

/// A wait that finds a dead connection within a minute, and costs 400 bytes.
const POLL: Duration = Duration::from_secs(30);
/// vCenter ends sessions that are idle for half an hour; each wait counts as a sign of life.
const LONGEST_POLL: Duration = Duration::from_secs(600);
/// How late an event may be written down: hosts tell theirs after a disconnection, with the time of the host.
const OVERLAP: Duration = Duration::from_secs(300);
/// The queue knows ids for a day, as shipped; a longer overlap would be read to no use at every reconnection.
const LONGEST_OVERLAP: Duration = Duration::from_secs(86_400);
/// What vCenter's own filter takes.
const MOST_FILTERS: usize = 256;

#[derive(Debug)]
pub struct Config {
    pub(super) account: Account,
    pub(super) filter: Filter,
    pub(super) wants: Wants,
    pub(super) retry: Backoff,
}

/// What vCenter itself leaves out.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    entity: Option<Reference>,
    types: Vec<String>,
    users: Vec<String>,
}

impl Settings for Config {}

impl Config {
    pub(in crate::sources) fn read(table: &TableReader) -> Option<Self> {
        let trust = Trust::read(table);
        let retry = Backoff::read(table);
        let address = address(table);
        let (username, password) = (table.text_or_secret("username"), table.secret("password"));
        let from = from(table);
        let poll = bounded(table, "poll", table.wait("poll"), LONGEST_POLL).unwrap_or(POLL);
        let overlap = bounded(table, "overlap", table.duration("overlap"), LONGEST_OVERLAP).unwrap_or(OVERLAP);
        let canary = table.wait("canary");
        let filter = Filter::read(table);
        if canary.is_some() && (!filter.types.is_empty() || !filter.users.is_empty()) {
            let wrong = "`canary` cannot come back through a filter by `types` or `users`";
            let hint = "leave one of them out; relays can pick types and users, too";
            table.reading.problem(Problem::error(table.span.clone(), wrong).hint(hint));
        }
        if table.unset_secret().is_some() {
            return None;
        }
        let (url, user, password) = credentials(table, address, username, password)?;
        let wants = Wants { from, overlap, poll, canary, filter: filter.number() };
        Some(Self { account: Account { url, user, password, trust }, filter, wants, retry })
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
                table.reading.problem(
                    problem.hint("better: url = { env = \"VCENTER_URL\" }, or `password` as a secret of its own"),
                );
            }
            Some(Spanned { value: address, span: url.span })
        }
        Err(wrong) => {
            let problem = Problem::error(url.span, format!("`url`: {wrong}"));
            table.reading.problem(problem.hint("write it like https://vcenter.example.com or user:password@host:443"));
            None
        }
    }
}

/// User and password stand in the address or in their keys, and nowhere twice.
fn credentials(
    table: &TableReader,
    address: Option<Spanned<Address>>,
    username: Option<Spanned<Secret>>,
    password: Option<Spanned<Secret>>,
) -> Option<(reqwest::Url, String, Secret)> {
    let Spanned { value: Address { url, user, password: inside }, span } = address?;
    let mut twice = false;
    for (key, is_twice) in
        [("username", user.is_some() && table.has("username")), ("password", inside.is_some() && table.has("password"))]
    {
        if is_twice {
            let problem = Problem::error(span.clone(), format!("`url` and `{key}` both say who we are"));
            table.reading.problem(problem.hint("keep one of them"));
            twice = true;
        }
    }
    for (key, is_missing) in [
        ("username", user.is_none() && !table.has("username")),
        ("password", inside.is_none() && !table.has("password")),
    ] {
        if is_missing {
            let hint = "write username = \"tidings@vsphere.local\", password = { env = \"VCENTER_PASSWORD\" }";
            table.missing_with_hint(key, Some(hint));
        }
    }
    let user = user.or_else(|| username.map(|said| said.value.expose().to_owned()))?;
    let password = inside.map(|inside| Secret::literal(&inside)).or_else(|| password.map(|said| said.value))?;
    (!twice).then_some((url, user, password))
}

fn from(table: &TableReader) -> From {
    let Some(said) = table.text("from") else { return From::Now };
    let ago = match said.value.as_str() {
        "now" => return From::Now,
        "beginning" => return From::Beginning,
        text => parse_duration(text).ok(),
    };
    if ago.is_none() {
        let wrong = format!("`{}` is no beginning", said.value);
        let problem = Problem::error(said.span, wrong);
        table.reading.problem(problem.hint("write \"now\", \"beginning\", or how long ago, like \"1h\""));
    }
    ago.map_or(From::Now, From::Ago)
}

fn bounded(table: &TableReader, key: &'static str, duration: Option<Duration>, most: Duration) -> Option<Duration> {
    let said = duration.filter(|duration| *duration > most).and_then(|_| table.item(key));
    if let Some(item) = said {
        let most = print_duration(most);
        table.reading.problem(Problem::error(item.span.clone(), format!("`{key}` is at most {most}")));
    }
    duration
}

impl Filter {
    fn read(table: &TableReader) -> Self {
        let Some(inner) = table.table("filter") else { return Self::default() };
        let entity = inner.text("entity").and_then(|said| {
            said.value
                .parse()
                .map_err(|fault| {
                    inner.reading.problem(Problem::error(said.span, format!("`entity`: {fault}")));
                })
                .ok()
        });
        let words = |key: &'static str| {
            let said = inner.texts(key).unwrap_or_default();
            if said.len() > MOST_FILTERS {
                let wrong = format!("`{key}` names more than {MOST_FILTERS}; pick them in relays instead");
                inner.reading.problem(Problem::error(inner.span.clone(), wrong));
            }
            said.into_iter().map(|said| said.value).collect()
        };
        let filter = Self { entity, types: words("types"), users: words("users") };
        inner.finish();
        filter
    }

    pub(super) fn ask(&self, begin: Option<jiff::Timestamp>, most: u32) -> EventFilter {
        // What lies in a folder is meant with it; of a single thing it makes no difference.
        let entity = self.entity.clone().map(|entity| (entity, Recursion::All));
        EventFilter { begin, most, entity, types: self.types.clone(), users: self.users.clone() }
    }

    /// What a canary is to be written to, so that it is heard.
    pub(super) fn entity(&self) -> Option<&Reference> {
        self.entity.as_ref()
    }

    /// Tells one filter from another: 0 is none.
    fn number(&self) -> u32 {
        if self.entity.is_none() && self.types.is_empty() && self.users.is_empty() {
            return 0;
        }
        crc32c::crc32c(format!("{self:?}").as_bytes()).max(1)
    }
}
