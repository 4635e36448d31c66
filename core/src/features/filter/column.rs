//! Columns of the feature table: their names in filters and orders, their titles and definitions.

/// Quantity of a feature, by which features are filtered, sorted and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Column {
    /// Number of the feature.
    #[default]
    Number,
    /// Name: labels first, then the tokens at which features peak.
    Name,
    /// Share of tokens on which it is active.
    Density,
    /// Mean activation where active.
    Mean,
    /// Least activation.
    Min,
    /// Size of the strongest activation.
    Max,
    /// Norm of the decoder row.
    Norm,
    /// Variance of the active values.
    Variance,
    /// Skewness of the active values.
    Skewness,
    /// Kurtosis of the active values.
    Kurtosis,
    /// Cosine of encoder and decoder row.
    Cosine,
    /// Head with the largest share of the decoder row.
    Head,
    /// Share of that head.
    HeadShare,
    /// Family by measured predicates.
    Family,
    /// Number of last tokens that keep the activation.
    Reach,
    /// Specificity of induction.
    Induction,
    /// Largest mean change of a logit when steering by it.
    Effect,
    /// KL to the untouched next token when steering by it.
    SteeringKl,
    /// Change of its own tokens beyond that of all when steering by it.
    Selectivity,
    /// Share of contexts in which its most promoted token wins when steering by it.
    Wins,
    /// Best measured fact.
    Fact,
    /// Precision of that fact.
    Precision,
    /// Recall of that fact.
    Recall,
    /// How well it matches the words of the filter.
    Relevance,
}

impl Column {
    /// Every column, in the order of the table.
    pub const ALL: [Self; 24] = [
        Self::Number,
        Self::Name,
        Self::Relevance,
        Self::Density,
        Self::Mean,
        Self::Min,
        Self::Max,
        Self::Norm,
        Self::Variance,
        Self::Skewness,
        Self::Kurtosis,
        Self::Cosine,
        Self::Head,
        Self::HeadShare,
        Self::Fact,
        Self::Precision,
        Self::Recall,
        Self::Family,
        Self::Reach,
        Self::Induction,
        Self::Effect,
        Self::SteeringKl,
        Self::Selectivity,
        Self::Wins,
    ];

    /// Returns the name in filters, orders and settings.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Number => "feature",
            Self::Name => "name",
            Self::Relevance => "why",
            Self::Density => "density",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Norm => "norm",
            Self::Variance => "variance",
            Self::Skewness => "skewness",
            Self::Kurtosis => "kurtosis",
            Self::Cosine => "cosine",
            Self::Head => "head",
            Self::HeadShare => "head-share",
            Self::Fact => "fact",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::Family => "family",
            Self::Reach => "reach",
            Self::Induction => "induction",
            Self::Effect => "steers",
            Self::SteeringKl => "steering-kl",
            Self::Selectivity => "selectivity",
            Self::Wins => "wins",
        }
    }

    /// Returns the column with this name; `relevance`, `number` and `encoder_decoder_cosine` are understood too.
    pub fn from_id(id: &str) -> Option<Self> {
        let id = id.to_lowercase().replace('_', "-");
        match id.as_str() {
            "number" => return Some(Self::Number),
            "label" => return Some(Self::Name),
            "relevance" => return Some(Self::Relevance),
            "decoder-norm" => return Some(Self::Norm),
            "encoder-decoder-cosine" => return Some(Self::Cosine),
            // Its name in settings that older versions kept.
            "effect" => return Some(Self::Effect),
            _ => {}
        }
        Self::ALL.into_iter().find(|column| column.id() == id)
    }

    /// Returns the title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Number => "Feature",
            Self::Name => "Name",
            Self::Relevance => "Why it was found",
            Self::Density => "Density",
            Self::Mean => "Mean",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::Norm => "Norm",
            Self::Variance => "Variance",
            Self::Skewness => "Skewness",
            Self::Kurtosis => "Kurtosis",
            Self::Cosine => "Cosine",
            Self::Head => "Head",
            Self::HeadShare => "Head share",
            Self::Fact => "Fact",
            Self::Precision => "Precision",
            Self::Recall => "Recall",
            Self::Family => "Family",
            Self::Reach => "Reach",
            Self::Induction => "Induction",
            Self::Effect => "Steers",
            Self::SteeringKl => "Steering KL",
            Self::Selectivity => "Selectivity",
            Self::Wins => "Wins",
        }
    }

    /// Returns the definition.
    pub const fn definition(self) -> &'static str {
        match self {
            Self::Number => "Number of the feature in its dictionary",
            Self::Name => "Label; where there is none, the token on which the feature is strongest",
            Self::Relevance => {
                "Best match first: features whose label matches, that peak on the words, whose examples hold them, that promote or suppress them"
            }
            Self::Density => "Share of the index's tokens on which the feature is active",
            Self::Mean => "Mean activation where the feature is active",
            Self::Min => "Least activation on the index's text, 0 where none is negative",
            Self::Max => "The largest activation on the index's text, by size",
            Self::Norm => "Norm of the feature's decoder row",
            Self::Variance => "Mean square about the mean of the activations where it is active",
            Self::Skewness => {
                "Mean cube about the mean over variance^1.5, of the activations where it is active"
            }
            Self::Kurtosis => {
                "Mean fourth power about the mean over variance², of the activations where it is active; 3 for a normal distribution"
            }
            Self::Cosine => "Cosine of the feature's encoder and decoder row",
            Self::Head => "Head with the largest share of the norm of the decoder row",
            Self::HeadShare => "Share of the strongest head in the norm of the decoder row",
            Self::Fact => "The measured fact that describes the feature best",
            Self::Precision => "Precision of the best fact",
            Self::Recall => "Recall of the best fact",
            Self::Family => {
                "Induction: its target is next by induction at 80 % of the tokens in its top activation half, at least 20 percentage points above chance. Local: the last 8 tokens keep 80 % of its \
                 activation. Long-range: it needs more. Unclear: too few or contradictory measurements"
            }
            Self::Reach => {
                "Smallest number of last tokens, of 1, 2, 4, 8, 16 and 32, that keep 80 % of the activation at its strongest examples while other text replaces all earlier tokens"
            }
            Self::Induction => {
                "Share of the tokens in its top activation half at which its target is next by induction: an earlier copy of the token, up to leading spaces and case, precedes the target"
            }
            Self::Effect => {
                "Largest mean change of a logit when the feature's direction, as long as the mean residual norm, is added at the last position of random contexts in which it is silent; logits are \
                 less their mean over the vocabulary, unless the model caps them"
            }
            Self::SteeringKl => {
                "Mean KL(steered ‖ untouched) of the next token in the same contexts"
            }
            Self::Selectivity => {
                "Mean change of the logits of the feature's ten promoted tokens less the mean absolute change of all, in the same contexts: above 0 where steering moves the tokens that the weights \
                 promise"
            }
            Self::Wins => {
                "Share of the same contexts in which the feature's most promoted token becomes the most likely next token"
            }
        }
    }

    /// Whether its values are numbers that `<` and `>` compare.
    pub const fn is_number(self) -> bool {
        !matches!(
            self,
            Self::Name | Self::Relevance | Self::Head | Self::Fact | Self::Family
        )
    }

    /// Whether its first order is the largest first; numbers of features, names, heads and families ascend.
    pub const fn descends(self) -> bool {
        self.is_number() && !matches!(self, Self::Number) || matches!(self, Self::Relevance)
    }

    /// Its place among [`Self::ALL`].
    pub(super) fn place(self) -> usize {
        let at = Self::ALL.iter().position(|column| *column == self);
        at.expect("every column is listed")
    }
}
