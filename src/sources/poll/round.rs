//! One poll: its pages asked for, what is new put in order and committed together with our place.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Method, Request, Url};
use tracing::warn;

use super::config::Config;
use super::place::{Place, Tag};
use super::reading::{Item, document, items_of, next_page};
use crate::event::{Body, Name, digest};
use crate::fault::Fault;
use crate::log_limiter::LogLimiter;
use crate::outbound::{Answer, Outbound, own_host_only};
use crate::outbox::Outbox;
use crate::reconnect::REFUSED;
use crate::sources::labels::Arrived;
use crate::sources::posted::split::MOST_ELEMENTS;

const MOST_PAGES: usize = 100;
/// All pages of a poll are held until they are committed together: so many of the largest.
const MOST_LARGEST_PAGES: usize = 4;
/// One page, from the first byte out to the last byte in.
const PATIENCE: Duration = Duration::from_secs(30);
/// What goes into a query; nobody's cursor is longer.
const LONGEST_CURSOR: usize = 4096;
const LONGEST_TAG: usize = 1024;
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

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

pub(super) struct Round<'a> {
    pub(super) config: &'a Config,
    pub(super) net: &'a Outbound,
    pub(super) out: &'a Outbox,
    pub(super) skips: &'a mut LogLimiter,
}

/// What the pages of one poll brought.
#[derive(Default)]
struct Gathered {
    /// What is new.
    news: Vec<Item>,
    /// The marks of everything that was shown.
    shown: Vec<String>,
    seen: HashSet<String>,
    /// The last item in order, told before or not, and the page it stood on: what `cursor` is about.
    last: Option<(Timestamp, Body)>,
    body: Option<Body>,
    tag: Option<Tag>,
    /// Whose entries have ids whatever relays.toml says.
    is_feed: bool,
}

impl Round<'_> {
    pub(super) async fn poll(mut self) -> Result<(), PollError> {
        let of = digest(&[self.config.url.as_str()]);
        let before = self.out.cursor().and_then(|text| {
            let place = Place::parse(&text);
            if place.is_none() {
                warn!(source = %self.out.source(), "where this source stood cannot be read; it begins anew");
            }
            place
        });
        let is_first = before.is_none();
        let mut place = before.unwrap_or_default();
        if place.of != of {
            // Another address: only what was told stays told.
            place = Place { of, known: place.known, ..Place::default() };
        }
        let mut gathered = Gathered { seen: place.known.iter().cloned().collect(), ..Gathered::default() };
        let end = self.gather(&place, &mut gathered).await;
        let silent = is_first && !self.config.from_beginning;
        match end {
            Ok(false) => Ok(()),
            Ok(true) => Ok(self.commit(place, gathered, true, silent).await?),
            // Half a list that nobody is told of teaches nothing.
            Err(failed) if silent || gathered.news.is_empty() => Err(failed),
            Err(failed) => {
                self.commit(place, gathered, false, false).await?;
                Err(failed)
            }
        }
    }

    /// True when all pages were read, false when nothing has changed.
    async fn gather(&mut self, place: &Place, gathered: &mut Gathered) -> Result<bool, PollError> {
        let mut url = self.first_address(place);
        let key = digest(&[url.as_str()]);
        let mut visited = HashSet::new();
        let (mut pages, mut bytes) = (0, 0_usize);
        loop {
            pages += 1;
            let unchanged = place.tag.as_ref().filter(|tag| pages == 1 && tag.url == key);
            let answer = self.ask(&url, unchanged).await?;
            if answer.status == 304 && unchanged.is_some() {
                return Ok(false);
            }
            if pages == 1 {
                gathered.tag = tag_of(&answer.headers, &key);
            }
            bytes = bytes.saturating_add(answer.body.len());
            if bytes > self.config.max_body.saturating_mul(MOST_LARGEST_PAGES) {
                let said =
                    format!("its pages have more than {MOST_LARGEST_PAGES} times `max_body`; ask for less at once");
                return Err(Fault::new("pages", said).into());
            }
            let body = self.take(&answer, gathered)?;
            let next = self.config.next.as_ref().and_then(|next| next_page(next, &answer.headers, &body));
            gathered.body = Some(body);
            let Some(next) = next else { return Ok(true) };
            // It is of the first page alone, and says nothing of what is new on the last.
            gathered.tag = None;
            visited.insert(url.clone());
            url = self.next_address(&url, &next)?;
            if visited.contains(&url) {
                return Err(Fault::new("pages", "its pages go round in a circle").into());
            }
            if pages == MOST_PAGES {
                return Err(too_many().into());
            }
        }
    }

    async fn ask(&self, url: &Url, tag: Option<&Tag>) -> Result<Answer, PollError> {
        let mut request = Request::new(Method::GET, url.clone());
        *request.headers_mut() = self.config.headers.clone();
        let tags = tag.map(|tag| [(IF_NONE_MATCH, &tag.etag), (IF_MODIFIED_SINCE, &tag.modified)]);
        for (name, value) in tags.into_iter().flatten() {
            if let Some(value) = value.as_ref().and_then(|value| HeaderValue::try_from(value).ok()) {
                request.headers_mut().insert(name, value);
            }
        }
        let answer = self.net.exchange(request, self.config.max_body, PATIENCE).await?;
        let retry_after = answer.retry_after();
        let failed = |reason, said: &str| PollError {
            fault: Fault::new(reason, format!("{said} (status {})", answer.status)),
            retry_after,
        };
        match answer.status {
            200 | 203 => Ok(answer),
            304 if tag.is_some() => Ok(answer),
            300..=399 => Err(failed("redirect", "it moved elsewhere: `url` is to say where, nothing is followed")),
            401 | 403 if retry_after.is_none() => Err(failed(REFUSED, "we are not let in")),
            404 | 410 => Err(failed("status_404", "there is nothing at this address")),
            429 | 403 => Err(failed("rate_limited", "we ask too often")),
            _ => Err(failed("status", "it answers with a failure")),
        }
    }

    /// Reads one page and sorts out what is new on it.
    fn take(&mut self, answer: &Answer, gathered: &mut Gathered) -> Result<Body, Fault> {
        let (body, is_feed) = document(&answer.body)?;
        gathered.is_feed |= is_feed;
        let arrived = Arrived { source: self.out.source(), kind: self.out.kind(), at: Timestamp::now() };
        let mut failed = |fault| self.skips.note(arrived.source, "a label of an event is left out", fault);
        let items = items_of(self.config, &body, is_feed, arrived, &mut failed)?;
        if gathered.shown.len() + items.len() > MOST_ELEMENTS {
            return Err(too_many());
        }
        // From a cursor that somebody's wrong clock set to next year nothing would be asked for until then.
        let tomorrow = arrived.at.saturating_add(A_DAY).unwrap_or(arrived.at);
        for item in items {
            let is_last =
                item.event.time <= tomorrow && gathered.last.as_ref().is_none_or(|(last, _)| *last <= item.event.time);
            if self.config.cursor.is_some() && is_last {
                gathered.last = Some((item.event.time, item.event.data.clone()));
            }
            gathered.shown.push(item.mark.clone());
            if gathered.seen.insert(item.mark.clone()) {
                gathered.news.push(item);
            }
        }
        Ok(body)
    }

    /// Everything or nothing: the events, and what we know and ask from here on.
    async fn commit(&mut self, mut place: Place, gathered: Gathered, whole: bool, silent: bool) -> Result<(), Fault> {
        let before = place.clone();
        let Gathered { news, mut shown, last, body, tag, is_feed, .. } = gathered;
        if whole {
            if let Some(cursor) = self.cursor(last.map(|(_, item)| item), body.as_ref()) {
                place.cursor = Some(cursor);
            }
            place.tag = tag;
        } else {
            shown.extend(std::mem::take(&mut place.known));
        }
        let mut once = HashSet::new();
        shown.retain(|mark| once.insert(mark.clone()));
        place.know(shown, self.config.has_ids || is_feed);
        let mut events: Vec<_> = if silent { Vec::new() } else { news.into_iter().map(|item| item.event).collect() };
        events.sort_by_key(|event| event.time);
        let moved = place != before || self.out.cursor().is_none();
        self.out.put_all(events, moved.then(|| place.print())).await
    }

    /// What `cursor` says now. Nothing where it is about an item and there is none.
    fn cursor(&mut self, last: Option<Body>, body: Option<&Body>) -> Option<String> {
        let (_, template) = self.config.cursor.as_ref()?;
        let others = body.map(|body| (Name::from("body"), Arc::clone(body.value())));
        let others: Vec<_> = others.into_iter().collect();
        let last = match last {
            Some(last) => last,
            None if template.source().contains("data") => return None,
            None => Body::from_value(&serde_json::Value::Null),
        };
        match template.render_data(&last, &others) {
            Ok(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty() && text.len() <= LONGEST_CURSOR),
            Err(fault) => {
                self.skips.note(self.out.source(), "the cursor stays where it was", fault);
                None
            }
        }
    }

    fn first_address(&self, place: &Place) -> Url {
        let mut url = self.config.url.clone();
        self.show_query(&mut url);
        if let (Some((name, _)), Some(cursor)) = (&self.config.cursor, &place.cursor) {
            url.query_pairs_mut().append_pair(name, cursor);
        }
        url
    }

    /// A page's own word for the next one: on this host, or nowhere.
    fn next_address(&self, here: &Url, next: &str) -> Result<Url, Fault> {
        let mut url = own_host_only(here, next)
            .map_err(|fault| Fault::new("foreign_host", format!("the next page is not asked for: {fault}")))?;
        self.show_query(&mut url);
        Ok(url)
    }

    fn show_query(&self, url: &mut Url) {
        for (name, secret) in &self.config.query {
            if !url.query_pairs().any(|(known, _)| known == *name) {
                url.query_pairs_mut().append_pair(name, secret.expose());
            }
        }
    }
}

fn too_many() -> Fault {
    Fault::new("pages", format!("it has more than {MOST_PAGES} pages or {MOST_ELEMENTS} items; ask for less at once"))
}

fn tag_of(headers: &HeaderMap, url: &str) -> Option<Tag> {
    let text = |name: HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned()).filter(|value| value.len() <= LONGEST_TAG)
    };
    let (etag, modified) = (text(ETAG), text(LAST_MODIFIED));
    (etag.is_some() || modified.is_some()).then(|| Tag { url: url.to_owned(), etag, modified })
}
