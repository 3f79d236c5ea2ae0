//! One path's patterns that can be looked up by the value that lies there.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::AhoCorasick;

use super::bits::{self, Bits, words_for};
use super::glob::Glob;
use super::pattern::{Check, Test};
use super::ranges::{Bound, Ranges};
use crate::event::Picked;

/// How a test is found again.
#[derive(Debug)]
pub(super) enum Key {
    Text(Box<str>),
    Number(u64),
    Flag(bool),
    Bound(Bound, f64),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Glob(Glob),
}

/// None where a test has to be asked.
pub(super) fn key_of(test: &Test) -> Option<Key> {
    if test.exists.is_some() || test.not.is_some() {
        return None;
    }
    let [check] = test.checks.as_slice() else { return None };
    match check {
        Check::Text(wanted) => Some(Key::Text(wanted.clone())),
        Check::Number(number) => Some(Key::Number(number_key(*number))),
        Check::Flag(flag) => Some(Key::Flag(*flag)),
        Check::Less(limit) => Some(Key::Bound(Bound::Less, *limit)),
        Check::AtMost(limit) => Some(Key::Bound(Bound::AtMost, *limit)),
        Check::More(limit) => Some(Key::Bound(Bound::More, *limit)),
        Check::AtLeast(limit) => Some(Key::Bound(Bound::AtLeast, *limit)),
        Check::Prefix(prefix) => Some(Key::Prefix(prefix.clone())),
        Check::Suffix(suffix) => Some(Key::Suffix(suffix.clone())),
        Check::Glob(glob) if glob.has_middle() => Some(Key::Glob(glob.clone())),
        Check::Glob(glob) => match (glob.prefix(), glob.suffix()) {
            (prefix, "") => Some(Key::Prefix(prefix.into())),
            ("", suffix) => Some(Key::Suffix(suffix.into())),
            _ => Some(Key::Glob(glob.clone())),
        },
        Check::Regex(_) | Check::Folded(_) => None,
    }
}

/// Zero has two spellings; everything else is equal when its bits are.
fn number_key(number: f64) -> u64 {
    if number == 0.0 { 0 } else { number.to_bits() }
}

#[derive(Debug, Default)]
pub(super) struct Keys {
    texts: HashMap<Box<str>, Posting>,
    numbers: HashMap<u64, Posting>,
    flags: [Posting; 2],
    ranges: Ranges,
    prefixes: BTreeMap<usize, HashMap<Box<str>, Posting>>,
    suffixes: BTreeMap<usize, HashMap<Box<str>, Posting>>,
    globs: Globs,
}

/// Relays of one key: a few numbers, or, where that is shorter, all of them as bits.
#[derive(Debug)]
enum Posting {
    Few(Vec<u32>),
    Many(Bits),
}

impl Default for Posting {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Posting {
    fn push(&mut self, relay: usize) {
        match self {
            Self::Few(relays) => relays.extend(u32::try_from(relay)),
            Self::Many(relays) => relays.set(relay),
        }
    }

    fn seal(&mut self, count: usize) {
        if let Self::Few(relays) = self
            && relays.len() > words_for(count)
        {
            let mut many = Bits::none(count);
            for relay in relays {
                many.set(*relay as usize);
            }
            *self = Self::Many(many);
        }
    }

    fn add_to(&self, found: &mut [u64]) {
        match self {
            Self::Few(relays) => relays.iter().for_each(|relay| bits::set(found, *relay as usize)),
            Self::Many(relays) => bits::add(found, relays.words()),
        }
    }
}

impl Keys {
    pub(super) fn add(&mut self, key: Key, relay: usize) {
        match key {
            Key::Text(text) => self.texts.entry(text).or_default().push(relay),
            Key::Number(number) => self.numbers.entry(number).or_default().push(relay),
            Key::Flag(flag) => self.flags[usize::from(flag)].push(relay),
            Key::Bound(bound, limit) => self.ranges.add(bound, limit, relay),
            Key::Prefix(text) => self.prefixes.entry(text.len()).or_default().entry(text).or_default().push(relay),
            Key::Suffix(text) => self.suffixes.entry(text.len()).or_default().entry(text).or_default().push(relay),
            Key::Glob(glob) => self.globs.add(glob, relay),
        }
    }

    /// Called once, when everything was added.
    pub(super) fn seal(&mut self, count: usize) {
        self.globs.seal();
        self.ranges.seal();
        let lengths = self.prefixes.values_mut().chain(self.suffixes.values_mut()).flat_map(HashMap::values_mut);
        let exact = self.texts.values_mut().chain(self.numbers.values_mut()).chain(&mut self.flags);
        lengths.chain(exact).for_each(|posting| posting.seal(count));
    }

    /// Adds to `found` the relays that take this value.
    pub(super) fn find(&self, value: &Picked, found: &mut [u64]) {
        let mut add = |posting: Option<&Posting>| {
            if let Some(posting) = posting {
                posting.add_to(found);
            }
        };
        match value {
            Picked::Text(text) => {
                if !self.texts.is_empty() {
                    add(self.texts.get(&**text));
                }
                for (length, prefixes) in self.prefixes.range(..=text.len()) {
                    add(text.get(..*length).and_then(|prefix| prefixes.get(prefix)));
                }
                for (length, suffixes) in self.suffixes.range(..=text.len()) {
                    add(text.get(text.len() - length..).and_then(|suffix| suffixes.get(suffix)));
                }
                self.globs.find(text, found);
            }
            Picked::Number(number) => {
                add(self.numbers.get(&number_key(*number)));
                self.ranges.find(*number, found);
            }
            Picked::Bool(flag) => add(self.flags.get(usize::from(*flag))),
            Picked::Null | Picked::Compound => {}
        }
    }
}

/// Globs with something between their stars, or at both ends: all their longest pieces are looked for in one pass.
#[derive(Debug, Default)]
struct Globs {
    all: Vec<(Glob, u32)>,
    /// Those of `all` by the number of the piece that finds them.
    by_piece: Vec<Vec<u32>>,
    pieces: Option<AhoCorasick>,
}

impl Globs {
    fn add(&mut self, glob: Glob, relay: usize) {
        self.all.extend(u32::try_from(relay).map(|relay| (glob, relay)));
    }

    fn seal(&mut self) {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut pieces: Vec<&str> = Vec::new();
        for (at, (glob, _)) in self.all.iter().enumerate() {
            let number = *numbers.entry(glob.longest()).or_insert_with(|| {
                pieces.push(glob.longest());
                self.by_piece.push(Vec::new());
                pieces.len() - 1
            });
            if let Some(globs) = self.by_piece.get_mut(number) {
                globs.extend(u32::try_from(at));
            }
        }
        // It fails for millions of pieces only; then each glob is asked.
        self.pieces = (!pieces.is_empty()).then(|| AhoCorasick::new(pieces).ok()).flatten();
    }

    fn find(&self, text: &str, found: &mut [u64]) {
        let mut ask = |(glob, relay): &(Glob, u32)| {
            if glob.matches(text) {
                bits::set(found, *relay as usize);
            }
        };
        match &self.pieces {
            None => self.all.iter().for_each(ask),
            Some(pieces) => {
                let hits =
                    pieces.find_overlapping_iter(text).filter_map(|hit| self.by_piece.get(hit.pattern().as_usize()));
                hits.flatten().filter_map(|at| self.all.get(*at as usize)).for_each(&mut ask);
            }
        }
    }
}
