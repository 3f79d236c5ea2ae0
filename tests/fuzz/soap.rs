//! Answers of a vCenter, and the events in them.

use std::collections::BTreeSet;

use tidings::event::Name;
use tidings::outbox::Outbox;
use tidings::sources::vcenter_event;
use tidings::vsphere::{Element, parse};
use tokio::sync::mpsc;

use crate::corpus;
use crate::engine::{Target, gist};
use crate::posts::check;

/// The limit of `vsphere::parse`.
const MAX_DEPTH: usize = 64;

const WORDS: &[&str] = &[
    "xsi:type=\"",
    "type=\"",
    "xmlns:",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml ",
    "?>",
    "&amp;",
    "&#x0;",
    "&#55296;",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "&b;",
    "<returnval>",
    "</returnval>",
    "/>",
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"",
];

/// Every element of a parsed answer is also tried as an event: what a page contains is up to the vCenter.
#[test]
fn soap() {
    let (out, _status) = Outbox::new(Name::from("in"), Name::from("vcenter"), mpsc::channel(1).0);
    let target = Target { name: "soap", corpus: corpus::soap(), words: WORDS, longest: 1 << 15 };
    target.fuzz(|bytes| match parse(bytes) {
        Ok(root) => {
            assert!(!root.name.is_empty());
            let depth = depth(&root);
            assert!(depth <= MAX_DEPTH, "{depth} deep");
            let mut outcomes = vec![format!("{depth} {}", root.children.len().min(4))];
            outcomes.extend(events(&root, &out));
            outcomes
        }
        Err(fault) => {
            let text = fault.to_string();
            assert!(text.len() < 200, "a fault quotes nothing of the answer: {text}");
            vec![gist(&text)]
        }
    });
}

/// The types of all events, and what other elements lack to be one; each once.
fn events(root: &Element, out: &Outbox) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut pending = vec![root];
    while let Some(element) = pending.pop() {
        pending.extend(&element.children);
        match vcenter_event(element, out) {
            Ok(event) => {
                check(&event);
                found.insert(event.r#type.chars().take(20).collect());
            }
            Err(lacks) => _ = found.insert(lacks.to_owned()),
        }
    }
    found
}

/// Also prints every reference, which must not panic.
fn depth(element: &Element) -> usize {
    if let Some(reference) = element.reference() {
        assert!(!format!("{reference:?}").is_empty());
    }
    1 + element.children.iter().map(depth).max().unwrap_or(0)
}
