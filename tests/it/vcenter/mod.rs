//! The vCenter source: over TLS against the simulator, and against a scripted vCenter for what the simulator never does.

mod certificates;
mod event_classes;
mod failures;
mod harness;
mod reading;
mod scripted;
mod scripted_rules;
mod sim;
mod simulated;
