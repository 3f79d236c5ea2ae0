//! The real daemon as a child process, which may be killed.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

/// Killed when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// `program run --config config`, with `variables` beside the own ones; what it prints is added to `log`.
    pub fn start(
        program: &Path,
        config: &Path,
        variables: Vec<(&'static str, String)>,
        log: &Path,
    ) -> io::Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let child = Command::new(program)
            .args(["run", "--config"])
            .arg(config)
            .envs(variables)
            .env("NO_COLOR", "1")
            // Those of whoever started us: another service's state, and a manager that waits for another process.
            .env_remove("STATE_DIRECTORY")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("TIDINGS_CONFIG")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C is for us; we end the daemon.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Resolves when it has ended, which it should not.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// SIGKILL: it cannot tidy up. Returns when it is gone.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        const LINES: usize = 15;
        match fs::read(&self.log) {
            Err(error) => format!("(its log cannot be read: {error})"),
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let lines: Vec<_> = text.lines().collect();
                let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
                if last.is_empty() { "(it said nothing)".to_owned() } else { last.join("\n") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_daemon_is_noticed_with_its_last_words() {
        let world = super::super::World::start().await.unwrap();
        let (config, log) = (world.write_relays("").unwrap(), world.folder().join("daemon.log"));
        let echo = Path::new("/bin/echo");
        let mut daemon = Daemon::start(echo, &config, world.variables(), &log).unwrap();
        assert!(daemon.ended().await.unwrap().success());
        assert_eq!(daemon.last_words(), format!("run --config {}", config.display()));
    }
}
