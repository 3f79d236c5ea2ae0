//! What the demo's daemon runs among: all stand-ins, a temporary folder, and the relays.toml that connects them.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::config::{pagerduty_sink, slack_sink, tutum_config};
use super::daemon::Daemon;
use super::standins::{GoogleChat, PagerDuty, Slack, Tutum};

/// When it is dropped, the stand-ins end and the folder is removed.
pub(super) struct Environment {
    pub(super) tutum: Tutum,
    pub(super) slack: Slack,
    pub(super) google_chat: GoogleChat,
    pub(super) pagerduty: PagerDuty,
    pub(super) folder: PathBuf,
    /// For finding out why something failed.
    pub(super) keep_folder: bool,
}

impl Environment {
    pub(super) fn start() -> io::Result<Self> {
        let (tutum, slack) = (Tutum::start()?, Slack::start()?);
        let (google_chat, pagerduty) = (GoogleChat::start()?, PagerDuty::start()?);
        Ok(Self { tutum, slack, google_chat, pagerduty, folder: create_folder()?, keep_folder: false })
    }

    /// Short times, so that an outage fits into the demo, and no digests, so that every message can be counted.
    pub(super) fn relays_toml(&self, relays: &str) -> String {
        let source = "alert = \"oncall\"\ngrace = \"1s\"\nsteady = \"1s\"\nretry = { first = \"200ms\", max = \"1s\" }";
        let google_chat = "[sink.google-chat.room]\nwebhook = { path_env = \"GCHAT_WEBHOOK_SECRET_FILE\" }\n";
        [
            tutum_config(&self.tutum, "", source),
            slack_sink("ops", "SLACK_URL", "rate = \"20/s\"\ndigest = 0"),
            google_chat.to_owned(),
            pagerduty_sink(&self.pagerduty, ""),
            relays.to_owned(),
        ]
        .join("\n")
    }

    /// A daemon that has these relays and what they need.
    pub(super) fn daemon(&self, program: &Path, relays: &str) -> io::Result<Daemon> {
        let folder = &self.folder;
        let mut daemon = Daemon::prepare(program, folder, &self.relays_toml(relays))?;
        fs::write(folder.join("google-chat-webhook"), self.google_chat.url())?;
        for (name, value) in self.variables() {
            daemon.set_variable(name, &value);
        }
        Ok(daemon)
    }

    fn variables(&self) -> [(&'static str, String); 5] {
        let account = self.tutum.credentials();
        [
            ("TUTUM_USERNAME", account.user.clone()),
            ("TUTUM_TOKEN", account.token.clone()),
            ("SLACK_URL", self.slack.url()),
            ("GCHAT_WEBHOOK_SECRET_FILE", self.folder.join("google-chat-webhook").display().to_string()),
            ("PAGERDUTY_KEY", self.pagerduty.key().to_owned()),
        ]
    }

    /// Every vendor's rule that was broken, with the vendor's name.
    pub(super) fn offences(&self) -> Vec<String> {
        let named =
            |vendor: &str, rules: Vec<String>| rules.into_iter().map(|rule| format!("{vendor}: {rule}")).collect();
        let vendors: [Vec<String>; 4] = [
            named("Tutum", self.tutum.offences()),
            named("Slack", self.slack.offences()),
            named("Google Chat", self.google_chat.offences()),
            named("PagerDuty", self.pagerduty.offences()),
        ];
        vendors.concat()
    }
}

/// For the owner only: it holds the address of a webhook.
fn create_folder() -> io::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("tidings-demo-{:016x}", fastrand::u64(..)));
    fs::DirBuilder::new().mode(0o700).create(&path)?;
    Ok(path)
}

impl Drop for Environment {
    fn drop(&mut self) {
        if !self.keep_folder
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            tracing::warn!(path = %self.folder.display(), %error, "the demo's folder was not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_configuration_is_toml_and_names_no_secret() {
        let environment = Environment::start().unwrap();
        let text = environment.relays_toml("[[relay]]\nname = \"all\"\nto = \"ops\"\n");
        let parsed: toml::Table = toml::from_str(&text).unwrap();
        let pagerduty = parsed["sink"]["pagerduty"]["oncall"]["url"].as_str();
        assert_eq!(pagerduty, Some(environment.pagerduty.url().as_str()));
        assert_eq!(parsed["relay"].as_array().unwrap().len(), 1);
        for (name, value) in environment.variables() {
            assert!(text.contains(name));
            assert!(!text.contains(&value) || value == "demo", "{name}");
        }
    }

    #[tokio::test]
    async fn an_environment_leaves_no_folder_behind() {
        let environment = Environment::start().unwrap();
        let folder = environment.folder.clone();
        drop(environment.daemon(Path::new("tidings"), "").unwrap());
        assert!(folder.join("relays.toml").is_file());
        drop(environment);
        assert!(!folder.exists());
    }
}
