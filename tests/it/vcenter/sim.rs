//! The simulator of `tests/vcsim/main.go` as a child process: a vCenter with an inventory, over TLS.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::daemon::LIMIT;
use crate::tree::{read, top};

pub(crate) const USER: &str = "tidings@vsphere.local";
/// With characters that need escaping in XML and in a URL.
pub(crate) const PASSWORD: &str = "p<&>s/w@rd:1";

/// None, which is printed, where there is no simulator. `tests/run` builds it and names it in `TIDINGS_VCSIM`.
fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TIDINGS_VCSIM") {
        let named = top().join(named);
        assert!(named.is_file(), "TIDINGS_VCSIM is {}, and no such file is there", named.display());
        return Some(named);
    }
    let hash = Sha256::digest(read("tests/vcsim/main.go"));
    let name = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let built =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join(format!("vcsim-{name}"));
    if built.is_file() {
        return Some(built);
    }
    println!("SKIPPED: {} is not there; tests/run builds it", built.display());
    None
}

/// Its output is shown although it passes (.ci/nextest.toml), so that skipped tests are visible.
#[test]
fn the_simulator_is_there_or_its_absence_is_printed() {
    if let Some(program) = program() {
        println!("{}", program.display());
    }
}

/// A file in the folder of the simulator.
pub(crate) fn beside(name: &str) -> PathBuf {
    top().join("tests/vcsim").join(name)
}

/// SHA-256 of the simulator's certificate, in the usual form: `c0:4d:…`
pub(crate) fn fingerprint() -> String {
    use base64::Engine;
    let pem = read("tests/vcsim/cert.pem");
    let inner: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(inner).expect("a certificate");
    Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Ends when it is dropped or when this process ends, since it runs as long as its input is open.
pub(crate) struct Simulator {
    program: PathBuf,
    port: u16,
    idle: Option<&'static str>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Simulator {
    /// None, which is printed, where there is none.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(None).await
    }

    /// Sessions that are idle for so long are dropped.
    pub(crate) async fn start_with(idle: impl Into<Option<&'static str>>) -> Option<Self> {
        let program = program()?;
        let mut simulator = Self { program, port: free_port(), idle: idle.into(), running: None };
        simulator.start_again().await;
        Some(simulator)
    }

    /// Starts a new vCenter at the same address, with the initial inventory, and event keys from one.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let mut command = Command::new(&self.program);
        command.arg("-listen").arg(format!("127.0.0.1:{}", self.port));
        command.arg("-cert").arg(beside("cert.pem")).arg("-key").arg(beside("key.pem"));
        command.args(["-user", USER, "-password", PASSWORD]);
        command.args(self.idle.iter().flat_map(|idle| ["-idle", idle]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the simulator starts");
        let commands = child.stdin.take().expect("piped");
        let mut answers = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = timeout(LIMIT, answers.next_line()).await.expect("it prints where it listens").expect("text");
        let url = first.expect("it ended before it listened: its output is above");
        assert!(url.starts_with("https://127.0.0.1:"), "{url}");
        self.running = Some(Running { child, commands, answers, url });
    }

    /// SIGKILL: its sockets close without a log-out.
    pub(crate) async fn kill(&mut self) {
        let mut running = self.running.take().expect("it runs");
        running.child.kill().await.expect("killed");
    }

    pub(crate) fn url(&self) -> &str {
        &self.running.as_ref().expect("it runs").url
    }

    /// STOP or CONT: suspends it, and resumes it.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.running.as_ref().and_then(|running| running.child.id()).expect("it runs");
        let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().await;
        assert!(sent.expect("kill runs").success());
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs a command (see main.go) and returns its answer.
    pub(crate) async fn command(&mut self, command: &str) -> String {
        let running = self.running.as_mut().expect("it runs");
        running.commands.write_all(format!("{command}\n").as_bytes()).await.expect("its input is open");
        let answer = timeout(LIMIT, running.answers.next_line()).await;
        let answer = answer.unwrap_or_else(|_| panic!("{command}: no answer")).expect("text").expect("it runs");
        let result = answer.strip_prefix("ok").unwrap_or_else(|| panic!("{command}: {answer}"));
        result.trim().to_owned()
    }

    pub(crate) async fn power_off(&mut self, vm: &str) -> String {
        self.command(&format!("poweroff {vm}")).await
    }

    /// Makes so many events with the messages `burst FIRST` and so on.
    pub(crate) async fn burst(&mut self, first: usize, count: usize) {
        self.command(&format!("burst {first} {count}")).await;
    }

    /// The number of sessions, without the one for commands.
    pub(crate) async fn sessions(&mut self) -> usize {
        self.command("sessions").await.parse().expect("a number")
    }
}

/// Below the range for outgoing connections, so that the port stays free while the simulator is down.
fn free_port() -> u16 {
    let mut dice = fastrand::Rng::new();
    let free = std::iter::repeat_with(|| dice.u16(10_000..32_000)).take(1_000);
    let mut free = free.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("a free port")
}
