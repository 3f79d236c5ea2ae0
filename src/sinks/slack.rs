//! Slack: by incoming webhook, whose URL is the credential and names the channel, or as a bot, which has threads and
//! can edit its messages.

mod api_reply;
mod bot;
mod call;
mod payload;
#[cfg(test)]
mod tests;
mod thread_root;
mod webhook;

use super::chat_webhook::ChatWebhook;
use super::sink::{SinkKind, SinkTraits};
use crate::config_reader::{Problem, TableReader};
use crate::message::{Message, Receipt, SendError};
use crate::outbound::Outbound;

const BOT_KEYS: [&str; 3] = ["channel", "update", "api"];

#[derive(Debug)]
pub enum Slack {
    Webhook(webhook::Webhook),
    Bot(Box<bot::Bot>),
}

impl Slack {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let (webhook, token) = (table.item("webhook"), table.item("token"));
        // Read in any case: a key that is not read is reported as unknown.
        let bot = bot::Bot::read(table);
        let bot_keys = BOT_KEYS.into_iter().filter(|key| table.has(key));
        match (webhook, token) {
            (Some(_), Some(token)) => {
                let problem = Problem::error(token.span.clone(), "`token` and `webhook` exclude each other");
                table.reader.problem(problem.hint("keep `webhook`, or keep `token` and `channel`"));
                None
            }
            (Some(_), None) => {
                let wrong: Vec<_> = bot_keys.collect();
                if let Some(place) = wrong.first().and_then(|key| table.item(key)) {
                    let why = format!("only a bot has `{}`, and this is a webhook", wrong.join("` and `"));
                    let problem = Problem::error(place.span.clone(), why);
                    table.reader.problem(problem.hint("write `token` and `channel` instead of `webhook`"));
                }
                let webhook = ChatWebhook::read(table)?;
                wrong.is_empty().then_some(Self::Webhook(webhook::Webhook(webhook)))
            }
            (None, Some(_)) => bot.map(|bot| Self::Bot(Box::new(bot))),
            (None, None) if bot_keys.count() > 0 => {
                table.missing_with_hint(
                    "token",
                    Some("Please provide a bot's token: token = { env = \"SLACK_BOT_TOKEN\" }"),
                );
                None
            }
            (None, None) => {
                table.missing_with_hint(
                    "webhook",
                    Some("Please provide a Slack URL: webhook = { env = \"SLACK_URL\" }"),
                );
                None
            }
        }
    }
}

impl SinkKind for Slack {
    async fn send(&self, net: &Outbound, message: &Message) -> Result<Receipt, SendError> {
        match self {
            Self::Webhook(webhook) => webhook.send(net, message).await,
            Self::Bot(bot) => bot.send(net, message).await,
        }
    }

    fn traits(&self) -> SinkTraits {
        match self {
            Self::Webhook(webhook) => webhook.traits(),
            Self::Bot(bot) => bot.traits(),
        }
    }
}
