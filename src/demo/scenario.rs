//! The running demo: one daemon among its stand-ins. Waits for conditions, and shows every message as it arrives.

use std::env;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::burst::Burst;
use super::counts::{Chat, Counts, Expectations};
use super::daemon::{Daemon, DaemonError};
use super::environment::Environment;
use super::error::{DemoError, STEP_LIMIT};
use super::output::Output;
use super::standins::AttemptOutcome;

/// What arrives is shown so soon.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Dropping it ends the daemon and the stand-ins.
pub(super) struct Scenario {
    pub(super) output: Output,
    pub(super) daemon: Daemon,
    pub(super) environment: Environment,
    pub(super) expectations: Expectations,
    pub(super) burst: Option<Burst>,
    /// Broken promises that did not abort the demo.
    pub(super) problems: Vec<String>,
    pub(super) started: Instant,
    shown: Shown,
}

/// How much of each log has been shown.
#[derive(Debug, Default)]
struct Shown {
    attempts: usize,
    slack: usize,
    google_chat: usize,
    alerts: usize,
    /// Events that were posted to the API by hand, and passed on to the stream.
    by_hand: usize,
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
        Ok(Self {
            output,
            daemon,
            environment,
            expectations: Expectations::default(),
            burst: None,
            problems: Vec::new(),
            started,
            shown: Shown::default(),
        })
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
        self.until("every wanted message has arrived", |scenario| scenario.counts().lost == 0).await
    }

    /// Gives a person time to read, and shows what arrives in the meantime.
    pub(super) async fn pause(&mut self, time: Duration) -> Result<(), DemoError> {
        if self.output.is_terminal() {
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

    fn show_new(&mut self) -> io::Result<()> {
        let (output, environment, shown) = (self.output, &self.environment, &mut self.shown);
        for attempt in counted(environment.slack.attempts().since(shown.attempts), &mut shown.attempts) {
            if let AttemptOutcome::Answered { status: status @ 300.., retry_after } = attempt.outcome {
                let wait = retry_after.map_or_else(String::new, |seconds| format!(", Retry-After: {seconds}"));
                output.message("Slack #ops", &format!("(answers {status}{wait})"))?;
            }
        }
        for post in counted(environment.slack.log().since(shown.slack), &mut shown.slack) {
            match &mut self.burst {
                Some(burst) => output.part(&burst.arrive(&post.text))?,
                None => output.message("Slack #ops", &post.text)?,
            }
        }
        for post in counted(environment.google_chat.log().since(shown.google_chat), &mut shown.google_chat) {
            output.message("Google Chat", &post.text)?;
        }
        for alert in counted(environment.pagerduty.log().since(shown.alerts), &mut shown.alerts) {
            let summary = alert.summary.unwrap_or_default();
            output.message("PagerDuty", &format!("{} {:?}: {summary}", alert.action.to_uppercase(), alert.key))?;
        }
        for event in counted(environment.tutum.api.log().since(shown.by_hand), &mut shown.by_hand) {
            environment.tutum.stream.send(&event);
        }
        Ok(())
    }

    pub(super) fn counts(&self) -> Counts {
        let Environment { slack, google_chat, .. } = &self.environment;
        let slack = slack.posts().into_iter().map(|post| (Chat::Slack, post.text));
        let google_chat = google_chat.posts().into_iter().map(|post| (Chat::GoogleChat, post.text));
        self.expectations.compare(&slack.chain(google_chat).collect::<Vec<_>>())
    }

    /// For finding out why something failed.
    pub(super) fn keep_files(&mut self) -> io::Result<()> {
        let folder = &mut self.environment.folder;
        folder.keep = true;
        let folder = folder.path.display();
        self.output.line(&format!("Configuration, state and log are kept in {folder}"))
    }
}

/// Passes the new entries on and counts them as shown.
fn counted<T>(entries: Vec<T>, shown: &mut usize) -> Vec<T> {
    *shown += entries.len();
    entries
}
