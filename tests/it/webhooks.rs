//! Posted events from the listener's socket to the chat: accepted when committed, sent once, or refused with the reason.

use serde_json::{Value, json};
use tidings::demo::standins::Slack;

use crate::daemon::{Daemon, LIMIT, client};
use crate::slack;

const CONFIG: &str = r#"
    [daemon]
    listen = "127.0.0.1:0"
    admin = "127.0.0.1:0"
    [source.webhook.shop]
    verify = { bearer = { env = "TOKEN" } }
    type = "{{ data.kind }}"
    id = "{{ data.id }}"
    [source.webhook.list]
    verify = { path = { env = "TOKEN" } }
    split = "data.things"
    [source.webhook.cloud]
    [source.github.forge]
    secret = { env = "TOKEN" }
    [sink.slack.ops]
    webhook = { env = "SLACK_URL" }
    rate = "none"
    [[relay]]
    name = "all"
    text = "{{ event.source }} {{ event.type }} {{ event.subject }} {{ data.n }}"
    to = "ops"
"#;

const TOKEN: &str = "f2f0c1d4-8f1e-4a55";

struct Setup {
    slack: Slack,
    daemon: Daemon,
    listener: String,
}

impl Setup {
    async fn start() -> Self {
        let slack = slack::start();
        let daemon = Daemon::start(CONFIG, &[("SLACK_URL", &slack.url()), ("TOKEN", TOKEN)]).await;
        let listener = daemon.listener_url();
        Self { slack, daemon, listener }
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> (u16, Value) {
        let mut request = client().post(format!("{}{path}", self.listener)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.send().await.expect("the listener answers");
        (reply.status().as_u16(), reply.json().await.expect("JSON"))
    }

    async fn next_text(&self) -> String {
        self.slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", self.daemon.log())).text
    }
}

const AUTHORIZED: (&str, &str) = ("authorization", "Bearer f2f0c1d4-8f1e-4a55");
const LIST: &str = "/hooks/list/f2f0c1d4-8f1e-4a55";

#[tokio::test]
async fn an_accepted_event_is_sent_and_the_same_delivery_twice_is_one_event() {
    let setup = Setup::start().await;
    let order = json!({"kind": "order.paid", "id": "17", "n": 1}).to_string();
    for _ in 0..2 {
        assert_eq!(setup.post("/hooks/shop", &[AUTHORIZED], order.clone()).await, (202, json!({"accepted": 1})));
    }
    assert_eq!(setup.next_text().await, "shop order.paid  1");
    let next = json!({"kind": "order.paid", "id": "18", "n": 2}).to_string();
    assert_eq!(setup.post("/hooks/shop", &[AUTHORIZED], next).await.0, 202);
    assert_eq!(setup.next_text().await, "shop order.paid  2", "and not the first one again");
}

#[tokio::test]
async fn an_accepted_event_is_sent_after_a_kill() {
    let mut setup = Setup::start().await;
    setup.slack.go_down().await;
    assert_eq!(setup.post("/hooks/shop", &[AUTHORIZED], r#"{"kind":"order.paid","id":"1","n":1}"#).await.0, 202);
    setup.daemon.kill().await;
    setup.slack.come_back().await.expect("the port");
    setup.daemon.start_again().await;
    assert_eq!(setup.next_text().await, "shop order.paid  1");
    setup.listener = setup.daemon.listener_url();
    let again = setup.post("/hooks/shop", &[AUTHORIZED], r#"{"kind":"order.paid","id":"1","n":"again"}"#).await;
    assert_eq!(again, (202, json!({"accepted": 1})));
    assert_eq!(setup.post("/hooks/shop", &[AUTHORIZED], r#"{"kind":"order.paid","id":"2","n":2}"#).await.0, 202);
    assert_eq!(setup.next_text().await, "shop order.paid  2");
}

#[tokio::test]
async fn lists_batches_forms_and_signatures_are_accepted() {
    let setup = Setup::start().await;
    assert_eq!(setup.post(LIST, &[], r#"{"things":[{"n":1},{"n":2},{"n":3}]}"#).await, (202, json!({"accepted": 3})));
    for n in 1..=3 {
        assert_eq!(setup.next_text().await, format!("list message  {n}"));
    }
    assert_eq!(setup.post(LIST, &[], r#"{"things":[]}"#).await, (202, json!({"accepted": 0})));

    let cloud = |id: &str| json!({"specversion": "1.0", "id": id, "source": "/shop", "type": "order.paid", "subject": "17", "n": id});
    let batch = json!([cloud("a"), cloud("b")]).to_string();
    let content = [("content-type", "application/cloudevents-batch+json")];
    assert_eq!(setup.post("/hooks/cloud", &content, batch).await, (202, json!({"accepted": 2})));
    assert_eq!(
        (&*setup.next_text().await, &*setup.next_text().await),
        ("cloud order.paid 17 a", "cloud order.paid 17 b")
    );
    let content = [("content-type", "application/cloudevents+json")];
    assert_eq!(setup.post("/hooks/cloud", &content, cloud("b").to_string()).await.0, 202);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(setup.post("/hooks/cloud", &form, "n=form&x=1").await.0, 202);
    assert_eq!(setup.next_text().await, "cloud message  form", "b was sent before");

    // HMAC-SHA256 of the body under TOKEN, as GitHub would send it.
    let body = r#"{"action":"opened","repository":{"full_name":"octo/hello"},"n":1}"#;
    let signature = "sha256=08b9ada74d4b15cb03dc485ca57f9832f630dc3bc7b4d523225b309754a4e7e8";
    let fields = [("x-github-event", "issues"), ("x-github-delivery", "d-1"), ("x-hub-signature-256", signature)];
    assert_eq!(setup.post("/hooks/forge", &fields, body).await, (202, json!({"accepted": 1})));
    assert_eq!(setup.next_text().await, "forge issues.opened octo/hello 1");
    assert_eq!(setup.post("/hooks/forge", &fields, body.replace('1', "2")).await.0, 401);
}

#[tokio::test]
async fn refused_requests_get_the_reason_and_are_never_sent() {
    let setup = Setup::start().await;
    let order = r#"{"kind":"order.paid","id":"1"}"#;
    let shop = "/hooks/shop";
    for (path, headers, body, status, error) in [
        (shop, &[][..], order, 401, "the header `authorization` is missing"),
        (shop, &[("authorization", "Bearer wrong")], order, 401, "the credentials are wrong"),
        (shop, &[AUTHORIZED], "<xml>", 400, "not JSON: expected value at line 1 column 1"),
        (
            shop,
            &[AUTHORIZED, ("content-type", "text/plain")],
            order,
            415,
            "the content type must be JSON or a form, not `text/plain`",
        ),
        ("/hooks/list", &[], order, 404, "no endpoint at this path"),
        ("/hooks/list/f2f0c1d4-8f1e-4a56", &[], order, 404, "no endpoint at this path"),
        (LIST, &[], order, 400, "`data.things` is missing or is not a list"),
        ("/hooks/forge", &[("x-github-event", "push")], order, 401, "the header `x-hub-signature-256` is missing"),
    ] {
        let (answered, reason) = setup.post(path, headers, body).await;
        assert_eq!((answered, reason["error"].as_str()), (status, Some(error)), "{path} {reason}");
    }
    let many = format!("{{\"things\":[{}0]}}", "0,".repeat(10_000));
    assert_eq!(setup.post(LIST, &[], many).await.0, 413);
    assert_eq!(setup.post("/hooks/cloud", &[], r#"{"n":"fine"}"#).await.0, 202);
    assert_eq!(setup.next_text().await, "cloud message  fine", "and nothing before it");
    let log = setup.daemon.log();
    assert!(log.contains("authentication failed") && !log.contains(TOKEN), "{log}");
}

#[tokio::test]
async fn the_longest_list_that_is_accepted_is_committed_whole() {
    let config = r#"
        [daemon]
        listen = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        [source.webhook.list]
        split = "data"
        [[relay]]
        name = "all"
        text = "{{ data.n }}"
    "#;
    let mut daemon = Daemon::start(config, &[]).await;
    let list: Value = (0..10_000).map(|n| json!({ "n": n })).collect();
    let reply = client().post(format!("{}/hooks/list", daemon.listener_url())).json(&list).send().await;
    let accepted: Value = reply.expect("the listener answers").json().await.expect("JSON");
    assert_eq!(accepted, json!({"accepted": 10_000}));
    daemon.kill().await;
    assert_eq!(daemon.stored(), (0..10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reachable_listener_requires_verify() {
    let env = [("SLACK_URL", "https://hooks.slack.com/services/T/B/X"), ("TOKEN", TOKEN)];
    let here = "listen = \"127.0.0.1:0\"";
    let proxied = CONFIG.replace(here, &format!("{here}\npublic_url = \"https://bridge.example.com\""));
    let open = CONFIG.replace(here, "listen = \"0.0.0.0:0\"");
    for (open, reached) in [(&proxied, "https://bridge.example.com"), (&open, "0.0.0.0:0")] {
        let (code, out, err) = Daemon::prepare(open, &env).verb(&["check"]).await;
        let (said, wanted) =
            (format!("{out}{err}"), format!("anyone who can reach {reached} could send events to `cloud`"));
        assert!(code == 78 && said.contains(&wanted) && said.contains("or write verify = \"none\""), "{code} {said}");
    }
    let meant = open.replace("[source.webhook.cloud]", "[source.webhook.cloud]\nverify = \"none\"");
    let daemon = Daemon::prepare(&meant, &env);
    let (code, out, err) = daemon.verb(&["check"]).await;
    assert_eq!(code, 0, "{out}{err}");
}
