use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;

use super::*;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

fn muted(relays: &Relays, time: &str) -> bool {
    relays.get(0).quiet().muted(at(time)).is_some()
}

/// When muting begins and ends within a day, to the minute.
fn changes(mute: &str, day: &str) -> Vec<String> {
    let relays = one(&format!("mute = {mute}"));
    let midnight = at(&format!("{day}T00:00:00Z"));
    let state = |minute: i64| relays.get(0).quiet().muted(midnight + SignedDuration::from_mins(minute)).is_some();
    let changed = (0..24 * 60).filter(|minute| state(*minute) != state(minute - 1));
    changed.map(|minute| (midnight + SignedDuration::from_mins(minute)).strftime("%H:%M").to_string()).collect()
}

#[test]
fn a_relay_without_quiet_keys_sends_everything() {
    let relays = one("");
    assert!(relays.get(0).quiet().is_default());
    assert_eq!(relays.get(0).quiet().muted(at("2026-11-21T03:00:00Z")), None);
}

#[test]
fn quiet_keys_are_read() {
    let relays = one(
        "unique = '10m'\nthrottle = { max = 5, per = '1m' }\ngroup = { by = '{{ data.state }} of {{ relay }}' }\nmute = []",
    );
    let quiet = relays.get(0).quiet();
    assert!(!quiet.is_default());
    assert_eq!(quiet.unique, Some(Duration::from_secs(600)));
    assert_eq!(quiet.throttle, Some(Throttle { max: 5, per: Duration::from_secs(60) }));
    assert_eq!(quiet.group.as_ref().map(|group| group.wait), Some(Duration::from_secs(30)));
    let by = quiet.group_of(&tutum(CONTAINER), &"one".into(), &Fetched::default());
    assert_eq!(by, Some(Ok("Starting of one".to_owned())));
    assert_eq!(one("").get(0).quiet().group_of(&tutum(CONTAINER), &"one".into(), &Fetched::default()), None);
}

#[test]
fn muting_has_a_reason() {
    let relays = one("mute = [{ days = 'sat-sun' }, { hours = '22:00-06:00', zone = 'Europe/Berlin' }]");
    let why = |time: &str| relays.get(0).quiet().muted(at(time));
    assert_eq!(why("2026-11-21T12:00:00Z").as_deref(), Some("muted: sat-sun"), "a Saturday");
    assert_eq!(why("2026-11-23T12:00:00Z"), None);
    assert_eq!(why("2026-11-23T21:00:00Z").as_deref(), Some("muted: 22:00-06:00 Europe/Berlin"));
    assert_eq!(why("2026-11-24T05:00:00Z"), None, "six o'clock in Berlin");
    let both = one("mute = { days = ['sat', 'sun'], hours = '00:00-24:00', zone = 'asia/kolkata' }");
    let why = both.get(0).quiet().muted(at("2026-11-21T12:00:00Z"));
    assert_eq!(why.as_deref(), Some("muted: sat,sun 00:00-24:00 asia/kolkata"));
}

#[test]
fn days_are_ranges_and_lists_and_wrap_around_the_week() {
    let days = |text: &str| {
        let relays = one(&format!("mute = {{ days = {text} }}"));
        let muted = |day: &&str| {
            let number = DAYS.iter().position(|known| known == day).expect("a day");
            muted(&relays, &format!("2026-11-{}T00:00:00Z", 16 + number))
        };
        DAYS.iter().filter(|day| muted(day)).copied().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(days("'mon-fri'"), "mon tue wed thu fri");
    assert_eq!(days("'sat, Sun'"), "sat sun");
    assert_eq!(days("'fri-mon'"), "mon fri sat sun");
    assert_eq!(days("['tue', 'thu-fri']"), "tue thu fri");
    assert_eq!(days("'wed-wed'"), "wed");
}

#[test]
fn a_range_past_midnight_belongs_to_the_day_on_which_it_begins() {
    let friday_night = one("mute = { days = 'fri', hours = '22:00-06:00' }");
    for (time, is_muted) in [
        ("2026-11-20T05:59:59Z", false),
        ("2026-11-20T21:59:59Z", false),
        ("2026-11-20T22:00:00Z", true),
        ("2026-11-21T00:00:00Z", true),
        ("2026-11-21T05:59:59.999Z", true),
        ("2026-11-21T06:00:00Z", false),
        ("2026-11-21T22:00:00Z", false),
    ] {
        assert_eq!(muted(&friday_night, time), is_muted, "{time}");
    }
    // It is Saturday in Auckland when it is Friday noon in Greenwich.
    let there = one("mute = { days = 'sat', zone = 'Pacific/Auckland' }");
    assert!(muted(&there, "2026-11-20T11:00:00Z") && !muted(&there, "2026-11-20T10:59:59Z"));
}

#[test]
fn hours_are_local_time() {
    let berlin = |hours: &str| format!("{{ hours = '{hours}', zone = 'Europe/Berlin' }}");
    // 2026-03-29: it is never between two and three.
    assert_eq!(changes(&berlin("02:15-02:45"), "2026-03-29"), Vec::<String>::new());
    assert_eq!(
        changes(&berlin("01:30-03:30"), "2026-03-29"),
        ["00:30", "01:30", "23:30"],
        "one hour, and again tomorrow"
    );
    assert_eq!(changes(&berlin("02:30-04:00"), "2026-03-29"), ["01:00", "02:00"]);
    // 2026-10-25: it is between two and three twice.
    assert_eq!(changes(&berlin("02:15-02:45"), "2026-10-25"), ["00:15", "00:45", "01:15", "01:45"]);
    assert_eq!(changes(&berlin("01:30-03:30"), "2026-10-25"), ["02:30"], "three hours, from 23:30 UTC");
    assert_eq!(changes("{ hours = '22:00-06:00', zone = 'Asia/Kolkata' }", "2026-11-21"), ["00:30", "16:30"]);
    assert_eq!(changes("{ hours = '9:00-12:30' }", "2026-11-21"), ["09:00", "12:30"]);
}

#[derive(Debug, Clone)]
struct JsonView {
    days: (usize, usize),
    minutes: (i64, i64),
    zone: &'static str,
}

/// Walks through every minute of the windows that begin on this day of theirs and the one before.
fn naively(window: &JsonView, time: Timestamp) -> bool {
    let there = time.to_zoned(TimeZone::get(window.zone).expect("a zone")).datetime();
    let there = there.date().at(there.hour(), there.minute(), 0, 0);
    let begins_on = |date: Date| {
        let mut day = window.days.0;
        loop {
            if DAYS[day] == date.strftime("%a").to_string().to_lowercase() {
                return true;
            }
            if day == window.days.1 {
                return false;
            }
            day = (day + 1) % 7;
        }
    };
    let (from, to) = window.minutes;
    let lasts = if to > from { to - from } else { to + 24 * 60 - from };
    let days = [there.date(), there.date().yesterday().expect("a day")];
    days.into_iter()
        .filter(|date| begins_on(*date))
        .any(|date| (0..lasts).any(|minute| date.at(0, 0, 0, 0) + (from + minute).minutes() == there))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn muting_equals_a_walk_through_the_minutes(
        days in (0usize..7, 0usize..7),
        minutes in (0i64..24 * 60, 0i64..=24 * 60).prop_filter("a window", |(from, to)| from != to),
        zone in prop::sample::select(vec!["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns", "UTC"]),
        seconds in prop::collection::vec(1_767_225_600i64..1_798_761_600, 20),
        near in prop::collection::vec(-7200i64..7200, 20),
    ) {
        let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        let window = JsonView { days, minutes, zone };
        let (days, hours) = (format!("{}-{}", DAYS[days.0], DAYS[days.1]), format!("{}-{}", clock(minutes.0), clock(minutes.1)));
        let (relays, _) = read(&format!(
            "[[relay]]\nname = 'one'\nmute = {{ days = '{days}', hours = '{hours}', zone = '{zone}' }}"
        ));
        // Half of them around the two changes of Berlin's clocks.
        let change = |(at, near): (usize, i64)| [1_774_746_000, 1_792_890_000][at % 2] + near;
        for second in seconds.into_iter().chain(near.into_iter().enumerate().map(change)) {
            let time = Timestamp::from_second(second).expect("in range");
            prop_assert_eq!(relays.get(0).quiet().muted(time).is_some(), naively(&window, time), "{} {}", days, time);
        }
    }
}
