//! The calls for vCenter's event history: event collectors and reading them.

use jiff::Timestamp;

use super::api_error::ApiError;
use super::call::Call;
use super::element::Element;
use super::reference::Reference;
use super::session::Session;

/// Which events a collector holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// With everything below it; None: the whole inventory.
    pub entity: Option<Reference>,
    /// Classes (`VmPoweredOnEvent`), or the ids of `EventEx` and `ExtendedEvent`. Empty: all.
    pub types: Vec<String>,
    /// Empty: all.
    pub users: Vec<String>,
}

impl EventFilter {
    fn write(&self, mut call: Call, begin: Option<Timestamp>, page: u32) -> Call {
        if let Some(entity) = &self.entity {
            call = call.within("entity", |call| call.reference("entity", entity).text("recursion", "all"));
        }
        if let Some(begin) = begin {
            call = call.within("time", |call| call.text("beginTime", &begin.to_string()));
        }
        if !self.users.is_empty() {
            call = call.within("userName", |call| call.text("systemUser", "false").texts("userList", &self.users));
        }
        // The documentation contradicts itself on the default.
        call.text("disableFullMessage", "false").texts("eventTypeId", &self.types).text("maxCount", &page.to_string())
    }
}

impl Session {
    /// A collector of the events since `begin` (None: all), whose latest page has `page` events, 1 to 1000.
    pub async fn create_event_collector(
        &self,
        filter: &EventFilter,
        begin: Option<Timestamp>,
        page: u32,
    ) -> Result<Reference, ApiError> {
        let call = Call::on("CreateCollectorForEvents", &self.service("eventManager")?)
            .within("filter", |call| filter.write(call, begin, page));
        self.make(call, self.client.deadlines.history).await
    }

    /// The events after the collector's cursor; empty at the end. The cursor moves even if the answer is lost.
    pub async fn read_next_events(&self, collector: &Reference, max: u32) -> Result<Vec<Element>, ApiError> {
        let call = Call::on("ReadNextEvents", collector).text("maxCount", &max.to_string());
        let answer = self.call_within(call, self.client.deadlines.history).await?;
        Ok(answer.into_all("returnval").collect())
    }

    /// The newest events of the collector. vCenter promises no order.
    pub async fn latest_page(&self, collector: &Reference) -> Result<Vec<Element>, ApiError> {
        let page = self.properties_within(collector, &["latestPage"], self.client.deadlines.history).await?;
        Ok(page.into_iter().next().map(|(_, page)| events_of(page)).unwrap_or_default())
    }

    /// Adds an event with `message` to the history of `entity`.
    pub async fn log_user_event(&self, entity: &Reference, message: &str) -> Result<(), ApiError> {
        let manager = self.service("eventManager")?;
        self.call(Call::on("LogUserEvent", &manager).reference("entity", entity).text("msg", message)).await?;
        Ok(())
    }
}

/// The members of an `ArrayOfEvent`.
pub(super) fn events_of(page: Element) -> Vec<Element> {
    page.into_all("Event").collect()
}
