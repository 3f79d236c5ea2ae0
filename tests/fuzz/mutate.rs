//! Mutations of real payloads.

const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "00",
    "1e400",
    "-1e400",
    "1e-400",
    "0.1e1",
    "255",
    "65536",
    "2147483648",
    "-9223372036854775809",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "99999999999999999999999999999999999999999999",
];
/// Opening and closing parts.
const NESTS: [(&str, &str); 6] =
    [("[", "]"), ("{\"a\":", "}"), ("<a>", "</a>"), ("(", ")"), ("{{", "}}"), ("\"", "\"")];
const DEPTHS: [usize; 6] = [1, 2, 63, 65, 130, 3000];
/// Control characters, invalid UTF-8, invisible and combining characters.
const ODD: [&[u8]; 14] = [
    b"\0",
    b"\r\n",
    b"\n\n",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"\\u0000",
    "\u{202e}".as_bytes(),
    "e\u{301}\u{301}\u{301}".as_bytes(),
    "👩‍👩‍👧‍👦".as_bytes(),
    b"%00%ff%",
    b"\x1b[31m",
];
const MOST_CHANGES: u32 = 6;

pub(crate) struct Mutator {
    pub(crate) random: fastrand::Rng,
    pub(crate) words: &'static [&'static str],
    pub(crate) longest: usize,
}

impl Mutator {
    pub(crate) fn mutant(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.one_of(corpus).clone();
        // One change is more likely than two, and so on.
        let changes = self.random.u32(1..=1 << MOST_CHANGES).leading_zeros() + MOST_CHANGES - 31 + 1;
        for _ in 0..changes.clamp(1, MOST_CHANGES) {
            self.change(&mut bytes, corpus);
        }
        bytes.truncate(self.longest);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.random.usize(..=bytes.len());
        match self.random.u32(..12) {
            0 => self.flip(bytes),
            1 => {
                let byte = self.random.u8(..);
                bytes.insert(at, byte);
            }
            2 => drop(bytes.drain(self.part(bytes))),
            3 => bytes.truncate(at),
            4 => self.repeat(bytes),
            5 => {
                let other = self.one_of(corpus).clone();
                let part = self.part(&other);
                let into = self.part(bytes);
                drop(bytes.splice(into, other[part].iter().copied()));
            }
            6 => {
                let other = self.one_of(corpus).clone();
                bytes.truncate(at);
                bytes.extend_from_slice(&other[self.random.usize(..=other.len())..]);
            }
            7 => self.other_number(bytes),
            8 => self.nest(bytes),
            9 => {
                let odd = ODD[self.random.usize(..ODD.len())];
                insert(bytes, at, odd);
            }
            10 => {
                let part = self.part(bytes);
                bytes[part].iter_mut().for_each(|byte| *byte ^= 0x20 * u8::from(byte.is_ascii_alphabetic()));
            }
            _ if self.words.is_empty() => self.flip(bytes),
            _ => {
                let word = self.words[self.random.usize(..self.words.len())];
                if self.random.bool() {
                    insert(bytes, at, word.as_bytes());
                } else {
                    let into = self.part(bytes);
                    drop(bytes.splice(into, word.bytes()));
                }
            }
        }
    }

    fn one_of<'c>(&mut self, corpus: &'c [Vec<u8>]) -> &'c Vec<u8> {
        &corpus[self.random.usize(..corpus.len())]
    }

    /// Mostly a short range, sometimes one of any length.
    fn part(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let from = self.random.usize(..=bytes.len());
        let most = bytes.len() - from;
        let long = if self.random.u32(..4) == 0 { most } else { most.min(16) };
        from..from + self.random.usize(..=long)
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            let at = self.random.usize(..bytes.len());
            bytes[at] ^= 1 << self.random.u32(..8);
        }
    }

    fn repeat(&mut self, bytes: &mut Vec<u8>) {
        let part = self.part(bytes);
        let at = part.end;
        let piece = bytes[part].to_vec();
        let often = if self.random.u32(..8) == 0 { self.longest / piece.len().max(1) } else { self.random.usize(1..9) };
        insert(bytes, at, &piece.repeat(often.min(4096)));
    }

    /// Replaces the next number, or inserts one.
    fn other_number(&mut self, bytes: &mut Vec<u8>) {
        let from = self.random.usize(..=bytes.len());
        let digit = bytes[from..].iter().position(u8::is_ascii_digit).map_or(from, |more| from + more);
        let end =
            bytes[digit..].iter().position(|byte| !byte.is_ascii_digit()).map_or(bytes.len(), |more| digit + more);
        let number = NUMBERS[self.random.usize(..NUMBERS.len())];
        drop(bytes.splice(digit..end, number.bytes()));
    }

    fn nest(&mut self, bytes: &mut Vec<u8>) {
        let part = self.part(bytes);
        let (open, close) = NESTS[self.random.usize(..NESTS.len())];
        let depth = DEPTHS[self.random.usize(..DEPTHS.len())];
        let closed = if self.random.u32(..4) == 0 { self.random.usize(..=depth) } else { depth };
        insert(bytes, part.end, close.repeat(closed).as_bytes());
        insert(bytes, part.start, open.repeat(depth).as_bytes());
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    drop(bytes.splice(at..at, piece.iter().copied()));
}
