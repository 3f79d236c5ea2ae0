//! Owns every task of the house. A task has a name, and its end is news.
//!
//! Knows nothing of what its tasks do, and does not decide what the end of the house means: `main` does.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{error, info, warn};

use crate::backoff::Backoff;
use crate::event::Name;
use crate::fault::Fault;
use crate::stop::Stop;

/// A task that ran for so long before it fell was well: its next fall is a first one again.
const STEADY: Duration = Duration::from_secs(60);

/// Told of every restart; also told of 0 restarts when a task begins, so that its counter exists.
type Restarts = Arc<dyn Fn(&Name, u64) + Send + Sync>;

pub struct Supervisor {
    stop: Stop,
    backoff: Backoff,
    restarts: Restarts,
    tasks: JoinSet<Result<(), Fault>>,
    names: HashMap<Id, Name>,
}

/// Why the house ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// A task without which there is no house ended by itself.
    Failed { name: Name, fault: Fault },
}

impl Supervisor {
    /// `stop` is the word that the house is to end: what ends after it ends in peace.
    pub fn new(stop: Stop) -> Self {
        Self {
            stop,
            backoff: Backoff::default(),
            restarts: Arc::new(|_, _| ()),
            tasks: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// `count` is called with the task's name and how many restarts are to be added.
    #[must_use]
    pub fn count_restarts(mut self, count: impl Fn(&Name, u64) + Send + Sync + 'static) -> Self {
        self.restarts = Arc::new(count);
        self
    }

    /// Runs what `make` makes, and makes it again whenever it ends, for ever: for what has to do with the world outside.
    pub fn keep<F>(&mut self, name: impl Into<Name>, make: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let name = name.into();
        (self.restarts)(&name, 0);
        let kept = keep(name.clone(), make, self.backoff, self.restarts.clone(), self.stop.clone());
        self.spawn(name, kept);
    }

    /// Runs a part of the house itself: its end before the stop is the end of the house.
    pub fn run(&mut self, name: impl Into<Name>, task: impl Future<Output = Result<(), Fault>> + Send + 'static) {
        let stop = self.stop.clone();
        self.spawn(name.into(), async move {
            let end = caught(task).await;
            match end {
                Ok(()) if !stop.is_triggered() => Err(by_itself()),
                end => end,
            }
        });
    }

    /// Resolves when the house ends, for whatever reason. The tasks may still be running then.
    pub async fn wait(&mut self) -> Ended {
        loop {
            tokio::select! {
                biased;
                () = self.stop.wait() => return Ended::Stopped,
                Some((name, end)) = next(&mut self.tasks, &mut self.names) => {
                    // A task may have heard the stop a moment before we did.
                    if self.stop.is_triggered() {
                        report_late(&name, end);
                    } else if let Err(fault) = end {
                        error!(task = %name, reason = fault.reason(), "{name} ended: {fault}");
                        return Ended::Failed { name, fault };
                    }
                }
            }
        }
    }

    /// Waits until every task has ended, but not longer than `limit`. What is left then is broken off and named.
    pub async fn drain(&mut self, limit: Duration) -> Vec<Name> {
        let deadline = Instant::now() + limit;
        while let Ok(ended) = timeout_at(deadline, next(&mut self.tasks, &mut self.names)).await {
            match ended {
                Some((name, end)) => report_late(&name, end),
                None => return Vec::new(),
            }
        }
        let mut left: Vec<_> = self.names.drain().map(|(_, name)| name).collect();
        left.sort();
        for name in &left {
            warn!(task = %name, ?limit, "{name} did not end in time and was broken off");
        }
        self.tasks.shutdown().await;
        left
    }

    fn spawn(&mut self, name: Name, task: impl Future<Output = Result<(), Fault>> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }
}

async fn keep<F>(
    name: Name,
    mut make: impl FnMut() -> F + Send,
    backoff: Backoff,
    restarts: Restarts,
    stop: Stop,
) -> Result<(), Fault>
where
    F: Future<Output = Result<(), Fault>> + Send,
{
    let mut waits = backoff.waits();
    loop {
        let began = Instant::now();
        // `make` itself runs inside, so that its panic is caught as well.
        let end = caught(async { make().await }).await;
        if stop.is_triggered() {
            return end;
        }
        let fault = end.err().unwrap_or_else(by_itself);
        if began.elapsed() >= STEADY {
            waits = backoff.waits();
        }
        let wait = waits.next().unwrap_or(backoff.max);
        warn!(task = %name, reason = fault.reason(), ?wait, "{name} ended, starting it again: {fault}");
        restarts(&name, 1);
        if stop.or(sleep(wait)).await.is_none() {
            return Ok(());
        }
        info!(task = %name, "{name} starts again");
    }
}

/// A panic is a fault like any other.
async fn caught(task: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    match AssertUnwindSafe(task).catch_unwind().await {
        Ok(end) => end,
        Err(panic) => Err(Fault::new("panicked", format!("panicked: {}", words(&*panic)))),
    }
}

/// What whoever panicked said.
pub fn words(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

fn by_itself() -> Fault {
    Fault::new("ended", "ended by itself, which it never should")
}

/// The next task that ends; None when there is none. Cancel safe.
async fn next(
    tasks: &mut JoinSet<Result<(), Fault>>,
    names: &mut HashMap<Id, Name>,
) -> Option<(Name, Result<(), Fault>)> {
    let (id, end) = match tasks.join_next_with_id().await? {
        Ok((id, end)) => (id, end),
        // Panics are caught inside, and nobody else can break a task off.
        Err(error) => (error.id(), Err(Fault::new("broken_off", error.to_string()))),
    };
    Some((names.remove(&id).unwrap_or_else(|| Name::from("a task")), end))
}

fn report_late(name: &Name, end: Result<(), Fault>) {
    match end {
        Ok(()) => info!(task = %name, "{name} has ended"),
        Err(fault) => warn!(task = %name, reason = fault.reason(), "{name} ended in trouble: {fault}"),
    }
}

#[cfg(test)]
mod tests;
