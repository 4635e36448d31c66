//! The definition.

/// Whether all `values` are finite.
pub(super) fn finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}
