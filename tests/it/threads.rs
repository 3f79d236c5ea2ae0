//! The Slack bot: each key has one thread whose first message shows the current state, also across restarts.

use serde_json::json;
use tidings::demo::standins::Tutum;
use tidings::demo::tutum_config;

use crate::daemon::{Daemon, LIMIT};
use crate::slack_api::{Head, SlackApi};

struct Setup {
    tutum: Tutum,
    slack: SlackApi,
    daemon: Daemon,
}

fn config(tutum: &Tutum, slack: &SlackApi) -> String {
    let tutum = tutum_config(tutum, "", "retry = { first = \"10ms\", max = \"50ms\" }");
    format!(
        r#"
        {tutum}
        [sink.slack.incidents]
        token = {{ env = "SLACK_BOT_TOKEN" }}
        channel = "{}"
        api = "{}"
        update = true
        rate = "none"
        retry = {{ first = "10ms", max = "100ms" }}
        [[relay]]
        name = "incidents"
        from = "prod"
        match = {{ type = "service.*" }}
        title = "{{{{ data.service }}}}"
        text = "{{{{ data.message }}}}"
        severity = "error"
        signal = "{{{{ data.signal }}}}"
        key = "{{{{ data.service }}}}"
        to = "incidents"
        "#,
        SlackApi::CHANNEL,
        slack.url(),
    )
}

impl Setup {
    async fn start() -> Self {
        let tutum = Tutum::start().expect("loopback");
        let slack = SlackApi::start();
        let (credentials, token) = (tutum.credentials().clone(), slack.token().to_owned());
        let env = [
            ("TUTUM_USERNAME", &*credentials.user),
            ("TUTUM_TOKEN", &*credentials.token),
            ("SLACK_BOT_TOKEN", &*token),
        ];
        let daemon = Daemon::start(&config(&tutum, &slack), &env).await;
        tutum.stream.wait_connected(LIMIT).await.expect("it connects");
        Self { tutum, slack, daemon }
    }

    /// Sends an event, and returns when Slack has received everything about it.
    async fn send(&self, service: &str, signal: &str, message: &str) {
        let uri = format!("/api/v1/service/{service}/");
        let event = json!({
            "type": "service", "action": "update", "resource_uri": uri, "service": service, "signal": signal, "message": message,
        });
        let before = self.slack.calls().all().iter().filter(|call| !call.is_edit).count();
        self.tutum.stream.send(&event);
        let mut calls = self.slack.calls().watch();
        let posted = calls.wait_for(|calls| calls.iter().filter(|call| !call.is_edit).count() > before);
        let in_time = tokio::time::timeout(LIMIT, posted).await;
        assert!(in_time.is_ok(), "{message:?} was never posted:\n{}", self.daemon.log());
        self.daemon.until("settled", |status| status["sinks"][0]["pending"] == 0).await;
    }

    async fn restart(&mut self, kill: bool) {
        if kill {
            self.daemon.kill().await;
        } else {
            assert!(self.daemon.stop().await.success());
        }
        self.daemon.start_again().await;
        self.tutum.stream.wait_connected(LIMIT).await.expect("it connects again");
    }

    fn heads(&self) -> Vec<Head> {
        self.slack.heads(SlackApi::CHANNEL)
    }
}

fn replies(head: &Head) -> Vec<String> {
    head.replies.iter().map(|reply| reply.visible_text().replace('\n', ": ")).collect()
}

#[tokio::test]
async fn each_key_has_one_thread_whose_first_message_shows_the_state_across_restarts() {
    let mut setup = Setup::start().await;
    setup.send("web", "trigger", "it is down").await;
    setup.send("db", "trigger", "it is slow").await;
    let heads = setup.heads();
    assert_eq!(heads.iter().map(|head| head.content.color()).collect::<Vec<_>>(), [Some("danger"); 2]);
    setup.restart(false).await;
    setup.send("web", "acknowledge", "Ann looks at it").await;
    setup.send("db", "acknowledge", "Bob looks at it").await;
    assert_eq!(setup.heads()[0].content.visible_text(), "Acknowledged: web\nAnn looks at it");
    setup.restart(true).await;
    setup.send("db", "resolve", "it is fast").await;
    setup.send("web", "resolve", "it is up").await;

    let heads = setup.heads();
    let [web, db] = heads.as_slice() else { panic!("one thread for each key, not {heads:#?}") };
    assert_eq!((web.content.visible_text().as_str(), web.content.color()), ("Resolved: web\nit is up", Some("good")));
    assert_eq!(replies(web), ["web: Ann looks at it", "web: it is up"]);
    assert_eq!((db.content.visible_text().as_str(), db.content.color()), ("Resolved: db\nit is fast", Some("good")));
    assert_eq!(replies(db), ["db: Bob looks at it", "db: it is fast"]);
    assert_eq!(setup.slack.offences(), [""; 0]);
    assert!(!setup.daemon.log().contains(setup.slack.token()));
}

#[tokio::test]
async fn a_first_message_that_was_deleted_or_cannot_be_edited_is_replaced_by_a_new_thread() {
    let setup = Setup::start().await;
    setup.send("web", "trigger", "it is down").await;
    setup.slack.refuse_edits("edit_window_closed");
    setup.send("web", "trigger", "it is still down").await;
    setup.slack.refuse_edits(None);
    setup.send("web", "acknowledge", "Ann looks at it").await;
    let heads = setup.heads();
    let [first, second] = heads.as_slice() else { panic!("two threads, not {heads:#?}") };
    assert_eq!((first.content.visible_text().as_str(), first.replies.len()), ("web\nit is down", 0));
    assert_eq!(second.content.visible_text(), "Acknowledged: web\nAnn looks at it");
    assert_eq!(replies(second), ["web: Ann looks at it"]);

    setup.slack.delete(&second.ts);
    setup.send("web", "resolve", "it is up").await;
    let heads = setup.heads();
    let [_, third] = heads.as_slice() else { panic!("two threads are left, not {heads:#?}") };
    assert_eq!(
        (third.content.visible_text().as_str(), third.content.color()),
        ("Resolved: web\nit is up", Some("good"))
    );
    assert_eq!(setup.slack.offences(), [""; 0]);
}
