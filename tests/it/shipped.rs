//! The relays.toml that is shipped is the reference: whatever may be said in one is shown in it, in use or in a comment.

use std::collections::BTreeSet;

use crate::tree::read;

/// Every key that the text shows, as `source.tutum.grace` or `source.tutum.alert.to`, with everything it lies in.
///
/// Commented lines count when they would be TOML without their `#`.
fn shown_keys(relays: &str) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    let mut section = Vec::new();
    for line in relays.lines() {
        let line = line.trim_start().trim_start_matches('#').trim_start();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = header.trim_start_matches('[').split('.').map(|part| part.trim_matches('"')).collect();
            if ["source", "sink"].contains(&section[0]) && section.len() > 2 {
                // The third is the name that a user gives.
                section.remove(2);
            }
            show(&mut shown, &section);
        } else if let Some((key, value)) = line.split_once('=').filter(|(key, _)| is_a_key(key.trim())) {
            let place: Vec<&str> = section.iter().copied().chain(key.trim().split('.')).collect();
            show(&mut shown, &place);
            for inner in keys_inside(value) {
                show(&mut shown, &[&place[..], &[inner]].concat());
            }
        }
    }
    shown
}

/// A place shows itself and everything that it lies in.
fn show(shown: &mut BTreeSet<String>, place: &[&str]) {
    shown.extend((1..=place.len()).map(|depth| place[..depth].join(".")));
}

/// The keys of `{ to = "oncall", lost = "…" }`.
fn keys_inside(value: &str) -> Vec<&str> {
    let parts = value.split(['{', ',']).skip(usize::from(!value.trim_start().starts_with('{')));
    parts.filter_map(|part| part.split_once('=')).map(|(key, _)| key.trim()).filter(|key| is_a_key(key)).collect()
}

/// Keys that all kinds of sources share (or all sinks) are shown once, with whichever kind.
fn is_shown(shown: &BTreeSet<String>, key: &str) -> bool {
    let shared = || {
        let [sort, _kind, rest] = key.splitn(3, '.').collect::<Vec<_>>()[..] else { return false };
        let of_this_sort = shown.iter().filter_map(|other| other.strip_prefix(sort)?.strip_prefix('.'));
        ["source", "sink"].contains(&sort)
            && of_this_sort.filter_map(|other| other.split_once('.')).any(|other| other.1 == rest)
    };
    shown.contains(key) || shared()
}

/// Prose has spaces; a key has none.
fn is_a_key(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

#[test]
fn the_shipped_relays_toml_names_every_key() {
    let relays = read("relays.toml");
    let shown = shown_keys(&relays);
    let may_be_said = tidings::config::documented_keys();
    assert!(may_be_said.len() > 40, "{may_be_said:?}");
    let unsaid: Vec<_> = may_be_said.iter().filter(|key| !is_shown(&shown, key)).collect();
    assert!(unsaid.is_empty(), "relays.toml does not show {unsaid:?}");
}

#[test]
fn keys_are_seen_in_use_in_comments_and_inside_tables() {
    let shown = shown_keys(
        "# Sources: what = they are, in prose.\n#[source.tutum.prod]\n#grace = \"30s\"\nalert = { to = \"a\", lost = \"b\" }\n\
         [[relay]]\nfetch.stack = \"x\"\n[daemon]\nretention = { age = \"7d\" }  # and so on\n",
    );
    let expected = "daemon daemon.retention daemon.retention.age relay relay.fetch relay.fetch.stack source source.tutum \
        source.tutum.alert source.tutum.alert.lost source.tutum.alert.to source.tutum.grace";
    assert_eq!(shown.iter().map(String::as_str).collect::<Vec<_>>(), expected.split(' ').collect::<Vec<_>>());
    assert!(is_shown(&shown, "source.websocket.alert.to"), "shared by the sources");
    assert!(!is_shown(&shown, "sink.slack.grace") && !is_shown(&shown, "source.websocket"));
}

/// The relays that the comments show as examples, without their `#`.
fn example_relays(text: &str) -> String {
    let mut examples = String::new();
    let mut inside = false;
    for line in text.lines() {
        let bare = line.strip_prefix("# ").unwrap_or_default();
        inside = bare == "[[relay]]" || (inside && bare.contains(" = "));
        if inside {
            examples.push_str(bare);
            examples.push('\n');
        }
    }
    examples
}

#[test]
fn the_relays_that_the_comments_show_can_be_used_as_they_stand() {
    let shipped = read("relays.toml");
    let examples = example_relays(&shipped);
    assert!(examples.matches("[[relay]]").count() >= 4, "{examples}");
    let env = |name: &str| match name {
        "SLACK_URL" => Some("https://hooks.slack.com/services/T/B/X".to_owned()),
        "VCENTER_URL" => Some("user:password@vcenter.example.com:443".to_owned()),
        _ => Some("x".repeat(32)),
    };
    // The room's secret is a file, which no variable stands in for.
    let text =
        format!("{shipped}\n{examples}").replace("path_env = \"GCHAT_WEBHOOK_SECRET_FILE\"", "env = \"SLACK_URL\"");
    let config = tidings::config::Config::from_text(std::path::Path::new("relays.toml"), &text, &env, false);
    config.unwrap_or_else(|rejected| panic!("{rejected}"));
}
