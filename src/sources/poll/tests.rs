//! The whole source against a server that plays a script. Sockets are real, so no clock is frozen.

use std::time::Duration;

use serde_json::json;
use tokio::join;
use tokio::sync::mpsc;

use super::*;
use crate::config_reader::{ConfigReader, TableReader};
use crate::event::{Event, Name};
use crate::outbound::stage::{Act, Stage, reply};
use crate::outbox::{Arrival, LinkState, SourceStatus};
use crate::websocket::peer::soon;

const IDS: &str = "id = \"{{ data.id }}\"\ntime = \"{{ data.at }}\"\n";

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    let env = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
    let reading = ConfigReader::new(text, &env);
    let tree = reading.tree();
    let table = TableReader::new(&reading, "source.poll", &tree);
    let config = Config::read(&table);
    table.finish();
    (config, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
}

fn poll(stage: &Stage, rest: &str) -> Poll {
    let text = format!(
        "url = \"{}/list?a=b\"\nevery = \"1ms\"\nretry = {{ first = \"1ms\", max = \"2ms\" }}\n{rest}",
        stage.url
    );
    let (config, problems) = read(&text);
    assert_eq!(problems, Vec::<String>::new());
    Poll::open(config.expect("right"), &Outbound::new())
}

struct House {
    out: Outbox,
    status: SourceStatus,
    arrivals: mpsc::Receiver<Arrival>,
}

impl House {
    fn new() -> Self {
        let (sender, arrivals) = mpsc::channel(8);
        let (out, status) = Outbox::new(Name::from("list"), Name::from("poll"), sender);
        Self { out, status, arrivals }
    }

    /// Another life of the daemon, which stands where this one did.
    fn again(&self) -> Self {
        let next = Self::new();
        next.out.resume_at(self.out.cursor());
        next
    }

    /// Runs until the stage was asked so often; gives the groups of events that were committed, as `subject`s.
    async fn run(&mut self, poll: &Poll, stage: &Stage, requests: usize) -> Vec<Vec<String>> {
        let stop = Stop::new();
        let mut groups = Vec::new();
        let intake = async {
            let enough = stage.until(requests);
            tokio::pin!(enough);
            loop {
                tokio::select! {
                    biased;
                    Some(arrival) = self.arrivals.recv() => {
                        let events = commit(arrival);
                        if !events.is_empty() {
                            groups.push(events.iter().map(|event| event.subject.to_string()).collect());
                        }
                    }
                    () = &mut enough => break,
                }
            }
            stop.trigger();
        };
        let (ran, ()) = soon(async { join!(Box::pin(poll.run(&self.out, &stop)), intake) }).await;
        assert_eq!(ran, Ok(()));
        groups
    }
}

fn commit(arrival: Arrival) -> Vec<Event> {
    let Arrival { group, cursor, committed } = arrival;
    cursor.into_iter().for_each(crate::outbox::Cursor::moved);
    committed.expect("somebody waits").send(Ok(())).unwrap_or_default();
    Arrival { group, cursor: None, committed: None }.into_events()
}

/// Items of these numbers, as the server lists them.
fn list(numbers: &[u32]) -> String {
    let items: Vec<_> =
        numbers.iter().map(|n| json!({"id": n, "n": format!("n{n}"), "at": 1_454_345_248 + n})).collect();
    json!({ "items": items }).to_string()
}

const ITEMS: &str = "items = \"items\"\nsubject = \"{{ data.n }}\"\n";

#[tokio::test]
async fn what_is_there_at_first_is_not_told_and_what_is_new_is_told_once_oldest_first() {
    let stage = Stage::open([
        reply(200, "", &list(&[2, 1])),
        reply(200, "", &list(&[2, 1])),
        reply(200, "", &list(&[4, 3, 2, 1])),
        reply(200, "", &list(&[])),
        reply(200, "", &list(&[4, 3, 2, 1])),
        reply(200, "", &list(&[5, 4])),
        Act::Stall,
    ])
    .await;
    let mut house = House::new();
    let groups = house.run(&poll(&stage, &format!("{ITEMS}{IDS}")), &stage, 7).await;
    assert_eq!(groups, [vec!["n3", "n4"], vec!["n5"]]);
    assert_eq!(*house.status.line.borrow(), LinkState::Up);
    assert_eq!(stage.seen()[0].target(), "/list?a=b");
}

#[tokio::test]
async fn another_life_tells_nothing_again_and_what_came_meanwhile() {
    let stage =
        Stage::open([reply(200, "", &list(&[1, 2])), Act::Stall, reply(200, "", &list(&[1, 2, 3])), Act::Stall]).await;
    let poll = poll(&stage, &format!("{ITEMS}{IDS}from = \"beginning\""));
    let mut first = House::new();
    assert_eq!(first.run(&poll, &stage, 2).await, [vec!["n1", "n2"]]);
    assert_eq!(first.again().run(&poll, &stage, 4).await, [vec!["n3"]]);
}

#[tokio::test]
async fn items_without_ids_are_news_whenever_they_change_back_and_forth() {
    let says = |up: bool| reply(200, "", &json!({"n": if up { "up" } else { "down" }}).to_string());
    let stage = Stage::open([says(true), says(true), says(false), says(false), says(true), Act::Stall]).await;
    let groups = House::new().run(&poll(&stage, "subject = \"{{ data.n }}\""), &stage, 6).await;
    assert_eq!(groups, [vec!["down"], vec!["up"]]);
}

#[tokio::test]
async fn etags_are_shown_and_an_unchanged_document_is_an_answer() {
    let stage = Stage::open([
        reply(200, "ETag: \"v1\"\r\nLast-Modified: Mon, 13 Oct 2014 11:01:43 GMT\r\n", &list(&[1])),
        reply(304, "", ""),
        reply(200, "ETag: \"v2\"\r\n", &list(&[1, 2])),
        reply(304, "", ""),
        Act::Stall,
    ])
    .await;
    let groups = House::new().run(&poll(&stage, &format!("{ITEMS}{IDS}")), &stage, 5).await;
    assert_eq!(groups, [vec!["n2"]]);
    let seen = stage.seen();
    assert!(!seen[0].head.contains("if-none-match"), "{}", seen[0].head);
    assert!(seen[1].head.contains("if-none-match: \"v1\"\r\nif-modified-since: Mon, 13 Oct 2014"), "{}", seen[1].head);
    assert!(
        seen[3].head.contains("if-none-match: \"v2\"") && !seen[3].head.contains("if-modified"),
        "{}",
        seen[3].head
    );
}

#[tokio::test]
async fn what_is_new_on_a_later_page_is_told_though_the_first_is_unchanged() {
    let first = |numbers: &[u32]| reply(200, "ETag: \"one\"\r\nLink: </list?page=2>; rel=\"next\"\r\n", &list(numbers));
    let stage = Stage::open([
        first(&[1, 2]),
        reply(200, "ETag: \"two\"\r\n", &list(&[3])),
        first(&[1, 2]),
        reply(200, "ETag: \"three\"\r\n", &list(&[3, 4])),
        reply(200, "ETag: \"all\"\r\n", &list(&[4])),
        reply(304, "", ""),
        Act::Stall,
    ])
    .await;
    let groups = House::new().run(&poll(&stage, &format!("{ITEMS}{IDS}next = \"link\"")), &stage, 7).await;
    assert_eq!(groups, [vec!["n4"]]);
    let seen = stage.seen();
    let asked: Vec<_> = seen.iter().map(|seen| seen.head.contains("if-none-match")).collect();
    assert_eq!(asked, [false, false, false, false, false, true, true], "only where there is one page");
}

#[tokio::test]
async fn pages_are_followed_on_this_host_with_its_credentials_and_told_in_one_order() {
    let stage = Stage::open([
        reply(200, "Link: </list?page=2>; rel=\"next\"\r\n", &list(&[4, 3])),
        reply(200, "", &list(&[2, 1])),
        reply(200, "Link: <https://evil.example/list>; rel=\"next\"\r\n", &list(&[5])),
        Act::Stall,
    ])
    .await;
    let rest = format!(
        "{ITEMS}{IDS}from = \"beginning\"\nnext = \"link\"\nbearer = {{ env = \"TOKEN\" }}\nquery = {{ key = {{ env = \"TOKEN\" }} }}"
    );
    let mut house = House::new();
    let groups = house.run(&poll(&stage, &rest), &stage, 4).await;
    assert_eq!(groups, [vec!["n1", "n2", "n3", "n4"], vec!["n5"]], "what was read before the refusal is told");
    let seen = stage.seen();
    assert_eq!(seen[1].target(), "/list?page=2&key=s3cret");
    assert!(seen.iter().all(|seen| seen.head.contains("authorization: Bearer s3cret")));
    let LinkState::Down(fault) = house.status.line.borrow().clone() else { panic!("the poll failed") };
    assert_eq!(fault.reason(), "foreign_host");
}

#[tokio::test]
async fn pages_that_go_round_or_never_end_are_no_poll() {
    let member = |next: &str| reply(200, "", &json!({"items": [], "next": next}).to_string());
    let stage = Stage::open([member("/list?p=1"), member("/list?a=b"), Act::Stall]).await;
    let mut house = House::new();
    assert!(house.run(&poll(&stage, &format!("{ITEMS}next = \"data.next\"")), &stage, 3).await.is_empty());
    let stage = Stage::open((0..100).map(|page| member(&format!("/list?p={page}"))).chain([Act::Stall])).await;
    let mut house = House::new();
    house.run(&poll(&stage, &format!("{ITEMS}next = \"next\"")), &stage, 101).await;
    let LinkState::Down(fault) = house.status.line.borrow().clone() else { panic!("the poll failed") };
    assert!(fault.to_string().contains("more than 100 pages"), "{fault}");
    assert_eq!(house.out.cursor(), None);
}

#[tokio::test]
async fn pages_that_are_too_much_together_are_not_taken() {
    let page = |numbers: std::ops::Range<u32>, next: bool| {
        let link = if next { "Link: </list?page=2>; rel=\"next\"\r\n" } else { "" };
        reply(200, link, &list(&numbers.collect::<Vec<_>>()))
    };
    let rest = format!("{ITEMS}{IDS}from = \"beginning\"\nnext = \"link\"");
    let stage = Stage::open([page(0..6000, true), page(6000..10_001, false), Act::Stall]).await;
    let mut house = House::new();
    let groups = house.run(&poll(&stage, &rest), &stage, 3).await;
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [6000], "the page that is too much tells nothing");
    let LinkState::Down(fault) = house.status.line.borrow().clone() else { panic!("the poll failed") };
    assert!(fault.to_string().contains("10000 items"), "{fault}");

    let large = |number: u32| {
        let link = format!("Link: </list?page={number}>; rel=\"next\"\r\n");
        reply(200, &link, &json!({"items": [{"id": number, "n": "x".repeat(900)}]}).to_string())
    };
    let stage = Stage::open((0..5).map(large).chain([Act::Stall])).await;
    let mut house = House::new();
    let groups = house.run(&poll(&stage, &format!("{rest}\nmax_body = \"1KiB\"")), &stage, 6).await;
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [4]);
    let LinkState::Down(fault) = house.status.line.borrow().clone() else { panic!("the poll failed") };
    assert!(fault.to_string().contains("4 times `max_body`"), "{fault}");
}

#[tokio::test]
async fn a_long_list_is_known_to_its_end_though_its_end_could_not_be_read_once() {
    let all: Vec<_> = (0..10_000).collect();
    let first = |numbers: &[u32]| reply(200, "Link: </list?page=2>; rel=\"next\"\r\n", &list(numbers));
    let new: Vec<_> = (10_000..10_005).chain(0..4995).collect();
    let stage = Stage::open([
        first(&all[..5000]),
        reply(200, "", &list(&all[5000..])),
        first(&new),
        reply(500, "", ""),
        first(&new),
        reply(200, "", &list(&all[5000..])),
        Act::Stall,
    ])
    .await;
    let groups = House::new().run(&poll(&stage, &format!("{ITEMS}{IDS}next = \"link\"")), &stage, 7).await;
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [5], "{groups:?}");
}

#[tokio::test]
async fn the_cursor_goes_into_the_next_query_and_survives() {
    let stage = Stage::open([
        reply(200, "", &list(&[3, 1])),
        reply(200, "", &list(&[])),
        reply(200, "", &list(&[4])),
        Act::Stall,
        Act::Stall,
    ])
    .await;
    let poll = poll(&stage, &format!("{ITEMS}{IDS}cursor = \"{{{{ data.at }}}}\"\ncursor_param = \"after\""));
    let mut house = House::new();
    assert_eq!(house.run(&poll, &stage, 4).await, [vec!["n4"]]);
    house.again().run(&poll, &stage, 5).await;
    let targets: Vec<_> = stage.seen().iter().map(|seen| seen.target().to_owned()).collect();
    let after = |at: u32| format!("/list?a=b&after={at}");
    let (three, four) = (after(1_454_345_251), after(1_454_345_252));
    assert_eq!(targets, ["/list?a=b", &three, &three, &four, &four]);
}

#[tokio::test]
async fn an_item_of_the_far_future_is_told_and_no_cursor() {
    let ahead = json!({"items": [{"id": 1, "n": "n1", "at": 1_454_345_248}, {"id": 2, "n": "n2", "at": "2999-01-01T00:00:00Z"}]});
    let stage = Stage::open([reply(200, "", &ahead.to_string()), Act::Stall]).await;
    let rest = format!("{ITEMS}{IDS}from = \"beginning\"\ncursor = \"{{{{ data.at }}}}\"");
    assert_eq!(House::new().run(&poll(&stage, &rest), &stage, 2).await, [vec!["n1", "n2"]]);
    assert_eq!(stage.seen()[1].target(), "/list?a=b&since=1454345248");
}

#[tokio::test]
async fn a_feed_is_read_like_any_list() {
    let feed = |entries: &str| {
        reply(200, "Content-Type: application/rss+xml\r\n", &format!("<rss><channel>{entries}</channel></rss>"))
    };
    let old = "<item><title>old</title><guid>1</guid><pubDate>Mon, 13 Oct 2014 11:01:43 +0000</pubDate></item>";
    let new = "<item><title>new</title><guid>2</guid><pubDate>Mon, 13 Oct 2014 12:01:43 +0000</pubDate></item>";
    let stage = Stage::open([feed(old), feed(&format!("{new}{old}")), Act::Stall]).await;
    assert_eq!(House::new().run(&poll(&stage, ""), &stage, 3).await, [vec!["new"]]);
}

#[tokio::test]
async fn failures_are_told_apart_and_cost_nothing() {
    let stage = Stage::open([
        reply(200, "", &list(&[1])),
        reply(500, "", ""),
        reply(200, "", "no JSON"),
        reply(200, "", "{\"error\":\"busy\"}"),
        reply(302, "Location: https://evil.example/\r\n", ""),
        Act::Reset,
        reply(200, "", &list(&[1, 2])),
        Act::Stall,
    ])
    .await;
    let mut house = House::new();
    let groups = house.run(&poll(&stage, &format!("{ITEMS}{IDS}")), &stage, 8).await;
    assert_eq!(groups, [vec!["n2"]]);
    assert_eq!(*house.status.line.borrow(), LinkState::Up);
    assert!(stage.seen().iter().all(|seen| seen.target() == "/list?a=b"));
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is_left_alone_and_who_refuses_us_for_longer() {
    for (answer, reason) in [
        (reply(429, "Retry-After: 3600\r\n", ""), "rate_limited"),
        (reply(503, "Retry-After: 3600\r\n", ""), "status"),
        (reply(401, "", ""), REFUSED),
    ] {
        let stage = Stage::open([answer]).await;
        let (poll, mut house, stop) = (poll(&stage, ""), House::new(), Stop::new());
        let (ran, ()) = join!(Box::pin(poll.run(&house.out, &stop)), async {
            let down = soon(house.status.line.wait_for(|line| matches!(line, LinkState::Down(_))))
                .await
                .expect("it lives")
                .clone();
            let LinkState::Down(fault) = down else { panic!("down") };
            assert_eq!(fault.reason(), reason);
            // The usual waits are of a millisecond or two: somebody who did not listen would have asked by now.
            tokio::time::sleep(Duration::from_millis(50)).await;
            stop.trigger();
        });
        assert_eq!(ran, Ok(()));
        assert_eq!(stage.seen().len(), 1, "{reason}");
    }
}

#[test]
fn what_cannot_be_meant_is_said() {
    const URL: &str = "url = \"https://h.example/\"\n";
    for (text, wanted) in [
        ("", "`url` is missing here"),
        ("url = \"ftp://h.example/\"", "what is polled has an address that begins with https or http, not with ftp"),
        (&format!("{URL}every = \"0s\""), "`every` must be longer than nothing"),
        (&format!("{URL}cursor_param = \"x\""), "`cursor_param` names what `cursor` says, and there is no `cursor`"),
        (&format!("{URL}next = \"a..b\""), "`a..b` is no path"),
        (&format!("{URL}items = \"a[]\""), "`a[]` is no path to a list"),
        (&format!("{URL}from = \"end\""), "`end` is not one of now, beginning"),
        (
            &format!("{URL}headers = {{ If-None-Match = \"x\" }}"),
            "`If-None-Match` belongs to the request itself and cannot be set",
        ),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
}

#[test]
fn nothing_printed_shows_a_credential() {
    let text = "url = \"https://h.example/\"\nbearer = { env = \"TOKEN\" }\nquery = { key = { env = \"TOKEN\" } }";
    let printed = format!("{:?}", Poll::open(read(text).0.expect("right"), &Outbound::new()));
    assert!(!printed.contains("s3cret"), "{printed}");
}
