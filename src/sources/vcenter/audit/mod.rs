//! A tail can stall without an error. From time to time an audit reads the history a second way: `schedule` says when,
//! `run` does it.

mod run;
mod schedule;

pub(super) use schedule::AuditSchedule;
