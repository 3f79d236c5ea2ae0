//! Elements of the history that are not events: counted and logged once, although every page shows them again.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::log_limiter::LogLimiter;
use crate::vsphere::Element;

/// With more different ones they are counted again.
const MAX_KNOWN: usize = 1000;

#[derive(Default)]
pub(crate) struct MalformedEvents {
    known: HashSet<u64>,
    log: LogLimiter,
}

impl MalformedEvents {
    /// True where this one is new. `why` is what it lacks.
    pub(crate) fn add(&mut self, source: &str, element: &Element, why: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        format!("{element:?}").hash(&mut hasher);
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        let new = self.known.insert(hasher.finish());
        if new {
            let class = element.class.as_deref().unwrap_or("no class");
            self.log.note(
                source,
                "skipped an element of vCenter's history that is not an event",
                format!("{class}: {why}"),
            );
        }
        new
    }
}
