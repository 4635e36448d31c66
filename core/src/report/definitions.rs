//! Definitions of the figures of a report.

/// Definitions of the report's figures, in the order of the page.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "tokens",
        "The positions of all rows that count. Rule text: all but row starts and special tokens; first: all but the first of each row; sae-lens: all but special tokens; all: every position.",
    ),
    (
        "density",
        "Share of these tokens on which the feature is active (activation other than 0).",
    ),
    (
        "mean",
        "Mean activation over the tokens on which it is active.",
    ),
    (
        "min",
        "Least activation on the text, where one is negative.",
    ),
    ("max", "Largest activation on the text."),
    (
        "variance, skewness, kurtosis",
        "Population moments of its activations where it is active: mean square about the mean; mean cube about it over variance^1.5; mean fourth power over variance², 3 for a normal distribution.",
    ),
    (
        "decoder norm",
        "Euclidean norm of the feature's decoder row.",
    ),
    (
        "encoder–decoder cosine",
        "Cosine of the feature's encoder row and decoder row.",
    ),
    (
        "first tokens",
        "Share of its active tokens that are the first counted token of a document or row.",
    ),
    (
        "facts",
        "Statements about where the feature is active, measured over text. Precision: share of its active tokens at which the statement holds; recall: share of the statement's tokens on which it is active. Score: share of the uncertainty about where the feature is active that the statement removes.",
    ),
    (
        "family",
        "Induction, local or long-range context, by how much of the activation the last tokens alone keep.",
    ),
    (
        "histogram",
        "Active tokens by activation, in equal bins from 0, or the least, to the largest; zero is left out.",
    ),
    (
        "histogram by ratio",
        "Active tokens by the size of the activation, in bins whose ends have equal ratios.",
    ),
    (
        "by position",
        "Share of the counted tokens of each part of the row on which it is active; the parts are of equal length.",
    ),
    (
        "tokens by mean, by count, before",
        "Tokens of the vocabulary on which it is active: by mean activation, with at least 5 active tokens; by number of active tokens; and those that stand right before active tokens, with the mean activation after them.",
    ),
    (
        "nearest decoder rows",
        "Features whose decoder rows have the largest cosine with its own.",
    ),
    (
        "active together",
        "Features with the largest Jaccard index of active tokens: tokens on which both are active over tokens on which at least one is.",
    ),
    (
        "aligned neurons",
        "Neurons of the hook with the largest cosine, by size, of the decoder row with the neuron's axis: the row's entry over its norm.",
    ),
    (
        "correlated features, correlated neurons",
        "Largest Pearson correlations, over the counted tokens of a text, of its activations with those of another feature, and with an entry of the activation that the dictionary reads; 0 where a feature is not active.",
    ),
    (
        "strongest examples",
        "The 20 activations of largest size, one per row of tokens at most, with 10 tokens on either side inside the row.",
    ),
    (
        "loss",
        "Change of the model's loss, in nats, when the feature is ablated at the example's token.",
    ),
    (
        "near-duplicates",
        "Of these, near-duplicates of an example that is shown are folded: they peak on the same token after the same three tokens, or share 60 % of the tokens of the smaller window.",
    ),
    (
        "intervals",
        "Five equal intervals of activation from 0, or the least, to the largest; up to 5 active tokens of each, drawn at random by the index's seed. The share is \
         that of the feature's active tokens.",
    ),
    (
        "promoted and suppressed",
        "Direct effect of one unit of activation on the logits: (γ ∘ centre(direction)) · W_U, where the direction is the decoder row, for hook_z \
         taken through W_O; not centred where the model's norm is RMSNorm. Less the mean over the vocabulary, unless the facts above say that the effects \
         are raw: in models with a soft cap on their logits, and in indexes of an older form. The final norm's run-time factor 1/σ is left out.",
    ),
    (
        "written in each layer",
        "For a cross-layer transcoder: norm of the feature's decoder row at each hook that it writes, and the tokens that this row promotes and suppresses.",
    ),
    (
        "head shares",
        "For hook_z: norm of each head's slice of the decoder row over the sum of these norms.",
    ),
    (
        "head attribution",
        "For hook_z: share of each head in the sum over the strongest examples of the size of its part of the pre-activation.",
    ),
    (
        "effects on logits",
        "Direct effect on the logit of every token of the vocabulary, in equal bins.",
    ),
];
