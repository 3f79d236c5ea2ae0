//! Durations, sizes and rates as written in relays.toml.

use std::time::Duration;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub times: u32,
    pub per: Duration,
}

const DURATIONS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1000), ("min", 60_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The longest accepted duration: no clock overflows with it.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit))
}

/// `300ms`, `10s`, `5m`, `2h`, `7d`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let malformed = || format!("`{text}` is not a duration; write it like 300ms, 10s, 5m, 2h or 7d");
    let (number, unit) = split_unit(text).ok_or_else(malformed)?;
    let (_, millis) = DURATIONS.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
    let duration = number.checked_mul(*millis).map(Duration::from_millis).ok_or_else(malformed)?;
    if duration > LONGEST {
        return Err(format!("`{text}` is longer than ten years"));
    }
    Ok(duration)
}

/// The largest unit that leaves a whole number: `90s`, `5m`, `2h`.
pub fn print_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let whole = |unit: &&(&str, u64)| unit.0 != "min" && millis >= unit.1 && millis % unit.1 == 0;
    match DURATIONS.iter().rev().find(whole) {
        Some((unit, size)) => format!("{}{unit}", millis / size),
        None => format!("{millis}ms"),
    }
}

/// `512`, `64KiB`, `1MiB`, `1GiB`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let malformed = || format!("`{text}` is not a size; write it like 64KiB, 1MiB or 1GiB");
    let (number, unit) = split_unit(text).ok_or_else(malformed)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(malformed()),
    };
    number.checked_mul(1 << shift).ok_or_else(malformed)
}

/// `1/s`, `120/min`, `none`.
pub fn parse_rate(text: &str) -> Result<Option<Rate>, String> {
    if text == "none" {
        return Ok(None);
    }
    let malformed = || format!("`{text}` is not a rate; write it like 1/s, 120/min or none");
    let (times, per) = text.split_once('/').ok_or_else(malformed)?;
    let times: u32 = times.trim().parse().map_err(|_| malformed())?;
    let (_, millis) = DURATIONS.iter().find(|(name, _)| *name == per.trim()).ok_or_else(malformed)?;
    if times == 0 {
        return Err(format!("`{text}` would never send anything; remove the sink from `to` instead"));
    }
    Ok(Some(Rate { times, per: Duration::from_millis(*millis) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_sizes_and_rates_are_parsed_and_printed() {
        for (text, millis) in [("300ms", 300), ("10s", 10_000), ("5m", 300_000), ("2h", 7_200_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
            assert_eq!(print_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(print_duration(Duration::from_millis(1500)), "1500ms");
        assert_eq!(parse_size("1MiB"), Ok(1 << 20));
        assert_eq!(parse_rate("120/min"), Ok(Some(Rate { times: 120, per: Duration::from_secs(60) })));
        assert_eq!(parse_rate("none"), Ok(None));
    }

    #[test]
    fn malformed_values_are_rejected() {
        for bad in ["", "10", "s", "-1s", "1.5s", "99999999999999999999d", "9999d", "1 s", "é"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        for bad in ["1", "0/s", "1/week", "/s", "one/s"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
        assert!(parse_size("1GB").is_err());
        assert!(parse_size("99999999999GiB").is_err());
    }
}
