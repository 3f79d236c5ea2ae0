//! Type, id, subject and time of an event: as its source knows them, or by templates of relays.toml.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::config_reader::TableReader;
use crate::event::{Body, Event, EventId, Name, digest};
use crate::fault::Fault;
use crate::message::{Unit, cut};
use crate::relay::Template;

/// In characters. A type is matched on, it holds no prose.
const MAX_TYPE: usize = 256;
/// In characters. A subject names one thing, and is part of the key that messages are grouped by.
const MAX_SUBJECT: usize = 1024;
/// In bytes. All ids are remembered for a day or so; a longer one is replaced by its digest.
const MAX_ID: usize = 512;
/// Twice the longest name of an event that any vendor has.
const MAX_VENDOR_TYPE: usize = 64;
/// Numbers from here on are milliseconds: as seconds they would be the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;

/// The templates `type`, `id`, `subject` and `time` of a source's table.
#[derive(Debug, Default)]
pub struct Labels {
    r#type: Option<Template>,
    id: Option<Template>,
    subject: Option<Template>,
    time: Option<Template>,
}

/// Source and kind of an event, and when it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    pub source: &'a Name,
    pub kind: &'a Name,
    pub at: Timestamp,
}

/// What is known of an event without templates. The rest has defaults: a fresh id, the time of arrival.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    pub r#type: Option<String>,
    pub id: Option<String>,
    pub subject: Option<String>,
    pub time: Option<Timestamp>,
}

/// Further names for templates beside `data`.
pub(super) type Roots<'a> = &'a [(Name, Arc<Value>)];

impl Labels {
    /// `roots` are all names that the templates may use.
    pub fn read(table: &TableReader, roots: &[&str]) -> Self {
        let template = |key| table.text(key).and_then(|text| Template::compile(table.reader, &text, roots));
        Self { r#type: template("type"), id: template("id"), subject: template("subject"), time: template("time") }
    }

    /// Whether a template may use this root.
    pub fn mention(&self, root: &str) -> bool {
        let all = [&self.r#type, &self.id, &self.subject, &self.time];
        all.into_iter().flatten().any(|template| template.source().contains(root))
    }

    /// What a template yields replaces what is known. A template that fails is passed to `failed`; the event stays.
    pub fn event(
        &self,
        data: Body,
        known: Known,
        others: Roots,
        arrived: Arrived,
        failed: &mut dyn FnMut(Fault),
    ) -> Event {
        let mut render = |template: &Option<Template>| {
            let text = template.as_ref()?.render_data(&data, others).map_err(&mut *failed).ok()?;
            Some(text).filter(|text| !text.is_empty())
        };
        let known = Known {
            r#type: render(&self.r#type).or(known.r#type),
            id: render(&self.id).or(known.id),
            subject: render(&self.subject).or(known.subject),
            time: render(&self.time).and_then(|text| parse_time(text.trim())).or(known.time),
        };
        known.event(data, arrived)
    }
}

impl Known {
    pub fn event(self, data: Body, arrived: Arrived) -> Event {
        let non_empty = |text: Option<String>| text.filter(|text| !text.is_empty());
        Event {
            id: non_empty(self.id).map_or_else(|| EventId::fresh(arrived.at), |id| EventId::Given(shorten(id))),
            source: arrived.source.clone(),
            kind: arrived.kind.clone(),
            r#type: non_empty(self.r#type).map_or("message".into(), |text| cut(&text, MAX_TYPE, Unit::Chars).into()),
            time: self.time.unwrap_or(arrived.at),
            subject: cut(&self.subject.unwrap_or_default(), MAX_SUBJECT, Unit::Chars).into(),
            data,
        }
    }
}

fn shorten(id: String) -> Box<str> {
    if id.len() <= MAX_ID {
        return id.into();
    }
    digest(&[&id]).into()
}

/// RFC 3339, or seconds or milliseconds since 1970.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let seconds = if number.abs() >= MILLISECONDS_FROM { number / 1e3 } else { number };
    let since_1970 = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    // Below a microsecond a fraction is only a rounding error.
    Timestamp::from_duration(since_1970).ok()?.round(jiff::Unit::Microsecond).ok()
}

/// A type out of a vendor's constant: `SCAN_COMPLETED` becomes `scan.completed`. None where it is no such name.
pub fn dotted_type(name: &str) -> Option<String> {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_name = name.len() <= MAX_VENDOR_TYPE && name.split(['_', '.']).all(is_word);
    is_name.then(|| name.to_ascii_lowercase().replace('_', "."))
}

/// A subject for an image: `repository:tag` or `repository@digest`. Some registries write the digest into the tag.
pub fn image_subject(repository: &str, tag: Option<&str>, digest: Option<&str>) -> String {
    match tag.or(digest) {
        Some(digest) if digest.contains(':') => format!("{repository}@{digest}"),
        Some(tag) => format!("{repository}:{tag}"),
        None => repository.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config_reader::ConfigReader;

    #[test]
    fn times_are_read_in_every_usual_form() {
        let at = |text| parse_time(text).map(|time| time.to_string());
        for text in ["2016-02-01T16:47:28Z", "2016-02-01T17:47:28+01:00", "1454345248", "1454345248000", "1454345248.0"]
        {
            assert_eq!(at(text).as_deref(), Some("2016-02-01T16:47:28Z"), "{text}");
        }
        assert_eq!(at("1454345248123").as_deref(), Some("2016-02-01T16:47:28.123Z"));
        assert_eq!(at("1454345248.5").as_deref(), Some("2016-02-01T16:47:28.5Z"));
        for odd in ["", "yesterday", "NaN", "inf", "1e300", "-1e300", "9e18"] {
            assert_eq!(at(odd), None, "{odd}");
        }
    }

    #[test]
    fn types_are_dotted_lower_case() {
        for (name, r#type) in [
            ("TAG_PUSH", "tag.push"),
            ("PROMOTION", "promotion"),
            ("SCANNER_UPDATE_COMPLETED", "scanner.update.completed"),
            ("artifact.signed", "artifact.signed"),
        ] {
            assert_eq!(dotted_type(name).as_deref(), Some(r#type));
        }
        for odd in ["", "_", "A__B", "TAG_", "<!channel>", "a b", "é", &"A".repeat(65)] {
            assert_eq!(dotted_type(odd), None, "{odd}");
        }
    }

    #[test]
    fn images_are_named_by_tag_or_digest() {
        assert_eq!(image_subject("foo/bar", Some("1.0"), Some("sha256:ab")), "foo/bar:1.0");
        assert_eq!(image_subject("foo/bar", None, Some("sha256:ab")), "foo/bar@sha256:ab");
        assert_eq!(image_subject("foo/bar", Some("sha256:ab"), None), "foo/bar@sha256:ab");
        assert_eq!(image_subject("foo/bar", None, None), "foo/bar");
    }

    const ROOTS: [&str; 3] = ["data", "headers", "body"];

    fn labels(text: &str) -> Labels {
        let reading = ConfigReader::new(text, &|_| None);
        let tree = reading.tree();
        let labels = Labels::read(&TableReader::new(&reading, "source.webhook", &tree), &ROOTS);
        let problems = reading.into_findings().problems;
        assert!(problems.is_empty(), "{problems:?}");
        labels
    }

    fn event(labels: &Labels, data: &str, known: Known, others: Roots) -> (Event, Vec<Fault>) {
        let (source, kind) = (Name::from("in"), Name::from("webhook"));
        let arrived = Arrived { source: &source, kind: &kind, at: Timestamp::UNIX_EPOCH };
        let mut faults = Vec::new();
        let data = Body::parse(data).expect("JSON");
        let event = labels.event(data, known, others, arrived, &mut |fault| faults.push(fault));
        (event, faults)
    }

    #[test]
    fn templates_see_every_root_and_replace_what_is_known() {
        let labels = labels(
            "type = \"{{ headers['x-kind'] }}.{{ data.action }}\"\nid = \"{{ data.id }}\"\nsubject = \"{{ body.group }}\"\ntime = \"{{ data.at }}\"",
        );
        assert!(labels.mention("headers") && labels.mention("body") && !labels.mention("nothing"));
        let others = [
            (Name::from("headers"), Arc::new(json!({"x-kind": "door"}))),
            (Name::from("body"), Arc::new(json!({"group": "hall"}))),
        ];
        let known = Known { r#type: Some("other".into()), id: Some("17".into()), ..Known::default() };
        let (event, faults) = event(&labels, r#"{"action":"open","at":1454345248}"#, known, &others);
        assert_eq!((&*event.r#type, &*event.subject), ("door.open", "hall"));
        assert_eq!(event.id, EventId::Given("17".into()), "a template that yields nothing changes nothing");
        assert_eq!(event.time.to_string(), "2016-02-01T16:47:28Z");
        assert_eq!(faults, []);
    }

    #[test]
    fn a_template_that_fails_leaves_the_default() {
        let (event, faults) =
            event(&labels("subject = \"{{ data.n | round }}\""), r#"{"n":"x"}"#, Known::default(), &[]);
        assert_eq!((&*event.r#type, &*event.subject, event.time), ("message", "", Timestamp::UNIX_EPOCH));
        assert!(matches!(event.id, EventId::Fresh(_)));
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn long_labels_are_cut_and_long_ids_stay_distinct() {
        let labels = labels("type = \"{{ data.t }}\"\nsubject = \"{{ data.t }}\"\nid = \"{{ data.t }}{{ data.n }}\"");
        let long = |n| event(&labels, &json!({"t": "é".repeat(3000), "n": n}).to_string(), Known::default(), &[]).0;
        let (first, second) = (long(1), long(2));
        assert_eq!((first.r#type.chars().count(), first.subject.chars().count()), (MAX_TYPE, MAX_SUBJECT));
        assert_ne!(first.id, second.id);
        assert_eq!(first.id, long(1).id);
        assert!(first.id.to_string().len() < 80);
    }
}
