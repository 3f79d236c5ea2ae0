//! Whatever strangers may send, sent: every parser of foreign bytes, against mutations of what really comes.
//!
//! Coverage-guided fuzzing wants a nightly compiler, which this project does not have. So the same targets run here on
//! the stable one, with seeded mutations; a mutant that makes a target answer as it never did before joins the corpus,
//! which leads a part of the way that coverage would. A target fails when it panics, when one input takes it too long,
//! or when what it answers breaks its own promise. `TIDINGS_FUZZ_SECONDS` is the time of each (10 unless said;
//! `TIDINGS_FUZZ_SECONDS=60 cargo test --test fuzz` by hand), `TIDINGS_SEED` repeats a run.

#![expect(clippy::print_stdout, reason = "a target says with which seed it ran, and how far it came")]

mod answers;
mod corpus;
mod engine;
mod file;
mod frames;
mod ingress;
mod mutate;
mod posts;
mod proofs;
mod relays;
mod soap;
mod words;
