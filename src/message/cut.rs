//! Cutting text to a limit: the one place where it is done.

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Unicode scalar values.
    Chars,
    /// What JavaScript, Java and most chat services count.
    Utf16,
    Bytes,
}

impl Unit {
    fn of(self, letter: char) -> usize {
        match self {
            Self::Chars => 1,
            Self::Utf16 => letter.len_utf16(),
            Self::Bytes => letter.len_utf8(),
        }
    }

    pub fn count(self, text: &str) -> usize {
        text.chars().map(|letter| self.of(letter)).sum()
    }
}

/// At most `limit` units of `text`, with an ellipsis where it was cut. Never splits a character, a letter from its
/// combining mark, or an entity like `&amp;`.
pub fn cut(text: &str, limit: usize, unit: Unit) -> String {
    if unit.count(text) <= limit {
        return text.to_owned();
    }
    let ellipsis = unit.of('…');
    if limit < ellipsis {
        return String::new();
    }
    let mut left = limit - ellipsis;
    let mut kept = String::new();
    for letter in text.chars() {
        let size = unit.of(letter);
        if size > left {
            break;
        }
        left -= size;
        kept.push(letter);
    }
    let rest = text.get(kept.len()..).unwrap_or_default();
    if kept.ends_with('\u{200d}') || rest.chars().next().is_some_and(joins_the_letter_before) {
        drop_last_cluster(&mut kept);
    }
    drop_open_entity(&mut kept, rest);
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// Marks that belong to the letter before them: accents, variation selectors, joiners, skin tones.
fn joins_the_letter_before(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}')
}

fn drop_last_cluster(kept: &mut String) {
    while let Some(letter) = kept.pop() {
        let joined = joins_the_letter_before(letter) || kept.ends_with('\u{200d}');
        if !joined {
            break;
        }
    }
}

/// `&quot;` is the longest entity of any escaping.
const LONGEST_ENTITY: usize = 6;

fn drop_open_entity(kept: &mut String, rest: &str) {
    let Some(at) = kept.rfind('&') else { return };
    let tail = kept.get(at..).unwrap_or_default();
    if tail.len() >= LONGEST_ENTITY || tail.contains(';') {
        return;
    }
    let rest: String = rest.chars().take(LONGEST_ENTITY - tail.len()).collect();
    let whole = format!("{tail}{rest}");
    if ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|entity| whole.starts_with(entity)) {
        kept.truncate(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cuts_at_characters_marks_and_entities() {
        assert_eq!(cut("short", 5, Unit::Chars), "short");
        assert_eq!(cut("too long", 6, Unit::Chars), "too l…");
        assert_eq!(cut("a&amp;b", 4, Unit::Chars), "a…");
        assert_eq!(cut("ab😀😀", 4, Unit::Utf16), "ab…");
        assert_eq!(cut("cafe\u{301} au lait", 5, Unit::Chars), "caf…");
        assert_eq!(cut("x👨\u{200d}👩\u{200d}👧y", 5, Unit::Chars), "x…");
        assert_eq!(cut("👨\u{200d}👩👨\u{200d}👩", 5, Unit::Chars), "👨\u{200d}👩…");
        assert_eq!(cut("anything", 0, Unit::Bytes), "");
    }

    proptest! {
        #[test]
        fn never_exceeds_the_limit_and_keeps_a_beginning(text in "\\PC{0,80}", limit in 0usize..60) {
            for unit in [Unit::Chars, Unit::Utf16, Unit::Bytes] {
                let short = cut(&text, limit, unit);
                prop_assert!(unit.count(&short) <= limit);
                prop_assert!(text.starts_with(short.trim_end_matches('…')));
            }
        }
    }
}
