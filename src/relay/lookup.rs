//! The patterns of one path that can be looked up by its value.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::AhoCorasick;

use super::bits::{self, Bits, words_for};
use super::glob::Glob;
use super::pattern::{Check, Test};
use super::ranges::Ranges;
use crate::event::Picked;

/// The check of a test that can be looked up; None if the test must be evaluated.
pub(super) fn lookup_check(test: &Test) -> Option<&Check> {
    match test {
        Test { exists: None, not: None, checks } => match checks.as_slice() {
            [Check::Regex(_) | Check::Folded(_)] => None,
            [check] => Some(check),
            _ => None,
        },
        _ => None,
    }
}

/// Zero has two representations; other numbers are equal if their bits are.
fn number_key(number: f64) -> u64 {
    if number == 0.0 { 0 } else { number.to_bits() }
}

type ByLength = BTreeMap<usize, HashMap<Box<str>, RelaySet>>;

fn add_by_length(texts: &mut ByLength, text: &str, relay: usize) {
    texts.entry(text.len()).or_default().entry(text.into()).or_default().push(relay);
}

#[derive(Debug, Default)]
pub(super) struct LookupTable {
    texts: HashMap<Box<str>, RelaySet>,
    numbers: HashMap<u64, RelaySet>,
    flags: [RelaySet; 2],
    ranges: Ranges,
    prefixes: ByLength,
    suffixes: ByLength,
    globs: Globs,
}

/// The relays of one key: a list of numbers, or bits where those are shorter.
#[derive(Debug)]
enum RelaySet {
    Few(Vec<u32>),
    Many(Bits),
}

impl Default for RelaySet {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl RelaySet {
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

impl LookupTable {
    /// `check` comes from [`lookup_check`].
    pub(super) fn add(&mut self, check: &Check, relay: usize) {
        match check {
            Check::Text(text) => self.texts.entry(text.clone()).or_default().push(relay),
            Check::Number(number) => self.numbers.entry(number_key(*number)).or_default().push(relay),
            Check::Flag(flag) => self.flags[usize::from(*flag)].push(relay),
            Check::Bound(bound, limit) => self.ranges.add(*bound, *limit, relay),
            Check::Prefix(prefix) => add_by_length(&mut self.prefixes, prefix, relay),
            Check::Suffix(suffix) => add_by_length(&mut self.suffixes, suffix, relay),
            Check::Glob(glob) => match (glob.prefix(), glob.suffix()) {
                (prefix, "") if !glob.has_middle() => add_by_length(&mut self.prefixes, prefix, relay),
                ("", suffix) if !glob.has_middle() => add_by_length(&mut self.suffixes, suffix, relay),
                _ => self.globs.add(glob.clone(), relay),
            },
            Check::Regex(_) | Check::Folded(_) => {}
        }
    }

    /// Called once, after everything was added.
    pub(super) fn seal(&mut self, count: usize) {
        self.globs.seal();
        self.ranges.seal();
        let lengths = self.prefixes.values_mut().chain(self.suffixes.values_mut()).flat_map(HashMap::values_mut);
        let exact = self.texts.values_mut().chain(self.numbers.values_mut()).chain(&mut self.flags);
        lengths.chain(exact).for_each(|relays| relays.seal(count));
    }

    /// Adds to `found` the relays that match this value.
    pub(super) fn find(&self, value: &Picked, found: &mut [u64]) {
        let mut add = |relays: Option<&RelaySet>| {
            if let Some(relays) = relays {
                relays.add_to(found);
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

/// Globs with a middle piece or with both prefix and suffix: one pass searches for the longest piece of each.
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
        // It fails only for millions of pieces; then each glob is evaluated.
        self.pieces = (!pieces.is_empty()).then(|| AhoCorasick::new(pieces).ok()).flatten();
    }

    fn find(&self, text: &str, found: &mut [u64]) {
        let mut evaluate = |(glob, relay): &(Glob, u32)| {
            if glob.matches(text) {
                bits::set(found, *relay as usize);
            }
        };
        match &self.pieces {
            None => self.all.iter().for_each(evaluate),
            Some(pieces) => {
                let hits =
                    pieces.find_overlapping_iter(text).filter_map(|hit| self.by_piece.get(hit.pattern().as_usize()));
                hits.flatten().filter_map(|at| self.all.get(*at as usize)).for_each(&mut evaluate);
            }
        }
    }
}
