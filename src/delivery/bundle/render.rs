//! The message of a bundle: a title, the time span, counts by type, the first lines, and the command that lists the rest.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::summary_line::one_line;
use super::{Bundle, BundleKind, FULL, FirstMember, LINES};
use crate::config_reader::print_duration;
use crate::event::{Event, EventId};
use crate::message::{Markup, Message, Origin, Unit, cut};
use crate::store::DeliveryId;

/// Types that are named; the others are summed up.
const TYPES_NAMED: usize = 10;
/// Lines of a digest: enough to know what it is about.
const LINES_OF_A_DIGEST: usize = 5;
const LONGEST_NAME: usize = 80;

/// The same at every call. A group or digest of one member is that member's own message.
pub(in crate::delivery) fn render(bundle: &Bundle, markup: Markup) -> Message {
    if let Some(message) = bundle.alone() {
        return message.clone();
    }
    let event = event(bundle);
    let origin = Origin { event: Arc::new(event), relay: bundle.relay.clone() };
    // Each bundle starts its own thread: nobody would look for it in an older one.
    let key = origin.id.to_string();
    let message = match &bundle.kind {
        BundleKind::Throttle { max, per } => Message::plain(held_back(bundle, *max, *per, markup), key, origin),
        BundleKind::Digest => many(bundle, "", key, LINES_OF_A_DIGEST, markup, origin),
        BundleKind::Group { by } => {
            let message = many(bundle, by, format!("{}/{by}", bundle.relay), LINES, markup, origin);
            as_one_incident(bundle, message)
        }
    };
    Message { severity: bundle.severity, ..message }
}

/// `37 more from relay containers were held back within 1m (at most 5): 30 container.start, 7 container.stop`
fn held_back(bundle: &Bundle, max: u32, per: Duration, markup: Markup) -> String {
    let (relay, types) = (inline(&bundle.relay, markup), breakdown(bundle, markup));
    let (many, were) = (bundle.len(), if bundle.len() == 1 { "was" } else { "were" });
    format!("{many} more from relay {relay} {were} held back within {} (at most {max}): {types}", print_duration(per))
}

fn many(bundle: &Bundle, by: &str, key: String, lines: usize, markup: Markup, origin: Origin) -> Message {
    let mut title = format!("{} events of relay {}", bundle.len(), inline(&bundle.relay, markup));
    if !by.trim().is_empty() {
        title.push_str(": ");
        title.push_str(&inline(by.trim(), markup));
    }
    let mut text = String::new();
    if let Some(first) = &bundle.first {
        text = format!("{}\n{}", span(first.span), breakdown(bundle, markup));
        let shown = bundle.lines.iter().take(lines);
        for line in shown.map(|line| line.shown(markup)) {
            text.push_str("\n• ");
            text.push_str(&line);
        }
        let left = bundle.len().saturating_sub(lines);
        if left > 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "\nand {left} more; to see them all: {}", command(bundle, first, markup));
        }
    }
    Message { title: Some(title), ..Message::plain(text, key, origin) }
}

/// Where all members do the same to the same incident, so does the message.
fn as_one_incident(bundle: &Bundle, message: Message) -> Message {
    let Some(FirstMember { message: first, .. }) = bundle.first.as_ref().filter(|first| first.shared) else {
        return message;
    };
    let (client, client_url) = (first.client.clone(), first.client_url.clone());
    Message { key: first.key.clone(), signal: first.signal, client, client_url, ..message }
}

/// `90 container.start, 40 container.stop`, the rest summed: the numbers add up to the bundle's.
fn breakdown(bundle: &Bundle, markup: Markup) -> String {
    let types = bundle.by_type();
    let (named, others) = types.split_at(types.len().min(TYPES_NAMED));
    let mut parts: Vec<_> = named.iter().map(|(r#type, count)| format!("{count} {}", inline(r#type, markup))).collect();
    let rest: usize = others.iter().map(|(_, count)| count).sum();
    match others.len() {
        0 => {}
        1 => parts.push(format!("{rest} of another type")),
        types => parts.push(format!("{rest} of {types} other types")),
    }
    parts.join(", ")
}

/// `10:02:11 to 10:06:40 UTC, 4 min`; with the dates where they differ.
fn span((first, last): (Timestamp, Timestamp)) -> String {
    const DAY: &str = "%Y-%m-%d";
    let seconds = u64::try_from(last.duration_since(first).as_secs()).unwrap_or(0);
    let one_day = first.strftime(DAY).to_string() == last.strftime(DAY).to_string();
    let form = if one_day { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    let (first, last) = (first.strftime(form).to_string(), last.strftime(form).to_string());
    let took = match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    };
    if first == last { format!("{first} UTC") } else { format!("{first} to {last} UTC, {took}") }
}

/// The command that lists all members, ready for a shell.
fn command(bundle: &Bundle, first: &FirstMember, markup: Markup) -> String {
    let (since, until) = (whole_second(first.since, 0), whole_second(first.span.1, 1));
    let relay = quoted(&bundle.relay);
    // Otherwise a name that begins with a dash is read as a flag.
    let is = if bundle.relay.starts_with('-') { '=' } else { ' ' };
    let command = format!("tidings events --relay{is}{relay} --since {since} --until {until} --limit {FULL}");
    let harmless = |letter: char| letter.is_ascii_alphanumeric() || " -_=:./'".contains(letter);
    match markup {
        // As code where nothing in it could end the code: no chat changes two dashes there.
        Markup::Slack | Markup::GoogleChat | Markup::Discord | Markup::Mattermost if command.chars().all(harmless) => {
            format!("`{command}`")
        }
        _ => markup.escaped(&command),
    }
}

/// Rounded down to the second, and so many seconds later.
fn whole_second(at: Timestamp, later: i64) -> Timestamp {
    Timestamp::from_second(at.as_second().saturating_add(later)).unwrap_or(at)
}

/// For a shell: one word, with nothing special in it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@%+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Text that is not yet in the sink's markup, for the middle of a line.
fn inline(text: &str, markup: Markup) -> String {
    markup.escaped(&one_line(&cut(text, LONGEST_NAME, Unit::Chars)))
}

/// The bundle's own event, for programs: one of its members would hide the others. The same at every attempt.
fn event(bundle: &Bundle) -> Event {
    let (sort, by) = match &bundle.kind {
        BundleKind::Digest => ("digest", None),
        BundleKind::Group { by } => ("group", Some(by)),
        BundleKind::Throttle { .. } => ("throttle", None),
    };
    let (first, last) = bundle.first.as_ref().map(|first| first.span).unwrap_or_default();
    let types = bundle.by_type();
    let (named, others) = types.split_at(types.len().min(TYPES_NAMED));
    let data = json!({
        "relay": &*bundle.relay,
        "count": bundle.len(),
        "types": named.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
        "other_types": others.iter().map(|(_, count)| count).sum::<usize>(),
        "first": first.to_string(),
        "last": last.to_string(),
        "by": by,
    });
    let number = bundle.ids().first().copied().unwrap_or(DeliveryId::from(0));
    let id = EventId::Given(format!("{sort}-{number}-{}", first.as_microsecond()).into());
    Event { id, ..Event::ours(&format!("delivery.{sort}"), &bundle.relay, last, &data) }
}
