//! Clusters by average linkage at a cut.

use crate::prompt::average_linkage;

/// Clusters `0..n` by average linkage and returns the clusters that remain when merges above `cut` are undone, largest first, ties by first member.
/// `distance(a, b)` is asked for `a < b`.
pub fn clusters(n: usize, distance: impl Fn(usize, usize) -> f64, cut: f64) -> Vec<Vec<usize>> {
    let sorted = |mut one: Vec<usize>, mut other: Vec<usize>| {
        one.append(&mut other);
        one.sort_unstable();
        one
    };
    let mut members = average_linkage(n, distance, cut, sorted);
    members.sort_by(|a, b| b.len().cmp(&a.len()).then(a[0].cmp(&b[0])));
    members
}
