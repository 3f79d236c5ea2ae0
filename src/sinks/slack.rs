//! Slack, in two ways: by incoming webhook, whose URL is the credential and the channel, or as a bot, which knows
//! threads and can edit what it said.

mod answer;
mod bot;
mod payload;
mod root;
#[cfg(test)]
mod tests;
mod verdict;
mod webhook;

use std::time::Duration;

use super::{Audience, Sink, SinkTraits};
use crate::config_reader::{Problem, Rate, TableReader};
use crate::message::{Markup, Message, Receipt, SendError};
use crate::outbound::{Endpoint, Outbound};

/// What only a bot can use.
const OF_A_BOT: [&str; 3] = ["channel", "update", "api"];

#[derive(Debug)]
pub enum Config {
    Webhook(Endpoint),
    Bot(bot::Config),
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let (webhook, token) = (table.item("webhook"), table.item("token"));
        // Asked for in any case: what nobody asks for is an unknown key.
        let bot = bot::Config::read(table);
        let of_a_bot = OF_A_BOT.into_iter().filter(|key| table.has(key));
        match (webhook, token) {
            (Some(_), Some(token)) => {
                let problem = Problem::error(token.span.clone(), "`token` and `webhook` are two ways: one must go");
                table.reading.problem(problem.hint("keep `webhook`, or keep `token` and `channel`"));
                None
            }
            (Some(_), None) => {
                let wrong: Vec<_> = of_a_bot.collect();
                if let Some(place) = wrong.first().and_then(|key| table.item(key)) {
                    let said = format!("only a bot has `{}`, and this is a webhook", wrong.join("` and `"));
                    let problem = Problem::error(place.span.clone(), said);
                    table.reading.problem(problem.hint("write `token` and `channel` instead of `webhook`"));
                }
                let webhook = Endpoint::read_secret(table, "webhook", "")?.value;
                wrong.is_empty().then_some(Self::Webhook(webhook))
            }
            (None, Some(_)) => bot.map(Self::Bot),
            (None, None) if of_a_bot.count() > 0 => {
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

#[derive(Debug)]
pub enum Slack {
    Webhook(webhook::Webhook),
    Bot(Box<bot::Bot>),
}

impl Slack {
    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        match config {
            Config::Webhook(url) => Self::Webhook(webhook::Webhook::open(url, net)),
            Config::Bot(config) => Self::Bot(Box::new(bot::Bot::open(config, net))),
        }
    }
}

impl Sink for Slack {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        match self {
            Self::Webhook(webhook) => webhook.send(message).await,
            Self::Bot(bot) => bot.send(message).await,
        }
    }

    fn traits(&self) -> SinkTraits {
        match self {
            Self::Webhook(webhook) => traits(webhook.destination()),
            Self::Bot(bot) => SinkTraits { rate: Some(bot.rate()), remembers: true, ..traits(bot.destination()) },
        }
    }
}

/// <https://docs.slack.dev/apis/web-api/rate-limits>: one a second for each webhook and each channel, short bursts
/// tolerated.
const ONE_A_SECOND: Rate = Rate { times: 1, per: Duration::from_secs(1) };

fn traits(destination: String) -> SinkTraits {
    SinkTraits {
        markup: Markup::Slack,
        rate: Some(ONE_A_SECOND),
        burst: 3,
        audience: Audience::Chat,
        ..SinkTraits::plain(destination)
    }
}
