//! Secrets for the stand-ins.

/// Random letters and digits.
pub fn random_text(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}
