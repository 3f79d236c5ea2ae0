//! Figures for changes of the hot path: `cargo test --release --lib store::sqlite::tests::speed -- --ignored --nocapture`

use tokio::time::Instant;

use super::*;

const EVENTS: usize = 200_000;
const AT_ONCE: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints a figure, asserts nothing"]
#[expect(clippy::print_stdout, reason = "prints a figure")]
async fn events_per_second() {
    let folder = folder();
    let store = opened(&file(&folder));
    let mut stream = store.stream("ops");
    let pad = "x".repeat(700);
    let make = |n: usize| {
        let data = Body::parse(format!(r#"{{"number":{n},"pad":"{pad}"}}"#)).unwrap();
        to(&["ops"], Arc::new(Event { data, ..(*event(n)).clone() }))
    };
    let began = Instant::now();
    let commit = async {
        for start in (0..EVENTS).step_by(AT_ONCE) {
            store.commit((start..start + AT_ONCE).map(make).collect()).await.unwrap();
        }
    };
    let settle = async {
        let mut count = 0;
        while count < EVENTS {
            for delivery in stream.take(AT_ONCE).await.unwrap() {
                count += 1;
                store.settle(delivery.id, delivered()).await.unwrap();
            }
        }
    };
    tokio::join!(commit, settle);
    store.flush().await.unwrap();
    let took = began.elapsed();
    let cpu = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ticks: Vec<u64> = cpu.split_whitespace().skip(13).take(2).map(|field| field.parse().unwrap()).collect();
    println!("{EVENTS} events in {took:?}; CPU {ticks:?} ticks of 10 ms (user, system)");
}

#[tokio::test]
#[ignore = "writes a million rows"]
#[expect(clippy::print_stdout, reason = "prints a figure")]
async fn a_large_backlog_opens_at_once() {
    let folder = folder();
    let store = opened(&file(&folder));
    for start in (0..1_000_000).step_by(5000) {
        store.commit((start..start + 5000).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    }
    store.close().await.unwrap();
    let began = Instant::now();
    let store = opened(&file(&folder));
    let opening = began.elapsed();
    let first = taken(&mut store.stream("ops"), 1).await;
    println!("opened in {opening:?}, first of a million in {:?}", began.elapsed());
    assert_eq!(number(&first[0]), 0);
}

#[tokio::test]
#[ignore = "prints a figure, asserts nothing"]
#[expect(clippy::print_stdout, reason = "prints a figure")]
async fn a_digest_of_ten_thousand() {
    let folder = folder();
    let store = opened(&file(&folder));
    for (sinks, how) in [(&["ops"][..], "consecutive"), (&["ops", "room"], "not consecutive")] {
        store.commit((0..10_000).map(|n| to(sinks, event(n))).collect()).await.unwrap();
        let ids: Vec<_> = taken(&mut store.stream("ops"), 10_000).await.iter().map(|delivery| delivery.id).collect();
        let began = Instant::now();
        store.settle_all(ids, Outcome::Delivered { receipt: Some("ts".to_owned()) }, Vec::new()).await.unwrap();
        store.flush().await.unwrap();
        println!("10,000 {how} in {:?}", began.elapsed());
    }
}
