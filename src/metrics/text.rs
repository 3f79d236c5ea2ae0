//! Prometheus' text format 0.0.4, which every scraper reads.
//!
//! The crate writes `OpenMetrics`, where a counter's HELP and TYPE lines have no `_total`; the older format needs it.

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

pub(super) fn render(registry: &Registry) -> String {
    let mut open = String::with_capacity(16 * 1024);
    encode_registry(&mut open, registry).expect("writing to a string does not fail");
    let mut out = String::with_capacity(open.len() + 512);
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        let help = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        let counts = lines.peek().is_some_and(|next| next.starts_with("# TYPE ") && next.ends_with(" counter"));
        match help {
            Some((name, help)) if counts => {
                lines.next();
                out.extend(["# HELP ", name, "_total ", help, "\n# TYPE ", name, "_total counter\n"]);
            }
            _ => out.extend([line, "\n"]),
        }
    }
    out
}
