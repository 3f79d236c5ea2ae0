//! When a source counts as lost, silent, and back. Decides; moments are handed in.
//!
//! Only `steady` ends an outage, so a flapping source alerts once.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::config_reader::TableReader;
use crate::outbox::LinkState;

/// `grace`, `steady`, `expect_every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceHealthConfig {
    /// A shorter outage alerts nobody.
    pub grace: Duration,
    /// How long a source must be up again for the outage to be over.
    pub steady: Duration,
    /// Silence longer than this is trouble; None where silence is normal.
    pub expect_every: Option<Duration>,
}

impl Default for SourceHealthConfig {
    fn default() -> Self {
        Self { grace: Duration::from_secs(30), steady: Duration::from_secs(10), expect_every: None }
    }
}

impl SourceHealthConfig {
    pub fn read(table: &TableReader) -> Self {
        let default = Self::default();
        Self {
            grace: table.duration("grace").unwrap_or(default.grace),
            steady: table.duration("steady").unwrap_or(default.steady),
            expect_every: table.duration("expect_every"),
        }
    }
}

/// What is shown of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub state: State,
    pub since: Timestamp,
    pub why: Option<String>,
    /// Whether somebody was alerted and not yet told that it is over.
    pub alerted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Connecting,
    Up,
    Lost,
    Silent,
}

impl Condition {
    pub fn new(state: State) -> Self {
        Self { state, since: Timestamp::now(), why: None, alerted: false }
    }
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Lost => "lost",
            Self::Silent => "silent",
        }
    }
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    Lost { why: String, after: Duration },
    Silent { after: Duration },
    Recovered { after: Duration },
}

/// Decides; moments are handed in.
#[derive(Debug)]
pub(super) struct Health {
    habits: SourceHealthConfig,
    line: LinkState,
    up_since: Option<Instant>,
    last_event: Instant,
    outage: Option<Outage>,
}

#[derive(Debug, PartialEq)]
struct Outage {
    since: Instant,
    why: String,
    alerted: bool,
    /// A silence ends with the next event, not with a connection.
    silence: bool,
}

impl Health {
    /// A source that is not up yet is on its way into an outage; `alerted` says that one was open when we last stopped.
    pub(super) fn new(habits: SourceHealthConfig, now: Instant, alerted: Option<(bool, String)>) -> Self {
        let open = alerted.is_some();
        let (silence, why) = alerted.unwrap_or((false, "it has not come up".to_owned()));
        let outage = Outage { since: now, why, alerted: open, silence };
        Self { habits, line: LinkState::Connecting, up_since: None, last_event: now, outage: Some(outage) }
    }

    /// The source said how it is.
    pub(super) fn line(&mut self, now: Instant, line: LinkState) {
        match &line {
            LinkState::Up => {
                self.up_since.get_or_insert(now);
            }
            LinkState::Connecting => self.up_since = None,
            LinkState::Down(why) => {
                self.up_since = None;
                let outage = self.outage.get_or_insert_with(|| Outage {
                    since: now,
                    why: String::new(),
                    alerted: false,
                    silence: false,
                });
                if !outage.silence {
                    outage.why = why.to_string();
                }
            }
        }
        self.line = line;
    }

    /// An event came.
    pub(super) fn heard(&mut self, at: Instant) {
        self.last_event = self.last_event.max(at);
    }

    /// What is due at `now`. Call again until it has nothing more to say.
    pub(super) fn due(&mut self, now: Instant) -> Option<News> {
        let due = self.next().is_some_and(|(at, _)| at <= now);
        let (_, turn) = self.next().filter(|_| due)?;
        match turn {
            Turn::Alert => {
                let outage = self.outage.as_mut()?;
                outage.alerted = true;
                Some(News::Lost { why: outage.why.clone(), after: now - outage.since })
            }
            Turn::Steady => {
                let outage = self.outage.take()?;
                // Silence counts anew from here: nobody could be heard during an outage.
                self.last_event = self.last_event.max(now);
                let told = outage.alerted.then(|| News::Recovered { after: now - outage.since });
                told.or_else(|| self.due(now))
            }
            Turn::Silence => {
                let since = self.last_event;
                self.outage = Some(Outage { since, why: "nothing was heard".into(), alerted: true, silence: true });
                Some(News::Silent { after: now - since })
            }
        }
    }

    /// Whether the next event ends an outage.
    pub(super) fn is_silent(&self) -> bool {
        self.outage.as_ref().is_some_and(|outage| outage.silence)
    }

    /// When something will be due, if nothing changes until then.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next().map(|(at, _)| at)
    }

    fn next(&self) -> Option<(Instant, Turn)> {
        match (&self.outage, self.up_since) {
            (Some(outage), Some(_)) if outage.silence => {
                (self.last_event > outage.since).then_some((self.last_event, Turn::Steady))
            }
            (Some(_), Some(up)) => Some((up + self.habits.steady, Turn::Steady)),
            (Some(outage), None) if !outage.alerted => Some((outage.since + self.habits.grace, Turn::Alert)),
            (_, None) => None,
            (None, Some(up)) => self.habits.expect_every.map(|every| (self.last_event.max(up) + every, Turn::Silence)),
        }
    }

    /// The state, why it is so, and whether somebody was alerted of it.
    pub(super) fn condition(&self) -> (State, Option<String>, bool) {
        let alerted = self.outage.as_ref().is_some_and(|outage| outage.alerted);
        let why = self.outage.as_ref().map(|outage| outage.why.clone());
        match (&self.line, &self.outage) {
            (LinkState::Up, Some(outage)) if outage.silence => (State::Silent, why, alerted),
            (LinkState::Up, _) => (State::Up, None, alerted),
            (LinkState::Connecting, _) => (State::Connecting, None, alerted),
            (LinkState::Down(_), _) => (State::Lost, why, alerted),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    Alert,
    Steady,
    Silence,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;

    const GRACE: u64 = 30;
    const STEADY: u64 = 10;

    /// A source's life in seconds: what it said when, and what was told when.
    struct Life {
        health: Health,
        start: Instant,
        told: Vec<(u64, &'static str)>,
    }

    impl Life {
        fn new(expect_every: Option<u64>, alerted: Option<(bool, String)>) -> Self {
            let start = Instant::now();
            let habits = SourceHealthConfig {
                expect_every: expect_every.map(Duration::from_secs),
                ..SourceHealthConfig::default()
            };
            Self { health: Health::new(habits, start, alerted), start, told: Vec::new() }
        }

        /// Lets time pass until `second`, noting what falls due on the way.
        fn until(&mut self, second: u64) {
            let end = self.start + Duration::from_secs(second);
            while let Some(at) = self.health.deadline().filter(|at| *at <= end) {
                if let Some(news) = self.health.due(at) {
                    let word = match news {
                        News::Lost { .. } => "lost",
                        News::Silent { .. } => "silent",
                        News::Recovered { .. } => "recovered",
                    };
                    self.told.push(((at - self.start).as_secs(), word));
                }
            }
        }

        fn up(mut self, second: u64) -> Self {
            self.until(second);
            self.health.line(self.start + Duration::from_secs(second), LinkState::Up);
            self
        }

        fn down(mut self, second: u64) -> Self {
            self.until(second);
            let why = LinkState::Down(Fault::new("reset", "connection reset"));
            self.health.line(self.start + Duration::from_secs(second), why);
            self
        }

        fn heard(mut self, second: u64) -> Self {
            self.until(second);
            self.health.heard(self.start + Duration::from_secs(second));
            self
        }

        fn told(mut self) -> Vec<(u64, &'static str)> {
            self.until(100_000);
            self.told
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_alerts_after_grace_and_resolves_after_steady() {
        let life = Life::new(None, None).up(1).down(100).up(200);
        assert_eq!(life.told(), [(100 + GRACE, "lost"), (200 + STEADY, "recovered")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_blip_shorter_than_grace_alerts_nobody() {
        assert_eq!(Life::new(None, None).up(1).down(100).up(100 + GRACE - 1).told(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_never_comes_up_alerts_too() {
        assert_eq!(Life::new(None, None).told(), [(GRACE, "lost")]);
        assert_eq!(Life::new(None, None).down(5).down(20).told(), [(GRACE, "lost")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flapping_source_alerts_once() {
        let mut life = Life::new(None, None).up(1).down(100);
        for second in (105..400).step_by(10) {
            life = life.up(second).down(second + 5);
        }
        assert_eq!(life.up(500).told(), [(100 + GRACE, "lost"), (500 + STEADY, "recovered")]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_alert_of_an_earlier_life_is_resolved_and_not_repeated() {
        let open = || Some((false, "reset".to_owned()));
        assert_eq!(Life::new(None, open()).up(1).told(), [(1 + STEADY, "recovered")]);
        assert_eq!(Life::new(None, open()).down(1).told(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_alerts_once_and_ends_with_the_next_event() {
        let life = Life::new(Some(60), None).up(0).heard(50).heard(300);
        assert_eq!(life.told(), [(110, "silent"), (300, "recovered"), (360, "silent")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_is_no_silence() {
        let life = Life::new(Some(60), None).up(0).heard(50).down(55).up(200).heard(230);
        assert_eq!(life.told(), [(55 + GRACE, "lost"), (210, "recovered"), (290, "silent")]);
    }
}
