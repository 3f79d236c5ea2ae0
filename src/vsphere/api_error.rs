//! What can go wrong with a call, by what the caller can do about it.

use std::error::Error;
use std::fmt;

use super::element::Element;
use super::redact::Redactor;
use crate::fault::Fault;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// vCenter no longer knows the session: log in again.
    SessionLost,
    /// User name or password refused. Further tries within minutes may lock the account.
    LoginRefused(Fault),
    /// The object no longer exists: a destroyed collector, a removed VM.
    NotFound(Fault),
    /// Any other SOAP fault. `name` is its class: `NoPermission`.
    Server { name: String, fault: Fault },
    /// Below SOAP: no connection, no trust, no answer in time, or an answer that is not vCenter's.
    Transport(Fault),
}

impl ApiError {
    pub fn fault(&self) -> Fault {
        match self {
            Self::SessionLost => Fault::new("logged_out", "vCenter no longer knows this session"),
            Self::LoginRefused(fault) | Self::NotFound(fault) | Self::Server { fault, .. } | Self::Transport(fault) => {
                fault.clone()
            }
        }
    }

    /// Whether this is a SOAP fault of that class.
    pub fn is(&self, class: &str) -> bool {
        matches!(self, Self::Server { name, .. } if name == class)
    }

    pub(super) fn malformed(what: impl fmt::Display) -> Self {
        Self::Transport(Fault::new("garbled", format!("not an answer of a vCenter: {what}")))
    }

    /// From a `<soapenv:Fault>` that answered the call `call`.
    pub(super) fn from_soap_fault(call: &str, fault: &Element, redactor: &Redactor) -> Self {
        let text = fault.text_of("faultstring").unwrap_or_default();
        if let Some(detail) = fault.child("detail").and_then(|detail| detail.children.first()) {
            return Self::classify(call, detail, text, redactor);
        }
        let code = fault.text_of("faultcode").and_then(|code| code.rsplit(':').next()).unwrap_or_default();
        Self::classify(call, &Element { name: code.to_owned(), ..Element::default() }, text, redactor)
    }

    /// From a `LocalizedMethodFault` inside an answer: in a missingSet, in a task.
    pub(super) fn from_method_fault(call: &str, fault: &Element, redactor: &Redactor) -> Self {
        let text = fault.text_of("localizedMessage").unwrap_or_default();
        Self::classify(call, fault.child("fault").unwrap_or(fault), text, redactor)
    }

    /// Decides by the class only: `text` may be in any language, or empty.
    fn classify(call: &str, fault: &Element, text: &str, redactor: &Redactor) -> Self {
        let class = match &fault.class {
            Some(class) => class.as_str(),
            None => fault.name.strip_suffix("Fault").unwrap_or(&fault.name),
        };
        let class = redactor.clean(class);
        let mut message = format!("vCenter answers {call} with {class}");
        let text = redactor.clean(text);
        if !text.is_empty() {
            message.extend([": ", &text]);
        }
        let details = details(fault, redactor);
        if !details.is_empty() {
            message.extend([" (", &details, ")"]);
        }
        match class.as_str() {
            "NotAuthenticated" => Self::SessionLost,
            "InvalidLogin" => Self::LoginRefused(Fault::new("login_refused", message)),
            "ManagedObjectNotFound" => Self::NotFound(Fault::new("gone", message)),
            _ => Self::Server { fault: Fault::new(reason(&class), message), name: class },
        }
    }
}

/// The members of a fault that help to find its cause.
fn details(fault: &Element, redactor: &Redactor) -> String {
    const SHOWN: [&str; 6] = ["privilegeId", "object", "obj", "invalidProperty", "name", "existingState"];
    let shown = fault.children.iter().filter(|child| SHOWN.contains(&child.name.as_str()) && !child.text.is_empty());
    let shown = shown.map(|child| match child.reference() {
        Some(reference) => redactor.clean(&format!("{} {reference}", child.name)),
        None => redactor.clean(&format!("{} {}", child.name, child.text)),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// The fault's reason, which becomes a metric's label.
fn reason(class: &str) -> &'static str {
    match class {
        "NoPermission" => "no_permission",
        "InvalidState" => "invalid_state",
        "InvalidArgument" => "invalid_argument",
        "InvalidProperty" => "invalid_property",
        "RequestCanceled" => "canceled",
        _ => "soap_fault",
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fault(), f)
    }
}

impl Error for ApiError {}
