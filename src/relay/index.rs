//! Finds the relays whose `match` holds without checking each of them.
//!
//! For each path in use there is a lookup from the value to the set of relays that it satisfies or that do not use the
//! path; the intersection of these sets is the result. So an event costs one lookup for each path and one bit for each
//! relay. Exact strings, numbers, prefixes, suffixes, globs and limits are looked up; other patterns (regexes, `not`)
//! are evaluated, only for relays that are still candidates.

use std::cell::Cell;
use std::collections::HashMap;

use super::bits::{self, Bits};
use super::definition::Relay;
use super::lookup::{LookupTable, lookup_check};
use super::pattern::{FieldPath, Pattern};
use crate::event::{Event, Name, OURSELVES, Picked};

#[derive(Debug, Default)]
pub(super) struct Index {
    count: usize,
    /// For each named source: the relays that receive from it, including those without `from`.
    by_source: HashMap<Name, Bits>,
    /// The relays without `from`: every source except the daemon.
    without_from: Bits,
    paths: Vec<Path>,
}

#[derive(Debug)]
struct Path {
    at: FieldPath,
    /// The relays that use this path.
    using: Bits,
    /// Those that do not.
    not_using: Bits,
    keys: LookupTable,
    /// Relays whose pattern cannot be looked up.
    evaluated: Bits,
    /// Their patterns, in the order of relays.
    patterns: Vec<(usize, Pattern)>,
}

thread_local! {
    /// Two sets of relays, kept from event to event so that matching allocates nothing.
    static SCRATCH: Cell<Vec<u64>> = const { Cell::new(Vec::new()) };
}

impl Index {
    pub(super) fn new(relays: &[Relay]) -> Self {
        let count = relays.len();
        let mut index = Self { count, without_from: Bits::none(count), ..Self::default() };
        for (number, relay) in relays.iter().enumerate() {
            for source in relay.from.iter().flatten() {
                let source = Name::from(source.value.as_str());
                index.by_source.entry(source).or_insert_with(|| Bits::none(count)).set(number);
            }
            if relay.from.is_none() {
                index.without_from.set(number);
            }
        }
        for (source, relays) in &mut index.by_source {
            if &**source != OURSELVES {
                bits::all(index.without_from.words()).for_each(|relay| relays.set(relay));
            }
        }
        let mut places: HashMap<&FieldPath, usize> = HashMap::new();
        for (number, relay) in relays.iter().enumerate() {
            for (at, pattern) in &relay.matches {
                let place = *places.entry(at).or_insert_with(|| {
                    index.paths.push(Path::new(at.clone(), count));
                    index.paths.len() - 1
                });
                if let Some(path) = index.paths.get_mut(place) {
                    path.add(number, pattern);
                }
            }
        }
        for path in &mut index.paths {
            path.keys.seal(count);
        }
        // Paths that are cheap to read and exclude the most come first.
        index.paths.sort_by_key(|path| (path.at.cost(), path.not_using.count()));
        index
    }

    /// Calls `visit` with each relay that wants the event, in their order.
    pub(super) fn wanted(&self, event: &Event, mut visit: impl FnMut(usize)) {
        let length = bits::words_for(self.count);
        let mut scratch = SCRATCH.take();
        scratch.clear();
        scratch.resize(length * 2, 0);
        let (left, found) = scratch.split_at_mut(length);
        if self.narrow(event, left, found) {
            bits::all(left).for_each(&mut visit);
        }
        SCRATCH.set(scratch);
    }

    /// Leaves in `left` the relays that want the event; false if there are none.
    fn narrow(&self, event: &Event, left: &mut [u64], found: &mut [u64]) -> bool {
        match self.by_source.get(&*event.source) {
            Some(relays) => left.copy_from_slice(relays.words()),
            None if event.is_ours() => return false,
            None => left.copy_from_slice(self.without_from.words()),
        }
        if left.iter().all(|word| *word == 0) {
            return false;
        }
        self.paths.iter().all(|path| {
            if !path.using.meets(left) {
                return true;
            }
            found.copy_from_slice(path.not_using.words());
            path.find(event, left, found);
            bits::keep(left, found)
        })
    }
}

impl Path {
    fn new(at: FieldPath, count: usize) -> Self {
        let mut not_using = Bits::none(count);
        (0..count).for_each(|relay| not_using.set(relay));
        Self {
            at,
            using: Bits::none(count),
            not_using,
            keys: LookupTable::default(),
            evaluated: Bits::none(count),
            patterns: Vec::new(),
        }
    }

    /// Called in the order of relays.
    fn add(&mut self, relay: usize, pattern: &Pattern) {
        self.using.set(relay);
        self.not_using.clear(relay);
        if let Some(checks) = pattern.0.iter().map(lookup_check).collect::<Option<Vec<_>>>() {
            for check in checks {
                self.keys.add(check, relay);
            }
        } else {
            self.evaluated.set(relay);
            self.patterns.push((relay, pattern.clone()));
        }
    }

    /// Adds to `found` every relay of `left` that this path satisfies (and perhaps others, not in `left`).
    fn find<'e>(&self, event: &'e Event, left: &[u64], found: &mut [u64]) {
        let evaluate = self.evaluated.meets(left);
        let mut first: Option<Picked<'e>> = None;
        let mut more: Vec<Picked<'e>> = Vec::new();
        self.at.pick(event, &mut |value| {
            self.keys.find(&value, found);
            match &first {
                None => first = Some(value),
                Some(_) if evaluate => more.push(value),
                Some(_) => {}
            }
        });
        if !evaluate {
            return;
        }
        let values: &[Picked] = match (&first, more.is_empty()) {
            (None, _) => &[],
            (Some(only), true) => std::slice::from_ref(only),
            (Some(_), false) => {
                more.extend(first);
                &more
            }
        };
        for relay in bits::both(self.evaluated.words(), left) {
            let at = self.patterns.binary_search_by_key(&relay, |(relay, _)| *relay).ok();
            if at.and_then(|at| self.patterns.get(at)).is_some_and(|(_, pattern)| pattern.matches(values)) {
                bits::set(found, relay);
            }
        }
    }
}
