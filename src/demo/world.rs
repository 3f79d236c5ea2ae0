//! All stand-ins, a folder of their own, and the relays.toml that leads a daemon to them.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::standins::{GoogleChat, PagerDuty, Slack, SlackApi, Tutum};

/// Everything ends, and the folder is removed, when it is dropped.
#[derive(Debug)]
pub struct World {
    pub tutum: Tutum,
    pub slack: Slack,
    /// Where a bot posts, for those who ask for one with [`World::slack_bot`].
    pub slack_api: SlackApi,
    pub google_chat: GoogleChat,
    pub pagerduty: PagerDuty,
    folder: Folder,
}

/// Further lines for the tables of relays.toml.
#[derive(Debug, Clone, Copy)]
pub struct Knobs<'a> {
    pub daemon: &'a str,
    pub tutum: &'a str,
    pub slack: &'a str,
    pub google_chat: &'a str,
    pub pagerduty: &'a str,
}

/// In a hurry, for tests: no vendor's limits, and milliseconds for seconds.
impl Default for Knobs<'_> {
    fn default() -> Self {
        const HASTE: &str = "rate = \"none\"\nretry = { first = \"10ms\", max = \"200ms\" }\n";
        Self {
            daemon: "",
            tutum: "alert = \"oncall\"\ngrace = \"200ms\"\nsteady = \"200ms\"\nretry = { first = \"10ms\", max = \"100ms\" }\n",
            slack: HASTE,
            google_chat: HASTE,
            pagerduty: HASTE,
        }
    }
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl World {
    pub async fn start() -> io::Result<Self> {
        let folder = Folder::new()?;
        let (tutum, slack, slack_api) = (Tutum::start().await?, Slack::start().await?, SlackApi::start().await?);
        let (google_chat, pagerduty) = (GoogleChat::start().await?, PagerDuty::start().await?);
        fs::write(folder.path.join("google-chat-webhook"), google_chat.url())?;
        Ok(Self { tutum, slack, slack_api, google_chat, pagerduty, folder })
    }

    /// A configuration with the stand-ins as `prod`, `ops`, `room` and `oncall`, in a hurry; `extra` is put at its end.
    pub fn relays_toml(&self, extra: &str) -> String {
        self.relays_toml_with(&Knobs::default(), extra)
    }

    pub fn relays_toml_with(&self, knobs: &Knobs, extra: &str) -> String {
        let state = toml::Value::String(self.folder.path.join("tidings.db").display().to_string());
        let (stream, api, pagerduty) = (self.tutum.stream.url(), self.tutum.api.url(), self.pagerduty.url());
        let Knobs { daemon, tutum, slack, google_chat, pagerduty: pager } = knobs;
        format!(
            r#"[daemon]
listen = "127.0.0.1:0"
admin  = "127.0.0.1:0"
state  = {state}
{daemon}
[source.tutum.prod]
user  = {{ env = "TUTUM_USERNAME" }}
token = {{ env = "TUTUM_TOKEN" }}
url   = "{stream}"
api   = "{api}"
{tutum}
[sink.slack.ops]
webhook = {{ env = "SLACK_URL" }}
{slack}
[sink.google-chat.room]
webhook = {{ path_env = "GCHAT_WEBHOOK_SECRET_FILE" }}
{google_chat}
[sink.pagerduty.oncall]
key = {{ env = "PAGERDUTY_KEY" }}
url = "{pagerduty}"
{pager}
{extra}"#
        )
    }

    /// The table of a bot in Slack, for the end of the configuration, with `keys` in it.
    pub fn slack_bot(&self, name: &str, keys: &str) -> String {
        let (channel, api) = (SlackApi::CHANNEL, self.slack_api.url());
        format!(
            r#"[sink.slack.{name}]
token = {{ env = "SLACK_BOT_TOKEN" }}
channel = "{channel}"
api = "{api}"
{keys}
"#
        )
    }

    /// The variables that the configuration's secrets name.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let account = self.tutum.credentials();
        vec![
            ("TUTUM_USERNAME", account.user.clone()),
            ("TUTUM_TOKEN", account.token.clone()),
            ("SLACK_URL", self.slack.url()),
            ("SLACK_BOT_TOKEN", self.slack_api.token().to_owned()),
            ("GCHAT_WEBHOOK_SECRET_FILE", self.folder.path.join("google-chat-webhook").display().to_string()),
            ("PAGERDUTY_KEY", self.pagerduty.key().to_owned()),
        ]
    }

    /// The same for those who read the configuration in this process.
    pub fn env(&self, name: &str) -> Option<String> {
        self.variables().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Writes `text` as this world's relays.toml and gives its path.
    pub fn write_relays(&self, text: &str) -> io::Result<PathBuf> {
        let path = self.folder.path.join("relays.toml");
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Here lie the configuration, the state, the admin API's address and the daemon's log.
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// The folder outlives this world.
    pub fn keep_folder(&mut self) {
        self.folder.keep = true;
    }

    /// Every vendor's rule that was broken, with the vendor's name.
    pub fn offences(&self) -> Vec<String> {
        let books = [
            ("Tutum", self.tutum.offences()),
            ("Slack", self.slack.offences()),
            ("Slack's Web API", self.slack_api.offences()),
            ("Google Chat", self.google_chat.offences()),
            ("PagerDuty", self.pagerduty.offences()),
        ];
        let named = |(vendor, book): (&str, Vec<String>)| {
            book.into_iter().map(|rule| format!("{vendor}: {rule}")).collect::<Vec<_>>()
        };
        books.into_iter().flat_map(named).collect()
    }
}

impl Folder {
    /// For nobody else's eyes: it holds a webhook's address.
    fn new() -> io::Result<Self> {
        let name = format!("tidings-demo-{:016x}", fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, keep: false })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the demo's folder could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_configuration_is_toml_and_names_no_secret() {
        let world = World::start().await.unwrap();
        let bot = world.slack_bot("bot", "update = true");
        let text = world.relays_toml(&format!("{bot}[[relay]]\nname = \"all\"\nto = \"ops\"\n"));
        let parsed: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(parsed["sink"]["slack"]["bot"]["api"].as_str(), Some(world.slack_api.url().as_str()));
        assert_eq!(parsed["sink"]["pagerduty"]["oncall"]["url"].as_str(), Some(world.pagerduty.url().as_str()));
        assert_eq!(parsed["relay"].as_array().unwrap().len(), 1);
        for (name, value) in world.variables() {
            assert_eq!(world.env(name).as_ref(), Some(&value));
            assert!(!text.contains(&value) || value == "demo", "{name}");
        }
    }

    #[tokio::test]
    async fn a_world_leaves_no_folder_behind() {
        let world = World::start().await.unwrap();
        let folder = world.folder().to_owned();
        world.write_relays("").unwrap();
        assert!(folder.join("relays.toml").is_file());
        drop(world);
        assert!(!folder.exists());
    }
}
