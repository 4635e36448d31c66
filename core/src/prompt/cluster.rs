//! Features of a text in clusters: those that are active on the same tokens stand together.

use kodama::{Method, linkage};

use super::Reading;
use crate::ids::FeatureId;

/// Cosine distance above which clusters are not merged.
pub const CUT: f64 = 0.5;

/// Greatest number of features that are clustered; time and memory grow with its square.
pub const MOST: usize = 512;

/// Features in the order of their clusters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clusters {
    /// Clusters in order, each with its features in order.
    pub groups: Vec<Vec<FeatureId>>,
    /// Features beyond the first [`MOST`], which are not clustered.
    pub rest: Vec<FeatureId>,
}

impl Clusters {
    /// Clusters `features` by the tokens that count on which they are active: average linkage of the cosine distance of their activations, cut at `cut`
    /// (from 0 to 2). Features and clusters that peak earlier in the text stand first.
    pub fn new(reading: &Reading, features: &[FeatureId], cut: f64) -> Self {
        let (taken, rest) = features.split_at(features.len().min(MOST));
        let rows = profiles(reading, taken);
        let order = ordered(&rows, cut);
        let groups = order
            .into_iter()
            .map(|group| group.into_iter().map(|i| taken[i]).collect());
        Self {
            groups: groups.collect(),
            rest: rest.to_vec(),
        }
    }

    /// Returns all features in order, each with the number of its cluster; none for one that is not clustered.
    pub fn all(&self) -> impl Iterator<Item = (FeatureId, Option<usize>)> + '_ {
        let groups = self.groups.iter().enumerate();
        let grouped =
            groups.flat_map(|(number, group)| group.iter().map(move |f| (*f, Some(number))));
        grouped.chain(self.rest.iter().map(|feature| (*feature, None)))
    }
}

/// Activations of a feature on the tokens that count, and the token on which they balance.
#[derive(Debug, Clone)]
struct Profile {
    /// Position and activation over the norm, ascending.
    acts: Vec<(usize, f64)>,
    middle: f64,
}

impl Profile {
    fn cosine(&self, other: &Self) -> f64 {
        let (mut i, mut j, mut sum) = (0, 0, 0.0);
        while let (Some((s, a)), Some((t, b))) = (self.acts.get(i), other.acts.get(j)) {
            match s.cmp(t) {
                std::cmp::Ordering::Less => i += 1,
                std::cmp::Ordering::Greater => j += 1,
                std::cmp::Ordering::Equal => {
                    sum += a * b;
                    (i, j) = (i + 1, j + 1);
                }
            }
        }
        sum
    }
}

fn profiles(reading: &Reading, features: &[FeatureId]) -> Vec<Profile> {
    let row = |feature: &FeatureId| {
        let counted = (0..reading.latents.rows()).filter(|t| reading.counts.get(*t) == Some(&true));
        let acts = counted.map(|t| (t, f64::from(reading.latents.get(t, *feature))));
        let mut acts: Vec<(usize, f64)> = acts.filter(|(_, act)| *act != 0.0).collect();
        let norm = acts.iter().map(|(_, act)| act * act).sum::<f64>().sqrt();
        let weight: f64 = acts.iter().map(|(_, act)| act.abs()).sum();
        let moment: f64 = acts.iter().map(|(t, act)| *t as f64 * act.abs()).sum();
        for (_, act) in &mut acts {
            *act /= norm;
        }
        Profile {
            acts,
            middle: if weight > 0.0 {
                moment / weight
            } else {
                f64::INFINITY
            },
        }
    };
    features.iter().map(row).collect()
}

/// Clusters at `cut`, in order.
fn ordered(rows: &[Profile], cut: f64) -> Vec<Vec<usize>> {
    let distance = |a: usize, b: usize| 1.0 - rows[a].cosine(&rows[b]);
    let middle = |members: &[usize]| {
        members.iter().map(|i| rows[*i].middle).sum::<f64>() / members.len().max(1) as f64
    };
    let mut groups = average_linkage(rows.len(), distance, cut, |mut first, mut second| {
        let order = middle(&second).total_cmp(&middle(&first));
        if order.then(second.cmp(&first)).is_lt() {
            std::mem::swap(&mut first, &mut second);
        }
        first.append(&mut second);
        first
    });
    groups.sort_by(|a, b| middle(a).total_cmp(&middle(b)).then(a.cmp(b)));
    groups
}

/// Clusters `0..n` by average linkage and returns the clusters that remain when merges above `cut` are undone, in no order. `distance(a, b)` is asked for `a < b`;
/// `join` makes the members of two clusters into those of one.
pub(crate) fn average_linkage(
    n: usize,
    distance: impl Fn(usize, usize) -> f64,
    cut: f64,
    join: impl Fn(Vec<usize>, Vec<usize>) -> Vec<usize>,
) -> Vec<Vec<usize>> {
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
            let one = std::mem::take(&mut members[step.cluster1]);
            let other = std::mem::take(&mut members[step.cluster2]);
            members.push(join(one, other));
        }
    }
    members.retain(|cluster| !cluster.is_empty());
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latents::Latents;

    fn reading(rows: &[Vec<(FeatureId, f32)>]) -> Reading {
        Reading {
            counts: (0..rows.len()).map(|t| t > 0).collect(),
            latents: Latents::from_unsorted(rows).unwrap(),
            ..Reading::default()
        }
    }

    /// Average linkage by its definition: the two clusters whose members are nearest on average, again and again.
    fn defined(distances: &[Vec<f64>], cut: f64) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = (0..distances.len()).map(|i| vec![i]).collect();
        loop {
            let mean = |a: usize, b: usize| {
                let pairs = groups[a]
                    .iter()
                    .flat_map(|i| groups[b].iter().map(move |j| (*i, *j)));
                let sum: f64 = pairs.map(|(i, j)| distances[i][j]).sum();
                sum / (groups[a].len() * groups[b].len()) as f64
            };
            let n = groups.len();
            let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
            let near = pairs.map(|(a, b)| (mean(a, b), (a, b)));
            let near = near.filter(|(mean, _)| *mean < cut);
            let best = near.min_by(|one, other| one.0.total_cmp(&other.0));
            let Some((_, (a, b))) = best else { break };
            let merged = groups.remove(b);
            groups[a].extend(merged);
        }
        for group in &mut groups {
            group.sort_unstable();
        }
        groups.sort();
        groups
    }

    #[test]
    fn clusters_are_those_of_average_linkage_by_its_definition() {
        // 12 features on 9 tokens; the first token does not count.
        let act = |t: usize, f: usize| ((t * 7 + f * f * 3 + t * f * 5) % 11) as f32 - 6.0;
        let row = |t: usize| {
            let active = (0..12).filter(|f| act(t, *f) > 0.0);
            active.map(|f| (FeatureId::from(f), act(t, f))).collect()
        };
        let rows: Vec<Vec<_>> = (0..9).map(row).collect();
        let reading = reading(&rows);
        let features: Vec<FeatureId> = (0..12).map(FeatureId::from).collect();
        let dense: Vec<Vec<f64>> = (0..12)
            .map(|f| (1..9).map(|t| f64::from(act(t, f).max(0.0))).collect())
            .collect();
        let cosine = |a: &[f64], b: &[f64]| {
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        let distances: Vec<Vec<f64>> = dense
            .iter()
            .map(|a| dense.iter().map(|b| 1.0 - cosine(a, b)).collect())
            .collect();
        for cut in [0.2, 0.4, 0.6] {
            let clusters = Clusters::new(&reading, &features, cut);
            let mut got: Vec<Vec<usize>> = clusters
                .groups
                .iter()
                .map(|group| {
                    let mut group: Vec<usize> = group.iter().map(|f| f.index()).collect();
                    group.sort_unstable();
                    group
                })
                .collect();
            got.sort();
            let want = defined(&distances, cut);
            assert_eq!(got, want, "{cut}");
            assert!(want.len() > 1 && want.len() < 12, "{want:?}");
        }
    }

    #[test]
    fn groups_stand_in_the_order_of_the_text() {
        let f = FeatureId::from;
        let rows = [
            vec![],
            vec![(f(5), 2.0), (f(9), 1.0)],
            vec![(f(5), 1.0), (f(9), 0.6)],
            vec![(f(1), 3.0)],
            vec![(f(0), 1.0), (f(1), 3.0)],
        ];
        let clusters = Clusters::new(&reading(&rows), &[f(0), f(1), f(5), f(9)], CUT);
        assert_eq!(clusters.groups, [vec![f(5), f(9)], vec![f(1), f(0)]]);
        let numbers: Vec<_> = clusters.all().map(|(_, group)| group).collect();
        assert_eq!(numbers, [Some(0), Some(0), Some(1), Some(1)]);
    }
}
