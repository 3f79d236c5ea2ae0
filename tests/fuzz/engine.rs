//! Runs one target: the corpus as it is, then mutants of it until the time is over.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::mutate::Mutator;

/// Unless `TIDINGS_FUZZ_SECONDS` says otherwise.
const SECONDS: f64 = 10.0;
/// No input may take so long, on a machine that has other things to do, in a build that nobody optimized.
const TOO_LONG: Duration = Duration::from_secs(2);
/// Who takes so long never comes to an end.
const STUCK: Duration = Duration::from_secs(60);
/// Mutants that made a target answer as it never had.
const MOST_KEPT: usize = 4096;

pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) corpus: Vec<Vec<u8>>,
    /// What means something to the target, to be strewn in.
    pub(crate) words: &'static [&'static str],
    pub(crate) longest: usize,
}

impl Target {
    /// `run` gives what became of the input, which should be few words of many inputs.
    pub(crate) fn fuzz<T: Hash>(self, mut run: impl FnMut(&[u8]) -> T) {
        let given = |name: &str| std::env::var(name).ok();
        let seconds = given("TIDINGS_FUZZ_SECONDS").and_then(|said| said.parse().ok()).unwrap_or(SECONDS);
        let seed = given("TIDINGS_SEED").and_then(|said| said.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
        println!("{}: TIDINGS_SEED={seed}", self.name);
        assert!(!self.corpus.is_empty(), "nothing to mutate");
        let Self { name, mut corpus, words, longest } = self;
        let mut mutator = Mutator { random: fastrand::Rng::with_seed(seed), words, longest };
        let mut outcomes = HashSet::new();
        let begun = Instant::now();
        let limit = Duration::from_secs_f64(seconds);
        let watched = Watched::start(name);
        let (mut executions, mut next_of_corpus) = (0_u32, 0);
        let firsts = corpus.len();
        while begun.elapsed() < limit || next_of_corpus < firsts {
            let input = match corpus.get(next_of_corpus).filter(|_| next_of_corpus < firsts) {
                Some(first) => first.clone(),
                None => mutator.mutant(&corpus),
            };
            next_of_corpus += 1;
            let outcome = watched.run(&input, &mut run);
            executions += 1;
            if outcomes.insert(outcome) && next_of_corpus > firsts && corpus.len() < firsts + MOST_KEPT {
                corpus.push(input);
            }
        }
        let took = begun.elapsed().as_secs_f64();
        let rate = f64::from(executions) / took;
        println!("{name}: {executions} inputs in {took:.1} s, {rate:.0}/s, {} outcomes", outcomes.len());
        assert!(outcomes.len() > 1, "whatever comes, {name} says the same: the target sees nothing");
    }
}

/// What is being tried, and a thread that sees when it never ends.
struct Watched {
    name: &'static str,
    now: Arc<(AtomicU64, Mutex<Vec<u8>>)>,
}

impl Watched {
    fn start(name: &'static str) -> Self {
        let now = Arc::new((AtomicU64::new(0), Mutex::new(Vec::new())));
        let seen = Arc::downgrade(&now);
        std::thread::spawn(move || {
            let (mut latest, mut since) = (u64::MAX, Instant::now());
            while let Some(now) = seen.upgrade() {
                let count = now.0.load(Ordering::Relaxed);
                if count != latest {
                    (latest, since) = (count, Instant::now());
                } else if since.elapsed() > STUCK {
                    let input = now.1.lock().unwrap_or_else(PoisonError::into_inner);
                    println!("{name} never ends with {}", shown(&input));
                    std::process::exit(101);
                }
                drop(now);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        Self { name, now }
    }

    fn run<T: Hash>(&self, input: &[u8], run: &mut impl FnMut(&[u8]) -> T) -> u64 {
        self.now.0.fetch_add(1, Ordering::Relaxed);
        input.clone_into(&mut self.now.1.lock().unwrap_or_else(PoisonError::into_inner));
        let mut timed = || {
            let begun = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| run(input))).unwrap_or_else(|panic| {
                println!("{} breaks with {}", self.name, shown(input));
                resume_unwind(panic)
            });
            (begun.elapsed(), outcome)
        };
        let (mut took, outcome) = timed();
        // Somebody else may have had the processor: what is slow is slow every time.
        for _ in 0..3 {
            if took > TOO_LONG {
                took = took.min(timed().0);
            }
        }
        assert!(took <= TOO_LONG, "{} takes {took:?} for {}", self.name, shown(input));
        let mut hasher = DefaultHasher::new();
        outcome.hash(&mut hasher);
        hasher.finish()
    }
}

/// An input as it can be put into a test.
fn shown(input: &[u8]) -> String {
    format!("{} bytes: b\"{}\"", input.len(), input.escape_ascii())
}

/// What of an outcome tells where in the code it was made: its first words and its last, without what they quote.
pub(crate) fn gist(said: &str) -> String {
    let quote = ['`', '"'];
    let first = said.split(quote).next().unwrap_or_default();
    let last = said.rsplit(quote).next().filter(|_| said.contains(quote)).unwrap_or_default();
    let letters = first.chars().chain(last.chars());
    letters.filter(|letter| letter.is_ascii_alphabetic() || *letter == ' ').take(100).collect()
}
