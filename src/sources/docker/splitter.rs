//! One endless body cut into the JSON objects that stand in it, one after the other, with or without anything between.
//!
//! What comes is not believed: an object has a limit, and after rubbish the next line begins anew.

/// What was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// From brace to brace; whether it is JSON is for the reader to say.
    Object(String),
    /// An object above the limit, of which nothing was kept.
    TooLarge,
    Rubbish,
}

#[derive(Debug)]
pub(super) struct Splitter {
    limit: usize,
    held: Vec<u8>,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Between,
    /// Until the line ends.
    InRubbish,
    Inside(Depth),
    /// In an object that is too large to be kept.
    Beyond(Depth),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Depth {
    braces: usize,
    string: bool,
    escaped: bool,
    /// A line ended inside, and what stood before could still become JSON.
    broken_line: bool,
}

impl Splitter {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, held: Vec::new(), place: Place::Between }
    }

    /// Takes what came, however it was cut on its way, and shows what is whole now.
    pub(super) fn push(&mut self, bytes: &[u8], found: &mut impl FnMut(Piece)) {
        for byte in bytes {
            if let Some(piece) = self.step(*byte) {
                self.held.clear();
                self.place = Place::Between;
                found(piece);
            }
        }
    }

    fn step(&mut self, byte: u8) -> Option<Piece> {
        match &mut self.place {
            // RFC 7464 puts a record separator before each.
            Place::Between if byte.is_ascii_whitespace() || byte == 0x1e => None,
            Place::Between if byte == b'{' => {
                self.held.push(byte);
                self.place = Place::Inside(Depth { braces: 1, string: false, escaped: false, broken_line: false });
                None
            }
            Place::Between => {
                self.place = Place::InRubbish;
                None
            }
            Place::InRubbish => (byte == b'\n').then_some(Piece::Rubbish),
            Place::Inside(depth) => {
                self.held.push(byte);
                if byte == b'\n' && (depth.string || !depth.broken_line && !could_become_json(&self.held)) {
                    return Some(Piece::Rubbish);
                }
                depth.broken_line |= byte == b'\n';
                depth.step(byte);
                if depth.braces == 0 {
                    let text = String::from_utf8(std::mem::take(&mut self.held));
                    return Some(text.map_or(Piece::Rubbish, Piece::Object));
                }
                if self.held.len() >= self.limit {
                    let depth = *depth;
                    // What was held goes for good: the next ones are small again.
                    self.held = Vec::new();
                    self.place = Place::Beyond(depth);
                }
                None
            }
            Place::Beyond(depth) => {
                depth.step(byte);
                // Engines write an object on a line, so a line's end is an end even where the braces are wrong.
                (depth.braces == 0 || byte == b'\n').then_some(Piece::TooLarge)
            }
        }
    }
}

impl Depth {
    fn step(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.string => self.escaped = true,
            b'"' => self.string = !self.string,
            b'{' if !self.string => self.braces += 1,
            b'}' if !self.string => self.braces -= 1,
            _ => {}
        }
    }
}

/// Asked once for each object, at its first line's end: what is no JSON must not swallow what stands behind it.
fn could_become_json(held: &[u8]) -> bool {
    match serde_json::from_slice::<&serde_json::value::RawValue>(held) {
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
    fn objects_are_found_with_and_without_anything_between_them() {
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
    fn after_rubbish_the_next_line_begins_anew() {
        for rubbish in ["nonsense {", "[1,{\"a\":2}]", "{{{", "{\"a\": oops", "{\"a\": \"open", "}", "\u{fffd}{"] {
            let found = split(1024, &[rubbish.as_bytes(), b"\n{\"b\":1}\n"]);
            assert_eq!(found, [Piece::Rubbish, object("{\"b\":1}")], "{rubbish}");
        }
        assert_eq!(split(1024, &[b"{\"\xff\":1}{}"]), [Piece::Rubbish, object("{}")]);
    }

    #[test]
    fn what_is_too_large_is_not_kept_and_harms_nobody() {
        let huge = format!("{{\"a\":\"{}\"}}{{}}", "x".repeat(5000));
        assert_eq!(split(1024, &[huge.as_bytes()]), [Piece::TooLarge, object("{}")]);
        let unclosed = format!("{{\"a\":[{}\n{{}}", "{".repeat(5000));
        assert_eq!(split(1024, &[unclosed.as_bytes()]), [Piece::TooLarge, object("{}")]);
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_objects_come_out(
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
        fn nothing_that_comes_breaks_it_or_fills_it(bytes in proptest::collection::vec(any::<u8>(), 0..400), curly in "[{}\"\\\\\na:1,]{0,200}") {
            for bytes in [&bytes[..], curly.as_bytes()] {
                let mut splitter = Splitter::new(32);
                splitter.push(bytes, &mut |piece| {
                    if let Piece::Object(text) = piece {
                        assert!(text.starts_with('{') && text.ends_with('}') && text.len() <= 32);
                    }
                });
                prop_assert!(splitter.held.len() < 32);
                splitter.push(b"\n\n{}", &mut |_| ());
            }
        }
    }
}
