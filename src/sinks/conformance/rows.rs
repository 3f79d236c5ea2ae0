//! The table.

use serde_json::Value;

use super::row::Row;
use crate::message::Unit;

const SLACK_MARKUP: &[&str] = &["<!channel>", "<!here|x>", "<@U123>", "<https://evil.example|bank>", "</b>"];
/// A terminal steps on these.
const CONTROLS: &[&str] = &["\u{1b}", "\u{0}", "\r"];

pub(super) const ROWS: &[Row] = &[
    Row {
        kind: "console",
        toml: "",
        accepts: None,
        when_garbled: "",
        unlike: &[],
        refuses: |_| None,
        forbidden: CONTROLS,
        data: &[],
    },
    Row {
        kind: "console",
        toml: "format = \"json\"",
        accepts: None,
        when_garbled: "",
        unlike: &[],
        refuses: |line| (!line.is_object()).then_some("not one object"),
        forbidden: CONTROLS,
        data: &["/event", "/subject", "/type"],
    },
    Row {
        kind: "discord",
        toml: "webhook = \"@/api/webhooks/1/s3cr3t-t0ken\"",
        accepts: Some((200, r#"{"id":"99"}"#)),
        when_garbled: "delivered",
        unlike: &[],
        refuses: refused_by_discord,
        forbidden: &[
            "@everyone",
            "@here",
            "<@U123>",
            "[click](",
            " <https://evil",
            "**bold**",
            "||hidden||",
            "\n> quote",
        ],
        data: &["/embeds/0/url"],
    },
    Row {
        kind: "elasticsearch",
        toml: "url = \"@\"\napi_key = \"s3cr3t-key\"",
        accepts: Some((200, r#"{"errors":false,"items":[{"create":{"status":201}}]}"#)),
        when_garbled: "later: failed_with_2xx",
        unlike: &[],
        refuses: |document| match () {
            () if !document.is_object() => Some("not one object on a line"),
            () if text_of(document, "/@timestamp").is_empty() => Some("a data stream requires @timestamp"),
            () => None,
        },
        forbidden: CONTROLS,
        data: &["/data", "/id", "/source", "/subject", "/type", "/key"],
    },
    Row {
        kind: "google-chat",
        toml: "webhook = \"@/v1/spaces/AAAA/messages?key=s3cr3t-key&token=s3cr3t-t0ken%3D\"",
        accepts: Some((200, r#"{"thread":{"name":"spaces/AAAA/threads/B"}}"#)),
        when_garbled: "delivered",
        unlike: &[],
        refuses: |payload| match text_of(payload, "/text") {
            _ if payload.to_string().len() > 32_000 => Some("longer than 32,000 bytes"),
            text if text.trim().is_empty() => Some("no text"),
            text if text.chars().count() > 4096 => Some("a text above 4,096 characters"),
            _ => None,
        },
        forbidden: &["<users/all>", "<https://evil.example|bank>", "<!channel>"],
        data: &["/thread"],
    },
    Row {
        kind: "http",
        toml: "url = \"@/in/s3cr3t-path\"\nheaders = { Authorization = \"Bearer s3cr3t-t0ken\" }\n\
            sign = { standard_webhooks = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\" }",
        accepts: Some((204, "")),
        when_garbled: "delivered as msg_",
        unlike: &[],
        refuses: refused_as_cloud_event,
        forbidden: CONTROLS,
        data: &["/data"],
    },
    Row {
        kind: "http",
        toml: "url = \"@/in/s3cr3t-path\"\nmethod = \"PUT\"\ncontent = \"text\"",
        accepts: Some((200, "")),
        when_garbled: "delivered",
        unlike: &[],
        refuses: |text| text.as_str().is_some_and(|text| text.trim().is_empty()).then_some("no text"),
        forbidden: CONTROLS,
        data: &[],
    },
    Row {
        kind: "mattermost",
        toml: "webhook = \"@/hooks/s3cr3t-k3y\"\nchannel = \"town-square\"",
        accepts: Some((200, "ok")),
        // A success of Mattermost has the body `ok`.
        when_garbled: "later: failed_with_2xx",
        unlike: &[],
        refuses: refused_by_mattermost,
        forbidden: &[
            "<!channel>",
            "@everyone",
            "@here",
            "@all",
            "<https://evil",
            "[click](",
            "![x](",
            "**bold**",
            "\n> quote",
        ],
        data: &["/attachments/0/title_link"],
    },
    Row {
        kind: "pagerduty",
        toml: "key = \"0123456789abcdefs3cr3t0123456789\"\nurl = \"@/v2/enqueue\"",
        accepts: Some((202, r#"{"status":"success","message":"Event processed","dedup_key":"prod/web"}"#)),
        when_garbled: "delivered as prod/web",
        unlike: &[],
        refuses: |payload| {
            let links = payload["links"].as_array();
            match () {
                () if payload.to_string().len() > 512_000 => Some("longer than 512,000 bytes"),
                () if text_of(payload, "/payload/summary").trim().is_empty() => Some("no summary"),
                () if is_longer(payload, "/payload/summary", 1024) => Some("a summary above 1,024"),
                () if text_of(payload, "/payload/source").trim().is_empty() => Some("no source"),
                () if is_longer(payload, "/dedup_key", 255) => Some("a dedup_key above 255"),
                () if links.into_iter().flatten().any(|link| link["href"] == "") => Some("an empty link"),
                () => None,
            }
        },
        forbidden: CONTROLS,
        data: &["/payload/custom_details"],
    },
    Row {
        kind: "pagerduty",
        toml: "api = \"v1\"\nkey = \"0123456789abcdefs3cr3t0123456789\"\nurl = \"@/generic/create_event.json\"",
        accepts: Some((200, r#"{"status":"success","message":"Event processed","incident_key":"prod/web"}"#)),
        when_garbled: "delivered as prod/web",
        // https://developer.pagerduty.com/docs/events-api-v1-overview: that limit was reached.
        unlike: &[(403, "later, all: status_403")],
        refuses: |payload| match () {
            () if payload.to_string().len() > 512_000 => Some("longer than 512,000 bytes"),
            () if text_of(payload, "/description").trim().is_empty() => Some("no description"),
            () if is_longer(payload, "/description", 1024) => Some("a description above 1,024"),
            () if is_longer(payload, "/incident_key", 255) => Some("an incident_key above 255"),
            () => None,
        },
        forbidden: CONTROLS,
        data: &["/details"],
    },
    Row {
        kind: "slack",
        toml: "webhook = \"@/services/T0/B0/s3cr3t-hook\"",
        accepts: Some((200, "ok")),
        // A success of Slack has the body `ok`.
        when_garbled: "later: failed_with_2xx",
        unlike: &[],
        refuses: refused_by_slack,
        forbidden: SLACK_MARKUP,
        data: &["/attachments/0/title_link"],
    },
    Row {
        kind: "slack",
        toml: "token = \"xoxb-s3cr3t-t0ken\"\nchannel = \"C024BE91L\"\nupdate = true\napi = \"@/api\"",
        accepts: Some((200, r#"{"ok":true,"channel":"C024BE91L","ts":"1503435956.000247","message":{"text":"x"}}"#)),
        // Every reply of the Web API has `ok`.
        when_garbled: "later: failed_with_2xx",
        unlike: &[],
        refuses: |payload| match () {
            () if payload["channel"] != "C024BE91L" => Some("channel_not_found"),
            () if payload.get("ts").is_some() || payload.get("thread_ts").is_some() => Some("thread_not_found"),
            () => refused_by_slack(payload),
        },
        forbidden: SLACK_MARKUP,
        data: &["/attachments/0/title_link"],
    },
    Row {
        kind: "teams",
        toml: "webhook = \"@/workflows/7a/triggers/manual/paths/invoke?sp=%2Frun&sig=s3cr3t-S_ig%2B\"",
        accepts: Some((202, "")),
        when_garbled: "delivered",
        unlike: &[],
        refuses: refused_by_teams,
        forbidden: &["<at>Bob", "<https://evil", "[click](", "**bold**", "\n# head"],
        data: &["/attachments/0/content/actions"],
    },
];

fn refused_by_slack(payload: &Value) -> Option<&'static str> {
    let attachments = payload["attachments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fields = attachments.iter().filter_map(|attachment| attachment["fields"].as_array()).flatten();
    match () {
        () if attachments.is_empty() && text_of(payload, "/text").trim().is_empty() => Some("no_text"),
        () if is_longer(payload, "/text", 4000) => Some("a text above 4,000"),
        () if attachments.len() > 1 => Some("more than one attachment"),
        () if is_longer(payload, "/attachments/0/text", 4000) => Some("an attachment above 4,000"),
        () if fields.count() > 21 => Some("too many fields"),
        () => None,
    }
}

fn refused_by_discord(payload: &Value) -> Option<&'static str> {
    let embed = &payload["embeds"][0];
    let fields = embed["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let parts = || fields.iter().flat_map(|field| [&field["name"], &field["value"]]).filter_map(Value::as_str);
    let texts = [embed["title"].as_str(), embed["description"].as_str()].into_iter().flatten();
    let sum: usize = texts.chain(parts()).map(|text| Unit::Utf16.count(text)).sum();
    match () {
        () if payload["allowed_mentions"]["parse"] != serde_json::json!([]) => Some("mentions are allowed"),
        () if embed.is_null() && text_of(payload, "/content").trim().is_empty() => Some("an empty message"),
        () if is_longer(payload, "/content", 2000) => Some("a content above 2,000"),
        () if is_longer(embed, "/title", 256) => Some("a title above 256"),
        () if is_longer(embed, "/description", 4096) => Some("a description above 4,096"),
        () if fields.len() > 25 => Some("more than 25 fields"),
        () if fields.iter().any(|field| is_longer(field, "/name", 256)) => Some("a field's name above 256"),
        () if fields.iter().any(|field| is_longer(field, "/value", 1024)) => Some("a field above 1,024"),
        () if parts().any(|text| text.trim().is_empty()) => Some("an empty field"),
        () if sum > 6000 => Some("more than 6,000 together"),
        () if embed["url"].as_str().is_some_and(|url| !url.starts_with("http")) => Some("an invalid url"),
        () => None,
    }
}

fn refused_by_mattermost(payload: &Value) -> Option<&'static str> {
    let attachments = payload["attachments"].as_array().map(Vec::as_slice).unwrap_or_default();
    match () {
        () if attachments.is_empty() && text_of(payload, "/text").trim().is_empty() => Some("no text"),
        () if text_of(payload, "/text").chars().count() > 16_383 => Some("a text above 16,383"),
        () if attachments.iter().map(|one| one.to_string().chars().count()).sum::<usize>() > 16_000 => Some("too long"),
        () => None,
    }
}

fn refused_by_teams(payload: &Value) -> Option<&'static str> {
    let card = &payload["attachments"][0]["content"];
    let blocks = card["body"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut texts = blocks.iter().filter_map(|block| block["text"].as_str());
    let mut actions = card["actions"].as_array().into_iter().flatten();
    match () {
        () if card["type"] != "AdaptiveCard" => Some("Property 'type' must be 'AdaptiveCard'"),
        () if payload.to_string().len() > 20_000 => Some("too large a card"),
        () if blocks.is_empty() || texts.any(|text| text.trim().is_empty()) => Some("an empty block"),
        () if actions.any(|action| !text_of(action, "/url").starts_with("http")) => Some("an invalid url"),
        () => None,
    }
}

fn refused_as_cloud_event(payload: &Value) -> Option<&'static str> {
    let required = ["id", "source", "specversion", "type"];
    match () {
        () if required.iter().any(|name| payload[*name].as_str().is_none_or(str::is_empty)) => {
            Some("an attribute is missing")
        }
        () if payload["subject"] == "" => Some("an empty subject"),
        () if payload.get("data").is_none() => Some("no data"),
        () => None,
    }
}

fn text_of<'v>(payload: &'v Value, place: &str) -> &'v str {
    payload.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

fn is_longer(payload: &Value, place: &str, limit: usize) -> bool {
    Unit::Utf16.count(text_of(payload, place)) > limit
}
