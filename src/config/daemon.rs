//! `[daemon]`: addresses, the state file, retention, and the built-in relay behind `notify`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::names::Names;
use crate::config_reader::{ConfigReader, Problem, Spanned, TableReader};
use crate::message::Severity;
use crate::relay::{BuiltIn, Relay, Template, TypeText};
use crate::store::Policy;

/// Looks up an environment variable.
pub type Env<'e> = &'e (dyn Fn(&str) -> Option<String> + Sync);

/// The name of the built-in relay behind the key of that name.
pub(super) const NOTIFY: &str = "notify";
/// The message about everything that needs a person.
const TEXT: &str = "{{ event.type }} {{ event.subject }}: {{ data.why }}";
/// Appended for a gap: how many events it took, if known, and from when to when, to the second.
const GAP_TEXT: &str = concat!(
    "{% if data.from and data.to %} (",
    "{% if data.events is number %}{{ data.events }} event{{ '' if data.events == 1 else 's' }}, {% endif %}",
    "{% if data.from[:19] == data.to[:19] %}{{ data.to[:19] }}Z",
    "{% else %}from {{ data.from[:19] }}Z to {{ data.to[:19] }}Z{% endif %}){% endif %}",
);

#[derive(Debug)]
pub struct Daemon {
    /// The listener for webhooks. Bound only if a source uses it.
    pub listen: SocketAddr,
    /// The admin API: health, metrics, the operator's API.
    pub admin: SocketAddr,
    pub state: PathBuf,
    pub public_url: Option<String>,
    notify: Vec<Spanned<String>>,
    /// The time limit of a shutdown.
    pub drain: Duration,
    pub policy: Policy,
}

impl Daemon {
    pub(super) fn read(table: &TableReader, env: Env) -> Self {
        let mut policy = Policy::default();
        policy.remember = table.duration("remember").unwrap_or(policy.remember);
        if let Some(retention) = table.table("retention") {
            policy.retention_age = retention.duration("age").unwrap_or(policy.retention_age);
            policy.retention_size = retention.size("size").unwrap_or(policy.retention_size);
            retention.finish();
        }
        Self {
            listen: address(table, "listen", 8088),
            admin: address(table, "admin", 8089),
            state: table.text("state").map_or_else(|| default_state(env), |path| path.value.into()),
            public_url: table.text("public_url").map(|url| url.value),
            notify: table.texts("notify").unwrap_or_default(),
            drain: table.duration("drain").unwrap_or(Duration::from_secs(10)),
            policy,
        }
    }

    /// The built-in relay that reports what needs a person.
    pub(super) fn notify_relay(&self, reader: &ConfigReader, names: &Names) -> Option<Relay> {
        let compile = |value| Template::compile(reader, &Spanned { value, span: 0..0 }, &Template::ROOTS);
        let (text, gap_text) = (compile(TEXT.to_owned())?, compile(format!("{TEXT}{GAP_TEXT}"))?);
        let type_text = |r#type| {
            let text = if r#type == "source.gap" { &gap_text } else { &text };
            TypeText { r#type, text: text.clone(), signal: None }
        };
        let mut relay = Relay::built_in(BuiltIn {
            name: NOTIFY.into(),
            subject: None,
            texts: ["source.gap", "delivery.dead", "sink.stopped", "config.rejected"].map(type_text).into(),
            severity: Severity::Info,
            key: None,
            client: None,
            client_url: None,
            to: self.notify.clone(),
        });
        relay.sinks = names.sinks(reader, &self.notify);
        (!relay.sinks.is_empty()).then_some(relay)
    }
}

/// Where the state file is unless relays.toml sets it.
pub fn default_state(env: Env) -> PathBuf {
    let folder = env("STATE_DIRECTORY").filter(|folder| !folder.is_empty());
    // systemd may set several folders, separated by colons; the state goes to the first.
    let first = folder.as_deref().and_then(|folders| folders.split(':').next());
    PathBuf::from(first.unwrap_or("state")).join("tidings.db")
}

fn address(table: &TableReader, key: &'static str, port: u16) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Some(address) = table.text(key) else { return default };
    address.value.parse().unwrap_or_else(|_| {
        let problem = Problem::error(address.span, format!("`{}` is not an address to listen on", address.value));
        table.reader.problem(problem.hint(format!("write it like {default}, or with port 0 for any free port")));
        default
    })
}
