//! Where relays.toml is, and the little of it that a verb needs to find the daemon.
//!
//! The operator's shell has none of the daemon's secrets, so a verb must not insist on the whole file being in order.

use std::path::{Path, PathBuf};

use super::args::Common;
use crate::config_reader::{ConfigReader, Item, Node};

pub(super) type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

const HERE: &str = "relays.toml";
const SYSTEM: &str = "/etc/tidings/relays.toml";
/// Where the shipped unit keeps its state, which `$STATE_DIRECTORY` names only inside the unit.
const SYSTEM_STATE: &str = "/var/lib/tidings/tidings.db";

/// The process's own variables; one that is set to nothing is not set.
pub(super) fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Said, or in the variable, or at the first usual place that has one.
pub(super) fn path(common: &Common, env: Env) -> PathBuf {
    let said = common.config.clone().or_else(|| env("TIDINGS_CONFIG").map(PathBuf::from));
    said.unwrap_or_else(|| {
        let usual = [HERE, SYSTEM].map(PathBuf::from).into_iter().find(|path| path.exists());
        // The first place is where a new one belongs, so that is what an error should name.
        usual.unwrap_or_else(|| HERE.into())
    })
}

/// What relays.toml says of where the daemon is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whereabouts {
    /// Where the state file may be, likeliest first.
    pub(super) states: Vec<PathBuf>,
    pub(super) admin: Option<String>,
}

impl Whereabouts {
    pub(super) fn read(config: &Path, env: Env) -> Self {
        // A file that is not there says nothing; the usual places remain.
        let text = std::fs::read_to_string(config).unwrap_or_default();
        Self::from_text(&text, env)
    }

    fn from_text(text: &str, env: Env) -> Self {
        let tree = ConfigReader::new(text, env).tree();
        let daemon = |key| member(&tree, "daemon").and_then(|daemon| member(daemon, key)).and_then(text_of);
        let states = daemon("state").map_or_else(|| usual_states(env), |state| vec![state.into()]);
        Self { states, admin: daemon("admin") }
    }
}

fn usual_states(env: Env) -> Vec<PathBuf> {
    let folders = env("STATE_DIRECTORY").unwrap_or_default();
    let ours = folders.split(':').next().filter(|folder| !folder.is_empty());
    let ours = ours.map(|folder| Path::new(folder).join("tidings.db"));
    ours.into_iter().chain(["state/tidings.db".into(), SYSTEM_STATE.into()]).collect()
}

fn member<'i>(item: &'i Item, key: &str) -> Option<&'i Item> {
    let Node::Table(members) = &item.node else { return None };
    members.iter().find(|(known, _)| known.name == key).map(|(_, item)| item)
}

fn text_of(item: &Item) -> Option<String> {
    match &item.node {
        Node::Text(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_where_also_when_it_is_not_in_order() {
        let text =
            "[daemon]\nstate = \"/srv/t.db\"\nadmin = \"127.0.0.1:9\"\nnonsense = 1\n[sink.slack.ops]\nwebhook = ";
        let found = Whereabouts::from_text(text, &|_| None);
        assert_eq!(found, Whereabouts { states: vec!["/srv/t.db".into()], admin: Some("127.0.0.1:9".to_owned()) });
    }

    #[test]
    fn without_a_word_the_usual_places_are_tried() {
        let env = |name: &str| (name == "STATE_DIRECTORY").then(|| "/run/a:/run/b".to_owned());
        let states = Whereabouts::from_text("", &env).states;
        assert_eq!(states, ["/run/a/tidings.db", "state/tidings.db", SYSTEM_STATE].map(PathBuf::from));
        assert_eq!(Whereabouts::from_text("", &|_| None).states.len(), 2);
    }
}
