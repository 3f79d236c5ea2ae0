//! The type of an event: `VmPoweredOnEvent` is `vm.powered.on`.
//!
//! Acronyms stay together (`vm.guest.os.crashed`). `match` in relays also accepts them letter by letter
//! (`vm.guest.o.s.crashed`), as earlier tools wrote them; that is not done here.

use crate::message::{Unit, cut};

/// A longer type is cut: types are there to be matched.
const LONGEST_TYPE: usize = 256;

/// Classes whose `eventTypeId` is the type of the event.
const WRAPPERS: [&str; 2] = ["EventEx", "ExtendedEvent"];

/// `id` is the event's `eventTypeId`, which the two wrapping classes have.
pub(super) fn event_type(class: &str, id: Option<&str>) -> String {
    let id =
        id.map(str::trim).filter(|id| !id.is_empty() && !id.contains(|c: char| c.is_control() || c.is_whitespace()));
    let name = match id {
        Some(id) if WRAPPERS.contains(&class) => id.to_owned(),
        _ => dotted(class),
    };
    if name.len() > LONGEST_TYPE { cut(&name, LONGEST_TYPE, Unit::Chars) } else { name }
}

/// Every `Event` removed, a dot before each word, in lower case. A run of capitals is one word, and its last capital
/// begins the next.
fn dotted(class: &str) -> String {
    let bare = class.replace("Event", "");
    let letters: Vec<char> = bare.chars().collect();
    let mut name = String::with_capacity(bare.len() + 8);
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| letters.get(before));
        let ends_a_run = || letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if before.is_some_and(|before| letter.is_uppercase() && (!before.is_uppercase() || ends_a_run())) {
            name.push('.');
        }
        name.extend(letter.to_lowercase());
    }
    if name.is_empty() { "event".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &str = include_str!("../tests/names.tsv");

    #[test]
    fn every_known_class_has_the_name_that_other_tools_give_it() {
        let mut classes = 0;
        for line in NAMES.lines().skip(1) {
            let mut columns = line.split('\t');
            let (class, name) = (columns.next().expect("a class"), columns.next().expect("a name"));
            // The base class has no name there.
            if !name.is_empty() && !WRAPPERS.contains(&class) {
                assert_eq!(event_type(class, None), name, "{class}");
            }
            classes += 1;
        }
        assert!(classes > 440, "{classes}");
    }

    #[test]
    fn no_two_classes_share_a_name() {
        let mut names: Vec<_> = NAMES.lines().skip(1).filter_map(|line| line.split('\t').nth(1)).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn wrapping_classes_are_named_by_their_id() {
        let id = "com.vmware.vc.HA.DasHostFailedEvent";
        assert_eq!(event_type("EventEx", Some(id)), id);
        assert_eq!(event_type("ExtendedEvent", Some(" esx.audit.ssh.enabled ")), "esx.audit.ssh.enabled");
        assert_eq!(event_type("EventEx", None), "ex");
        assert_eq!(event_type("ExtendedEvent", Some("a\nb")), "extended");
        assert_eq!(event_type("VmPoweredOnEvent", Some(id)), "vm.powered.on");
    }

    #[test]
    fn text_that_is_not_a_class_gets_a_name_too() {
        for (class, name) in [("", "event"), ("Event", "event"), ("é", "é"), ("ÄÖü", "ä.öü"), ("Vm2Event", "vm2")]
        {
            assert_eq!(event_type(class, None), name);
        }
        assert!(event_type(&"Aé".repeat(5000), None).chars().count() <= LONGEST_TYPE);
    }
}
