//! The header `Retry-After`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A server that asks for more does not mean it; the lane tries again after this time.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Seconds, or one of the three dates of RFC 9110. None where it is past, zero or unreadable.
pub(super) fn parse(value: &str, now: Timestamp) -> Option<Duration> {
    const DATES: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let value = value.trim();
    // Some servers send a fraction. `inf` and `1e9` are not accepted.
    let wait = if value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let seconds: f64 = value.parse().ok()?;
        Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64()))
    } else {
        let date = DATES.iter().find_map(|form| DateTime::strptime(form, value).ok())?;
        let then = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Duration::try_from(then.duration_since(now)).ok()?
    };
    Some(wait.min(LONGEST_WAIT)).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().expect("a time");
        let half_a_minute = Some(Duration::from_secs(30));
        for (value, wait) in [
            ("30", half_a_minute),
            (" 30 ", half_a_minute),
            ("0.5", Some(Duration::from_millis(500))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", half_a_minute),
            ("Sunday, 06-Nov-94 08:49:37 GMT", half_a_minute),
            ("Sun Nov  6 08:49:37 1994", half_a_minute),
            ("99999999999999999999999999", Some(LONGEST_WAIT)),
            ("Thu, 06 Nov 2994 08:49:37 GMT", Some(LONGEST_WAIT)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", None),
            ("0", None),
            ("-30", None),
            ("", None),
            ("inf", None),
            ("1.2.3", None),
            ("soon", None),
        ] {
            assert_eq!(parse(value, now), wait, "{value:?}");
        }
    }
}
