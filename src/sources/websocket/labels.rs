//! What an event is called, as relays.toml words it over the event's own data.

use jiff::Timestamp;

use crate::event::{Body, Event, EventId};
use crate::message::{Unit, cut};
use crate::outbox::Outbox;
use crate::relay::Template;
use crate::said::Table;
use crate::socket::Skips;

/// A type is a word to match on, not a place for an essay.
const LONGEST_TYPE: usize = 256;
/// Whole numbers from here on are milliseconds: as seconds they would be the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;

#[derive(Debug)]
pub(super) struct Labels {
    r#type: Option<Template>,
    id: Option<Template>,
    subject: Option<Template>,
    time: Option<Template>,
}

impl Labels {
    pub(super) fn read(table: &Table) -> Self {
        let template = |key| table.text(key).and_then(|said| Template::compile(table.reading, &said, &["data"]));
        Self { r#type: template("type"), id: template("id"), subject: template("subject"), time: template("time") }
    }

    /// A template that fails costs its label, not the event.
    pub(super) fn event(&self, data: Body, out: &Outbox, failures: &mut Skips) -> Event {
        let now = Timestamp::now();
        let mut render = |template: &Option<Template>| {
            let text = template.as_ref()?.render_data(&data);
            let text =
                text.map_err(|fault| failures.note(out.source(), "a label of an event is left out", fault)).ok()?;
            Some(text).filter(|text| !text.is_empty())
        };
        let r#type =
            render(&self.r#type).map_or_else(|| "message".into(), |text| cut(&text, LONGEST_TYPE, Unit::Chars).into());
        let id = render(&self.id).map_or_else(|| EventId::fresh(now), |id| EventId::Given(id.into()));
        let subject = render(&self.subject).unwrap_or_default().into();
        let time = render(&self.time).and_then(|text| moment(text.trim())).unwrap_or(now);
        Event { id, source: out.source().clone(), kind: out.kind().clone(), r#type, time, subject, data }
    }
}

/// RFC 3339, or seconds or milliseconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
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
    use super::*;

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
}
