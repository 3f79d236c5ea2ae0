//! What can go wrong, told apart by what there is to do about it.

use std::error::Error;
use std::fmt;

use super::Element;
use super::hidden::Hidden;
use crate::fault::Fault;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// vCenter does not know the session any more: log in anew.
    LoggedOut,
    /// User name or password refused. Asking again soon may lock the account.
    Refused(Fault),
    /// The object is not there any more: a collector that was destroyed, a VM that was removed.
    Gone(Fault),
    /// Anything else that vCenter said. `name` is its class of fault: `NoPermission`.
    Server { name: String, fault: Fault },
    /// Below SOAP: no connection, no trust, no answer in time, or none that is vCenter's.
    Road(Fault),
}

impl Trouble {
    pub fn fault(&self) -> Fault {
        match self {
            Self::LoggedOut => Fault::new("logged_out", "vCenter does not know this session any more"),
            Self::Refused(fault) | Self::Gone(fault) | Self::Server { fault, .. } | Self::Road(fault) => fault.clone(),
        }
    }

    /// Whether vCenter said exactly this.
    pub(super) fn is(&self, class: &str) -> bool {
        matches!(self, Self::Server { name, .. } if name == class)
    }

    /// What vCenter sent cannot be understood.
    pub(super) fn garbled(what: impl fmt::Display) -> Self {
        Self::Road(Fault::new("garbled", format!("this is no answer of a vCenter: {what}")))
    }

    /// Of a `<soapenv:Fault>`, which came as the answer to `doing`.
    pub(super) fn of_soap(doing: &str, fault: &Element, hidden: &Hidden) -> Self {
        let said = fault.text_of("faultstring").unwrap_or_default();
        if let Some(inside) = fault.child("detail").and_then(|detail| detail.children.first()) {
            return Self::judge(doing, inside, said, hidden);
        }
        let code = fault.text_of("faultcode").and_then(|code| code.rsplit(':').next()).unwrap_or_default();
        Self::judge(doing, &Element { name: code.to_owned(), ..Element::default() }, said, hidden)
    }

    /// Of a `LocalizedMethodFault`, which stands within an answer: in a missingSet, in a task.
    pub(super) fn of_part(doing: &str, fault: &Element, hidden: &Hidden) -> Self {
        let said = fault.text_of("localizedMessage").unwrap_or_default();
        Self::judge(doing, fault.child("fault").unwrap_or(fault), said, hidden)
    }

    /// By class only: `said` is in any language, or empty.
    fn judge(doing: &str, fault: &Element, said: &str, hidden: &Hidden) -> Self {
        let class = match &fault.class {
            Some(class) => class.as_str(),
            None => fault.name.strip_suffix("Fault").unwrap_or(&fault.name),
        };
        let class = hidden.clean(class);
        let mut words = format!("vCenter answers {doing} with {class}");
        let said = hidden.clean(said);
        if !said.is_empty() {
            words.extend([": ", &said]);
        }
        let particulars = particulars(fault, hidden);
        if !particulars.is_empty() {
            words.extend([" (", &particulars, ")"]);
        }
        match class.as_str() {
            "NotAuthenticated" => Self::LoggedOut,
            "InvalidLogin" => Self::Refused(Fault::new("login_refused", words)),
            "ManagedObjectNotFound" => Self::Gone(Fault::new("gone", words)),
            _ => Self::Server { fault: Fault::new(label(&class), words), name: class },
        }
    }
}

/// What the faults that we know carry besides their class.
fn particulars(fault: &Element, hidden: &Hidden) -> String {
    const TOLD: [&str; 6] = ["privilegeId", "object", "obj", "invalidProperty", "name", "existingState"];
    let told = fault.children.iter().filter(|child| TOLD.contains(&child.name.as_str()) && !child.text.is_empty());
    let told = told.map(|child| match child.reference() {
        Some(reference) => hidden.clean(&format!("{} {reference}", child.name)),
        None => hidden.clean(&format!("{} {}", child.name, child.text)),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A fixed word for counting.
fn label(class: &str) -> &'static str {
    match class {
        "NoPermission" => "no_permission",
        "InvalidState" => "invalid_state",
        "InvalidArgument" => "invalid_argument",
        "InvalidProperty" => "invalid_property",
        "RequestCanceled" => "canceled",
        _ => "soap_fault",
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fault(), f)
    }
}

impl Error for Trouble {}
