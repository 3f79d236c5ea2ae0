//! Slack's Web API, as far as a bot that posts and edits needs it.
//!
//! Its status is 200 whatever happens, limits and outages excepted; `ok` says how it went.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::faults::{Bucket, Limit, Trouble};
use super::log::{Late, Log};
use super::peer::{Peer, Vendor};
use super::slack_channel::{Call, Head, heads};
use super::slack_rules::{Refused, call_holds, content_holds};
use super::unguessable;
use super::wire::{Reply, Request};

pub type SlackApi = Peer<Workspace>;

#[derive(Debug)]
pub struct Workspace {
    token: String,
    calls: Log<Call>,
    /// How many messages were posted: no two have the same `ts`.
    posted: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// And what Slack says to a post there, if it is no.
    channels: BTreeMap<String, Option<&'static str>>,
    deleted: BTreeSet<String>,
    no_edits: Option<&'static str>,
    no_calls: Option<&'static str>,
    channel_limit: Option<Limit>,
    channel_buckets: BTreeMap<String, Bucket>,
    edit_bucket: Option<Bucket>,
}

impl SlackApi {
    /// The channel that is there from the start, with the bot in it.
    pub const CHANNEL: &str = "C0DEMO0OPS";

    pub async fn start() -> io::Result<Self> {
        Self::start_at(0).await
    }

    pub async fn start_at(port: u16) -> io::Result<Self> {
        let token = format!("xoxb-{}", unguessable(40));
        let channels = BTreeMap::from([(Self::CHANNEL.to_owned(), None)]);
        let state = Mutex::new(State { channels, ..State::default() });
        let calls = Log::new("calls of Slack's Web API");
        Self::open(port, Workspace { token, calls, posted: AtomicU32::new(0), state }).await
    }

    /// The base of all methods: `api` in relays.toml.
    pub fn url(&self) -> String {
        format!("{}/api", self.base())
    }

    pub fn token(&self) -> &str {
        &self.vendor().token
    }

    /// What was taken, edits too, in order.
    pub fn calls(&self) -> &Log<Call> {
        &self.vendor().calls
    }

    pub async fn wait_for(&self, calls: usize, limit: Duration) -> Result<Vec<Call>, Late> {
        self.calls().wait_for(calls, limit).await
    }

    /// What the channel looks like now.
    pub fn heads(&self, channel: &str) -> Vec<Head> {
        let deleted = self.vendor().state().deleted.clone();
        heads(&self.calls().all(), channel, |ts| deleted.contains(ts))
    }

    /// Another channel, with the bot in it.
    pub fn open_channel(&self, channel: &str) {
        self.vendor().state().channels.insert(channel.to_owned(), None);
    }

    /// From now on posts to the channel are answered so (`is_archived`, `not_in_channel`); None ends that.
    pub fn close_channel(&self, channel: &str, word: impl Into<Option<&'static str>>) {
        self.vendor().state().channels.insert(channel.to_owned(), word.into());
    }

    /// From now on edits are answered so (`edit_window_closed`); None ends that.
    pub fn refuse_edits(&self, word: impl Into<Option<&'static str>>) {
        self.vendor().state().no_edits = word.into();
    }

    /// From now on every call is answered so (`token_revoked`, `missing_scope`); None ends that.
    pub fn refuse(&self, word: impl Into<Option<&'static str>>) {
        self.vendor().state().no_calls = word.into();
    }

    /// A person deletes the message.
    pub fn delete(&self, ts: &str) {
        self.vendor().state().deleted.insert(ts.to_owned());
    }

    /// What Slack allows in each channel; off at first, so that tests may be quick.
    pub fn limit_channels(&self, limit: impl Into<Option<Limit>>) {
        let mut state = self.vendor().state();
        state.channel_limit = limit.into();
        state.channel_buckets.clear();
    }

    /// What Slack allows of `chat.update`; off at first.
    pub fn limit_edits(&self, limit: impl Into<Option<Limit>>) {
        self.vendor().state().edit_bucket = limit.into().map(Bucket::new);
    }
}

impl Vendor for Workspace {
    fn answer(&self, request: &Request) -> Reply {
        match self.take(request) {
            Ok(answer) | Err(No::Said(answer)) => Reply::json(200, &answer),
            Err(No::TooFast) => self.throttled(request, Some(1)),
            Err(No::Wrong(word, why)) => {
                Reply::json(200, &json!({ "ok": false, "error": word })).offended(format!("{word}: {why}"))
            }
        }
    }

    fn throttled(&self, _request: &Request, retry_after: Option<u32>) -> Reply {
        Reply::json(429, &json!({ "ok": false, "error": "ratelimited" })).after(retry_after)
    }

    fn broken(&self, _request: &Request, status: u16) -> Reply {
        let word = if status == 503 { "service_unavailable" } else { "internal_error" };
        Reply::json(status, &json!({ "ok": false, "error": word }))
    }
}

enum No {
    TooFast,
    /// The state of the workspace, which no client can know.
    Said(Value),
    /// The client's own mistake.
    Wrong(&'static str, String),
}

impl From<Refused> for No {
    fn from(refused: Refused) -> Self {
        Self::Wrong(refused.word, refused.why)
    }
}

fn wrong<T>(word: &'static str, why: impl Into<String>) -> Result<T, No> {
    Err(No::Wrong(word, why.into()))
}

fn said<T>(word: &str) -> Result<T, No> {
    let mut answer = json!({ "ok": false, "error": word });
    if word == "missing_scope" {
        (answer["needed"], answer["provided"]) = (json!("chat:write"), json!("commands"));
    }
    Err(No::Said(answer))
}

impl Workspace {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, request: &Request) -> Result<Value, No> {
        if request.method != "POST" {
            return wrong("invalid_post_type", format!("{} instead of POST", request.method));
        }
        let is_edit = match request.path.as_str() {
            "/api/chat.postMessage" => false,
            "/api/chat.update" => true,
            other => return wrong("unknown_method", format!("there is no method {other:?}")),
        };
        self.knows(request)?;
        if let Some(word) = self.state().no_calls {
            return said(word);
        }
        let fields = call_holds(request, is_edit)?;
        let channel = self.channel_of(&fields)?;
        self.keeps_the_limit(&channel, is_edit)?;
        content_holds(&fields).map_err(|refused| match refused.word {
            "invalid_payload" => No::Wrong("invalid_arguments", refused.why),
            _ => No::from(refused),
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

    /// The token belongs into the header and nowhere else.
    fn knows(&self, request: &Request) -> Result<(), No> {
        if request.query.contains(&self.token) || String::from_utf8_lossy(&request.body).contains(&self.token) {
            return wrong("invalid_auth", "the token stands in the query or the body");
        }
        match request.header("authorization") {
            None => wrong("not_authed", "no Authorization"),
            Some(header) if header.strip_prefix("Bearer ") == Some(self.token.as_str()) => Ok(()),
            Some(_) => wrong("invalid_auth", "the Authorization is not the bot's"),
        }
    }

    fn channel_of(&self, fields: &Map<String, Value>) -> Result<String, No> {
        let Some(channel) = fields.get("channel").and_then(Value::as_str) else {
            return wrong("invalid_arguments", "channel is no string");
        };
        match self.state().channels.get(channel) {
            None => wrong("channel_not_found", format!("there is no channel {channel:?}")),
            Some(Some(word)) => said(word),
            Some(None) => Ok(channel.to_owned()),
        }
    }

    fn keeps_the_limit(&self, channel: &str, is_edit: bool) -> Result<(), No> {
        let mut state = self.state();
        let limit = state.channel_limit;
        let bucket = if is_edit {
            state.edit_bucket.as_mut()
        } else {
            limit.map(|limit| state.channel_buckets.entry(channel.to_owned()).or_insert_with(|| Bucket::new(limit)))
        };
        match bucket.map(Bucket::take) {
            None | Some(Trouble::Nothing) => Ok(()),
            Some(_) => Err(No::TooFast),
        }
    }

    fn edited(&self, fields: &Map<String, Value>, channel: &str) -> Result<String, No> {
        let Some(ts) = fields.get("ts").and_then(Value::as_str) else {
            return wrong("invalid_arguments", "ts is no string");
        };
        let known = self.calls.first(|call| !call.is_edit && call.channel == channel && call.ts == ts);
        if known.is_none() {
            return wrong("message_not_found", format!("there never was a message {ts:?} in {channel}"));
        }
        let text = fields.get("text").and_then(Value::as_str).unwrap_or_default();
        if text.encode_utf16().count() > 4000 {
            return wrong("msg_too_long", "a text of more than 4,000 in an edit");
        }
        let state = self.state();
        match state.no_edits {
            _ if state.deleted.contains(ts) => said("message_not_found"),
            Some(word) => said(word),
            None => Ok(ts.to_owned()),
        }
    }

    fn thread(&self, fields: &Map<String, Value>, channel: &str) -> Result<Option<String>, No> {
        let text = fields.get("text").and_then(Value::as_str).unwrap_or_default();
        if text.encode_utf16().count() > 40_000 {
            return wrong("msg_too_long", "a text of more than 40,000 would be cut in silence");
        }
        let Some(thread) = fields.get("thread_ts") else { return Ok(None) };
        let Some(ts) = thread.as_str() else { return wrong("invalid_arguments", "thread_ts is no string") };
        match self.calls.first(|call| !call.is_edit && call.channel == channel && call.ts == ts) {
            None => wrong("thread_not_found", format!("there never was a message {ts:?} in {channel}")),
            Some(call) if !call.is_head() => wrong("thread_not_found", format!("{ts:?} is an answer itself")),
            Some(_) if self.state().deleted.contains(ts) => said("thread_not_found"),
            Some(_) => Ok(Some(ts.to_owned())),
        }
    }

    fn next_ts(&self) -> String {
        let number = self.posted.fetch_add(1, Ordering::SeqCst);
        format!("{}.{number:06}", 1_700_000_000 + u64::from(number / 10))
    }
}
