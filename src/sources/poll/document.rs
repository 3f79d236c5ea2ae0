//! Parses one document: its items as events, and the address of its next page.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::header::{HeaderMap, LINK};
use serde_json::Value;

use super::config::{Config, Next};
use super::feed;
use crate::event::{Body, Event, EventId, Name, digest};
use crate::fault::Fault;
use crate::ingress::{Arrived, Known, Split, json, list, parse_time};

/// One item as an event, with the digest by which it is recognized.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) digest: String,
    pub(super) event: Event,
}

/// The body, and whether it is a feed.
pub(super) fn parse_document(bytes: &[u8]) -> Result<(Body, bool), Fault> {
    if feed::is_markup(bytes) {
        return Ok((Body::from_value(&feed::parse(bytes)?), true));
    }
    let body = json(bytes).map_err(|unreadable| Fault::new("not_json", unreadable.to_string()))?;
    Ok((body, false))
}

pub(super) fn items_of(
    config: &Config,
    body: &Body,
    is_feed: bool,
    arrived: Arrived,
    failed: &mut dyn FnMut(Fault),
) -> Result<Vec<Item>, Fault> {
    let no_items = |why: String| Fault::new("no_items", why);
    let entries = Split::at(&["entries"]);
    let parts = match config.items.as_ref().or_else(|| is_feed.then_some(&entries)) {
        Some(split) => split.elements(body).map_err(|unreadable| no_items(unreadable.to_string()))?,
        None if body.text().trim_start().starts_with('[') => {
            let too_long = || no_items("the list is too long".to_owned());
            let texts = list(body.text()).map_err(|error| no_items(error.to_string()))?.ok_or_else(too_long)?;
            let bodies = texts.into_iter().map(Body::parse).collect::<Result<Vec<_>, _>>();
            bodies.map_err(|error| no_items(error.to_string()))?
        }
        None => vec![body.clone()],
    };
    let whole = config.labels.mention("body").then(|| (Name::from("body"), Arc::clone(body.value())));
    let others: Vec<_> = whole.into_iter().collect();
    let item = |data: Body| {
        let known = if is_feed { known_of_entry(data.value()) } else { Known::default() };
        let text = data.text().to_owned();
        let event = config.labels.event(data, known, &others, arrived, failed);
        let digest = match &event.id {
            EventId::Given(id) => digest(&[id]),
            EventId::Fresh(_) => digest(&[&text]),
        };
        Item { digest, event }
    };
    Ok(parts.into_iter().map(item).collect())
}

fn known_of_entry(entry: &Value) -> Known {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    Known {
        r#type: None,
        id: text("id"),
        subject: text("title"),
        time: text("updated").and_then(|time| parse_time(&time)),
    }
}

/// The address of the next page as the document has it; None where this is the last page.
pub(super) fn next_page(next: &Next, headers: &HeaderMap, body: &Body) -> Option<String> {
    let address = match next {
        Next::Link => headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(next_link)?,
        Next::Member(path) => path.member(body)?.as_str()?.to_owned(),
    };
    Some(address).filter(|address| !address.is_empty())
}

/// `<https://…?page=2>; rel="next", <…>; rel="last"`
fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        let (parameters, _) = after.split_once('<').unwrap_or((after, ""));
        let parameters: HashMap<String, &str> = parameters
            .split([';', ','])
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"')))
            .collect();
        if parameters.get("rel").is_some_and(|rel| rel.split(' ').any(|rel| rel.eq_ignore_ascii_case("next"))) {
            return Some(target.to_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_next_page_is_found_among_the_links() {
        let github = r#"<https://x.example/a?page=1>; rel="prev", <https://x.example/a?page=3>; rel="next", <https://x.example/a?page=9>; rel="last""#;
        assert_eq!(next_link(github).as_deref(), Some("https://x.example/a?page=3"));
        assert_eq!(next_link("</b,c;d>;title=x;rel=NEXT").as_deref(), Some("/b,c;d"));
        assert_eq!(next_link(r#"<a>; rel="prefetch next""#).as_deref(), Some("a"));
        for none in ["", "<", "<a", "<a>", "<a>; rel=last", "a; rel=next"] {
            assert_eq!(next_link(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_header_and_no_document_cause_a_panic(header in "[<>;,=\"a-z rel next]{0,60}", body in "[\\[\\]{}\":, a-c0-9<>/]{0,60}") {
            let _either = next_link(&header);
            if let Ok((body, _)) = parse_document(body.as_bytes()) {
                prop_assert!(serde_json::from_str::<Value>(body.text()).is_ok());
                let _either = Split::at(&["a"]).member(&body);
            }
        }
    }
}
