//! Default texts of Harbor's events. `event_data` in one format is `data` in the other.

use crate::sources::source::DefaultText;

const ARTIFACT: &str = "{% set info = data.event_data or data.data %}{{ event.subject or 'An artifact' }}\
    {% if info.resources | length > 1 %} and {{ info.resources | length - 1 }} more{% endif %} was {{ event.type | split('.') | last | past }}\
    {% if data.operator %} by {{ data.operator }}{% endif %}";

/// The key of the report is the media type of its format.
const SCANNED: &str = "{% set report = ((data.event_data or data.data).resources[0].scan_overview | items | first)[1] %}\
    The scan of {{ event.subject or 'an artifact' }} {% if report.summary %}found {{ report.summary.total or 0 }} vulnerabilities\
    {% if report.summary.fixable %}, {{ report.summary.fixable }} of them fixable{% endif %}\
    {% if report.severity %}; the worst is {{ report.severity | lower }}{% endif %}{% else %}is completed{% endif %}";

const QUOTA: &str = "{% set info = data.event_data or data.data %}The quota of {{ event.subject or 'a project' }} is \
    {{ 'exceeded' if event.type == 'quota.exceeded' else 'nearly used up' }}\
    {% if info.custom_attributes.Details %}: {{ info.custom_attributes.Details }}{% endif %}";

const REPLICATED: &str = "{% set info = (data.event_data or data.data).replication %}\
    Replication of {{ event.subject or 'an artifact' }}{% if info.src_resource.registry_name %} from {{ info.src_resource.registry_name }}{% endif %}\
    {% if info.job_status %}: {{ info.job_status | lower }}{% endif %}\
    {% if info.failed_artifact[0].fail_reason %}, {{ info.failed_artifact[0].fail_reason }}{% endif %}";

const RETAINED: &str = "{% set info = (data.event_data or data.data).retention %}\
    Tag retention in {{ event.subject or 'a project' }} kept {{ info.retained or 0 }} of {{ info.total or 0 }} artifacts\
    {% if info.result %} ({{ info.result | lower }}){% endif %}";

pub(super) const DEFAULT_TEXTS: &[DefaultText] = &[
    DefaultText { r#type: "artifact.*", text: ARTIFACT },
    DefaultText { r#type: "chart.*", text: ARTIFACT },
    DefaultText { r#type: "scan.completed", text: SCANNED },
    DefaultText { r#type: "scan.stopped", text: "The scan of {{ event.subject or 'an artifact' }} was stopped" },
    DefaultText { r#type: "scan.failed", text: "The scan of {{ event.subject or 'an artifact' }} failed" },
    DefaultText { r#type: "quota.exceeded", text: QUOTA },
    DefaultText { r#type: "quota.warning", text: QUOTA },
    DefaultText { r#type: "replication", text: REPLICATED },
    DefaultText { r#type: "tag.retention", text: RETAINED },
];
