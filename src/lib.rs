//! tidings brings what happens in your infrastructure into the chat where your team works.
//!
//! The modules are layered. A module uses only modules of lower layers and, in layers 0, 1 and 6, those to its
//! right in the same row. `tests/it/layers.rs` checks it.
//!
//! ```text
//!  6  main  cli/*  demo/*
//!  5  app
//!  4  config
//!  3  intake  delivery  admin
//!  2  sources/*  sinks/*
//!  1  ingress  relay  outbox  store  http_server  vsphere  websocket  reconnect  outbound  supervisor  metrics  log_limiter
//!  0  message  event  backoff  config_reader  secret  stop  fault  test_support
//! ```
//!
//! The road of one event: `sources` → `outbox` → `intake` (which asks `relay` who wants it) → `store` →
//! `delivery` (fetch, render) → `sinks`.

pub mod admin;
pub mod app;
pub mod backoff;
pub mod cli;
pub mod config;
pub mod config_reader;
pub mod delivery;
pub mod demo;
pub mod event;
pub mod fault;
pub mod http_server;
pub mod ingress;
pub mod intake;
pub mod log_limiter;
pub mod message;
pub mod metrics;
pub mod outbound;
pub mod outbox;
pub mod reconnect;
pub mod relay;
pub mod secret;
pub mod sinks;
pub mod sources;
pub mod stop;
pub mod store;
pub mod supervisor;
#[cfg(test)]
pub(crate) mod test_support;
pub mod vsphere;
pub mod websocket;
