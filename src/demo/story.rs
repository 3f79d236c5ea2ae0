//! The story's thread: one daemon among its stand-ins, everything shown as it arrives, and the judgement at the end.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::daemon::Daemon;
use super::scenes;
use super::stage::Stage;
use super::standins::{Alert, Attempt, Outcome, Post, Said};
use super::tally::{Count, Place, Tally};
use super::world::World;

/// Longer than anything in the story takes, even on a machine that is busy otherwise.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the story could not be told to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broke {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the daemon ended by itself ({status}); the end of its log:\n{last_words}")]
    Died { status: ExitStatus, last_words: String },
    #[error("waited {PATIENCE:?} in vain until {what}; the end of the daemon's log:\n{last_words}")]
    InVain { what: String, last_words: String },
    #[error("interrupted")]
    Interrupted,
}

/// Dropping it ends the daemon and the stand-ins.
pub(super) struct Story {
    pub(super) stage: Stage,
    pub(super) daemon: Daemon,
    pub(super) world: World,
    pub(super) tally: Tally,
    pub(super) pile: Option<Pile>,
    /// What went wrong without breaking the story off.
    pub(super) problems: Vec<String>,
    program: PathBuf,
    config: PathBuf,
    shown: Shown,
    began: Instant,
}

/// How much of each log has been shown.
#[derive(Debug, Default)]
struct Shown {
    attempts: usize,
    posts: usize,
    said: usize,
    alerts: usize,
}

/// Many messages that differ in nothing but their mark: shown as numbers.
#[derive(Debug, Default)]
pub(super) struct Pile {
    /// The marks in the order in which they were sent, and whether they have arrived.
    pub(super) marks: Vec<(String, bool)>,
}

impl Story {
    pub(super) async fn begin(stage: Stage) -> Result<Self, Broke> {
        let world = World::start().await?;
        let config = world.write_relays(&scenes::relays_toml(&world))?;
        let program = env::current_exe()?;
        let daemon = Daemon::start(&program, &config, world.variables(), &world.folder().join("daemon.log"))?;
        Ok(Self {
            stage,
            daemon,
            world,
            tally: Tally::default(),
            pile: None,
            problems: Vec::new(),
            program,
            config,
            shown: Shown::default(),
            began: Instant::now(),
        })
    }

    /// The same program with the same file, after it was killed.
    pub(super) fn start_again(&mut self) -> Result<(), Broke> {
        let log = self.world.folder().join("daemon.log");
        self.daemon = Daemon::start(&self.program, &self.config, self.world.variables(), &log)?;
        Ok(())
    }

    /// Shows what arrives until `holds`; `what` says what that is.
    pub(super) async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<(), Broke> {
        if self.watch_until(Instant::now() + PATIENCE, holds).await? {
            return Ok(());
        }
        Err(Broke::InVain { what: what.to_owned(), last_words: self.daemon.last_words() })
    }

    /// Shows what arrives until everything wanted so far is there.
    pub(super) async fn until_all_is_there(&mut self) -> Result<(), Broke> {
        self.until("everything wanted has arrived", |story| story.count().lost == 0).await
    }

    /// Gives a person time to read; shows what arrives meanwhile.
    pub(super) async fn pause(&mut self, time: Duration) -> Result<(), Broke> {
        if self.stage.is_watched() {
            self.watch_until(Instant::now() + time, |_| false).await?;
        }
        Ok(())
    }

    /// True if `holds` came before the deadline.
    pub(super) async fn watch_until(
        &mut self,
        deadline: Instant,
        holds: impl Fn(&Self) -> bool,
    ) -> Result<bool, Broke> {
        // Watched from before the first look, so that nothing can slip in between.
        let mut changes = Changes::of(&self.world);
        loop {
            self.show()?;
            if holds(self) {
                return Ok(true);
            }
            tokio::select! {
                () = changes.next() => {}
                ended = self.daemon.ended() => {
                    return Err(Broke::Died { status: ended?, last_words: self.daemon.last_words() });
                }
                () = sleep_until(deadline) => return Ok(false),
            }
        }
    }

    fn show(&mut self) -> io::Result<()> {
        let (stage, world, shown) = (self.stage, &self.world, &mut self.shown);
        for attempt in new(world.slack.attempts().since(shown.attempts), &mut shown.attempts) {
            if let Outcome::Answered { status: status @ 300.., retry_after } = attempt.outcome {
                let wait = retry_after.map_or_else(String::new, |seconds| format!(", Retry-After: {seconds}"));
                stage.hear("Slack #ops", &format!("(answers {status}{wait})"))?;
            }
        }
        for post in new(world.slack.log().since(shown.posts), &mut shown.posts) {
            match &mut self.pile {
                Some(pile) => stage.murmur(&pile.hear(&post.text))?,
                None => stage.hear("Slack #ops", &post.text)?,
            }
        }
        for said in new(world.google_chat.log().since(shown.said), &mut shown.said) {
            stage.hear("Google Chat", &said.text)?;
        }
        for alert in new(world.pagerduty.log().since(shown.alerts), &mut shown.alerts) {
            let summary = alert.summary.unwrap_or_default();
            stage.hear("PagerDuty", &format!("{} {:?}: {summary}", alert.action.to_uppercase(), alert.key))?;
        }
        Ok(())
    }

    pub(super) fn count(&self) -> Count {
        let slack = self.world.slack.posts().into_iter().map(|post| (Place::Slack, post.text));
        let chat = self.world.google_chat.posts().into_iter().map(|said| (Place::GoogleChat, said.text));
        self.tally.count(&slack.chain(chat).collect::<Vec<_>>())
    }

    /// Says what came of it all; true if every promise was kept.
    pub(super) fn judge(&mut self) -> io::Result<bool> {
        let Count { sent, wanted, delivered, twice, lost, strange } = self.count();
        self.stage.heading("What came of it")?;
        let account = format!("sent {sent}, wanted {wanted}, delivered {delivered}, twice {twice}, lost {lost}");
        self.stage.verdict(lost == 0, &account)?;
        let alerts = self.world.pagerduty.alerts();
        let of = |action: &str| alerts.iter().filter(|alert| alert.action == action).collect::<Vec<_>>();
        let (triggers, resolves) = (of("trigger"), of("resolve"));
        let paged = format!("PagerDuty: {} trigger, {} resolve", triggers.len(), resolves.len());
        let one_each = triggers.len() == 1 && resolves.len() == 1;
        self.stage.verdict(one_each, &paged)?;

        let mut problems = std::mem::take(&mut self.problems);
        let mut expect = |holds: bool, otherwise: String| problems.extend((!holds).then_some(otherwise));
        expect(lost == 0, format!("{lost} wanted messages never arrived"));
        expect(one_each, "an outage is one trigger and one resolve".to_owned());
        let keys = || triggers.iter().chain(&resolves).map(|alert| &alert.key);
        expect(keys().min() == keys().max(), "the resolve has another key than the trigger".to_owned());
        expect(twice <= 1, format!("{twice} messages came twice, and only one was under way at the kill"));
        problems.extend(strange.into_iter().map(|text| format!("nobody wanted this message: {text:?}")));
        problems.extend(self.world.offences());
        for problem in &problems {
            self.stage.verdict(false, &format!("not as promised: {problem}"))?;
        }
        self.stage.say(&format!("The story took {} s.", self.began.elapsed().as_secs()))?;
        if !problems.is_empty() {
            self.leave_traces()?;
        }
        Ok(problems.is_empty())
    }

    /// For those who want to know why.
    pub(super) fn leave_traces(&mut self) -> io::Result<()> {
        self.world.keep_folder();
        let folder = self.world.folder().display();
        self.stage.say(&format!("Configuration, state and log are left in {folder}"))
    }
}

impl Pile {
    /// The number of the message that just arrived.
    fn hear(&mut self, text: &str) -> String {
        let found = self.marks.iter_mut().enumerate().find(|(_, (mark, _))| text.contains(mark.as_str()));
        match found {
            None => " ?".to_owned(),
            Some((number, (_, true))) => format!(" ({} again)", number + 1),
            Some((number, (_, seen))) => {
                *seen = true;
                format!(" {}", number + 1)
            }
        }
    }

    pub(super) fn arrived(&self) -> usize {
        self.marks.iter().filter(|(_, seen)| *seen).count()
    }
}

/// Wakes up when anything changes at a stand-in.
struct Changes {
    attempts: watch::Receiver<Vec<Attempt>>,
    posts: watch::Receiver<Vec<Post>>,
    said: watch::Receiver<Vec<Said>>,
    alerts: watch::Receiver<Vec<Alert>>,
    listening: watch::Receiver<usize>,
}

impl Changes {
    fn of(world: &World) -> Self {
        Self {
            attempts: world.slack.attempts().watch(),
            posts: world.slack.log().watch(),
            said: world.google_chat.log().watch(),
            alerts: world.pagerduty.log().watch(),
            listening: world.tutum.stream.listening(),
        }
    }

    async fn next(&mut self) {
        // None can fail: the world that speaks there outlives the watching.
        tokio::select! {
            _ = self.attempts.changed() => {}
            _ = self.posts.changed() => {}
            _ = self.said.changed() => {}
            _ = self.alerts.changed() => {}
            _ = self.listening.changed() => {}
        }
    }
}

/// Passes the news on and remembers that they were shown.
fn new<T>(news: Vec<T>, shown: &mut usize) -> Vec<T> {
    *shown += news.len();
    news
}
