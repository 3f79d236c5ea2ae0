//! The notifications that a registry posts: <https://docs.mirantis.com/msr/2.9/ops/manage-webhooks/webhook-types/>
//!
//! Every field may be missing: versions differ, and not all fields are documented.

use jiff::Timestamp;
use serde_json::Value;

use super::texts;
use crate::event::digest;
use crate::ingress::{Known, Unreadable, VerifiedRequest, dotted_type, image_subject, parse_time, text_at};
use crate::sources::posted::{Posted, PostedEvents, PostedKind};
use crate::sources::source::{AlertTexts, DefaultText, alert_texts};

pub(super) type Posts = Posted<DtrKind>;

#[derive(Debug, Default)]
pub(super) struct DtrKind;

impl PostedKind for DtrKind {
    const ALERT_TEXTS: AlertTexts = alert_texts!("Registry source");
    const DEFAULT_TEXTS: &'static [DefaultText] = texts::DEFAULT_TEXTS;
    /// Some versions include what a scan found, layer by layer.
    const MAX_BODY: usize = 8 << 20;

    /// One event, for example `tag.push` of `namespace/repository:tag`.
    fn events_of(&self, request: &VerifiedRequest) -> Result<PostedEvents, Unreadable> {
        let data = request.parse_object()?;
        let body = data.value();
        let created = time_at(body, "/createdAt");
        let known = Known {
            r#type: type_of(body),
            // A notification has no id, but its text with the time of its creation is unique.
            id: created.map(|_| digest(&[data.text()])),
            subject: subject(body),
            time: created.or_else(|| time_of(body)),
        };
        Ok(vec![known.event(data, request.arrived)].into())
    }
}

/// Before 2.3 one type covers creation, update and deletion of a repository.
fn type_of(body: &Value) -> Option<String> {
    let name = match text_at(body, "/type")? {
        "REPO_EVENT" => text_at(body, "/contents/event").unwrap_or("REPO_EVENT"),
        name => name,
    };
    dotted_type(name)
}

fn time_of(body: &Value) -> Option<Timestamp> {
    ["pushedAt", "pulledAt", "deletedAt", "promotedAt", "scanner_updated_at"]
        .iter()
        .find_map(|name| time_at(body, &format!("/contents/{name}")))
}

/// What has not happened yet has a time in the year 1.
fn time_at(body: &Value, pointer: &str) -> Option<Timestamp> {
    text_at(body, pointer).and_then(parse_time).filter(|time| *time > Timestamp::UNIX_EPOCH)
}

/// Of a promotion, the new image.
fn subject(body: &Value) -> Option<String> {
    let text = |pointer: &str| text_at(body, pointer);
    let digest = text("/contents/digest");
    if let Some(target) = text("/contents/targetRepository") {
        return Some(image_subject(target, text("/contents/targetTag"), digest));
    }
    let tag = text("/contents/tag").or_else(|| text("/contents/scanSummary/tag"));
    for place in ["/contents", "/contents/scanSummary"] {
        let member = |name: &str| text(&format!("{place}/{name}"));
        let Some(namespace) = member("namespace") else { continue };
        let Some(repository) = member("repository").or_else(|| member("reponame")) else {
            return Some(namespace.to_owned());
        };
        // The namespace may be in both.
        let within = repository.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('/'));
        let name = if within { repository.to_owned() } else { format!("{namespace}/{repository}") };
        return Some(image_subject(&name, tag, digest));
    }
    text("/contents/imageName").map(without_host).or_else(|| text("/location").and_then(located))
}

/// `foo/bar:latest` of `10.10.10.1/foo/bar:latest` or of itself.
fn without_host(name: &str) -> String {
    let rest = name
        .split_once('/')
        .filter(|(host, rest)| rest.contains('/') && (host.contains(['.', ':']) || *host == "localhost"));
    rest.map_or(name, |(_, rest)| rest).to_owned()
}

/// `foo/bar:latest` of `/repositories/foo/bar/tags/latest`.
fn located(location: &str) -> Option<String> {
    let mut parts = location.strip_prefix("/repositories/")?.split('/');
    let name = format!("{}/{}", parts.next()?, parts.next()?);
    let tag = parts.next().filter(|word| *word == "tags").and_then(|_| parts.next());
    Some(image_subject(&name, tag, None))
}
