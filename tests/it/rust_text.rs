//! A Rust file taken apart: its code without comments and texts, its string literals, and its doc comments.

/// What stands in a file, by kind. Each piece keeps its order; `code` has a space where something was taken out.
#[derive(Debug, Default)]
pub(crate) struct RustText {
    pub(crate) code: String,
    /// The insides of string literals, as written, each with the number of its first line.
    pub(crate) strings: Vec<(usize, String)>,
    /// `///` and `//!` lines without their slashes, each with its number.
    pub(crate) docs: Vec<(usize, String)>,
}

impl RustText {
    pub(crate) fn of(text: &str) -> Self {
        let mut found = Self::default();
        let (mut rest, mut line) = (text, 1);
        while let Some(first) = rest.chars().next() {
            let length = if rest.starts_with("//") {
                found.comment(rest, line)
            } else if rest.starts_with("/*") {
                found.code.push(' ');
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else if let Some((start, end, length)) = literal(rest).filter(|_| !found.ends_in_a_word()) {
                found.strings.push((line, rest.get(start..end).unwrap_or_default().to_owned()));
                found.code.push_str("\"\"");
                length
            } else if let Some(length) = character(rest) {
                found.code.push_str("' '");
                length
            } else {
                found.code.push(first);
                first.len_utf8()
            };
            let (taken, left) = rest.split_at(length);
            line += taken.matches('\n').count();
            rest = left;
        }
        found
    }

    fn comment(&mut self, rest: &str, line: usize) -> usize {
        let whole = rest.lines().next().unwrap_or_default();
        let doc = whole.strip_prefix("///").or_else(|| whole.strip_prefix("//!"));
        self.docs.extend(doc.map(|doc| (line, doc.trim().to_owned())));
        whole.len()
    }

    /// `r` and `b` begin a literal only where no name ends in them.
    fn ends_in_a_word(&self) -> bool {
        self.code.ends_with(|last: char| last.is_alphanumeric() || last == '_')
    }
}

/// Where the inside of the string literal at the beginning of `rest` starts and ends, and how long all of it is.
fn literal(rest: &str) -> Option<(usize, usize, usize)> {
    let bytes = rest.as_bytes();
    let prefix = ["br", "cr", "b", "c", "r", ""]
        .into_iter()
        .find(|prefix| rest.strip_prefix(prefix).is_some_and(|after| after.starts_with(['"', '#'])))?;
    if prefix.ends_with('r') {
        let hashes = rest.get(prefix.len()..)?.bytes().take_while(|byte| *byte == b'#').count();
        let start = prefix.len() + hashes;
        if bytes.get(start) != Some(&b'"') {
            return None;
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let length = rest.get(start + 1..)?.find(&end)?;
        return Some((start + 1, start + 1 + length, start + 1 + length + end.len()));
    }
    let start = prefix.len();
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return Some((start + 1, at, at + 1)),
            _ => at += 1,
        }
    }
    None
}

/// The length of the character literal at the beginning of `rest`; None for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let mut chars = inside.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        return inside.get(2..)?.find('\'').map(|end| end + 4);
    }
    let (end, close) = chars.next()?;
    (close == '\'').then_some(end + 2)
}

#[test]
fn a_file_is_taken_apart() {
    let text = "/// Says \"x\".\nfn a<'l>(b: &'l str) -> char { // no \"string\"\n    c(\"two \\\" words\", r#\"a \"raw\" one\"#, b\"bytes\", 'd', '\\'', '\"')\n}\n";
    let found = RustText::of(text);
    let strings: Vec<_> = found.strings.iter().map(|(line, text)| (*line, text.as_str())).collect();
    assert_eq!(strings, [(3, "two \\\" words"), (3, "a \"raw\" one"), (3, "bytes")]);
    assert_eq!(found.docs, [(1, "Says \"x\".".to_owned())]);
    assert!(found.code.contains("fn a<'l>(b: &'l str) -> char {") && !found.code.contains("no"), "{}", found.code);
}
