//! What stands among the events and is none: counted once, though every page shows it again.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::log_limiter::LogLimiter;
use crate::vsphere::Element;

/// No server is so odd for long; then the same ones are counted once more.
const KNOWN: usize = 1000;

#[derive(Default)]
pub(super) struct Odd {
    known: HashSet<u64>,
    skips: LogLimiter,
}

impl Odd {
    /// True where this one was not met before.
    pub(super) fn note(&mut self, source: &str, element: &Element, why: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        format!("{element:?}").hash(&mut hasher);
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        let new = self.known.insert(hasher.finish());
        if new {
            let class = element.class.as_deref().unwrap_or("no class");
            self.skips.note(
                source,
                "something in vCenter's history is no event and was skipped",
                format!("{class}: {why}"),
            );
        }
        new
    }
}
