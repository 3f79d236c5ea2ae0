//! The XML parser: what SOAP may contain, and what it may not.

use proptest::prelude::*;

use super::super::{Element, parse};
use super::{captured, envelope, fault};

fn root(text: &str) -> Element {
    parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn refused(bytes: impl AsRef<[u8]>) -> String {
    parse(bytes.as_ref()).expect_err("not valid").to_string()
}

#[test]
fn a_class_is_found_however_its_prefix_is_spelt() {
    for (prefix, value) in [
        ("xsi", "VmEvent"),
        ("XMLSchema-instance", "VmEvent"),
        ("_XMLSchema-instance", "VmEvent"),
        ("x", "vim25:VmEvent"),
        ("x", " VmEvent "),
    ] {
        let namespace = format!("xmlns:{prefix}=\"http://www.w3.org/2001/XMLSchema-instance\"");
        let here = format!("<a><val {namespace} {prefix}:type=\"{value}\" type=\"Folder\">f-1</val></a>");
        let above = format!("<a {namespace}><val type='Folder' {prefix}:type='{value}'>f-1</val></a>");
        for text in [here, above] {
            let root = root(&text);
            let val = root.child("val").expect("there");
            assert_eq!(val.class.as_deref(), Some("VmEvent"), "{text}");
            assert_eq!(val.reference().map(|reference| reference.to_string()).as_deref(), Some("Folder:f-1"), "{text}");
        }
    }
}

#[test]
fn a_type_of_another_namespace_is_not_a_class() {
    let element = root("<a xmlns:xsi='urn:other' xsi:type='x' y:type='z' xsi:nil='true' typed='t'/>");
    assert_eq!((element.class, element.kind), (None, None));
}

#[test]
fn text_is_exact_in_values_and_trimmed_in_layout() {
    let element =
        root("\u{feff}<?xml version='1.0'?>\n<!-- c --><a>\n <b> two\r\n lines </b>\n <n:c xmlns:n='urn:x'/>\n</a>\n");
    assert_eq!(element.text, "");
    assert_eq!(element.text_of("b"), Some(" two\n lines "));
    assert_eq!(element.text_of("c"), Some(""));
    assert_eq!(element.text_of("d"), None);
    assert_eq!(element.all("b").count(), 1);
}

#[test]
fn entities_and_sections_are_resolved() {
    let element =
        root("<a>&lt;&amp;&gt;&quot;&apos; &#65;&#x1F389; <![CDATA[<raw>&amp;]]><!-- no --><?pi no?> end</a>");
    assert_eq!(element.text, "<&>\"' A🎉 <raw>&amp; end");
    // These are undefined, so they stay as they are, and none of them is an error.
    assert_eq!(root("<a>&nbsp;&#0;&#xD800;&#99999999999;&#x;</a>").text, "&nbsp;\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    assert_eq!(root("<a type='&lt;&nope;'/>").kind.as_deref(), Some("&lt;&nope;"));
}

#[test]
fn entities_that_grow_are_refused() {
    let bomb = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol1 \"&lol;&lol;&lol;&lol;\">]><lolz>&lol1;</lolz>";
    assert_eq!(refused(bomb), "the answer is not valid XML: it contains a DTD, which SOAP forbids");
    let outside = "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a>&x;</a>";
    assert_eq!(refused(outside), "the answer is not valid XML: it contains a DTD, which SOAP forbids");
}

#[test]
fn an_answer_that_is_cut_off_anywhere_is_refused() {
    let whole = envelope(captured::UPDATE) + "é";
    let text = envelope(captured::UPDATE);
    parse(text.as_bytes()).expect("whole");
    for end in 0..text.len() {
        assert!(parse(text.as_bytes().get(..end).expect("within")).is_err(), "cut at {end}");
    }
    assert_eq!(refused(whole.as_bytes().get(..whole.len() - 1).expect("within")), "the answer's XML is cut off");
}

#[test]
fn what_is_not_a_document_is_refused() {
    for (bytes, why) in [
        (&b""[..], "it is empty"),
        (b"  \n", "it is empty"),
        (b"hello", "it has text outside of its root element"),
        (b"<a/>x", "it has text outside of its root element"),
        (b"<a/><b/>", "it continues after its root element"),
        (b"<a></b>", "its tags do not match"),
        (b"</a>", "its tags do not match"),
        (b"<a>\xff</a>", "it is not UTF-8"),
        (b"<a b></a>", "an attribute is invalid"),
        (b"<a>a & b</a>", "its tags do not match"),
        (b"<>x</>", "a tag has no name"),
    ] {
        assert_eq!(refused(bytes), format!("the answer is not valid XML: {why}"), "{bytes:?}");
    }
}

#[test]
fn depth_number_of_elements_and_size_are_bounded() {
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    root(&nested(64));
    assert_eq!(refused(nested(65)), "the answer is not valid XML: it is nested too deeply");
    assert_eq!(refused("<a>".repeat(1_000_000)), "the answer is not valid XML: it is nested too deeply");
    let wide = format!("<a>{}</a>", "<b/>".repeat(1_000_000));
    assert_eq!(refused(wide), "the answer has more than a million elements");
    let many = (0..1000).fold(String::new(), |many, number| many + &format!(" xmlns:n{number}='urn:x'"));
    assert_eq!(refused(format!("<a{many}/>")), "the answer is not valid XML: its namespaces are invalid");
    assert_eq!(refused(vec![b' '; super::super::element::MAX_BYTES + 1]), "the answer is longer than 64 MiB");
}

/// Envelopes to damage.
fn genuine() -> Vec<String> {
    let bodies = [captured::NEXT, captured::PAGE, captured::UPDATE, captured::VM, captured::CONTENT, captured::LOGIN];
    let mut all: Vec<String> = bodies.iter().map(|body| envelope(body)).collect();
    all.push(envelope(&fault("ManagedObjectNotFound", "&lt;gone&gt;", "<obj type=\"Task\">task-1</obj>")));
    all.push(captured::VERSIONS.to_owned());
    all
}

/// Calls everything public.
fn walk(element: &Element) -> usize {
    element.reference().map_or(0, |reference| reference.to_string().len())
        + element.text_of("key").map_or(0, str::len)
        + element.children.iter().map(walk).sum::<usize>()
}

proptest! {
    #[test]
    fn random_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(root) = parse(&bytes) {
            walk(&root);
        }
    }

    #[test]
    fn random_markup_is_read_or_refused(text in "[<>/a!?:='\"&;#x\\[\\]\\- ]{0,120}") {
        if let Ok(root) = parse(text.as_bytes()) {
            walk(&root);
        }
    }

    #[test]
    fn damaged_envelopes_are_read_or_refused(
        which in 0usize..8,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..12),
    ) {
        let mut bytes = genuine().swap_remove(which).into_bytes();
        for (position, byte, how) in changes {
            let Some(last) = bytes.len().checked_sub(1) else { break };
            let at = position.index(last + 1);
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        if let Ok(root) = parse(&bytes) {
            walk(&root);
        }
    }
}
