//! Fuzzing: every parser of untrusted bytes, with mutations of real payloads.
//!
//! Coverage-guided fuzzing needs a nightly compiler, which this project does not use. These targets run on the stable
//! compiler with seeded mutations; a mutant that causes a new result joins the corpus, which replaces a part of the
//! guidance by coverage. A target fails when it panics, when one input takes too long, or when a result breaks the
//! target's own promise. `TIDINGS_FUZZ_SECONDS` is the time for each target (default 10; by hand
//! `TIDINGS_FUZZ_SECONDS=60 cargo test --test fuzz`), `TIDINGS_SEED` repeats a run.

#![expect(clippy::print_stdout, reason = "a target prints its seed and its results")]

mod answers;
mod authentication;
mod corpus;
mod engine;
mod file;
mod frames;
mod ingress;
mod mutate;
mod posts;
mod relays;
mod soap;
mod words;
