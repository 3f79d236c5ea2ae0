//! A bot with a token: messages of one key are one thread, whose head may be kept up to date.

use std::borrow::Cow;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

use super::super::to_body;
use super::ONE_A_SECOND;
use super::payload::{LONGEST_TEXT, Payload, standing};
use super::root::Root;
use super::verdict::{Outcome, Step};
use crate::config_reader::{Problem, Rate, Spanned, TableReader};
use crate::fault::Fault;
use crate::message::{Message, Receipt, SendError, Unit, cut};
use crate::outbound::{Endpoint, Outbound};
use crate::secret::Secret;

const API: &str = "https://slack.com/api";
/// <https://docs.slack.dev/apis/web-api/rate-limits>: `chat.update` is of tier 3.
const EDITS: Rate = Rate { times: 50, per: Duration::from_secs(60) };

#[derive(Debug)]
pub struct Config {
    api: Endpoint,
    authorization: HeaderValue,
    channel: String,
    update: bool,
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let api = Endpoint::read_text(table, "api", API);
        let update = table.flag("update").unwrap_or(false);
        let channel = channel(table);
        let token = table.secret("token")?;
        let authorization = authorization(table, &token)?;
        let api = api?.value.hiding(token.value.expose());
        Some(Self { api, authorization, channel: channel?, update })
    }
}

fn channel(table: &TableReader) -> Option<String> {
    const WHERE: &str = "its id stands at the end of the channel's details in Slack: channel = \"C0123456789\"";
    let Some(said) = table.text("channel") else {
        if table.has("token") && !table.has("channel") {
            table.missing_with_hint("channel", Some(WHERE));
        }
        return None;
    };
    let is_id = |id: &str| id.len() > 1 && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if said.value.trim().is_empty() {
        table.reading.problem(Problem::error(said.span, "`channel` is empty").hint(WHERE));
        return None;
    }
    if !(said.value.starts_with(['C', 'G', 'D', 'U', 'W']) && is_id(&said.value)) {
        let problem = Problem::warning(said.span, "`channel` is no id, and a name changes");
        table.reading.problem(problem.hint(WHERE));
    }
    Some(said.value)
}

fn authorization(table: &TableReader, token: &Spanned<Secret>) -> Option<HeaderValue> {
    let written = token.value.expose();
    let header = HeaderValue::from_str(&format!("Bearer {written}"));
    match header {
        Ok(mut header) if !written.contains(char::is_whitespace) => {
            header.set_sensitive(true);
            Some(header)
        }
        _ => {
            let said = "`token` holds a character that no token does (a newline, perhaps)";
            table.reading.problem(Problem::error(token.span.clone(), said));
            None
        }
    }
}

#[derive(Debug)]
pub struct Bot {
    post: Endpoint,
    edit: Endpoint,
    headers: HeaderMap,
    channel: String,
    update: bool,
    net: Outbound,
}

impl Bot {
    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        let Config { api, authorization, channel, update } = config;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
        let (post, edit) = (api.clone().below("chat.postMessage"), api.below("chat.update"));
        Self { post, edit, headers, channel, update, net: net.clone() }
    }

    /// One host and one channel: whichever token posts there.
    pub(super) fn destination(&self) -> String {
        self.post.destination_of(&self.channel)
    }

    pub(super) fn rate(&self) -> Rate {
        if self.update { EDITS } else { ONE_A_SECOND }
    }

    pub(super) async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let root = message.earlier.as_deref().filter(|_| !message.key.is_empty());
        if let Some(root) = root.and_then(|receipt| Root::parse(receipt, &self.channel)) {
            match self.go_on(&root, message).await? {
                Outcome::Done(_) => return Ok(Receipt(Some(root.receipt(&self.channel)))),
                Outcome::Past(why) => {
                    tracing::debug!(key = message.key, "a new thread, for the old one is past: {why}");
                }
            }
        }
        match self.ask(Step::Begin, content(message, self.update)?, None).await? {
            Outcome::Done(answer) => Ok(Receipt(Root::of(answer).map(|root| root.receipt(&self.channel)))),
            Outcome::Past(why) => Err(SendError::NeverMessage(why)),
        }
    }

    /// The edit goes first: when what comes after it fails and all is done once more, nobody sees it twice.
    async fn go_on(&self, root: &Root, message: &Message) -> Result<Outcome, SendError> {
        if self.update {
            let content = replacing_all(content(message, true)?);
            if let Outcome::Past(why) = self.ask(Step::Edit, content, Some(root)).await.map_err(harmless_again)? {
                return Ok(Outcome::Past(why));
            }
        }
        self.ask(Step::Reply, content(message, false)?, Some(root)).await
    }

    async fn ask(&self, step: Step, mut content: Fields, root: Option<&Root>) -> Result<Outcome, SendError> {
        // Where a message goes is for relays.toml to say, and no event gets a word in it through a raw payload.
        for place in ["channel", "ts", "thread_ts"] {
            content.remove(place);
        }
        let channel = root.map_or(self.channel.as_str(), |root| &root.channel);
        content.insert("channel".to_owned(), channel.into());
        let (to, place) = match step {
            Step::Begin | Step::Reply => (&self.post, "thread_ts"),
            Step::Edit => (&self.edit, "ts"),
        };
        content.extend(root.map(|root| (place.to_owned(), Value::from(root.ts.as_str()))));
        let reply = self.net.post(to, self.headers.clone(), to_body(&content)?).await?;
        step.outcome(&reply)
    }
}

type Fields = Map<String, Value>;

/// What there is to say; at the `head` of a thread that is kept up to date, how things stand.
fn content(message: &Message, head: bool) -> Result<Fields, SendError> {
    let no_table = || {
        let said = "Slack's Web API takes a table of fields, and this payload is none";
        SendError::NeverMessage(Fault::new("unwritable", said))
    };
    if let Some(raw) = &message.raw {
        return raw.as_object().cloned().ok_or_else(no_table);
    }
    let standing = if head { standing(message) } else { Cow::Borrowed(message) };
    let colored = head && message.signal.is_some();
    let payload = if colored { Payload::colored(&standing) } else { Payload::of(&standing) };
    match serde_json::to_value(payload) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) | Err(_) => Err(no_table()),
    }
}

/// `chat.update` keeps what it is not told of, and refuses what `chat.postMessage` would fold.
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

/// The same edit twice is one edit, so it does not matter whether the first was made.
fn harmless_again(error: SendError) -> SendError {
    match error {
        SendError::Later { wait, lane, cause, .. } => SendError::Later { wait, lane, maybe: false, cause },
        never => never,
    }
}
