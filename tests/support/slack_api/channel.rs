//! A Slack channel as a person sees it after all posts and edits.

use serde_json::{Map, Value};
use tokio::time::Instant;

/// A post or an edit that Slack took.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    /// True for `chat.update`, false for `chat.postMessage`.
    pub(crate) is_edit: bool,
    pub(crate) channel: String,
    /// Of the message that was posted or edited.
    pub(crate) ts: String,
    /// The thread that it was posted in.
    pub(crate) thread_ts: Option<String>,
    pub(crate) body: Value,
}

/// A message outside threads, with all edits applied, and its thread.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) ts: String,
    pub(crate) content: Content,
    pub(crate) edits: usize,
    pub(crate) replies: Vec<Content>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Content {
    pub(crate) text: String,
    pub(crate) blocks: Vec<Value>,
    pub(crate) attachments: Vec<Value>,
}

impl Call {
    pub(super) fn is_head(&self) -> bool {
        !self.is_edit && self.thread_ts.is_none()
    }
}

impl Content {
    /// The text, and the title and text of each attachment.
    pub(crate) fn visible_text(&self) -> String {
        let of = |attachment: &Value| {
            let part = |key: &str| attachment.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            [part("title"), part("text")]
        };
        let parts = [self.text.clone()].into_iter().chain(self.attachments.iter().flat_map(of));
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// The color of the first attachment.
    pub(crate) fn color(&self) -> Option<&str> {
        self.attachments.first()?.get("color")?.as_str()
    }

    fn of(body: &Value) -> Self {
        let mut content = Self::default();
        content.replace(body);
        content
    }

    /// <https://docs.slack.dev/reference/methods/chat.update>: absent fields stay, but a new text removes the blocks.
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

/// The messages of `channel` in their order, without those that were deleted.
pub(super) fn heads(calls: &[Call], channel: &str, is_deleted: impl Fn(&str) -> bool) -> Vec<Head> {
    let mut heads: Vec<Head> = Vec::new();
    for Call { is_edit, ts, thread_ts, body, .. } in calls.iter().filter(|call| call.channel == channel) {
        let head = heads.iter_mut().find(|head| head.ts == *thread_ts.as_ref().unwrap_or(ts));
        match head {
            Some(head) if thread_ts.is_some() => head.replies.push(Content::of(body)),
            Some(head) if *is_edit => {
                head.content.replace(body);
                head.edits += 1;
            }
            // Edits of replies are not modelled.
            None if *is_edit || thread_ts.is_some() => {}
            _ => heads.push(Head { ts: ts.clone(), content: Content::of(body), edits: 0, replies: Vec::new() }),
        }
    }
    heads.retain(|head| !is_deleted(&head.ts));
    heads
}
