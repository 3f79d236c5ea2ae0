//! Environment variables.

/// Looks up a variable: the process's own unless a test passes another function.
pub(super) type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The process's own variables; an empty one counts as unset.
pub(super) fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
