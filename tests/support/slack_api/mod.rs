//! A stand-in for Slack's Web API, as far as a bot that posts and edits needs it.
//!
//! The status is 200 except for rate limits and outages; `ok` in the body is the result.

mod arguments;
mod channel;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use tidings::demo::standins::{Log, Reply, Request, StandIn, TokenBucket, Vendor, VendorLimit, random_text};

use self::arguments::check_arguments;
use self::channel::heads;
pub(crate) use self::channel::{Call, Head};
use crate::slack::{BrokenRule, check_content};

pub(crate) struct SlackApi(StandIn<Workspace>);

#[derive(Debug)]
pub(crate) struct Workspace {
    token: String,
    calls: Log<Call>,
    /// How many messages were posted. No two have the same `ts`.
    posted: AtomicU32,
    state: Mutex<WorkspaceState>,
}

#[derive(Debug, Default)]
struct WorkspaceState {
    /// The error for posts to the channel, if any.
    channels: BTreeMap<String, Option<&'static str>>,
    deleted: BTreeSet<String>,
    no_edits: Option<&'static str>,
    no_calls: Option<&'static str>,
    channel_limit: Option<VendorLimit>,
    channel_buckets: BTreeMap<String, TokenBucket>,
}

impl SlackApi {
    /// A channel with the bot in it.
    pub(crate) const CHANNEL: &str = "C0DEMO0OPS";

    pub(crate) fn start() -> Self {
        let token = format!("xoxb-{}", random_text(40));
        let channels = BTreeMap::from([(Self::CHANNEL.to_owned(), None)]);
        let state = Mutex::new(WorkspaceState { channels, ..WorkspaceState::default() });
        let calls = Log::new("calls of Slack's Web API");
        let workspace = Workspace { token, calls, posted: AtomicU32::new(0), state };
        Self(StandIn::open(workspace, None).expect("loopback"))
    }

    pub(crate) fn token(&self) -> &str {
        &self.0.token
    }

    /// The posts and edits that were taken, in order.
    pub(crate) fn calls(&self) -> &Log<Call> {
        self.0.log()
    }

    /// The channel's messages as they are now.
    pub(crate) fn heads(&self, channel: &str) -> Vec<Head> {
        let deleted = self.state().deleted.clone();
        heads(&self.calls().all(), channel, |ts| deleted.contains(ts))
    }

    /// Another channel, with the bot in it.
    pub(crate) fn open_channel(&self, channel: &str) {
        self.state().channels.insert(channel.to_owned(), None);
    }

    /// From now on posts to the channel fail with this error (`is_archived`, `not_in_channel`); None ends that.
    pub(crate) fn close_channel(&self, channel: &str, error: impl Into<Option<&'static str>>) {
        self.state().channels.insert(channel.to_owned(), error.into());
    }

    /// From now on edits fail with this error (`edit_window_closed`); None ends that.
    pub(crate) fn refuse_edits(&self, error: impl Into<Option<&'static str>>) {
        self.state().no_edits = error.into();
    }

    /// From now on every call fails with this error (`token_revoked`, `missing_scope`); None ends that.
    pub(crate) fn refuse(&self, error: impl Into<Option<&'static str>>) {
        self.state().no_calls = error.into();
    }

    /// A person deletes the message.
    pub(crate) fn delete(&self, ts: &str) {
        self.state().deleted.insert(ts.to_owned());
    }

    /// Slack's limit for each channel; at first there is none, so that tests are fast.
    pub(crate) fn limit_channels(&self, limit: impl Into<Option<VendorLimit>>) {
        let mut state = self.state();
        state.channel_limit = limit.into();
        state.channel_buckets.clear();
    }
}

impl Deref for SlackApi {
    type Target = StandIn<Workspace>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Vendor for Workspace {
    type Post = Call;

    /// The base URL of all methods: `api` in relays.toml.
    fn endpoint(&self) -> String {
        "/api".to_owned()
    }

    fn log(&self) -> &Log<Call> {
        &self.calls
    }

    fn answer(&self, request: &Request) -> Reply {
        match self.take(request) {
            Ok(answer) | Err(CallError::Refused(answer)) => Reply::json(200, &answer),
            Err(CallError::TooFast) => self.throttled(request, Some(1)),
            Err(CallError::Wrong(code, reason)) => {
                Reply::json(200, &json!({ "ok": false, "error": code })).offended(format!("{code}: {reason}"))
            }
        }
    }

    fn throttled(&self, _request: &Request, retry_after: Option<u32>) -> Reply {
        Reply::json(429, &json!({ "ok": false, "error": "ratelimited" })).after(retry_after)
    }

    fn broken(&self, status: u16) -> Reply {
        let code = if status == 503 { "service_unavailable" } else { "internal_error" };
        Reply::json(status, &json!({ "ok": false, "error": code }))
    }
}

enum CallError {
    TooFast,
    /// Because of the workspace's state, which no client can know.
    Refused(Value),
    /// The client's mistake.
    Wrong(&'static str, String),
}

impl From<BrokenRule> for CallError {
    fn from(broken: BrokenRule) -> Self {
        Self::Wrong(broken.code, broken.reason)
    }
}

fn wrong<T>(code: &'static str, reason: impl Into<String>) -> Result<T, CallError> {
    Err(CallError::Wrong(code, reason.into()))
}

fn refused<T>(code: &str) -> Result<T, CallError> {
    let mut answer = json!({ "ok": false, "error": code });
    if code == "missing_scope" {
        (answer["needed"], answer["provided"]) = (json!("chat:write"), json!("commands"));
    }
    Err(CallError::Refused(answer))
}

impl Workspace {
    fn state(&self) -> MutexGuard<'_, WorkspaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, request: &Request) -> Result<Value, CallError> {
        if request.method != "POST" {
            return wrong("invalid_post_type", format!("{} instead of POST", request.method));
        }
        let is_edit = match request.path.as_str() {
            "/api/chat.postMessage" => false,
            "/api/chat.update" => true,
            other => return wrong("unknown_method", format!("there is no method {other:?}")),
        };
        self.authenticate(request)?;
        if let Some(code) = self.state().no_calls {
            return refused(code);
        }
        let fields = check_arguments(request, is_edit)?;
        let channel = self.channel_of(&fields)?;
        if !is_edit {
            self.check_limit(&channel)?;
        }
        check_content(&fields).map_err(|broken| match broken.code {
            "invalid_payload" => CallError::Wrong("invalid_arguments", broken.reason),
            _ => CallError::from(broken),
        })?;
        let (ts, thread_ts) = if is_edit {
            (self.edited(&fields, &channel)?, None)
        } else {
            (self.next_ts(), self.thread(&fields, &channel)?)
        };
        let answer = json!({ "ok": true, "channel": channel, "ts": ts, "message": fields });
        self.calls.push(Call { at: request.at, is_edit, channel, ts, thread_ts, body: Value::Object(fields) });
        Ok(answer)
    }

    /// The token must be in the header and nowhere else.
    fn authenticate(&self, request: &Request) -> Result<(), CallError> {
        if request.query.contains(&self.token) || String::from_utf8_lossy(&request.body).contains(&self.token) {
            return wrong("invalid_auth", "the token stands in the query or the body");
        }
        match request.header("authorization") {
            None => wrong("not_authed", "no Authorization"),
            Some(header) if header.strip_prefix("Bearer ") == Some(self.token.as_str()) => Ok(()),
            Some(_) => wrong("invalid_auth", "the Authorization is not the bot's"),
        }
    }

    fn channel_of(&self, fields: &Map<String, Value>) -> Result<String, CallError> {
        let Some(channel) = fields.get("channel").and_then(Value::as_str) else {
            return wrong("invalid_arguments", "channel is no string");
        };
        match self.state().channels.get(channel) {
            None => wrong("channel_not_found", format!("there is no channel {channel:?}")),
            Some(Some(code)) => refused(code),
            Some(None) => Ok(channel.to_owned()),
        }
    }

    fn check_limit(&self, channel: &str) -> Result<(), CallError> {
        let mut state = self.state();
        let Some(limit) = state.channel_limit else { return Ok(()) };
        let bucket = state.channel_buckets.entry(channel.to_owned()).or_insert_with(|| TokenBucket::new(limit));
        if bucket.take() { Ok(()) } else { Err(CallError::TooFast) }
    }

    fn edited(&self, fields: &Map<String, Value>, channel: &str) -> Result<String, CallError> {
        let Some(ts) = fields.get("ts").and_then(Value::as_str) else {
            return wrong("invalid_arguments", "ts is no string");
        };
        if self.posted_as(channel, ts).is_none() {
            return wrong("message_not_found", format!("there never was a message {ts:?} in {channel}"));
        }
        let text = fields.get("text").and_then(Value::as_str).unwrap_or_default();
        if text.encode_utf16().count() > 4000 {
            return wrong("msg_too_long", "a text of more than 4,000 in an edit");
        }
        let state = self.state();
        match state.no_edits {
            _ if state.deleted.contains(ts) => refused("message_not_found"),
            Some(code) => refused(code),
            None => Ok(ts.to_owned()),
        }
    }

    fn thread(&self, fields: &Map<String, Value>, channel: &str) -> Result<Option<String>, CallError> {
        let text = fields.get("text").and_then(Value::as_str).unwrap_or_default();
        if text.encode_utf16().count() > 40_000 {
            return wrong("msg_too_long", "a text of more than 40,000 Slack cuts without an error");
        }
        let Some(thread) = fields.get("thread_ts") else { return Ok(None) };
        let Some(ts) = thread.as_str() else { return wrong("invalid_arguments", "thread_ts is no string") };
        match self.posted_as(channel, ts) {
            None => wrong("thread_not_found", format!("there never was a message {ts:?} in {channel}")),
            Some(call) if !call.is_head() => wrong("thread_not_found", format!("{ts:?} is an answer itself")),
            Some(_) if self.state().deleted.contains(ts) => refused("thread_not_found"),
            Some(_) => Ok(Some(ts.to_owned())),
        }
    }

    fn posted_as(&self, channel: &str, ts: &str) -> Option<Call> {
        let is_it = |call: &&Call| !call.is_edit && call.channel == channel && call.ts == ts;
        self.calls.entries().iter().find(is_it).cloned()
    }

    fn next_ts(&self) -> String {
        let number = self.posted.fetch_add(1, Ordering::SeqCst);
        format!("{}.{number:06}", 1_700_000_000 + u64::from(number / 10))
    }
}
