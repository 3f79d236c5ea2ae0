//! Runs one target: first the corpus as it is, then mutants of it until the time is up.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::mutate::Mutator;

/// The default of `TIDINGS_FUZZ_SECONDS`.
const SECONDS: f64 = 10.0;
/// The limit for one input, in a debug build on a busy machine.
const TOO_LONG: Duration = Duration::from_secs(2);
/// An input that takes this long is considered an endless loop.
const STUCK: Duration = Duration::from_secs(60);
/// The number of mutants with a new outcome that join the corpus.
const MOST_KEPT: usize = 4096;

pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) corpus: Vec<Vec<u8>>,
    /// Tokens that are significant to the target, which mutations insert.
    pub(crate) words: &'static [&'static str],
    pub(crate) longest: usize,
}

impl Target {
    /// `run` returns the outcome of an input. Many inputs should share few outcomes.
    pub(crate) fn fuzz<T: Hash>(self, mut run: impl FnMut(&[u8]) -> T) {
        let env = |name: &str| std::env::var(name).ok();
        let seconds = env("TIDINGS_FUZZ_SECONDS").and_then(|value| value.parse().ok()).unwrap_or(SECONDS);
        let seed = env("TIDINGS_SEED").and_then(|value| value.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
        println!("{}: TIDINGS_SEED={seed}", self.name);
        assert!(!self.corpus.is_empty(), "nothing to mutate");
        let Self { name, mut corpus, words, longest } = self;
        let mut mutator = Mutator { random: fastrand::Rng::with_seed(seed), words, longest };
        let mut outcomes = HashSet::new();
        let begun = Instant::now();
        let limit = Duration::from_secs_f64(seconds);
        let watchdog = Watchdog::start(name);
        let (mut executions, mut next_of_corpus) = (0_u32, 0);
        let corpus_len = corpus.len();
        while begun.elapsed() < limit || next_of_corpus < corpus_len {
            let input = match corpus.get(next_of_corpus).filter(|_| next_of_corpus < corpus_len) {
                Some(input) => input.clone(),
                None => mutator.mutant(&corpus),
            };
            next_of_corpus += 1;
            let outcome = watchdog.run(&input, &mut run);
            executions += 1;
            if outcomes.insert(outcome) && next_of_corpus > corpus_len && corpus.len() < corpus_len + MOST_KEPT {
                corpus.push(input);
            }
        }
        let took = begun.elapsed().as_secs_f64();
        let rate = f64::from(executions) / took;
        println!("{name}: {executions} inputs in {took:.1} s, {rate:.0}/s, {} outcomes", outcomes.len());
        assert!(outcomes.len() > 1, "{name} has the same outcome for every input: the target tests nothing");
    }
}

/// Holds the current input, with a thread that reports it if it never ends.
struct Watchdog {
    name: &'static str,
    current: Arc<(AtomicU64, Mutex<Vec<u8>>)>,
}

impl Watchdog {
    fn start(name: &'static str) -> Self {
        let current = Arc::new((AtomicU64::new(0), Mutex::new(Vec::new())));
        let observed = Arc::downgrade(&current);
        std::thread::spawn(move || {
            let (mut latest, mut since) = (u64::MAX, Instant::now());
            while let Some(current) = observed.upgrade() {
                let count = current.0.load(Ordering::Relaxed);
                if count != latest {
                    (latest, since) = (count, Instant::now());
                } else if since.elapsed() > STUCK {
                    let input = current.1.lock().unwrap_or_else(PoisonError::into_inner);
                    println!("{name} does not end for {}", print_input(&input));
                    std::process::exit(101);
                }
                drop(current);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        Self { name, current }
    }

    fn run<T: Hash>(&self, input: &[u8], run: &mut impl FnMut(&[u8]) -> T) -> u64 {
        self.current.0.fetch_add(1, Ordering::Relaxed);
        input.clone_into(&mut self.current.1.lock().unwrap_or_else(PoisonError::into_inner));
        let mut timed = || {
            let begun = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| run(input))).unwrap_or_else(|panic| {
                println!("{} panics for {}", self.name, print_input(input));
                resume_unwind(panic)
            });
            (begun.elapsed(), outcome)
        };
        let (mut took, outcome) = timed();
        // Another process may have used the processor: only an input that is slow every time fails.
        for _ in 0..3 {
            if took > TOO_LONG {
                took = took.min(timed().0);
            }
        }
        assert!(took <= TOO_LONG, "{} takes {took:?} for {}", self.name, print_input(input));
        let mut hasher = DefaultHasher::new();
        outcome.hash(&mut hasher);
        hasher.finish()
    }
}

/// The input as a literal for a test.
fn print_input(input: &[u8]) -> String {
    format!("{} bytes: b\"{}\"", input.len(), input.escape_ascii())
}

/// The part of an error text that identifies where in the code it was made: the text before the first quoted value and
/// after the last one.
pub(crate) fn gist(text: &str) -> String {
    let quote = ['`', '"'];
    let first = text.split(quote).next().unwrap_or_default();
    let last = text.rsplit(quote).next().filter(|_| text.contains(quote)).unwrap_or_default();
    let chars = first.chars().chain(last.chars());
    chars.filter(|c| c.is_ascii_alphabetic() || *c == ' ').take(100).collect()
}
