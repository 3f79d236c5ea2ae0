//! The result of a scan as relays see it: both versions of the API's answer read alike.

use serde_json::{Map, Value, json};

use super::findings::Findings;
use super::reference::Scan;

/// By the registry's number.
const STATUSES: [&str; 7] = ["failed", "unscanned", "scanning", "pending", "scanned", "checking", "completed"];
/// The date of a check that has not happened.
const NEVER: &str = "0001-01-01";

/// One image's scan. The newer answer has most fields in `scannedImage` and its `totalVulnCount`, the older one has all
/// at the top.
#[derive(Clone, Copy)]
struct Summary<'v> {
    whole: &'v Value,
    image: &'v Value,
}

/// The image with the worst findings: a tag has one image for each platform, and each is scanned.
pub(super) fn to_json(answer: &Value, scan: Scan, link: &str) -> Option<Value> {
    let images = match answer {
        Value::Array(images) => images.as_slice(),
        one => std::slice::from_ref(one),
    };
    let images = images.iter().filter(|image| image.is_object());
    let worst = images.clone().map(Summary::of).max_by_key(Summary::counts)?;
    let mut json = worst.to_json();
    json.insert("platforms".to_owned(), images.count().into());
    json.insert("link".to_owned(), link.into());
    if scan == Scan::Detailed {
        json.extend(Findings::of(worst.whole, worst.image).to_json());
    }
    Some(json.into())
}

impl<'v> Summary<'v> {
    fn of(whole: &'v Value) -> Self {
        Self { whole, image: whole.get("scannedImage").unwrap_or(&Value::Null) }
    }

    fn find(&self, names: &[&str]) -> Option<&'v Value> {
        let counts = self.image.get("totalVulnCount").unwrap_or(&Value::Null);
        let places = [self.whole, self.image, counts];
        let found = names.iter().flat_map(|name| places.iter().filter_map(move |place| place.get(*name)));
        found.into_iter().find(|value| !value.is_null())
    }

    fn text(&self, names: &[&str]) -> Option<&'v str> {
        self.find(names).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Critical, major, minor.
    fn counts(&self) -> [u64; 3] {
        ["critical", "major", "minor"].map(|name| self.find(&[name]).and_then(Value::as_u64).unwrap_or(0))
    }

    fn status(&self) -> String {
        let number = match self.find(&["last_scan_status", "scanStatus"]) {
            Some(Value::String(word)) => word.parse().map_err(|_| word.to_lowercase()),
            Some(number) => number.as_u64().ok_or_else(|| "unknown".to_owned()),
            None => Err("unknown".to_owned()),
        };
        let word = |number: u64| usize::try_from(number).ok().and_then(|number| STATUSES.get(number));
        number.map_or_else(
            |word| word,
            |number| word(number).map_or(format!("unknown ({number})"), |word| (*word).to_owned()),
        )
    }

    fn to_json(self) -> Map<String, Value> {
        let counts = self.counts();
        let [critical, major, minor] = counts;
        let mut json = Map::new();
        let mut set = |name: &str, value: Value| {
            if !value.is_null() {
                json.insert(name.to_owned(), value);
            }
        };
        set("namespace", self.text(&["namespace"]).into());
        set("repository", self.text(&["repository", "reponame"]).into());
        set("tag", self.text(&["tag"]).into());
        set("digest", self.text(&["manifestDigest", "digest"]).into());
        set("status", self.status().into());
        set("critical", critical.into());
        set("major", major.into());
        set("minor", minor.into());
        set("total", counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count)).into());
        let completed = self.text(&["check_completed_at", "checkCompletedAt"]).filter(|at| !at.starts_with(NEVER));
        set("completed_at", completed.into());
        for (name, names) in [
            ("should_rescan", ["should_rescan", "shouldRescan"]),
            ("has_foreign_layers", ["has_foreign_layers", "hasForeignLayers"]),
        ] {
            set(name, json!(self.find(&names).and_then(Value::as_bool)));
        }
        json
    }
}
