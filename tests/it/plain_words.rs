//! Texts that users read are plain technical English: no words of the private language that this code once had.

use std::sync::LazyLock;

use regex::Regex;

use crate::cycles::{is_test, without_tests};
use crate::rust_text::RustText;
use crate::tree::{read, rust_files};

/// The word or turn, and what to write instead.
const BANNED: [(&str, &str); 30] = [
    (r"desks?", "admin API"),
    (r"doors?", "listener"),
    (r"house", "daemon"),
    (r"knock\w*", "request"),
    (r"strangers?", "unmatched request, unknown sender"),
    (r"visitors?", "connection, client"),
    (r"hush\w*", "silence, suppress"),
    (r"tell|tells|told|telling", "report, post, send, notify"),
    (r"said|unsaid", "configured, reported, sent"),
    (r"hear|hears|heard|hearing", "receive, received"),
    (r"brought|brings", "sent, received"),
    (r"buried|bury|buries", "dead letter"),
    (r"anew", "again"),
    (r"mend\w*", "fix"),
    (r"loud", "error"),
    (r"nobody|somebody|whoever", "name who or what"),
    (r"worded|wording", "rendered, text"),
    (r"comes? to nothing", "is dropped"),
    (r"stands? still|stood still", "makes no progress"),
    (r"makes? room", "is closed"),
    (r"no word of", "no report of"),
    (r"put up with", "allowed"),
    (r"is left of|what is left of", "the rest of"),
    (r"of its own accord|by itself alone", "automatically"),
    (r"letter for letter", "exactly"),
    (r"as it stands|as they stand", "as it is"),
    (r"comes? alive|come to life", "is enabled"),
    (r"dawdl\w*", "slow"),
    (r"herald\w*", "reporter"),
    (r"porter", "router"),
];

/// Words that are data, not prose.
const ALLOWED: [(&str, &str); 1] = [
    // The past tense that the filter `past` knows.
    ("src/relay/filters.rs", "brought"),
];

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let pattern = |words| Regex::new(&format!(r"\b(?:{words})\b")).expect("a pattern");
    BANNED.iter().map(|(words, instead)| (pattern(*words), *instead)).collect()
});

fn banned(text: &str, place: &str, found: &mut Vec<String>) {
    let lower = text.to_lowercase();
    for (pattern, instead) in &*PATTERNS {
        let words = pattern.find_iter(&lower).map(|word| word.as_str());
        let allowed = |word: &str| ALLOWED.iter().any(|(file, data)| place.starts_with(file) && *data == word);
        for word in words.filter(|word| !allowed(word)) {
            found.push(format!("{place}: `{word}` in `{}`; write: {instead}", text.trim()));
        }
    }
}

#[test]
fn texts_that_users_read_are_plain() {
    let all: Vec<_> = BANNED.iter().map(|(words, _)| *words).collect();
    let any = Regex::new(&format!(r"(?i)\b(?:{})\b", all.join("|"))).expect("a pattern");
    let (mut found, mut seen) = (Vec::new(), 0);
    for file in rust_files("src").into_iter().filter(|file| !is_test(file)) {
        let text = RustText::of(&without_tests(&read(&file)));
        // The command line's help is made of doc comments.
        let help = text.docs.into_iter().filter(|_| file.starts_with("src/cli/args"));
        for (line, text) in text.strings.into_iter().chain(help) {
            seen += 1;
            if any.is_match(&text) {
                banned(&text, &format!("{file}:{line}"), &mut found);
            }
        }
    }
    for file in ["README.md", "relays.toml", "deploy/tidings.service", "deploy/compose.yaml", "deploy/Containerfile"] {
        for (number, line) in (1..).zip(read(file).lines()).filter(|(_, line)| any.is_match(line)) {
            banned(line, &format!("{file}:{number}"), &mut found);
        }
    }
    assert!(seen > 2000, "only {seen} texts seen: does the test still read what it should?");
    assert!(found.is_empty(), "{} texts:\n{}", found.len(), found.join("\n"));
}
