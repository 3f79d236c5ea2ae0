//! When a relay sends nothing: days of the week and hours of the day, in a time zone.
//!
//! Hours are local time, so daylight saving needs no special case: skipped hours mute nothing, repeated hours are muted
//! twice. A range past midnight belongs to the day on which it begins.

use std::fmt;
use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::config_reader::{ConfigReader, Item, Node, Problem, Spanned, TableReader, nearest};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAYS_HINT: &str = "days are mon, tue, wed, thu, fri, sat and sun; write them like \"sat,sun\" or \"mon-fri\"";
const HOURS_HINT: &str = "write it like \"22:00-06:00\"; a range past midnight belongs to the day on which it begins";
const ZONE_HINT: &str = "zones are named like Europe/Berlin, America/New_York or UTC";
/// Minutes of a day.
const MIDNIGHT: u16 = 24 * 60;

#[derive(Debug)]
pub(super) struct Mute {
    /// From Monday on.
    days: [bool; 7],
    /// Minutes since midnight; if the end is before the start, the range goes past midnight. None: the whole day.
    hours: Option<Range<u16>>,
    zone: TimeZone,
    /// As written.
    text: String,
}

/// `mute = [{ days = "sat-sun" }, { hours = "22:00-06:00", zone = "Europe/Berlin" }]`, or one such table.
pub(super) fn read(table: &TableReader) -> Vec<Mute> {
    let Some(item) = table.item("mute") else { return Vec::new() };
    let items = match &item.node {
        Node::List(items) => items.as_slice(),
        _ => std::slice::from_ref(item),
    };
    items.iter().filter_map(|item| Mute::read(table.reader, item)).collect()
}

impl Mute {
    fn read(reader: &ConfigReader, item: &Item) -> Option<Self> {
        let table = TableReader::new(reader, "relay.mute", item);
        let written_days = table.texts("days");
        let (written_hours, written_zone) = (table.text("hours"), table.text("zone"));
        let days = written_days.as_ref().map(|spanned| days(reader, spanned));
        let hours = written_hours.as_ref().map(|spanned| hours(reader, spanned));
        let zone = written_zone.as_ref().map(|spanned| zone(reader, spanned));
        let no_days = written_days.as_ref().is_some_and(Vec::is_empty);
        let has_time = (table.has("days") && !no_days) || table.has("hours");
        if !has_time && matches!(item.node, Node::Table(_)) {
            table.missing_with_hint("days", Some("write when: { days = \"sat-sun\" } or { hours = \"22:00-06:00\" }"));
        }
        table.finish();
        let days = days.unwrap_or(has_time.then_some([true; 7]))?;
        let hours = hours.map_or(Some(None), |hours| hours.map(Some))?;
        if days == [true; 7] && hours.as_ref().is_none_or(|hours| *hours == (0..MIDNIGHT)) {
            let problem = Problem::warning(item.span.clone(), "this mutes the relay at all times");
            reader.problem(problem.hint("only messages that resolve an incident would be sent"));
        }
        let words = written_days.into_iter().flatten().map(|spanned| spanned.value).collect::<Vec<_>>().join(",");
        let words =
            [Some(words), written_hours.map(|spanned| spanned.value), written_zone.map(|spanned| spanned.value)];
        let words: Vec<_> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
        Some(Self { days, hours, zone: zone.unwrap_or(Some(TimeZone::UTC))?, text: words.join(" ") })
    }

    pub(super) fn covers(&self, at: Timestamp) -> bool {
        let there = at.to_zoned(self.zone.clone());
        let today = usize::try_from(there.weekday().to_monday_zero_offset()).unwrap_or(0);
        let is_selected = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        let Some(hours) = &self.hours else { return is_selected(today) };
        let minute = u16::try_from(there.hour()).unwrap_or(0) * 60 + u16::try_from(there.minute()).unwrap_or(0);
        if hours.start < hours.end {
            return is_selected(today) && hours.contains(&minute);
        }
        let yesterday = today + 6;
        (minute >= hours.start && is_selected(today)) || (minute < hours.end && is_selected(yesterday))
    }
}

impl fmt::Display for Mute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The trimmed parts of a text and their positions.
fn parts(text: &str, separator: char) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut start = 0;
    text.split(separator).map(move |part| {
        let blank = part.len() - part.trim_start().len();
        let at = start + blank;
        start += part.len() + separator.len_utf8();
        (part.trim(), at..at + part.trim().len())
    })
}

/// `mon-fri`, `sat,sun`, `fri-mon`, or a list of such.
fn days(reader: &ConfigReader, spanned: &[Spanned<String>]) -> Option<[bool; 7]> {
    let mut selected = [false; 7];
    let mut is_valid = !spanned.is_empty();
    for spanned in spanned {
        for (range, at) in parts(&spanned.value, ',') {
            let ends: Vec<_> = parts(range, '-').collect();
            let found: Vec<_> =
                ends.iter().map(|(word, _)| DAYS.iter().position(|day| day.eq_ignore_ascii_case(word))).collect();
            let (first, last) = match found.as_slice() {
                [Some(day)] => (*day, *day),
                [Some(first), Some(last)] => (*first, if last < first { *last + 7 } else { *last }),
                _ => {
                    is_valid = false;
                    let unknown = ends.iter().zip(&found).find(|(_, found)| found.is_none()).map(|(end, _)| end);
                    let (word, part) = unknown.filter(|_| ends.len() < 3).cloned().unwrap_or((range, 0..range.len()));
                    let place = reader.place_in(spanned, at.start + part.start..at.start + part.end);
                    reader.problem(not_a_day(word, place));
                    continue;
                }
            };
            for day in first..=last {
                selected[day % 7] = true;
            }
        }
    }
    is_valid.then_some(selected)
}

fn not_a_day(word: &str, place: Range<usize>) -> Problem {
    let problem = Problem::error(place, format!("`{word}` is not a day of the week"));
    let lower = word.to_ascii_lowercase();
    // The edit distance does not relate `saturday` to `sat`.
    let begun = DAYS.into_iter().find(|day| lower.starts_with(day));
    match begun.or_else(|| nearest(&lower, DAYS)).filter(|_| !word.contains('-')) {
        Some(day) => problem.hint(format!("did you mean `{day}`? {DAYS_HINT}")),
        None => problem.hint(DAYS_HINT),
    }
}

/// `22:00-06:00`; `24:00` is the end of a day.
fn hours(reader: &ConfigReader, spanned: &Spanned<String>) -> Option<Range<u16>> {
    let refuse = |part: Range<usize>, why: String| {
        reader.problem(Problem::error(reader.place_in(spanned, part), why).hint(HOURS_HINT));
        None
    };
    let whole = 0..spanned.value.len();
    let ends: Vec<_> = parts(&spanned.value, '-').collect();
    let [(first, first_at), (last, last_at)] = ends.as_slice() else {
        return refuse(whole, format!("`{}` is not a range of hours", spanned.value));
    };
    match (minute(first).filter(|minute| *minute < MIDNIGHT), minute(last)) {
        (None, _) => refuse(first_at.clone(), format!("`{first}` is not a time of day")),
        (_, None) => refuse(last_at.clone(), format!("`{last}` is not a time of day")),
        (Some(first), Some(last)) if first == last => {
            let problem = Problem::error(reader.place_in(spanned, whole), "this range ends when it begins");
            reader.problem(problem.hint("remove `hours` for whole days"));
            None
        }
        (Some(first), Some(last)) => Some(first..last),
    }
}

/// Minutes since midnight.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, lengths: &[usize]| {
        let fits = lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { text.parse::<u16>().ok() } else { None }
    };
    let (hour, minute) = (number(hour, &[1, 2])?, number(minute, &[2])?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= MIDNIGHT).then_some(all)
}

fn zone(reader: &ConfigReader, spanned: &Spanned<String>) -> Option<TimeZone> {
    // The system's zones are newer than the bundled ones, if it has any.
    let found = TimeZone::get(&spanned.value).or_else(|_| TimeZoneDatabase::bundled().get(&spanned.value));
    if found.is_err() {
        let problem = Problem::error(spanned.span.clone(), format!("there is no time zone `{}`", spanned.value));
        reader.problem(match nearest_zone(&spanned.value) {
            Some(zone) => problem.hint(format!("did you mean `{zone}`? {ZONE_HINT}")),
            None => problem.hint(ZONE_HINT),
        });
    }
    found.ok()
}

/// Without its continent, or misspelled.
fn nearest_zone(word: &str) -> Option<String> {
    let known = TimeZoneDatabase::bundled();
    let known: Vec<_> = known.available().map(|zone| zone.to_string()).collect();
    let wanted = word.replace(' ', "_").to_lowercase();
    let same_place =
        known.iter().find(|zone| zone.rsplit('/').next().is_some_and(|place| place.to_lowercase() == wanted));
    same_place.cloned().or_else(|| nearest(word, known.iter().map(String::as_str)).map(str::to_owned))
}
