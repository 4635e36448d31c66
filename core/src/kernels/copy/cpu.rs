//! The system's copy of a chunk.

/// Copies `from` into `into`.
pub(super) fn copy(into: &mut [f32], from: &[f32]) {
    into.copy_from_slice(from);
}
