//! Whether a head has one role or several: clusters of its ten features by two criteria, what each explains of the head's output, what ablation costs on the
//! tokens of each, a verdict with its false positives, and the share of such heads over a model.
//!
//! The rule is [`RULE`] for each criterion and [`JOINED`] for both. Clusters are of average linkage; each criterion's cut is the loosest of its list at which at
//! most 5 % of draws of ten random live features of the layer have clusters of the shape of a verdict. The whole rule is then tried on fresh draws: how often it
//! gives a verdict there is its rate of false positives. The share of the head's output that a verdict needs ([`EXPLAINED`]) is no part of the shape: random
//! features explain little, so with it a looser cut would pass. On draws of the text the shares are those of the whole text.

mod agreement;
mod calibrate;
mod clusters;
mod evidence;
mod judge;
mod overlap;
mod share;
mod study;
#[cfg(test)]
mod tests;
mod verdict;

use crate::ids::{FeatureId, Head, Layer};

pub use crate::project::Verdict;

pub use agreement::{Agreement, Confusion};
pub use calibrate::MOST;
pub use clusters::clusters;
pub use overlap::{NAMED, PEAKS};
pub use share::{ShareOfHeads, share_of_heads};
pub use study::{Settings, Study, study};
use verdict::because;
pub use verdict::{EXPLAINED, GROUP, JOINED, LEAST, ONE, RULE};

/// Tokens of text that a study reads unless a person asks for another amount.
pub const TOKENS: u64 = 100_000;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "cosines",
        "cosine of two features' decoder rows, the head's slice of each taken through the head's W_O",
    ),
    (
        "peak_overlap",
        "Jaccard index of the tokens at which two features are strongest (20 each), with case and leading space folded",
    ),
    (
        "before_overlap",
        "Jaccard index of the tokens before those, folded likewise",
    ),
    (
        "explained",
        "share of the head's output that a cluster C explains on the text: Σₜ⟨Σ_{i∈C} aᵢ dᵢ^h W_O^h, o_h⟩ / Σₜ‖o_h‖² with o_h = z_h W_O^h. All features, the decoder's bias and the error sum to 1",
    ),
    (
        "rise",
        "mean rise of cross-entropy in nats, over the sampled tokens where a feature of the cluster is active, when the head's z is replaced by its mean; interval of 95 % by bootstrap over blocks of the text",
    ),
    (
        "false_positives",
        "how often the rule gives a verdict on ten random live features of the layer in place of the head's own",
    ),
];

/// Criterion by which features are clustered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Criterion {
    /// Directions written: distance 1 − cosine of the decoder slices through `W_O^h`.
    Directions,
    /// Tokens: distance 1 − the larger Jaccard index of peak tokens and of the tokens before them.
    Tokens,
}

impl Criterion {
    /// Both criteria.
    pub const ALL: [Self; 2] = [Self::Directions, Self::Tokens];

    /// Key in JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Directions => "directions",
            Self::Tokens => "tokens",
        }
    }

    /// Returns what is compared, as a phrase.
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Directions => "directions written",
            Self::Tokens => "tokens",
        }
    }

    /// Definition of the distance.
    pub const fn distance(self) -> &'static str {
        match self {
            Self::Directions => "1 − cosine of what the head writes for two features",
            Self::Tokens => {
                "1 − the larger Jaccard index of the tokens at which two features peak and of the tokens before them"
            }
        }
    }
}

/// Mean rise of cross-entropy with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rise {
    /// Mean in nats.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Number of tokens.
    pub tokens: u64,
}

/// How often the rule gives a verdict on random features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FalsePositives {
    /// Draws of ten random live features.
    pub draws: usize,
    /// Draws that came out as one role.
    pub one: usize,
    /// Draws that came out as several roles.
    pub several: usize,
}

impl FalsePositives {
    /// Share of draws with a verdict.
    pub fn rate(self) -> f64 {
        (self.one + self.several) as f64 / self.draws.max(1) as f64
    }

    fn see(&mut self, verdict: Verdict) {
        self.draws += 1;
        match verdict {
            Verdict::One => self.one += 1,
            Verdict::Several => self.several += 1,
            Verdict::Unsure => {}
        }
    }
}

/// Cluster of a head's features.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Places of its features in the head's list.
    pub members: Vec<usize>,
    /// Folded tokens at which they peak most often.
    pub tokens: Vec<String>,
    /// Share of the head's output that it explains.
    pub explained: f64,
    /// Rise of cross-entropy on its tokens when the head is ablated; none where they do not occur in the sample.
    pub rise: Option<Rise>,
}

/// Verdict by one criterion.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Criterion.
    pub criterion: Criterion,
    /// Cut on the distance; none where no cut keeps random draws from looking like a verdict.
    pub cut: Option<f64>,
    /// Clusters at the cut, largest first.
    pub clusters: Vec<Cluster>,
    /// Verdict.
    pub verdict: Verdict,
    /// False positives by this criterion alone.
    pub false_positives: FalsePositives,
}

/// Parts of the head's output, as shares of Σₜ‖o_h‖² that sum to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    /// The head's ten features.
    pub listed: f64,
    /// All other features.
    pub others: f64,
    /// The decoder's bias.
    pub bias: f64,
    /// The dictionary's error.
    pub error: f64,
}

/// Roles of one head.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadRoles {
    /// Head.
    pub head: Head,
    /// Its ten features by decoder share.
    pub features: Vec<FeatureId>,
    /// Cosines of the directions written `[10][10]`.
    pub cosines: Vec<Vec<f64>>,
    /// Jaccard indices of the tokens at which they peak.
    pub peak_overlap: Vec<Vec<f64>>,
    /// Jaccard indices of the tokens before those.
    pub before_overlap: Vec<Vec<f64>>,
    /// Verdict by each of [`Criterion::ALL`].
    pub by: [Judged; 2],
    /// Verdict of both.
    pub verdict: Verdict,
    /// False positives of both.
    pub false_positives: FalsePositives,
    /// Parts of the head's output.
    pub parts: Parts,
}

/// Roles of the heads of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerRoles {
    /// Layer.
    pub layer: Layer,
    /// Positions of the text that count.
    pub tokens: u64,
    /// Rows in which heads were ablated.
    pub sampled_rows: usize,
    /// Phrase for the blocks that the bootstrap draws.
    pub blocks: String,
    /// Share of the draws that the cut of each criterion was chosen on which have the shape of a verdict there.
    pub at_cut: [f64; 2],
    /// Heads.
    pub heads: Vec<HeadRoles>,
    /// Verdicts on each draw of the bootstrap, `[draws][heads]`: by each criterion, and joined.
    replicates: Vec<Vec<[Verdict; 3]>>,
}

impl HeadRoles {
    /// Says why the verdict is as it is, one sentence.
    pub fn why(&self) -> String {
        let [a, b] = &self.by;
        let name = self.verdict.name();
        let mut name = name.chars();
        let first: String = name
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .collect();
        format!(
            "{first}{}: {}; {}",
            name.as_str(),
            because(self, a),
            because(self, b)
        )
    }
}

impl Parts {
    /// Whether the ten features explain too little of the head's output for a verdict of one role.
    pub fn is_little(self) -> bool {
        self.listed < EXPLAINED
    }
}

impl Judged {
    /// Returns the clusters of two features or more.
    pub fn groups(&self) -> impl Iterator<Item = &Cluster> {
        self.clusters
            .iter()
            .filter(|cluster| cluster.members.len() >= GROUP)
    }
}
