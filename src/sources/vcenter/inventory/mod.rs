//! What a relay's `fetch` gets: an object of the inventory, with its path.

mod json;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::fault::Fault;
use crate::vsphere::{ApiError, Element, Reference, Session};
use json::{to_json, unescaped};

/// Properties of every object of the inventory.
const COMMON: [&str; 3] = ["name", "customValue", "availableField"];
const VM: [&str; 5] = ["runtime.powerState", "runtime.host", "config.annotation", "guest.ipAddress", "guest.hostName"];
const HOST: [&str; 2] = ["runtime.powerState", "runtime.connectionState"];
const DATASTORE: [&str; 3] = ["summary.capacity", "summary.freeSpace", "summary.accessible"];
/// Other kinds that may be fetched. A property that a kind does not have would fail the whole call.
const OTHER_KINDS: [&str; 12] = [
    "Folder",
    "Datacenter",
    "ComputeResource",
    "ClusterComputeResource",
    "ResourcePool",
    "VirtualApp",
    "StoragePod",
    "Network",
    "OpaqueNetwork",
    "DistributedVirtualPortgroup",
    "DistributedVirtualSwitch",
    "VmwareDistributedVirtualSwitch",
];

/// Hosts rarely change their names.
const HOST_NAME_FOR: Duration = Duration::from_secs(300);
const MAX_HOST_NAMES: usize = 2048;

/// Names of hosts by their ids, and when each was read.
#[derive(Debug, Default)]
pub(super) struct HostNames(Mutex<HashMap<String, (Instant, String)>>);

/// A valid reference to an object that may be fetched. The text comes from an event, so it is not trusted.
#[derive(Debug)]
pub(super) struct InventoryQuery {
    reference: Reference,
    paths: Vec<&'static str>,
}

impl InventoryQuery {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let reference: Reference = text.trim().parse()?;
        let own: &[&str] = match reference.kind.as_str() {
            "VirtualMachine" => &VM,
            "HostSystem" => &HOST,
            "Datastore" => &DATASTORE,
            kind if OTHER_KINDS.contains(&kind) => &[],
            kind => return Err(Fault::new("bad_reference", format!("a {kind} is not an object of the inventory"))),
        };
        let paths = COMMON.iter().chain(own).copied().collect();
        Ok(Self { reference, paths })
    }

    pub(super) async fn fetch(&self, session: Arc<Session>, hosts: &HostNames) -> Result<Value, ApiError> {
        let found = session.with_ancestors(&self.reference, &self.paths).await?;
        let host = match found.get("runtime.host").and_then(Element::reference) {
            Some(host) => Some((hosts.name(&session, &host).await?, host)),
            None => None,
        };
        Ok(to_json(&self.reference, &found, &session.service("rootFolder")?, host))
    }
}

impl HostNames {
    async fn name(&self, session: &Session, host: &Reference) -> Result<String, ApiError> {
        let known = self.lock().get(&host.id).filter(|(read_at, _)| read_at.elapsed() < HOST_NAME_FOR).cloned();
        if let Some((_, name)) = known {
            return Ok(name);
        }
        let properties = match session.properties(host, &["name"]).await {
            // A host that may not be read, or no longer exists, has no name. The rest of the object is still useful.
            Err(ApiError::NotFound(_) | ApiError::Server { .. }) => Vec::new(),
            properties => properties?,
        };
        let name = properties.into_iter().next().map(|(_, name)| unescaped(name.text.trim())).unwrap_or_default();
        let mut known = self.lock();
        if known.len() >= MAX_HOST_NAMES {
            known.clear();
        }
        known.insert(host.id.clone(), (Instant::now(), name.clone()));
        Ok(name)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_of_the_inventory_may_be_fetched() {
        assert!(InventoryQuery::parse(" VirtualMachine:vm-42 ").is_ok());
        for bad in [
            "",
            "vm-42",
            "SessionManager:SessionManager",
            "EventHistoryCollector:session[52]1",
            "Task:task-1",
            "VirtualMachine:<a/>",
        ] {
            assert!(InventoryQuery::parse(bad).is_err(), "{bad}");
        }
    }
}
