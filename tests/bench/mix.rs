//! The events of the benches: always the same sequence, so that the sink knows what it must receive.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Type, action and state of the events that the relay wants, and of the others.
const WANTED: [(&str, &str, &str); 3] =
    [("service", "create", "Not running"), ("service", "update", "Starting"), ("service", "update", "Running")];
const OTHERS: [(&str, &str, &str); 9] = [
    ("container", "create", "Starting"),
    ("container", "update", "Running"),
    ("container", "delete", "Terminated"),
    ("service", "delete", "Terminated"),
    ("stack", "update", "Running"),
    ("node", "create", "Deploying"),
    ("node", "update", "Deployed"),
    ("action", "create", "Pending"),
    ("action", "update", "Success"),
];

/// One event in ten, in an order that a branch predictor cannot learn.
pub(crate) fn is_wanted(id: u64) -> bool {
    scrambled(id).is_multiple_of(10)
}

/// Appends event `id` in Tutum's form, with `id` and `sent_us` for the sink.
pub(crate) fn write_event(id: u64, out: &mut String) {
    let (a, b) = (scrambled(id ^ 0xa5a5 << 40), scrambled(id ^ 0x5a5a << 40));
    let chosen = if is_wanted(id) { pick(&WANTED, a) } else { pick(&OTHERS, a) };
    let (kind, action, state) = chosen;
    let (uuid, parent) = (Uuid(a, b), Uuid(b % 50, 7));
    let sent_us = now_us();
    write!(out, r#"{{"type":"{kind}","action":"{action}","state":"{state}","resource_uri":"/api/v1/{kind}/{uuid}/","#)
        .and_then(|()| write!(out, r#""parents":["/api/v1/stack/{parent}/"],"uuid":"{uuid}","#))
        .and_then(|()| write!(out, r#""datetime":"2016-02-01T16:47:28Z","id":{id},"sent_us":{sent_us}}}"#))
        .expect("writing to a String cannot fail");
}

/// Microseconds since 1970: a clock that all processes of the bench share.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn pick<T: Copy>(choices: &[T], draw: u64) -> T {
    let at = usize::try_from(draw % choices.len() as u64).expect("below the length");
    choices[at]
}

/// A number that looks random but is always the same (the finalizer of `SplitMix64`).
fn scrambled(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

struct Uuid(u64, u64);

impl std::fmt::Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (a, b) = (self.0, self.1);
        let tail = b & 0xffff_ffff_ffff;
        write!(f, "{:08x}-{:04x}-4{:03x}-8{:03x}-{tail:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff, b >> 52)
    }
}
