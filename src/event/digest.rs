//! A short digest that is stored, and so is the same in every version.

use sha2::{Digest, Sha256};

/// 32 hexadecimal digits, different for different lists of parts.
pub fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With the lengths, since parts of two lists can concatenate to the same text.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let bytes: [u8; 32] = hash.finalize().into();
    format!("{:032x}", u128::from_be_bytes(*bytes.first_chunk().expect("32 bytes hold 16")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_changes_and_differs_between_lists() {
        assert_eq!(digest(&["tidings"]), "759242e7b89907d1a88f40ff88e6c4bc");
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["ab"]), digest(&["ab", ""]));
    }
}
