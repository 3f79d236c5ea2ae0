//! One notification of Harbor's, read:
//! <https://goharbor.io/docs/latest/working-with-projects/project-configuration/configure-webhooks/>

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::event::{Body, Event, digest};
use crate::sources::labels::{Arrived, Known, moment};
use crate::sources::posted::{Unreadable, cloudevents};
use crate::sources::registry::{dotted, image, notification, text};

/// What Harbor calls its events: by default, as `CloudEvents`, and before version 2. Others are called what Harbor
/// calls them.
const TYPES: [(&str, &str, &str, &str); 13] = [
    ("artifact.push", "PUSH_ARTIFACT", "harbor.artifact.pushed", "pushImage"),
    ("artifact.pull", "PULL_ARTIFACT", "harbor.artifact.pulled", "pullImage"),
    ("artifact.delete", "DELETE_ARTIFACT", "harbor.artifact.deleted", "deleteImage"),
    ("chart.upload", "UPLOAD_CHART", "harbor.chart.uploaded", "uploadChart"),
    ("chart.download", "DOWNLOAD_CHART", "harbor.chart.downloaded", "downloadChart"),
    ("chart.delete", "DELETE_CHART", "harbor.chart.deleted", "deleteChart"),
    ("scan.completed", "SCANNING_COMPLETED", "harbor.scan.completed", "scanningCompleted"),
    ("scan.stopped", "SCANNING_STOPPED", "harbor.scan.stopped", "scanningStopped"),
    ("scan.failed", "SCANNING_FAILED", "harbor.scan.failed", "scanningFailed"),
    ("quota.exceeded", "QUOTA_EXCEED", "harbor.quota.exceeded", "quotaExceed"),
    ("quota.warning", "QUOTA_WARNING", "harbor.quota.warned", "quotaWarning"),
    ("replication", "REPLICATION", "harbor.replication.status.changed", "replication"),
    ("tag.retention", "TAG_RETENTION", "harbor.tag_retention.finished", "tagRetention"),
];

/// One event, named the same in either format. Nothing is sent, nothing kept.
pub(super) fn events_of(headers: &HeaderMap, bytes: &[u8], arrived: Arrived) -> Result<Vec<Event>, Unreadable> {
    let data = notification(headers, bytes)?;
    let (data, known) = if data.value().get("specversion").is_some() {
        let (data, attributes) = cloudevents::structured(data)?;
        let known = Known { subject: subject(data.value(), "/data").or(attributes.subject), ..attributes };
        (data, known)
    } else {
        let known = by_default(&data);
        (data, known)
    };
    let known = Known { r#type: known.r#type.as_deref().and_then(type_of), ..known };
    Ok(vec![known.event(data, arrived)])
}

fn by_default(data: &Body) -> Known {
    let said = data.value();
    let time = said.get("occur_at").and_then(|at| moment(&at.to_string()));
    Known {
        r#type: text(said, "/type").map(str::to_owned),
        // It sends again what was not answered with 2xx, letter for letter, and says when it happened.
        id: time.map(|_| digest(&[data.text()])),
        subject: subject(said, "/event_data"),
        time,
    }
}

fn type_of(name: &str) -> Option<String> {
    let ours = TYPES.iter().find(|(_, usual, cloud, old)| [*usual, *cloud, *old].contains(&name));
    match ours {
        Some((ours, ..)) => Some((*ours).to_owned()),
        None => dotted(name.strip_prefix("harbor.").unwrap_or(name)),
    }
}

/// What it is about: an image, or the project where it is about all of one.
fn subject(said: &Value, at: &str) -> Option<String> {
    let said = said.pointer(at)?;
    let text = |at| text(said, at);
    if text("/custom_attributes/Details").is_some() {
        return text("/repository/namespace").or_else(|| text("/repository/repo_full_name")).map(str::to_owned);
    }
    if said.get("replication").is_some() {
        return replicated(said);
    }
    if let Some(project) = text("/retention/project_name") {
        return Some(project.to_owned());
    }
    let name = match (text("/repository/repo_full_name"), text("/repository/namespace"), text("/repository/name")) {
        (Some(whole), ..) => whole.to_owned(),
        (None, Some(project), Some(name)) => format!("{project}/{name}"),
        (None, _, name) => name?.to_owned(),
    };
    Some(image(&name, text("/resources/0/tag"), text("/resources/0/digest")))
}

/// `library/alpine`: where it went to, and the name from in front of `[1 item(s) in total]`.
fn replicated(said: &Value) -> Option<String> {
    let artifact = ["failed", "successful"]
        .iter()
        .find_map(|how| text(said, &format!("/replication/{how}_artifact/0/name_tag")))
        .and_then(|name| name.split_whitespace().next());
    match (text(said, "/replication/dest_resource/namespace"), artifact) {
        (Some(project), Some(artifact)) => Some(format!("{project}/{artifact}")),
        (project, artifact) => project.or(artifact).map(str::to_owned),
    }
}
