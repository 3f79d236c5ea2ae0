//! A short run of the bench `soak`: an hour's events do not make memory and state file grow.

use crate::daemon::Daemon;
use crate::soak_load::SoakLoad;

const SECONDS: u32 = 40;
const EVENTS: u32 = 30_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soak_leaves_memory_and_state_file_as_they_were() {
    let load = SoakLoad::start().expect("loopback");
    let variables = load.variables();
    let env = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut daemon = Daemon::start(&load.relays_toml(), &env).await;
    let report = load.run(&daemon, SECONDS, EVENTS).await;
    println!("{}", report.unwrap_or_else(|grown| panic!("{grown:#}\n{}", daemon.log())));
    assert!(daemon.stop().await.success(), "{}", daemon.log());
}
