//! Daemons of other projects, as Debian packages them, that run for one test.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::time::{Duration, Instant, sleep};

use crate::daemon::{LIMIT, client};

pub(crate) struct ForeignDaemon {
    pub(crate) url: String,
    log: std::path::PathBuf,
    /// Killed when it is dropped.
    _child: Child,
}

/// A port that was free a moment ago: these programs cannot report which one they were given.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.local_addr().expect("bound").port()
}

impl ForeignDaemon {
    /// Runs `program` in `folder`, and waits until it answers at `ready`.
    pub(crate) async fn start(program: &str, args: &[&str], folder: &Path, port: u16, ready: &str) -> Self {
        let log = folder.join("foreign.log");
        let file = std::fs::File::create(&log).expect("the log opens");
        let mut command = Command::new(program);
        command.args(args).current_dir(folder).kill_on_drop(true).stdin(Stdio::null());
        command.stdout(file.try_clone().expect("the log opens")).stderr(file);
        let child =
            command.spawn().unwrap_or_else(|error| panic!("{program} does not run ({error}): tests/run installs it"));
        let daemon = Self { url: format!("http://127.0.0.1:{port}"), log, _child: child };
        let until = Instant::now() + LIMIT;
        let ready = format!("{}{ready}", daemon.url);
        while !client().get(&ready).send().await.is_ok_and(|reply| reply.status().is_success()) {
            assert!(Instant::now() < until, "{program} is never ready:\n{}", daemon.log());
            sleep(Duration::from_millis(20)).await;
        }
        daemon
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}
