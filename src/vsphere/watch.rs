//! Waiting for changes of a collector's page, on the server's side.

use std::time::Duration;

use tracing::debug;

use super::call::Call;
use super::element::LONGEST;
use super::events::events_of;
use super::properties::property;
use super::{Element, Reference, Session, Trouble};
use crate::fault::Fault;

/// More than one object is never watched; real vCenters want a bound said.
const MOST_UPDATES: &str = "100";
/// A page takes a tenth of it. More is a page for each of many changes, as some servers send them: it fills the memory,
/// and reading on from where one was is cheaper.
const MOST_NEWS: usize = 4 << 20;

/// A watch over one collector's page: a property collector of its own, so that no other wait mixes in, and how far it was read.
#[derive(Debug)]
pub struct Watched {
    collector: Reference,
    version: String,
}

impl Watched {
    /// What is to be destroyed when nobody watches any more.
    pub fn reference(&self) -> &Reference {
        &self.collector
    }
}

impl Session {
    pub async fn watch_page(&self, page_of: &Reference) -> Result<Watched, Trouble> {
        let budget = self.client.deadlines.call;
        let create = Call::on("CreatePropertyCollector", &self.part("propertyCollector")?);
        let collector = self.make(create, budget).await?;
        let filter = Call::on("CreateFilter", &collector)
            .within("spec", |specification| {
                property(specification, &page_of.kind, &["latestPage"])
                    .within("objectSet", |object| object.reference("obj", page_of))
            })
            .text("partialUpdates", "false");
        // The filter goes when its collector goes, so it is not remembered.
        if let Err(trouble) = self.call(filter).await {
            if let Err(second) = self.destroy(&collector).await {
                debug!(trouble = %second, "a property collector without a filter is left behind");
            }
            return Err(trouble);
        }
        Ok(Watched { collector, version: String::new() })
    }

    /// None: nothing new within `wait`. Each inner list is the whole page as it was after one change. The first call
    /// answers at once, with the page as it is. Dropping the future does not end the wait in vCenter. News of more than
    /// 4 MiB are refused (`too_large`): whoever watches begins anew.
    pub async fn next_pages(
        &self,
        watched: &mut Watched,
        wait: Duration,
    ) -> Result<Option<Vec<Vec<Element>>>, Trouble> {
        let answer = match self.wait_for_updates(watched, wait).await {
            // It forgot how far we were: from the start, which is the page as it is.
            Err(trouble) if trouble.is("InvalidCollectorVersion") && !watched.version.is_empty() => {
                watched.version.clear();
                self.wait_for_updates(watched, wait).await?
            }
            answer => answer?,
        };
        let Some(update) = answer.into_child("returnval") else { return Ok(None) };
        let version = update.text_of("version").unwrap_or_default().to_owned();
        let pages = self.pages_of(update)?;
        // Only now: whoever could not read an update is given it again.
        watched.version = version;
        Ok(Some(pages))
    }

    async fn wait_for_updates(&self, watched: &Watched, wait: Duration) -> Result<Element, Trouble> {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let call = Call::on("WaitForUpdatesEx", &watched.collector)
            .text("version", &watched.version)
            .within("options", |options| {
                options.text("maxWaitSeconds", &seconds.to_string()).text("maxObjectUpdates", MOST_UPDATES)
            });
        // What is there at first is one page, however large: refused, there would be no beginning.
        let most = if watched.version.is_empty() { LONGEST } else { MOST_NEWS };
        self.call_bounded(call, Duration::from_secs(seconds) + self.client.deadlines.slack, most).await
    }

    fn pages_of(&self, update: Element) -> Result<Vec<Vec<Element>>, Trouble> {
        let mut pages = Vec::new();
        for filter in update.into_all("filterSet") {
            self.look_at_missing(&filter)?;
            for object in filter.into_all("objectSet") {
                self.look_at_missing(&object)?;
                if object.text_of("kind") == Some("leave") {
                    return Err(Trouble::Gone(Fault::new("gone", "the watched collector is not there any more")));
                }
                let changes = object.into_all("changeSet");
                let changes = changes.filter(|change| change.text_of("name") == Some("latestPage"));
                pages.extend(changes.map(|change| change.into_child("val").map(events_of).unwrap_or_default()));
            }
        }
        Ok(pages)
    }

    fn look_at_missing(&self, within: &Element) -> Result<(), Trouble> {
        match within.all("missingSet").find_map(|missing| missing.child("fault")) {
            Some(fault) => Err(Trouble::of_part("WaitForUpdatesEx", fault, &self.hidden)),
            None => Ok(()),
        }
    }
}
