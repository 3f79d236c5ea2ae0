//! What a vCenter answers, and what the events in it mean.

use std::collections::BTreeSet;

use tidings::event::Name;
use tidings::outbox::Outbox;
use tidings::sources::vcenter_event;
use tidings::vsphere::{Element, parse};
use tokio::sync::mpsc;

use crate::corpus;
use crate::engine::{Target, gist};
use crate::posts::check;

/// As `vsphere` promises.
const DEEPEST: usize = 64;

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

/// Every element of what can be read is taken for an event as well: a page of them is whatever a vCenter says it is.
#[test]
fn soap() {
    let (out, _pulse) = Outbox::new(Name::from("in"), Name::from("vcenter"), mpsc::channel(1).0);
    let target = Target { name: "soap", corpus: corpus::soap(), words: WORDS, longest: 1 << 15 };
    target.fuzz(|bytes| match parse(bytes) {
        Ok(root) => {
            assert!(!root.name.is_empty());
            let depth = depth(&root);
            assert!(depth <= DEEPEST, "{depth} deep");
            let mut told = vec![format!("{depth} {}", root.children.len().min(4))];
            told.extend(meanings(&root, &out));
            told
        }
        Err(fault) => {
            let said = fault.to_string();
            assert!(said.len() < 200, "a fault repeats nothing of what it could not read: {said}");
            vec![gist(&said)]
        }
    });
}

/// Each once.
fn meanings(root: &Element, out: &Outbox) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    let mut waiting = vec![root];
    while let Some(element) = waiting.pop() {
        waiting.extend(&element.children);
        match vcenter_event(element, out) {
            Ok(event) => {
                check(&event);
                told.insert(event.r#type.chars().take(20).collect());
            }
            Err(lacks) => _ = told.insert(lacks.to_owned()),
        }
    }
    told
}

/// Every reference is looked at on the way.
fn depth(element: &Element) -> usize {
    if let Some(reference) = element.reference() {
        assert!(!format!("{reference:?}").is_empty());
    }
    1 + element.children.iter().map(depth).max().unwrap_or(0)
}
