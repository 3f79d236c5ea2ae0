//! The texts of relays without a `text`: by kind of source and type of event. The kinds bring them.

use std::collections::HashMap;

use super::glob::glob_matches;
use super::template::Template;
use crate::event::{Event, Name};

#[derive(Debug, Default)]
pub struct Defaults(HashMap<Name, Vec<(&'static str, Template)>>);

impl Defaults {
    /// The text for events of this type, a glob, from sources of this kind. The first match wins.
    pub fn add(&mut self, kind: &str, r#type: &'static str, text: Template) {
        self.0.entry(Name::from(kind)).or_default().push((r#type, text));
    }

    pub(super) fn text(&self, event: &Event) -> Option<&Template> {
        let texts = self.0.get(&*event.kind)?;
        texts.iter().find(|(r#type, _)| glob_matches(r#type, &event.r#type)).map(|(_, text)| text)
    }
}
