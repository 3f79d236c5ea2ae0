//! Splits an endless body into the JSON objects in it, with or without whitespace between them.
//!
//! The body is not trusted: objects have a size limit, and after invalid input splitting continues with the next line.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text with balanced braces, which is not necessarily valid JSON.
    Object(String),
    /// An object above the size limit, whose text is discarded.
    TooLarge,
    /// Input outside of an object, or an object that cannot become JSON.
    Invalid,
}

#[derive(Debug)]
pub(super) struct Splitter {
    limit: usize,
    buffer: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    BetweenObjects,
    /// Until the end of the line.
    InInvalid,
    InObject(Nesting),
    /// In an object above the size limit.
    InTooLarge(Nesting),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Nesting {
    braces: usize,
    in_string: bool,
    escaped: bool,
    /// The object contains a line break, up to which it could become JSON.
    multiline: bool,
}

impl Splitter {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new(), state: State::BetweenObjects }
    }

    /// Appends bytes, and calls `found` with every piece that they complete.
    pub(super) fn push(&mut self, bytes: &[u8], found: &mut impl FnMut(Piece)) {
        for byte in bytes {
            if let Some(piece) = self.step(*byte) {
                self.buffer.clear();
                self.state = State::BetweenObjects;
                found(piece);
            }
        }
    }

    fn step(&mut self, byte: u8) -> Option<Piece> {
        match &mut self.state {
            // RFC 7464 puts a record separator before each.
            State::BetweenObjects if byte.is_ascii_whitespace() || byte == 0x1e => None,
            State::BetweenObjects if byte == b'{' => {
                self.buffer.push(byte);
                self.state = State::InObject(Nesting { braces: 1, in_string: false, escaped: false, multiline: false });
                None
            }
            State::BetweenObjects => {
                self.state = State::InInvalid;
                None
            }
            State::InInvalid => (byte == b'\n').then_some(Piece::Invalid),
            State::InObject(nesting) => {
                self.buffer.push(byte);
                if byte == b'\n' && (nesting.in_string || !nesting.multiline && !could_become_json(&self.buffer)) {
                    return Some(Piece::Invalid);
                }
                nesting.multiline |= byte == b'\n';
                nesting.step(byte);
                if nesting.braces == 0 {
                    let text = String::from_utf8(std::mem::take(&mut self.buffer));
                    return Some(text.map_or(Piece::Invalid, Piece::Object));
                }
                if self.buffer.len() >= self.limit {
                    let nesting = *nesting;
                    // Frees the memory: the next objects are probably small.
                    self.buffer = Vec::new();
                    self.state = State::InTooLarge(nesting);
                }
                None
            }
            State::InTooLarge(nesting) => {
                nesting.step(byte);
                // Engines write one object per line, so a line break ends the object even if its braces do not match.
                (nesting.braces == 0 || byte == b'\n').then_some(Piece::TooLarge)
            }
        }
    }
}

impl Nesting {
    fn step(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            b'{' if !self.in_string => self.braces += 1,
            b'}' if !self.in_string => self.braces -= 1,
            _ => {}
        }
    }
}

/// Checked once for each object, at its first line break, so that an invalid object does not include the ones after it.
fn could_become_json(start: &[u8]) -> bool {
    match serde_json::from_slice::<&serde_json::value::RawValue>(start) {
        Ok(_) => true,
        Err(error) => error.is_eof(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(limit: usize, pieces: &[&[u8]]) -> Vec<Piece> {
        let mut splitter = Splitter::new(limit);
        let mut found = Vec::new();
        for piece in pieces {
            splitter.push(piece, &mut |piece| found.push(piece));
        }
        found
    }

    fn object(text: &str) -> Piece {
        Piece::Object(text.to_owned())
    }

    #[test]
    fn objects_are_found_with_and_without_whitespace_between_them() {
        let all = b"{\"a\":1}{\"b\":\"}{\\\"\"}\n\n\x1e{\"c\":{\"d\":{}}}\r\n{\n \"e\": 1\n}\n{\"un";
        let wanted = [
            object("{\"a\":1}"),
            object("{\"b\":\"}{\\\"\"}"),
            object("{\"c\":{\"d\":{}}}"),
            object("{\n \"e\": 1\n}"),
        ];
        assert_eq!(split(1024, &[all]), wanted);
        let single: Vec<&[u8]> = all.chunks(1).collect();
        assert_eq!(split(1024, &single), wanted);
    }

    #[test]
    fn after_invalid_input_splitting_continues_with_the_next_line() {
        for invalid in ["nonsense {", "[1,{\"a\":2}]", "{{{", "{\"a\": oops", "{\"a\": \"open", "}", "\u{fffd}{"] {
            let found = split(1024, &[invalid.as_bytes(), b"\n{\"b\":1}\n"]);
            assert_eq!(found, [Piece::Invalid, object("{\"b\":1}")], "{invalid}");
        }
        assert_eq!(split(1024, &[b"{\"\xff\":1}{}"]), [Piece::Invalid, object("{}")]);
    }

    #[test]
    fn objects_above_the_limit_are_skipped() {
        let huge = format!("{{\"a\":\"{}\"}}{{}}", "x".repeat(5000));
        assert_eq!(split(1024, &[huge.as_bytes()]), [Piece::TooLarge, object("{}")]);
        let unclosed = format!("{{\"a\":[{}\n{{}}", "{".repeat(5000));
        assert_eq!(split(1024, &[unclosed.as_bytes()]), [Piece::TooLarge, object("{}")]);
    }

    proptest! {
        #[test]
        fn the_objects_do_not_depend_on_how_the_bytes_are_cut(
            texts in proptest::collection::vec("[a-z{}\\[\\]\"\\\\\u{e9}\n ]{0,12}", 0..8),
            between in "[\n \r]{0,3}",
            at in 1_usize..9,
        ) {
            let objects: Vec<String> = texts.iter().map(|text| serde_json::json!({"t": text, "u": [{}]}).to_string()).collect();
            let whole = objects.join(&between);
            let pieces: Vec<&[u8]> = whole.as_bytes().chunks(at).collect();
            let wanted: Vec<_> = objects.into_iter().map(Piece::Object).collect();
            prop_assert_eq!(split(4096, &pieces), wanted);
        }

        #[test]
        fn no_input_causes_a_panic_or_exceeds_the_limit(bytes in proptest::collection::vec(any::<u8>(), 0..400), curly in "[{}\"\\\\\na:1,]{0,200}") {
            for bytes in [&bytes[..], curly.as_bytes()] {
                let mut splitter = Splitter::new(32);
                splitter.push(bytes, &mut |piece| {
                    if let Piece::Object(text) = piece {
                        assert!(text.starts_with('{') && text.ends_with('}') && text.len() <= 32);
                    }
                });
                prop_assert!(splitter.buffer.len() < 32);
                splitter.push(b"\n\n{}", &mut |_| ());
            }
        }
    }
}
