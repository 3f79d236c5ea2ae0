//! The bench `soak`, in short: an hour's events leave memory and state file as they were.

use crate::daemon::Daemon;
use crate::hour::House;

const SECONDS: u32 = 40;
const EVENTS: u32 = 30_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soak_leaves_memory_and_state_file_as_they_were() {
    let house = House::start().await.expect("loopback");
    let mut daemon = Daemon::start(&house.relays_toml(), &[]).await;
    let told = house.live(daemon.pid(), daemon.folder.path(), SECONDS, EVENTS).await;
    println!("{}", told.unwrap_or_else(|grown| panic!("{grown:#}\n{}", daemon.log())));
    assert!(daemon.stop().await.success(), "{}", daemon.log());
}
