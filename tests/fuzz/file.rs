//! relays.toml of any content: the result is a configuration, or errors with their positions.

use std::fs;
use std::path::Path;

use tidings::event::Body;

use crate::engine::{Target, gist};
use crate::relays::{event, outcomes, relays};

const WORDS: &[&str] = &[
    "[source.tutum.",
    "[source.webhook.",
    "[source.websocket.",
    "[sink.slack.",
    "[sink.pagerduty.",
    "[[relay]]\n",
    "[daemon]\n",
    "name = ",
    "from = ",
    "match = { ",
    "type = ",
    "when = ",
    "text = ",
    "to = ",
    "fetch.a = ",
    "key = ",
    "signal = ",
    "severity = ",
    "mute = [{ ",
    "days = \"sat-sun\"",
    "hours = \"22:00-06:00\"",
    "zone = \"Europe/Berlin\"",
    "unique = ",
    "throttle = { max = 5, per = \"1m\" }",
    "group = { by = ",
    "wait = ",
    "regex = \"",
    "exists = ",
    "not = ",
    "data.",
    "{ env = \"SET\" }",
    "{{ ",
    " }}",
    "{% for a in data %}",
    "{% endfor %}",
    "{% if ",
    "{% macro a() %}",
    " | ",
    "range(99999999)",
    "\"\"\"",
    "'''",
    "\n",
    "\"",
    "= ",
    "split = ",
    "verify = ",
    "path = ",
    "\"1h\"",
    "\"1MiB\"",
    "\"1/s\"",
    "optional = true",
    "https://example.com/",
    "(a+)+$",
    "[[",
    "]]",
    "#",
    "\\u0000",
    "alert = ",
    "rate = ",
    "raw.slack = {",
];

#[test]
fn relays_toml() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let faulty =
        fs::read_dir(top.join("tests/it/bad")).expect("faulty files").map(|entry| entry.expect("an entry").path());
    let faulty = faulty.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let read = |path: &Path| fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut corpus: Vec<_> = faulty.map(|path| read(&path)).collect();
    assert!(corpus.len() > 5, "there are faulty files");
    let shipped = String::from_utf8(read(&top.join("relays.toml"))).expect("text");
    // One block at a time, for speed, with its comments uncommented.
    let lines = shipped.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let plain: Vec<_> = lines.collect();
    corpus.extend(
        plain.split(|line| line.is_empty()).map(|part| part.join("\n").into_bytes()).filter(|part| !part.is_empty()),
    );
    let data =
        Body::parse(r#"{"type":"service","action":"update","state":"Failed","n":17,"parents":["/api/v1/stack/1/"]}"#);
    let event = event(data.expect("JSON"));
    Target { name: "relays_toml", corpus, words: WORDS, longest: 1 << 13 }.fuzz(|bytes| {
        match relays(&String::from_utf8_lossy(bytes)) {
            Ok(relays) => outcomes(&relays, &event),
            Err(report) => {
                let first = report.lines().find(|line| line.contains("error")).unwrap_or_default();
                assert!(report.contains("relays.toml"), "errors have positions: {report}");
                vec![gist(first)]
            }
        }
    });
}
