//! Whatever stands in an element, it becomes an event or is none; nothing panics.

use proptest::prelude::*;

use super::captured::outbox;
use super::*;
use crate::event::Body;
use crate::sources::vcenter::meaning;
use crate::vsphere::Element;

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "key", "chainId", "createdTime", "userName", "fullFormattedMessage", "message", "arguments", "value", "data",
            "vm", "host", "entity", "name", "info", "entityName", "eventTypeId", "template", "class", "detail",
            "EventEx", "ExtendedEvent", "TaskEvent", "VmPoweredOnEvent", "Event", "ArrayOfEvent", "int", "boolean",
            "double", "17", "-2147483648", "true", "2026-11-20T21:49:15.847590663Z", "2026-11-20T21:49:15", "nan", "",
        ]).prop_map(str::to_owned),
        1 => ".{0,12}",
    ]
}

fn elements() -> impl Strategy<Value = Element> {
    let leaf = (words(), prop::option::of(words()), prop::option::of(words()), words());
    let leaf = leaf.prop_map(|(name, class, kind, text)| Element { name, class, kind, text, children: Vec::new() });
    leaf.prop_recursive(5, 60, 8, |inner| {
        let node = (words(), prop::option::of(words()), prop::option::of(words()), words());
        (node, prop::collection::vec(inner, 0..8)).prop_map(|((name, class, kind, text), children)| Element {
            name,
            class,
            kind,
            text,
            children,
        })
    })
}

proptest! {
    #[test]
    fn any_element_is_an_event_or_none(mut element in elements()) {
        let made = |element: &Element| meaning::mark(element).map(|mark| meaning::event(element, mark, "i", &outbox()));
        made(&element).ok();
        // And the same as one that surely is.
        element.children.insert(0, super::fake::leaf("key", 7));
        element.children.insert(1, super::fake::leaf("createdTime", "2026-11-20T21:49:15.5Z"));
        let event = made(&element).expect("key and time are there");
        prop_assert!(!event.r#type.is_empty());
        prop_assert_eq!(event.id.to_string(), "i/7/2026-11-20T21:49:15.5Z");
        let again = Body::parse(event.data.text()).expect("JSON");
        prop_assert_eq!(again.value(), event.data.value());
        prop_assert!(event.data.value()["message"].is_string() && event.data.value()["class"].is_string());
    }
}

#[test]
fn what_is_nested_without_end_stays_json_that_can_be_read() {
    let mut element = super::fake::leaf("x", "deep");
    for _ in 0..64 {
        let (one, other) = (element.clone(), super::fake::leaf("x", "beside"));
        element = Element { name: "x".into(), children: vec![one, other], ..Element::default() };
    }
    let mut whole = super::fake::event("VmPoweredOnEvent", 1, Timestamp::UNIX_EPOCH);
    whole.children.push(element);
    let event = meaning::event(&whole, (Timestamp::UNIX_EPOCH, 1), "i", &outbox());
    assert!(Body::parse(event.data.text()).is_ok());
}
