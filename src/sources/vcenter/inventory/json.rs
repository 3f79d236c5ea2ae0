//! An object of the inventory as the JSON that a template reads.

use serde_json::{Map, Value};

use crate::vsphere::{Element, Found, Reference};

/// A property that is not set (the guest's address while its tools do not run) is left out, which templates read as
/// empty.
pub(super) fn to_json(
    reference: &Reference,
    found: &Found,
    root: &Reference,
    host: Option<(String, Reference)>,
) -> Value {
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| {
        object.insert(name.to_owned(), value);
    };
    let text = |path: &str| found.get(path).map(|value| value.text.trim());
    let name = text("name").map(unescaped).unwrap_or_default();
    set("id", reference.to_string().into());
    set("kind", reference.kind.as_str().into());
    let above = found.ancestors.iter().filter(|ancestor| ancestor.reference != *root);
    let above: Vec<_> = above.map(|ancestor| unescaped(ancestor.name.trim())).collect();
    if let Some(folder) = above.first() {
        set("folder", folder.as_str().into());
    }
    let datacenter = found.ancestors.iter().find(|ancestor| ancestor.reference.kind == "Datacenter");
    if let Some(datacenter) = datacenter {
        set("datacenter", unescaped(datacenter.name.trim()).into());
    }
    if !found.ancestors.is_empty() {
        let path = above.iter().rev().chain([&name]).flat_map(|part| ["/", part]);
        set("path", path.collect::<String>().into());
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
    set("custom", custom(found.get("customValue"), found.get("availableField")));
    Value::Object(object)
}

/// Custom attributes by their names: `{ owner: "team-db" }`.
fn custom(values: Option<&Element>, fields: Option<&Element>) -> Value {
    let fields = fields.map_or(&[][..], |fields| &fields.children);
    let named = |key: &str| fields.iter().find(|field| field.text_of("key") == Some(key))?.text_of("name");
    let values = values.map_or(&[][..], |values| &values.children);
    let pairs = values.iter().filter_map(|value| {
        let key = value.text_of("key")?;
        Some((named(key).unwrap_or(key).to_owned(), value.text_of("value")?.into()))
    });
    Value::Object(pairs.collect())
}

/// The inventory writes `/`, `\` and `%` in names as `%2f`, `%5c` and `%25`.
pub(super) fn unescaped(name: &str) -> String {
    let name = name.replace("%2f", "/").replace("%2F", "/").replace("%5c", "\\").replace("%5C", "\\");
    // Last, since it can leave what looks like an escape.
    name.replace("%25", "%")
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
    fn a_vm_has_its_path_and_its_custom_values() {
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
        let object = to_json(&reference("VirtualMachine:vm-42"), &found, &reference("Folder:group-d1"), host);
        insta::assert_snapshot!(serde_json::to_string_pretty(&object).expect("JSON"), @r#"
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
        let object = to_json(
            &reference("Datastore:datastore-5"),
            &found(&[("name", "LocalDS"), ("summary.freeSpace", "1099511627776"), ("summary.accessible", "true")], &[]),
            &reference("Folder:group-d1"),
            None,
        );
        insta::assert_snapshot!(serde_json::to_string_pretty(&object).expect("JSON"), @r#"
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
    fn names_are_unescaped_once() {
        assert_eq!(unescaped("a%252fb%2F%5cé%"), "a%2fb/\\é%");
        assert_eq!(unescaped("%é%2"), "%é%2");
    }
}
