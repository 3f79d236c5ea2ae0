//! The daemon as a child process: `tidings run` in a folder, which may be killed and started again.
//!
//! The demo, the tests and the benches start it this way. The folder holds relays.toml, the state in `state`, the
//! output in `stdout` and the log in `daemon.log`.

use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout_at};

/// Killed when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    folder: PathBuf,
    /// The program and its arguments before `run`.
    program: Vec<OsString>,
    variables: Vec<(String, String)>,
    own_process_group: bool,
    child: Option<Child>,
}

#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the daemon ended by itself ({status}); the end of its log:\n{log}")]
    Ended { status: ExitStatus, log: String },
    #[error("the daemon is not ready after {limit:?}; the end of its log:\n{log}")]
    NotReady { limit: Duration, log: String },
}

impl Daemon {
    /// Writes relays.toml into `folder`; starts nothing yet.
    pub fn prepare(program: &Path, folder: &Path, relays_toml: &str) -> io::Result<Self> {
        fs::write(folder.join("relays.toml"), relays_toml)?;
        Ok(Self {
            folder: folder.to_owned(),
            program: vec![program.into()],
            variables: Vec::new(),
            own_process_group: false,
            child: None,
        })
    }

    /// From the next start on: another program, with the arguments that come before `run`.
    pub fn set_program(&mut self, program: Vec<OsString>) {
        self.program = program;
    }

    /// From the next start on. It inherits no variable but `PATH`.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Ctrl-C in this process's terminal does not reach the daemon.
    pub fn use_own_process_group(&mut self) {
        self.own_process_group = true;
    }

    /// The program with `arguments`, in the daemon's folder and environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut program = self.program.iter();
        let mut command = Command::new(program.next().map_or("tidings".as_ref(), OsString::as_os_str));
        command.args(program).args(arguments).current_dir(&self.folder).env_clear();
        command.env("PATH", env::var_os("PATH").unwrap_or_default());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Returns at once; its output and log are appended to those of earlier starts.
    pub fn start(&mut self) -> io::Result<()> {
        let append = |name| OpenOptions::new().create(true).append(true).open(self.folder.join(name));
        // Otherwise the addresses of an earlier process could be taken for those of this one.
        for stale in ["admin.addr", "listen.addr"] {
            let _absent = fs::remove_file(self.state_folder().join(stale));
        }
        let mut command = self.command(&["run", "--config", "relays.toml"]);
        command.stdout(append("stdout")?).stderr(append("daemon.log")?);
        if self.own_process_group {
            command.process_group(0);
        }
        self.child = Some(command.spawn()?);
        Ok(())
    }

    /// Waits until the readiness check of the admin API succeeds.
    pub async fn wait_until_ready(&mut self, limit: Duration) -> Result<(), DaemonError> {
        self.wait_until_admin_answers(limit, |status| status == 200).await
    }

    /// Waits until the readiness check answers with a status that `accepts` takes.
    pub async fn wait_until_admin_answers(
        &mut self,
        limit: Duration,
        accepts: impl Fn(u16) -> bool,
    ) -> Result<(), DaemonError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Ok(Ok((status, _))) = timeout_at(deadline, self.get("/-/ready")).await
                && accepts(status)
            {
                return Ok(());
            }
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                return Err(DaemonError::Ended { status, log: self.log_end() });
            }
            if Instant::now() >= deadline {
                return Err(DaemonError::NotReady { limit, log: self.log_end() });
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Resolves when it has ended.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child()?.wait().await
    }

    /// SIGKILL, so it cannot clean up. Returns when it has ended.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child()?.kill().await
    }

    /// None unless it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// `http://ADDRESS` of the admin API, once it listens.
    pub fn admin_url(&self) -> io::Result<String> {
        self.url("admin.addr")
    }

    /// `http://ADDRESS` of the listener, once it listens. There is one only if a source needs it.
    pub fn listener_url(&self) -> io::Result<String> {
        self.url("listen.addr")
    }

    /// Status and body of the admin API's answer to a GET.
    pub async fn get(&self, path: &str) -> io::Result<(u16, String)> {
        let url = self.admin_url()?;
        let address = url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn state_folder(&self) -> PathBuf {
        self.folder.join("state")
    }

    pub fn log_file(&self) -> PathBuf {
        self.folder.join("daemon.log")
    }

    /// The whole log, of all starts; empty if it cannot be read.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of the log.
    pub fn log_end(&self) -> String {
        const LINES: usize = 15;
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
    }

    fn child(&mut self) -> io::Result<&mut Child> {
        self.child.as_mut().ok_or_else(|| io::Error::other("the daemon was not started"))
    }

    fn url(&self, file: &str) -> io::Result<String> {
        let address = fs::read_to_string(self.state_folder().join(file))?;
        Ok(format!("http://{}", address.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_daemon_is_noticed_with_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Daemon::prepare(Path::new("/bin/sh"), folder.path(), "").unwrap();
        daemon.set_program(["/bin/sh", "-c", "echo \"$@\" >&2", "sh"].map(OsString::from).to_vec());
        daemon.start().unwrap();
        assert!(daemon.ended().await.unwrap().success());
        assert_eq!(daemon.log_end(), "run --config relays.toml");
        let error = daemon.wait_until_ready(Duration::from_secs(10)).await.unwrap_err();
        assert!(error.to_string().contains("ended by itself (exit status: 0)"), "{error}");
    }
}
