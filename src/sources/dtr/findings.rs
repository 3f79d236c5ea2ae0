//! The vulnerabilities that a scan found, by layer, component and CVE: the worst ones, and how many more there are.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::ingress::text_at;
use crate::message::{Unit, cut};

/// As many as people read in a chat; the link leads to the rest.
const MAX_SHOWN: usize = 30;
/// In characters.
const MAX_LINE: usize = 120;
/// In characters.
const MAX_SUMMARY: usize = 200;

pub(super) struct Findings<'v>(Vec<Finding<'v>>);

/// One vulnerability in one component.
#[derive(Debug, Default, Clone, PartialEq)]
struct Finding<'v> {
    cve: &'v str,
    cvss: f64,
    summary: Option<&'v str>,
    component: &'v str,
    version: &'v str,
    path: Option<&'v str>,
    /// Its number, from 1, and its digest.
    layer: Option<(usize, &'v str)>,
}

impl<'v> Findings<'v> {
    /// The older answer nests layers, components and vulnerabilities; the newer one has three lists that refer to each
    /// other.
    pub(super) fn of(whole: &'v Value, image: &'v Value) -> Self {
        let mut found = nested(list(whole, "layer_details"));
        found.extend(listed(image));
        found.sort_by(|a, b| {
            let place = |finding: &Finding<'v>| (finding.layer, finding.component, finding.version, finding.cve);
            b.cvss.total_cmp(&a.cvss).then_with(|| place(a).cmp(&place(b)))
        });
        let mut seen = HashSet::new();
        found.retain(|finding| seen.insert((finding.layer, finding.component, finding.version, finding.cve)));
        Self(found)
    }

    pub(super) fn to_json(&self) -> Map<String, Value> {
        let shown = || self.0.iter().take(MAX_SHOWN);
        Map::from_iter([
            ("lines".to_owned(), shown().map(Finding::line).collect()),
            ("findings".to_owned(), shown().map(Finding::to_json).collect()),
            ("count".to_owned(), self.0.len().into()),
            ("more".to_owned(), (self.0.len() - shown().len()).into()),
        ])
    }
}

impl Finding<'_> {
    /// By CVSS, as the registry rates them.
    fn severity(&self) -> &'static str {
        match self.cvss {
            score if score >= 7.0 => "critical",
            score if score >= 4.0 => "major",
            score if score > 0.0 => "minor",
            _ => "unrated",
        }
    }

    fn line(&self) -> String {
        let score = if self.cvss > 0.0 { format!(" {:.1}", self.cvss) } else { String::new() };
        let component = [self.component, self.version].map(str::trim).join(" ");
        let component = match component.trim() {
            "" => String::new(),
            component => format!(" in {component}"),
        };
        let layer = self.layer.map(|(number, _)| format!(", layer {number}")).unwrap_or_default();
        let line = format!("{} ({}{score}){component}{layer}", self.cve, self.severity());
        // A name may hold line breaks.
        cut(&line.replace(char::is_control, " "), MAX_LINE, Unit::Chars)
    }

    fn to_json(&self) -> Value {
        json!({
            "cve": self.cve,
            "severity": self.severity(),
            "cvss": (self.cvss > 0.0).then_some(self.cvss),
            "summary": self.summary.map(|text| cut(text, MAX_SUMMARY, Unit::Chars)),
            "component": self.component,
            "version": self.version,
            "path": self.path,
            "layer": self.layer.map(|(number, _)| number),
            "digest": self.layer.map(|(_, digest)| digest),
        })
    }
}

/// `layer_details[].components[].vulns[].vuln`
fn nested(layers: &[Value]) -> Vec<Finding<'_>> {
    let mut found = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let place = Some((number + 1, text_at(layer, "/sha256sum").unwrap_or_default()));
        for component in list(layer, "components") {
            let in_component = Finding { layer: place, ..named(component, "/component", "/fullpath/0") };
            for vuln in list(component, "vulns") {
                found.push(in_component.with(vuln.get("vuln").unwrap_or(vuln)));
            }
        }
    }
    found
}

/// `components[]` whose `cves` are keys of `cves[]`, and which are keys in `layers[].components`.
fn listed(image: &Value) -> Vec<Finding<'_>> {
    let cves: HashMap<_, _> = list(image, "cves").iter().filter_map(|cve| Some((key(cve)?, cve))).collect();
    let mut layers = HashMap::new();
    for (number, layer) in list(image, "layers").iter().enumerate() {
        let place = (number + 1, text_at(layer, "/digest").unwrap_or_default());
        for component in list(layer, "components").iter().filter_map(key) {
            // A component in several layers came from the lowest.
            layers.entry(component).or_insert(place);
        }
    }
    let mut found = Vec::new();
    for component in list(image, "components") {
        let layer = key(component).and_then(|key| layers.get(&key).copied());
        let in_component = Finding { layer, ..named(component, "/name", "/filepaths/0") };
        for cve in list(component, "cves") {
            let whole = key(cve).and_then(|key| cves.get(&key).copied()).unwrap_or(cve);
            found.push(in_component.with(whole));
        }
    }
    found
}

fn named<'v>(component: &'v Value, name: &str, path: &str) -> Finding<'v> {
    Finding {
        component: text_at(component, name).unwrap_or_default(),
        version: text_at(component, "/version").unwrap_or_default(),
        path: text_at(component, path),
        ..Finding::default()
    }
}

impl<'v> Finding<'v> {
    fn with(&self, vulnerability: &'v Value) -> Self {
        let name =
            text_at(vulnerability, "/cve").or_else(|| text_at(vulnerability, "/cvePK")).or(vulnerability.as_str());
        let cvss = vulnerability.get("cvss").and_then(|score| match score {
            Value::String(score) => score.parse().ok(),
            score => score.as_f64(),
        });
        Self {
            cve: name.unwrap_or("a vulnerability without a name"),
            cvss: cvss.filter(|score| score.is_finite()).unwrap_or(0.0),
            summary: text_at(vulnerability, "/summary"),
            ..self.clone()
        }
    }
}

/// The key of an element, or of a reference to it: a text, a number, or the element itself.
fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(members) => ["componentPK", "cvePK", "cve"]
            .iter()
            .find_map(|name| members.get(*name))
            .filter(|value| !value.is_object())
            .and_then(key),
        _ => None,
    }
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
