//! The steps of the demo: which events are sent, what is made to fail, and what must happen then.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::error::DemoError;
use super::scenario::Scenario;
use super::standins::{AttemptOutcome, InjectedFault, VendorLimit, WaitTimeout};
use super::tally::Chat;

/// Time for a person to read along.
const READING: Duration = Duration::from_millis(700);
const BURST: usize = 40;
/// The daemon is killed when so many messages of the burst have arrived.
const KILL_AFTER: usize = 8;
/// How long Slack takes for each message of the burst.
const SLOW: Duration = Duration::from_millis(150);
const RETRY_AFTER: u32 = 2;
/// For what the stand-in of the stream has to notice.
const STREAM_LIMIT: Duration = Duration::from_secs(10);

/// The part of relays.toml that a user writes.
pub(super) const RELAYS: &str = r#"[[relay]]
name  = "containers"
from  = "prod"
match = { type = "container.*" }
text  = "Your container was {{ data.action | past }} on Tutum!\nCheck {{ data.resource_uri }} to see more details."
to    = "ops"

[[relay]]
name  = "services"
from  = "prod"
match = { type = "service.*", "data.parents[]" = { regex = "/stack/" } }
when  = "data.state != 'Init'"
fetch.stack = "{{ data.parents | of_type('stack') }}"
text  = "A Service on Tutum was {{ data.action | past }}.\nIt belonged to the {{ stack.name }} Stack.\nThe Stack state is: {{ stack.state }}"
to    = ["ops", "room"]
"#;

impl Scenario {
    pub(super) async fn run(&mut self) -> Result<(), DemoError> {
        self.connect().await?;
        self.deliver_events().await?;
        self.respect_retry_after().await?;
        self.survive_a_broken_stream().await?;
        self.survive_a_kill().await
    }

    async fn connect(&mut self) -> Result<(), DemoError> {
        self.output.heading("A real daemon and stand-ins")?;
        self.output
            .line("Stand-ins on loopback take the place of Tutum, Slack, Google Chat and PagerDuty. The relays:")?;
        self.output.quote(RELAYS)?;
        self.environment.slack.limit(VendorLimit { per_second: 20.0, burst: 20.0 });
        let connected = |scenario: &Self| scenario.environment.tutum.stream.connections() > 0;
        self.until("the daemon is connected to the stream", connected).await?;
        self.output.line("The daemon is running and connected to Tutum's stream.")?;
        self.pause(READING).await
    }

    async fn deliver_events(&mut self) -> Result<(), DemoError> {
        self.output.heading("1. Events become messages")?;
        self.send_container("create", "Starting")?;
        self.until_all_arrived().await?;
        self.pause(READING).await?;
        self.send_service("webshop", "Running")?;
        self.until_all_arrived().await?;
        let fetched = self.environment.tutum.api.attempts().entries().len();
        self.output.line(&format!("(Requests to Tutum's API for the stack's name and state: {fetched}.)"))?;
        self.pause(READING).await?;
        self.send_unwanted()?;
        self.send_container("update", "Running")?;
        self.until_all_arrived().await?;
        self.pause(READING).await?;
        self.send_container("delete", "Terminated")?;
        self.send_service("mailer", "Partly running")?;
        self.until_all_arrived().await?;
        self.pause(READING).await
    }

    async fn respect_retry_after(&mut self) -> Result<(), DemoError> {
        self.output.heading(&format!("2. Slack limits the rate: retry after {RETRY_AFTER} seconds"))?;
        self.environment.slack.fail_with([InjectedFault::Throttled { retry_after: Some(RETRY_AFTER) }]);
        self.send_container("create", "Starting")?;
        self.until_all_arrived().await?;
        let attempts = self.environment.slack.attempts().all();
        let is_refused = |outcome: &AttemptOutcome| matches!(outcome, AttemptOutcome::Answered { status: 429, .. });
        let refused = attempts.iter().rev().find(|attempt| is_refused(&attempt.outcome));
        let posts = self.environment.slack.posts();
        let (Some(refused), Some(delivered)) = (refused, posts.last()) else {
            self.problems.push("Slack did not answer 429".to_owned());
            return Ok(());
        };
        let waited = delivered.at.duration_since(refused.at);
        self.output.line(&format!("The daemon waited: delivered {:.1} s later.", waited.as_secs_f64()))?;
        if waited < Duration::from_secs(u64::from(RETRY_AFTER)) {
            self.problems.push(format!("Slack asked to wait {RETRY_AFTER} s, and the daemon waited {waited:?}"));
        }
        self.pause(READING).await
    }

    async fn survive_a_broken_stream(&mut self) -> Result<(), DemoError> {
        self.output.heading("3. The stream breaks")?;
        self.output.line("Tutum closes the connection and refuses new ones for longer than `grace`.")?;
        self.environment.tutum.stream.go_down().await;
        let paged = |action: &'static str| {
            move |scenario: &Self| scenario.environment.pagerduty.alerts().iter().any(|alert| alert.action == action)
        };
        self.until("PagerDuty receives a trigger", paged("trigger")).await?;
        self.pause(READING).await?;
        self.output.line("Tutum is back and sends what happened during the outage.")?;
        self.send_container("update", "Stopped")?;
        self.environment.tutum.stream.come_back().await?;
        self.until("PagerDuty receives a resolve", paged("resolve")).await?;
        self.until_all_arrived().await?;
        self.pause(READING).await
    }

    async fn survive_a_kill(&mut self) -> Result<(), DemoError> {
        self.output.heading("4. The daemon is killed while it delivers")?;
        self.output.line(&format!("Slack takes {SLOW:?} for each message, and Tutum sends {BURST} events at once:"))?;
        self.environment.slack.slow_down(SLOW);
        let first = self.tally.wanted.len();
        self.burst = Some(first);
        for _ in 0..BURST {
            let uuid = self.expect_container();
            self.environment.tutum.stream.send(&container(&uuid, "create", "Starting"));
        }
        self.output.part("  Slack #ops  |")?;
        let arrived = |count| move |scenario: &Self| scenario.tally.delivered(first) >= count;
        self.until("the first messages of the burst arrive", arrived(KILL_AFTER)).await?;
        // What the daemon has not read yet would be a gap in the stream, which this step does not show.
        self.environment.tutum.stream.wait_read(STREAM_LIMIT).await.map_err(timed_out)?;
        self.kill_and_restart().await?;
        self.until("the rest of the burst arrives", arrived(BURST)).await?;
        self.output.part("\n")?;
        self.environment.slack.slow_down(Duration::ZERO);
        self.burst = None;
        let text = match self.tally.twice() {
            0 => "All messages arrived, none of them twice.",
            _ => "All messages arrived. The one being sent arrived twice: Slack has no key to recognize it by.",
        };
        Ok(self.output.line(text)?)
    }

    async fn kill_and_restart(&mut self) -> Result<(), DemoError> {
        self.daemon.kill().await?;
        let stream = &self.environment.tutum.stream;
        stream.wait_disconnected(STREAM_LIMIT).await.map_err(timed_out)?;
        let connections = stream.connections();
        self.output.part("\n")?;
        self.output.line("SIGKILL: the daemon could not clean up. Started again, it continues:")?;
        self.output.part("  Slack #ops  |")?;
        self.daemon.start()?;
        let connected = move |scenario: &Self| scenario.environment.tutum.stream.connections() > connections;
        self.until("the restarted daemon is connected to the stream", connected).await
    }

    /// For `--keep`: the addresses and files, and how to send an event.
    pub(super) fn show_how_to_continue(&mut self) -> io::Result<()> {
        let api = self.environment.tutum.api.url();
        let event = json!({ "type": "container", "action": "create", "resource_uri": "/api/v1/container/by-hand/" });
        self.output.heading("Running until Ctrl-C, with an event every few seconds")?;
        for (what, place) in [
            ("the stream", self.environment.tutum.stream.url()),
            ("the admin API", self.daemon.admin_url().unwrap_or_else(|error| format!("(unknown: {error})"))),
            ("the configuration", self.environment.folder.join("relays.toml").display().to_string()),
            ("the daemon's log", self.daemon.log_file().display().to_string()),
        ] {
            self.output.line(&format!("{what:17}  {place}"))?;
        }
        self.output.line("Send an event by hand:")?;
        self.output.line(&format!("  curl -d '{event}' {api}/events"))
    }

    pub(super) async fn keep_sending(&mut self) -> Result<(), DemoError> {
        const INTERVAL: Duration = Duration::from_secs(4);
        let stacks = ["webshop", "mailer", "search"];
        for number in 0_usize.. {
            match stacks.get(number % 5) {
                Some(stack) => self.send_service(stack, "Running")?,
                None => self.send_container("update", "Running")?,
            }
            self.show_until(Instant::now() + INTERVAL, |_| false).await?;
        }
        Ok(())
    }

    fn send_container(&mut self, action: &str, state: &str) -> io::Result<()> {
        let uuid = self.expect_container();
        self.environment.tutum.stream.send(&container(&uuid, action, state));
        self.output.message("Tutum", &format!("container {action} {uuid}"))
    }

    fn expect_container(&mut self) -> String {
        let uuid = uuid();
        self.tally.sent += 1;
        self.tally.want(Chat::Slack, format!("/api/v1/container/{uuid}/"));
        uuid
    }

    /// The mark is the stack's name: nothing else in the message is unique.
    fn send_service(&mut self, stack: &str, state: &str) -> io::Result<()> {
        let stack_uri = self.environment.tutum.api.add_stack(&uuid(), stack, state);
        self.tally.sent += 1;
        self.tally.want(Chat::Slack, format!("the {stack} Stack"));
        self.tally.want(Chat::GoogleChat, format!("the {stack} Stack"));
        self.environment.tutum.stream.send(&resource("service", "update", "Running", &[&stack_uri], &uuid()));
        self.output.message("Tutum", &format!("service update, of a stack that the event does not name ({state})"))
    }

    /// No relay wants these.
    fn send_unwanted(&mut self) -> io::Result<()> {
        let container = format!("/api/v1/container/{}/", uuid());
        for event in [
            resource("action", "update", "Success", &[&container], &uuid()),
            resource("service", "create", "Starting", &[], &uuid()),
            json!({ "type": "user-notifications" }),
        ] {
            self.tally.sent += 1;
            self.environment.tutum.stream.send(&event);
        }
        self.output.message("Tutum", "an action, a service without a stack, a notification (no relay wants them)")
    }
}

fn timed_out(error: WaitTimeout) -> DemoError {
    DemoError::Io(io::Error::other(error))
}

fn container(uuid: &str, action: &str, state: &str) -> Value {
    let parents = [
        "/api/v1/service/d0b1eb62-7662-4a81-8a10-d5a74b07811e/",
        "/api/v1/node/75d2f30f/",
        "/api/v1/stack/f24bca18-e1dd-40aa-9b3c-064c0c26683e/",
        "/api/v1/nodecluster/99908d8c/",
    ];
    resource("container", action, state, &parents, uuid)
}

fn resource(kind: &str, action: &str, state: &str, parents: &[&str], uuid: &str) -> Value {
    let uri = format!("/api/v1/{kind}/{uuid}/");
    json!({ "type": kind, "action": action, "state": state, "parents": parents, "resource_uri": uri })
}

fn uuid() -> String {
    let (high, low) = (fastrand::u64(..), fastrand::u64(..));
    let (first, second, third) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
    let (fourth, fifth) = (low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    format!("{first:08x}-{second:04x}-4{third:03x}-{fourth:04x}-{fifth:012x}")
}
