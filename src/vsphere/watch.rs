//! Waiting in vCenter for changes of a collector's latest page.

use std::time::Duration;

use tracing::debug;

use super::api_error::ApiError;
use super::call::Call;
use super::element::{Element, MAX_BYTES};
use super::events::events_of;
use super::properties::of_object;
use super::reference::Reference;
use super::session::Session;
use crate::fault::Fault;

/// Only one object is watched, but real vCenters require a limit.
const MAX_UPDATES: &str = "100";
/// A page takes a tenth of it. A larger update has one page for each of many changes, as some servers send them: it
/// would fill the memory, and a catch-up is cheaper.
const MAX_UPDATE_BYTES: usize = 4 << 20;

/// Watches one collector's page through a property collector of its own, so that other waits do not interfere.
#[derive(Debug)]
pub struct PageWatch {
    /// The object to destroy when the watch ends.
    pub collector: Reference,
    /// What was last received; empty: nothing yet.
    pub version: String,
}

impl Session {
    pub async fn watch_page(&self, page_of: &Reference) -> Result<PageWatch, ApiError> {
        let budget = self.client.deadlines.call;
        let create = Call::on("CreatePropertyCollector", &self.service("propertyCollector")?);
        let collector = self.make(create, budget).await?;
        let filter = Call::on("CreateFilter", &collector)
            .within("spec", |specification| of_object(specification, page_of, &["latestPage"]))
            .text("partialUpdates", "false");
        // The filter is destroyed with its collector, so it is not recorded.
        if let Err(error) = self.call(filter).await {
            if let Err(second) = self.destroy(&collector).await {
                debug!(error = %second, "could not destroy a property collector without a filter");
            }
            return Err(error);
        }
        Ok(PageWatch { collector, version: String::new() })
    }

    /// None: nothing new within `wait`. Each inner list is the whole page after one change. The first call answers at
    /// once with the current page. Dropping the future does not end the wait in vCenter. An update of more than 4 MiB is
    /// refused (`too_large`): start a new watch.
    pub async fn next_pages(
        &self,
        watch: &mut PageWatch,
        wait: Duration,
    ) -> Result<Option<Vec<Vec<Element>>>, ApiError> {
        let answer = match self.wait_for_updates(watch, wait).await {
            // vCenter lost the version: start again with the current page.
            Err(error) if error.is("InvalidCollectorVersion") && !watch.version.is_empty() => {
                watch.version.clear();
                self.wait_for_updates(watch, wait).await?
            }
            answer => answer?,
        };
        let Some(update) = answer.into_child("returnval") else { return Ok(None) };
        let version = update.text_of("version").unwrap_or_default().to_owned();
        let pages = self.pages_of(update)?;
        // Only now, so that an update that could not be parsed is sent again.
        watch.version = version;
        Ok(Some(pages))
    }

    async fn wait_for_updates(&self, watch: &PageWatch, wait: Duration) -> Result<Element, ApiError> {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let call = Call::on("WaitForUpdatesEx", &watch.collector)
            .text("version", &watch.version)
            .within("options", |options| {
                options.text("maxWaitSeconds", &seconds.to_string()).text("maxObjectUpdates", MAX_UPDATES)
            });
        // The first answer is a single page; were it refused, no watch could ever start.
        let max_bytes = if watch.version.is_empty() { MAX_BYTES } else { MAX_UPDATE_BYTES };
        let budget = Duration::from_secs(seconds) + self.client.deadlines.call;
        Ok(self.send(call, budget, max_bytes).await?.0)
    }

    fn pages_of(&self, update: Element) -> Result<Vec<Vec<Element>>, ApiError> {
        let mut pages = Vec::new();
        for filter in update.into_all("filterSet") {
            self.check_missing(&filter)?;
            for object in filter.into_all("objectSet") {
                self.check_missing(&object)?;
                if object.text_of("kind") == Some("leave") {
                    return Err(ApiError::NotFound(Fault::new("gone", "the watched collector no longer exists")));
                }
                let changes = object.into_all("changeSet");
                let changes = changes.filter(|change| change.text_of("name") == Some("latestPage"));
                pages.extend(changes.map(|change| change.into_child("val").map(events_of).unwrap_or_default()));
            }
        }
        Ok(pages)
    }

    fn check_missing(&self, set: &Element) -> Result<(), ApiError> {
        match set.all("missingSet").find_map(|missing| missing.child("fault")) {
            Some(fault) => Err(ApiError::from_method_fault("WaitForUpdatesEx", fault, &self.redactor)),
            None => Ok(()),
        }
    }
}
