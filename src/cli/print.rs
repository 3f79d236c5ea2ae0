//! Output for people: text on stdout, aligned tables, local times and short ages.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::failure::{Exit, Failure};
use crate::message::Markup;

/// Writes to stdout. A closed pipe (`| head`) is no failure.
pub(super) fn out(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Internal, format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// `2 silences ended`
pub(super) fn count(count: u64, thing: &str, done: &str) -> String {
    format!("{count} {thing}{} {done}\n", if count == 1 { "" } else { "s" })
}

/// Columns as wide as their widest cell; `empty` if there are no rows.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]], empty: &str) -> String {
    if rows.is_empty() {
        return format!("{empty}\n");
    }
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned))
        .chain(rows.iter().map(|row| row.each_ref().map(|cell| one_line(cell))))
        .collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            write!(line, "{cell:width$}  ").expect("writing to a string cannot fail");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Text from outside must neither control the terminal nor break the table.
pub(super) fn one_line(text: &str) -> String {
    let line = Markup::Plain.escaped(text).replace(['\n', '\t'], " ");
    if line.is_empty() { "-".to_owned() } else { line }
}

/// A time of the admin API in the local zone, to the second. Text that is not a time stays unchanged.
pub(super) fn local(time: &str) -> String {
    local_in(time, TimeZone::system())
}

fn local_in(time: &str, zone: TimeZone) -> String {
    let Ok(at) = time.parse::<Timestamp>() else { return time.to_owned() };
    at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// How long ago the time was: `3m`. Empty without a time.
pub(super) fn age(time: Option<&str>, now: Timestamp) -> String {
    let at = time.and_then(|time| time.parse::<Timestamp>().ok());
    at.map(|at| span(u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0))).unwrap_or_default()
}

/// Seconds in the largest unit that is not zero.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_escape_their_cells() {
        let rows = [["prod", "up\nand\u{1b}[31m red"], ["läb", ""]].map(|row| row.map(str::to_owned));
        let text = table(["SOURCE", "STATE"], &rows, "none");
        assert_eq!(text, "SOURCE  STATE\nprod    up and\u{fffd}[31m red\nläb     -\n");
        assert_eq!(table(["A"], &[], "no dead letters"), "no dead letters\n");
    }

    #[test]
    fn times_are_local_to_the_second_and_ages_short() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(local_in("2026-01-31T12:00:00.987Z", zone.clone()), "2026-01-31T14:00:00+02:00");
        assert_eq!(local_in("soon", zone), "soon");
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let ago =
            |seconds: i64| age(Some(&Timestamp::from_second(1_000_000 - seconds).expect("a time").to_string()), now);
        assert_eq!([0, 59, 60, 7199, 86_400].map(ago), ["0s", "59s", "1m", "1h", "1d"]);
        assert_eq!(ago(-5), "0s");
        assert_eq!(age(None, now), "");
    }
}
