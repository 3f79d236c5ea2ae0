//! The whole source against a scripted server. Sockets are real, so the clock is not paused.

use std::time::Duration;

use serde_json::json;
use tokio::join;
use tokio::sync::mpsc;

use super::*;
use crate::config_reader::{ConfigReader, TableReader};
use crate::event::{Event, Name};
use crate::outbox::{Arrival, LinkState, SourceStatus};
use crate::reconnect::REFUSED;
use crate::test_support::scripted_server::{ScriptedServer, Step, reply};
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

fn poll(server: &ScriptedServer, rest: &str) -> Poll {
    let text = format!(
        "url = \"{}/list?a=b\"\nevery = \"1ms\"\nretry = {{ first = \"1ms\", max = \"2ms\" }}\n{rest}",
        server.url
    );
    let (config, problems) = read(&text);
    assert_eq!(problems, Vec::<String>::new());
    Poll::open(config.expect("a valid configuration"), &Outbound::new())
}

struct Harness {
    out: Outbox,
    status: SourceStatus,
    arrivals: mpsc::Receiver<Arrival>,
}

impl Harness {
    fn new() -> Self {
        let (sender, arrivals) = mpsc::channel(8);
        let (out, status) = Outbox::new(Name::from("list"), Name::from("poll"), sender);
        Self { out, status, arrivals }
    }

    /// After a restart of the daemon, with the same cursor.
    fn restarted(&self) -> Self {
        let next = Self::new();
        next.out.resume_at(self.out.cursor());
        next
    }

    /// Runs until the server got this many requests. Returns the subjects of the committed events, by group.
    async fn run(&mut self, poll: &Poll, server: &ScriptedServer, requests: usize) -> Vec<Vec<String>> {
        let stop = Stop::new();
        let mut groups = Vec::new();
        let intake = async {
            let enough = server.wait_for(requests);
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
    committed.expect("a put that waits").send(Ok(())).unwrap_or_default();
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
async fn items_of_the_first_poll_are_skipped_and_new_ones_become_events_once_oldest_first() {
    let server = ScriptedServer::start([
        reply(200, "", &list(&[2, 1])),
        reply(200, "", &list(&[2, 1])),
        reply(200, "", &list(&[4, 3, 2, 1])),
        reply(200, "", &list(&[])),
        reply(200, "", &list(&[4, 3, 2, 1])),
        reply(200, "", &list(&[5, 4])),
        Step::Stall,
    ])
    .await;
    let mut harness = Harness::new();
    let groups = harness.run(&poll(&server, &format!("{ITEMS}{IDS}")), &server, 7).await;
    assert_eq!(groups, [vec!["n3", "n4"], vec!["n5"]]);
    assert_eq!(*harness.status.link.borrow(), LinkState::Up);
    assert_eq!(server.requests()[0].target(), "/list?a=b");
}

#[tokio::test]
async fn after_a_restart_only_items_that_appeared_meanwhile_become_events() {
    let server = ScriptedServer::start([
        reply(200, "", &list(&[1, 2])),
        Step::Stall,
        reply(200, "", &list(&[1, 2, 3])),
        Step::Stall,
    ])
    .await;
    let poll = poll(&server, &format!("{ITEMS}{IDS}from = \"beginning\""));
    let mut first = Harness::new();
    assert_eq!(first.run(&poll, &server, 2).await, [vec!["n1", "n2"]]);
    assert_eq!(first.restarted().run(&poll, &server, 4).await, [vec!["n3"]]);
}

#[tokio::test]
async fn items_without_ids_become_events_at_every_change() {
    let status = |up: bool| reply(200, "", &json!({"n": if up { "up" } else { "down" }}).to_string());
    let server =
        ScriptedServer::start([status(true), status(true), status(false), status(false), status(true), Step::Stall])
            .await;
    let groups = Harness::new().run(&poll(&server, "subject = \"{{ data.n }}\""), &server, 6).await;
    assert_eq!(groups, [vec!["down"], vec!["up"]]);
}

#[tokio::test]
async fn etags_are_sent_and_an_unchanged_document_is_a_success() {
    let server = ScriptedServer::start([
        reply(200, "ETag: \"v1\"\r\nLast-Modified: Mon, 13 Oct 2014 11:01:43 GMT\r\n", &list(&[1])),
        reply(304, "", ""),
        reply(200, "ETag: \"v2\"\r\n", &list(&[1, 2])),
        reply(304, "", ""),
        Step::Stall,
    ])
    .await;
    let groups = Harness::new().run(&poll(&server, &format!("{ITEMS}{IDS}")), &server, 5).await;
    assert_eq!(groups, [vec!["n2"]]);
    let seen = server.requests();
    assert!(!seen[0].head.contains("if-none-match"), "{}", seen[0].head);
    assert!(seen[1].head.contains("if-none-match: \"v1\"\r\nif-modified-since: Mon, 13 Oct 2014"), "{}", seen[1].head);
    assert!(
        seen[3].head.contains("if-none-match: \"v2\"") && !seen[3].head.contains("if-modified"),
        "{}",
        seen[3].head
    );
}

#[tokio::test]
async fn new_items_on_a_later_page_are_found_even_if_the_first_page_is_unchanged() {
    let first = |numbers: &[u32]| reply(200, "ETag: \"one\"\r\nLink: </list?page=2>; rel=\"next\"\r\n", &list(numbers));
    let server = ScriptedServer::start([
        first(&[1, 2]),
        reply(200, "ETag: \"two\"\r\n", &list(&[3])),
        first(&[1, 2]),
        reply(200, "ETag: \"three\"\r\n", &list(&[3, 4])),
        reply(200, "ETag: \"all\"\r\n", &list(&[4])),
        reply(304, "", ""),
        Step::Stall,
    ])
    .await;
    let groups = Harness::new().run(&poll(&server, &format!("{ITEMS}{IDS}next = \"link\"")), &server, 7).await;
    assert_eq!(groups, [vec!["n4"]]);
    let seen = server.requests();
    let conditional: Vec<_> = seen.iter().map(|seen| seen.head.contains("if-none-match")).collect();
    assert_eq!(conditional, [false, false, false, false, false, true, true], "only where there is one page");
}

#[tokio::test]
async fn pages_are_followed_on_the_same_host_with_credentials_and_sorted_together() {
    let server = ScriptedServer::start([
        reply(200, "Link: </list?page=2>; rel=\"next\"\r\n", &list(&[4, 3])),
        reply(200, "", &list(&[2, 1])),
        reply(200, "Link: <https://evil.example/list>; rel=\"next\"\r\n", &list(&[5])),
        Step::Stall,
    ])
    .await;
    let rest = format!(
        "{ITEMS}{IDS}from = \"beginning\"\nnext = \"link\"\nbearer = {{ env = \"TOKEN\" }}\nquery = {{ key = {{ env = \"TOKEN\" }} }}"
    );
    let mut harness = Harness::new();
    let groups = harness.run(&poll(&server, &rest), &server, 4).await;
    assert_eq!(groups, [vec!["n1", "n2", "n3", "n4"], vec!["n5"]], "items before the refused page become events");
    let seen = server.requests();
    assert_eq!(seen[1].target(), "/list?page=2&key=s3cret");
    assert!(seen.iter().all(|seen| seen.head.contains("authorization: Bearer s3cret")));
    let LinkState::Down(fault) = harness.status.link.borrow().clone() else { panic!("the poll failed") };
    assert_eq!(fault.reason(), "foreign_host");
}

#[tokio::test]
async fn pages_that_form_a_circle_or_never_end_fail() {
    let member = |next: &str| reply(200, "", &json!({"items": [], "next": next}).to_string());
    let server = ScriptedServer::start([member("/list?p=1"), member("/list?a=b"), Step::Stall]).await;
    let mut harness = Harness::new();
    assert!(harness.run(&poll(&server, &format!("{ITEMS}next = \"data.next\"")), &server, 3).await.is_empty());
    let server =
        ScriptedServer::start((0..100).map(|page| member(&format!("/list?p={page}"))).chain([Step::Stall])).await;
    let mut harness = Harness::new();
    harness.run(&poll(&server, &format!("{ITEMS}next = \"next\"")), &server, 101).await;
    let LinkState::Down(fault) = harness.status.link.borrow().clone() else { panic!("the poll failed") };
    assert!(fault.to_string().contains("more than 100 pages"), "{fault}");
    assert_eq!(harness.out.cursor(), None);
}

#[tokio::test]
async fn pages_above_the_limits_in_total_are_not_read() {
    let page = |numbers: std::ops::Range<u32>, next: bool| {
        let link = if next { "Link: </list?page=2>; rel=\"next\"\r\n" } else { "" };
        reply(200, link, &list(&numbers.collect::<Vec<_>>()))
    };
    let rest = format!("{ITEMS}{IDS}from = \"beginning\"\nnext = \"link\"");
    let server = ScriptedServer::start([page(0..6000, true), page(6000..10_001, false), Step::Stall]).await;
    let mut harness = Harness::new();
    let groups = harness.run(&poll(&server, &rest), &server, 3).await;
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [6000], "the page above the limit yields no events");
    let LinkState::Down(fault) = harness.status.link.borrow().clone() else { panic!("the poll failed") };
    assert!(fault.to_string().contains("10000 items"), "{fault}");

    let large = |number: u32| {
        let link = format!("Link: </list?page={number}>; rel=\"next\"\r\n");
        reply(200, &link, &json!({"items": [{"id": number, "n": "x".repeat(900)}]}).to_string())
    };
    let server = ScriptedServer::start((0..5).map(large).chain([Step::Stall])).await;
    let mut harness = Harness::new();
    let groups = harness.run(&poll(&server, &format!("{rest}\nmax_body = \"1KiB\"")), &server, 6).await;
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [4]);
    let LinkState::Down(fault) = harness.status.link.borrow().clone() else { panic!("the poll failed") };
    assert!(fault.to_string().contains("4 times `max_body`"), "{fault}");
}

#[tokio::test]
async fn a_long_list_stays_known_to_its_end_even_if_its_end_could_not_be_read_once() {
    let all: Vec<_> = (0..10_000).collect();
    let first = |numbers: &[u32]| reply(200, "Link: </list?page=2>; rel=\"next\"\r\n", &list(numbers));
    let new: Vec<_> = (10_000..10_005).chain(0..4995).collect();
    let server = ScriptedServer::start([
        first(&all[..5000]),
        reply(200, "", &list(&all[5000..])),
        first(&new),
        reply(500, "", ""),
        first(&new),
        reply(200, "", &list(&all[5000..])),
        Step::Stall,
    ])
    .await;
    let groups = Harness::new().run(&poll(&server, &format!("{ITEMS}{IDS}next = \"link\"")), &server, 7).await;
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [5], "{groups:?}");
}

#[tokio::test]
async fn the_cursor_is_sent_in_the_next_query_and_survives_a_restart() {
    let server = ScriptedServer::start([
        reply(200, "", &list(&[3, 1])),
        reply(200, "", &list(&[])),
        reply(200, "", &list(&[4])),
        Step::Stall,
        Step::Stall,
    ])
    .await;
    let poll = poll(&server, &format!("{ITEMS}{IDS}cursor = \"{{{{ data.at }}}}\"\ncursor_param = \"after\""));
    let mut harness = Harness::new();
    assert_eq!(harness.run(&poll, &server, 4).await, [vec!["n4"]]);
    harness.restarted().run(&poll, &server, 5).await;
    let targets: Vec<_> = server.requests().iter().map(|seen| seen.target().to_owned()).collect();
    let after = |at: u32| format!("/list?a=b&after={at}");
    let (three, four) = (after(1_454_345_251), after(1_454_345_252));
    assert_eq!(targets, ["/list?a=b", &three, &three, &four, &four]);
}

#[tokio::test]
async fn an_item_from_the_future_becomes_an_event_but_not_the_cursor() {
    let ahead = json!({"items": [{"id": 1, "n": "n1", "at": 1_454_345_248}, {"id": 2, "n": "n2", "at": "2999-01-01T00:00:00Z"}]});
    let server = ScriptedServer::start([reply(200, "", &ahead.to_string()), Step::Stall]).await;
    let rest = format!("{ITEMS}{IDS}from = \"beginning\"\ncursor = \"{{{{ data.at }}}}\"");
    assert_eq!(Harness::new().run(&poll(&server, &rest), &server, 2).await, [vec!["n1", "n2"]]);
    assert_eq!(server.requests()[1].target(), "/list?a=b&since=1454345248");
}

#[tokio::test]
async fn a_feed_is_a_list_of_items() {
    let feed = |entries: &str| {
        reply(200, "Content-Type: application/rss+xml\r\n", &format!("<rss><channel>{entries}</channel></rss>"))
    };
    let old = "<item><title>old</title><guid>1</guid><pubDate>Mon, 13 Oct 2014 11:01:43 +0000</pubDate></item>";
    let new = "<item><title>new</title><guid>2</guid><pubDate>Mon, 13 Oct 2014 12:01:43 +0000</pubDate></item>";
    let server = ScriptedServer::start([feed(old), feed(&format!("{new}{old}")), Step::Stall]).await;
    assert_eq!(Harness::new().run(&poll(&server, ""), &server, 3).await, [vec!["new"]]);
}

#[tokio::test]
async fn failures_lose_no_events() {
    let server = ScriptedServer::start([
        reply(200, "", &list(&[1])),
        reply(500, "", ""),
        reply(200, "", "no JSON"),
        reply(200, "", "{\"error\":\"busy\"}"),
        reply(302, "Location: https://evil.example/\r\n", ""),
        Step::Reset,
        reply(200, "", &list(&[1, 2])),
        Step::Stall,
    ])
    .await;
    let mut harness = Harness::new();
    let groups = harness.run(&poll(&server, &format!("{ITEMS}{IDS}")), &server, 8).await;
    assert_eq!(groups, [vec!["n2"]]);
    assert_eq!(*harness.status.link.borrow(), LinkState::Up);
    assert!(server.requests().iter().all(|seen| seen.target() == "/list?a=b"));
}

#[tokio::test]
async fn retry_after_is_respected_and_refused_credentials_wait_longer() {
    for (answer, reason) in [
        (reply(429, "Retry-After: 3600\r\n", ""), "rate_limited"),
        (reply(503, "Retry-After: 3600\r\n", ""), "status"),
        (reply(401, "", ""), REFUSED),
    ] {
        let server = ScriptedServer::start([answer]).await;
        let (poll, mut harness, stop) = (poll(&server, ""), Harness::new(), Stop::new());
        let (ran, ()) = join!(Box::pin(poll.run(&harness.out, &stop)), async {
            let down = soon(harness.status.link.wait_for(|link| matches!(link, LinkState::Down(_))))
                .await
                .expect("the source runs")
                .clone();
            let LinkState::Down(fault) = down else { panic!("not down") };
            assert_eq!(fault.reason(), reason);
            // The backoff is a millisecond or two, so a retry would have happened by now.
            tokio::time::sleep(Duration::from_millis(50)).await;
            stop.trigger();
        });
        assert_eq!(ran, Ok(()));
        assert_eq!(server.requests().len(), 1, "{reason}");
    }
}

#[test]
fn invalid_values_are_reported() {
    const URL: &str = "url = \"https://h.example/\"\n";
    for (text, wanted) in [
        ("", "`url` is missing here"),
        ("url = \"ftp://h.example/\"", "a URL to poll begins with https or http, not with ftp"),
        (&format!("{URL}every = \"0s\""), "`every` must be longer than nothing"),
        (
            &format!("{URL}cursor_param = \"x\""),
            "`cursor_param` is the name of the parameter for `cursor`, which is not set",
        ),
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
fn debug_output_contains_no_credentials() {
    let text = "url = \"https://h.example/\"\nbearer = { env = \"TOKEN\" }\nquery = { key = { env = \"TOKEN\" } }";
    let printed = format!("{:?}", Poll::open(read(text).0.expect("a valid configuration"), &Outbound::new()));
    assert!(!printed.contains("s3cret"), "{printed}");
}
