//! Agreement of the measured verdicts with a person's.

use super::Verdict;

/// Counts of heads by measured verdict and by a person's, both in the order of [`Verdict::ALL`].
pub type Confusion = [[usize; 3]; 3];

/// Agreement with a person's verdicts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Heads with both verdicts.
    pub heads: usize,
    /// Counts `[measured][the person's]`.
    pub counts: Confusion,
    /// Share of heads on which they agree.
    pub share: f64,
    /// Cohen's kappa, (p_o − p_e) / (1 − p_e); none where chance alone would agree everywhere.
    pub kappa: Option<f64>,
}

impl Agreement {
    /// Compares pairs of the measured verdict and the person's; none without a pair.
    pub fn new(pairs: &[(Verdict, Verdict)]) -> Option<Self> {
        if pairs.is_empty() {
            return None;
        }
        let mut counts = Confusion::default();
        for (measured, own) in pairs {
            counts[*measured as usize][*own as usize] += 1;
        }
        let n = pairs.len() as f64;
        let share = (0..3).map(|at| counts[at][at]).sum::<usize>() as f64 / n;
        let chance: f64 = (0..3)
            .map(|at| {
                let measured: usize = counts[at].iter().sum();
                let own: usize = counts.iter().map(|row| row[at]).sum();
                measured as f64 * own as f64 / (n * n)
            })
            .sum();
        Some(Self {
            heads: pairs.len(),
            counts,
            share,
            kappa: (chance < 1.0).then(|| (share - chance) / (1.0 - chance)),
        })
    }
}
