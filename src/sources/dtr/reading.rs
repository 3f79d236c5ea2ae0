//! One notification, read: <https://docs.mirantis.com/msr/2.9/ops/manage-webhooks/webhook-types/>
//!
//! Every field may be missing: versions differ, and not all that they send was ever written down.

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::event::{Event, digest};
use crate::sources::labels::{Arrived, Known, moment};
use crate::sources::posted::Unreadable;
use crate::sources::registry::{dotted, image, notification, text};

/// `tag.push` of `namespace/repository:tag`. Nothing is sent, nothing kept.
pub(super) fn events_of(headers: &HeaderMap, bytes: &[u8], arrived: Arrived) -> Result<Vec<Event>, Unreadable> {
    let data = notification(headers, bytes)?;
    let said = data.value();
    let created = time_at(said, "/createdAt");
    let known = Known {
        r#type: r#type(said),
        // A notification has no id. With the moment in which it was made no two are alike.
        id: created.map(|_| digest(&[data.text()])),
        subject: subject(said),
        time: created.or_else(|| happened(said)),
    };
    Ok(vec![known.event(data, arrived)])
}

/// Before 2.3 the three things that befall repositories were one type.
fn r#type(said: &Value) -> Option<String> {
    let name = match text(said, "/type")? {
        "REPO_EVENT" => text(said, "/contents/event").unwrap_or("REPO_EVENT"),
        name => name,
    };
    dotted(name)
}

fn happened(said: &Value) -> Option<Timestamp> {
    ["pushedAt", "pulledAt", "deletedAt", "promotedAt", "scanner_updated_at"]
        .iter()
        .find_map(|name| time_at(said, &format!("/contents/{name}")))
}

/// What did not happen yet happened in the year 1.
fn time_at(said: &Value, at: &str) -> Option<Timestamp> {
    text(said, at).and_then(moment).filter(|time| *time > Timestamp::UNIX_EPOCH)
}

/// Of a promotion, what it made.
fn subject(said: &Value) -> Option<String> {
    let text = |at: &str| text(said, at);
    let digest = text("/contents/digest");
    if let Some(target) = text("/contents/targetRepository") {
        return Some(image(target, text("/contents/targetTag"), digest));
    }
    let tag = text("/contents/tag").or_else(|| text("/contents/scanSummary/tag"));
    for place in ["/contents", "/contents/scanSummary"] {
        let member = |name: &str| text(&format!("{place}/{name}"));
        let Some(namespace) = member("namespace") else { continue };
        let Some(repository) = member("repository").or_else(|| member("reponame")) else {
            return Some(namespace.to_owned());
        };
        // Were the namespace written into both, it would be the same one.
        let within = repository.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('/'));
        let name = if within { repository.to_owned() } else { format!("{namespace}/{repository}") };
        return Some(image(&name, tag, digest));
    }
    text("/contents/imageName").map(without_host).or_else(|| text("/location").and_then(located))
}

/// `foo/bar:latest` of `10.10.10.1/foo/bar:latest`, in which the host may be missing.
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
    Some(image(&name, tag, None))
}
