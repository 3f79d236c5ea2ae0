//! An error or warning about relays.toml, printed with its position, the line, a caret and a hint.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub span: Range<usize>,
    pub message: String,
    /// How to fix it: the nearest valid word, or an example.
    pub hint: Option<String>,
    pub is_error: bool,
}

impl Problem {
    pub fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None, is_error: true }
    }

    pub fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { is_error: false, ..Self::error(span, message) }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Suggests the word of `known` that is nearest to `word`; without one, `otherwise` is the hint.
    #[must_use]
    pub fn suggest<'k>(
        self,
        word: &str,
        known: impl IntoIterator<Item = &'k str>,
        otherwise: impl FnOnce() -> Option<String>,
    ) -> Self {
        let hint = nearest(word, known).map(|word| format!("did you mean `{word}`?")).or_else(otherwise);
        Self { hint, ..self }
    }

    /// Line and column, both from 1; columns are characters.
    pub fn place(&self, text: &str) -> (usize, usize) {
        let mut start = self.span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

/// A file that is not TOML has an error at every letter; the first ones are enough.
const MOST_SHOWN: usize = 100;

/// The report for people: each problem with its `file:line:column`.
pub fn render(problems: &[Problem], path: &str, text: &str, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for problem in problems.iter().take(MOST_SHOWN) {
        let level = if problem.is_error { Level::ERROR } else { Level::WARNING };
        let span = problem.span.start.min(text.len())..problem.span.end.min(text.len());
        let mut group = Group::with_title(level.primary_title(&*problem.message))
            .element(Snippet::source(text).path(path).annotation(AnnotationKind::Primary.span(one_line(text, span))));
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(&**hint));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    if let Some(more @ 1..) = problems.len().checked_sub(MOST_SHOWN) {
        let more = format!("and {more} more, some of which may follow from these\n");
        out.push_str(&more);
    }
    out
}

/// Cuts a span to its first line: a caret under a table of twenty lines is not readable.
fn one_line(text: &str, span: Range<usize>) -> Range<usize> {
    let inside = text.get(span.clone()).unwrap_or_default();
    let length = inside.find('\n').unwrap_or(inside.len());
    span.start..span.start + length
}

/// The word of `known` that is most similar to `word`, if one is similar enough.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let limit = (word.chars().count() / 3).max(1) + 1;
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_problems_are_shown_and_the_rest_counted() {
        let text = "<a>".repeat(1000);
        let problems: Vec<_> = (0..1000).map(|at| Problem::error(at * 3..at * 3 + 1, "wrong")).collect();
        let shown = render(&problems, "relays.toml", &text, false);
        assert_eq!(shown.matches("error: wrong").count(), 100);
        assert!(shown.ends_with("and 900 more, some of which may follow from these\n"), "{shown}");
        assert!(!render(&problems[..100], "relays.toml", &text, false).contains("more"));
    }
}
