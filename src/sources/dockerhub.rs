//! Docker Hub's webhooks: <https://docs.docker.com/docker-hub/repos/manage/webhooks/>
//!
//! Their only event is a push, and nothing but the path proves the sender. The `callback_url` that each holds is not
//! called: no request goes to an address that was posted.

use serde_json::Value;

use super::posted::{Posted, PostedEvents, PostedKind};
use super::source::{AlertTexts, DefaultText, alert_texts};
use crate::config_reader::TableReader;
use crate::ingress::verify::Verify;
use crate::ingress::{Known, Unreadable, VerifiedRequest, image_subject, parse_time, text_at};

/// `[source.dockerhub.NAME]`
pub(super) type Config = Posted<DockerhubKind>;
pub(super) type Dockerhub = Config;

#[derive(Debug, Default)]
pub struct DockerhubKind;

impl PostedKind for DockerhubKind {
    const ALERT_TEXTS: AlertTexts = alert_texts!("Docker Hub source");
    const DEFAULT_TEXTS: &'static [DefaultText] = &[DefaultText {
        r#type: "tag.push",
        text: "{{ event.subject or 'An image' }} was pushed{% if data.push_data.pusher %} by {{ data.push_data.pusher }}{% endif %}",
    }];

    fn read_verify(table: &TableReader) -> Option<Verify> {
        Verify::read_path_only(table, "Docker Hub")
    }

    /// `tag.push` of `namespace/repository:tag`.
    fn events_of(&self, request: &VerifiedRequest) -> Result<PostedEvents, Unreadable> {
        let data = request.parse_object()?;
        let known = known(data.value());
        Ok(vec![known.event(data, request.arrived)].into())
    }
}

fn known(data: &Value) -> Known {
    // Whatever Docker Hub adds some day is no push.
    let is_push = data.get("push_data").is_some_and(Value::is_object);
    let name = text_at(data, "/repository/repo_name").map(str::to_owned).or_else(|| {
        Some(format!("{}/{}", text_at(data, "/repository/namespace")?, text_at(data, "/repository/name")?))
    });
    let subject = name.map(|name| image_subject(&name, text_at(data, "/push_data/tag"), None));
    // Some versions send an integer, some a fraction.
    let time = data.pointer("/push_data/pushed_at").and_then(|at| match at {
        Value::Number(seconds) => parse_time(&seconds.to_string()),
        Value::String(text) => parse_time(text),
        _ => None,
    });
    Known {
        r#type: is_push.then(|| "tag.push".to_owned()),
        // A tag is not pushed twice at one time. A digest of the body would not do: the number of stars changes.
        id: subject.as_ref().zip(time).map(|(subject, time)| format!("{subject} {time}")),
        subject,
        time,
    }
}

#[cfg(test)]
mod tests;
