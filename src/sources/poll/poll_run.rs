//! One run of a poll: requests the pages, sorts the new items, and commits them together with the cursor.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

use super::config::Config;
use super::cursor::{Cursor, Validators};
use super::document::{Item, items_of, next_page, parse_document};
use crate::event::{Body, Name, digest};
use crate::fault::Fault;
use crate::ingress::{Arrived, MAX_ELEMENTS};
use crate::log_limiter::LogLimiter;
use crate::outbound::{Outbound, Reply, Request, own_host_only};
use crate::outbox::Outbox;
use crate::reconnect::REFUSED;
use crate::sources::json_cursor::{print_cursor, stored_cursor};

const MOST_PAGES: usize = 100;
/// All pages of a run are held in memory until they are committed together. Their total limit, in multiples of `max_body`.
const MOST_LARGEST_PAGES: usize = 4;
/// The limit for the request of one page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// A longer value would not fit into a query.
const LONGEST_CURSOR: usize = 4096;
const LONGEST_VALIDATOR: usize = 1024;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Why a poll failed, and how long the server asked not to be contacted.
#[derive(Debug)]
pub(super) struct PollError {
    pub(super) fault: Fault,
    pub(super) retry_after: Option<Duration>,
}

impl From<Fault> for PollError {
    fn from(fault: Fault) -> Self {
        Self { fault, retry_after: None }
    }
}

pub(super) struct PollRun<'a> {
    pub(super) config: &'a Config,
    pub(super) net: &'a Outbound,
    pub(super) out: &'a Outbox,
    pub(super) log: &'a mut LogLimiter,
}

/// The content of the pages of one run.
#[derive(Default)]
struct Collected {
    new: Vec<Item>,
    /// The digests of all items, new or not.
    listed: Vec<String>,
    /// The digests of the items of the cursor, and of those in `new`.
    known: HashSet<String>,
    /// The newest item, new or not, and the last page: the key `cursor` is rendered with them.
    newest: Option<(Timestamp, Body)>,
    body: Option<Body>,
    validators: Option<Validators>,
    /// Entries of feeds have ids, whether or not the key `id` is set.
    is_feed: bool,
}

impl PollRun<'_> {
    pub(super) async fn poll(mut self) -> Result<(), PollError> {
        let address = digest(&[self.config.url.as_str()]);
        let stored: Option<Cursor> = stored_cursor(self.out);
        let is_first = stored.is_none();
        let mut cursor = stored.unwrap_or_default();
        if cursor.address != address {
            // Only the known items still apply.
            cursor = Cursor { address, known: cursor.known, ..Cursor::default() };
        }
        let mut collected = Collected { known: cursor.known.iter().cloned().collect(), ..Collected::default() };
        let end = self.collect(&cursor, &mut collected).await;
        let is_silent = is_first && !self.config.from_beginning;
        match end {
            Ok(false) => Ok(()),
            Ok(true) => Ok(self.commit(cursor, collected, true, is_silent).await?),
            // A silent run only learns what is known, which needs the whole list.
            Err(error) if is_silent || collected.new.is_empty() => Err(error),
            Err(error) => {
                self.commit(cursor, collected, false, false).await?;
                Err(error)
            }
        }
    }

    /// True when all pages were read, false when nothing has changed.
    async fn collect(&mut self, cursor: &Cursor, collected: &mut Collected) -> Result<bool, PollError> {
        let mut url = self.first_address(cursor);
        let url_digest = digest(&[url.as_str()]);
        let mut visited = HashSet::new();
        let (mut pages, mut bytes) = (0, 0_usize);
        loop {
            pages += 1;
            let validators = cursor.validators.as_ref().filter(|of| pages == 1 && of.url == url_digest);
            let answer = self.get(&url, validators).await?;
            if answer.status == 304 && validators.is_some() {
                return Ok(false);
            }
            if pages == 1 {
                collected.validators = validators_of(&answer.headers, &url_digest);
            }
            bytes = bytes.saturating_add(answer.body.len());
            if bytes > self.config.max_body.saturating_mul(MOST_LARGEST_PAGES) {
                let why = format!(
                    "the pages are larger than {MOST_LARGEST_PAGES} times `max_body`: request fewer items at once"
                );
                return Err(Fault::new("pages", why).into());
            }
            let body = self.collect_page(&answer, collected)?;
            let next = self.config.next.as_ref().and_then(|next| next_page(next, &answer.headers, &body));
            collected.body = Some(body);
            let Some(next) = next else { return Ok(true) };
            // They are about the first page, and new items may be on another one.
            collected.validators = None;
            visited.insert(url.clone());
            url = self.next_address(&url, &next)?;
            if visited.contains(&url) {
                return Err(Fault::new("pages", "the pages form a circle").into());
            }
            if pages == MOST_PAGES {
                return Err(too_many().into());
            }
        }
    }

    async fn get(&self, url: &Url, validators: Option<&Validators>) -> Result<Reply, PollError> {
        let mut headers = self.config.headers.clone();
        let conditions = validators.map(|of| [(IF_NONE_MATCH, &of.etag), (IF_MODIFIED_SINCE, &of.modified)]);
        for (name, value) in conditions.into_iter().flatten() {
            if let Some(value) = value.as_ref().and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        }
        let request =
            Request::get(url.clone()).headers(headers).reply_limit(self.config.max_body).timeout(PAGE_TIMEOUT);
        let answer = self.net.send(request).await?;
        let retry_after = answer.retry_after();
        let error = |reason, why: &str| PollError {
            fault: Fault::new(reason, format!("{why} (status {})", answer.status)),
            retry_after,
        };
        match answer.status {
            200 | 203 => Ok(answer),
            304 if validators.is_some() => Ok(answer),
            300..=399 => Err(error("redirect", "the server redirects, which is not followed: change `url`")),
            401 | 403 if retry_after.is_none() => Err(error(REFUSED, "the server refuses the credentials")),
            404 | 410 => Err(error("status_404", "nothing is at this address")),
            429 | 403 => Err(error("rate_limited", "the server limits the rate of requests")),
            _ => Err(error("status", "the server answers with an error")),
        }
    }

    /// Adds the items of one page.
    fn collect_page(&mut self, answer: &Reply, collected: &mut Collected) -> Result<Body, Fault> {
        let (body, is_feed) = parse_document(&answer.body)?;
        collected.is_feed |= is_feed;
        let arrived = Arrived { source: self.out.source(), kind: self.out.kind(), at: Timestamp::now() };
        let mut failed = |fault| self.log.note(arrived.source, "a label of an event is left out", fault);
        let items = items_of(self.config, &body, is_feed, arrived, &mut failed)?;
        if collected.listed.len() + items.len() > MAX_ELEMENTS {
            return Err(too_many());
        }
        // An item from the future (a wrong clock) must not move the cursor: all items until then would be skipped.
        let tomorrow = arrived.at.saturating_add(DAY).unwrap_or(arrived.at);
        for item in items {
            let is_newest = item.event.time <= tomorrow
                && collected.newest.as_ref().is_none_or(|(newest, _)| *newest <= item.event.time);
            if self.config.cursor.is_some() && is_newest {
                collected.newest = Some((item.event.time, item.event.data.clone()));
            }
            collected.listed.push(item.digest.clone());
            if collected.known.insert(item.digest.clone()) {
                collected.new.push(item);
            }
        }
        Ok(body)
    }

    /// Commits the events together with the cursor.
    async fn commit(
        &mut self,
        mut cursor: Cursor,
        collected: Collected,
        is_complete: bool,
        is_silent: bool,
    ) -> Result<(), Fault> {
        let before = cursor.clone();
        let Collected { new, mut listed, newest, body, validators, is_feed, .. } = collected;
        if is_complete {
            if let Some(parameter) = self.render_parameter(newest.map(|(_, item)| item), body.as_ref()) {
                cursor.parameter = Some(parameter);
            }
            cursor.validators = validators;
        } else {
            listed.extend(std::mem::take(&mut cursor.known));
        }
        let mut unique = HashSet::new();
        listed.retain(|digest| unique.insert(digest.clone()));
        cursor.set_known(listed, self.config.has_ids || is_feed);
        let mut events: Vec<_> = if is_silent { Vec::new() } else { new.into_iter().map(|item| item.event).collect() };
        events.sort_by_key(|event| event.time);
        let moved = cursor != before || self.out.cursor().is_none();
        self.out.put_all(events, moved.then(|| print_cursor(&cursor))).await
    }

    /// Renders the key `cursor`. None where it needs an item and there is none.
    fn render_parameter(&mut self, newest: Option<Body>, body: Option<&Body>) -> Option<String> {
        let (_, template) = self.config.cursor.as_ref()?;
        let others = body.map(|body| (Name::from("body"), Arc::clone(body.value())));
        let others: Vec<_> = others.into_iter().collect();
        let newest = match newest {
            Some(newest) => newest,
            None if template.source().contains("data") => return None,
            None => Body::from_value(&serde_json::Value::Null),
        };
        match template.render_data(&newest, &others) {
            Ok(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty() && text.len() <= LONGEST_CURSOR),
            Err(fault) => {
                self.log.note(self.out.source(), "`cursor` could not be rendered, keeping its last value", fault);
                None
            }
        }
    }

    fn first_address(&self, cursor: &Cursor) -> Url {
        let mut url = self.config.url.clone();
        self.add_query(&mut url);
        if let (Some((name, _)), Some(value)) = (&self.config.cursor, &cursor.parameter) {
            url.query_pairs_mut().append_pair(name, value);
        }
        url
    }

    /// The document names the next page, so it must be on the same host.
    fn next_address(&self, page: &Url, next: &str) -> Result<Url, Fault> {
        let mut url = own_host_only(page, next)
            .map_err(|fault| Fault::new("foreign_host", format!("the next page is not requested: {fault}")))?;
        self.add_query(&mut url);
        Ok(url)
    }

    fn add_query(&self, url: &mut Url) {
        for (name, secret) in &self.config.query {
            if !url.query_pairs().any(|(known, _)| known == *name) {
                url.query_pairs_mut().append_pair(name, secret.expose());
            }
        }
    }
}

fn too_many() -> Fault {
    Fault::new(
        "pages",
        format!("there are more than {MOST_PAGES} pages or {MAX_ELEMENTS} items: request fewer at once"),
    )
}

fn validators_of(headers: &HeaderMap, url_digest: &str) -> Option<Validators> {
    let text = |name: HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned()).filter(|value| value.len() <= LONGEST_VALIDATOR)
    };
    let (etag, modified) = (text(ETAG), text(LAST_MODIFIED));
    (etag.is_some() || modified.is_some()).then(|| Validators { url: url_digest.to_owned(), etag, modified })
}
