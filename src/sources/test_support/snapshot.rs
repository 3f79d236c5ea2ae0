//! For snapshots in tests of sources: one event on four lines, its labels and its default text.

use std::sync::Arc;

use crate::config_reader::{ConfigReader, Spanned, TableReader};
use crate::event::{Event, EventId};
use crate::message::Markup;
use crate::relay::{Defaults, Fetched, Relay, Template};
use crate::sources::source::DefaultText;

/// The event's default text. All of `texts` must compile.
pub(in crate::sources) fn default_text(texts: &'static [DefaultText], event: &Event) -> String {
    let reading = ConfigReader::new("name = \"one\"", &|_| None);
    let tree = reading.tree();
    let mut defaults = Defaults::default();
    for DefaultText { r#type, text } in texts {
        let text = Spanned { value: (*text).to_owned(), span: 0..0 };
        let template = Template::compile(&reading, &text, &Template::ROOTS);
        defaults.add(&event.kind, r#type, template.unwrap_or_else(|| panic!("{type} does not compile: {text:?}")));
    }
    let relay =
        Relay::read(&TableReader::new(&reading, "relay", &tree)).expect("a relay").with_defaults(&Arc::new(defaults));
    relay.render(&Arc::new(event.clone()), &Fetched::default(), Markup::Plain, "console").expect("a message").text
}

pub(in crate::sources) fn snapshot(texts: &'static [DefaultText], event: &Event) -> String {
    let id = match &event.id {
        EventId::Given(id) => id,
        EventId::Fresh(_) => "fresh",
    };
    format!("{} {}\n{id}\n{}\n{}", event.r#type, event.subject, event.time, default_text(texts, event))
}
