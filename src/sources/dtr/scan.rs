//! What came of a scan, in words: both generations of answers read as one.

use serde_json::{Map, Value, json};

use super::findings::Findings;
use super::reference::Scan;

/// By number, as the registry keeps it.
const STATUSES: [&str; 7] = ["failed", "unscanned", "scanning", "pending", "scanned", "checking", "completed"];
/// What has not been checked yet was checked then.
const NEVER: &str = "0001-01-01";

/// One image's scan. The newer answer keeps most of it in `scannedImage` and its `totalVulnCount`, the older one has
/// it all at hand.
#[derive(Clone, Copy)]
struct Summary<'v> {
    whole: &'v Value,
    image: &'v Value,
}

/// Tells of the image with the worst findings: of one tag for several platforms each is scanned for itself.
pub(super) fn told(answer: &Value, scan: Scan, link: &str) -> Option<Value> {
    let images = match answer {
        Value::Array(images) => images.as_slice(),
        one => std::slice::from_ref(one),
    };
    let images = images.iter().filter(|image| image.is_object());
    let worst = images.clone().map(Summary::of).max_by_key(Summary::counts)?;
    let mut told = worst.told();
    told.insert("platforms".to_owned(), images.count().into());
    told.insert("link".to_owned(), link.into());
    if scan == Scan::Detailed {
        told.extend(Findings::of(worst.whole, worst.image).told());
    }
    Some(told.into())
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

    fn told(&self) -> Map<String, Value> {
        let counts = self.counts();
        let [critical, major, minor] = counts;
        let mut told = Map::new();
        let mut tell = |name: &str, value: Value| {
            if !value.is_null() {
                told.insert(name.to_owned(), value);
            }
        };
        tell("namespace", self.text(&["namespace"]).into());
        tell("repository", self.text(&["repository", "reponame"]).into());
        tell("tag", self.text(&["tag"]).into());
        tell("digest", self.text(&["manifestDigest", "digest"]).into());
        tell("status", self.status().into());
        tell("critical", critical.into());
        tell("major", major.into());
        tell("minor", minor.into());
        tell("total", counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count)).into());
        let completed = self.text(&["check_completed_at", "checkCompletedAt"]).filter(|at| !at.starts_with(NEVER));
        tell("completed_at", completed.into());
        for (name, names) in [
            ("should_rescan", ["should_rescan", "shouldRescan"]),
            ("has_foreign_layers", ["has_foreign_layers", "hasForeignLayers"]),
        ] {
            tell(name, json!(self.find(&names).and_then(Value::as_bool)));
        }
        told
    }
}
