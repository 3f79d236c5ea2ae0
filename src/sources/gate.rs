//! The way in of every source that waits at the listener: its hook, who may post there, and what refusals are said to be.

use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, COOKIE, FORWARDED, HeaderMap, HeaderName, ORIGIN, PROXY_AUTHORIZATION};
use serde_json::{Map, Value};

use super::labels::Arrived;
use super::posted::Unreadable;
use super::verify::{Denied, Proof, Verify};
use crate::config_reader::{Problem, TableReader};
use crate::event::Event;
use crate::fault::Fault;
use crate::http_server::Refusal;
use crate::ingress::{Accepted, Answer, Hook, HookRequest};
use crate::log_limiter::LogLimiter;
use crate::outbox::Outbox;

/// What holds secrets of the sender: no template sees it.
const PRIVATE: [HeaderName; 3] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];

/// What shows that a request came through a proxy, or out of a page in a browser: this machine's address is then not
/// the sender's.
const FROM_ELSEWHERE: [HeaderName; 6] = [
    ORIGIN,
    HeaderName::from_static("sec-fetch-site"),
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
];

#[derive(Debug)]
pub(super) struct Gate {
    hook: Hook,
    verify: Verify,
    /// What it has to complain about.
    refused: Mutex<LogLimiter>,
    unlabelled: Mutex<LogLimiter>,
}

impl Gate {
    /// Reads `verify` and the keys of the hook.
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let (verify, hook) = (Verify::read(table), Hook::read(table));
        let (verify, hook) = (verify?, hook?);
        if verify.path_secret().is_some() && hook.is_whole() {
            let wrong = "`path` and `verify.path` both say where the secret stands";
            table.reading.problem(Problem::error(table.span.clone(), wrong).hint("keep the one that is meant"));
            return None;
        }
        Some(Self::of(hook, verify))
    }

    /// For senders who can show nothing but the path that they were given. `who` they are, for people.
    pub(super) fn read_by_path(table: &TableReader, who: &str) -> Option<Self> {
        let gate = Self::read(table)?;
        if matches!(gate.verify, Verify::Unsaid | Verify::Nobody | Verify::Path(_)) {
            return Some(gate);
        }
        let place = table.item("verify").map_or(table.span.clone(), |item| item.span.clone());
        let wrong = format!("{who} shows nothing but the path that it was given");
        let hint = "write verify = { path = { env = \"…\" } }, and the secret at the path's end over there";
        table.reading.problem(Problem::error(place, wrong).hint(hint));
        None
    }

    /// For sources that know how their senders prove themselves.
    pub(super) fn read_verified(table: &TableReader, verify: Option<Verify>) -> Option<Self> {
        let hook = Hook::read(table);
        Some(Self::of(hook?, verify?))
    }

    fn of(hook: Hook, verify: Verify) -> Self {
        let hook = if verify.is_unsaid() { hook.open() } else { hook };
        let hook = match verify.path_secret() {
            Some(secret) => hook.with_secret(secret.clone()),
            None => hook,
        };
        Self { hook, verify, refused: Mutex::default(), unlabelled: Mutex::default() }
    }

    /// Takes larger bodies than others do, unless relays.toml says how large they may be.
    pub(super) fn roomy(self, table: &TableReader, max_body: usize) -> Self {
        if table.has("max_body") {
            return self;
        }
        Self { hook: self.hook.taking(max_body), ..self }
    }

    /// Senders of `CloudEvents` may ask first.
    pub(super) fn asked_first(self) -> Self {
        Self { hook: self.hook.asked_first(), ..self }
    }

    pub(super) fn hook(&self) -> &Hook {
        &self.hook
    }

    /// The headers as templates see them: names in lower case, several values as one with commas between, and none
    /// that holds a secret.
    pub(super) fn shown(&self, headers: &HeaderMap) -> Value {
        let mut shown = Map::new();
        for name in headers.keys() {
            if PRIVATE.contains(name) || self.verify.secret_header() == Some(name) {
                continue;
            }
            let values: Vec<_> =
                headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            shown.insert(name.as_str().to_owned(), values.join(", ").into());
        }
        Value::Object(shown)
    }

    /// Verifies what was brought, and then has it read.
    pub(super) fn let_in<T>(
        &self,
        request: &HookRequest,
        out: &Outbox,
        read: impl FnOnce(&HeaderMap, &[u8], Arrived) -> Result<T, Unreadable>,
    ) -> Result<T, Refusal> {
        self.let_in_proven(request, out, |_, arrived, _| read(&request.headers, &request.body, arrived))
    }

    /// [`Self::let_in`] for sources whose events may be known by what the request proved to be.
    pub(super) fn let_in_proven<T>(
        &self,
        request: &HookRequest,
        out: &Outbox,
        read: impl FnOnce(&Proof, Arrived, &mut dyn FnMut(Fault)) -> Result<T, Unreadable>,
    ) -> Result<T, Refusal> {
        let now = Timestamp::now();
        let complain = |what, why: &dyn std::fmt::Display| {
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).note(out.source(), what, why);
        };
        if self.verify.is_unsaid()
            && let Some(header) = FROM_ELSEWHERE.iter().find(|header| request.headers.contains_key(*header))
        {
            let said =
                format!("the header `{header}` shows that this comes from elsewhere; only this machine may post");
            complain("a request was not let in", &said);
            let hint = "`verify` in relays.toml says how to show who sends, or \"none\" if anybody may";
            return Err(Refusal::with(StatusCode::FORBIDDEN, said, hint));
        }
        let proof = self.verify.check(&request.headers, &request.body, now).map_err(|denied| {
            complain("a request was not let in", &denied);
            self.turned_away(&denied)
        })?;
        let arrived = Arrived { source: out.source(), kind: out.kind(), at: now };
        let mut failed = |fault| {
            let mut unlabelled = self.unlabelled.lock().unwrap_or_else(PoisonError::into_inner);
            unlabelled.note(out.source(), "a label of an event is left out", fault);
        };
        read(&proof, arrived, &mut failed).map_err(|unreadable| {
            out.skipped();
            complain("a request could not be read", &unreadable);
            Refusal::from(unreadable)
        })
    }

    /// [`Self::let_in`], and answers when all that was read is committed.
    pub(super) async fn take(
        &self,
        request: &HookRequest,
        out: &Outbox,
        read: impl FnOnce(&HeaderMap, &[u8], Arrived) -> Result<Vec<Event>, Unreadable>,
    ) -> Answer {
        hand_over(self.let_in(request, out, read)?, out).await
    }

    fn turned_away(&self, denied: &Denied) -> Refusal {
        let refusal = Refusal::unauthorized(denied.to_string(), "`verify` in relays.toml says how to show who sends");
        match self.verify.challenge() {
            Some(scheme) => refusal.challenge(scheme),
            None => refusal,
        }
    }
}

/// Answers when all of it is committed.
pub(super) async fn hand_over(events: Vec<Event>, out: &Outbox) -> Answer {
    let many = events.len();
    out.put_all(events, None).await?;
    Ok(Accepted::accepted(many))
}

impl From<Unreadable> for Refusal {
    fn from(unreadable: Unreadable) -> Self {
        let said = unreadable.to_string();
        match unreadable {
            Unreadable::Malformed(_) => Self::bad_request(said, "nothing of it was taken"),
            Unreadable::TooMuch(_) => Self::with(StatusCode::PAYLOAD_TOO_LARGE, said, "nothing of it was taken"),
            Unreadable::ContentType(_) => {
                Self::unsupported(said, "send application/json, application/x-www-form-urlencoded or CloudEvents")
            }
        }
    }
}
