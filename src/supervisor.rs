//! Owns every task of the daemon. A task has a name, and its end is reported.
//!
//! Knows nothing of what its tasks do, and does not decide what the end of the daemon means: `main` does.

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

/// After a run of this length the next failure counts as the first one again.
const STEADY: Duration = Duration::from_secs(60);

/// Called with every restart, and with 0 restarts when a task begins, so that its counter exists.
type Restarts = Arc<dyn Fn(&Name, u64) + Send + Sync>;

pub struct Supervisor {
    stop: Stop,
    backoff: Backoff,
    restarts: Restarts,
    tasks: JoinSet<Result<(), Fault>>,
    names: HashMap<Id, Name>,
}

/// Why the daemon ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The stop was triggered.
    Stopped,
    /// A task that the daemon cannot run without ended by itself.
    Failed { name: Name, fault: Fault },
}

impl Supervisor {
    /// A task that ends after `stop` ends as planned.
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

    /// Runs the task that `make` returns, and another one whenever it ends, until the stop: for what depends on the network.
    pub fn restart<F>(&mut self, name: impl Into<Name>, make: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let name = name.into();
        (self.restarts)(&name, 0);
        let task = restart(name.clone(), make, self.backoff, self.restarts.clone(), self.stop.clone());
        self.spawn(name, task);
    }

    /// Runs a part of the daemon itself: if it ends before the stop, the daemon ends.
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

    /// Resolves when the daemon is to end, for whatever reason. The tasks may still be running then.
    pub async fn wait(&mut self) -> Ended {
        loop {
            tokio::select! {
                biased;
                () = self.stop.wait() => return Ended::Stopped,
                Some((name, end)) = next(&mut self.tasks, &mut self.names) => {
                    // A task may see the stop a moment before this does.
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

    /// Waits until every task has ended, but not longer than `limit`. Aborts the others then, and gives their names.
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
            warn!(task = %name, ?limit, "{name} did not end in time and was aborted");
        }
        self.tasks.shutdown().await;
        left
    }

    fn spawn(&mut self, name: Name, task: impl Future<Output = Result<(), Fault>> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }
}

async fn restart<F>(
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
        warn!(task = %name, reason = fault.reason(), ?wait, "{name} ended, restarting it in {wait:?}: {fault}");
        restarts(&name, 1);
        if stop.or(sleep(wait)).await.is_none() {
            return Ok(());
        }
        info!(task = %name, "restarting {name}");
    }
}

/// A panic is a fault like any other.
async fn caught(task: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    match AssertUnwindSafe(task).catch_unwind().await {
        Ok(end) => end,
        Err(panic) => Err(Fault::new("panicked", format!("panicked: {}", panic_message(&*panic)))),
    }
}

/// The message that a panic was raised with.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

fn by_itself() -> Fault {
    Fault::new("ended", "ended by itself, which is a bug")
}

/// The next task that ends; None when there is none. Cancel safe.
async fn next(
    tasks: &mut JoinSet<Result<(), Fault>>,
    names: &mut HashMap<Id, Name>,
) -> Option<(Name, Result<(), Fault>)> {
    let (id, end) = match tasks.join_next_with_id().await? {
        Ok((id, end)) => (id, end),
        // Panics are caught inside, and tasks are aborted only at the end of a drain.
        Err(error) => (error.id(), Err(Fault::new("aborted", error.to_string()))),
    };
    Some((names.remove(&id).unwrap_or_else(|| Name::from("a task")), end))
}

fn report_late(name: &Name, end: Result<(), Fault>) {
    match end {
        Ok(()) => info!(task = %name, "{name} has ended"),
        Err(fault) => warn!(task = %name, reason = fault.reason(), "{name} ended with an error: {fault}"),
    }
}

#[cfg(test)]
mod tests;
