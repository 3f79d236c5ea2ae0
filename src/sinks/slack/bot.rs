//! A bot with a token: messages of one key are one thread, whose head can show the current status.

use std::borrow::Cow;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

use super::super::chat_webhook::ONE_PER_SECOND;
use super::super::payload::to_body;
use super::super::sink::{Audience, SinkTraits};
use super::call::{Call, CallResult};
use super::payload::{LONGEST_TEXT, Payload, status_head};
use super::thread_root::ThreadRoot;
use crate::config_reader::{Problem, Rate, Spanned, TableReader};
use crate::fault::Fault;
use crate::message::{Markup, Message, Receipt, SendError, Unit, cut};
use crate::outbound::{Outbound, Request, SecretUrl, secret_header};
use crate::secret::Secret;

const API: &str = "https://slack.com/api";
/// <https://docs.slack.dev/apis/web-api/rate-limits>: `chat.update` is of tier 3.
const EDITS: Rate = Rate { times: 50, per: Duration::from_secs(60) };

#[derive(Debug)]
pub struct Bot {
    post: SecretUrl,
    edit: SecretUrl,
    headers: HeaderMap,
    channel: String,
    update: bool,
}

impl Bot {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let api = SecretUrl::read_text(table, "api", API);
        let update = table.flag("update").unwrap_or(false);
        let channel = channel(table);
        let token = table.secret("token")?;
        let authorization = authorization(table, &token)?;
        let api = api?.value.redacting(token.value.expose());
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
        let (post, edit) = (api.clone().with_segment("chat.postMessage"), api.with_segment("chat.update"));
        Some(Self { post, edit, headers, channel: channel?, update })
    }

    pub(super) fn traits(&self) -> SinkTraits {
        // https://docs.slack.dev/apis/web-api/rate-limits: one a second for each channel, short bursts tolerated.
        let rate = if self.update { EDITS } else { ONE_PER_SECOND };
        SinkTraits {
            markup: Markup::Slack,
            rate: Some(rate),
            burst: 3,
            audience: Audience::Chat,
            remembers: true,
            // The channel, whichever token posts to it.
            ..SinkTraits::plain(self.post.destination_of(&self.channel))
        }
    }

    pub(super) async fn send(&self, net: &Outbound, message: &Message) -> Result<Receipt, SendError> {
        let root = message.earlier.as_deref().filter(|_| !message.key.is_empty());
        if let Some(root) = root.and_then(|receipt| ThreadRoot::parse(receipt, &self.channel)) {
            match self.continue_thread(net, &root, message).await? {
                CallResult::Done(_) => return Ok(Receipt(Some(root.receipt(&self.channel)))),
                CallResult::ThreadGone(why) => {
                    tracing::debug!(key = message.key, "the thread is gone, beginning a new one: {why}");
                }
            }
        }
        match self.call(net, Call::Post, content(message, self.update)?, None).await? {
            CallResult::Done(reply) => {
                Ok(Receipt(ThreadRoot::from_reply(reply).map(|root| root.receipt(&self.channel))))
            }
            CallResult::ThreadGone(why) => Err(SendError::NeverMessage(why)),
        }
    }

    /// The edit goes first: when the reply fails and both are done again, the edit is not visible twice.
    async fn continue_thread(
        &self,
        net: &Outbound,
        root: &ThreadRoot,
        message: &Message,
    ) -> Result<CallResult, SendError> {
        if self.update {
            let content = replacing_all(content(message, true)?);
            if let CallResult::ThreadGone(why) =
                self.call(net, Call::Edit, content, Some(root)).await.map_err(repeatable)?
            {
                return Ok(CallResult::ThreadGone(why));
            }
        }
        self.call(net, Call::Reply, content(message, false)?, Some(root)).await
    }

    async fn call(
        &self,
        net: &Outbound,
        call: Call,
        mut content: Fields,
        root: Option<&ThreadRoot>,
    ) -> Result<CallResult, SendError> {
        // Only relays.toml decides where a message goes, never an event through a raw payload.
        for place in ["channel", "ts", "thread_ts"] {
            content.remove(place);
        }
        let channel = root.map_or(self.channel.as_str(), |root| &root.channel);
        content.insert("channel".to_owned(), channel.into());
        let (to, place) = match call {
            Call::Post | Call::Reply => (&self.post, "thread_ts"),
            Call::Edit => (&self.edit, "ts"),
        };
        content.extend(root.map(|root| (place.to_owned(), Value::from(root.ts.as_str()))));
        let reply = net.deliver(Request::post(to, to_body(&content)?).headers(self.headers.clone())).await?;
        call.result(&reply)
    }
}

fn channel(table: &TableReader) -> Option<String> {
    const WHERE: &str = "its id is at the end of the channel's details in Slack: channel = \"C0123456789\"";
    let Some(channel) = table.text("channel") else {
        if table.has("token") && !table.has("channel") {
            table.missing_with_hint("channel", Some(WHERE));
        }
        return None;
    };
    let is_id = |id: &str| id.len() > 1 && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if channel.value.trim().is_empty() {
        table.reader.problem(Problem::error(channel.span, "`channel` is empty").hint(WHERE));
        return None;
    }
    if !(channel.value.starts_with(['C', 'G', 'D', 'U', 'W']) && is_id(&channel.value)) {
        let problem = Problem::warning(channel.span, "`channel` is not an id, and a name can change");
        table.reader.problem(problem.hint(WHERE));
    }
    Some(channel.value)
}

fn authorization(table: &TableReader, token: &Spanned<Secret>) -> Option<HeaderValue> {
    let value = token.value.expose();
    if value.contains(char::is_whitespace) {
        let why = "`token` holds a character that no token does (a newline, perhaps)";
        table.reader.problem(Problem::error(token.span.clone(), why));
        return None;
    }
    secret_header(table.reader, token, &format!("Bearer {value}"))
}

type Fields = Map<String, Value>;

/// The content of the message; for the `head` of a thread, as its current status.
fn content(message: &Message, head: bool) -> Result<Fields, SendError> {
    let not_an_object = || {
        SendError::NeverMessage(Fault::new("unwritable", "the raw payload is not a table, as Slack's Web API requires"))
    };
    if let Some(raw) = &message.raw {
        return raw.as_object().cloned().ok_or_else(not_an_object);
    }
    let shown = if head { status_head(message) } else { Cow::Borrowed(message) };
    let colored = head && message.signal.is_some();
    let payload = if colored { Payload::colored(&shown) } else { Payload::new(&shown) };
    match serde_json::to_value(payload) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) | Err(_) => Err(not_an_object()),
    }
}

/// `chat.update` keeps every part that is left out, and refuses a text that `chat.postMessage` would fold.
fn replacing_all(mut content: Fields) -> Fields {
    if !content.contains_key("markdown_text") {
        content.entry("text").or_insert_with(|| "".into());
        content.entry("blocks").or_insert_with(|| json!([]));
    }
    content.entry("attachments").or_insert_with(|| json!([]));
    if let Some(Value::String(text)) = content.get_mut("text") {
        *text = cut(text, LONGEST_TEXT, Unit::Utf16);
    }
    content
}

/// Repeating an edit changes nothing, so it does not matter whether the first attempt succeeded.
fn repeatable(error: SendError) -> SendError {
    match error {
        SendError::Later { wait, lane, cause, .. } => SendError::Later { wait, lane, maybe: false, cause },
        never => never,
    }
}
