//! The source against a vCenter in memory, on a frozen clock; and the events that elements become.

mod any_element;
mod canary;
mod captured;
mod config;
mod fake_intake;
mod fake_vcenter;
mod gaps;
mod history;
mod runs;
mod stalls;

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::config::{ReadOptions, StartFrom};
use crate::event::{Event, Name};
use crate::fault::Fault;
use crate::outbox::{LinkState, Outbox};
use crate::vsphere::ApiError;
use fake_intake::{FakeIntake, Received};
use fake_vcenter::FakeVcenter;

/// Longer than any test, by the frozen clock.
const LONG: Duration = Duration::from_secs(6 * 3600);

fn options() -> ReadOptions {
    let (overlap, poll) = (Duration::from_secs(300), Duration::from_secs(30));
    ReadOptions { from: StartFrom::Now, overlap, poll, canary: None, filter: 0 }
}

fn outbox() -> Outbox {
    Outbox::new(Name::from("vc"), Name::from("vcenter"), mpsc::channel(1).0).0
}

/// Exactly these keys in this order. On failure shows where they differ, not thousands of numbers.
fn assert_keys(read: &[i64], expected: &[i64]) {
    let same = read.iter().zip(expected).take_while(|(read, expected)| read == expected).count();
    let next = |keys: &[i64]| keys.iter().skip(same).take(5).copied().collect::<Vec<_>>();
    let (read_next, expected_next) = (next(read), next(expected));
    assert!(
        read == expected,
        "of {} {same} are as expected, then {read_next:?}, not {expected_next:?}",
        expected.len()
    );
}

/// No event was offered twice.
fn assert_once(intake: &FakeIntake) {
    assert_eq!(intake.with(|received| received.repeated), 0, "some events came twice");
}
