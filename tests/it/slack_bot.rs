//! The sink for a bot in Slack against the stand-in of Slack's Web API, which minds every rule.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tidings::config_reader::{ConfigReader, TableReader};
use tidings::demo::standins::{Limit, SlackApi};
use tidings::event::{Body, Event, EventId, Name};
use tidings::message::{Message, Origin, Receipt, SendError, Severity, Signal};
use tidings::outbound::Outbound;
use tidings::sinks::{AnySink, Sink, SinkConfig};

const OPS: &str = SlackApi::CHANNEL;

struct House {
    slack: SlackApi,
    bot: AnySink,
}

impl House {
    async fn open(keys: &str) -> Self {
        let slack = SlackApi::start().await.expect("loopback");
        let toml = format!("token = {:?}\nchannel = {OPS:?}\napi = {:?}\n{keys}", slack.token(), slack.url());
        let reading = ConfigReader::new(&toml, &|_| None);
        let tree = reading.tree();
        let config = SinkConfig::read("slack", &TableReader::new(&reading, "sink.slack", &tree)).expect("sound");
        Self { slack, bot: config.open(&Outbound::new()) }
    }

    /// Of web-01, after the message that `earlier` is the receipt of.
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
        self.send(text, signal, earlier).await.expect("delivered").0.expect("named")
    }

    async fn refused(&self, text: &str, earlier: Option<&str>) -> SendError {
        self.send(text, Signal::Trigger, earlier).await.expect_err("refused")
    }

    /// The channel as a person reads it: each message, and its thread indented.
    fn looks(&self) -> String {
        let heads = self.slack.heads(OPS);
        let lines = heads.iter().flat_map(|head| {
            let color = head.content.color().unwrap_or_default();
            let first = format!("{} {color}", head.content.words().replace('\n', " | "));
            let replies = head.replies.iter().map(|reply| format!("  {}", reply.words().replace('\n', " | ")));
            [first].into_iter().chain(replies).collect::<Vec<_>>()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[tokio::test]
async fn a_thread_begins_goes_on_and_shows_how_things_stand() {
    let house = House::open("update = true").await;
    let root = house.sent("it is off", Signal::Trigger, None).await;
    assert_eq!(house.sent("Ann looks at it", Signal::Acknowledge, Some(&root)).await, root);
    assert_eq!(house.sent(&"it is on ".repeat(2000), Signal::Resolve, Some(&root)).await, root);
    assert_eq!(house.sent("it is on", Signal::Resolve, Some(&root)).await, root);
    let looks = house.looks();
    let lines: Vec<&str> = looks.lines().collect();
    assert_eq!(lines[0], "Resolved: web-01 <off> | it is on good");
    assert_eq!((lines.len(), lines[1]), (4, "  web-01 <off> | Ann looks at it"));
    assert_eq!((house.slack.offences(), house.slack.heads(OPS)[0].edits), (vec![], 3));
}

#[tokio::test]
async fn without_update_the_head_stays_as_it_was() {
    let house = House::open("").await;
    let root = house.sent("it is off", Signal::Trigger, None).await;
    house.sent("it is on", Signal::Resolve, Some(&root)).await;
    assert_eq!(house.looks(), "web-01 <off> | it is off #8b0000\n  web-01 <off> | it is on");
    assert_eq!((house.slack.offences(), house.slack.calls().len()), (vec![], 2));
}

#[tokio::test]
async fn what_is_gone_or_cannot_be_edited_is_followed_by_a_new_thread() {
    for keys in ["update = true", ""] {
        let house = House::open(keys).await;
        let first = house.sent("it is off", Signal::Trigger, None).await;
        house.slack.delete(first.split_once('/').expect("a receipt").1);
        let second = house.sent("it is on", Signal::Resolve, Some(&first)).await;
        assert_ne!(first, second);
        let third = house.sent("and stays so", Signal::Resolve, Some(&second)).await;
        assert_eq!((second, house.slack.heads(OPS).len()), (third, 1));
        assert_eq!(house.slack.offences(), [""; 0]);
    }
    let house = House::open("update = true").await;
    let first = house.sent("it is off", Signal::Trigger, None).await;
    house.slack.refuse_edits("edit_window_closed");
    let second = house.sent("it is on", Signal::Resolve, Some(&first)).await;
    assert_ne!(first, second);
    assert_eq!(house.looks(), "web-01 <off> | it is off #8b0000\nResolved: web-01 <off> | it is on good");
    assert_eq!(house.slack.offences(), [""; 0]);
}

#[tokio::test]
async fn trouble_between_the_edit_and_the_reply_repeats_the_edit_and_nothing_else() {
    use tidings::demo::standins::Trouble;
    let house = House::open("update = true").await;
    let root = house.sent("it is off", Signal::Trigger, None).await;
    house.slack.fail_with([Trouble::Nothing, Trouble::Status(503)]);
    assert!(matches!(house.refused("it is on", Some(&root)).await, SendError::Later { lane: true, .. }));
    assert_eq!(house.sent("it is on", Signal::Trigger, Some(&root)).await, root);
    assert_eq!(house.looks(), "web-01 <off> | it is on #8b0000\n  web-01 <off> | it is on");
    assert_eq!((house.slack.heads(OPS)[0].edits, house.slack.offences()), (2, vec![]));
}

#[tokio::test]
async fn limits_and_refusals_are_told_apart() {
    let house = House::open("").await;
    house.slack.limit_channels(Limit { per_second: 0.001, burst: 1.0 });
    house.sent("1", Signal::Trigger, None).await;
    let limited = house.refused("2", None).await;
    assert!(matches!(limited, SendError::Later { wait: Some(_), lane: true, maybe: false, .. }), "{limited:?}");
    house.slack.limit_channels(None);
    for (word, said) in
        [("missing_scope", "the token lacks the scope chat:write"), ("token_revoked", "Slack refuses the token")]
    {
        house.slack.refuse(word);
        let refused = house.refused("3", None).await;
        assert!(
            matches!(&refused, SendError::NeverDestination(cause) if cause.to_string().starts_with(said)),
            "{refused:?}"
        );
    }
    house.slack.refuse(None);
    for word in ["not_in_channel", "is_archived"] {
        house.slack.close_channel(OPS, word);
        assert!(matches!(house.refused("4", None).await, SendError::NeverDestination(_)));
    }
    assert_eq!((house.slack.offences(), house.slack.calls().len()), (vec![], 1));
}
