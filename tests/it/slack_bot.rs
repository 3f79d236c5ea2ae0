//! The sink for a Slack bot against the stand-in of Slack's Web API, which checks every rule.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tidings::config_reader::{ConfigReader, TableReader};
use tidings::demo::standins::{InjectedFault, VendorLimit};
use tidings::event::{Body, Event, EventId, Name};
use tidings::message::{Message, Origin, Receipt, SendError, Severity, Signal};
use tidings::outbound::Outbound;
use tidings::sinks::{AnySink, Sink, SinkConfig};

use crate::slack_api::SlackApi;

const OPS: &str = SlackApi::CHANNEL;

struct Setup {
    slack: SlackApi,
    bot: AnySink,
}

impl Setup {
    fn start(keys: &str) -> Self {
        let slack = SlackApi::start();
        let toml = format!("token = {:?}\nchannel = {OPS:?}\napi = {:?}\n{keys}", slack.token(), slack.url());
        let reading = ConfigReader::new(&toml, &|_| None);
        let tree = reading.tree();
        let config = SinkConfig::read("slack", &TableReader::new(&reading, "sink.slack", &tree)).expect("sound");
        Self { slack, bot: config.open(&Outbound::new()) }
    }

    /// About web-01; `earlier` is the receipt of the message before it.
    async fn send(&self, text: &str, signal: Signal, earlier: Option<&str>) -> Result<Receipt, SendError> {
        let event = Event {
            id: EventId::Given("1".into()),
            source: Name::from("prod"),
            kind: Name::from("websocket"),
            r#type: "vm.powered".into(),
            time: Timestamp::UNIX_EPOCH,
            subject: "web-01".into(),
            data: Body::from_value(&json!({})),
        };
        let origin = Origin { event: Arc::new(event), relay: Name::from("vms") };
        let mut message = Message::plain(text, "prod/web-01", origin);
        (message.title, message.severity) = (Some("web-01 <off>".to_owned()), Severity::Critical);
        (message.signal, message.earlier) = (Some(signal), earlier.map(str::to_owned));
        self.bot.send(&message).await
    }

    async fn sent(&self, text: &str, signal: Signal, earlier: Option<&str>) -> String {
        self.send(text, signal, earlier).await.expect("delivered").0.expect("a receipt")
    }

    async fn refused(&self, text: &str, earlier: Option<&str>) -> SendError {
        self.send(text, Signal::Trigger, earlier).await.expect_err("refused")
    }

    /// The channel as a person reads it: each message, followed by its thread, indented.
    fn channel(&self) -> String {
        let heads = self.slack.heads(OPS);
        let lines = heads.iter().flat_map(|head| {
            let color = head.content.color().unwrap_or_default();
            let first = format!("{} {color}", head.content.visible_text().replace('\n', " | "));
            let replies = head.replies.iter().map(|reply| format!("  {}", reply.visible_text().replace('\n', " | ")));
            [first].into_iter().chain(replies).collect::<Vec<_>>()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[tokio::test]
async fn a_thread_is_continued_and_its_first_message_shows_the_state() {
    let setup = Setup::start("update = true");
    let root = setup.sent("it is off", Signal::Trigger, None).await;
    assert_eq!(setup.sent("Ann looks at it", Signal::Acknowledge, Some(&root)).await, root);
    assert_eq!(setup.sent(&"it is on ".repeat(2000), Signal::Resolve, Some(&root)).await, root);
    assert_eq!(setup.sent("it is on", Signal::Resolve, Some(&root)).await, root);
    let channel = setup.channel();
    let lines: Vec<&str> = channel.lines().collect();
    assert_eq!(lines[0], "Resolved: web-01 <off> | it is on good");
    assert_eq!((lines.len(), lines[1]), (4, "  web-01 <off> | Ann looks at it"));
    assert_eq!((setup.slack.offences(), setup.slack.heads(OPS)[0].edits), (vec![], 3));
}

#[tokio::test]
async fn without_update_the_first_message_is_not_edited() {
    let setup = Setup::start("");
    let root = setup.sent("it is off", Signal::Trigger, None).await;
    setup.sent("it is on", Signal::Resolve, Some(&root)).await;
    assert_eq!(setup.channel(), "web-01 <off> | it is off #8b0000\n  web-01 <off> | it is on");
    assert_eq!((setup.slack.offences(), setup.slack.calls().entries().len()), (vec![], 2));
}

#[tokio::test]
async fn a_message_that_was_deleted_or_cannot_be_edited_is_replaced_by_a_new_thread() {
    for keys in ["update = true", ""] {
        let setup = Setup::start(keys);
        let first = setup.sent("it is off", Signal::Trigger, None).await;
        setup.slack.delete(first.split_once('/').expect("a receipt").1);
        let second = setup.sent("it is on", Signal::Resolve, Some(&first)).await;
        assert_ne!(first, second);
        let third = setup.sent("and stays so", Signal::Resolve, Some(&second)).await;
        assert_eq!((second, setup.slack.heads(OPS).len()), (third, 1));
        assert_eq!(setup.slack.offences(), [""; 0]);
    }
    let setup = Setup::start("update = true");
    let first = setup.sent("it is off", Signal::Trigger, None).await;
    setup.slack.refuse_edits("edit_window_closed");
    let second = setup.sent("it is on", Signal::Resolve, Some(&first)).await;
    assert_ne!(first, second);
    assert_eq!(setup.channel(), "web-01 <off> | it is off #8b0000\nResolved: web-01 <off> | it is on good");
    assert_eq!(setup.slack.offences(), [""; 0]);
}

#[tokio::test]
async fn a_failure_between_the_edit_and_the_reply_repeats_only_the_edit() {
    let setup = Setup::start("update = true");
    let root = setup.sent("it is off", Signal::Trigger, None).await;
    setup.slack.fail_with([InjectedFault::None, InjectedFault::Status(503)]);
    assert!(matches!(setup.refused("it is on", Some(&root)).await, SendError::Later { lane: true, .. }));
    assert_eq!(setup.sent("it is on", Signal::Trigger, Some(&root)).await, root);
    assert_eq!(setup.channel(), "web-01 <off> | it is on #8b0000\n  web-01 <off> | it is on");
    assert_eq!((setup.slack.heads(OPS)[0].edits, setup.slack.offences()), (2, vec![]));
}

#[tokio::test]
async fn rate_limits_and_refusals_are_distinguished() {
    let setup = Setup::start("");
    setup.slack.limit_channels(VendorLimit { per_second: 0.001, burst: 1.0 });
    setup.sent("1", Signal::Trigger, None).await;
    let limited = setup.refused("2", None).await;
    assert!(matches!(limited, SendError::Later { wait: Some(_), lane: true, maybe: false, .. }), "{limited:?}");
    setup.slack.limit_channels(None);
    for (code, text) in
        [("missing_scope", "the token lacks the scope chat:write"), ("token_revoked", "Slack refuses the token")]
    {
        setup.slack.refuse(code);
        let refused = setup.refused("3", None).await;
        assert!(
            matches!(&refused, SendError::NeverDestination(cause) if cause.to_string().starts_with(text)),
            "{refused:?}"
        );
    }
    setup.slack.refuse(None);
    for code in ["not_in_channel", "is_archived"] {
        setup.slack.close_channel(OPS, code);
        assert!(matches!(setup.refused("4", None).await, SendError::NeverDestination(_)));
    }
    assert_eq!((setup.slack.offences(), setup.slack.calls().entries().len()), (vec![], 1));
}
