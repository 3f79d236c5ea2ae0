//! Slack as a bot: each key has one thread, whose head shows how things stand, whatever the daemon goes through.

use serde_json::json;
use tidings::demo::standins::{Head, SlackApi, Tutum};

use crate::daemon::{Daemon, LIMIT, hearing};

struct House {
    tutum: Tutum,
    slack: SlackApi,
    daemon: Daemon,
}

fn config(tutum: &Tutum, slack: &SlackApi) -> String {
    let hearing = hearing(tutum, "", "retry = { first = \"10ms\", max = \"50ms\" }");
    format!(
        r#"
        {hearing}
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
        text = "{{{{ data.said }}}}"
        severity = "error"
        signal = "{{{{ data.signal }}}}"
        key = "{{{{ data.service }}}}"
        to = "incidents"
        "#,
        SlackApi::CHANNEL,
        slack.url(),
    )
}

impl House {
    async fn open() -> Self {
        let tutum = Tutum::start().await.expect("loopback");
        let slack = SlackApi::start().await.expect("loopback");
        let (credentials, token) = (tutum.credentials().clone(), slack.token().to_owned());
        let env = [("USERNAME", &*credentials.user), ("TOKEN", &*credentials.token), ("SLACK_BOT_TOKEN", &*token)];
        let daemon = Daemon::start(&config(&tutum, &slack), &env).await;
        tutum.stream.wait_connected(LIMIT).await.expect("it connects");
        Self { tutum, slack, daemon }
    }

    /// Says it, and returns when Slack has heard all of it.
    async fn say(&self, service: &str, signal: &str, said: &str) {
        let uri = format!("/api/v1/service/{service}/");
        let event = json!({
            "type": "service", "action": "update", "resource_uri": uri, "service": service, "signal": signal, "said": said,
        });
        let heard = self.slack.calls().all().iter().filter(|call| !call.is_edit).count();
        self.tutum.stream.send(&event);
        let mut calls = self.slack.calls().watch();
        let posted = calls.wait_for(|calls| calls.iter().filter(|call| !call.is_edit).count() > heard);
        let in_time = tokio::time::timeout(LIMIT, posted).await;
        assert!(in_time.is_ok(), "{said:?} was never posted:\n{}", self.daemon.log());
        self.daemon.until("settled", |status| status["sinks"][0]["pending"] == 0).await;
    }

    /// Ends as it likes and comes back.
    async fn restart(&mut self, by_force: bool) {
        if by_force {
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
    head.replies.iter().map(|reply| reply.words().replace('\n', ": ")).collect()
}

#[tokio::test]
async fn each_key_has_its_one_thread_whose_head_shows_how_things_stand_through_restarts() {
    let mut house = House::open().await;
    house.say("web", "trigger", "it is down").await;
    house.say("db", "trigger", "it is slow").await;
    let heads = house.heads();
    assert_eq!(heads.iter().map(|head| head.content.color()).collect::<Vec<_>>(), [Some("danger"); 2]);
    house.restart(false).await;
    house.say("web", "acknowledge", "Ann looks at it").await;
    house.say("db", "acknowledge", "Bob looks at it").await;
    assert_eq!(house.heads()[0].content.words(), "Acknowledged: web\nAnn looks at it");
    house.restart(true).await;
    house.say("db", "resolve", "it is fast").await;
    house.say("web", "resolve", "it is up").await;

    let heads = house.heads();
    let [web, db] = heads.as_slice() else { panic!("one thread for each key, not {heads:#?}") };
    assert_eq!((web.content.words().as_str(), web.content.color()), ("Resolved: web\nit is up", Some("good")));
    assert_eq!(replies(web), ["web: Ann looks at it", "web: it is up"]);
    assert_eq!((db.content.words().as_str(), db.content.color()), ("Resolved: db\nit is fast", Some("good")));
    assert_eq!(replies(db), ["db: Bob looks at it", "db: it is fast"]);
    assert_eq!(house.slack.offences(), [""; 0]);
    assert!(!house.daemon.log().contains(house.slack.token()));
}

#[tokio::test]
async fn a_head_that_was_deleted_or_cannot_be_edited_any_more_is_followed_by_a_new_thread() {
    let house = House::open().await;
    house.say("web", "trigger", "it is down").await;
    house.slack.refuse_edits("edit_window_closed");
    house.say("web", "trigger", "it is still down").await;
    house.slack.refuse_edits(None);
    house.say("web", "acknowledge", "Ann looks at it").await;
    let heads = house.heads();
    let [first, second] = heads.as_slice() else { panic!("two threads, not {heads:#?}") };
    assert_eq!((first.content.words().as_str(), first.replies.len()), ("web\nit is down", 0));
    assert_eq!(second.content.words(), "Acknowledged: web\nAnn looks at it");
    assert_eq!(replies(second), ["web: Ann looks at it"]);

    house.slack.delete(&second.ts);
    house.say("web", "resolve", "it is up").await;
    let heads = house.heads();
    let [_, third] = heads.as_slice() else { panic!("two threads are left, not {heads:#?}") };
    assert_eq!((third.content.words().as_str(), third.content.color()), ("Resolved: web\nit is up", Some("good")));
    assert_eq!(house.slack.offences(), [""; 0]);
}
