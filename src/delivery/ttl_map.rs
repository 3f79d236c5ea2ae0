//! What a lane remembers for a while, in bounded memory, under names that the store's notes can have.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::event::digest;

/// Expired entries are removed from this many on, and then whenever the entries have doubled.
const FEW: usize = 4096;
/// Beyond this many, those that expire soonest are removed early.
const MOST: usize = 50_000;
/// A note's name needs no more than this of a key; a digest tells the rest apart.
const KEY_SHOWN: usize = 80;

#[derive(Debug)]
pub(super) struct TtlMap<V> {
    entries: HashMap<String, (V, Timestamp)>,
    prune_at: usize,
}

impl<V> Default for TtlMap<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), prune_at: FEW }
    }
}

impl<V> TtlMap<V> {
    pub(super) fn get(&self, name: &str, now: Timestamp) -> Option<&V> {
        self.entries.get(name).filter(|(_, until)| now < *until).map(|(value, _)| value)
    }

    pub(super) fn until(&self, name: &str) -> Option<Timestamp> {
        self.entries.get(name).map(|(_, until)| *until)
    }

    pub(super) fn put(&mut self, name: String, value: V, until: Timestamp, now: Timestamp) {
        self.entries.insert(name, (value, until));
        if self.entries.len() > self.prune_at {
            self.prune(now);
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.entries.remove(name).is_some()
    }

    fn prune(&mut self, now: Timestamp) {
        self.entries.retain(|_, (_, until)| now < *until);
        if self.entries.len() > MOST {
            let mut ends: Vec<Timestamp> = self.entries.values().map(|(_, until)| *until).collect();
            let (_, earliest, _) = ends.select_nth_unstable(MOST / 4);
            let earliest = *earliest;
            self.entries.retain(|_, (_, until)| *until > earliest);
        }
        self.prune_at = (2 * self.entries.len()).clamp(FEW, MOST);
    }
}

/// A short name for a note about `key`. Two keys never share one: a digest of 64 bits tells long ones apart.
pub(super) fn note_name(purpose: &str, key: &str) -> String {
    if key.len() <= KEY_SHOWN {
        return format!("{purpose}:{key}");
    }
    let head: String = key.chars().take(KEY_SHOWN / 4).collect();
    format!("{purpose}:{head}#{}", digest(&[key]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    #[test]
    fn an_expired_entry_is_gone() {
        let mut map = TtlMap::default();
        map.put("a".to_owned(), 1, at(10), at(0));
        assert_eq!((map.get("a", at(9)), map.get("a", at(10))), (Some(&1), None));
        assert!(map.remove("a") && !map.remove("a"));
    }

    #[test]
    fn the_memory_is_bounded_and_what_expires_last_stays() {
        let mut map = TtlMap::default();
        for n in 0..3 * MOST {
            map.put(n.to_string(), (), at(i64::try_from(n).expect("small") + 1), at(0));
        }
        assert!(map.entries.len() <= MOST + 1, "{}", map.entries.len());
        assert!(map.get(&(3 * MOST - 1).to_string(), at(0)).is_some());
    }
}
