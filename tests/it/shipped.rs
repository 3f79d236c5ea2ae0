//! The shipped relays.toml is the reference: it shows every key, in use or in a comment.

use std::collections::BTreeSet;

use crate::tree::read;

/// Every key that the text shows, as `source.tutum.grace` or `source.tutum.alert.to`, with the tables it is in.
///
/// Commented lines count if they are TOML without their `#`.
fn shown_keys(relays: &str) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    let mut section = Vec::new();
    for line in relays.lines() {
        let line = line.trim_start().trim_start_matches('#').trim_start();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = header.trim_start_matches('[').split('.').map(|part| part.trim_matches('"')).collect();
            if ["source", "sink"].contains(&section[0]) && section.len() > 2 {
                // The third part is the name chosen by the user.
                section.remove(2);
            }
            show(&mut shown, &section);
        } else if let Some((key, value)) = line.split_once('=').filter(|(key, _)| is_a_key(key.trim())) {
            let path: Vec<&str> = section.iter().copied().chain(key.trim().split('.')).collect();
            show(&mut shown, &path);
            for inner in keys_inside(value) {
                show(&mut shown, &[&path[..], &[inner]].concat());
            }
        }
    }
    shown
}

/// A path shows itself and the tables it is in.
fn show(shown: &mut BTreeSet<String>, path: &[&str]) {
    shown.extend((1..=path.len()).map(|depth| path[..depth].join(".")));
}

/// The keys of `{ to = "oncall", lost = "…" }`.
fn keys_inside(value: &str) -> Vec<&str> {
    let parts = value.split(['{', ',']).skip(usize::from(!value.trim_start().starts_with('{')));
    parts.filter_map(|part| part.split_once('=')).map(|(key, _)| key.trim()).filter(|key| is_a_key(key)).collect()
}

/// Keys that all kinds of sources share (or all sinks) are shown once, with any kind.
fn is_shown(shown: &BTreeSet<String>, key: &str) -> bool {
    let shared = || {
        let [sort, _kind, rest] = key.splitn(3, '.').collect::<Vec<_>>()[..] else { return false };
        let of_this_sort = shown.iter().filter_map(|other| other.strip_prefix(sort)?.strip_prefix('.'));
        ["source", "sink"].contains(&sort)
            && of_this_sort.filter_map(|other| other.split_once('.')).any(|other| other.1 == rest)
    };
    shown.contains(key) || shared()
}

/// Prose has spaces, a key has none.
fn is_a_key(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

#[test]
fn the_shipped_relays_toml_names_every_key() {
    let relays = read("relays.toml");
    let shown = shown_keys(&relays);
    let documented = tidings::config::documented_keys();
    assert!(documented.len() > 40, "{documented:?}");
    let missing: Vec<_> = documented.iter().filter(|key| !is_shown(&shown, key)).collect();
    assert!(missing.is_empty(), "relays.toml does not show {missing:?}");
}

#[test]
fn keys_are_found_in_use_in_comments_and_inside_tables() {
    let shown = shown_keys(
        "# Sources: what = they are, in prose.\n#[source.tutum.prod]\n#grace = \"30s\"\nalert = { to = \"a\", lost = \"b\" }\n\
         [[relay]]\nfetch.stack = \"x\"\n[daemon]\nretention = { age = \"7d\" }  # and so on\n",
    );
    let expected = "daemon daemon.retention daemon.retention.age relay relay.fetch relay.fetch.stack source source.tutum \
        source.tutum.alert source.tutum.alert.lost source.tutum.alert.to source.tutum.grace";
    assert_eq!(shown.iter().map(String::as_str).collect::<Vec<_>>(), expected.split(' ').collect::<Vec<_>>());
    assert!(is_shown(&shown, "source.websocket.alert.to"), "all sources share it");
    assert!(!is_shown(&shown, "sink.slack.grace") && !is_shown(&shown, "source.websocket"));
}

/// The example relays in the comments, without their `#`.
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
fn the_example_relays_in_the_comments_are_valid() {
    let shipped = read("relays.toml");
    let examples = example_relays(&shipped);
    assert!(examples.matches("[[relay]]").count() >= 4, "{examples}");
    let env = |name: &str| match name {
        "SLACK_URL" => Some("https://hooks.slack.com/services/T/B/X".to_owned()),
        "VCENTER_URL" => Some("user:password@vcenter.example.com:443".to_owned()),
        _ => Some("x".repeat(32)),
    };
    // The secret of the sink `room` is a file, which the test does not have.
    let text =
        format!("{shipped}\n{examples}").replace("path_env = \"GCHAT_WEBHOOK_SECRET_FILE\"", "env = \"SLACK_URL\"");
    let config = tidings::config::Config::from_text(std::path::Path::new("relays.toml"), &text, &env, false);
    config.unwrap_or_else(|rejected| panic!("{rejected}"));
}
