//! The arguments of a call to Slack's Web API.

use serde_json::{Map, Value};
use tidings::demo::standins::Request;

use crate::slack::{BrokenRule, broken};

/// The arguments that Slack knows.
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
pub(super) fn check_arguments(request: &Request, is_edit: bool) -> Result<Map<String, Value>, BrokenRule> {
    if !request.is_json() {
        return Err(broken("invalid_post_type", "the Content-Type is not application/json"));
    }
    let fields = match serde_json::from_slice(&request.body) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err(broken("json_not_object", "the body is no object")),
        Err(error) => return Err(broken("invalid_json", format!("not JSON: {error}"))),
    };
    let known = if is_edit { &EDIT[..] } else { &POST[..] };
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(broken("invalid_arguments", format!("there is no argument {name:?}"))),
        None => Ok(fields),
    }
}
