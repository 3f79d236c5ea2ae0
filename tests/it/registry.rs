//! Notifications of Docker's own registry, read by `[source.webhook]` with `split`.

use reqwest::header::{CONTENT_TYPE, LOCATION};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::daemon::{Daemon, LIMIT, client};
use crate::foreign_daemon::{ForeignDaemon, free_port};
use crate::slack;

const TOKEN: &str = "f2f0c1d4-8f1e-4a55";

const CONFIG: &str = r#"
    [daemon]
    listen = "127.0.0.1:0"
    admin = "127.0.0.1:0"
    [source.webhook.registry]
    verify = { bearer = { env = "TOKEN" } }
    split = "events"
    type = "{{ 'tag' if data.target.tag else 'blob' }}.{{ data.action }}"
    id = "{{ data.id }}"
    subject = "{{ data.target.repository }}:{{ data.target.tag }}"
    time = "{{ data.timestamp }}"
    [sink.slack.ops]
    webhook = { env = "SLACK_URL" }
    rate = "none"
    [[relay]]
    name = "images"
    match = { type = "tag.push" }
    text = "{{ event.subject }} was pushed ({{ data.target.digest | replace('sha256:', '') | length }} digits)"
    to = "ops"
"#;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

async fn registry(folder: &std::path::Path, hook: &str) -> ForeignDaemon {
    let port = free_port();
    let config = format!(
        r#"
version: 0.1
storage:
  filesystem:
    rootdirectory: {}
http:
  addr: 127.0.0.1:{port}
notifications:
  endpoints:
  - name: tidings
    url: "{hook}"
    headers:
      Authorization: ["Bearer {TOKEN}"]
    timeout: 3s
    threshold: 5
    backoff: 50ms
"#,
        folder.join("images").display()
    );
    std::fs::write(folder.join("registry.yml"), config).expect("written");
    ForeignDaemon::start("docker-registry", &["serve", "registry.yml"], folder, port, "/v2/").await
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    format!("sha256:{hex}")
}

/// Uploads one blob, as `docker push` does.
async fn upload(registry: &ForeignDaemon, bytes: &'static [u8]) -> serde_json::Value {
    let started =
        client().post(format!("{}/v2/shop/cart/blobs/uploads/", registry.url)).send().await.expect("it answers");
    let location = started.headers()[LOCATION].to_str().expect("text").to_owned();
    let location = if location.starts_with('/') { format!("{}{location}", registry.url) } else { location };
    let join = if location.contains('?') { '&' } else { '?' };
    let done = client().put(format!("{location}{join}digest={}", digest(bytes))).body(bytes).send().await;
    assert!(done.expect("it answers").status().is_success(), "{}", registry.log());
    json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(bytes), "size": bytes.len()})
}

#[tokio::test]
async fn a_push_to_dockers_registry_is_sent() {
    let slack = slack::start();
    let daemon = Daemon::start(CONFIG, &[("TOKEN", TOKEN), ("SLACK_URL", &slack.url())]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let registry = registry(folder.path(), &format!("{}/hooks/registry", daemon.listener_url())).await;

    let config = upload(&registry, b"{}").await;
    for tag in ["1.0", "latest"] {
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}).to_string();
        let put = client().put(format!("{}/v2/shop/cart/manifests/{tag}", registry.url));
        let put = put.header(CONTENT_TYPE, MANIFEST).body(manifest).send().await.expect("it answers");
        assert!(put.status().is_success(), "{}", registry.log());
        let message = slack.next(LIMIT).await;
        let message = message.unwrap_or_else(|late| panic!("{late}\n{}\n{}", daemon.log(), registry.log()));
        assert_eq!(message.text, format!("shop/cart:{tag} was pushed (64 digits)"));
    }
    let events = daemon.json("/api/v1/events").await;
    let types: Vec<_> =
        events["events"].as_array().expect("a list").iter().map(|event| event["type"].clone()).collect();
    assert!(types.contains(&json!("blob.push")) && types.contains(&json!("tag.push")), "{events:#}");
}
