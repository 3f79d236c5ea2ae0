//! The inventory: one virtual machine in its folders, and their properties.

use super::soap::{Node, escaped};

struct Object {
    kind: &'static str,
    id: &'static str,
    parent: Option<&'static str>,
    name: &'static str,
    /// Path, `xsi:type` and XML of the properties that are set.
    others: &'static [(&'static str, &'static str, &'static str)],
}

/// Names are escaped as in vCenter: `/` is `%2f`.
const OBJECTS: [Object; 5] = [
    Object { kind: "Folder", id: "group-d1", parent: None, name: "Datacenters", others: &[] },
    Object { kind: "Datacenter", id: "datacenter-2", parent: Some("group-d1"), name: "DC0", others: &[] },
    Object { kind: "Folder", id: "group-v3", parent: Some("datacenter-2"), name: "vm", others: &[] },
    Object { kind: "Folder", id: "group-v4", parent: Some("group-v3"), name: "Web%2fShop", others: &[] },
    Object {
        kind: "VirtualMachine",
        id: "vm-42",
        parent: Some("group-v4"),
        name: "web-01",
        others: &[
            ("runtime.host", "HostSystem", "host-21"),
            ("runtime.powerState", "VirtualMachinePowerState", "poweredOff"),
            ("config.annotation", "xsd:string", "owner: ops &lt;db&gt; &amp; co"),
            ("guest.ipAddress", "xsd:string", "10.0.0.7"),
            (
                "customValue",
                "ArrayOfCustomFieldValue",
                "<CustomFieldValue xsi:type=\"CustomFieldStringValue\"><key>7</key><value>team-db</value></CustomFieldValue>",
            ),
            (
                "availableField",
                "ArrayOfCustomFieldDef",
                "<CustomFieldDef><key>7</key><name>owner</name><type>VirtualMachine</type></CustomFieldDef>",
            ),
        ],
    },
];

/// The first parts of the property paths that these kinds have.
const KNOWN: [&str; 17] = [
    "name",
    "parent",
    "runtime",
    "config",
    "guest",
    "summary",
    "customValue",
    "availableField",
    "resourcePool",
    "datastore",
    "network",
    "tag",
    "overallStatus",
    "snapshot",
    "value",
    "storage",
    "layoutEx",
];

pub(super) enum Found {
    /// The answer's `<objects>`.
    Objects(String),
    /// The object does not exist.
    Gone { kind: String, id: String },
    /// For one wrong path vCenter returns nothing at all.
    WrongPath(String),
}

/// Answers a `specSet` about the inventory.
pub(super) fn retrieve(spec: &Node) -> Found {
    let mut found = String::new();
    for set in spec.all("objectSet") {
        let Some(obj) = set.child("obj") else { continue };
        let Some(mut object) = OBJECTS.iter().find(|object| object.id == obj.text && object.kind == obj.kind) else {
            return Found::Gone { kind: obj.kind.clone(), id: obj.text.clone() };
        };
        let climbs = set.all("selectSet").any(|select| select.class == "TraversalSpec" && climbs_to_the_root(select));
        if set.text_at(&["skip"]) != "true" {
            match written(object, spec) {
                Ok(xml) => found.push_str(&xml),
                Err(path) => return Found::WrongPath(path),
            }
        }
        while let Some(parent) = object.parent.filter(|_| climbs) {
            object = OBJECTS.iter().find(|object| object.id == parent).expect("a parent is there");
            match written(object, spec) {
                Ok(xml) => found.push_str(&xml),
                Err(path) => return Found::WrongPath(path),
            }
        }
    }
    Found::Objects(found)
}

/// From a managed entity along `parent`, recursively by its own name.
fn climbs_to_the_root(select: &Node) -> bool {
    let own = select.text_at(&["name"]);
    select.text_at(&["path"]) == "parent"
        && ["ManagedEntity", "VirtualMachine"].contains(&select.text_at(&["type"]))
        && select.all("selectSet").any(|inner| inner.text_at(&["name"]) == own && !own.is_empty())
}

fn written(object: &Object, spec: &Node) -> Result<String, String> {
    let mut paths: Vec<&str> = Vec::new();
    for wanted in spec.all("propSet").filter(|set| [object.kind, "ManagedEntity"].contains(&set.text_at(&["type"]))) {
        paths.extend(wanted.all("pathSet").map(|path| path.text.as_str()));
    }
    paths.sort_unstable();
    paths.dedup();
    let mut xml = format!("<objects><obj type=\"{}\">{}</obj>", object.kind, object.id);
    for path in paths {
        if !path.split('.').next().is_some_and(|first| KNOWN.contains(&first)) {
            return Err(path.to_owned());
        }
        xml.push_str(&property(object, path));
    }
    xml.push_str("</objects>");
    Ok(xml)
}

fn property(object: &Object, path: &str) -> String {
    let set = |value: String| format!("<propSet><name>{path}</name>{value}</propSet>");
    if path == "name" {
        return set(format!("<val xsi:type=\"xsd:string\">{}</val>", escaped(object.name)));
    }
    if path == "parent" {
        let parent = object.parent.and_then(|parent| OBJECTS.iter().find(|object| object.id == parent));
        let value = |parent: &Object| {
            set(format!("<val type=\"{}\" xsi:type=\"ManagedObjectReference\">{}</val>", parent.kind, parent.id))
        };
        return parent.map(value).unwrap_or_default();
    }
    match object.others.iter().find(|other| other.0 == path) {
        Some((_, "HostSystem", id)) => {
            set(format!("<val type=\"HostSystem\" xsi:type=\"ManagedObjectReference\">{id}</val>"))
        }
        Some((_, class, inner)) => set(format!("<val xsi:type=\"{class}\">{inner}</val>")),
        None => String::new(),
    }
}
