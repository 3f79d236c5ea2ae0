//! Notifications of Prometheus's Alertmanager: an alert that fires and is resolved is one incident at the pager.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tidings::demo::standins::AlertChange;

use crate::daemon::{Daemon, LIMIT, client};
use crate::foreign_daemon::{ForeignDaemon, free_port};
use crate::pagerduty;

const TOKEN: &str = "f2f0c1d4-8f1e-4a55";

/// The relays that relays.toml shows for it, with the pager as their only sink.
const CONFIG: &str = r#"
    [daemon]
    listen = "127.0.0.1:0"
    admin = "127.0.0.1:0"
    [source.alertmanager.alerts]
    verify = { bearer = { env = "TOKEN" } }
    [sink.pagerduty.oncall]
    key = { env = "KEY" }
    url = "PAGER_URL"
    [[relay]]
    name = "alerts"
    match = { type = "alert.firing" }
    severity = "critical"
    title = "{{ data.labels.alertname }}"
    text = "{{ data.annotations.summary or data.annotations.description }}"
    link = "{{ data.generatorURL }}"
    key = "{{ data.fingerprint }}"
    signal = "trigger"
    to = "oncall"
    [[relay]]
    name = "alerts resolved"
    match = { type = "alert.resolved" }
    text = "{{ data.labels.alertname }} is resolved"
    key = "{{ data.fingerprint }}"
    signal = "resolve"
    to = "oncall"
"#;

async fn alertmanager(folder: &std::path::Path, hook: &str) -> ForeignDaemon {
    let config = format!(
        r#"
route:
  receiver: tidings
  group_by: [alertname]
  group_wait: 10ms
  group_interval: 100ms
  repeat_interval: 1h
receivers:
- name: tidings
  webhook_configs:
  - url: "{hook}"
    send_resolved: true
    http_config:
      authorization:
        credentials: "{TOKEN}"
"#
    );
    std::fs::write(folder.join("alertmanager.yml"), config).expect("written");
    let port = free_port();
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let args = ["--config.file=alertmanager.yml", "--storage.path=am", "--cluster.listen-address=", &listen];
    ForeignDaemon::start("prometheus-alertmanager", &args, folder, port, "/-/ready").await
}

/// Posts an alert as Prometheus does: firing, or (with an end in the past) resolved.
async fn alert(alertmanager: &ForeignDaemon, instance: &str, ends: Option<Timestamp>) {
    let mut alert = json!({
        "labels": {"alertname": "DiskFull", "instance": instance, "severity": "critical"},
        "annotations": {"summary": format!("the disk of {instance} is full")},
        "generatorURL": "http://prometheus.example:9090/graph",
        "startsAt": (Timestamp::now() - SignedDuration::from_mins(1)).to_string(),
    });
    if let Some(ends) = ends {
        alert["endsAt"] = ends.to_string().into();
    }
    let reply = client().post(format!("{}/api/v2/alerts", alertmanager.url)).json(&json!([alert])).send().await;
    assert!(reply.expect("it answers").status().is_success(), "{}", alertmanager.log());
}

#[tokio::test]
async fn an_alert_that_fires_and_is_resolved_is_one_incident_at_the_pager() {
    let pagerduty = pagerduty::start();
    let config = CONFIG.replace("PAGER_URL", &pagerduty.url());
    let daemon = Daemon::start(&config, &[("TOKEN", TOKEN), ("KEY", pagerduty.key())]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let alertmanager = alertmanager(folder.path(), &format!("{}/hooks/alerts", daemon.listener_url())).await;

    let next = async || {
        let post = pagerduty.next(LIMIT).await;
        post.unwrap_or_else(|late| panic!("{late}\n{}\n{}", daemon.log(), alertmanager.log()))
    };
    alert(&alertmanager, "db-1", None).await;
    let first = next().await;
    assert_eq!((&*first.action, first.change), ("trigger", AlertChange::Opened));
    assert_eq!(first.severity.as_deref(), Some("critical"));
    assert!(first.summary.as_deref().is_some_and(|summary| summary.contains("DiskFull")), "{first:?}");

    // Another alert of the same group: Alertmanager sends both again, and only the new one opens an incident.
    alert(&alertmanager, "db-2", None).await;
    let second = next().await;
    assert_eq!((&*second.action, second.change), ("trigger", AlertChange::Opened));
    assert_ne!(first.key, second.key);

    alert(&alertmanager, "db-1", Some(Timestamp::now() - SignedDuration::from_secs(1))).await;
    let resolved = next().await;
    assert_eq!((&*resolved.action, resolved.change, &resolved.key), ("resolve", AlertChange::Resolved, &first.key));
    assert_eq!(pagerduty::open_keys(&pagerduty), [second.key]);
    assert_eq!(pagerduty.offences(), [""; 0]);
}
