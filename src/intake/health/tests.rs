//! When a source counts as lost, silent and recovered, against a frozen clock.

use super::*;
use crate::fault::Fault;

const GRACE: u64 = 30;
const STEADY: u64 = 10;

/// What a source did at which second, and what was reported at which.
struct Timeline {
    health: Health,
    start: Instant,
    reported: Vec<(u64, &'static str)>,
}

impl Timeline {
    fn new(expect_every: Option<u64>, alerted: Option<(bool, String)>) -> Self {
        let start = Instant::now();
        let config =
            SourceHealthConfig { expect_every: expect_every.map(Duration::from_secs), ..SourceHealthConfig::default() };
        Self { health: Health::new(config, start, alerted), start, reported: Vec::new() }
    }

    /// Lets time pass until `second`, noting what is due on the way.
    fn until(&mut self, second: u64) {
        let end = self.start + Duration::from_secs(second);
        while let Some(at) = self.health.deadline().filter(|at| *at <= end) {
            if let Some(change) = self.health.due(at) {
                let name = match change {
                    HealthChange::Lost { .. } => "lost",
                    HealthChange::Silent { .. } => "silent",
                    HealthChange::Recovered { .. } => "recovered",
                };
                self.reported.push(((at - self.start).as_secs(), name));
            }
        }
    }

    fn up(mut self, second: u64) -> Self {
        self.until(second);
        self.health.link_changed(self.start + Duration::from_secs(second), LinkState::Up);
        self
    }

    fn down(mut self, second: u64) -> Self {
        self.until(second);
        let why = LinkState::Down(Fault::new("reset", "connection reset"));
        self.health.link_changed(self.start + Duration::from_secs(second), why);
        self
    }

    fn event(mut self, second: u64) -> Self {
        self.until(second);
        self.health.event_received(self.start + Duration::from_secs(second));
        self
    }

    fn held(mut self, second: u64, held: bool) -> Self {
        self.until(second);
        self.health.set_held(self.start + Duration::from_secs(second), held);
        self
    }

    fn reported(mut self) -> Vec<(u64, &'static str)> {
        self.until(100_000);
        self.reported
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_alerts_after_grace_and_resolves_after_steady() {
    let timeline = Timeline::new(None, None).up(1).down(100).up(200);
    assert_eq!(timeline.reported(), [(100 + GRACE, "lost"), (200 + STEADY, "recovered")]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_shorter_than_grace_raises_no_alert() {
    assert_eq!(Timeline::new(None, None).up(1).down(100).up(100 + GRACE - 1).reported(), []);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_comes_up_alerts_too() {
    assert_eq!(Timeline::new(None, None).reported(), [(GRACE, "lost")]);
    assert_eq!(Timeline::new(None, None).down(5).down(20).reported(), [(GRACE, "lost")]);
}

#[tokio::test(start_paused = true)]
async fn a_flapping_source_alerts_once() {
    let mut timeline = Timeline::new(None, None).up(1).down(100);
    for second in (105..400).step_by(10) {
        timeline = timeline.up(second).down(second + 5);
    }
    assert_eq!(timeline.up(500).reported(), [(100 + GRACE, "lost"), (500 + STEADY, "recovered")]);
}

#[tokio::test(start_paused = true)]
async fn an_alert_of_an_earlier_run_is_resolved_and_not_repeated() {
    let open = || Some((false, "reset".to_owned()));
    assert_eq!(Timeline::new(None, open()).up(1).reported(), [(1 + STEADY, "recovered")]);
    assert_eq!(Timeline::new(None, open()).down(1).reported(), []);
}

#[tokio::test(start_paused = true)]
async fn silence_alerts_once_and_ends_with_the_next_event() {
    let timeline = Timeline::new(Some(60), None).up(0).event(50).event(300);
    assert_eq!(timeline.reported(), [(110, "silent"), (300, "recovered"), (360, "silent")]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_no_silence() {
    let timeline = Timeline::new(Some(60), None).up(0).event(50).down(55).up(200).event(230);
    assert_eq!(timeline.reported(), [(55 + GRACE, "lost"), (210, "recovered"), (290, "silent")]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_held_back_is_not_silent() {
    let timeline = Timeline::new(Some(60), None).up(0).event(50).held(55, true);
    assert_eq!(timeline.health.condition().0, SourceState::Held);
    let timeline = timeline.held(500, false);
    assert_eq!(timeline.health.condition().0, SourceState::Up);
    assert_eq!(timeline.reported(), [(560, "silent")]);
}
