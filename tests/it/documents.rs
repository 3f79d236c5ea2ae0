//! What the documents claim holds: the README, the files of `deploy`, and the rules for the repository's files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tidings::config::Config;
use tidings::metrics::Metrics;

use crate::tree::{read, rust_files, top};

/// Longer files fail the test.
const LONGEST: usize = 400;
/// Longer files are listed.
const LONG: usize = 300;

/// The top of the repository, besides dotted files.
const TOP: [&str; 7] = ["Cargo.lock", "Cargo.toml", "README.md", "deploy", "relays.toml", "src", "tests"];
/// What builds and trials leave there; ignored by git.
const IGNORED: [&str; 2] = ["state", "target"];

const CARGO_WORDS: [&str; 9] = ["bench", "build", "clippy", "deny", "doc", "install", "nextest", "run", "test"];

/// The README's code: its blocks line by line, and its code spans.
fn code_of(readme: &str) -> Vec<String> {
    let mut code = Vec::new();
    let mut in_block = false;
    for line in readme.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            code.push(line.trim().to_owned());
        } else {
            code.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    code
}

/// Paths of this repository that the README names, in code or as links.
fn paths_in(readme: &str) -> BTreeSet<String> {
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned);
    let words = code_of(readme).into_iter().flat_map(|line| {
        line.split(|c: char| c.is_whitespace() || "\"'=,;()<>|".contains(c)).map(str::to_owned).collect::<Vec<_>>()
    });
    let linked = links.filter(|link| !link.starts_with('#') && !link.contains("://"));
    linked.chain(words.filter(|word| is_of_this_repository(word))).map(|path| tidy(&path)).collect()
}

fn tidy(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    // `src/sinks/*.rs` and `src/sinks/NAME.rs` mean the folder.
    let concrete: Vec<&str> =
        path.split('/').take_while(|part| !part.contains('*') && !part.starts_with("NAME")).collect();
    concrete.join("/").trim_end_matches(['/', '.', ':']).to_owned()
}

fn is_of_this_repository(word: &str) -> bool {
    let word = word.strip_prefix("./").unwrap_or(word);
    let first = word.split('/').next().unwrap_or_default();
    let source = word.rsplit_once('.').is_some_and(|(_, end)| end == "rs" || end == "md");
    TOP.contains(&first) || (first.starts_with(".ci") && word.contains('/')) || (source && !word.starts_with('/'))
}

/// The commands that the README's code calls: `tidings dead list`, and `cargo run --release -- demo` too.
fn verbs_in(readme: &str) -> BTreeSet<Vec<String>> {
    let mut verbs = BTreeSet::new();
    for line in code_of(readme) {
        let words: Vec<&str> = line.trim_start_matches("$ ").split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            let ours = *word == "tidings" && at == position_of_the_command(&words);
            let by_cargo = *word == "--" && words.get(at.wrapping_sub(1)).is_some() && line.contains("cargo run");
            if ours || by_cargo {
                let found = words.iter().skip(at + 1).take_while(|word| is_a_verb(word)).take(2);
                let found: Vec<String> = found.map(|word| (*word).to_owned()).collect();
                verbs.extend((!found.is_empty()).then_some(found));
            }
        }
    }
    verbs
}

/// Variables may be set in front of a command, as may `sudo`.
fn position_of_the_command(words: &[&str]) -> usize {
    words.iter().take_while(|word| word.contains('=') || **word == "sudo").count()
}

fn is_a_verb(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
}

fn tidings(words: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidings")).args(words).arg("--help").output().expect("tidings was built")
}

/// Whether the program knows the command; a second word counts only where the command has subcommands.
fn knows(words: &[String]) -> bool {
    let [first, rest @ ..] = words else { return false };
    let answer = tidings(std::slice::from_ref(first));
    let has_verbs = String::from_utf8_lossy(&answer.stdout).contains("Commands:");
    answer.status.success() && (rest.is_empty() || !has_verbs || tidings(words).status.success())
}

#[test]
fn every_path_in_the_readme_exists() {
    let paths = paths_in(&read("README.md"));
    assert!(paths.len() >= 3, "the README names too few paths: {paths:?}");
    let missing: Vec<_> =
        paths.iter().filter(|path| !IGNORED.contains(&path.split('/').next().unwrap_or_default())).collect();
    let missing: Vec<_> = missing.into_iter().filter(|path| !top().join(path).exists()).collect();
    assert!(missing.is_empty(), "the README names paths that do not exist: {missing:?}");
}

#[test]
fn every_command_in_the_readme_is_known_to_the_program() {
    let nonsense = ["no-such-verb".to_owned()];
    assert!(!knows(&nonsense), "the program accepts any command, so this test would prove nothing");
    let verbs = verbs_in(&read("README.md"));
    assert!(verbs.len() >= 3, "the README shows too few commands: {verbs:?}");
    let unknown: Vec<_> = verbs.iter().filter(|words| !knows(words)).collect();
    assert!(unknown.is_empty(), "the README shows commands that the program does not know: {unknown:?}");
}

#[test]
fn every_metric_in_the_readme_exists() {
    let metrics = Metrics::new();
    metrics.source(&"prod".into());
    metrics.sink(&"ops".into());
    metrics.relay(&"services".into());
    metrics.endpoint(&"hook".into());
    let text = metrics.render();
    let spans = code_of(&read("README.md"));
    let named: BTreeSet<_> = spans.iter().filter(|span| span.starts_with("tidings_")).collect();
    assert!(!named.is_empty(), "the README names no metric");
    for span in named {
        let (name, labels) = span.split_once('{').unwrap_or((span, ""));
        let sample = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        let sample = sample.unwrap_or_else(|| panic!("there is no metric {name}"));
        for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
            let label = label.split('=').next().unwrap_or_default();
            assert!(sample.contains(&format!("{label}=\"")), "{name} has no label {label}: {sample}");
        }
    }
}

#[test]
fn every_example_file_in_the_readme_loads() {
    let readme = read("README.md");
    let blocks: Vec<_> = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 3, "the README has too few examples of relays.toml");
    for block in blocks {
        let indent = block.len() - block.trim_start_matches(' ').len();
        let lines: Vec<_> = block.lines().map(|line| line.get(indent..).unwrap_or_default()).collect();
        let text = lines.join("\n");
        let env = |_: &str| Some("https://hooks.slack.com/services/T/B/X".to_owned());
        let config = Config::from_text(Path::new("relays.toml"), &text, &env, false);
        config.unwrap_or_else(|rejected| panic!("{rejected}\n{text}"));
    }
}

#[test]
fn every_key_in_the_readme_exists() {
    let keys = tidings::config::documented_keys();
    let known: BTreeSet<_> = keys.iter().filter_map(|key| key.rsplit('.').next()).collect();
    let readme = read("README.md");
    // Code spans only: the blocks are loaded by another test, or are shell.
    let text: String = readme.split("```").step_by(2).collect();
    let spans = text.split('`').skip(1).step_by(2).filter_map(|span| span.split_once(" = "));
    let named: BTreeSet<_> = spans.map(|(key, _)| key.trim()).filter(|key| is_a_key(key)).collect();
    assert!(named.len() > 10, "the README names too few keys: {named:?}");
    let unknown: Vec<_> = named
        .iter()
        .filter(|key| !known.contains(key.rsplit('.').next().unwrap_or_default()) && !key.starts_with("fetch."))
        .collect();
    assert!(unknown.is_empty(), "the README names keys that do not exist: {unknown:?}");
}

fn is_a_key(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || "_.".contains(c))
}

#[test]
fn every_cargo_command_in_the_readme_can_be_typed() {
    let readme = read("README.md");
    let manifest = read("Cargo.toml");
    let lines: Vec<String> = code_of(&readme).into_iter().filter(|line| line.contains("cargo ")).collect();
    assert!(lines.iter().any(|line| line.contains("cargo run --release -- demo")), "the README's run command is gone");
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().skip_while(|word| *word != "cargo").skip(1).collect();
        let word = words.first().copied().unwrap_or_default();
        assert!(CARGO_WORDS.contains(&word), "{line}: is `cargo {word}` a command?");
        for pair in words.windows(2) {
            if let ["--bench", name] = pair {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "{line}: Cargo.toml has no such bench");
            }
        }
    }
}

#[test]
fn no_file_of_the_tests_is_forgotten() {
    let files: Vec<_> = ["tests/it", "tests/fuzz"].into_iter().flat_map(rust_files).collect();
    assert!(files.len() > 2, "{files:?}");
    for file in &files {
        let parent = match file.strip_suffix("/mod.rs").or_else(|| file.strip_suffix(".rs")) {
            Some("tests/it/main" | "tests/fuzz/main") => continue,
            Some(module) => module.rsplit_once('/').expect("below tests"),
            None => panic!("{file} is no Rust file"),
        };
        let (folder, module) = parent;
        let declares = match folder {
            "tests/it" | "tests/fuzz" => format!("{folder}/main.rs"),
            _ => format!("{folder}/mod.rs"),
        };
        let row = format!("mod {module};");
        assert!(read(&declares).lines().any(|line| line.trim().ends_with(&row)), "{declares} lacks `{row}`");
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "long files are listed without failing")]
fn no_file_is_too_long() {
    let files = ["src", "tests"].into_iter().flat_map(rust_files);
    let lengths: Vec<(String, usize)> =
        files.map(|file| (read(&file).lines().count(), file)).map(|(n, f)| (f, n)).collect();
    for (file, lines) in lengths.iter().filter(|(_, lines)| *lines > LONG) {
        eprintln!("{file} has {lines} lines: files above {LONG} should be split");
    }
    let too_long: Vec<_> = lengths.iter().filter(|(_, lines)| *lines > LONGEST).collect();
    assert!(too_long.is_empty(), "longer than {LONGEST} lines: {too_long:?}");
}

#[test]
fn nothing_is_left_for_later_and_no_package_registry_is_named() {
    // Joined here, so that this file does not match itself.
    let later = [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("to", "do!("), ("unimpl", "emented!("), ("db", "g!(")];
    let registries = [("crates", "io"), ("pypi", "org"), ("npmjs", "org"), ("debian", "org"), ("golang", "org")];
    let later = later.map(|(head, tail)| format!("{head}{tail}"));
    let registries = registries.map(|(name, end)| format!("{name}.{end}"));
    let mut found = Vec::new();
    for file in ["src", "tests"].into_iter().flat_map(rust_files) {
        let text = read(&file);
        for (number, line) in (1..).zip(text.lines()) {
            let words = later.iter().chain(&registries);
            found.extend(words.filter(|word| line.contains(*word)).map(|word| format!("{file}:{number}: {word}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_top_of_the_repository_has_what_it_may_have() {
    let entries = fs::read_dir(top()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> =
        entries.filter(|name| !name.starts_with('.') && !IGNORED.contains(&name.as_str())).collect();
    assert_eq!(there, TOP.map(str::to_owned).into());
}

#[test]
fn ci_runs_what_you_run() {
    let run = read(".ci/run");
    let commands: Vec<_> = run.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(matches!(commands[..], [only] if only.contains("tests/run")), "{commands:?}");
    for file in [".ci/run", "tests/run"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(top().join(file)).unwrap().permissions().mode();
        assert!(mode & 0o111 == 0o111, "{file} is not executable");
    }
}

#[test]
fn what_deploy_copies_and_calls_exists() {
    let containerfile = read("deploy/Containerfile");
    let copied: Vec<&str> = containerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY ").filter(|rest| !rest.starts_with("--from")))
        .flat_map(|rest| rest.split_whitespace().rev().skip(1).collect::<Vec<_>>())
        .collect();
    assert!(copied.contains(&"relays.toml"), "{copied:?}");
    for path in copied {
        assert!(top().join(path).exists(), "the Containerfile copies {path}, which is not there");
    }
    let unit = read("deploy/tidings.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/tidings ")).expect("a command");
    let verb = start.split_whitespace().next().expect("a verb").to_owned();
    assert!(knows(&[verb]), "{start}");
    assert!(knows(&["status".to_owned()]) && containerfile.contains(r#"["tidings", "status"]"#));
    for variable in ["PAGERDUTY_KEY", "SLACK_URL", "TUTUM_TOKEN", "TUTUM_USERNAME", "VCENTER_URL"] {
        assert!(read("deploy/compose.yaml").contains(&format!("- {variable}\n")), "compose.yaml lacks {variable}");
        assert!(read("relays.toml").contains(variable), "relays.toml does not use {variable}");
    }
}

#[test]
fn a_document_is_parsed_as_people_read_it() {
    let readme = "See [the unit](deploy/tidings.service) and `src/sinks/NAME.rs`, `a/b`, `/etc/x.md`.\n\
        ```sh\n$ cargo run --release -- demo\nSLACK_URL=x tidings run --config relays.toml\ntidings dead list --json\n```\n";
    assert_eq!(
        paths_in(readme).into_iter().collect::<Vec<_>>(),
        ["deploy/tidings.service", "relays.toml", "src/sinks"]
    );
    let verbs: Vec<String> = verbs_in(readme).iter().map(|words| words.join(" ")).collect();
    assert_eq!(verbs, ["dead list", "demo", "run"]);
}
