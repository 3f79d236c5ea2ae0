//! The tutorial's example with the shipped relays.toml and its four variables: exactly its texts and pages.

use serde_json::{Value, json};
use tidings::demo::standins::{AlertChange, PagerDuty, Slack, Tutum};

use crate::daemon::{Daemon, LIMIT};
use crate::pagerduty;
use crate::slack;

struct Tutorial {
    tutum: Tutum,
    slack: Slack,
    pagerduty: PagerDuty,
    daemon: Daemon,
}

/// The shipped file with other addresses and shorter times, and no other change.
fn shipped(tutum: &Tutum, pagerduty_url: &str, api: &str) -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/relays.toml");
    let mut text = std::fs::read_to_string(file).expect("the shipped file");
    let mut set = |comment: &str, line: &str| {
        assert!(text.contains(comment), "the shipped file has no line `{comment}`");
        text = text.replacen(comment, line, 1);
    };
    set("# url       = \"wss:", &format!("url = \"{}\" #", tutum.stream.url()));
    set("# api       = \"https://dashboard", &format!("api = \"{}\" #", tutum.api.url()));
    set("# grace         = \"30s\"", "grace = \"300ms\"");
    set("# steady        = \"10s\"", "steady = \"300ms\"");
    set("# api        = \"v2\"", &format!("api = \"{api}\""));
    set("# url        = \"https://events", &format!("url = \"{pagerduty_url}\" #"));
    set("# rate        = \"1/s\"", "rate = \"none\"");
    set("listen = \"127.0.0.1:8088\"", "listen = \"127.0.0.1:0\"");
    set("admin  = \"127.0.0.1:8089\"", "admin = \"127.0.0.1:0\"");
    text
}

impl Tutorial {
    async fn start(api: &str) -> Self {
        let tutum = Tutum::start().expect("loopback");
        let slack = slack::start();
        let pagerduty = pagerduty::start();
        let url = if api == "v1" { pagerduty::v1_url(&pagerduty) } else { pagerduty.url() };
        let credentials = tutum.credentials().clone();
        let env = [
            ("PAGERDUTY_KEY", pagerduty.key()),
            ("SLACK_URL", &slack.url()),
            ("TUTUM_TOKEN", &credentials.token),
            ("TUTUM_USERNAME", &credentials.user),
        ];
        let daemon = Daemon::start(&shipped(&tutum, &url, api), &env).await;
        tutum.stream.wait_connected(LIMIT).await.expect("it connects");
        Self { tutum, slack, pagerduty, daemon }
    }

    async fn message_for(&self, event: Value) -> String {
        self.tutum.stream.send(&event);
        self.slack.next(LIMIT).await.expect("a message").text
    }
}

const CONTAINER: &str = "/api/v1/container/df3eb045-8bb9-46c1-ac59-a67ce0f4d875/";
const SERVICE: &str = "/api/v1/service/d0b1eb62-7662-4a81-8a10-d5a74b07811e/";

#[tokio::test]
async fn slack_receives_the_original_texts_letter_for_letter() {
    let tutorial = Tutorial::start("v2").await;
    let stack = tutorial.tutum.api.add_stack("f24bca18-e1dd-40aa-9b3c-064c0c26683e", "web", "Running");
    assert_eq!(tutorial.tutum.stream.connections(), 1);

    let created = json!({"type": "container", "action": "create", "state": "Starting", "resource_uri": CONTAINER,
        "parents": [SERVICE, "/api/v1/node/75d2f30f-ada7-4df5-ac49-c97aac3b8b7a/", &stack]});
    assert_eq!(
        tutorial.message_for(created).await,
        format!("Your container was created on Tutum!\nCheck {CONTAINER} to see more details."),
    );

    // The stack is neither first nor last: it is chosen by its type, and requested with the right header.
    let node = "/api/v1/node/75d2f30f-ada7-4df5-ac49-c97aac3b8b7a/";
    let updated = json!({"type": "service", "action": "update", "state": "Running", "resource_uri": SERVICE,
        "parents": [node, &stack, "/api/v1/nodecluster/99908d8c-027a-4124-a868-274db7f3e6ca/"]});
    assert_eq!(
        tutorial.message_for(updated).await,
        "A Service on Tutum was updated.\nIt belonged to the web Stack.\nThe Stack state is: Running",
    );
    assert_eq!(tutorial.tutum.api.gets(&stack), 1);

    for parents in [json!([]), Value::Null] {
        let mut without_stack = json!({"type": "service", "action": "delete", "resource_uri": SERVICE});
        if !parents.is_null() {
            without_stack["parents"] = parents;
        }
        assert_eq!(
            tutorial.message_for(without_stack).await,
            format!("Your service was deleted on Tutum!\nCheck {SERVICE} to see more details."),
        );
    }

    // None of these becomes a message; the next event does.
    tutorial.tutum.stream.send(&json!({"type": "user-notification", "data": {"errorMessage": "maintenance tonight"}}));
    tutorial.tutum.stream.send(&json!({"type": "user-notifications"}));
    tutorial
        .tutum
        .stream
        .send(&json!({"type": "action", "action": "update", "state": "Success", "resource_uri": "/api/v1/action/1/"}));
    tutorial.tutum.stream.send(&json!({"type": "error", "data": {"errorMessage": "SOMETHING ELSE"}}));
    tutorial.tutum.stream.send_text("this is not JSON");
    tutorial.tutum.stream.send(&json!({}));
    tutorial.tutum.stream.send(&json!([1, 2, 3]));
    let last = json!({"type": "container", "action": "delete", "resource_uri": CONTAINER});
    assert!(tutorial.message_for(last).await.starts_with("Your container was deleted on Tutum!"));

    assert_eq!(tutorial.slack.log().unread().len(), 0);
    assert_eq!(tutorial.slack.offences(), [""; 0]);
    assert_eq!(tutorial.tutum.offences(), [""; 0]);
    assert_eq!(tutorial.pagerduty.alerts().len(), 0, "nothing was lost");
    let skipped = tutorial.daemon.metric("tidings_source_skipped_messages_total{source=\"prod\"}").await;
    assert!((skipped - 1.0).abs() < 0.1, "one message was not JSON: {skipped}");
    let log = tutorial.daemon.log();
    assert!(log.contains("connected") && log.contains("authenticated"), "{log}");
    assert!(!log.contains(&tutorial.tutum.credentials().token), "the token is in the log");
}

#[tokio::test]
async fn close_is_one_trigger_and_open_one_resolve_under_the_same_key() {
    for api in ["v1", "v2"] {
        let mut tutorial = Tutorial::start(api).await;
        tutorial.daemon.until("up", |status| status["sources"][0]["state"] == "up").await;
        // Every start begins with an outage, which ends when the source has been up for `steady`.
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        tutorial.tutum.stream.go_down().await;
        let trigger = tutorial.pagerduty.next(LIMIT).await.expect("a page");
        assert_eq!((&*trigger.action, &*trigger.key), ("trigger", "tutum-stream"), "{api}");
        assert_eq!(trigger.summary.as_deref(), Some("Tutum Stream connection closed."));
        assert_eq!(trigger.change, AlertChange::Opened);
        tutorial.tutum.stream.come_back().await.expect("the port is still free");
        let resolve = tutorial.pagerduty.next(LIMIT).await.expect("a resolve");
        assert_eq!((&*resolve.action, &*resolve.key), ("resolve", "tutum-stream"), "{api}");
        if api == "v1" {
            assert_eq!(resolve.summary.as_deref(), Some("Tutum Stream connection open."));
        }
        assert_eq!(pagerduty::open_keys(&tutorial.pagerduty), [""; 0]);

        // A stop by the operator does not page.
        assert!(tutorial.daemon.stop().await.success());
        assert_eq!(tutorial.pagerduty.alerts().len(), 2);
        assert_eq!(tutorial.pagerduty.offences(), [""; 0]);
    }
}
