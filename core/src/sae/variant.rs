//! The list of variants.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A way to train a dictionary; each is a file beside this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// Everything positive, with an L1 penalty.
    Relu,
    /// The k largest of each token.
    TopK,
    /// The k largest per token on average over the batch.
    BatchTopK,
    /// The same, with under-used features helped by a Zipf law.
    MutualChoice,
    /// Each feature its share of the batch, by a Zipf law.
    FeatureChoice,
    /// The k of each token that matter most to the model's loss.
    Gradient,
    /// Everything above a learnt threshold of its feature.
    JumpRelu,
    /// A gate decides, a magnitude is written.
    Gated,
    /// Nested dictionaries in one.
    Matryoshka,
    /// The k of largest magnitude, either sign.
    SignedTopK,
    /// One hook's activations from another's.
    Transcoder,
}

impl Variant {
    /// All of them, in the order of lists.
    pub const ALL: &'static [Self] = &[
        Self::Relu,
        Self::TopK,
        Self::BatchTopK,
        Self::MutualChoice,
        Self::FeatureChoice,
        Self::Gradient,
        Self::JumpRelu,
        Self::Gated,
        Self::Matryoshka,
        Self::SignedTopK,
        Self::Transcoder,
    ];

    /// Those whose number of active features is set, not learnt.
    pub const BUDGETED: &'static [Self] = &[
        Self::TopK,
        Self::BatchTopK,
        Self::MutualChoice,
        Self::FeatureChoice,
        Self::Gradient,
        Self::Matryoshka,
        Self::SignedTopK,
        Self::Transcoder,
    ];

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::TopK => "topk",
            Self::BatchTopK => "batch-topk",
            Self::MutualChoice => "mutual-choice",
            Self::FeatureChoice => "feature-choice",
            Self::Gradient => "gradient",
            Self::JumpRelu => "jump-relu",
            Self::Gated => "gated",
            Self::Matryoshka => "matryoshka",
            Self::SignedTopK => "signed-topk",
            Self::Transcoder => "transcoder",
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Variant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|variant| variant.name() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|variant| variant.name()).collect();
            let what = format!("there is no variant `{text}`, give {}", names.join(", "));
            Error::setting("variant", what)
        })
    }
}
