//! The traces that our own sessions leave in the history: told, they would make every reconnection an event, and a
//! quarrel with the server a flood.

use std::collections::VecDeque;

use crate::vsphere::Element;

/// Sessions whose keys are remembered. A logout is written down within moments.
const SESSIONS: usize = 64;

#[derive(Default)]
pub(super) struct Own {
    keys: VecDeque<String>,
    agent: String,
}

impl Own {
    pub(super) fn session(&mut self, key: &str, agent: &str) {
        self.keys.push_back(key.to_owned());
        if self.keys.len() > SESSIONS {
            self.keys.pop_front();
        }
        agent.clone_into(&mut self.agent);
    }

    pub(super) fn made(&self, element: &Element) -> bool {
        let class = element.class.as_deref().unwrap_or_default();
        if !matches!(class, "UserLoginSessionEvent" | "UserLogoutSessionEvent") {
            return false;
        }
        let key = element.text_of("sessionId").unwrap_or_default();
        let agent = element.text_of("userAgent").unwrap_or_default();
        (!key.is_empty() && self.keys.iter().any(|known| known == key)) || (!agent.is_empty() && agent == self.agent)
    }
}
