//! `WaitForUpdatesEx` on the latest page: the changes since a version, or none within the given time.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::server::Server;
use super::soap::{Node, response};
use super::state::{SoapFault, State, fail, not_there};

/// Longer than proxies accept an idle connection.
const MAX_WAIT_SECONDS: u64 = 1_800;

enum Update {
    Answer(String),
    None,
}

impl Server {
    pub(super) async fn wait_for_updates(&self, session: &str, call: &Node) -> Result<String, SoapFault> {
        let Some(this) = call.child("_this") else { return fail("InvalidRequest", "no _this") };
        let version = call.text_at(&["version"]);
        let seconds = call.text_at(&["options", "maxWaitSeconds"]).parse().unwrap_or(MAX_WAIT_SECONDS);
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut changes = self.watch();
        loop {
            changes.borrow_and_update();
            if let Update::Answer(answer) = self.hold(|state| state.updates(session, this, version))? {
                return Ok(answer);
            }
            if timeout_at(until, changes.changed()).await.is_err() {
                return Ok(response("WaitForUpdatesEx", ""));
            }
        }
    }
}

impl State {
    fn updates(&mut self, session: &str, this: &Node, version: &str) -> Result<Update, SoapFault> {
        let count = self.history.entries.len();
        let Some(objects) = self.sessions.get_mut(session) else { return fail("NotAuthenticated", "") };
        let Some(property_collector) = objects.property_collectors.get_mut(&this.text) else { return not_there(this) };
        if std::mem::take(&mut property_collector.cancelled) {
            return fail("RequestCanceled", "The task was canceled by a user.");
        }
        let is_first = version.is_empty();
        if !is_first && version != property_collector.version.to_string() {
            return fail("InvalidCollectorVersion", "");
        }
        let Some((filter, collector_id)) = property_collector.watched.clone() else { return Ok(Update::None) };
        let collector_node = Node { kind: "EventHistoryCollector".to_owned(), text: collector_id, ..Node::default() };
        let Some(collector) = objects.collectors.get(&collector_node.text) else { return not_there(&collector_node) };
        let new = self.history.entries.get(property_collector.announced.unwrap_or(0)..).unwrap_or_default();
        let has_new = !collector.stalled_waits && new.iter().any(|entry| collector.filter.wants(entry));
        if !is_first && !has_new {
            return Ok(Update::None);
        }
        property_collector.version += 1;
        property_collector.announced = Some(count);
        let (version, kind) = (property_collector.version, if is_first { "enter" } else { "modify" });
        let id = collector_node.text.clone();
        let mut page = String::new();
        for entry in self.latest_page(session, &collector_node)? {
            entry.write("Event", &mut page);
        }
        Ok(Update::Answer(response(
            "WaitForUpdatesEx",
            &format!(
                "<returnval><version>{version}</version><filterSet><filter type=\"PropertyFilter\">{filter}</filter><objectSet><kind>{kind}</kind>\
                 <obj type=\"EventHistoryCollector\">{id}</obj><changeSet><name>latestPage</name><op>assign</op>\
                 <val xsi:type=\"ArrayOfEvent\">{page}</val></changeSet></objectSet></filterSet></returnval>"
            ),
        )))
    }
}
