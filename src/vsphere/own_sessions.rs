//! Which log-in and log-out events in vCenter's history come from the daemon's own sessions. Relayed, they would turn
//! every reconnect into an event.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::client::OWN_USER_AGENT;
use super::element::Element;

/// vCenter writes a log-out event within moments, so older keys are not needed.
const MAX_KEYS: usize = 64;

/// The keys of the latest own sessions. A session of an earlier run is recognised by its user agent.
#[derive(Debug, Default)]
pub struct OwnSessions(Mutex<VecDeque<String>>);

impl OwnSessions {
    pub fn add(&self, key: &str) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.push_back(key.to_owned());
        if keys.len() > MAX_KEYS {
            keys.pop_front();
        }
    }

    /// Whether this event is the log-in or log-out of an own session.
    pub fn caused(&self, event: &Element) -> bool {
        let class = event.class.as_deref().unwrap_or_default();
        if !matches!(class, "UserLoginSessionEvent" | "UserLogoutSessionEvent") {
            return false;
        }
        let key = event.text_of("sessionId").unwrap_or_default();
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!key.is_empty() && keys.iter().any(|known| known == key)) || event.text_of("userAgent") == Some(OWN_USER_AGENT)
    }
}

#[cfg(test)]
mod tests {
    use super::super::element::parse;
    use super::*;

    #[test]
    fn the_log_ins_and_log_outs_of_own_sessions_are_recognised() {
        let own = OwnSessions::default();
        own.add("52a-1");
        let caused = |class: &str, key: &str, agent: &str| {
            let xml = format!(
                "<Event xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"{class}\">\
                 <sessionId>{key}</sessionId><userAgent>{agent}</userAgent></Event>"
            );
            own.caused(&parse(xml.as_bytes()).expect("XML"))
        };
        assert!(caused("UserLoginSessionEvent", "52a-1", ""));
        assert!(caused("UserLogoutSessionEvent", "other", OWN_USER_AGENT));
        assert!(!caused("UserLogoutSessionEvent", "other", "govc"));
        assert!(!caused("UserLogoutSessionEvent", "", ""));
        assert!(!caused("SessionTerminatedEvent", "52a-1", OWN_USER_AGENT));
    }
}
