//! The configuration keys that all sources with a long-lived connection share.

use std::time::Duration;

use crate::config_reader::{Problem, TableReader};
use crate::reconnect::ReconnectConfig;

/// A smaller limit would reject ordinary messages.
const SMALLEST_FRAME: u64 = 1024;

#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionConfig {
    /// The interval of pings, and the time limit for an answer.
    pub ping: Duration,
    /// Without data for this long the peer is considered dead, even if it answers pings.
    pub idle: Option<Duration>,
    pub reconnect: ReconnectConfig,
    /// The largest frame or message that is read, in bytes.
    pub max_frame: usize,
    /// For connecting, TLS and the handshake together.
    pub connect_timeout: Duration,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(5),
            idle: None,
            reconnect: ReconnectConfig::default(),
            max_frame: 1 << 20,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl ConnectionConfig {
    /// Reads `ping`, `idle`, `max_frame` and `retry = { first, max }`.
    pub fn read(table: &TableReader) -> Self {
        let default = Self::default();
        Self {
            ping: table.wait("ping").unwrap_or(default.ping),
            idle: table.wait("idle"),
            max_frame: max_frame(table).unwrap_or(default.max_frame),
            reconnect: ReconnectConfig::read(table),
            ..default
        }
    }
}

fn max_frame(table: &TableReader) -> Option<usize> {
    let size = table.size("max_frame")?;
    // Offsets into a body are 32 bits.
    match usize::try_from(size) {
        Ok(bytes) if (SMALLEST_FRAME..=u64::from(u32::MAX)).contains(&size) => Some(bytes),
        _ => {
            let span = table.item("max_frame").map_or(table.span.clone(), |item| item.span.clone());
            table.reader.problem(Problem::error(span, "`max_frame` must be at least 1KiB and below 4GiB"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_reader::ConfigReader;

    fn read(text: &str) -> (ConnectionConfig, Vec<String>) {
        let reading = ConfigReader::new(text, &|_| None);
        let tree = reading.tree();
        let table = TableReader::new(&reading, "source.websocket", &tree);
        let config = ConnectionConfig::read(&table);
        table.finish();
        (config, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn missing_keys_have_defaults() {
        assert_eq!(read(""), (ConnectionConfig::default(), vec![]));
        let (config, problems) =
            read("ping = \"1s\"\nidle = \"2m\"\nmax_frame = \"64KiB\"\nretry = { first = \"10ms\", max = \"20ms\" }");
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((config.ping.as_secs(), config.idle.map(|idle| idle.as_secs())), (1, Some(120)));
        assert_eq!((config.max_frame, config.reconnect.retry.first.as_millis()), (65536, 10));
    }

    #[test]
    fn values_that_would_cause_a_busy_loop_or_reject_everything_are_refused() {
        let text =
            "ping = \"0s\"\nidle = \"0ms\"\nmax_frame = \"1B\"\nretry = { first = \"0s\", max = \"1s\", most = 3 }";
        assert_eq!(
            read(text).1,
            [
                "`ping` must be longer than nothing",
                "`idle` must be longer than nothing",
                "`max_frame` must be at least 1KiB and below 4GiB",
                "`first` must be longer than nothing",
                "unknown key `most`",
            ]
        );
        assert_eq!(read("retry = { first = \"5s\", max = \"1s\" }").1, ["`first` is longer than `max`"]);
    }
}
