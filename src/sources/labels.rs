//! What an event is called: as its source knows it, and as relays.toml words it over the event's own data.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::config_reader::TableReader;
use crate::event::{Body, Event, EventId, Name, digest};
use crate::fault::Fault;
use crate::message::{Unit, cut};
use crate::relay::Template;

/// A type is a word to match on, not a place for an essay.
const LONGEST_TYPE: usize = 256;
/// A subject names one thing, and is part of the key that messages are grouped by.
const LONGEST_SUBJECT: usize = 1024;
/// Ids are remembered for a day or so, every one of them; a longer one is remembered by its digest.
const LONGEST_ID: usize = 512;
/// Whole numbers from here on are milliseconds: as seconds they would be the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;

/// The templates `type`, `id`, `subject` and `time` of a source's table.
#[derive(Debug)]
pub(super) struct Labels {
    r#type: Option<Template>,
    id: Option<Template>,
    subject: Option<Template>,
    time: Option<Template>,
}

/// Whose event it is, and when it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived<'a> {
    pub(super) source: &'a Name,
    pub(super) kind: &'a Name,
    pub(super) at: Timestamp,
}

/// What is known of an event without any template. What is not known is made up: a fresh id, the time of arrival.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Known {
    pub(super) r#type: Option<String>,
    pub(super) id: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) time: Option<Timestamp>,
}

/// What templates find at their roots beside `data`.
pub(super) type Roots<'a> = &'a [(Name, Arc<Value>)];

impl Labels {
    /// `roots` are the names that the templates may use.
    pub(super) fn read(table: &TableReader, roots: &[&str]) -> Self {
        let template = |key| table.text(key).and_then(|said| Template::compile(table.reading, &said, roots));
        Self { r#type: template("type"), id: template("id"), subject: template("subject"), time: template("time") }
    }

    /// Whether any template may look at this root.
    pub(super) fn mention(&self, root: &str) -> bool {
        let all = [&self.r#type, &self.id, &self.subject, &self.time];
        all.into_iter().flatten().any(|template| template.source().contains(root))
    }

    /// What the templates say goes before what is known. One that fails costs its label, not the event.
    pub(super) fn event(
        &self,
        data: Body,
        known: Known,
        others: Roots,
        arrived: Arrived,
        failed: &mut dyn FnMut(Fault),
    ) -> Event {
        let mut said = |template: &Option<Template>| {
            let text = template.as_ref()?.render_data(&data, others).map_err(&mut *failed).ok()?;
            Some(text).filter(|text| !text.is_empty())
        };
        let known = Known {
            r#type: said(&self.r#type).or(known.r#type),
            id: said(&self.id).or(known.id),
            subject: said(&self.subject).or(known.subject),
            time: said(&self.time).and_then(|text| moment(text.trim())).or(known.time),
        };
        known.event(data, arrived)
    }
}

impl Known {
    pub(super) fn event(self, data: Body, arrived: Arrived) -> Event {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Event {
            id: some(self.id).map_or_else(|| EventId::fresh(arrived.at), |id| EventId::Given(short(id))),
            source: arrived.source.clone(),
            kind: arrived.kind.clone(),
            r#type: some(self.r#type).map_or("message".into(), |text| cut(&text, LONGEST_TYPE, Unit::Chars).into()),
            time: self.time.unwrap_or(arrived.at),
            subject: cut(&self.subject.unwrap_or_default(), LONGEST_SUBJECT, Unit::Chars).into(),
            data,
        }
    }
}

fn short(id: String) -> Box<str> {
    if id.len() <= LONGEST_ID {
        return id.into();
    }
    digest(&[&id]).into()
}

/// RFC 3339, or seconds or milliseconds since 1970.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let seconds = if number.abs() >= MILLISECONDS_FROM { number / 1e3 } else { number };
    let since = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    // What a number with a point says below a microsecond is rounding, not time.
    Timestamp::from_duration(since).ok()?.round(jiff::Unit::Microsecond).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config_reader::ConfigReader;

    #[test]
    fn moments_are_read_in_every_usual_form() {
        let at = |text| moment(text).map(|time| time.to_string());
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
    fn templates_see_every_root_and_go_before_what_is_known() {
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
        assert_eq!(event.id, EventId::Given("17".into()), "an id that renders to nothing is not said");
        assert_eq!(event.time.to_string(), "2016-02-01T16:47:28Z");
        assert_eq!(faults, []);
    }

    #[test]
    fn a_template_that_fails_costs_its_label_and_what_is_unknown_is_made_up() {
        let (event, faults) =
            event(&labels("subject = \"{{ data.n | round }}\""), r#"{"n":"x"}"#, Known::default(), &[]);
        assert_eq!((&*event.r#type, &*event.subject, event.time), ("message", "", Timestamp::UNIX_EPOCH));
        assert!(matches!(event.id, EventId::Fresh(_)));
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn long_labels_are_cut_and_long_ids_stay_apart() {
        let labels = labels("type = \"{{ data.t }}\"\nsubject = \"{{ data.t }}\"\nid = \"{{ data.t }}{{ data.n }}\"");
        let long = |n| event(&labels, &json!({"t": "é".repeat(3000), "n": n}).to_string(), Known::default(), &[]).0;
        let (first, second) = (long(1), long(2));
        assert_eq!((first.r#type.chars().count(), first.subject.chars().count()), (LONGEST_TYPE, LONGEST_SUBJECT));
        assert_ne!(first.id, second.id);
        assert_eq!(first.id, long(1).id);
        assert!(first.id.to_string().len() < 80);
    }
}
