//! Files of one module do not use each other in a circle: each can be read after those that it uses.
//!
//! Between modules the layers see to that (`layers.rs`). Here each `use` and each path of a file is followed to the
//! file that defines the item. A `pub use` alone is no dependency: a `mod.rs` may list what its children offer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::rust_text::RustText;
use crate::tree::{read, rust_files};

type Path = Vec<String>;

static USE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(pub(?:\([a-z: ]+\))?\s+)?use\s+([^;]+);").expect("a pattern"));
static PATH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b[A-Za-z_]\w*(?:::[A-Za-z_]\w*)+").expect("a pattern"));
static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b[A-Za-z_]\w*").expect("a pattern"));

/// The modules of `src`, by path.
struct Crate {
    modules: BTreeMap<Path, Module>,
}

struct Module {
    file: String,
    imports: Vec<Import>,
    /// Paths in the code outside `use`.
    paths: Vec<Path>,
    /// The words of the code outside `use`.
    words: BTreeSet<String>,
}

struct Import {
    path: Path,
    /// The name in this file; None for a glob.
    name: Option<String>,
    reexport: bool,
}

impl Crate {
    fn read() -> Self {
        let files = rust_files("src").into_iter().filter(|file| !is_test(file));
        let modules = files.map(|file| (module_path(&file), Module::read(file)));
        Self { modules: modules.collect() }
    }

    /// Where a path that stands in module `at` begins, and what is left of it.
    fn start<'p>(&self, at: &[String], path: &'p [String]) -> Option<(Path, &'p [String])> {
        let first = path.first()?;
        let mut base = match first.as_str() {
            "crate" | "tidings" => Vec::new(),
            "self" => at.to_vec(),
            "super" => at.get(..at.len().checked_sub(1)?)?.to_vec(),
            name => {
                let child: Path = at.iter().cloned().chain([name.to_owned()]).collect();
                if self.modules.contains_key(&child) {
                    return Some((child, path.get(1..)?));
                }
                return None;
            }
        };
        let mut rest = path.get(1..)?;
        while rest.first().is_some_and(|name| name == "super") {
            base.pop()?;
            rest = rest.get(1..)?;
        }
        Some((base, rest))
    }

    /// The file that defines what `path` names, seen from module `at`. None: a module, or nothing of this crate.
    fn defined_in(&self, at: &[String], path: &[String], depth: usize) -> Option<&Module> {
        if depth == 0 {
            return None;
        }
        let Some((mut module, mut rest)) = self.start(at, path) else {
            // The name of an imported module or type.
            let import = self.modules.get(at)?.imports.iter().find(|import| import.name.as_ref() == path.first())?;
            let whole: Path = import.path.iter().chain(path.get(1..)?).cloned().collect();
            return self.defined_in(at, &whole, depth - 1);
        };
        while let Some(name) = rest.first() {
            let child: Path = module.iter().cloned().chain([name.clone()]).collect();
            if !self.modules.contains_key(&child) {
                break;
            }
            (module, rest) = (child, rest.get(1..)?);
        }
        let name = rest.first()?;
        let found = self.modules.get(&module)?;
        let import = found.imports.iter().find(|import| import.name.as_ref() == Some(name));
        match import {
            Some(import) => self.defined_in(&module, &import.path, depth - 1),
            None => Some(found),
        }
    }

    fn uses(&self, at: &[String], module: &Module) -> BTreeSet<String> {
        let counts =
            |import: &&Import| !import.reexport || import.name.as_ref().is_none_or(|name| module.words.contains(name));
        let imported = module.imports.iter().filter(counts).map(|import| &import.path);
        let files = imported.chain(&module.paths).filter_map(|path| self.defined_in(at, path, 8));
        files.map(|found| found.file.clone()).filter(|file| *file != module.file).collect()
    }
}

impl Module {
    fn read(file: String) -> Self {
        let code = without_tests(&RustText::of(&read(&file)).code);
        let mut imports = Vec::new();
        for found in USE.captures_iter(&code) {
            let tree: String = found[2].split_whitespace().collect::<Vec<_>>().join(" ");
            import_tree(&tree, &[], found.get(1).is_some(), &mut imports);
        }
        let rest = USE.replace_all(&code, "").into_owned();
        let paths =
            PATH.find_iter(&rest).map(|found| found.as_str().split("::").map(str::to_owned).collect()).collect();
        let words = WORD.find_iter(&rest).map(|found| found.as_str().to_owned()).collect();
        Self { file, imports, paths, words }
    }
}

/// `a::{b::C, d as e}` as its single imports.
fn import_tree(tree: &str, before: &[String], reexport: bool, imports: &mut Vec<Import>) {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let before: Path = before.iter().cloned().chain(segments(head)).collect();
        let group = group.trim_end().strip_suffix('}').unwrap_or(group);
        let (mut depth, mut start) = (0_usize, 0);
        for (at, byte) in group.bytes().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b',' if depth == 0 => {
                    import_tree(group.get(start..at).unwrap_or_default(), &before, reexport, imports);
                    start = at + 1;
                }
                _ => {}
            }
        }
        return import_tree(group.get(start..).unwrap_or_default(), &before, reexport, imports);
    }
    if tree.is_empty() {
        return;
    }
    let (written, alias) = tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name.trim())));
    let mut path: Path = before.iter().cloned().chain(segments(written)).collect();
    if path.last().is_some_and(|name| name == "self") && path.len() > 1 {
        path.pop();
    }
    let glob = written.ends_with('*');
    let name = alias.map(str::to_owned).or_else(|| path.last().cloned()).filter(|_| !glob);
    imports.push(Import { path, name, reexport });
}

fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned)
}

fn module_path(file: &str) -> Path {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
    inside
        .trim_end_matches("/mod")
        .split('/')
        .filter(|part| !["lib", "main"].contains(part))
        .map(str::to_owned)
        .collect()
}

pub(crate) fn is_test(file: &str) -> bool {
    let part = |name: &str| ["tests", "tests.rs", "test_support", "conformance", "conformance.rs"].contains(&name);
    file.split('/').any(part)
}

/// Inline test modules stand at a file's end.
pub(crate) fn without_tests(code: &str) -> String {
    code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

/// The files that are part of a circle, as the circles that they form.
fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reach = |from: &String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(file) = next.pop() {
            for to in edges.get(&file).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = edges.keys().map(|file| (file.clone(), reach(file))).collect();
    let mut found: Vec<Vec<String>> = Vec::new();
    for (file, to) in reached.iter().filter(|(file, to)| to.contains(*file)) {
        let circle: Vec<_> =
            to.iter().filter(|other| reached.get(*other).is_some_and(|back| back.contains(file))).cloned().collect();
        if !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

#[test]
fn no_files_of_a_module_use_each_other_in_a_circle() {
    let all = Crate::read();
    let edges: BTreeMap<_, _> =
        all.modules.iter().map(|(at, module)| (module.file.clone(), all.uses(at, module))).collect();
    let many: usize = edges.values().map(BTreeSet::len).sum();
    assert!(many > 500, "only {many} uses seen: does the test still read what it should?");
    let circles = circles(&edges);
    let shown = circles.iter().map(|circle| {
        let inside = |file: &String| {
            let to = edges.get(file).into_iter().flatten().filter(|to| circle.contains(to));
            format!("  {file} uses {}", to.cloned().collect::<Vec<_>>().join(", "))
        };
        circle.iter().map(inside).collect::<Vec<_>>().join("\n")
    });
    let shown: Vec<_> = shown.collect();
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), shown.join("\n\n"));
}

#[test]
fn a_circle_is_seen_however_it_is_written() {
    let mut imports = Vec::new();
    import_tree("super::{a::{B, C as D}, e::*, self}", &[], false, &mut imports);
    let shown: Vec<_> = imports.iter().map(|one| (one.path.join("::"), one.name.clone())).collect();
    assert_eq!(
        shown,
        [
            ("super::a::B".to_owned(), Some("B".to_owned())),
            ("super::a::C".to_owned(), Some("D".to_owned())),
            ("super::e::*".to_owned(), None),
            ("super".to_owned(), Some("super".to_owned())),
        ]
    );
    let edges = [("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["b"]), ("d", vec!["a"])];
    let edges = edges.map(|(from, to)| (from.to_owned(), to.into_iter().map(str::to_owned).collect()));
    assert_eq!(circles(&edges.into()), [["b", "c"]]);
}
