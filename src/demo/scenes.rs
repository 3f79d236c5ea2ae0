//! The scenes of the demo: what happens on the stream, what is broken, and what must come of it.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::standins::{Late, Limit, Outcome, Trouble};
use super::story::{Broke, Pile, Story};
use super::tally::Place;
use super::world::{Knobs, World};

/// So that a person can read along.
const READING: Duration = Duration::from_millis(700);
const PILE: usize = 40;
/// How much of the pile Slack has when the daemon is killed.
const KILLED_AFTER: usize = 8;
/// How long Slack takes for each message of the pile.
const SLUGGISH: Duration = Duration::from_millis(150);
const RETRY_AFTER: u32 = 2;
/// For what the stream itself has to notice.
const LIMIT: Duration = Duration::from_secs(10);

/// What a person would write.
const RELAYS: &str = r#"[[relay]]
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

/// Short times, so that an outage fits into the story, and every message for itself, so that each can be counted.
pub(super) fn relays_toml(world: &World) -> String {
    let knobs = Knobs {
        tutum: "alert = \"oncall\"\ngrace = \"1s\"\nsteady = \"1s\"\nretry = { first = \"200ms\", max = \"1s\" }\n",
        slack: "rate = \"20/s\"\ndigest = 0\n",
        google_chat: "",
        pagerduty: "",
        daemon: "",
    };
    world.relays_toml_with(&knobs, RELAYS)
}

impl Story {
    pub(super) async fn tell(&mut self) -> Result<(), Broke> {
        self.daemon_connects().await?;
        self.events_flow().await?;
        self.slack_asks_for_patience().await?;
        self.stream_breaks().await?;
        self.daemon_is_killed().await
    }

    async fn daemon_connects(&mut self) -> Result<(), Broke> {
        self.stage.heading("A daemon among stand-ins")?;
        self.stage.say("Tutum, Slack, Google Chat and PagerDuty are played by stand-ins on loopback. The relays:")?;
        self.stage.aside(RELAYS)?;
        self.world.slack.limit(Limit { per_second: 20.0, burst: 20.0 });
        let connected = |story: &Self| story.world.tutum.stream.connections() > 0;
        self.until("the daemon is connected to the stream", connected).await?;
        self.stage.say("The real daemon runs, and has connected to Tutum's stream.")?;
        self.pause(READING).await
    }

    async fn events_flow(&mut self) -> Result<(), Broke> {
        self.stage.heading("1. Events flow")?;
        self.container("create", "Starting")?;
        self.until_all_is_there().await?;
        self.pause(READING).await?;
        self.service("webshop", "Running")?;
        self.until_all_is_there().await?;
        let fetched = self.world.tutum.api.attempts().len();
        self.stage.say(&format!("(Requests to Tutum's API for the stack's name and state: {fetched}.)"))?;
        self.pause(READING).await?;
        self.unwanted()?;
        self.container("update", "Running")?;
        self.until_all_is_there().await?;
        self.pause(READING).await?;
        self.container("delete", "Terminated")?;
        self.service("mailer", "Partly running")?;
        self.until_all_is_there().await?;
        self.pause(READING).await
    }

    async fn slack_asks_for_patience(&mut self) -> Result<(), Broke> {
        self.stage.heading(&format!("2. Slack asks for {RETRY_AFTER} seconds of patience"))?;
        self.world.slack.fail_with([Trouble::Throttled { retry_after: Some(RETRY_AFTER) }]);
        self.container("create", "Starting")?;
        self.until_all_is_there().await?;
        let attempts = self.world.slack.attempts().all();
        let refused =
            attempts.iter().rev().find(|attempt| matches!(attempt.outcome, Outcome::Answered { status: 429, .. }));
        let posts = self.world.slack.posts();
        let (Some(refused), Some(taken)) = (refused, posts.last()) else {
            self.problems.push("the 429 was never asked for".to_owned());
            return Ok(());
        };
        let waited = taken.at.duration_since(refused.at);
        self.stage.say(&format!("The daemon waited it out: delivered {:.1} s later.", waited.as_secs_f64()))?;
        if waited < Duration::from_secs(u64::from(RETRY_AFTER)) {
            self.problems.push(format!("Slack asked for {RETRY_AFTER} s and was left alone for {waited:?}"));
        }
        self.pause(READING).await
    }

    async fn stream_breaks(&mut self) -> Result<(), Broke> {
        self.stage.heading("3. The stream breaks")?;
        self.stage.say("Tutum closes the connection and refuses new ones for longer than `grace`.")?;
        self.world.tutum.stream.go_down().await;
        let paged = |action: &'static str| {
            move |story: &Self| story.world.pagerduty.alerts().iter().any(|alert| alert.action == action)
        };
        self.until("PagerDuty is triggered", paged("trigger")).await?;
        self.pause(READING).await?;
        self.stage.say("Tutum is back, and tells at once what happened meanwhile.")?;
        self.container("update", "Stopped")?;
        self.world.tutum.stream.come_back().await?;
        self.until("PagerDuty is told that all is well", paged("resolve")).await?;
        self.until_all_is_there().await?;
        self.pause(READING).await
    }

    async fn daemon_is_killed(&mut self) -> Result<(), Broke> {
        self.stage.heading("4. The daemon is killed in the middle of its work")?;
        self.stage.say(&format!("Slack takes {SLUGGISH:?} for a message, and Tutum sends {PILE} events at once:"))?;
        self.world.slack.slow_down(SLUGGISH);
        self.pile = Some(Pile::default());
        for _ in 0..PILE {
            let uuid = self.want_container();
            self.world.tutum.stream.send(&container(&uuid, "create", "Starting"));
            self.pile.get_or_insert_default().marks.push((uuid, false));
        }
        self.stage.murmur("  Slack #ops  |")?;
        let arrived =
            |count: usize| move |story: &Self| story.pile.as_ref().is_some_and(|pile| pile.arrived() >= count);
        self.until("the first messages of the pile arrive", arrived(KILLED_AFTER)).await?;
        // What the daemon has not even read can only be a hole in the stream, which is another story.
        self.world.tutum.stream.read_up(LIMIT).await.map_err(late)?;
        self.kill_and_start_again().await?;
        self.until("the rest of the pile arrives", arrived(PILE)).await?;
        self.stage.murmur("\n")?;
        self.world.slack.mix(None);
        self.pile = None;
        let said = match self.count().twice {
            0 => "All are there, none of them twice.",
            _ => "All are there. What was under way came twice: Slack has no key to tell it by.",
        };
        Ok(self.stage.say(said)?)
    }

    async fn kill_and_start_again(&mut self) -> Result<(), Broke> {
        self.daemon.kill().await?;
        let stream = &self.world.tutum.stream;
        stream.wait_disconnected(LIMIT).await.map_err(late)?;
        let clients = stream.connections();
        self.stage.murmur("\n")?;
        self.stage.say("SIGKILL. It could tidy up nothing. Started again, it goes on:")?;
        self.stage.murmur("  Slack #ops  |")?;
        self.start_again()?;
        let again = move |story: &Self| story.world.tutum.stream.connections() > clients;
        self.until("the restarted daemon is connected to the stream", again).await
    }

    /// Where everything is, for those who stay.
    pub(super) fn explain_how_to_go_on(&mut self) -> io::Result<()> {
        let voice = self.world.tutum.stream.voice();
        self.world.tutum.api.listen_to_people(move |event| voice(&event));
        let folder = self.world.folder();
        let admin = std::fs::read_to_string(folder.join("admin.addr"));
        let admin = admin.map_or_else(|error| format!("(unknown: {error})"), |address| address.trim().to_owned());
        let api = self.world.tutum.api.url();
        let event = json!({ "type": "container", "action": "create", "resource_uri": "/api/v1/container/by-hand/" });
        self.stage.heading("It goes on, with an event every few seconds, until Ctrl-C")?;
        for (what, place) in [
            ("the stream", self.world.tutum.stream.url()),
            ("the admin API", admin),
            ("the configuration", folder.join("relays.toml").display().to_string()),
            ("the daemon's log", folder.join("daemon.log").display().to_string()),
        ] {
            self.stage.say(&format!("{what:17}  {place}"))?;
        }
        self.stage.say("Send an event by hand:")?;
        self.stage.say(&format!("  curl -d '{event}' {api}/say"))
    }

    pub(super) async fn stay(&mut self) -> Result<(), Broke> {
        const EVERY: Duration = Duration::from_secs(4);
        let stacks = ["webshop", "mailer", "search"];
        for turn in 0_usize.. {
            match stacks.get(turn % 5) {
                Some(stack) => self.service(stack, "Running")?,
                None => self.container("update", "Running")?,
            }
            self.watch_until(Instant::now() + EVERY, |_| false).await?;
        }
        Ok(())
    }

    fn container(&mut self, action: &str, state: &str) -> io::Result<()> {
        let uuid = self.want_container();
        self.world.tutum.stream.send(&container(&uuid, action, state));
        self.stage.hear("Tutum", &format!("container {action} {uuid}"))
    }

    fn want_container(&mut self) -> String {
        let uuid = uuid();
        self.tally.sent();
        self.tally.want(Place::Slack, format!("/api/v1/container/{uuid}/"));
        uuid
    }

    /// The stack's name is the mark: the message names nothing else that is its own.
    fn service(&mut self, stack: &str, state: &str) -> io::Result<()> {
        let stack_uri = self.world.tutum.api.add_stack(&uuid(), stack, state);
        self.tally.sent();
        self.tally.want(Place::Slack, format!("the {stack} Stack"));
        self.tally.want(Place::GoogleChat, format!("the {stack} Stack"));
        self.world.tutum.stream.send(&resource("service", "update", "Running", &[&stack_uri], &uuid()));
        self.stage.hear("Tutum", &format!("service update, of a stack that the event does not name ({state})"))
    }

    /// No relay wants these, so nobody is told.
    fn unwanted(&mut self) -> io::Result<()> {
        let container = format!("/api/v1/container/{}/", uuid());
        for event in [
            resource("action", "update", "Success", &[&container], &uuid()),
            resource("service", "create", "Starting", &[], &uuid()),
            json!({ "type": "user-notifications" }),
        ] {
            self.tally.sent();
            self.world.tutum.stream.send(&event);
        }
        self.stage.hear("Tutum", "an action, a service without a stack, a notification (no relay wants them)")
    }
}

fn late(late: Late) -> Broke {
    Broke::Io(io::Error::other(late))
}

fn container(uuid: &str, action: &str, state: &str) -> Value {
    let parent = |kind: &str, uuid: &str| format!("/api/v1/{kind}/{uuid}/");
    let (service, node) = (parent("service", "d0b1eb62-7662-4a81-8a10-d5a74b07811e"), parent("node", "75d2f30f"));
    let (stack, cluster) = (parent("stack", "f24bca18-e1dd-40aa-9b3c-064c0c26683e"), parent("nodecluster", "99908d8c"));
    resource("container", action, state, &[&service, &node, &stack, &cluster], uuid)
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
