//! One event on four lines, as snapshots of sources show it: what it is called, and what is said of it by default.

use std::sync::Arc;

use super::DefaultText;
use crate::config_reader::{ConfigReader, Spanned, TableReader};
use crate::event::{Event, EventId};
use crate::message::Markup;
use crate::relay::{Defaults, Fetched, Relay, Template};

/// Every text must compile.
pub(super) fn message(texts: &'static [DefaultText], event: &Event) -> String {
    let reading = ConfigReader::new("name = \"one\"", &|_| None);
    let tree = reading.tree();
    let mut defaults = Defaults::default();
    for DefaultText { r#type, text } in texts {
        let said = Spanned { value: (*text).to_owned(), span: 0..0 };
        let template = Template::compile(&reading, &said, &Template::ROOTS);
        defaults.add(&event.kind, r#type, template.unwrap_or_else(|| panic!("{type} does not compile: {text}")));
    }
    let relay =
        Relay::read(&TableReader::new(&reading, "relay", &tree)).expect("a relay").with_defaults(&Arc::new(defaults));
    relay.render(&Arc::new(event.clone()), &Fetched::default(), Markup::Plain, "console").expect("worded").text
}

pub(super) fn retold(texts: &'static [DefaultText], event: &Event) -> String {
    let id = match &event.id {
        EventId::Given(id) => id,
        EventId::Fresh(_) => "fresh",
    };
    format!("{} {}\n{id}\n{}\n{}", event.r#type, event.subject, event.time, message(texts, event))
}
