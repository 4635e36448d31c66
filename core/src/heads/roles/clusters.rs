//! Clusters by average linkage at a cut.

use kodama::{Method, linkage};

/// Clusters `0..n` by average linkage and returns the clusters that remain when merges above `cut` are undone, largest first, ties by first member.
/// `distance(a, b)` is asked for `a < b`.
pub fn clusters(n: usize, distance: impl Fn(usize, usize) -> f64, cut: f64) -> Vec<Vec<usize>> {
    let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    let mut condensed: Vec<f64> = pairs.map(|(a, b)| distance(a, b)).collect();
    let mut members: Vec<Vec<usize>> = (0..n).map(|at| vec![at]).collect();
    if n > 1 {
        let dendrogram = linkage(&mut condensed, n, Method::Average);
        for step in dendrogram.steps() {
            // Average linkage is monotone: once a merge lies above the cut, so do all that follow.
            if step.dissimilarity > cut {
                break;
            }
            let mut merged = std::mem::take(&mut members[step.cluster1]);
            merged.append(&mut members[step.cluster2]);
            merged.sort_unstable();
            members.push(merged);
        }
    }
    members.retain(|cluster| !cluster.is_empty());
    members.sort_by(|a, b| b.len().cmp(&a.len()).then(a[0].cmp(&b[0])));
    members
}
