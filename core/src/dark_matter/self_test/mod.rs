//! Self-test of the split in a world whose errors are known (papers.md 4.4, item 6): reconstructions of the dictionary under study are taken for the truth, errors
//! of known kind and size are planted, and the split must find them with the settings in use.

mod run;
#[cfg(test)]
mod tests;
mod world;

use serde::{Deserialize, Serialize};

pub use self::run::self_test;

/// Least correlation between a noise and the part that it should move.
pub const DIAGONAL: f64 = 0.9;
/// Largest correlation, in size, between a noise and the other part.
pub const OFF_DIAGONAL: f64 = 0.4;
/// Largest difference between what is found and what was planted, as a share of the planted error.
pub const TOLERANCE: f64 = 0.1;
/// Steps of each noise in the grid.
pub const STEPS: usize = 5;
/// Shares of the features that the reconstruction lacks, one grid each.
pub const ABLATED: [f64; 3] = [0.0, 0.25, 0.5];
/// Size of a step of the noises, as a share of the root mean square of the truth's coordinates about their means.
pub const STEP: f64 = 0.25;
/// Largest planted error, as FVU; a dictionary that explains less than half gets errors of this size.
pub const LARGEST: f64 = 0.5;
/// Activations per dimension that are fitted on unless a person asks for another number.
const TOKENS_PER_DIMENSION: usize = 50;

/// Returns how many activations a self-test fits on and measures on unless a person asks for others.
pub const fn tokens(width: usize) -> [usize; 2] {
    [
        TOKENS_PER_DIMENSION * width,
        TOKENS_PER_DIMENSION * width / 2,
    ]
}

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "correlation",
        "correlations over the grid of (noise on the activation, noise on the reconstruction), rows, with (linear, nonlinear) error, columns: the diagonal should exceed 0.9, the rest stay within 0.4",
    ),
    (
        "linear",
        "FVU(reconstruction) − FVU(reconstruction + predicted error) on held-out text: how much of the planted error the split calls linear",
    ),
    (
        "nonlinear",
        "FVU(reconstruction + predicted error) on held-out text: how much it calls nonlinear",
    ),
    (
        "planted",
        "Σ‖error‖² / Σ‖x′ − mean x′‖² of the planted error on held-out text, with x′ the truth",
    ),
    (
        "expected",
        "the planted error by part. Of absent features, the linear part is what a least-squares map fitted on the held-out text itself explains, corrected for its degrees of freedom",
    ),
    (
        "found",
        "whether both parts differ from the expected ones by at most a tenth of the planted error",
    ),
];

/// Settings of a self-test.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Ridge of the fit, as in the fit under test.
    pub ridge: f64,
    /// Seed of noises and planted maps.
    pub seed: u64,
}

/// FVU by part.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Parts {
    /// Linear error.
    pub linear: f64,
    /// Nonlinear error.
    pub nonlinear: f64,
}

/// One point of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Noise on the activation, in steps.
    pub activation: usize,
    /// Noise on the reconstruction, in steps.
    pub reconstruction: usize,
    /// Estimates.
    pub estimated: Parts,
}

/// Estimates over all pairs of noises, at one share of ablated features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// Share of the features that the reconstruction lacks, those of lowest mean activation first.
    pub ablated: f64,
    /// Estimates, the noise on the reconstruction changing fastest.
    pub cells: Vec<Cell>,
    /// Correlations of the noises (rows: activation, reconstruction) with the parts (columns: linear, nonlinear).
    pub correlation: [[f64; 2]; 2],
}

impl Grid {
    /// Whether the correlations are as they should be.
    pub fn passes(&self) -> bool {
        let [[a, b], [c, d]] = self.correlation;
        a > DIAGONAL && d > DIAGONAL && b.abs() < OFF_DIAGONAL && c.abs() < OFF_DIAGONAL
    }
}

/// Kind of planted error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A random linear map of the truth.
    Linear,
    /// Features that the reconstruction lacks.
    Absent,
    /// Noise on the reconstruction.
    Nonlinear,
    /// All three.
    Together,
}

impl Kind {
    /// Name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear error",
            Self::Absent => "absent features",
            Self::Nonlinear => "nonlinear error",
            Self::Together => "all three",
        }
    }
}

/// A planted error and what the split makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Planted {
    /// Kind.
    pub kind: Kind,
    /// Size of the error.
    pub planted: f64,
    /// Size by part, as planted.
    pub expected: Parts,
    /// Size by part, as found.
    pub estimated: Parts,
    /// Whether the split found it.
    pub found: bool,
}

impl Planted {
    fn new(kind: Kind, expected: Parts, estimated: Parts) -> Self {
        let planted = expected.linear + expected.nonlinear;
        let near = |got: f64, want: f64| (got - want).abs() <= TOLERANCE * planted;
        Self {
            kind,
            planted,
            expected,
            estimated,
            found: near(estimated.linear, expected.linear)
                && near(estimated.nonlinear, expected.nonlinear),
        }
    }
}

/// Result of a self-test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Name of the dictionary.
    pub sae: String,
    /// Hook that it reads.
    pub hook: String,
    /// FVU of the dictionary on the held-out text; planted errors have this size, [`LARGEST`] at most.
    pub fvu: f64,
    /// Root mean square of the truth's coordinates about their means.
    pub rms: f64,
    /// Planted errors.
    pub planted: Vec<Planted>,
    /// Grids of noises.
    pub grids: Vec<Grid>,
    /// Number of activations fitted on.
    pub fit_tokens: u64,
    /// Number of activations measured on.
    pub held_out_tokens: u64,
    /// Settings.
    pub settings: Settings,
}

impl SelfTest {
    /// Whether everything planted was found and all correlations are as they should be.
    pub fn passes(&self) -> bool {
        self.planted.iter().all(|planted| planted.found) && self.grids.iter().all(Grid::passes)
    }

    /// Returns what the figures say, in one sentence.
    pub fn conclusion(&self) -> String {
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let absent = self
            .planted
            .iter()
            .find(|planted| planted.kind == Kind::Absent && planted.found);
        let absent = absent.map_or(String::new(), |absent| {
            let share = absent.estimated.linear / absent.planted;
            format!(
                "; of absent features it calls {} linear and the rest nonlinear, so a nonlinear error may be features that the dictionary lacks",
                percent(share)
            )
        });
        let missed: Vec<&str> = self
            .planted
            .iter()
            .filter(|planted| !planted.found)
            .map(|planted| planted.kind.name())
            .collect();
        let grids = self.grids.iter().filter(|grid| grid.passes()).count();
        let all = self.grids.len();
        if self.passes() {
            return format!(
                "The split finds every planted error within {} of its size and tells both noises apart{absent}",
                percent(TOLERANCE)
            );
        }
        if missed.is_empty() {
            return format!(
                "The split finds every planted error, but tells both noises apart in {grids} of {all} grids only{absent}"
            );
        }
        format!(
            "The split does not find {} with these settings ({} activations to fit on), and tells both noises apart in {grids} of {all} grids{absent}",
            missed.join(", "),
            self.fit_tokens,
        )
    }
}

/// Correlations of the noises with the estimates over the cells of a grid.
fn correlation(cells: &[Cell]) -> [[f64; 2]; 2] {
    let of = |value: fn(&Cell) -> f64| -> Vec<f64> { cells.iter().map(value).collect() };
    let noises = [
        of(|cell| cell.activation as f64),
        of(|cell| cell.reconstruction as f64),
    ];
    let parts = [
        of(|cell| cell.estimated.linear),
        of(|cell| cell.estimated.nonlinear),
    ];
    noises.map(|noise| [0, 1].map(|part| correlated(&noise, &parts[part])))
}

/// Pearson's correlation; 0 where one side does not vary.
fn correlated(a: &[f64], b: &[f64]) -> f64 {
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let (a_mean, b_mean) = (mean(a), mean(b));
    let sums = a.iter().zip(b).fold([0.0; 3], |[ab, aa, bb], (a, b)| {
        let (a, b) = (a - a_mean, b - b_mean);
        [ab + a * b, aa + a * a, bb + b * b]
    });
    let scale = (sums[1] * sums[2]).sqrt();
    if scale > 0.0 { sums[0] / scale } else { 0.0 }
}
