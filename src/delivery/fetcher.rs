//! Fetches what a relay's `fetch` names: cached, one request for the same reference at a time, bounded in number and time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout};

use crate::config_reader::TableReader;
use crate::event::Name;
use crate::fault::Fault;
use crate::metrics::{Histogram, Metrics, SourceMetrics};
use crate::sources::Source;

/// Requests to one source's API at the same time.
const MAX_CONCURRENT: usize = 8;
/// How many timeouts a message may wait in all: for its request to begin and for the answer.
const MAX_TIMEOUTS: u32 = 3;
/// Answers cached for one source.
const CAPACITY: usize = 256;
/// For so long a failure is cached, so that a storm of events does not repeat it.
const FAILURES_CACHED: Duration = Duration::from_secs(1);

/// `fetch_timeout`, `fetch_cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchConfig {
    pub timeout: Duration,
    pub cache: Duration,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(3), cache: Duration::from_secs(300) }
    }
}

impl FetchConfig {
    pub fn read(table: &TableReader) -> Self {
        let default = Self::default();
        Self {
            timeout: table.duration("fetch_timeout").unwrap_or(default.timeout),
            cache: table.duration("fetch_cache").unwrap_or(default.cache),
        }
    }
}

/// The look-ups of all sources, shared by all lanes.
#[derive(Debug)]
pub struct Fetcher<S> {
    by_source: HashMap<Name, SourceCache<S>>,
    fetch_seconds: Histogram,
}

#[derive(Debug)]
struct SourceCache<S> {
    source: Arc<S>,
    config: FetchConfig,
    metrics: SourceMetrics,
    permits: Semaphore,
    answers: Mutex<HashMap<String, Answer>>,
}

type Found = Result<Arc<Value>, Fault>;

/// Filled by the first request for its reference; all others wait for the same.
#[derive(Debug, Clone)]
struct Answer {
    cell: Arc<OnceCell<Found>>,
    requested: Instant,
}

impl<S: Source> Fetcher<S> {
    pub fn new(sources: impl IntoIterator<Item = (Name, Arc<S>, FetchConfig)>, metrics: &Metrics) -> Self {
        let cache = |(name, source, config)| {
            let (permits, answers) = (Semaphore::new(MAX_CONCURRENT), Mutex::default());
            let cache = SourceCache { source, config, metrics: metrics.source(&name), permits, answers };
            (name, cache)
        };
        Self { by_source: sources.into_iter().map(cache).collect(), fetch_seconds: metrics.fetch_seconds().clone() }
    }

    /// What `reference` names, as the event's own source knows it.
    pub async fn look_up(&self, source: &Name, reference: &str) -> Found {
        let gone = || Fault::new("no_source", format!("the source {source} no longer exists"));
        let cache = self.by_source.get(source).ok_or_else(gone)?;
        let (answer, known) = cache.answer(reference);
        if known {
            cache.metrics.fetch_hit.inc();
        }
        let found = answer.cell.get_or_init(|| async {
            let began = Instant::now();
            let found = cache.request(reference).await;
            self.fetch_seconds.observe(began.elapsed().as_secs_f64());
            if found.is_ok() { &cache.metrics.fetch_ok } else { &cache.metrics.fetch_failed }.inc();
            found
        });
        // The first request may belong to a lane that is not polled at the moment; the others wait no longer than this.
        match timeout(cache.config.timeout * MAX_TIMEOUTS, found).await {
            Ok(found) => found.clone(),
            Err(_) => Err(too_late()),
        }
    }
}

impl<S: Source> SourceCache<S> {
    /// One attempt; the timeout begins when it gets its permit.
    async fn request(&self, reference: &str) -> Found {
        let _permit = self.permits.acquire().await;
        match timeout(self.config.timeout, self.source.look_up(reference)).await {
            Ok(found) => found.map(Arc::new),
            Err(_) => Err(too_late()),
        }
    }

    /// The entry for this reference, and whether it was there already.
    fn answer(&self, reference: &str) -> (Answer, bool) {
        let now = Instant::now();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = answers.get(reference).filter(|answer| self.is_fresh(answer, now)) {
            return (answer.clone(), true);
        }
        if answers.len() >= CAPACITY {
            answers.retain(|_, answer| self.is_fresh(answer, now));
        }
        if answers.len() >= CAPACITY {
            let oldest = answers.iter().min_by_key(|(_, answer)| answer.requested).map(|(key, _)| key.clone());
            oldest.map(|key| answers.remove(&key));
        }
        let answer = Answer { cell: Arc::default(), requested: now };
        answers.insert(reference.to_owned(), answer.clone());
        (answer, false)
    }

    fn is_fresh(&self, answer: &Answer, now: Instant) -> bool {
        let lifetime = match answer.cell.get() {
            Some(Err(_)) => FAILURES_CACHED.min(self.config.cache),
            // The request is under way: joined at any age.
            None => return true,
            Some(Ok(_)) => self.config.cache,
        };
        now.duration_since(answer.requested) < lifetime
    }
}

fn too_late() -> Fault {
    Fault::new("timeout", "timeout")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Outbox;
    use crate::stop::Stop;
    use futures::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Answers after a second, `bad` with an error, `slow` too late; counts its requests.
    #[derive(Debug, Default)]
    struct Scripted(AtomicUsize);

    impl Source for Scripted {
        async fn run(&self, _out: &Outbox, _stop: &Stop) -> Result<(), Fault> {
            Ok(())
        }

        async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let seconds = if reference == "slow" { 60 } else { 1 };
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            if reference == "bad" { Err(Fault::new("status", "504")) } else { Ok(Value::from(reference)) }
        }
    }

    fn fetcher() -> (Fetcher<Scripted>, Arc<Scripted>, Name) {
        let (source, name) = (Arc::new(Scripted::default()), Name::from("prod"));
        let sources = [(name.clone(), Arc::clone(&source), FetchConfig::default())];
        (Fetcher::new(sources, &Metrics::new()), source, name)
    }

    #[tokio::test(start_paused = true)]
    async fn look_ups_at_once_cause_one_request_and_later_ones_none() {
        let (fetcher, source, prod) = fetcher();
        let found = join_all((0..50).map(|_| fetcher.look_up(&prod, "a"))).await;
        assert!(found.iter().all(|found| found.as_deref() == Ok(&Value::from("a"))));
        assert_eq!(source.0.load(Ordering::Relaxed), 1);
        tokio::time::sleep(Duration::from_secs(299)).await;
        fetcher.look_up(&prod, "a").await.expect("found");
        assert_eq!(source.0.load(Ordering::Relaxed), 2, "the answer was 300 s old by then, counted from its request");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_cached_briefly_and_slowness_has_a_limit() {
        let (fetcher, source, prod) = fetcher();
        assert_eq!(fetcher.look_up(&prod, "bad").await.expect_err("fails").to_string(), "504");
        fetcher.look_up(&prod, "bad").await.expect_err("fails again");
        assert_eq!(source.0.load(Ordering::Relaxed), 2);
        let began = Instant::now();
        assert_eq!(fetcher.look_up(&prod, "slow").await.expect_err("too slow").reason(), "timeout");
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn the_cached_answers_are_bounded() {
        let (fetcher, _, prod) = fetcher();
        join_all((0..3 * CAPACITY).map(|n| {
            let fetcher = &fetcher;
            let prod = &prod;
            async move { fetcher.look_up(prod, &n.to_string()).await }
        }))
        .await;
        assert!(fetcher.by_source[&prod].answers.lock().expect("unpoisoned").len() <= CAPACITY);
    }
}
