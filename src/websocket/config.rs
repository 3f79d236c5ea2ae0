//! How a connection is kept: the keys that all sources with a WebSocket share.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::config_reader::{Problem, TableReader};

/// Below this an honest message would not fit.
const LEAST_FRAME: u64 = 1024;

#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionConfig {
    /// How often the peer is asked for a sign of life, and how long it has for one.
    pub ping: Duration,
    /// No data for so long means a dead peer, whatever its pongs say.
    pub idle: Option<Duration>,
    pub retry: Backoff,
    /// A frame or message above this is not read, in bytes.
    pub max_frame: usize,
    /// How long connecting, TLS and the handshake may take together.
    pub patience: Duration,
    /// The wait after refused credentials: a person must change something first.
    pub refused: Duration,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(5),
            idle: None,
            retry: Backoff::default(),
            max_frame: 1 << 20,
            patience: Duration::from_secs(10),
            refused: Duration::from_secs(300),
        }
    }
}

impl ConnectionConfig {
    /// Reads `ping`, `idle`, `max_frame` and `retry = { first, max }`.
    pub fn read(table: &TableReader) -> Self {
        let usual = Self::default();
        Self {
            ping: table.wait("ping").unwrap_or(usual.ping),
            idle: table.wait("idle"),
            max_frame: max_frame(table).unwrap_or(usual.max_frame),
            retry: Backoff::read(table),
            ..usual
        }
    }
}

fn max_frame(table: &TableReader) -> Option<usize> {
    let size = table.size("max_frame")?;
    // Offsets into a body are 32 bits.
    match usize::try_from(size) {
        Ok(bytes) if (LEAST_FRAME..=u64::from(u32::MAX)).contains(&size) => Some(bytes),
        _ => {
            let place = table.item("max_frame").map_or(table.span.clone(), |item| item.span.clone());
            table.reading.problem(Problem::error(place, "`max_frame` must be at least 1KiB and below 4GiB"));
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
        let habits = ConnectionConfig::read(&table);
        table.finish();
        (habits, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        assert_eq!(read(""), (ConnectionConfig::default(), vec![]));
        let (habits, problems) =
            read("ping = \"1s\"\nidle = \"2m\"\nmax_frame = \"64KiB\"\nretry = { first = \"10ms\", max = \"20ms\" }");
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((habits.ping.as_secs(), habits.idle.map(|idle| idle.as_secs())), (1, Some(120)));
        assert_eq!((habits.max_frame, habits.retry.first.as_millis()), (65536, 10));
    }

    #[test]
    fn what_would_spin_or_never_hear_is_refused() {
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
