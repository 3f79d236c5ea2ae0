//! The demo's result: what was sent, what was delivered, and every promise that was broken.

use std::io;

use super::scenario::Scenario;

impl Scenario {
    /// True if every promise was kept.
    pub(super) fn show_result(&mut self) -> io::Result<bool> {
        self.show_new()?;
        let (sent, wanted, delivered) = (self.tally.sent, self.tally.wanted.len(), self.tally.delivered(0));
        let (twice, lost) = (self.tally.twice(), self.tally.lost());
        self.output.heading("Result")?;
        let counts = format!("sent {sent}, wanted {wanted}, delivered {delivered}, twice {twice}, lost {lost}");
        self.output.verdict(lost == 0, &counts)?;
        let alerts = self.environment.pagerduty.alerts();
        let of = |action: &str| alerts.iter().filter(|alert| alert.action == action).collect::<Vec<_>>();
        let (triggers, resolves) = (of("trigger"), of("resolve"));
        let one_each = triggers.len() == 1 && resolves.len() == 1;
        self.output.verdict(one_each, &format!("PagerDuty: {} trigger, {} resolve", triggers.len(), resolves.len()))?;

        let mut problems = std::mem::take(&mut self.problems);
        let mut expect = |holds: bool, otherwise: String| problems.extend((!holds).then_some(otherwise));
        expect(lost == 0, format!("{lost} wanted messages did not arrive"));
        expect(one_each, "an outage must be one trigger and one resolve".to_owned());
        let keys = || triggers.iter().chain(&resolves).map(|alert| &alert.key);
        expect(keys().min() == keys().max(), "trigger and resolve have different keys".to_owned());
        expect(twice <= 1, format!("{twice} messages arrived twice, and only one was being sent at the kill"));
        problems.extend(self.tally.unexpected.iter().map(|text| format!("no relay wants this message: {text:?}")));
        problems.extend(self.environment.offences());
        for problem in &problems {
            self.output.verdict(false, &format!("failed: {problem}"))?;
        }
        self.output.line(&format!("The demo took {} s.", self.started.elapsed().as_secs()))?;
        if !problems.is_empty() {
            self.keep_files()?;
        }
        Ok(problems.is_empty())
    }
}
