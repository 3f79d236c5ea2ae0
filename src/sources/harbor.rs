//! Harbor's webhooks, in both of its formats; Mirantis Secure Registry 4 sends the same.
//! <https://goharbor.io/docs/latest/working-with-projects/project-configuration/configure-webhooks/>

mod texts;

use reqwest::header::AUTHORIZATION;
use serde_json::Value;

use super::posted::{Posted, PostedEvents, PostedKind};
use super::source::{AlertTexts, DefaultText, alert_texts};
use crate::config_reader::{Problem, TableReader};
use crate::event::{Body, digest};
use crate::ingress::verify::{Verify, secrets};
use crate::ingress::{
    Known, Unreadable, VerifiedRequest, cloudevents, dotted_type, image_subject, parse_time, text_at,
};

/// Our type, and Harbor's: by default, as `CloudEvents`, and before version 2. Other types keep Harbor's name.
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

/// `[source.harbor.NAME]`
pub(super) type Config = Posted<HarborKind>;
pub(super) type Harbor = Config;

#[derive(Debug, Default)]
pub struct HarborKind;

impl PostedKind for HarborKind {
    const ALERT_TEXTS: AlertTexts = alert_texts!("Harbor source");
    const DEFAULT_TEXTS: &'static [DefaultText] = texts::DEFAULT_TEXTS;

    /// `authorization` is the "Auth Header" of Harbor's policy, which Harbor sends unchanged.
    fn read_verify(table: &TableReader) -> Option<Verify> {
        let header = secrets(table, "authorization");
        if !table.has("authorization") {
            return Verify::read(table);
        }
        if let Some(verify) = table.item("verify") {
            let wrong = "`verify` and `authorization` exclude each other";
            table.reader.problem(Problem::error(verify.span.clone(), wrong).hint("keep the one that is meant"));
        }
        let secrets: Vec<_> = header?.into_iter().map(|secret| secret.value).collect();
        Some(Verify::token(&secrets, AUTHORIZATION))
    }

    /// One event, with the same names in either format.
    fn events_of(&self, request: &VerifiedRequest) -> Result<PostedEvents, Unreadable> {
        let data = request.parse_object()?;
        let (data, known) = if data.value().get("specversion").is_some() {
            let (data, attributes) = cloudevents::structured(data)?;
            let subject = data.value().get("data").and_then(subject).or(attributes.subject);
            (data, Known { subject, ..attributes })
        } else {
            let known = default_format(&data);
            (data, known)
        };
        let known = Known { r#type: known.r#type.as_deref().and_then(type_of), ..known };
        Ok(vec![known.event(data, request.arrived)].into())
    }
}

fn default_format(data: &Body) -> Known {
    let body = data.value();
    let time = body.get("occur_at").and_then(|at| parse_time(&at.to_string()));
    Known {
        r#type: text_at(body, "/type").map(str::to_owned),
        // What was not answered with 2xx is sent again unchanged, with the time at which it happened.
        id: time.map(|_| digest(&[data.text()])),
        subject: body.get("event_data").and_then(subject),
        time,
    }
}

fn type_of(name: &str) -> Option<String> {
    let ours = TYPES.iter().find(|(_, default, cloud, old)| [*default, *cloud, *old].contains(&name));
    match ours {
        Some((ours, ..)) => Some((*ours).to_owned()),
        None => dotted_type(name.strip_prefix("harbor.").unwrap_or(name)),
    }
}

/// The image, or the project where the event is about all of it.
fn subject(data: &Value) -> Option<String> {
    let text = |pointer| text_at(data, pointer);
    if text("/custom_attributes/Details").is_some() {
        return text("/repository/namespace").or_else(|| text("/repository/repo_full_name")).map(str::to_owned);
    }
    if data.get("replication").is_some() {
        return replicated(data);
    }
    if let Some(project) = text("/retention/project_name") {
        return Some(project.to_owned());
    }
    let name = match (text("/repository/repo_full_name"), text("/repository/namespace"), text("/repository/name")) {
        (Some(whole), ..) => whole.to_owned(),
        (None, Some(project), Some(name)) => format!("{project}/{name}"),
        (None, _, name) => name?.to_owned(),
    };
    Some(image_subject(&name, text("/resources/0/tag"), text("/resources/0/digest")))
}

/// `library/alpine`: the destination, and the name before `[1 item(s) in total]`.
fn replicated(data: &Value) -> Option<String> {
    let artifact = ["failed", "successful"]
        .iter()
        .find_map(|outcome| text_at(data, &format!("/replication/{outcome}_artifact/0/name_tag")))
        .and_then(|name| name.split_whitespace().next());
    match (text_at(data, "/replication/dest_resource/namespace"), artifact) {
        (Some(project), Some(artifact)) => Some(format!("{project}/{artifact}")),
        (project, artifact) => project.or(artifact).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests;
