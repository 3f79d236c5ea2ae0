//! Percent-decoding, of headers and forms.

/// One round of it. A `%` without two digits behind it means itself; None where what comes out is no text.
pub(super) fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        let digit = |at: usize| behind.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let byte = match (*first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        bytes.push(byte.unwrap_or(*first));
        rest = behind.get(if byte.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sort_of_escape_is_read_once() {
        for (text, plain) in [
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("%41%4a%4A", "AJJ"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%zz%%41", "%zz%A"),
            ("%2541", "%41"),
            ("", ""),
        ] {
            assert_eq!(decoded(text.as_bytes()).as_deref(), Some(plain), "{text}");
        }
        // Overlong, half of a pair, and cut off.
        for odd in ["%C0%A0", "%ED%A0%80", "%E2%82"] {
            assert_eq!(decoded(odd.as_bytes()), None, "{odd}");
        }
    }
}
