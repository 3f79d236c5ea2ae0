//! tidings brings what happens in your infrastructure into the place where your team talks.
//!
//! The house has floors. A file uses only what lies below it, and in the machinery (0, 1) and at the top
//! (6) also what stands to the right in its row; `tests/it/floors.rs` checks that.
//!
//! ```text
//!  6  main  verbs/*  demo/*
//!  5  app
//!  4  config
//!  3  intake  delivery  desk
//!  2  sources/*  sinks/*
//!  1  relay  outbox  queue  door  vsphere  outbound  socket  supervisor  metrics
//!  0  message  event  backoff  said  secret  stop  fault
//! ```
//!
//! One event's road: `sources` → `outbox` → `intake` (which asks `relay` who wants it) → `queue` →
//! `delivery` (fetch, word) → `sinks`.

pub mod app;
pub mod backoff;
pub mod config;
pub mod delivery;
pub mod demo;
pub mod desk;
pub mod door;
pub mod event;
pub mod fault;
pub mod intake;
pub mod message;
pub mod metrics;
pub mod outbound;
pub mod outbox;
pub mod queue;
pub mod relay;
pub mod said;
pub mod secret;
pub mod sinks;
pub mod socket;
pub mod sources;
pub mod stop;
pub mod supervisor;
pub mod verbs;
pub mod vsphere;
