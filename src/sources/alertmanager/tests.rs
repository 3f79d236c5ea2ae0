use tokio::join;

use super::*;
use crate::config_reader::ConfigReader;
use crate::fault::Fault;
use crate::sources::visitor::Visitor;

fn config(text: &str) -> Config {
    let reading = ConfigReader::new(text, &|_| Some("open-sesame-0123456789".to_owned()));
    let tree = reading.tree();
    let table = TableReader::new(&reading, "source.alertmanager", &tree);
    let config = Config::read(&table);
    table.finish();
    let problems = reading.into_findings().problems;
    assert!(problems.is_empty(), "{problems:?}");
    config.expect("right")
}

const ALERTS: &str = r#"{"truncatedAlerts":0,"alerts":[
    {"status":"firing","labels":{"alertname":"A"},"fingerprint":"1","startsAt":"2026-11-20T09:00:00Z"},
    {"status":"firing","labels":{"alertname":"A"},"fingerprint":"2","startsAt":"2026-11-20T09:00:00Z"}]}"#;

#[tokio::test]
async fn alerts_of_one_notification_are_committed_together() {
    let config = config("verify = { bearer = { env = \"TOKEN\" } }");
    assert!(!Settings::hook(&config).expect("it has one").is_open());
    let mut visitor = Visitor::new("alertmanager", Alertmanager::open(config, &Outbound::new()));
    let (told, events) = visitor.bring(&[("authorization", "Bearer open-sesame-0123456789")], ALERTS).await;
    assert_eq!(told, Ok(2));
    assert_eq!(events.iter().map(|event| &*event.subject).collect::<Vec<_>>(), ["A/1", "A/2"]);
    assert_eq!(visitor.refused(&[("authorization", "Bearer open-sesame")], ALERTS).await.0, 401);
    let right = [("authorization", "Bearer open-sesame-0123456789")];
    assert_eq!(visitor.refused(&right, "{}").await.0, 400);
}

#[tokio::test]
async fn alerts_that_were_left_out_are_a_gap_behind_the_events() {
    let Visitor { source, out, mut arrivals, mut status } = open_door();
    let house = async {
        let arrival = arrivals.recv().await.expect("events");
        assert!(status.gaps.try_recv().is_err(), "the events come first");
        arrival.committed.expect("somebody waits").send(Ok(())).expect("still waiting");
        let gap = status.gaps.recv().await.expect("a gap");
        assert!(gap.events == Some(5) && gap.why.contains("max_alerts"), "{gap:?}");
        gap.committed.expect("somebody waits").send(Ok(())).expect("still waiting");
    };
    let (answer, ()) = join!(source.receive(cut_short(), &out), house);
    assert_eq!(answer, Ok(crate::ingress::Accepted::accepted(2)));
}

#[tokio::test]
async fn a_post_that_is_refused_tells_nothing() {
    let Visitor { source, out, mut arrivals, mut status } = open_door();
    let house = async {
        let arrival = arrivals.recv().await.expect("events");
        let full = Fault::new("state_file", "the disk is full");
        arrival.committed.expect("somebody waits").send(Err(full)).expect("still waiting");
    };
    let (answer, ()) = join!(source.receive(cut_short(), &out), house);
    assert_eq!(answer.expect_err("refused").status().as_u16(), 503);
    assert!(status.gaps.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_nobody_takes_holds_no_post_up_for_long() {
    let Visitor { source, out, mut arrivals, status: _pulse } = open_door();
    let house = async {
        let arrival = arrivals.recv().await.expect("events");
        arrival.committed.expect("somebody waits").send(Ok(())).expect("still waiting");
    };
    let (answer, ()) = join!(source.receive(cut_short(), &out), house);
    assert_eq!(answer, Ok(crate::ingress::Accepted::accepted(2)));
}

fn open_door() -> Visitor<Alertmanager> {
    let config = config("");
    assert!(Settings::hook(&config).expect("it has one").is_open());
    Visitor::new("alertmanager", Alertmanager::open(config, &Outbound::new()))
}

fn cut_short() -> HookRequest {
    let body = ALERTS.replace("\"truncatedAlerts\":0", "\"truncatedAlerts\":5");
    HookRequest { headers: axum::http::HeaderMap::new(), query: None, body: body.into() }
}
