//! Slack's incoming webhook with what Slack refuses: the limits of Block Kit and of attachments, and the error codes.

use serde_json::{Map, Value};
use tidings::demo::standins::{Reply, Request, Slack, Vendor, Webhook};

/// Slack's error code, and for the record of offences the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrokenRule {
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

type Checked = Result<(), String>;

pub(crate) fn broken(code: &'static str, reason: impl Into<String>) -> BrokenRule {
    BrokenRule { code, reason: reason.into() }
}

/// A stand-in that checks every rule.
pub(crate) fn start() -> Slack {
    Slack::open(Webhook::default(), Some(check)).expect("loopback")
}

fn check(webhook: &Webhook, request: &Request) -> Option<Reply> {
    match check_post(request) {
        Err(broken) => Some(Reply::text(400, broken.code).offended(format!("{}: {}", broken.code, broken.reason))),
        // An app's webhook is bound to its channel and name: Slack takes the message and ignores these.
        Ok(fields) => ["channel", "username", "icon_emoji", "icon_url"]
            .into_iter()
            .find(|key| fields.contains_key(*key))
            .map(|key| webhook.answer(request).offended(format!("an app's webhook cannot set {key}"))),
    }
}

fn check_post(request: &Request) -> Result<Map<String, Value>, BrokenRule> {
    if !request.is_json() {
        return Err(broken("invalid_payload", "the Content-Type is not application/json"));
    }
    let fields = serde_json::from_slice(&request.body)
        .map_err(|error| broken("invalid_payload", format!("not a JSON object: {error}")))?;
    check_content(&fields)?;
    Ok(fields)
}

/// The rules for every message, to a webhook or to the Web API.
pub(crate) fn check_content(fields: &Map<String, Value>) -> Result<(), BrokenRule> {
    let text = match fields.get("text") {
        None => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err(broken("invalid_payload", "text is no string")),
    };
    let blocks = list(fields, "blocks").map_err(|reason| broken("invalid_blocks_format", reason))?;
    let attachments = list(fields, "attachments").map_err(|reason| broken("invalid_attachments", reason))?;
    if text.is_empty() && blocks.is_empty() && attachments.is_empty() {
        return Err(broken("no_text", "neither text nor blocks nor attachments"));
    }
    check_blocks(blocks).map_err(|reason| broken("invalid_blocks", reason))?;
    if attachments.len() > 100 {
        return Err(broken("too_many_attachments", format!("{} attachments", attachments.len())));
    }
    for attachment in attachments {
        check_attachment(attachment).map_err(|reason| broken("invalid_attachments", reason))?;
    }
    Ok(())
}

fn check_blocks(blocks: &[Value]) -> Checked {
    at_most(50, blocks.len(), "blocks")?;
    blocks.iter().try_for_each(check_block)
}

fn check_block(block: &Value) -> Checked {
    let fields = object(block, "a block")?;
    if let Some(id) = fields.get("block_id") {
        string(id, "block_id", 1, 255)?;
    }
    match required(fields, "type")? {
        "section" => check_section(fields),
        "header" => text_object(fields.get("text"), "header.text", &["plain_text"], 150),
        "context" => {
            let elements = list(fields, "elements")?;
            at_most(10, elements.len(), "context.elements")?;
            elements.iter().try_for_each(|element| match element.get("type").and_then(Value::as_str) {
                Some("image") => check_image(object(element, "an image")?),
                _ => text_object(Some(element), "context.elements[]", &["plain_text", "mrkdwn"], 3000),
            })
        }
        "actions" => {
            let elements = list(fields, "elements")?;
            at_most(25, elements.len(), "actions.elements")?;
            elements.iter().try_for_each(check_element)
        }
        "image" => check_image(fields),
        "markdown" => string(fields.get("text").unwrap_or(&Value::Null), "markdown.text", 1, 12_000),
        "divider" | "rich_text" | "video" | "file" | "input" => Ok(()),
        other => Err(format!("there is no block of type {other:?}")),
    }
}

fn check_section(fields: &Map<String, Value>) -> Checked {
    let rows = list(fields, "fields")?;
    at_most(10, rows.len(), "section.fields")?;
    for row in rows {
        text_object(Some(row), "section.fields[]", &["plain_text", "mrkdwn"], 2000)?;
    }
    if fields.contains_key("text") || rows.is_empty() {
        text_object(fields.get("text"), "section.text", &["plain_text", "mrkdwn"], 3000)?;
    }
    fields.get("accessory").map_or(Ok(()), check_element)
}

fn check_element(element: &Value) -> Checked {
    let fields = object(element, "an element")?;
    if let Some(id) = fields.get("action_id") {
        string(id, "action_id", 1, 255)?;
    }
    match required(fields, "type")? {
        "button" => {
            text_object(fields.get("text"), "button.text", &["plain_text"], 75)?;
            optional(fields, "url", 3000)?;
            optional(fields, "value", 2000)?;
            match fields.get("style").map(Value::as_str) {
                None | Some(Some("primary" | "danger")) => Ok(()),
                Some(_) => Err("button.style is neither primary nor danger".to_owned()),
            }
        }
        "image" => check_image(fields),
        _ => Ok(()),
    }
}

fn check_image(fields: &Map<String, Value>) -> Checked {
    string(fields.get("image_url").unwrap_or(&Value::Null), "image_url", 1, 3000)?;
    string(fields.get("alt_text").unwrap_or(&Value::Null), "alt_text", 1, 2000)
}

fn check_attachment(attachment: &Value) -> Checked {
    let fields = object(attachment, "an attachment")?;
    if let Some(color) = fields.get("color") {
        let color = color.as_str().unwrap_or_default();
        let hex =
            color.strip_prefix('#').is_some_and(|hex| hex.len() == 6 && hex.chars().all(|c| c.is_ascii_hexdigit()));
        if !hex && !["good", "warning", "danger"].contains(&color) {
            return Err(format!("the color {color:?}"));
        }
    }
    optional(fields, "footer", 300)?;
    for row in list(fields, "fields")? {
        let row = object(row, "an attachment's field")?;
        if !row.get("short").is_none_or(Value::is_boolean) {
            return Err("fields[].short is no boolean".to_owned());
        }
        if !["title", "value"].into_iter().any(|key| row.get(key).is_some_and(Value::is_string)) {
            return Err("a field without title and value".to_owned());
        }
    }
    let blocks = list(fields, "blocks")?;
    check_blocks(blocks)?;
    let contents = ["text", "fallback", "title", "pretext", "image_url"];
    let has_content =
        contents.into_iter().any(|key| fields.get(key).and_then(Value::as_str).is_some_and(|t| !t.is_empty()));
    if has_content || !blocks.is_empty() || fields.contains_key("fields") {
        Ok(())
    } else {
        Err("an attachment without content".to_owned())
    }
}

fn text_object(text: Option<&Value>, place: &str, kinds: &[&str], most: usize) -> Checked {
    let fields = object(text.unwrap_or(&Value::Null), place)?;
    let kind = required(fields, "type")?;
    if !kinds.contains(&kind) {
        return Err(format!("{place} is of type {kind:?}"));
    }
    string(fields.get("text").unwrap_or(&Value::Null), place, 1, most)
}

fn optional(fields: &Map<String, Value>, key: &str, most: usize) -> Checked {
    fields.get(key).map_or(Ok(()), |value| string(value, key, 0, most))
}

/// Slack does not document what it counts; UTF-16 units are the strictest interpretation.
fn string(value: &Value, place: &str, least: usize, most: usize) -> Checked {
    let text = value.as_str().ok_or_else(|| format!("{place} is no string"))?;
    let units = text.encode_utf16().count();
    if (least..=most).contains(&units) {
        Ok(())
    } else {
        Err(format!("{place} is {units} long, not {least} to {most}"))
    }
}

fn at_most(most: usize, given: usize, what: &str) -> Checked {
    if given <= most { Ok(()) } else { Err(format!("{given} {what}, more than {most}")) }
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{what} is no object"))
}

fn required<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    fields.get(key).and_then(Value::as_str).ok_or_else(|| format!("no {key}"))
}

fn list<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<&'a [Value], String> {
    match fields.get(key) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(format!("{key} is no list")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn lengths_are_counted_to_the_last_character() {
        use serde_json::json;

        use super::{check_block, check_blocks};

        let header = |text: String| json!({ "type": "header", "text": { "type": "plain_text", "text": text } });
        assert_eq!(check_block(&header("x".repeat(150))), Ok(()));
        assert!(check_block(&header("x".repeat(151))).is_err());
        assert!(check_block(&header("🐢".repeat(76))).is_err());
        let section = |text: &str| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
        assert!(check_block(&section("")).is_err());
        assert_eq!(check_blocks(&vec![section("x"); 50]), Ok(()));
        assert!(check_blocks(&vec![section("x"); 51]).is_err());
    }

    #[test]
    fn an_attachment_with_a_color_and_fields_is_valid() {
        use serde_json::json;

        use super::check_attachment;

        let fields = json!([{ "title": "State", "value": "Running", "short": true }]);
        let attachment = json!({ "color": "#d00000", "title": "web-01", "text": "is off", "fields": fields });
        assert_eq!(check_attachment(&attachment), Ok(()));
        assert!(check_attachment(&json!({ "color": "danger" })).is_err());
    }

    #[tokio::test]
    async fn a_plain_text_is_taken_and_an_invalid_post_is_refused_with_slacks_error() {
        use super::start;
        use crate::daemon::{LIMIT, post};

        let slack = start();
        let url = slack.url();
        assert_eq!(post(&url, r#"{"text":"Your container was created"}"#).await, (200, "ok".to_owned()));
        assert_eq!(slack.next(LIMIT).await.unwrap().text, "Your container was created");
        assert!(slack.offences().is_empty());

        for (body, answer) in [
            (r"{}", "no_text"),
            (r#"{"text":""}"#, "no_text"),
            (r#"{"text":7}"#, "invalid_payload"),
            (r#""text""#, "invalid_payload"),
            (r#"{"text":"#, "invalid_payload"),
            (r#"{"blocks":[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]}"#, "invalid_blocks"),
            (r#"{"attachments":[{"color":"reddish","text":"x"}]}"#, "invalid_attachments"),
        ] {
            assert_eq!(post(&url, body).await, (400, answer.to_owned()), "{body}");
        }
        assert_eq!(post(&format!("{url}x"), r#"{"text":"x"}"#).await.1, "no_service");
        assert_eq!(slack.offences().len(), 8);
        assert_eq!(slack.posts().len(), 1);
    }

    #[tokio::test]
    async fn a_post_that_is_not_called_json_is_refused() {
        use super::start;
        use crate::daemon::post_as;

        let slack = start();
        let (status, body) = post_as(&slack.url(), "text/plain", r#"{"text":"x"}"#).await;
        assert_eq!((status, body.as_str()), (400, "invalid_payload"));
    }
}
