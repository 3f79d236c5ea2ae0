//! Finds the relays whose `match` holds without asking each of them.
//!
//! Each path that any relay looks at answers with the set of relays that it satisfies or does not
//! concern; what is in all those sets is wanted. So an event costs as much as paths are in use, and
//! a bit for each relay, not a comparison for each. Exact strings, numbers, prefixes, suffixes and
//! globs and limits are looked up; whatever else (regexes, `not`) is asked only where it still matters.

use std::cell::Cell;
use std::collections::HashMap;

use super::bits::{self, Bits};
use super::keys::{Keys, key_of};
use super::pattern::{At, Pattern};
use crate::event::{Event, Name, OURSELVES, Picked};

/// What a relay asks of an event's envelope and body, `when` left aside.
pub(super) struct Wish<'r> {
    /// None: every source but the daemon itself.
    pub(super) from: Option<Vec<&'r str>>,
    pub(super) matches: &'r [(At, Pattern)],
}

#[derive(Debug, Default)]
pub(super) struct Index {
    count: usize,
    /// For each source that is named: the relays that hear it, those that hear everyone included.
    by_source: HashMap<Name, Bits>,
    /// The relays that hear every source but the daemon.
    by_anyone: Bits,
    paths: Vec<Path>,
}

#[derive(Debug)]
struct Path {
    at: At,
    /// The relays that look here.
    asking: Bits,
    /// Those that do not.
    indifferent: Bits,
    keys: Keys,
    /// Relays whose pattern cannot be looked up.
    slow: Bits,
    /// Where in `patterns` the pattern of each slow relay lies; empty if there are none.
    slots: Box<[u32]>,
    patterns: Vec<Pattern>,
}

thread_local! {
    /// Two sets of relays, kept from event to event so that matching allocates nothing.
    static SCRATCH: Cell<Vec<u64>> = const { Cell::new(Vec::new()) };
}

impl Index {
    pub(super) fn new(wishes: &[Wish]) -> Self {
        let count = wishes.len();
        let mut index = Self { count, by_anyone: Bits::none(count), ..Self::default() };
        for (relay, wish) in wishes.iter().enumerate() {
            match &wish.from {
                None => index.by_anyone.set(relay),
                Some(sources) => {
                    for source in sources {
                        index.by_source.entry(Name::from(*source)).or_insert_with(|| Bits::none(count)).set(relay);
                    }
                }
            }
        }
        for (source, relays) in &mut index.by_source {
            if &**source != OURSELVES {
                bits::all(index.by_anyone.words()).for_each(|relay| relays.set(relay));
            }
        }
        let mut places: HashMap<&At, usize> = HashMap::new();
        for (relay, wish) in wishes.iter().enumerate() {
            for (at, pattern) in wish.matches {
                let place = *places.entry(at).or_insert_with(|| {
                    index.paths.push(Path::new(at.clone(), count));
                    index.paths.len() - 1
                });
                if let Some(path) = index.paths.get_mut(place) {
                    path.add(relay, count, pattern);
                }
            }
        }
        for path in &mut index.paths {
            path.keys.seal(count);
        }
        // What is cheap to read and leaves the fewest standing comes first.
        index.paths.sort_by_key(|path| (path.at.cost(), path.indifferent.count()));
        index
    }

    /// Shows `visit` the relays that want the event, in their order.
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

    /// Leaves in `left` who wants the event; false when nobody does.
    fn narrow(&self, event: &Event, left: &mut [u64], found: &mut [u64]) -> bool {
        match self.by_source.get(&*event.source) {
            Some(relays) => left.copy_from_slice(relays.words()),
            None if event.is_ours() => return false,
            None => left.copy_from_slice(self.by_anyone.words()),
        }
        if left.iter().all(|word| *word == 0) {
            return false;
        }
        self.paths.iter().all(|path| {
            if !path.asking.meets(left) {
                return true;
            }
            found.copy_from_slice(path.indifferent.words());
            path.look(event, left, found);
            bits::keep(left, found)
        })
    }
}

impl Path {
    fn new(at: At, count: usize) -> Self {
        let mut indifferent = Bits::none(count);
        (0..count).for_each(|relay| indifferent.set(relay));
        Self {
            at,
            asking: Bits::none(count),
            indifferent,
            keys: Keys::default(),
            slow: Bits::none(count),
            slots: [].into(),
            patterns: Vec::new(),
        }
    }

    fn add(&mut self, relay: usize, count: usize, pattern: &Pattern) {
        self.asking.set(relay);
        self.indifferent.clear(relay);
        let keys: Option<Vec<_>> = pattern.0.iter().map(key_of).collect();
        if let Some(keys) = keys {
            for key in keys {
                self.keys.add(key, relay);
            }
            return;
        }
        self.slow.set(relay);
        if self.slots.is_empty() {
            self.slots = vec![0; count].into();
        }
        if let Some(slot) = self.slots.get_mut(relay) {
            *slot = u32::try_from(self.patterns.len()).unwrap_or(u32::MAX);
        }
        self.patterns.push(pattern.clone());
    }

    /// Adds to `found` every relay of `left` that this path satisfies (and perhaps others, that are out already).
    fn look<'e>(&self, event: &'e Event, left: &[u64], found: &mut [u64]) {
        let ask = self.slow.meets(left);
        let mut first: Option<Picked<'e>> = None;
        let mut more: Vec<Picked<'e>> = Vec::new();
        self.at.pick(event, &mut |value| {
            self.keys.find(&value, found);
            match &first {
                None => first = Some(value),
                Some(_) if ask => more.push(value),
                Some(_) => {}
            }
        });
        if !ask {
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
        for relay in bits::both(self.slow.words(), left) {
            let slot = self.slots.get(relay).and_then(|slot| usize::try_from(*slot).ok());
            if slot.and_then(|slot| self.patterns.get(slot)).is_some_and(|pattern| pattern.matches(values)) {
                bits::set(found, relay);
            }
        }
    }
}
