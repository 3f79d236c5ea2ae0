//! The calls for vCenter's event history: event collectors and reading them.

use jiff::Timestamp;

use super::api_error::ApiError;
use super::call::Call;
use super::element::Element;
use super::properties::{property, retrieval};
use super::reference::Reference;
use super::session::Session;

/// Which events a collector holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    pub begin: Option<Timestamp>,
    /// The size of its page, 1 to 1000.
    pub page: u32,
    /// With everything below it; None: the whole inventory.
    pub entity: Option<Reference>,
    /// Classes (`VmPoweredOnEvent`), or the ids of `EventEx` and `ExtendedEvent`. Empty: all.
    pub types: Vec<String>,
    /// Empty: all.
    pub users: Vec<String>,
}

impl EventFilter {
    fn write(&self, mut call: Call) -> Call {
        if let Some(entity) = &self.entity {
            call = call.within("entity", |call| call.reference("entity", entity).text("recursion", "all"));
        }
        if let Some(begin) = self.begin {
            call = call.within("time", |call| call.text("beginTime", &begin.to_string()));
        }
        if !self.users.is_empty() {
            call = call.within("userName", |call| {
                call.text("systemUser", "false").texts("userList", self.users.iter().map(String::as_str))
            });
        }
        // The documentation contradicts itself on the default.
        call.text("disableFullMessage", "false")
            .texts("eventTypeId", self.types.iter().map(String::as_str))
            .text("maxCount", &self.page.to_string())
    }
}

impl Session {
    pub async fn create_event_collector(&self, filter: &EventFilter) -> Result<Reference, ApiError> {
        let call = Call::on("CreateCollectorForEvents", &self.service("eventManager")?)
            .within("filter", |call| filter.write(call));
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
        let call = retrieval(&self.service("propertyCollector")?, |specification| {
            property(specification, &collector.kind, &["latestPage"])
                .within("objectSet", |object| object.reference("obj", collector))
        });
        let mut objects = self.retrieve(call, self.client.deadlines.history).await?;
        let Some(mut object) = (!objects.is_empty()).then(|| objects.swap_remove(0)) else { return Ok(Vec::new()) };
        if let Some((_, error)) = object.missing.pop() {
            return Err(error);
        }
        let page = object.properties.into_iter().find(|(name, _)| name == "latestPage");
        Ok(page.map(|(_, value)| events_of(value)).unwrap_or_default())
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
