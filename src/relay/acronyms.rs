//! Types with acronyms have two spellings: `vm.guest.o.s.crashed`, as the first bridges to vCenter wrote it, is
//! `vm.guest.os.crashed` here. A pattern in the old spelling also matches the new one.
//!
//! Done once, when relays.toml is read. Events have one spelling.

use super::glob::Glob;
use super::pattern::{Check, Pattern, Test};

/// The pattern of a type, with every test of it that is spelled letter by letter also in the new spelling.
pub(super) fn in_both_spellings(pattern: Pattern) -> Pattern {
    let mut tests = Vec::with_capacity(pattern.0.len());
    for mut test in pattern.0 {
        test.not = test.not.map(in_both_spellings);
        let checks: Vec<_> = test.checks.iter().map(|check| joined_check(check).ok_or(check)).collect();
        let today = checks.iter().any(Result::is_ok).then(|| {
            let checks = checks.into_iter().map(|check| check.unwrap_or_else(Check::clone)).collect();
            Test { checks, ..test.clone() }
        });
        tests.push(test);
        tests.extend(today);
    }
    Pattern(tests)
}

/// None if both spellings are the same. A regex is left as it is.
fn joined_check(check: &Check) -> Option<Check> {
    Some(match check {
        Check::Text(text) => Check::Text(joined(text)?.into()),
        Check::Prefix(text) => Check::Prefix(joined(text)?.into()),
        Check::Suffix(text) => Check::Suffix(joined(text)?.into()),
        Check::Glob(glob) => Check::Glob(Glob::parse(&joined(&glob.text())?)?),
        Check::Folded(check) => Check::Folded(Box::new(joined_check(check)?)),
        _ => return None,
    })
}

/// Rows of single letters as one word: `d.v.portgroup` is `dv.portgroup`. One letter alone (`v.motion`) is a word.
fn joined(text: &str) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut in_a_row, mut changed) = (false, false);
    for word in text.split('.') {
        let is_letter = word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        match words.last_mut() {
            Some(row) if is_letter && in_a_row => {
                row.push_str(word);
                changed = true;
            }
            _ => words.push(word.to_owned()),
        }
        in_a_row = is_letter;
    }
    changed.then(|| words.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_letters_are_one_word() {
        for (old, today) in [
            ("vm.guest.o.s.crashed", "vm.guest.os.crashed"),
            ("d.v.portgroup.created", "dv.portgroup.created"),
            ("v.m.f.s.datastore.*", "vmfs.datastore.*"),
            ("*.e.v.c.mode", "*.evc.mode"),
            ("a.b.word.c.d", "ab.word.cd"),
        ] {
            assert_eq!(joined(old).as_deref(), Some(today));
        }
        for same in ["", ".", "vm.powered.on", "v.motion.license.expired", "a", "1.2.3", "é.é", "vm.*.*"] {
            assert_eq!(joined(same), None, "{same}");
        }
    }
}
