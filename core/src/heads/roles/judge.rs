//! Judges some features at a head: the head's own ten, or random ones.

use super::calibrate::shape_at;
use super::clusters::clusters;
use super::evidence::Evidence;
use super::overlap::At;
use super::verdict::{Counted, Shape, decide, join};
use super::{Cluster, Criterion, FalsePositives, HeadRoles, Judged, Parts, Verdict};
use crate::dims::Matrix;
use crate::ids::{FeatureId, Head};

/// Judge of a layer's heads.
pub(super) struct Judge<'a> {
    pub(super) evidence: &'a Evidence<'a>,
    pub(super) w_dec: &'a Matrix,
    /// Cut of each criterion.
    pub(super) cuts: [Option<f64>; 2],
}

/// Part of the text that counts, and draws from it.
#[derive(Clone, Copy)]
pub(super) struct Drawn<'a> {
    /// How often each block counts; none: once each.
    pub(super) weights: Option<&'a [u32]>,
    /// Weights of each draw, `[draws][blocks]`.
    pub(super) draws: &'a [Vec<u32>],
}

impl Judge<'_> {
    /// Returns the verdicts by each criterion, and joined.
    pub(super) fn verdicts(
        &self,
        head: Head,
        features: &[FeatureId],
        drawn: Drawn<'_>,
    ) -> [Verdict; 3] {
        let [a, b] = [0, 1].map(|at| self.verdict(at, (head, features), drawn));
        [a, b, join([a, b])]
    }

    fn verdict(
        &self,
        at: usize,
        (head, features): (Head, &[FeatureId]),
        drawn: Drawn<'_>,
    ) -> Verdict {
        let Some(cut) = self.cuts[at] else {
            return Verdict::Unsure;
        };
        let of = (head, features);
        let distances = self
            .evidence
            .distances(Criterion::ALL[at], of, drawn.weights, self.w_dec);
        let shape = shape_at(&distances, cut);
        let groups: Vec<Cluster> = if shape == Shape::Several {
            let found = clusters(features.len(), |a, b| distances[a][b], cut).into_iter();
            found
                .filter(|members| members.len() >= super::GROUP)
                .map(|members| self.cluster(of, members, drawn))
                .collect()
        } else {
            Vec::new()
        };
        let counted = Counted::new(Criterion::ALL[at], groups.iter());
        decide(shape, self.explained(head, features), counted)
    }

    /// Share of the head's output on the whole text that some features explain.
    fn explained(&self, head: Head, features: &[FeatureId]) -> f64 {
        let each = features.iter();
        each.map(|feature| self.evidence.text.explained(*feature, head))
            .sum()
    }

    fn cluster(
        &self,
        (head, features): (Head, &[FeatureId]),
        members: Vec<usize>,
        drawn: Drawn<'_>,
    ) -> Cluster {
        let Evidence { text, folded, .. } = self.evidence;
        let ids: Vec<FeatureId> = members.iter().map(|at| features[*at]).collect();
        Cluster {
            tokens: folded.names(text, &ids, drawn.weights),
            explained: self.explained(head, &ids),
            rise: self.evidence.rise((head, &ids), drawn.weights, drawn.draws),
            members,
        }
    }

    /// Judges the head's own features, with everything that is shown of them.
    pub(super) fn head(&self, head: Head, features: Vec<FeatureId>, drawn: Drawn<'_>) -> HeadRoles {
        let text = self.evidence.text;
        let rows: Vec<&[f32]> = features.iter().map(|f| self.w_dec.row(f.index())).collect();
        let by = [0, 1].map(|at| self.judged(at, (head, &features), drawn));
        let listed = self.explained(head, &features);
        HeadRoles {
            head,
            cosines: text.written.cosines(head, &rows),
            peak_overlap: self.evidence.overlap(&features, At::Peak, None),
            before_overlap: self.evidence.overlap(&features, At::Before, None),
            verdict: join([by[0].verdict, by[1].verdict]),
            by,
            false_positives: FalsePositives::default(),
            parts: Parts {
                listed,
                others: text.explained_by_features(head) - listed,
                bias: text.explained_by_bias(head),
                error: text.left_to_error(head),
            },
            features,
        }
    }

    fn judged(
        &self,
        at: usize,
        (head, features): (Head, &[FeatureId]),
        drawn: Drawn<'_>,
    ) -> Judged {
        let criterion = Criterion::ALL[at];
        let distances = self
            .evidence
            .distances(criterion, (head, features), None, self.w_dec);
        // Without a cut every feature stands alone.
        let cut = self.cuts[at].unwrap_or(-1.0);
        let found = clusters(features.len(), |a, b| distances[a][b], cut);
        let cluster = |members| self.cluster((head, features), members, drawn);
        Judged {
            criterion,
            cut: self.cuts[at],
            clusters: found.into_iter().map(cluster).collect(),
            verdict: self.verdict(at, (head, features), drawn),
            false_positives: FalsePositives::default(),
        }
    }
}
