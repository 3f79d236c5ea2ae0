//! What a channel of Slack looks like after all that was posted and edited there.

use serde_json::{Map, Value};
use tokio::time::Instant;

/// A message or an edit as Slack took it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub at: Instant,
    /// `chat.update`; else `chat.postMessage`.
    pub is_edit: bool,
    pub channel: String,
    /// Of the message that was posted or edited.
    pub ts: String,
    /// In whose thread it was posted.
    pub thread_ts: Option<String>,
    pub body: Value,
}

/// A message of the channel itself, as it reads now, and its thread.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub ts: String,
    pub content: Content,
    pub edits: usize,
    pub replies: Vec<Content>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Content {
    pub text: String,
    pub blocks: Vec<Value>,
    pub attachments: Vec<Value>,
}

impl Call {
    pub(super) fn is_head(&self) -> bool {
        !self.is_edit && self.thread_ts.is_none()
    }
}

impl Content {
    /// What is read there: the text, and of each attachment the title and the text.
    pub fn words(&self) -> String {
        let of = |attachment: &Value| {
            let part = |key: &str| attachment.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            [part("title"), part("text")]
        };
        let parts = [self.text.clone()].into_iter().chain(self.attachments.iter().flat_map(of));
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// The bar beside the first attachment.
    pub fn color(&self) -> Option<&str> {
        self.attachments.first()?.get("color")?.as_str()
    }

    fn of(body: &Value) -> Self {
        let mut content = Self::default();
        content.replace(body);
        content
    }

    /// <https://docs.slack.dev/reference/methods/chat.update>: what is not said stays, but blocks do not survive a new text.
    fn replace(&mut self, body: &Value) {
        let none = Map::new();
        let fields = body.as_object().unwrap_or(&none);
        let list = |key: &str| fields.get(key).map(|items| items.as_array().cloned().unwrap_or_default());
        let text = fields.get("text").and_then(Value::as_str);
        if text.is_some_and(|text| !text.is_empty()) {
            self.blocks.clear();
        }
        self.text = text.map_or_else(|| std::mem::take(&mut self.text), str::to_owned);
        self.blocks = list("blocks").unwrap_or_else(|| std::mem::take(&mut self.blocks));
        self.attachments = list("attachments").unwrap_or_else(|| std::mem::take(&mut self.attachments));
    }
}

/// The messages of `channel` in their order, but for those that `is_gone` says were deleted.
pub(super) fn heads(calls: &[Call], channel: &str, is_gone: impl Fn(&str) -> bool) -> Vec<Head> {
    let mut heads: Vec<Head> = Vec::new();
    for Call { is_edit, ts, thread_ts, body, .. } in calls.iter().filter(|call| call.channel == channel) {
        let head = heads.iter_mut().find(|head| head.ts == *thread_ts.as_ref().unwrap_or(ts));
        match head {
            Some(head) if thread_ts.is_some() => head.replies.push(Content::of(body)),
            Some(head) if *is_edit => {
                head.content.replace(body);
                head.edits += 1;
            }
            // Of a reply's own edits nothing is shown.
            None if *is_edit || thread_ts.is_some() => {}
            _ => heads.push(Head { ts: ts.clone(), content: Content::of(body), edits: 0, replies: Vec::new() }),
        }
    }
    heads.retain(|head| !is_gone(&head.ts));
    heads
}
