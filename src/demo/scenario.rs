//! The running demo: one daemon among its stand-ins. Waits for conditions, and shows every message as it arrives.

use std::env;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::daemon::{Daemon, DaemonError};
use super::environment::Environment;
use super::error::{DemoError, STEP_LIMIT};
use super::output::Output;
use super::standins::AttemptOutcome;
use super::tally::{Chat, Tally};

/// What arrives is shown so soon.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Dropping it ends the daemon and the stand-ins.
pub(super) struct Scenario {
    pub(super) output: Output,
    pub(super) daemon: Daemon,
    pub(super) environment: Environment,
    pub(super) tally: Tally,
    /// While many events are sent at once, their messages are shown as numbers: that of the first in the tally.
    pub(super) burst: Option<usize>,
    /// Broken promises that did not abort the demo.
    pub(super) problems: Vec<String>,
    pub(super) started: Instant,
}

impl Scenario {
    pub(super) async fn start(output: Output, relays: &str) -> Result<Self, DemoError> {
        let started = Instant::now();
        let environment = Environment::start()?;
        let mut daemon = environment.daemon(&env::current_exe()?, relays)?;
        // On Ctrl-C the demo ends the daemon itself.
        daemon.use_own_process_group();
        daemon.start()?;
        daemon.wait_until_ready(STEP_LIMIT).await?;
        Ok(Self { output, daemon, environment, tally: Tally::default(), burst: None, problems: Vec::new(), started })
    }

    /// Shows what arrives until `holds`; `condition` describes it for the error.
    pub(super) async fn until(&mut self, condition: &str, holds: impl Fn(&Self) -> bool) -> Result<(), DemoError> {
        if self.show_until(Instant::now() + STEP_LIMIT, holds).await? {
            return Ok(());
        }
        Err(DemoError::TimedOut { condition: condition.to_owned(), log: self.daemon.log_end() })
    }

    /// Shows what arrives until every message wanted so far is there.
    pub(super) async fn until_all_arrived(&mut self) -> Result<(), DemoError> {
        self.until("every wanted message has arrived", |scenario| scenario.tally.lost() == 0).await
    }

    /// Gives a person time to read, and shows what arrives in the meantime.
    pub(super) async fn pause(&mut self, time: Duration) -> Result<(), DemoError> {
        if self.output.is_terminal {
            self.show_until(Instant::now() + time, |_| false).await?;
        }
        Ok(())
    }

    /// True if `holds` came before the deadline.
    pub(super) async fn show_until(
        &mut self,
        deadline: Instant,
        holds: impl Fn(&Self) -> bool,
    ) -> Result<bool, DemoError> {
        loop {
            self.show_new()?;
            if holds(self) {
                return Ok(true);
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                ended = self.daemon.ended() => {
                    return Err(DaemonError::Ended { status: ended?, log: self.daemon.log_end() }.into());
                }
                () = sleep_until(deadline) => return Ok(false),
            }
        }
    }

    /// Shows and counts what has arrived since the last look, and passes events that were posted by hand to the stream.
    pub(super) fn show_new(&mut self) -> io::Result<()> {
        let (output, environment, tally) = (self.output, &self.environment, &mut self.tally);
        for attempt in environment.slack.attempts().read_all() {
            if let AttemptOutcome::Answered { status: status @ 300.., retry_after } = attempt.outcome {
                let wait = retry_after.map_or_else(String::new, |seconds| format!(", Retry-After: {seconds}"));
                output.message("Slack #ops", &format!("(answers {status}{wait})"))?;
            }
        }
        for post in environment.slack.log().read_all() {
            let arrived = tally.arrived(Chat::Slack, &post.text);
            match (self.burst, arrived) {
                (None, _) => output.message("Slack #ops", &post.text)?,
                (Some(first), Some((number, copies))) if number >= first => {
                    let number = number - first + 1;
                    output.part(&if copies == 1 { format!(" {number}") } else { format!(" ({number} again)") })?;
                }
                (Some(_), _) => output.part(" ?")?,
            }
        }
        for post in environment.google_chat.log().read_all() {
            tally.arrived(Chat::GoogleChat, &post.text);
            output.message("Google Chat", &post.text)?;
        }
        for alert in environment.pagerduty.log().read_all() {
            let summary = alert.summary.unwrap_or_default();
            output.message("PagerDuty", &format!("{} {:?}: {summary}", alert.action.to_uppercase(), alert.key))?;
        }
        for event in environment.tutum.api.log().read_all() {
            environment.tutum.stream.send(&event);
        }
        Ok(())
    }

    /// For finding out why something failed.
    pub(super) fn keep_files(&mut self) -> io::Result<()> {
        self.environment.keep_folder = true;
        let folder = self.environment.folder.display();
        self.output.line(&format!("Configuration, state and log are kept in {folder}"))
    }
}
