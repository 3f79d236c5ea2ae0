//! What is remembered for a while, in bounded room.

use std::collections::HashMap;

use jiff::Timestamp;

/// So many entries before those that ran out are let go; after that, whenever there are twice as many as stayed.
const FEW: usize = 4096;
/// Beyond this many what ends soonest is forgotten early.
const MOST: usize = 50_000;

#[derive(Debug)]
pub(super) struct Lasting<V> {
    entries: HashMap<String, (V, Timestamp)>,
    tidy_at: usize,
}

impl<V> Default for Lasting<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), tidy_at: FEW }
    }
}

impl<V> Lasting<V> {
    pub(super) fn get(&self, name: &str, now: Timestamp) -> Option<&V> {
        self.entries.get(name).filter(|(_, until)| now < *until).map(|(value, _)| value)
    }

    pub(super) fn until(&self, name: &str) -> Option<Timestamp> {
        self.entries.get(name).map(|(_, until)| *until)
    }

    pub(super) fn put(&mut self, name: String, value: V, until: Timestamp, now: Timestamp) {
        self.entries.insert(name, (value, until));
        if self.entries.len() > self.tidy_at {
            self.tidy(now);
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.entries.remove(name).is_some()
    }

    /// Rare enough to cost nothing by the entry.
    fn tidy(&mut self, now: Timestamp) {
        self.entries.retain(|_, (_, until)| now < *until);
        if self.entries.len() > MOST {
            let mut ends: Vec<Timestamp> = self.entries.values().map(|(_, until)| *until).collect();
            let (_, soon, _) = ends.select_nth_unstable(MOST / 4);
            let soon = *soon;
            self.entries.retain(|_, (_, until)| *until > soon);
        }
        self.tidy_at = (2 * self.entries.len()).clamp(FEW, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    #[test]
    fn what_ran_out_is_forgotten() {
        let mut lasting = Lasting::default();
        lasting.put("a".to_owned(), 1, at(10), at(0));
        assert_eq!((lasting.get("a", at(9)), lasting.get("a", at(10))), (Some(&1), None));
        assert!(lasting.remove("a") && !lasting.remove("a"));
    }

    #[test]
    fn the_room_is_bounded_and_the_longest_stay() {
        let mut lasting = Lasting::default();
        for n in 0..3 * MOST {
            lasting.put(n.to_string(), (), at(i64::try_from(n).expect("small") + 1), at(0));
        }
        assert!(lasting.entries.len() <= MOST + 1, "{}", lasting.entries.len());
        assert!(lasting.get(&(3 * MOST - 1).to_string(), at(0)).is_some());
    }
}
