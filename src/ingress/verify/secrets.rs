//! The keys that several methods of `verify` have.

use reqwest::header::HeaderName;

use crate::config_reader::{Problem, Spanned, TableReader};
use crate::secret::Secret;

/// The secret at `key`, and the one in `old`, if set. None where one is wrong or missing.
pub fn secrets(table: &TableReader, key: &'static str) -> Option<Vec<Spanned<Secret>>> {
    let (new, old) = (table.secret(key), table.secret("old"));
    if old.is_none() && table.has("old") {
        return None;
    }
    Some(new.into_iter().chain(old).collect()).filter(|secrets: &Vec<_>| !secrets.is_empty())
}

/// The name of a header; None where it is wrong, `Some(None)` where the key is not set.
#[expect(clippy::option_option, reason = "wrong and unset are two things")]
pub(super) fn header(table: &TableReader, key: &'static str) -> Option<Option<HeaderName>> {
    let Some(name) = table.text(key) else { return (!table.has(key)).then_some(None) };
    let header = HeaderName::try_from(&name.value).ok();
    if header.is_none() {
        let wrong = format!("`{}` is no name of an HTTP header", name.value);
        table.reader.problem(Problem::error(name.span, wrong));
    }
    header.map(Some)
}
