//! The definition: one word after the other.

/// Copies all words.
pub(super) fn copy(from: &[u32]) -> Vec<u32> {
    from.to_vec()
}
