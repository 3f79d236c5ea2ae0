//! What a vCenter answers.

use tidings::vsphere::{Element, parse};

use crate::corpus;
use crate::engine::{Target, gist};

/// As `vsphere` promises.
const DEEPEST: usize = 64;

#[test]
fn soap() {
    let words = &[
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
    let target = Target { name: "soap", corpus: corpus::soap(), words, longest: 1 << 16 };
    target.fuzz(|bytes| match parse(bytes) {
        Ok(root) => {
            assert!(!root.name.is_empty());
            let depth = depth(&root);
            assert!(depth <= DEEPEST, "{depth} deep");
            format!("{depth} {}", root.children.len().min(4))
        }
        Err(fault) => {
            let said = fault.to_string();
            assert!(said.len() < 200, "a fault repeats nothing of what it could not read: {said}");
            gist(&said)
        }
    });
}

/// Every reference is looked at on the way.
fn depth(element: &Element) -> usize {
    if let Some(reference) = element.reference() {
        assert!(!format!("{reference:?}").is_empty());
    }
    1 + element.children.iter().map(depth).max().unwrap_or(0)
}
