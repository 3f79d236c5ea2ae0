//! `WaitForUpdatesEx` on the latest page: what has changed since a version, or silence for as long as was asked.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::server::Shared;
use super::soap::{Node, response};
use super::state::{Refusal, State, not_there, refusal};

/// Longer than a proxy between us would let a connection be silent.
const LONGEST: u64 = 1_800;

enum Now {
    Says(String),
    Nothing,
}

impl Shared {
    pub(super) async fn wait_for_updates(&self, session: &str, asked: &Node) -> Result<String, Refusal> {
        let Some(this) = asked.child("_this") else { return refusal("InvalidRequest", "no _this") };
        let version = asked.text_at(&["version"]);
        let most = asked.text_at(&["options", "maxWaitSeconds"]).parse().unwrap_or(LONGEST);
        let until = Instant::now() + Duration::from_secs(most);
        let mut changes = self.watch();
        loop {
            changes.borrow_and_update();
            if let Now::Says(answer) = self.hold(|state| state.updates(session, this, version))? {
                return Ok(answer);
            }
            if timeout_at(until, changes.changed()).await.is_err() {
                return Ok(response("WaitForUpdatesEx", ""));
            }
        }
    }
}

impl State {
    fn updates(&mut self, session: &str, this: &Node, version: &str) -> Result<Now, Refusal> {
        let count = self.history.entries.len();
        let Some(held) = self.sessions.get_mut(session) else { return refusal("NotAuthenticated", "") };
        let Some(waiter) = held.waiters.get_mut(&this.text) else { return not_there(this) };
        if std::mem::take(&mut waiter.cancelled) {
            return refusal("RequestCanceled", "The task was canceled by a user.");
        }
        let from_the_start = version.is_empty();
        if !from_the_start && version != waiter.version.to_string() {
            return refusal("InvalidCollectorVersion", "");
        }
        let Some((filter, collector_id)) = waiter.watched.clone() else { return Ok(Now::Nothing) };
        let collector_node = Node { kind: "EventHistoryCollector".to_owned(), text: collector_id, ..Node::default() };
        let Some(collector) = held.collectors.get(&collector_node.text) else { return not_there(&collector_node) };
        let news = self.history.entries.get(waiter.told.unwrap_or(0)..).unwrap_or_default();
        let is_news = !collector.deaf_waits && news.iter().any(|entry| collector.filter.wants(entry));
        if !from_the_start && !is_news {
            return Ok(Now::Nothing);
        }
        waiter.version += 1;
        waiter.told = Some(count);
        let (version, kind) = (waiter.version, if from_the_start { "enter" } else { "modify" });
        let id = collector_node.text.clone();
        let mut page = String::new();
        for entry in self.latest_page(session, &collector_node)? {
            entry.write("Event", &mut page);
        }
        Ok(Now::Says(response(
            "WaitForUpdatesEx",
            &format!(
                "<returnval><version>{version}</version><filterSet><filter type=\"PropertyFilter\">{filter}</filter><objectSet><kind>{kind}</kind>\
                 <obj type=\"EventHistoryCollector\">{id}</obj><changeSet><name>latestPage</name><op>assign</op>\
                 <val xsi:type=\"ArrayOfEvent\">{page}</val></changeSet></objectSet></filterSet></returnval>"
            ),
        )))
    }
}
