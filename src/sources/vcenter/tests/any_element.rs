//! Any element becomes an event or is refused, without a panic.

use proptest::prelude::*;

use super::*;
use crate::event::Body;
use crate::sources::vcenter::parse;
use crate::vsphere::Element;

fn text() -> impl Strategy<Value = String> {
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
    let leaf = (text(), prop::option::of(text()), prop::option::of(text()), text());
    let leaf = leaf.prop_map(|(name, class, kind, text)| Element { name, class, kind, text, children: Vec::new() });
    leaf.prop_recursive(5, 60, 8, |inner| {
        let node = (text(), prop::option::of(text()), prop::option::of(text()), text());
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
    fn any_element_is_an_event_or_refused(mut element in elements()) {
        let parsed = |element: &Element| parse::identity(element).map(|identity| parse::event(element, identity, "i", &outbox()));
        parsed(&element).ok();
        // And the same with everything that an event needs.
        element.children.insert(0, fake_vcenter::leaf("key", 7));
        element.children.insert(1, fake_vcenter::leaf("createdTime", "2026-11-20T21:49:15.5Z"));
        let event = parsed(&element).expect("key and time are there");
        prop_assert!(!event.r#type.is_empty());
        prop_assert_eq!(event.id.to_string(), "i/7/2026-11-20T21:49:15.5Z");
        let again = Body::parse(event.data.text()).expect("JSON");
        prop_assert_eq!(again.value(), event.data.value());
        prop_assert!(event.data.value()["message"].is_string() && event.data.value()["class"].is_string());
    }
}

#[test]
fn deeply_nested_elements_stay_readable_json() {
    let mut element = fake_vcenter::leaf("x", "deep");
    for _ in 0..64 {
        let (one, other) = (element.clone(), fake_vcenter::leaf("x", "beside"));
        element = Element { name: "x".into(), children: vec![one, other], ..Element::default() };
    }
    let mut whole = fake_vcenter::event("VmPoweredOnEvent", 1, Timestamp::UNIX_EPOCH);
    whole.children.push(element);
    let event = parse::event(&whole, (Timestamp::UNIX_EPOCH, 1), "i", &outbox());
    assert!(Body::parse(event.data.text()).is_ok());
}
