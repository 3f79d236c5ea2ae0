//! Strings in which `*` matches anything, including nothing. It crosses dots; the whole value must match.

/// The literal pieces between the stars: `container.*` is `["container.", ""]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Box<[Box<str>]>);

/// Whether `value` matches `pattern`, which may contain `*`.
pub fn glob_matches(pattern: &str, value: &str) -> bool {
    Glob::parse(pattern).map_or(pattern == value, |glob| glob.matches(value))
}

impl Glob {
    /// None without a star: then it is a plain string.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.contains('*').then(|| Self(text.split('*').map(Into::into).collect()))
    }

    /// What a matching value begins with.
    pub(super) fn prefix(&self) -> &str {
        self.0.first().map_or("", |piece| piece)
    }

    /// What a matching value ends with.
    pub(super) fn suffix(&self) -> &str {
        self.0.last().map_or("", |piece| piece)
    }

    fn middle(&self) -> &[Box<str>] {
        self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default()
    }

    /// Whether there is more than stars between prefix and suffix.
    pub(super) fn has_middle(&self) -> bool {
        self.middle().iter().any(|piece| !piece.is_empty())
    }

    /// The longest piece, which every matching value contains.
    pub(super) fn longest(&self) -> &str {
        self.0.iter().max_by_key(|piece| piece.len()).map_or("", |piece| piece)
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        let inside = value.strip_prefix(self.prefix()).and_then(|rest| rest.strip_suffix(self.suffix()));
        let Some(mut rest) = inside else { return false };
        // The first match of each piece leaves the most for the following ones.
        for piece in self.middle() {
            match rest.split_once(&**piece) {
                Some((_, behind)) => rest = behind,
                None => return false,
            }
        }
        true
    }

    pub(super) fn lowered(&self) -> Self {
        Self(self.0.iter().map(|piece| piece.to_lowercase().into()).collect())
    }

    pub(super) fn text(&self) -> String {
        self.0.join("*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str) -> Glob {
        Glob::parse(text).expect("a star")
    }

    #[test]
    fn stars_cross_dots_and_the_whole_value_counts() {
        for (pattern, value) in [
            ("a.*", "a.b.c"),
            ("a.*", "a."),
            ("*", ""),
            ("*.b", "x.a.b"),
            ("a*b*c", "a1b2c"),
            ("a**c", "ac"),
            ("*é*", "né"),
        ] {
            assert!(glob(pattern).matches(value), "{pattern} {value}");
        }
        for (pattern, value) in
            [("a.*", "a"), ("a*a", "a"), ("a*b*c", "acb"), ("a.*", "xa.b"), ("*b", "bc"), ("A*", "ab")]
        {
            assert!(!glob(pattern).matches(value), "{pattern} {value}");
        }
        assert!(Glob::parse("a?b").is_none());
    }

    proptest! {
        #[test]
        fn equals_a_naive_matcher(pattern in "[ab*]{0,6}[*][ab*]{0,3}", value in "[ab]{0,8}") {
            fn slow(pattern: &[u8], value: &[u8]) -> bool {
                match (pattern, value) {
                    ([], []) => true,
                    ([b'*', rest @ ..], _) => (0..=value.len()).any(|n| slow(rest, &value[n..])),
                    ([p, rest @ ..], [v, more @ ..]) if p == v => slow(rest, more),
                    _ => false,
                }
            }
            prop_assert_eq!(glob(&pattern).matches(&value), slow(pattern.as_bytes(), value.as_bytes()));
        }
    }
}
