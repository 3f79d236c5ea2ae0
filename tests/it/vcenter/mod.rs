//! A vCenter as the source: over TLS against the simulator, and against a scripted one for what the simulator never does.

mod certificates;
mod house;
mod odd_classes;
mod reading;
mod scripted;
mod scripted_rules;
mod sim;
mod simulated;
mod troubles;
