//! The real binary as a child process, with a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tidings::demo::standins::Tutum;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// No story waits longer than this for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Daemon {
    pub(crate) folder: tempfile::TempDir,
    env: Vec<(String, String)>,
    child: Option<Child>,
    file_size_limit: Option<u64>,
}

impl Daemon {
    /// Writes `relays_toml` into a fresh folder and starts the daemon on it.
    pub(crate) async fn start(relays_toml: &str, env: &[(&str, &str)]) -> Self {
        let mut daemon = Self::prepare(relays_toml, env);
        daemon.start_again().await;
        daemon
    }

    pub(crate) fn prepare(relays_toml: &str, env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("relays.toml"), relays_toml).expect("relays.toml is written");
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { folder, env, child: None, file_size_limit: None }
    }

    /// No file may grow beyond this: a full disk that needs no mount. Writing beyond it fails instead of ending the process.
    pub(crate) fn limit_file_size(&mut self, kib: Option<u64>) {
        self.file_size_limit = kib;
    }

    /// From the next start on.
    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.file_size_limit {
            None => Command::new(env!("CARGO_BIN_EXE_tidings")),
            Some(kib) => {
                let mut shell = Command::new("bash");
                shell
                    .arg("-c")
                    .arg(format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\""))
                    .arg(env!("CARGO_BIN_EXE_tidings"));
                shell
            }
        };
        command.args(args).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.env.iter().map(|(name, value)| (name, value))).kill_on_drop(true).stdin(Stdio::null());
        command
    }

    /// Starts it (again), and returns when it is ready.
    pub(crate) async fn start_again(&mut self) {
        self.spawn();
        self.ready().await;
    }

    pub(crate) fn spawn(&mut self) {
        let file = |name| {
            let path = self.folder.path().join(name);
            std::fs::File::options().create(true).append(true).open(path).expect("the log opens")
        };
        // A desk file of an earlier life would lead to nobody.
        let _absent = std::fs::remove_file(self.admin_file());
        let mut command = self.command(&["run"]);
        let child = command.stdout(file("stdout")).stderr(file("stderr")).spawn();
        self.child = Some(child.expect("the daemon starts"));
    }

    pub(crate) async fn ready(&mut self) {
        self.until_desk_says(|status| status == 200).await;
    }

    /// Starts it (again) where it may not be ready, for want of room on the disk.
    pub(crate) async fn start_without_room(&mut self) {
        self.spawn();
        self.until_desk_says(|_| true).await;
    }

    async fn until_desk_says(&mut self, wanted: impl Fn(u16) -> bool) {
        let until = Instant::now() + LIMIT;
        while !self.try_desk("/-/ready").await.is_some_and(|(status, _)| wanted(status)) {
            if let Some(child) = &mut self.child
                && let Ok(Some(status)) = child.try_wait()
            {
                panic!("the daemon ended with {status}:\n{}", self.log());
            }
            assert!(Instant::now() < until, "never ready:\n{}", self.log());
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn admin_file(&self) -> PathBuf {
        self.folder.path().join("state/admin.addr")
    }

    pub(crate) fn desk_url(&self) -> Option<String> {
        std::fs::read_to_string(self.admin_file()).ok().map(|address| format!("http://{}", address.trim()))
    }

    /// Where others post. There is a door only when a source waits at it.
    pub(crate) fn door_url(&self) -> String {
        let address = std::fs::read_to_string(self.folder.path().join("state/listen.addr"));
        let address = address.unwrap_or_else(|error| panic!("no door: {error}\n{}", self.log()));
        format!("http://{}", address.trim())
    }

    async fn try_desk(&self, path: &str) -> Option<(u16, String)> {
        let reply = client().get(format!("{}{path}", self.desk_url()?)).send().await.ok()?;
        Some((reply.status().as_u16(), reply.text().await.ok()?))
    }

    /// The admin API's answer to a GET.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        self.try_desk(path).await.unwrap_or_else(|| panic!("the admin API does not answer:\n{}", self.log()))
    }

    pub(crate) async fn json(&self, path: &str) -> serde_json::Value {
        let (status, text) = self.admin(path).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// One sample of the metrics, 0 where it is not (yet) there.
    pub(crate) async fn metric(&self, sample: &str) -> f64 {
        let (_, text) = self.admin("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(sample));
        line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0.0)
    }

    /// Waits until `condition` holds of the status.
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

    /// The most memory it ever had, as the kernel counts.
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        let pid = self.pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel counts");
        peak.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("it runs")
    }

    pub(crate) async fn signal(&self, name: &str) {
        let (name, pid) = (format!("-{name}"), self.pid().to_string());
        assert!(Command::new("kill").args([name, pid]).status().await.expect("kill runs").success());
    }

    /// SIGKILL: nothing can be tidied up.
    pub(crate) async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.expect("killed");
    }

    /// SIGTERM, and its exit status.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        let child = self.child.take().expect("it runs");
        let pid = child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs");
        assert!(sent.success());
        self.child = Some(child);
        self.ended().await
    }

    /// Its exit status, when it ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let ended = timeout(LIMIT, child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it does not end:\n{}", self.log())).expect("waited for")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    pub(crate) fn state_file(&self) -> PathBuf {
        self.folder.path().join("state/tidings.db")
    }

    /// How many deliveries the state file says are pending, whether the daemon runs or not.
    pub(crate) fn pending(&self) -> u64 {
        sqlite(&self.state_file(), "select count(*) from delivery where state = 0").parse().expect("a number")
    }

    /// The number `n` of every event that the state file holds, in the order in which they came.
    pub(crate) fn held(&self) -> Vec<usize> {
        let numbers = sqlite(&self.state_file(), "select json_extract(body, '$.n') from event order by seq");
        numbers.lines().map(|n| n.parse().expect("a number")).collect()
    }

    /// The number `n` of the latest event that the state file holds.
    pub(crate) fn latest_held(&self) -> Option<usize> {
        let question = "select json_extract(body, '$.n') from event order by seq desc limit 1";
        sqlite(&self.state_file(), question).parse().ok()
    }

    /// What a verb prints and how it exits.
    pub(crate) async fn verb(&self, args: &[&str]) -> (i32, String, String) {
        let output = timeout(LIMIT, self.command(args).output()).await.expect("the verb ends").expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }
}

/// What the stories' files begin with: any free port, and a Tutum to hear. Its account is in USERNAME and TOKEN.
pub(crate) fn hearing(tutum: &Tutum, daemon_keys: &str, source_keys: &str) -> String {
    format!(
        r#"
        [daemon]
        listen = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        {daemon_keys}
        [source.tutum.prod]
        user = {{ env = "USERNAME" }}
        token = {{ env = "TOKEN" }}
        url = "{}"
        api = "{}"
        {source_keys}
        "#,
        tutum.stream.url(),
        tutum.api.url(),
    )
}

/// Prints the seed of this run and sows it; `TIDINGS_SEED` repeats a run.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("TIDINGS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("TIDINGS_SEED={seed}");
    fastrand::seed(seed);
    seed
}

/// A client for the tests' own questions.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(LIMIT).build().expect("a client")
}

/// What `sqlite3` prints for a question to a state file, read-only: the operator's own way in.
pub(crate) fn sqlite(file: &Path, question: &str) -> String {
    let url = format!("file:{}?mode=ro", file.display());
    let output = std::process::Command::new("sqlite3").args([&url, question]).output().expect("sqlite3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
