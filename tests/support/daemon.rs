//! The daemon of a test: the launcher of the demo with a folder of its own, and checks that fail the test.

use std::ffi::OsString;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tidings::demo::{self, DaemonError};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// No test waits longer than this for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

const PROGRAM: &str = env!("CARGO_BIN_EXE_tidings");

/// The methods here panic where those of the launcher return an error.
pub(crate) struct Daemon {
    launcher: demo::Daemon,
    pub(crate) folder: tempfile::TempDir,
}

impl Deref for Daemon {
    type Target = demo::Daemon;

    fn deref(&self) -> &demo::Daemon {
        &self.launcher
    }
}

impl DerefMut for Daemon {
    fn deref_mut(&mut self) -> &mut demo::Daemon {
        &mut self.launcher
    }
}

impl Daemon {
    /// Starts a daemon with this relays.toml, and returns when it is ready.
    pub(crate) async fn start(relays_toml: &str, env: &[(&str, &str)]) -> Self {
        let mut daemon = Self::prepare(relays_toml, env);
        daemon.start_again().await;
        daemon
    }

    pub(crate) fn prepare(relays_toml: &str, env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let launcher = demo::Daemon::prepare(Path::new(PROGRAM), folder.path(), relays_toml);
        let mut daemon = Self { launcher: launcher.expect("relays.toml is written"), folder };
        for (name, value) in env {
            daemon.set_env(name, value);
        }
        daemon
    }

    /// No file may grow beyond this: a full disk without a mount. Writing beyond it fails instead of ending the process.
    pub(crate) fn limit_file_size(&mut self, kib: Option<u64>) {
        let limit = kib.map(|kib| format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\""));
        let program = match &limit {
            None => vec![PROGRAM],
            Some(script) => vec!["bash", "-c", script, PROGRAM],
        };
        self.set_program(program.into_iter().map(OsString::from).collect());
    }

    /// From the next start on.
    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        self.set_variable(name, value);
    }

    /// Starts it, also after a kill, and returns when it is ready.
    pub(crate) async fn start_again(&mut self) {
        self.launcher.start().expect("the daemon starts");
        let ready = self.wait_until_ready(LIMIT).await;
        self.check_started(ready);
    }

    /// Starts it where it may not become ready because the disk is full.
    pub(crate) async fn start_on_full_disk(&mut self) {
        self.launcher.start().expect("the daemon starts");
        let answers = self.wait_until_admin_answers(LIMIT, |_| true).await;
        self.check_started(answers);
    }

    fn check_started(&self, started: Result<(), DaemonError>) {
        started.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
    }

    /// Where webhooks are posted. There is a listener only if a source needs it.
    pub(crate) fn listener_url(&self) -> String {
        self.launcher.listener_url().unwrap_or_else(|error| panic!("no listener: {error}\n{}", self.log()))
    }

    /// The admin API's answer to a GET.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        match timeout(LIMIT, self.get(path)).await {
            Ok(Ok(answer)) => answer,
            failed => panic!("the admin API does not answer: {failed:?}\n{}", self.log()),
        }
    }

    pub(crate) async fn json(&self, path: &str) -> serde_json::Value {
        let (status, text) = self.admin(path).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// One sample of the metrics, 0 if it does not exist (yet).
    pub(crate) async fn metric(&self, sample: &str) -> f64 {
        let (_, text) = self.admin("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(sample));
        line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0.0)
    }

    /// Waits until `condition` holds for the status.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&serde_json::Value) -> bool) {
        let until = Instant::now() + LIMIT;
        loop {
            let status = self.json("/api/v1/status").await;
            if condition(&status) {
                return;
            }
            assert!(Instant::now() < until, "never {what}: {status:#}\n{}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The most memory that it ever used, according to the kernel.
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        let pid = self.pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel reports it");
        peak.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.launcher.pid().expect("it runs")
    }

    pub(crate) async fn signal(&self, name: &str) {
        let (name, pid) = (format!("-{name}"), self.pid().to_string());
        assert!(Command::new("kill").args([name, pid]).status().await.expect("kill runs").success());
    }

    /// SIGKILL: it cannot clean up.
    pub(crate) async fn kill(&mut self) {
        self.launcher.kill().await.expect("killed");
    }

    /// SIGTERM; returns its exit status.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM").await;
        self.ended().await
    }

    /// Its exit status, when it ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(LIMIT, self.launcher.ended()).await;
        ended.unwrap_or_else(|_| panic!("it does not end:\n{}", self.log())).expect("it was started")
    }

    pub(crate) fn state_file(&self) -> PathBuf {
        self.state_folder().join("tidings.db")
    }

    /// How many deliveries are pending in the state file, whether the daemon runs or not.
    pub(crate) fn pending(&self) -> u64 {
        sqlite(&self.state_file(), "select count(*) from delivery where state = 0").parse().expect("a number")
    }

    /// The number `n` of every event in the state file, in the order in which they were stored.
    pub(crate) fn stored(&self) -> Vec<usize> {
        let numbers = sqlite(&self.state_file(), "select json_extract(body, '$.n') from event order by seq");
        numbers.lines().map(|n| n.parse().expect("a number")).collect()
    }

    /// The number `n` of the latest event in the state file.
    pub(crate) fn latest_stored(&self) -> Option<usize> {
        let query = "select json_extract(body, '$.n') from event order by seq desc limit 1";
        sqlite(&self.state_file(), query).parse().ok()
    }

    /// Exit code, output and errors of a command of the program.
    pub(crate) async fn verb(&self, args: &[&str]) -> (i32, String, String) {
        let output = timeout(LIMIT, self.command(args).output()).await.expect("the command ends").expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }
}

/// Prints the seed of this run and uses it; `TIDINGS_SEED` repeats a run.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("TIDINGS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("TIDINGS_SEED={seed}");
    fastrand::seed(seed);
    seed
}

/// A client for the tests' own requests.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(LIMIT).build().expect("a client")
}

/// Status and body of the answer to a post of JSON.
pub(crate) async fn post(url: &str, body: &str) -> (u16, String) {
    post_as(url, "application/json; charset=utf-8", body).await
}

pub(crate) async fn post_as(url: &str, kind: &str, body: &str) -> (u16, String) {
    let reply = client().post(url).header("content-type", kind).body(body.to_owned()).send().await.expect("answered");
    (reply.status().as_u16(), reply.text().await.expect("text"))
}

/// What `sqlite3` prints for a query of a state file, opened read-only as an operator would.
pub(crate) fn sqlite(file: &Path, query: &str) -> String {
    let url = format!("file:{}?mode=ro", file.display());
    let output = std::process::Command::new("sqlite3").args([&url, query]).output().expect("sqlite3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
