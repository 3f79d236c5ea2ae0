//! What relays without a `text` say: words for the events of one kind of source, type by type.
//!
//! Each kind brings its own, the configuration hands them over; nothing in here knows any.

use std::collections::HashMap;

use super::glob::fits;
use super::template::Template;
use crate::event::{Event, Name};

#[derive(Debug, Default)]
pub struct Defaults(HashMap<Name, Vec<(&'static str, Template)>>);

impl Defaults {
    /// From here on, events of this type from sources of this kind are worded so, unless an earlier one fits. `*` in
    /// the type stands for anything.
    pub fn teach(&mut self, kind: &str, r#type: &'static str, text: Template) {
        self.0.entry(Name::from(kind)).or_default().push((r#type, text));
    }

    pub(super) fn text(&self, event: &Event) -> Option<&Template> {
        let texts = self.0.get(&*event.kind)?;
        texts.iter().find(|(r#type, _)| fits(r#type, &event.r#type)).map(|(_, text)| text)
    }
}
