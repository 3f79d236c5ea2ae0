//! What a cursor remembers, and that it survives being stored.

use std::time::Duration;

use jiff::Timestamp;

use super::seen::MAX_SEEN;
use super::*;

const OVERLAP: Duration = Duration::from_secs(300);

fn at(second: i64) -> Timestamp {
    Timestamp::new(1_700_000_000 + second, 775_951_534).expect("a time")
}

fn cursor() -> Cursor {
    let mut cursor = Cursor::new("dbed6e0c", 7, Some(at(0)), at(0));
    for second in 0..10 {
        cursor.seen.insert((at(second), i64::MAX - second), at(20));
        cursor.reach((at(second), i64::MAX - second));
    }
    cursor.mark_listened(at(20));
    cursor
}

#[test]
fn a_written_cursor_is_read_back() {
    let cursor = cursor();
    assert_eq!(Cursor::read(&cursor.write(OVERLAP)), Ok(cursor));
}

#[test]
fn what_the_next_reading_can_meet_is_written_and_little_else() {
    let mut cursor = Cursor::new("i", 0, None, at(0));
    for key in 0..30_000 {
        assert!(cursor.seen.insert((at(key), key), at(key)));
        cursor.reach((at(key), key));
    }
    cursor.mark_listened(at(30_000));
    assert_eq!(cursor.seen.order.len(), MAX_SEEN);
    assert_eq!(cursor.seen.forgotten, Some(at(9_999)));
    let read = Cursor::read(&cursor.write(OVERLAP)).expect("a cursor");
    assert_eq!((read.seen.order.len(), read.seen.forgotten), (301, None));
    assert!(read.seen.contains(&(at(29_999), 29_999)) && !read.seen.contains(&(at(1), 1)));
    // A tail shows late events, however old they are.
    cursor.seen.insert((at(1), 30_000), at(30_000));
    assert!(Cursor::read(&cursor.write(OVERLAP)).expect("a cursor").seen.contains(&(at(1), 30_000)));
    let all = cursor.write(Duration::from_secs(86_400));
    assert!(all.len() < 400 << 10, "{}", all.len());
    let read = Cursor::read(&all).expect("a cursor");
    assert_eq!((read.seen.order.len(), read.seen.forgotten), (MAX_SEEN, Some(at(10_000))));
}

#[test]
fn an_event_ahead_of_the_clock_is_forgotten_without_effect() {
    let mut cursor = Cursor::new("i", 0, None, at(0));
    cursor.seen.insert((at(86_400 * 365), 1), at(0));
    for key in 2..=30_000 {
        cursor.seen.insert((at(key), key), at(key));
    }
    cursor.reach((at(30_000), 30_000));
    cursor.mark_listened(at(30_000));
    assert_eq!(cursor.seen.forgotten, Some(at(10_000)));
    assert!(cursor.has_forgotten(at(9_000), Duration::from_secs(86_400)));
    assert!(!cursor.has_forgotten(at(9_000), OVERLAP), "a late event says nothing about what was read");
    cursor.turn_back(at(20_000), Duration::from_secs(86_400), OVERLAP);
    assert_eq!(cursor.seen.forgotten, None);
}

#[test]
fn a_clock_that_is_set_back_reads_no_more_than_the_store_remembers() {
    let day = Duration::from_secs(86_400);
    for (now, since) in [(90_000, 100_000 - 86_400), (10_000, 10_000 - 300)] {
        let mut cursor = Cursor::new("i", 0, None, at(100_000));
        cursor.turn_back(at(now), day, OVERLAP);
        assert_eq!(cursor.since, Some(at(since)));
    }
}

#[test]
fn a_damaged_cursor_is_an_error_and_never_a_panic() {
    let whole = cursor().write(OVERLAP);
    for cut in 0..whole.len() {
        assert!(Cursor::read(whole.get(..cut).expect("ASCII")).is_err(), "{cut}");
    }
    for damage in [
        "null",
        "[]",
        "17",
        &whole.replace("\"version\":2", "\"version\":3"),
        &whole.replace("[[", "[[9223372036854775807,1],["),
        &whole.replace("2023", "20233"),
    ] {
        assert!(Cursor::read(damage).is_err() || damage.contains("9223372036854775807"), "{damage}");
    }
}

#[test]
fn reading_begins_an_overlap_early_but_never_before_since() {
    let mut cursor = cursor();
    assert_eq!(cursor.begin(OVERLAP), Some(at(0)), "nothing before `since`");
    cursor.since = None;
    assert_eq!(cursor.begin(OVERLAP), Some(at(9 - 300)));
    cursor.reach((at(86_400), 1));
    assert_eq!(cursor.begin(OVERLAP), Some(at(20 - 300)), "an event ahead of the clock has no effect");
    assert_eq!(Cursor::new("i", 0, None, at(0)).begin(OVERLAP), None);
}

#[test]
fn an_old_last_event_is_not_expected() {
    let mut cursor = cursor();
    assert!(cursor.expects_last());
    cursor.mark_listened(at(8 * 86_400));
    assert!(!cursor.expects_last());
    assert!(!Cursor::new("i", 0, None, at(0)).expects_last());
}
