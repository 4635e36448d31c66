//! The list of variants: each is a file beside this one and a line of the list here.

use std::fmt;
use std::str::FromStr;

use super::jump_relu::SparsityPenalty;
use super::rule::{Card, Rule, Uses, Wanted};
use crate::error::{Error, Result};

/// Defines [`Variant`] from its members and their files.
macro_rules! variants {
    ($($(#[$doc:meta])* $name:ident: $file:ident,)*) => {
        /// Way in which training selects active features.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Variant {
            $($(#[$doc])* $name,)*
        }

        impl Variant {
            /// All of them, in the order of lists.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Names of all of them, in the same order.
            pub const NAMES: &'static [&'static str] = &[$(super::$file::CARD.name,)*];

            fn card(self) -> &'static Card {
                match self {
                    $(Self::$name => &super::$file::CARD,)*
                }
            }
        }
    };
}

variants! {
    /// Everything positive, with an L1 penalty.
    Relu: relu,
    /// The k largest of each token.
    TopK: topk,
    /// The k largest per token on average over the batch.
    BatchTopK: batch_topk,
    /// The k largest per token on average over the batch, with under-used features helped by a Zipf law.
    MutualChoice: mutual_choice,
    /// Each feature its share of the batch, by a Zipf law.
    FeatureChoice: feature_choice,
    /// The k of each token that matter most to the model's loss.
    Gradient: gradient,
    /// Everything above a learnt threshold of its feature.
    JumpRelu: jump_relu,
    /// A gate decides, a magnitude is written.
    Gated: gated,
    /// Nested dictionaries in one.
    Matryoshka: matryoshka,
    /// The k of largest magnitude, either sign.
    SignedTopK: signed_topk,
}

impl Variant {
    /// Name on the command line and in files.
    pub fn name(self) -> &'static str {
        self.card().name
    }

    /// Whether its rule works with `what`.
    pub fn uses(self, what: Uses) -> bool {
        self.card().uses.contains(&what)
    }

    /// Weight of the sparsity penalty where none is set.
    pub(crate) fn sparsity(self, penalty: SparsityPenalty) -> f64 {
        (self.card().suits)(penalty)
    }

    /// Begins the rule of a run.
    pub(crate) fn rule(self, wanted: &Wanted) -> Box<dyn Rule> {
        (self.card().rule)(wanted)
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
            let what = format!(
                "there is no variant `{text}`, give {}",
                Self::NAMES.join(", ")
            );
            Error::setting("variant", what)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_is_found_by_its_own_name() {
        for (i, variant) in Variant::ALL.iter().enumerate() {
            assert_eq!(variant.name(), Variant::NAMES[i]);
            assert_eq!(variant.name().parse::<Variant>().unwrap(), *variant);
        }
        let said = "transcoder".parse::<Variant>().unwrap_err().to_string();
        assert!(said.contains("relu, topk") && said.contains("`transcoder`"));
    }

    #[test]
    fn a_budget_and_a_penalty_exclude_each_other_and_a_budget_is_k() {
        for variant in Variant::ALL {
            let uses = |what| variant.uses(what);
            assert_ne!(uses(Uses::Budget), uses(Uses::Penalty), "{variant}");
            assert!(!uses(Uses::Budget) || uses(Uses::K), "{variant}");
        }
    }
}
