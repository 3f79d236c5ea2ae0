//! Default texts of a registry's events.

use crate::sources::source::DefaultText;

const IMAGE: &str = "{{ event.subject or 'An image' }} was {{ event.type | split('.') | last | past }}\
    {% if data.contents.author %} by {{ data.contents.author }}{% endif %}";

const REPOSITORY: &str = "{% if event.subject %}Repository {{ event.subject }}{% else %}A repository{% endif %} \
    was {{ event.type | split('.') | last | past }}{% if data.contents.author %} by {{ data.contents.author }}{% endif %}";

const CHART: &str = "A chart of {{ event.subject or 'a repository' }} was {{ event.type | split('.') | last | past }}\
    {% if data.contents.author %} by {{ data.contents.author }}{% endif %}";

/// A check that has not happened has a time in the year 1.
const SCANNED: &str = "{% set scan = data.contents.scanSummary %}\
    {% set statuses = ['failed', 'unscanned', 'scanning', 'pending', 'scanned', 'checking', 'completed'] %}\
    {% set status = statuses[scan.last_scan_status] %}{% set time = scan.check_completed_at %}\
    The scan of {{ event.subject or 'an image' }} \
    {% if scan %}found {{ scan.critical or 0 }} critical, {{ scan.major or 0 }} major and {{ scan.minor or 0 }} minor \
    vulnerabilities{% else %}is completed{% endif %}\
    {% if status %} ({{ status }}{% if time and time[:4] != '0001' %}, {{ time[:16] | replace('T', ' ') }} UTC{% endif %}){% endif %}";

const NOT_SCANNED: &str = "The scan of {{ event.subject or 'an image' }} failed\
    {% if data.contents.error %}: {{ data.contents.error }}{% endif %}";

const PROMOTED: &str = "{% set info = data.contents %}\
    {% if info.sourceRepository %}{{ info.sourceRepository }}{% if info.sourceTag %}:{{ info.sourceTag }}{% endif %} \
    was promoted{% if info.targetRepository %} to {{ event.subject }}{% endif %}\
    {% else %}{{ event.subject or 'An image' }} was promoted{% endif %}";

const MIRRORED: &str = "{% set info = data.contents %}{{ event.subject or 'An image' }} was mirrored\
    {% if info.remoteRepository %} {{ 'to' if event.type == 'push.mirroring' else 'from' }} {{ info.remoteRepository }}\
    {% if info.remoteTag %}:{{ info.remoteTag }}{% endif %}{% endif %}";

const SCANNER_UPDATED: &str = "{% set info = data.contents %}\
    {% if info.success == false %}The update of the vulnerability database failed\
    {% else %}The vulnerability database was updated{% if info.db_version %} to version {{ info.db_version }}{% endif %}{% endif %}";

pub(super) const DEFAULT_TEXTS: &[DefaultText] = &[
    DefaultText { r#type: "tag.*", text: IMAGE },
    DefaultText { r#type: "manifest.*", text: IMAGE },
    DefaultText { r#type: "scan.completed", text: SCANNED },
    DefaultText { r#type: "scan.failed", text: NOT_SCANNED },
    DefaultText { r#type: "promotion", text: PROMOTED },
    DefaultText { r#type: "*.mirroring", text: MIRRORED },
    DefaultText { r#type: "repo.*", text: REPOSITORY },
    DefaultText { r#type: "chart.*", text: CHART },
    DefaultText { r#type: "scanner.update.completed", text: SCANNER_UPDATED },
];
