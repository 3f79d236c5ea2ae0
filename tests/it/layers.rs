//! Modules use only what the layers in the head of src/lib.rs allow.

use std::collections::BTreeMap;

use crate::rust_text::RustText;
use crate::tree::{read, rust_files};

/// In these layers a module may use those to its right in the row. In the others, neighbours do not know each other.
const SIDEWAYS: [usize; 3] = [0, 1, 6];

/// The layer of each module and its position in the layer's row.
type Layers = BTreeMap<String, (usize, usize)>;

/// Reads rows like `//!  2  sources/*  sinks/*`.
fn layers_of(lib: &str) -> Layers {
    let rows = lib.lines().filter_map(|line| {
        let mut words = line.strip_prefix("//!")?.split_whitespace();
        let layer = words.next()?.parse::<usize>().ok()?;
        Some((layer, words))
    });
    rows.flat_map(|(layer, words)| {
        words.enumerate().map(move |(place, module)| (module.trim_end_matches("/*").to_owned(), (layer, place)))
    })
    .collect()
}

/// `src/sinks/slack.rs` belongs to the module `sinks`, `src/app.rs` to `app`.
fn module_of(file: &str) -> &str {
    let inside = file.strip_prefix("src/").expect("a file of src");
    inside.split('/').next().expect("split gives one").trim_end_matches(".rs")
}

/// Every top-level module that code names by `crate::`.
fn modules_named(code: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let before = code.as_bytes().get(at.wrapping_sub(1)).copied();
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let rest = code.get(at + found.len()..).unwrap_or_default();
        match rest.strip_prefix('{') {
            Some(group) => modules.extend(first_words(group)),
            None => modules.extend(word(rest)),
        }
    }
    modules
}

/// The first words of `a, b::{C, D}, e::F};`: what the group's own members start with.
fn first_words(group: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut depth, mut starts) = (0_usize, true);
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => starts = true,
            _ if byte.is_ascii_whitespace() => {}
            _ if depth == 0 && starts => {
                words.extend(group.get(at..).and_then(word));
                starts = false;
            }
            _ => {}
        }
    }
    words
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// Every `super::super::word` of the code: how many levels up, and the word.
fn upward_paths(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let paths = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    paths.filter_map(|path| {
        let steps = path.split("::").take_while(|part| *part == "super").count();
        Some((steps, path.split("::").nth(steps).filter(|_| steps > 0)?))
    })
}

/// How many `super` lead from the file out of `src`.
fn depth_of(file: &str) -> usize {
    file.trim_end_matches("/mod.rs").split('/').count() - 1
}

fn may_use(layers: &Layers, from: &str, on: &str) -> bool {
    let (Some(from_at), Some(on_at)) = (layers.get(from), layers.get(on)) else { return false };
    from == on || on_at.0 < from_at.0 || (on_at.0 == from_at.0 && SIDEWAYS.contains(&on_at.0) && on_at.1 > from_at.1)
}

#[test]
fn every_use_points_to_a_lower_layer() {
    let layers = layers_of(&read("src/lib.rs"));
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in rust_files("src") {
        // These two name every module.
        if ["src/lib.rs", "src/main.rs"].contains(&file.as_str()) {
            continue;
        }
        let from = module_of(&file);
        if !layers.contains_key(from) {
            wrong.push(format!("{file}: `{from}` has no layer in the head of src/lib.rs"));
            continue;
        }
        let code = RustText::of(&read(&file)).code;
        for on in modules_named(&code) {
            seen += 1;
            if !may_use(&layers, from, &on) {
                let layer =
                    |module: &str| layers.get(module).map_or("no layer".to_owned(), |at| format!("layer {}", at.0));
                wrong.push(format!("{file} ({}) uses crate::{on} ({})", layer(from), layer(&on)));
            }
        }
        let out = upward_paths(&code).filter(|(steps, to)| *steps >= depth_of(&file) && layers.contains_key(*to));
        wrong.extend(
            out.map(|(_, to)| format!("{file} reaches {to} by super::, which hides the layer: write crate::{to}")),
        );
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "uses that the layers do not allow:\n{}", wrong.join("\n"));
    assert!(seen > 50, "only {seen} uses seen: does the test still read what it should?");
}

#[test]
fn every_module_has_a_layer_and_every_layer_its_modules() {
    let lib = read("src/lib.rs");
    let layers = layers_of(&lib);
    let mut modules: Vec<&str> = lib
        .lines()
        .filter_map(|line| {
            line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("pub(crate) mod "))?.strip_suffix(';')
        })
        .collect();
    modules.push("main");
    modules.sort_unstable();
    let shown: Vec<&str> = layers.keys().map(String::as_str).collect();
    assert_eq!(shown, modules, "the layers in the head of src/lib.rs and its modules differ");
    let numbers: std::collections::BTreeSet<usize> = layers.values().map(|at| at.0).collect();
    assert_eq!(numbers.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_use_is_seen_however_it_is_written() {
    assert_eq!(modules_named("use crate::app::App;"), ["app"]);
    assert_eq!(
        modules_named("use crate::{\n    event::{Body, Event},\n    app,\n    stop::Stop,\n};"),
        ["event", "app", "stop"]
    );
    assert_eq!(modules_named("let x = crate::queue::open(crate::event::path(a));"), ["queue", "event"]);
    assert_eq!(modules_named("pub(crate) fn of(my_crate::x: u8)"), [] as [&str; 0]);
    let upward: Vec<_> = upward_paths("use super::super::x::Z; use super::y; use std::fs;").collect();
    assert_eq!(upward, [(2, "x"), (1, "y")]);
    assert_eq!([depth_of("src/app.rs"), depth_of("src/queue/mod.rs"), depth_of("src/sinks/slack.rs")], [1, 1, 2]);

    let layers = layers_of("//!  2  sources/*  sinks/*\n//!  1  queue  outbound  said\n//!  0  event  fault\n");
    assert!(may_use(&layers, "sinks", "outbound"));
    assert!(may_use(&layers, "outbound", "said"), "to the right, on the ground");
    assert!(!may_use(&layers, "said", "outbound"), "to the left");
    assert!(!may_use(&layers, "sources", "sinks"), "sideways, higher up");
    assert!(!may_use(&layers, "event", "queue"), "upward");
    assert!(!may_use(&layers, "queue", "nowhere"));
}
