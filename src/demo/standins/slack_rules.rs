//! What Slack refuses: the limits of Block Kit and of attachments, and the words it says no with.

use serde_json::{Map, Value};

use super::wire::Request;

/// Slack's no: its status, its word, and for our book the rule behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) word: &'static str,
    pub(super) why: String,
}

type Rule = Result<(), String>;

fn refuse(word: &'static str, why: String) -> Refused {
    Refused { status: 400, word, why }
}

/// The body of a post to a webhook.
pub(super) fn judge(request: &Request) -> Result<Value, Refused> {
    if !request.is_json() {
        return Err(refuse("invalid_payload", "the Content-Type is not application/json".to_owned()));
    }
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|error| refuse("invalid_payload", format!("not JSON: {error}")))?;
    let Some(fields) = body.as_object() else {
        return Err(refuse("invalid_payload", "not an object".to_owned()));
    };
    content_holds(fields)?;
    Ok(body)
}

/// What may be said in a call, beside which Slack hears nothing.
const POST: [&str; 14] = [
    "channel",
    "text",
    "blocks",
    "attachments",
    "thread_ts",
    "reply_broadcast",
    "mrkdwn",
    "parse",
    "link_names",
    "unfurl_links",
    "unfurl_media",
    "metadata",
    "username",
    "icon_emoji",
];
const EDIT: [&str; 9] =
    ["channel", "ts", "text", "blocks", "attachments", "reply_broadcast", "parse", "link_names", "metadata"];

/// The arguments of a call to the Web API.
pub(super) fn call_holds(request: &Request, is_edit: bool) -> Result<Map<String, Value>, Refused> {
    if !request.is_json() {
        return Err(refuse("invalid_post_type", "the Content-Type is not application/json".to_owned()));
    }
    let fields = match serde_json::from_slice(&request.body) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err(refuse("json_not_object", "the body is no object".to_owned())),
        Err(error) => return Err(refuse("invalid_json", format!("not JSON: {error}"))),
    };
    let known = if is_edit { &EDIT[..] } else { &POST[..] };
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(refuse("invalid_arguments", format!("there is no argument {name:?}"))),
        None => Ok(fields),
    }
}

/// What every message must keep to, whichever way it comes.
pub(super) fn content_holds(fields: &Map<String, Value>) -> Result<(), Refused> {
    let text = match fields.get("text") {
        None => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err(refuse("invalid_payload", "text is no string".to_owned())),
    };
    let blocks = list(fields, "blocks").map_err(|why| refuse("invalid_blocks_format", why))?;
    let attachments = list(fields, "attachments").map_err(|why| refuse("invalid_attachments", why))?;
    if text.is_empty() && blocks.is_empty() && attachments.is_empty() {
        return Err(refuse("no_text", "neither text nor blocks nor attachments".to_owned()));
    }
    blocks_hold(blocks).map_err(|why| refuse("invalid_blocks", why))?;
    if attachments.len() > 100 {
        return Err(refuse("too_many_attachments", format!("{} attachments", attachments.len())));
    }
    for attachment in attachments {
        attachment_holds(attachment).map_err(|why| refuse("invalid_attachments", why))?;
    }
    Ok(())
}

fn blocks_hold(blocks: &[Value]) -> Rule {
    at_most(50, blocks.len(), "blocks")?;
    blocks.iter().try_for_each(block_holds)
}

fn block_holds(block: &Value) -> Rule {
    let fields = object(block, "a block")?;
    if let Some(id) = fields.get("block_id") {
        string(id, "block_id", 1, 255)?;
    }
    match word(fields, "type")? {
        "section" => section_holds(fields),
        "header" => text_object(fields.get("text"), "header.text", &["plain_text"], 150),
        "context" => {
            let elements = list(fields, "elements")?;
            at_most(10, elements.len(), "context.elements")?;
            elements.iter().try_for_each(|element| match element.get("type").and_then(Value::as_str) {
                Some("image") => image_holds(object(element, "an image")?),
                _ => text_object(Some(element), "context.elements[]", &["plain_text", "mrkdwn"], 3000),
            })
        }
        "actions" => {
            let elements = list(fields, "elements")?;
            at_most(25, elements.len(), "actions.elements")?;
            elements.iter().try_for_each(element_holds)
        }
        "image" => image_holds(fields),
        "markdown" => string(fields.get("text").unwrap_or(&Value::Null), "markdown.text", 1, 12_000),
        "divider" | "rich_text" | "video" | "file" | "input" => Ok(()),
        other => Err(format!("there is no block of type {other:?}")),
    }
}

fn section_holds(fields: &Map<String, Value>) -> Rule {
    let rows = list(fields, "fields")?;
    at_most(10, rows.len(), "section.fields")?;
    for row in rows {
        text_object(Some(row), "section.fields[]", &["plain_text", "mrkdwn"], 2000)?;
    }
    if fields.contains_key("text") || rows.is_empty() {
        text_object(fields.get("text"), "section.text", &["plain_text", "mrkdwn"], 3000)?;
    }
    fields.get("accessory").map_or(Ok(()), element_holds)
}

fn element_holds(element: &Value) -> Rule {
    let fields = object(element, "an element")?;
    if let Some(id) = fields.get("action_id") {
        string(id, "action_id", 1, 255)?;
    }
    match word(fields, "type")? {
        "button" => {
            text_object(fields.get("text"), "button.text", &["plain_text"], 75)?;
            optional(fields, "url", 3000)?;
            optional(fields, "value", 2000)?;
            match fields.get("style").map(Value::as_str) {
                None | Some(Some("primary" | "danger")) => Ok(()),
                Some(_) => Err("button.style is neither primary nor danger".to_owned()),
            }
        }
        "image" => image_holds(fields),
        _ => Ok(()),
    }
}

fn image_holds(fields: &Map<String, Value>) -> Rule {
    string(fields.get("image_url").unwrap_or(&Value::Null), "image_url", 1, 3000)?;
    string(fields.get("alt_text").unwrap_or(&Value::Null), "alt_text", 1, 2000)
}

fn attachment_holds(attachment: &Value) -> Rule {
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
    blocks_hold(blocks)?;
    let says = ["text", "fallback", "title", "pretext", "image_url"];
    let speaks = says.into_iter().any(|key| fields.get(key).and_then(Value::as_str).is_some_and(|t| !t.is_empty()));
    if speaks || !blocks.is_empty() || fields.contains_key("fields") {
        Ok(())
    } else {
        Err("an attachment that says nothing".to_owned())
    }
}

fn text_object(text: Option<&Value>, place: &str, kinds: &[&str], most: usize) -> Rule {
    let fields = object(text.unwrap_or(&Value::Null), place)?;
    let kind = word(fields, "type")?;
    if !kinds.contains(&kind) {
        return Err(format!("{place} is of type {kind:?}"));
    }
    string(fields.get("text").unwrap_or(&Value::Null), place, 1, most)
}

fn optional(fields: &Map<String, Value>, key: &str, most: usize) -> Rule {
    fields.get(key).map_or(Ok(()), |value| string(value, key, 0, most))
}

/// Slack does not say what it counts; UTF-16 units are the safe reading.
fn string(value: &Value, place: &str, least: usize, most: usize) -> Rule {
    let text = value.as_str().ok_or_else(|| format!("{place} is no string"))?;
    let units = text.encode_utf16().count();
    if (least..=most).contains(&units) {
        Ok(())
    } else {
        Err(format!("{place} is {units} long, not {least} to {most}"))
    }
}

fn at_most(most: usize, there: usize, what: &str) -> Rule {
    if there <= most { Ok(()) } else { Err(format!("{there} {what}, more than {most}")) }
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{what} is no object"))
}

fn word<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
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
    use serde_json::json;

    use super::*;

    #[test]
    fn lengths_are_counted_to_the_last_character() {
        let header = |text: String| json!({ "type": "header", "text": { "type": "plain_text", "text": text } });
        assert_eq!(block_holds(&header("x".repeat(150))), Ok(()));
        assert!(block_holds(&header("x".repeat(151))).is_err());
        assert!(block_holds(&header("🐢".repeat(76))).is_err());
        let section = |text: &str| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
        assert!(block_holds(&section("")).is_err());
        assert_eq!(blocks_hold(&vec![section("x"); 50]), Ok(()));
        assert!(blocks_hold(&vec![section("x"); 51]).is_err());
    }

    #[test]
    fn an_attachment_with_a_colour_and_fields_holds() {
        let fields = json!([{ "title": "State", "value": "Running", "short": true }]);
        let attachment = json!({ "color": "#d00000", "title": "web-01", "text": "is off", "fields": fields });
        assert_eq!(attachment_holds(&attachment), Ok(()));
        assert!(attachment_holds(&json!({ "color": "danger" })).is_err());
    }
}
