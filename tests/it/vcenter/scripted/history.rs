//! The event history. An event becomes XML only when it is read, to save memory.

use jiff::{SignedDuration, Timestamp, Unit};

use super::soap::escaped;

/// An event to add.
#[derive(Debug, Clone)]
pub(crate) enum NewEvent {
    /// `VmPoweredOnEvent` whose message is `burst N`.
    Numbered(usize),
    /// Of any class; `rest` is XML after the members that all events have.
    Other { class: &'static str, message: String, rest: String },
    /// Only this XML, without the members that all events have.
    Malformed { class: &'static str, fields: &'static str },
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: i32,
    pub(super) at: Timestamp,
    pub(super) user: &'static str,
    pub(super) event: NewEvent,
}

impl Entry {
    pub(super) fn class(&self) -> &str {
        match &self.event {
            NewEvent::Numbered(_) => "VmPoweredOnEvent",
            NewEvent::Other { class, .. } | NewEvent::Malformed { class, .. } => class,
        }
    }

    /// Classes are selected by name; `EventEx` also by its event type id.
    pub(super) fn is_of(&self, type_id: &str) -> bool {
        let has_id = match &self.event {
            NewEvent::Other { rest, .. } => rest.contains(&format!("<eventTypeId>{type_id}</eventTypeId>")),
            NewEvent::Numbered(_) | NewEvent::Malformed { .. } => false,
        };
        has_id || type_id == self.class() || type_id == "Event"
    }

    /// As an element of this name.
    pub(super) fn write(&self, tag: &str, into: &mut String) {
        use std::fmt::Write;
        let Self { key, at, user, event } = self;
        let class = self.class();
        let (message, rest) = match event {
            NewEvent::Numbered(n) => (format!("burst {n}"), "<template>false</template>"),
            NewEvent::Other { message, rest, .. } => (escaped(message), rest.as_str()),
            NewEvent::Malformed { fields, .. } => {
                return write!(into, "<{tag} xsi:type=\"{class}\">{fields}</{tag}>").expect("memory");
            }
        };
        write!(
            into,
            "<{tag} xsi:type=\"{class}\"><key>{key}</key><chainId>{key}</chainId><createdTime>{at:.6}</createdTime><userName>{user}</userName>\
             <datacenter><name>DC0</name><datacenter type=\"Datacenter\">datacenter-2</datacenter></datacenter>\
             <computeResource><name>C0</name><computeResource type=\"ClusterComputeResource\">domain-c8</computeResource></computeResource>\
             <host><name>esx-01</name><host type=\"HostSystem\">host-21</host></host>\
             <vm><name>web-01</name><vm type=\"VirtualMachine\">vm-42</vm></vm>\
             <fullFormattedMessage>{message}</fullFormattedMessage>{rest}</{tag}>"
        )
        .expect("memory");
    }
}

/// Oldest first.
#[derive(Debug)]
pub(super) struct History {
    pub(super) entries: Vec<Entry>,
    next_key: i32,
    /// How far the server's clock is ahead of ours.
    pub(super) ahead: SignedDuration,
}

impl History {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), next_key: 1001, ahead: SignedDuration::ZERO }
    }

    /// Rounded to microseconds, as in vCenter.
    pub(super) fn now(&self) -> Timestamp {
        let now = Timestamp::now().checked_add(self.ahead).expect("a representable time");
        now.round(Unit::Microsecond).expect("a representable time")
    }

    /// Keys count up from here, and wrap after the largest.
    pub(super) fn next_key(&mut self, key: i32) {
        self.next_key = key;
    }

    pub(super) fn push(&mut self, user: &'static str, event: NewEvent) {
        let at = self.now();
        self.push_at(at, user, event);
    }

    /// Several events share one time, as in a real burst.
    pub(super) fn push_burst(&mut self, numbers: std::ops::Range<usize>) {
        let now = self.now();
        for n in numbers.clone() {
            let after = i64::try_from((n - numbers.start) / 4).expect("few");
            let at = now.checked_add(SignedDuration::from_micros(after)).expect("a representable time");
            self.push_at(at, "storm", NewEvent::Numbered(n));
        }
    }

    fn push_at(&mut self, at: Timestamp, user: &'static str, event: NewEvent) {
        let key = self.next_key;
        self.next_key = key.wrapping_add(1);
        self.entries.push(Entry { key, at, user, event });
    }
}

/// Which events a collector holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) begin: Option<Timestamp>,
    pub(super) types: Vec<String>,
    pub(super) users: Vec<String>,
    /// Another object than the root or the one virtual machine, so without events.
    pub(super) elsewhere: bool,
}

impl Filter {
    pub(super) fn wants(&self, entry: &Entry) -> bool {
        !self.elsewhere
            && self.begin.is_none_or(|begin| entry.at >= begin)
            && (self.types.is_empty() || self.types.iter().any(|id| entry.is_of(id)))
            && (self.users.is_empty() || self.users.iter().any(|user| user == entry.user))
    }
}
