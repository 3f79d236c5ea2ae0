//! vCenter's history of events: collectors, and reading them to the end.

use jiff::Timestamp;

use super::call::Call;
use super::properties::{property, retrieval};
use super::{Element, Reference, Session, Trouble};

/// How far below an entity its events are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recursion {
    /// Its own.
    SelfOnly,
    /// Those of its children, and not its own.
    Children,
    All,
}

/// Which events a collector is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    pub begin: Option<Timestamp>,
    /// The size of its page, 1 to 1000.
    pub most: u32,
    /// Without one: everything.
    pub entity: Option<(Reference, Recursion)>,
    /// Classes (`VmPoweredOnEvent`), or the ids of `EventEx` and `ExtendedEvent`. Without any: all.
    pub types: Vec<String>,
    /// Whose events; without any: everyone's.
    pub users: Vec<String>,
}

impl Recursion {
    fn word(self) -> &'static str {
        match self {
            Self::SelfOnly => "self",
            Self::Children => "children",
            Self::All => "all",
        }
    }
}

impl EventFilter {
    fn say(&self, mut call: Call) -> Call {
        if let Some((entity, recursion)) = &self.entity {
            call = call.within("entity", |call| call.reference("entity", entity).text("recursion", recursion.word()));
        }
        if let Some(begin) = self.begin {
            call = call.within("time", |call| call.text("beginTime", &begin.to_string()));
        }
        if !self.users.is_empty() {
            call = call.within("userName", |call| {
                call.text("systemUser", "false").texts("userList", self.users.iter().map(String::as_str))
            });
        }
        // What leaving it out means is told in two ways, so it is said.
        call.text("disableFullMessage", "false")
            .texts("eventTypeId", self.types.iter().map(String::as_str))
            .text("maxCount", &self.most.to_string())
    }
}

impl Session {
    pub async fn create_event_collector(&self, wanted: &EventFilter) -> Result<Reference, Trouble> {
        let call = Call::on("CreateCollectorForEvents", &self.part("eventManager")?)
            .within("filter", |filter| wanted.say(filter));
        self.make(call, self.client.deadlines.history).await
    }

    /// What stands behind the collector's cursor, and moves it, even if the answer is lost. Empty at the end.
    pub async fn read_next_events(&self, collector: &Reference, most: u32) -> Result<Vec<Element>, Trouble> {
        let call = Call::on("ReadNextEvents", collector).text("maxCount", &most.to_string());
        let answer = self.call_within(call, self.client.deadlines.history).await?;
        Ok(answer.into_all("returnval").collect())
    }

    /// The newest events that the collector holds, in no promised order.
    pub async fn latest_page(&self, collector: &Reference) -> Result<Vec<Element>, Trouble> {
        let call = retrieval(&self.part("propertyCollector")?, |specification| {
            property(specification, &collector.kind, &["latestPage"])
                .within("objectSet", |object| object.reference("obj", collector))
        });
        let mut objects = self.retrieve(call, self.client.deadlines.history).await?;
        let Some(mut object) = (!objects.is_empty()).then(|| objects.swap_remove(0)) else { return Ok(Vec::new()) };
        if let Some(trouble) = object.missing.pop() {
            return Err(trouble.1);
        }
        let page = object.properties.into_iter().find(|(name, _)| name == "latestPage");
        Ok(page.map(|(_, value)| events_of(value)).unwrap_or_default())
    }

    /// Writes `message` into the history of `entity`.
    pub async fn log_user_event(&self, entity: &Reference, message: &str) -> Result<(), Trouble> {
        let manager = self.part("eventManager")?;
        self.call(Call::on("LogUserEvent", &manager).reference("entity", entity).text("msg", message)).await?;
        Ok(())
    }
}

/// The members of an `ArrayOfEvent`.
pub(super) fn events_of(page: Element) -> Vec<Element> {
    page.into_all("Event").collect()
}
