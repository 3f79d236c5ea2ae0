//! vCenter's managed object references.

use std::fmt;
use std::str::FromStr;

use super::redact;
use crate::fault::Fault;

/// Kinds and ids of the inventory are far shorter.
const MAX_PART: usize = 128;

/// Names one object of one vCenter. Debug and Display hide the session key, which is part of the ids of a session's own
/// objects (collectors, filters, views).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// `VirtualMachine`
    pub kind: String,
    /// `vm-42`
    pub id: String,
}

impl Reference {
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, redact::without_session_keys(&self.id))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({self})")
    }
}

/// `VirtualMachine:vm-42`, as Display writes it. The text comes from events and chats, so only the form of inventory
/// references is accepted.
impl FromStr for Reference {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let is_kind = |kind: &str| {
            kind.starts_with(|letter: char| letter.is_ascii_uppercase())
                && kind.chars().all(|letter| letter.is_ascii_alphanumeric())
        };
        let is_id = |id: &str| {
            !id.is_empty()
                && id.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
        };
        match text.split_once(':') {
            Some((kind, id)) if is_kind(kind) && is_id(id) && kind.len() <= MAX_PART && id.len() <= MAX_PART => {
                Ok(Self::new(kind, id))
            }
            _ => Err(Fault::new("bad_reference", "a reference to an object of vCenter is like VirtualMachine:vm-42")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_printed_and_read_again() {
        for text in ["VirtualMachine:vm-42", "Folder:group-d1", "Datastore:5f8a-12.b_c", "HostSystem:h"] {
            let reference: Reference = text.parse().expect("a valid reference");
            assert_eq!(reference.to_string(), text);
        }
        assert_eq!(format!("{:?}", Reference::new("VirtualMachine", "vm-42")), "Reference(VirtualMachine:vm-42)");
    }

    #[test]
    fn text_that_is_not_an_inventory_reference_is_refused() {
        for bad in [
            "",
            ":",
            "vm-42",
            "VirtualMachine:",
            ":vm-42",
            "virtualMachine:vm-42",
            "VirtualMachine:vm-42 ",
            "VirtualMachine:vm-42:x",
            "Virtual Machine:vm-42",
            "VirtualMachine:<a/>",
            "EventHistoryCollector:session[52a]52b",
            "VirtualMachine:vm-é",
            &format!("VirtualMachine:{}", "9".repeat(129)),
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_session_key_is_not_shown() {
        let collector = Reference::new("EventHistoryCollector", "session[52197221-k3y]526ea470-c");
        assert_eq!(collector.to_string(), "EventHistoryCollector:session[…]526ea470-c");
        assert_eq!(format!("{collector:?}"), "Reference(EventHistoryCollector:session[…]526ea470-c)");
    }
}
