//! What an event of vCenter is called here: `VmPoweredOnEvent` is `vm.powered.on`.
//!
//! Acronyms stay together (`vm.guest.os.crashed`). That relays may spell them letter by letter, as the first such
//! bridges did (`vm.guest.o.s.crashed`), is the business of whoever reads `match`.

use crate::message::{Unit, cut};

/// A type is a word to match on, not a place for an essay.
const LONGEST_TYPE: usize = 256;

/// Classes that only wrap an id of their own, which says what happened.
const WRAPPERS: [&str; 2] = ["EventEx", "ExtendedEvent"];

/// The type of an event of `class`; `id` is its `eventTypeId`, which the two wrapping classes have.
pub(super) fn event_type(class: &str, id: Option<&str>) -> String {
    let id =
        id.map(str::trim).filter(|id| !id.is_empty() && !id.contains(|c: char| c.is_control() || c.is_whitespace()));
    let name = match id {
        Some(id) if WRAPPERS.contains(&class) => id.to_owned(),
        _ => dotted(class),
    };
    if name.len() > LONGEST_TYPE { cut(&name, LONGEST_TYPE, Unit::Chars) } else { name }
}

/// Every `Event` taken out, parted before each word, in lower case. A run of capitals is one word, and its last one
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

    const NAMES: &str = include_str!("tests/names.tsv");

    #[test]
    fn every_class_that_is_known_has_the_name_that_the_others_give_it() {
        let mut classes = 0;
        for line in NAMES.lines().skip(1) {
            let mut columns = line.split('\t');
            let (class, name) = (columns.next().expect("a class"), columns.next().expect("a name"));
            // The root of them all is left without a name there.
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
    fn wrapping_classes_are_called_what_they_wrap() {
        let id = "com.vmware.vc.HA.DasHostFailedEvent";
        assert_eq!(event_type("EventEx", Some(id)), id);
        assert_eq!(event_type("ExtendedEvent", Some(" esx.audit.ssh.enabled ")), "esx.audit.ssh.enabled");
        assert_eq!(event_type("EventEx", None), "ex");
        assert_eq!(event_type("ExtendedEvent", Some("a\nb")), "extended");
        assert_eq!(event_type("VmPoweredOnEvent", Some(id)), "vm.powered.on");
    }

    #[test]
    fn what_is_no_class_gets_a_name_all_the_same() {
        for (class, name) in [("", "event"), ("Event", "event"), ("é", "é"), ("ÄÖü", "ä.öü"), ("Vm2Event", "vm2")]
        {
            assert_eq!(event_type(class, None), name);
        }
        assert!(event_type(&"Aé".repeat(5000), None).chars().count() <= LONGEST_TYPE);
    }
}
