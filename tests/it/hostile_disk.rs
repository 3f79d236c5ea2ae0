//! A state file that is in use, cannot be written, or has no room: reported, and nothing is lost.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::daemon::{LIMIT, sqlite};
use crate::disk::SmallDisk;
use crate::tutum_to_slack::{EVERYTHING, TutumToSlack};

#[tokio::test]
async fn a_second_daemon_on_the_same_state_file_is_refused() {
    let setup = TutumToSlack::start();
    let daemon = setup.daemon("", EVERYTHING).await;
    let (code, _, err) = daemon.verb(&["run"]).await;
    assert_eq!(code, 70, "{err}");
    assert!(err.contains("tidings.db") && err.contains("in use"), "{err}");
    assert_eq!(setup.message_for(json!({"n": 1})).await, "1", "the first daemon still works");
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_written_is_named() {
    let setup = TutumToSlack::start();
    let daemon = setup.prepare(&setup.config("", "", EVERYTHING));
    // A file in place of the folder: not even root can write there.
    std::fs::write(daemon.folder.path().join("state"), "not a folder").expect("written");
    let (code, _, err) = daemon.verb(&["run"]).await;
    assert_eq!(code, 70, "{err}");
    assert!(err.contains("state") && err.contains("relays.toml"), "{err}");
}

#[tokio::test]
async fn a_full_disk_stops_reading_and_loses_nothing() {
    let setup = TutumToSlack::start();
    let mut daemon = setup.prepare(&setup.config("", "", EVERYTHING));
    // A limit for the size of files has the effect of a full disk.
    daemon.limit_file_size(Some(512));
    daemon.start_again().await;
    setup.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
    setup.slack.slow_down(Duration::from_millis(50));
    let filler = "x".repeat(4000);
    for n in 0..400 {
        setup.tutum.stream.send(&json!({"n": n, "filler": filler}));
    }
    let until = tokio::time::Instant::now() + LIMIT;
    while daemon.admin("/-/ready").await.0 == 200 {
        assert!(tokio::time::Instant::now() < until, "still ready:\n{}", daemon.log());
        sleep(Duration::from_millis(10)).await;
    }
    let (status, why) = daemon.admin("/-/ready").await;
    assert_eq!(status, 503, "{why}");
    // There is room again for a new process: everything that was accepted arrives, and then the rest.
    daemon.kill().await;
    let stored = sqlite(&daemon.state_file(), "select json_extract(body, '$.n') from event");
    setup.slack.slow_down(Duration::ZERO);
    daemon.limit_file_size(None);
    daemon.start_again().await;
    daemon.until("empty", |status| status["sinks"][0]["pending"] == 0).await;
    setup.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
    setup.tutum.stream.send(&json!({"n": "last"}));
    let limit = tokio::time::Instant::now() + LIMIT;
    let mut texts: Vec<String> = Vec::new();
    while !texts.iter().any(|text| text == "last") && tokio::time::Instant::now() < limit {
        texts = setup.slack.posts().into_iter().map(|post| post.text).collect();
        sleep(Duration::from_millis(10)).await;
    }
    let missing: Vec<_> = stored.lines().filter(|n| !texts.iter().any(|text| text == n)).collect();
    assert!(missing.is_empty() && texts.iter().any(|text| text == "last"), "missing {missing:?}");
}

#[tokio::test]
async fn a_full_disk_that_has_room_again_needs_no_restart() {
    let setup = TutumToSlack::start();
    let mut daemon = setup.prepare(&setup.config("", "", EVERYTHING));
    let Some(disk) = SmallDisk::mount(&daemon.folder.path().join("state"), 4) else { return };
    daemon.start_again().await;
    setup.tutum.stream.wait_connected(LIMIT).await.expect("it connects");
    disk.fill();
    let filler = "x".repeat(4000);
    for n in 0..200 {
        setup.tutum.stream.send(&json!({"n": n, "filler": filler}));
    }
    let until = tokio::time::Instant::now() + LIMIT;
    while daemon.admin("/-/ready").await.0 == 200 || !daemon.log().contains("cannot write the state file") {
        assert!(tokio::time::Instant::now() < until, "still ready:\n{}", daemon.log());
        sleep(Duration::from_millis(10)).await;
    }
    disk.free();
    let posts = setup.slack.wait_for(200, LIMIT).await.unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
    let texts: Vec<_> = posts.iter().map(|post| post.text.clone()).collect();
    assert_eq!(texts, (0..200).map(|n| n.to_string()).collect::<Vec<_>>(), "all of them, once, in order");
    assert_eq!(daemon.admin("/-/ready").await.0, 200);
    daemon.kill().await;
}
