//! The message of a bundle, letter for letter.

mod counting;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::render::render;
use super::summary_line::LONGEST_LINE;
use super::*;
use crate::message::{Markup, Origin, Signal};

fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

fn delivery(id: i64, r#type: &str, accepted: Timestamp) -> Delivery {
    Delivery {
        id: DeliveryId::from(id),
        event: Arc::new(Event::ours(r#type, "/api/v1/container/1/", accepted, &json!({}))),
        relay: "containers".into(),
        sink: "ops".into(),
        accepted,
        attempts: 0,
        due: None,
        first_tried: None,
        again: false,
    }
}

/// As a relay renders it alone: what comes out of an event is escaped.
fn message(delivery: &Delivery, text: &str, markup: Markup) -> Message {
    let origin = Origin { event: Arc::clone(&delivery.event), relay: delivery.relay.clone() };
    Message::plain(markup.escaped(text), "prod/1", origin)
}

const HOSTILE: [&str; 7] = [
    "Your container was started on Tutum!\nCheck /api/v1/container/1/",
    "<!channel> @everyone </b> `rm -rf`",
    "```\n\u{1b}[31mred & [free](http://x.example) *bold*",
    "\n  \n\u{2028}last\u{2028}line",
    "",
    "never shown",
    "never shown",
];

/// Three starts for each stop, two seconds apart.
fn bundle(kind: BundleKind, relay: &str, markup: Markup) -> Bundle {
    let mut bundle = Bundle::new(kind, relay.into());
    for (number, text) in (0_u32..).zip(HOSTILE.iter().cycle().take(137)) {
        let r#type = if number % 4 == 3 { "container.stop" } else { "container.start" };
        let delivery =
            delivery(i64::from(number) + 1, r#type, at("2026-11-21T10:02:11.5Z") + Duration::from_secs(2) * number);
        bundle.add(&delivery, &message(&delivery, text, markup));
    }
    bundle
}

fn shown(message: &Message) -> String {
    format!("{}\n{}", message.title.as_deref().unwrap_or("-"), message.text)
}

#[test]
fn a_digest_shows_how_many_when_what_and_the_command_that_lists_them() {
    let plain = render(&bundle(BundleKind::Digest, "containers", Markup::Plain), Markup::Plain);
    insta::assert_snapshot!(shown(&plain), @"
    137 events of relay containers
    10:02:11 to 10:06:43 UTC, 4 min
    103 container.start, 34 container.stop
    • Your container was started on Tutum!
    • <!channel> @everyone </b> `rm -rf`
    • �[31mred & [free](http://x.example) *bold*
    • last line
    • container.start /api/v1/container/1/
    and 132 more; to see them all: tidings events --relay containers --since 2026-11-21T10:02:11Z --until 2026-11-21T10:06:44Z --limit 10000
    ");
    let slack = render(&bundle(BundleKind::Digest, "containers", Markup::Slack), Markup::Slack);
    insta::assert_snapshot!(shown(&slack), @"
    137 events of relay containers
    10:02:11 to 10:06:43 UTC, 4 min
    103 container.start, 34 container.stop
    • Your container was started on Tutum!
    • &lt;!channel&gt; @everyone &lt;/b&gt; `rm -rf`
    • �[31mred &amp; [free](http://x.example) *bold*
    • last line
    • container.start /api/v1/container/1/
    and 132 more; to see them all: `tidings events --relay containers --since 2026-11-21T10:02:11Z --until 2026-11-21T10:06:44Z --limit 10000`
    ");
    let discord = render(&bundle(BundleKind::Digest, "containers", Markup::Discord), Markup::Discord);
    insta::assert_snapshot!(shown(&discord).replace('\u{200b}', "~"), @r#"
    137 events of relay containers
    10:02:11 to 10:06:43 UTC, 4 min
    103 container.start, 34 container.stop
    • Your container was started on Tutum!
    • \<!channel\> @~everyone \</b\> \`rm -rf\`
    • �\[31mred & \[free\](http://x.example) \*bold\*
    • last line
    • container.start /api/v1/container/1/
    and 132 more; to see them all: `tidings events --relay containers --since 2026-11-21T10:02:11Z --until 2026-11-21T10:06:44Z --limit 10000`
    "#);
    assert_eq!((slack.signal, slack.severity), (None, Severity::Info));
}

/// Members of these types and texts, so many seconds apart.
fn sent(kind: BundleKind, relay: &str, first: &str, apart: u32, members: &[(&str, String)]) -> String {
    let mut bundle = Bundle::new(kind, relay.into());
    for (number, (r#type, text)) in (0_u32..).zip(members) {
        let accepted = at(first) + Duration::from_secs(u64::from(number * apart));
        let delivery = delivery(i64::from(number), r#type, accepted);
        bundle.add(&delivery, &message(&delivery, text, Markup::Plain));
    }
    shown(&render(&bundle, Markup::Plain)).trim_start_matches("-\n").to_owned()
}

#[test]
fn the_readme_shows_what_is_sent() {
    let container = |number: usize, stopped: bool| {
        let (r#type, done) = if stopped { ("container.stop", "stopped") } else { ("container.start", "started") };
        (r#type, format!("Container web-{number} was {done}\nand so on"))
    };
    let storm: Vec<_> = (1..=137).map(|number| container(number, number % 4 == 0)).collect();
    let digest = sent(BundleKind::Digest, "containers", "2026-11-21T10:02:11.5Z", 2, &storm);
    let held_back: Vec<_> = (1..=37).map(|number| container(number, number > 30)).collect();
    let throttle = BundleKind::Throttle { max: 5, per: Duration::from_secs(60) };
    let throttle = sent(throttle, "containers", "2026-11-21T10:02:11Z", 1, &held_back);
    let services = [("update", "front is Running"), ("update", "cache is Running"), ("create", "mail is Starting")];
    let services = services.map(|(action, text)| (format!("service.{action}"), format!("Service {text}")));
    let services: Vec<_> = services.iter().map(|(r#type, text)| (r#type.as_str(), text.clone())).collect();
    let group = sent(BundleKind::Group { by: "web".to_owned() }, "services", "2026-11-21T14:00:03Z", 9, &services);
    for text in [digest, throttle, group] {
        let block = format!("```text\n{text}\n```\n");
        assert!(include_str!("../../../../README.md").contains(&block), "the README does not show\n{block}");
    }
}

#[test]
fn what_was_held_back_is_counted_in_one_line() {
    let kind = || BundleKind::Throttle { max: 5, per: Duration::from_secs(60) };
    let slack = render(&bundle(kind(), "containers", Markup::Slack), Markup::Slack);
    insta::assert_snapshot!(shown(&slack), @"
    -
    137 more from relay containers were held back within 1m (at most 5): 103 container.start, 34 container.stop
    ");
    assert!(slack.is_plain() && slack.signal.is_none());
    let plain = render(&bundle(kind(), "<b>\n'all'", Markup::Plain), Markup::Plain);
    insta::assert_snapshot!(shown(&plain), @"
    -
    137 more from relay <b> 'all' were held back within 1m (at most 5): 103 container.start, 34 container.stop
    ");
    let mut one = Bundle::new(kind(), "containers".into());
    let only = delivery(1, "vm.<!channel>\n> *powered*.on", at("2026-11-21T10:02:11Z"));
    one.add(&only, &message(&only, "web-01", Markup::Slack));
    insta::assert_snapshot!(shown(&render(&one, Markup::Slack)), @"
    -
    1 more from relay containers was held back within 1m (at most 5): 1 vm.&lt;!channel&gt; &gt; *powered*.on
    ");
}

#[test]
fn a_group_names_what_its_members_share_and_shows_a_few_whole() {
    let mut group = Bundle::new(BundleKind::Group { by: "<stack>".to_owned() }, "services".into());
    for number in 0..10 {
        let accepted = at("2026-12-31T23:59:50Z") + Duration::from_secs(2 * number);
        let delivery = delivery(i64::try_from(number).unwrap(), "service.update", accepted);
        group.add(&delivery, &message(&delivery, &format!("web-{number} is <b>up</b>"), Markup::Slack));
    }
    insta::assert_snapshot!(shown(&render(&group, Markup::Slack)), @"
    10 events of relay services: &lt;stack&gt;
    2026-12-31 23:59:50 to 2027-01-01 00:00:08 UTC, 18 s
    10 service.update
    • web-0 is &lt;b&gt;up&lt;/b&gt;
    • web-1 is &lt;b&gt;up&lt;/b&gt;
    • web-2 is &lt;b&gt;up&lt;/b&gt;
    • web-3 is &lt;b&gt;up&lt;/b&gt;
    • web-4 is &lt;b&gt;up&lt;/b&gt;
    • web-5 is &lt;b&gt;up&lt;/b&gt;
    • web-6 is &lt;b&gt;up&lt;/b&gt;
    • web-7 is &lt;b&gt;up&lt;/b&gt;
    • web-8 is &lt;b&gt;up&lt;/b&gt;
    • web-9 is &lt;b&gt;up&lt;/b&gt;
    ");
}

#[test]
fn a_group_of_one_incident_stays_that_incident() {
    let group = |signals: &[(&str, Option<Signal>, Severity)]| {
        let mut group = Bundle::new(BundleKind::Group { by: "web".to_owned() }, "all".into());
        for (number, (key, signal, severity)) in (0..).zip(signals) {
            let delivery = delivery(number, "a.b", at("2026-11-21T10:02:11Z"));
            let own = message(&delivery, "x", Markup::Plain);
            let (key, client) = ((*key).to_owned(), Some("tidings".to_owned()));
            group.add(&delivery, &Message { key, signal: *signal, severity: *severity, client, ..own });
        }
        let rendered = render(&group, Markup::Plain);
        (rendered.key, rendered.signal, rendered.severity, rendered.client)
    };
    let (trigger, resolve) = (Some(Signal::Trigger), Some(Signal::Resolve));
    let (info, error, warning) = (Severity::Info, Severity::Error, Severity::Warning);
    let (kept, ours) = (|signal| ("k".to_owned(), signal, error, Some("tidings".to_owned())), "all/web".to_owned());
    assert_eq!(group(&[("k", trigger, info), ("k", trigger, error)]), kept(trigger));
    assert_eq!(group(&[("k", None, error), ("k", None, info)]), kept(None));
    assert_eq!(group(&[("k", trigger, error), ("k", resolve, warning)]), (ours.clone(), None, error, None));
    assert_eq!(group(&[("k", trigger, info), ("l", trigger, warning)]), (ours, None, warning, None));
}

#[test]
fn a_bundle_of_one_is_that_message() {
    for kind in [BundleKind::Digest, BundleKind::Group { by: "x".to_owned() }] {
        let mut bundle = Bundle::new(kind, "containers".into());
        assert!(bundle.len() == 0 && bundle.first_event().is_none());
        let only = delivery(7, "container.start", at("2026-11-21T10:02:11Z"));
        let own = message(&only, "up", Markup::Plain);
        let own = Message { signal: Some(Signal::Trigger), link: Some("l".to_owned()), ..own };
        bundle.add(&only, &own);
        let rendered = render(&bundle, Markup::Plain);
        assert_eq!(
            (rendered.text, rendered.key, rendered.signal, rendered.link),
            (own.text, own.key, own.signal, own.link)
        );
        assert_eq!(bundle.ids(), [DeliveryId::from(7)]);
        assert_eq!(bundle.first_event().map(|event| &*event.r#type), Some("container.start"));
    }
}

#[test]
fn programs_get_an_event_that_is_none_of_the_members_and_the_same_every_time() {
    let digest = bundle(BundleKind::Digest, "containers", Markup::Plain);
    let (once, again) = (render(&digest, Markup::Plain).origin, render(&digest, Markup::Plain).origin);
    assert_eq!(once.to_json(), again.to_json());
    insta::assert_snapshot!(once.to_json(), @r#"{"data":{"by":null,"count":137,"first":"2026-11-21T10:02:11.5Z","last":"2026-11-21T10:06:43.5Z","other_types":0,"relay":"containers","types":{"container.start":103,"container.stop":34}},"id":"digest-1-1795255331500000","kind":"tidings","source":"tidings","specversion":"1.0","subject":"containers","time":"2026-11-21T10:06:43.5Z","type":"delivery.digest"}"#);
}

#[test]
fn a_relay_may_have_any_name_and_the_command_still_works() {
    for (relay, markup, begins) in [
        ("alert prod", Markup::Slack, "`tidings events --relay 'alert prod' --since "),
        ("a<b & 'c'", Markup::Slack, r"tidings events --relay 'a&lt;b &amp; '\''c'\''' --since "),
        ("-f", Markup::Plain, "tidings events --relay=-f --since "),
        ("-f x", Markup::GoogleChat, "`tidings events --relay='-f x' --since "),
        ("a_b", Markup::Teams, r"tidings events --relay a\_b --since "),
        ("`@everyone`", Markup::Discord, "tidings events --relay '\\`@\u{200b}everyone\\`' --since "),
    ] {
        let text = render(&bundle(BundleKind::Digest, relay, markup), markup).text;
        let command = text.lines().last().and_then(|line| line.split_once("them all: ")).expect("a command").1;
        assert!(command.starts_with(begins), "{command}");
        assert!(command.trim_end_matches('`').ends_with("--until 2026-11-21T10:06:44Z --limit 10000"), "{command}");
    }
}

#[test]
fn the_command_covers_replayed_events_since_they_happened() {
    let mut digest = Bundle::new(BundleKind::Digest, "all".into());
    for number in 0..11 {
        let happened = delivery(number, "a.b", at("2026-11-01T00:00:00Z"));
        let replayed = Delivery { accepted: at("2026-11-21T10:00:00Z"), ..happened };
        digest.add(&replayed, &message(&replayed, "x", Markup::Plain));
    }
    let text = render(&digest, Markup::Plain).text;
    assert!(text.starts_with("10:00:00 UTC\n11 a.b\n"), "{text}");
    assert!(text.contains("--since 2026-11-01T00:00:00Z --until 2026-11-21T10:00:01Z "), "{text}");
}

#[test]
fn long_lines_are_cut_so_that_nothing_is_left_half() {
    let line = |text: String, markup: Markup| {
        let mut digest = Bundle::new(BundleKind::Digest, "all".into());
        let delivery = delivery(1, "a.b", Timestamp::UNIX_EPOCH);
        let own = Message { text, ..message(&delivery, "", markup) };
        (0..2).for_each(|_| digest.add(&delivery, &own));
        render(&digest, markup).text.lines().nth(2).map(str::to_owned).expect("a line")
    };
    let linked = format!("{} <https://x.example/{}|here> and on", "a".repeat(100), "b".repeat(100));
    assert_eq!(line(linked, Markup::Slack), format!("• {}…", "a".repeat(100)));
    let escaped = format!("{}{}", "a".repeat(158), Markup::Discord.escaped("*bold* and on"));
    assert_eq!(line(escaped, Markup::Discord), format!("• {}…", "a".repeat(158)));
    let less = Markup::GoogleChat.escaped(&format!("1 < 2 {}", "é".repeat(500)));
    assert!(line(less, Markup::GoogleChat).starts_with("• 1 <\u{200b} 2 éé"));
    assert_eq!(line("x".repeat(5000), Markup::Plain).chars().count(), "• ".chars().count() + LONGEST_LINE);
}
