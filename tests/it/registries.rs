//! Notifications of registries, from the listener to the chat: sent once, with the findings of a scan in the same thread.

use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use tidings::demo::standins::GoogleChat;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::daemon::{Daemon, LIMIT, client};
use crate::google_chat;

const CONFIG: &str = r#"
    [daemon]
    listen = "127.0.0.1:0"
    admin = "127.0.0.1:0"
    [source.dtr.registry]
    verify = { path = { env = "KEY" } }
    api = "API"
    user = "tidings"
    token = { env = "TOKEN" }
    [source.harbor.images]
    authorization = { env = "HEADER" }
    [source.dockerhub.hub]
    verify = { path = { env = "KEY" } }
    [sink.google-chat.room]
    webhook = { env = "ROOM" }
    rate = "none"
    [[relay]]
    name = "images"
    match = { kind = ["dtr", "harbor", "dockerhub"], type = { not = ["*.pull", "manifest.*", "scan.completed"] } }
    to = "room"
    [[relay]]
    name = "scans"
    match = { kind = ["dtr", "harbor"], type = "scan.completed" }
    link = "{% if data.location %}https://dtr.example.com{{ data.location }}{% endif %}"
    to = "room"
    [[relay]]
    name = "scan details"
    match = { kind = "dtr", type = "scan.completed" }
    fetch.scan = "{{ event.subject }}/scan/details"
    when = "scan.count > 0"
    text = "{{ scan.lines[:15] | join('\n') }}"
    to = "room"
    [[relay]]
    name = "more scan details"
    match = { kind = "dtr", type = "scan.completed" }
    fetch.scan = "{{ event.subject }}/scan/details"
    when = "scan.count > 15"
    text = "{{ scan.lines[15:] | join('\n') }}{% if scan.more %}\n{{ scan.more }} more in the registry: {{ scan.link }}{% endif %}"
    to = "room"
"#;

const KEY: &str = "1f81eb52-5198-4599";

/// A registry's API with one scan, for requests with the right credentials.
struct Registry {
    url: String,
    playing: JoinHandle<()>,
}

impl Registry {
    async fn start(scan: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        #[expect(clippy::disallowed_methods, reason = "the registry owns it and ends it")]
        let playing = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                Self::serve(stream, &scan).await;
            }
        });
        Self { url, playing }
    }

    async fn serve(mut stream: TcpStream, scan: &Value) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8_lossy(&head);
        let (status, body) = if !head.contains("authorization: Basic dGlkaW5nczphMWIyYzNk\r\n") {
            ("401 Unauthorized", json!({"errors": [{"code": "NOT_AUTHENTICATED"}]}))
        } else if head.starts_with("GET /api/v0/imagescan/scansummary/repositories/foo/bar/1.0 ") {
            ("200 OK", scan.clone())
        } else {
            ("404 Not Found", json!({"errors": [{"code": "NO_SUCH_TAG"}]}))
        };
        let body = body.to_string();
        let length = body.len();
        let reply = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        // The daemon may have stopped meanwhile.
        stream.write_all(reply.as_bytes()).await.ok();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.playing.abort();
    }
}

struct Setup {
    room: GoogleChat,
    registry: Registry,
    daemon: Daemon,
    listener: String,
}

impl Setup {
    async fn start() -> Self {
        let cves: Vec<_> =
            (0..64).map(|n| json!({"cvePK": format!("CVE-2020-{n:04}"), "cvss": 9.0 - f64::from(n) / 10.0})).collect();
        let keys: Vec<_> = cves.iter().map(|cve| cve["cvePK"].clone()).collect();
        let registry = Registry::start(json!([{"scanStatus": 6, "scannedImage": {
            "layers": [{"digest": "sha256:aa", "components": [7]}],
            "components": [{"componentPK": 7, "name": "openssl", "version": "1.0.2g", "cves": keys}], "cves": cves}}]))
        .await;
        let room = google_chat::start();
        let env = [("KEY", KEY), ("TOKEN", "a1b2c3d"), ("HEADER", "Secret 42"), ("ROOM", &room.url())];
        let daemon = Daemon::start(&CONFIG.replace("API", &registry.url), &env).await;
        let listener = daemon.listener_url();
        Self { room, registry, daemon, listener }
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = client().post(format!("{}/hooks/{path}", self.listener)).header(AUTHORIZATION, "Secret 42");
        let reply = request.body(body.to_string()).send().await.expect("the listener answers");
        (reply.status().as_u16(), reply.json().await.expect("JSON"))
    }

    async fn next_text(&self) -> String {
        self.room.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", self.daemon.log())).text
    }
}

fn scanned(tag: &str) -> Value {
    json!({"type": "SCAN_COMPLETED", "createdAt": "2018-10-11T03:07:51.145390882Z", "location": format!("/repositories/foo/bar/tags/{tag}"),
        "contents": {"namespace": "foo", "repository": "bar", "tag": tag, "scanSummary": {"critical": 21, "major": 30, "minor": 13}}})
}

fn summary(tag: &str) -> String {
    let page = format!("https://dtr.example.com/repositories/foo/bar/tags/{tag}");
    format!("The scan of foo/bar:{tag} found 21 critical, 30 major and 13 minor vulnerabilities\n{page}")
}

#[tokio::test]
async fn a_scan_is_sent_once_with_its_details_in_order_in_one_thread() {
    let setup = Setup::start().await;
    for _ in 0..2 {
        let accepted = setup.post(&format!("registry/{KEY}"), &scanned("1.0")).await;
        assert_eq!(accepted, (202, json!({"accepted": 1})));
    }
    assert_eq!(setup.next_text().await, summary("1.0"));
    let (first, second) = (setup.next_text().await, setup.next_text().await);
    assert_eq!(first.lines().count(), 15);
    assert_eq!(first.lines().next(), Some("CVE-2020-0000 (critical 9.0) in openssl 1.0.2g, layer 1"));
    assert_eq!(second.lines().nth(14), Some("CVE-2020-0029 (major 6.1) in openssl 1.0.2g, layer 1"));
    let cut = format!("34 more in the registry: {}/repositories/foo/bar/tags/1.0", setup.registry.url);
    assert_eq!(second.lines().nth(15), Some(cut.as_str()));

    // The next image has its own thread, and a failed fetch does not delay the posted event.
    assert_eq!(setup.post(&format!("registry/{KEY}"), &scanned("1.1")).await.0, 202);
    assert_eq!(setup.next_text().await, summary("1.1"));
    assert_eq!(setup.next_text().await.trim(), "(scan could not be fetched: 404 NO_SUCH_TAG)");
    assert_eq!(setup.next_text().await.trim(), "(scan could not be fetched: 404 NO_SUCH_TAG)");
    let threads: Vec<_> =
        google_chat::threads(&setup.room).into_iter().map(|thread| (thread.key, thread.texts.len())).collect();
    let of = |tag: &str| (Some(format!("registry:foo/bar:{tag}")), 3);
    assert_eq!(threads, [of("1.0"), of("1.1")], "nothing was sent twice");
}

#[tokio::test]
async fn harbor_and_docker_hub_have_the_same_texts_and_unverified_posts_are_refused() {
    let setup = Setup::start().await;
    let pushed = json!({"type": "PUSH_ARTIFACT", "occur_at": 1_586_922_308, "operator": "admin", "event_data": {
        "resources": [{"digest": "sha256:8a9e", "tag": "12"}], "repository": {"repo_full_name": "shop/debian"}}});
    let hub = |stars: u32| {
        json!({"callback_url": format!("{}/never", setup.registry.url), "repository": {"repo_name": "acme/shop", "star_count": stars},
            "push_data": {"pushed_at": 1_417_566_161, "pusher": "bob", "tag": "1.4"}})
    };
    for stars in 0..2 {
        assert_eq!(setup.post("images", &pushed).await.0, 202);
        assert_eq!(setup.post(&format!("hub/{KEY}"), &hub(stars)).await.0, 202);
    }
    assert_eq!(setup.next_text().await, "shop/debian:12 was pushed by admin");
    assert_eq!(setup.next_text().await, "acme/shop:1.4 was pushed by bob");
    for (path, body, status) in
        [("hub", hub(2), 404), ("registry", scanned("2"), 404), ("hub/x", hub(3), 404), ("images", json!([]), 400)]
    {
        assert_eq!(setup.post(path, &body).await.0, status, "{path}");
    }
    let mut next = pushed.clone();
    next["occur_at"] = 1_586_922_309.into();
    assert_eq!(setup.post("images", &next).await.0, 202);
    assert_eq!(setup.next_text().await, "shop/debian:12 was pushed by admin", "the next push, and nothing before it");
    assert_eq!(setup.room.posts().len(), 3);
}
