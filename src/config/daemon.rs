//! `[daemon]`: where the daemon listens, where it keeps its state, whom it tells.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::Env;
use super::names::Known;
use crate::config_reader::{ConfigReader, Problem, Spanned, TableReader};
use crate::message::Severity;
use crate::relay::{BuiltIn, Relay, Template, TypeText};
use crate::store::Policy;

/// The built-in relay behind the key of that name.
pub(super) const NOTIFY: &str = "notify";
/// What is told of everything that needs a person.
const TOLD: &str = "{{ event.type }} {{ event.subject }}: {{ data.why }}";
/// And of a gap: how many events it has taken, where that is known, and from when to when, to the second.
const AND_OF_A_GAP: &str = concat!(
    "{% if data.from and data.to %} (",
    "{% if data.events is number %}{{ data.events }} event{{ '' if data.events == 1 else 's' }}, {% endif %}",
    "{% if data.from[:19] == data.to[:19] %}{{ data.to[:19] }}Z",
    "{% else %}from {{ data.from[:19] }}Z to {{ data.to[:19] }}Z{% endif %}){% endif %}",
);

#[derive(Debug)]
pub struct Daemon {
    /// The listener: webhooks and chat commands. Opened when a source or chat waits there.
    pub listen: SocketAddr,
    /// The admin API: health, metrics, the operator's API.
    pub admin: SocketAddr,
    pub state: PathBuf,
    pub public_url: Option<String>,
    notify: Vec<Spanned<String>>,
    /// How long a stop may take.
    pub drain: Duration,
    pub policy: Policy,
}

impl Daemon {
    pub(super) fn read(table: &TableReader, env: Env) -> Self {
        let policy = Policy::default();
        let retention = table.table("retention");
        let (age, size) = match &retention {
            Some(retention) => (retention.duration("age"), retention.size("size")),
            None => (None, None),
        };
        if let Some(retention) = retention {
            retention.finish();
        }
        Self {
            listen: address(table, "listen", 8088),
            admin: address(table, "admin", 8089),
            state: table.text("state").map_or_else(|| default_state(env), |said| said.value.into()),
            public_url: table.text("public_url").map(|said| said.value),
            notify: table.texts("notify").unwrap_or_default(),
            drain: table.duration("drain").unwrap_or(Duration::from_secs(10)),
            policy: Policy {
                retention_age: age.unwrap_or(policy.retention_age),
                retention_size: size.unwrap_or(policy.retention_size),
                remember: table.duration("remember").unwrap_or(policy.remember),
                ..policy
            },
        }
    }

    /// The built-in relay behind `notify`: what needs a person.
    pub(super) fn notify_relay(&self, reading: &ConfigReader, known: &Known) -> Option<Relay> {
        let sinks = known.sinks(reading, &self.notify);
        let compile = |value| Template::compile(reading, &Spanned { value, span: 0..0 }, &Template::ROOTS);
        let (text, of_a_gap) = (compile(TOLD.to_owned())?, compile(format!("{TOLD}{AND_OF_A_GAP}"))?);
        let says = |r#type| {
            let text = if r#type == "source.gap" { &of_a_gap } else { &text };
            TypeText { r#type, text: text.clone(), signal: None }
        };
        let mut relay = Relay::built_in(BuiltIn {
            name: NOTIFY.into(),
            subject: None,
            texts: ["source.gap", "delivery.dead", "sink.stopped", "config.rejected"].map(says).into(),
            severity: Severity::Info,
            key: None,
            client: None,
            client_url: None,
            to: self.notify.clone(),
        });
        relay.sinks = sinks;
        (!relay.sinks.is_empty()).then_some(relay)
    }
}

fn default_state(env: Env) -> PathBuf {
    let folder = env("STATE_DIRECTORY").filter(|folder| !folder.is_empty());
    // systemd may name several folders; the first is the one to write to.
    let first = folder.as_deref().and_then(|folders| folders.split(':').next());
    PathBuf::from(first.unwrap_or("state")).join("tidings.db")
}

fn address(table: &TableReader, key: &'static str, port: u16) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Some(said) = table.text(key) else { return default };
    said.value.parse().unwrap_or_else(|_| {
        let message = format!("`{}` is no address to listen on", said.value);
        table.reading.problem(
            Problem::error(said.span, message)
                .hint(format!("write it like {default}, or with port 0 for any free one")),
        );
        default
    })
}
