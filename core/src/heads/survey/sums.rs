//! Sums over queries of one head: one pass over each row of its pattern, of which only the keys that a query may see are read.

use super::examples::{Behaviour, Peak, REACH};
use super::matches::RowMatches;
use crate::kernels::logarithm::logarithm;
use crate::kernels::{for_this_cpu, multiply_add};

/// Lanes of a sum.
const LANES: usize = 16;

/// Sums over the keys of one query.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    /// −Σ a ln a.
    entropy: f64,
    /// Σ a · distance.
    distance: f64,
    /// Σ a · distance².
    square: f64,
}

for_this_cpu! {
    /// Sums over the weights of the keys up to the query's own, which is the last.
    fn moments(row: &[f32]) -> Moments = moments_body;
}

/// Sums in f32 by lanes, each over every sixteenth key counted from the query, and joins the lanes in f64.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn moments_body<const FMA: bool>(row: &[f32]) -> Moments {
    let (rest, whole) = row.as_rchunks::<LANES>();
    let mut first = [0.0_f32; LANES];
    first[LANES - rest.len()..].copy_from_slice(rest);
    let mut entropy = [0.0_f32; LANES];
    let mut sums = [[0.0_f32; LANES]; 3];
    let mut add = |block: f32, weights: &[f32; LANES]| {
        for lane in 0..LANES {
            let a = weights[lane];
            entropy[lane] = multiply_add::<FMA>(-a, logarithm::<FMA>(a), entropy[lane]);
            sums[0][lane] += a;
            sums[1][lane] = multiply_add::<FMA>(a, block, sums[1][lane]);
            sums[2][lane] = multiply_add::<FMA>(a * block, block, sums[2][lane]);
        }
    };
    for (block, weights) in whole.iter().rev().enumerate() {
        add(block as f32, weights);
    }
    add(whole.len() as f32, &first);
    let mut all = Moments::default();
    for lane in 0..LANES {
        // Distance is 16 · block + nearness of the lane.
        let near = (LANES - 1 - lane) as f64;
        let [one, block, square] = [0, 1, 2].map(|sum| f64::from(sums[sum][lane]));
        let blocks = LANES as f64;
        all.entropy += f64::from(entropy[lane]);
        all.distance += blocks * block + near * one;
        all.square += blocks * blocks * square + 2.0 * blocks * near * block + near * near * one;
    }
    all
}

/// Sums over the queries of one head.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct HeadSums {
    pub(super) entropy: f64,
    pub(super) first: f64,
    pub(super) same: f64,
    pub(super) previous: f64,
    pub(super) distance: f64,
    pub(super) variance: f64,
    /// Weight on copies and on what follows them, exact and fuzzy.
    pub(super) duplicate: [f64; 2],
    pub(super) induction: [f64; 2],
    /// Norm of what the head writes.
    pub(super) norm: f64,
}

impl HeadSums {
    pub(super) fn add(&mut self, part: &Self) {
        self.entropy += part.entropy;
        self.first += part.first;
        self.same += part.same;
        self.previous += part.previous;
        self.distance += part.distance;
        self.variance += part.variance;
        for i in 0..2 {
            self.duplicate[i] += part.duplicate[i];
            self.induction[i] += part.induction[i];
        }
        self.norm += part.norm;
    }

    /// Adds the pattern `[t, t]` of a row, and returns the query at which each behaviour is strongest.
    pub(super) fn add_pattern(
        &mut self,
        pattern: &[f32],
        t: usize,
        matches: &RowMatches,
    ) -> [Peak; Behaviour::ALL.len()] {
        let mut peaks = [Peak::default(); Behaviour::ALL.len()];
        for (query, row) in pattern.chunks_exact(t).enumerate().skip(1) {
            let row = &row[..=query];
            let moments = moments(row);
            self.entropy += moments.entropy;
            self.distance += moments.distance;
            self.variance += (moments.square - moments.distance * moments.distance).max(0.0);
            let [first, previous, same] = [0, query - 1, query].map(|key| f64::from(row[key]));
            self.first += first;
            self.previous += previous;
            self.same += same;
            let [duplicate, induction] = self.add_copies(row, query, matches);
            let uniform = 1.0 / row.len() as f64;
            let first = if query <= REACH { first } else { 0.0 };
            // In the order of `Behaviour::ALL`.
            let strengths = [
                induction,
                duplicate,
                previous - uniform,
                same - uniform,
                first - uniform,
            ];
            for (peak, strength) in peaks.iter_mut().zip(strengths) {
                peak.offer(query, strength);
            }
        }
        peaks
    }

    /// Adds the weight on copies and on what follows them. Returns that on exact copies which a context shows, both less that of uniform attention.
    fn add_copies(&mut self, row: &[f32], query: usize, matches: &RowMatches) -> [f64; 2] {
        for (i, copies) in [&matches.exact, &matches.fuzzy].into_iter().enumerate() {
            for at in copies.of(query) {
                self.duplicate[i] += f64::from(row[at]);
                self.induction[i] += f64::from(row[at + 1]);
            }
        }
        let uniform = 1.0 / row.len() as f64;
        let shown = matches.exact.of(query).take_while(|at| at + REACH >= query);
        shown.fold([0.0; 2], |[on, after], at| {
            [
                on + f64::from(row[at]) - uniform,
                after + f64::from(row[at + 1]) - uniform,
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_a_row_equal_their_definitions() {
        for len in [1, 2, 15, 16, 17, 31, 32, 33, 256] {
            let raw: Vec<f64> = (0..len).map(|k| f64::from(k * 7 % 11) + 0.25).collect();
            let sum: f64 = raw.iter().sum();
            let mut row: Vec<f32> = raw.iter().map(|a| (a / sum) as f32).collect();
            if len > 3 {
                row[1] = 0.0;
            }
            let of = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
                let each = row.iter().enumerate();
                each.map(|(k, a)| f(f64::from(*a), (len as usize - 1 - k) as f64))
                    .sum()
            };
            let got = moments(&row);
            let near = |got: f64, want: f64| (got - want).abs() < 2e-6 * want.abs().max(1.0);
            let entropy = of(&|a, _| if a > 0.0 { -a * a.ln() } else { 0.0 });
            assert!(near(got.entropy, entropy), "{len}: {got:?} {entropy}");
            assert!(near(got.distance, of(&|a, d| a * d)), "{len}: {got:?}");
            assert!(near(got.square, of(&|a, d| a * d * d)), "{len}: {got:?}");
        }
    }
}
