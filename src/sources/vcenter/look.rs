//! What a relay's `fetch` gets: the object behind a reference, with its place in the inventory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::fault::Fault;
use crate::vsphere::{Element, Found, Reference, Session, Trouble};

/// What every object of the inventory has.
const COMMON: [&str; 3] = ["name", "customValue", "availableField"];
const VM: [&str; 5] = ["runtime.powerState", "runtime.host", "config.annotation", "guest.ipAddress", "guest.hostName"];
const HOST: [&str; 2] = ["runtime.powerState", "runtime.connectionState"];
const DATASTORE: [&str; 3] = ["summary.capacity", "summary.freeSpace", "summary.accessible"];
/// What else may be asked for. A path that a kind does not have would fail the whole question.
const OTHERS: [&str; 12] = [
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

/// Hosts change their names so seldom that one question in five minutes is enough.
const HOST_KEPT: Duration = Duration::from_secs(300);
const HOSTS_KEPT: usize = 2048;

/// Names of hosts by their ids, and when they were asked for.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<HashMap<String, (Instant, String)>>);

/// A reference out of an event, so untrusted, found to be one that may be asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    reference: Reference,
    paths: Vec<&'static str>,
}

impl Wanted {
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        let reference: Reference = text.trim().parse()?;
        let own: &[&str] = match reference.kind.as_str() {
            "VirtualMachine" => &VM,
            "HostSystem" => &HOST,
            "Datastore" => &DATASTORE,
            kind if OTHERS.contains(&kind) => &[],
            kind => return Err(Fault::new("bad_reference", format!("a {kind} is nothing of the inventory"))),
        };
        let paths = COMMON.iter().chain(own).copied().collect();
        Ok(Self { reference, paths })
    }

    pub(super) async fn look(&self, session: &Session, hosts: &Hosts) -> Result<Value, Trouble> {
        let found = session.with_ancestors(&self.reference, &self.paths).await?;
        let host = found.properties.iter().find(|(path, _)| path == "runtime.host");
        let host = match host.and_then(|(_, value)| value.reference()) {
            Some(host) => Some((hosts.name(session, &host).await?, host)),
            None => None,
        };
        Ok(told(&self.reference, &found, session.root_folder(), host))
    }
}

impl Hosts {
    async fn name(&self, session: &Session, host: &Reference) -> Result<String, Trouble> {
        let known = self.lock().get(&host.id).filter(|(asked, _)| asked.elapsed() < HOST_KEPT).cloned();
        if let Some((_, name)) = known {
            return Ok(name);
        }
        let properties = match session.properties(host, &["name"]).await {
            // What may not be read, or went meanwhile, has no name; the rest is worth telling all the same.
            Err(Trouble::Gone(_) | Trouble::Server { .. }) => Vec::new(),
            properties => properties?,
        };
        let name = properties.into_iter().next().map(|(_, name)| unescaped(name.text.trim())).unwrap_or_default();
        let mut known = self.lock();
        if known.len() >= HOSTS_KEPT {
            known.clear();
        }
        known.insert(host.id.clone(), (Instant::now(), name.clone()));
        Ok(name)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything in plain words. What is not set (the guest's address, while its tools do not run) is left out, which a
/// template reads as empty.
fn told(reference: &Reference, found: &Found, root: &Reference, host: Option<(String, Reference)>) -> Value {
    let mut told = Map::new();
    let mut set = |name: &str, value: Value| {
        told.insert(name.to_owned(), value);
    };
    let property = |path: &str| found.properties.iter().find(|(known, _)| known == path).map(|(_, value)| value);
    let text = |path: &str| property(path).map(|value| value.text.trim());
    let name = text("name").map(unescaped).unwrap_or_default();
    set("id", reference.to_string().into());
    set("kind", reference.kind.as_str().into());
    let above: Vec<String> = found
        .ancestors
        .iter()
        .filter(|ancestor| ancestor.reference != *root)
        .map(|ancestor| unescaped(ancestor.name.trim()))
        .collect();
    if let Some(folder) = above.first() {
        set("folder", folder.as_str().into());
    }
    let datacenter = found.ancestors.iter().find(|ancestor| ancestor.reference.kind == "Datacenter");
    if let Some(datacenter) = datacenter {
        set("datacenter", unescaped(datacenter.name.trim()).into());
    }
    let mut path = String::new();
    for part in above.iter().rev().map(String::as_str).chain([name.as_str()]) {
        path.push('/');
        path.push_str(part);
    }
    if !found.ancestors.is_empty() {
        set("path", path.into());
    }
    set("name", name.into());
    for (name, path) in [
        ("power_state", "runtime.powerState"),
        ("connection_state", "runtime.connectionState"),
        ("annotation", "config.annotation"),
        ("ip", "guest.ipAddress"),
        ("guest_name", "guest.hostName"),
    ] {
        if let Some(text) = text(path) {
            set(name, text.into());
        }
    }
    for (name, path) in [("capacity", "summary.capacity"), ("free", "summary.freeSpace")] {
        if let Some(bytes) = text(path).and_then(|text| text.parse::<u64>().ok()) {
            set(name, bytes.into());
        }
    }
    if let Some(accessible) = text("summary.accessible") {
        set("accessible", (accessible == "true").into());
    }
    if let Some((name, host)) = host {
        set("host", name.into());
        set("host_id", host.to_string().into());
    }
    set("custom", custom(property("customValue"), property("availableField")));
    Value::Object(told)
}

/// Custom attributes by their names: `{ owner: "team-db" }`.
fn custom(values: Option<&Element>, fields: Option<&Element>) -> Value {
    let children = |element: Option<&Element>| element.map(|element| element.children.clone()).unwrap_or_default();
    let fields = children(fields);
    let named = |key: &str| fields.iter().find(|field| field.text_of("key") == Some(key))?.text_of("name");
    let values = children(values);
    let pairs = values.iter().filter_map(|value| {
        let key = value.text_of("key")?;
        Some((named(key).unwrap_or(key).to_owned(), value.text_of("value")?.into()))
    });
    Value::Object(pairs.collect())
}

/// The inventory writes `/`, `\` and `%` in names as `%2f`, `%5c` and `%25`.
fn unescaped(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, behind)) = rest.split_once('%') {
        plain.push_str(before);
        let letter = match behind.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("2f") => Some('/'),
            Some("5c") => Some('\\'),
            Some("25") => Some('%'),
            _ => None,
        };
        plain.push(letter.unwrap_or('%'));
        rest = if letter.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vsphere::{Ancestor, parse};

    fn found(properties: &[(&str, &str)], ancestors: &[(&str, &str)]) -> Found {
        let property = |(path, xml): &(&str, &str)| {
            let xml = format!("<val xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{xml}</val>");
            ((*path).to_owned(), parse(xml.as_bytes()).expect("XML"))
        };
        let ancestor = |(reference, name): &(&str, &str)| Ancestor {
            reference: reference.parse().expect("a reference"),
            name: (*name).to_owned(),
        };
        Found {
            properties: properties.iter().map(property).collect(),
            ancestors: ancestors.iter().map(ancestor).collect(),
        }
    }

    fn reference(text: &str) -> Reference {
        text.parse().expect("a reference")
    }

    #[test]
    fn a_vm_is_told_with_its_place_and_its_custom_values() {
        let found = found(
            &[
                ("name", "web%2f01 100%25"),
                ("runtime.powerState", "poweredOff"),
                ("config.annotation", "owner: ops &lt;db&gt;"),
                (
                    "customValue",
                    "<CustomFieldValue><key>7</key><value>team-db</value></CustomFieldValue>\
                    <CustomFieldValue><key>9</key><value>x</value></CustomFieldValue>",
                ),
                ("availableField", "<CustomFieldDef><key>7</key><name>owner</name></CustomFieldDef>"),
            ],
            &[
                ("Folder:group-v9", "prod"),
                ("Folder:group-v3", "vm"),
                ("Datacenter:datacenter-2", "DC%5c0"),
                ("Folder:group-d1", "Datacenters"),
            ],
        );
        let host = Some(("esx-1".to_owned(), reference("HostSystem:host-21")));
        let told = told(&reference("VirtualMachine:vm-42"), &found, &reference("Folder:group-d1"), host);
        insta::assert_snapshot!(serde_json::to_string_pretty(&told).expect("JSON"), @r#"
        {
          "annotation": "owner: ops <db>",
          "custom": {
            "9": "x",
            "owner": "team-db"
          },
          "datacenter": "DC\\0",
          "folder": "prod",
          "host": "esx-1",
          "host_id": "HostSystem:host-21",
          "id": "VirtualMachine:vm-42",
          "kind": "VirtualMachine",
          "name": "web/01 100%",
          "path": "/DC\\0/vm/prod/web/01 100%",
          "power_state": "poweredOff"
        }
        "#);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let told = told(
            &reference("Datastore:datastore-5"),
            &found(&[("name", "LocalDS"), ("summary.freeSpace", "1099511627776"), ("summary.accessible", "true")], &[]),
            &reference("Folder:group-d1"),
            None,
        );
        insta::assert_snapshot!(serde_json::to_string_pretty(&told).expect("JSON"), @r#"
        {
          "accessible": true,
          "custom": {},
          "free": 1099511627776,
          "id": "Datastore:datastore-5",
          "kind": "Datastore",
          "name": "LocalDS"
        }
        "#);
    }

    #[test]
    fn only_what_is_in_the_inventory_may_be_asked_for() {
        assert!(Wanted::read(" VirtualMachine:vm-42 ").is_ok());
        for bad in [
            "",
            "vm-42",
            "SessionManager:SessionManager",
            "EventHistoryCollector:session[52]1",
            "Task:task-1",
            "VirtualMachine:<a/>",
        ] {
            assert!(Wanted::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_unescaped_once() {
        assert_eq!(unescaped("a%252fb%2F%5cé%"), "a%2fb/\\é%");
        assert_eq!(unescaped("%é%2"), "%é%2");
    }
}
