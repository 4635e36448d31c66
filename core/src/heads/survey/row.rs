//! Figures of one head, and the table from which commands, pictures and files take their keys, titles and definitions.

use serde::{Deserialize, Serialize};

use crate::ids::{Head, Layer};

/// Figures of one head. Keys of JSON are the names of the fields; [`FIGURES`] defines them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeadRow {
    /// Layer.
    pub layer: Layer,
    /// Head within the layer.
    pub head: Head,
    /// Mean entropy of a query's attention, nats.
    pub entropy: f64,
    /// Mean weight on the first token.
    pub first: f64,
    /// Mean weight of a token on itself.
    pub same: f64,
    /// Mean weight on the token before.
    pub previous: f64,
    /// Mean weight on earlier copies of the query's token.
    pub duplicate: Option<f64>,
    /// Mean weight on tokens that follow earlier copies.
    pub induction: Option<f64>,
    /// Mean distance of the sources, tokens.
    pub distance: f64,
    /// Mean variance of that distance within a query.
    pub distance_variance: f64,
    /// `duplicate` minus that of uniform attention.
    pub duplicate_excess: Option<f64>,
    /// `induction` minus that of uniform attention.
    pub induction_excess: Option<f64>,
    /// `duplicate` with case and leading space ignored.
    pub duplicate_fuzzy: Option<f64>,
    /// `induction` with case and leading space ignored.
    pub induction_fuzzy: Option<f64>,
    /// `duplicate_fuzzy` minus that of uniform attention.
    pub duplicate_fuzzy_excess: Option<f64>,
    /// `induction_fuzzy` minus that of uniform attention.
    pub induction_fuzzy_excess: Option<f64>,
    /// Weight on the induction source of repeated random tokens.
    pub induction_random: Option<f64>,
    /// Share of positive eigenvalues of the OV circuit.
    pub copying: Option<f64>,
    /// Share of the QK scores' variance that positions explain.
    pub positional: Option<f64>,
    /// Share of ordinal tokens whose successor gains most.
    pub successor: Option<f64>,
    /// Share of tokens that suppress themselves.
    pub copy_suppression: Option<f64>,
    /// Mean norm of the head's output.
    pub output_norm: f64,
    /// Rise of cross-entropy by mean ablation, nats per token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ce_increase: Option<f64>,
    /// Lower end of its interval.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ce_increase_low: Option<f64>,
    /// Upper end of its interval.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ce_increase_high: Option<f64>,
}

/// Unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Share, 0 to 1.
    Share,
    /// Share or difference of shares, −1 to 1.
    Signed,
    /// Nats.
    Nats,
    /// Tokens.
    Tokens,
    /// Tokens squared.
    TokensSquared,
    /// Length of a vector of the residual stream.
    Length,
}

impl Unit {
    /// Name for axes and tables; empty for shares.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Share | Self::Signed => "",
            Self::Nats => "nats",
            Self::Tokens => "tokens",
            Self::TokensSquared => "tokens²",
            Self::Length => "length",
        }
    }

    /// Formats a value with the digits that its size deserves.
    pub fn format(self, value: f64) -> String {
        match self {
            Self::Nats if value.abs() < 1.0 => format!("{value:.4}"),
            Self::Share | Self::Signed | Self::Nats => format!("{value:.3}"),
            Self::Tokens | Self::TokensSquared | Self::Length => format!("{value:.2}"),
        }
    }
}

/// A figure of a head.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// Key in JSON and CSV.
    pub key: &'static str,
    /// Title in sentence case.
    pub title: &'static str,
    /// Unit.
    pub unit: Unit,
    /// Definition.
    pub definition: &'static str,
    /// Reads it from a row; none where nothing was measured.
    pub get: fn(&HeadRow) -> Option<f64>,
}

/// Number of figures.
const COUNT: usize = 23;

const fn figure(
    (key, title, unit): (&'static str, &'static str, Unit),
    definition: &'static str,
    get: fn(&HeadRow) -> Option<f64>,
) -> Figure {
    Figure {
        key,
        title,
        unit,
        definition,
        get,
    }
}

/// All figures of a head, in the order of tables.
pub const FIGURES: [Figure; COUNT] = [
    figure(
        (
            "induction_random",
            "Induction on random tokens",
            Unit::Share,
        ),
        "mean weight on the token after the first copy, over the second copy of repeated random tokens (BOS if the model has one, then distinct random tokens twice)",
        |row| row.induction_random,
    ),
    figure(
        ("induction", "Induction", Unit::Share),
        "mean weight on tokens that follow earlier copies of the query's token, over queries that have such a token (copies from position 1 on, the same token exactly)",
        |row| row.induction,
    ),
    figure(
        ("induction_excess", "Induction beyond uniform", Unit::Signed),
        "induction minus the weight that uniform attention puts on the same sources: the number of sources over the number of tokens up to the query",
        |row| row.induction_excess,
    ),
    figure(
        ("previous", "Previous token", Unit::Share),
        "mean weight on the token just before the query",
        |row| Some(row.previous),
    ),
    figure(
        ("first", "First token", Unit::Share),
        "mean weight on the first token of the row",
        |row| Some(row.first),
    ),
    figure(
        ("same", "Same token", Unit::Share),
        "mean weight of a query on its own position",
        |row| Some(row.same),
    ),
    figure(
        ("duplicate", "Duplicate token", Unit::Share),
        "mean weight on earlier copies of the query's token, over queries that have one (copies from position 1 on, the same token exactly)",
        |row| row.duplicate,
    ),
    figure(
        (
            "duplicate_excess",
            "Duplicate token beyond uniform",
            Unit::Signed,
        ),
        "duplicate minus the weight that uniform attention puts on the same sources: the number of sources over the number of tokens up to the query",
        |row| row.duplicate_excess,
    ),
    figure(
        ("entropy", "Entropy", Unit::Nats),
        "mean over queries of −Σ a ln a: 0 where a query attends to a single token",
        |row| Some(row.entropy),
    ),
    figure(
        ("distance", "Distance", Unit::Tokens),
        "mean over queries of the distance from query to source, weighted by attention",
        |row| Some(row.distance),
    ),
    figure(
        (
            "distance_variance",
            "Variance of the distance",
            Unit::TokensSquared,
        ),
        "mean over queries of the variance of the distance from query to source, weighted by the query's attention: 0 where each query attends to a single token",
        |row| Some(row.distance_variance),
    ),
    figure(
        ("induction_fuzzy", "Induction, fuzzy", Unit::Share),
        "induction with tokens that differ only in case or leading space counted as copies",
        |row| row.induction_fuzzy,
    ),
    figure(
        (
            "induction_fuzzy_excess",
            "Induction beyond uniform, fuzzy",
            Unit::Signed,
        ),
        "induction_fuzzy minus the weight that uniform attention puts on the same sources",
        |row| row.induction_fuzzy_excess,
    ),
    figure(
        ("duplicate_fuzzy", "Duplicate token, fuzzy", Unit::Share),
        "duplicate with tokens that differ only in case or leading space counted as copies",
        |row| row.duplicate_fuzzy,
    ),
    figure(
        (
            "duplicate_fuzzy_excess",
            "Duplicate token beyond uniform, fuzzy",
            Unit::Signed,
        ),
        "duplicate_fuzzy minus the weight that uniform attention puts on the same sources",
        |row| row.duplicate_fuzzy_excess,
    ),
    figure(
        ("copying", "Copying", Unit::Signed),
        "Σλ / Σ|λ| over the eigenvalues λ of W_E W_V W_O W_U, the weights as they are loaded, without norms and biases: 1 raises the logit of the token attended to, −1 lowers it",
        |row| row.copying,
    ),
    figure(
        ("positional", "Position in the QK circuit", Unit::Share),
        "share of the scores' variance over sources that positions alone explain, by the weights W_Q and W_K read from token and position embeddings through the layer's norm, with the text's token frequencies and row length; blocks below are ignored; none for models with rotary positions",
        |row| row.positional,
    ),
    figure(
        ("successor", "Successor", Unit::Share),
        "share of ordinal tokens (numbers, weekdays, months, letters, number words) whose successor gains most among its own kind from attending to the token, by the OV circuit on the stream that leaves the first block; none where the vocabulary has fewer than ten such pairs",
        |row| row.successor,
    ),
    figure(
        ("copy_suppression", "Copy suppression", Unit::Share),
        "share of the text's most frequent tokens whose own logit is among the lowest twentieth of these tokens' logits when the head attends to the token, by the OV circuit on the stream that leaves the first block, less the mean over tokens: 0.05 by chance",
        |row| row.copy_suppression,
    ),
    figure(
        ("output_norm", "Norm of the output", Unit::Length),
        "mean length of what the head adds to the attention output, z W_O without bias and before a post-norm",
        |row| Some(row.output_norm),
    ),
    figure(
        ("ce_increase", "Rise of cross-entropy", Unit::Nats),
        "cross-entropy with the head's z at positions from 1 on replaced by its mean over these positions, minus that of the unmodified model, over the rows of the causal test",
        |row| row.ce_increase,
    ),
    figure(
        (
            "ce_increase_low",
            "Rise of cross-entropy, lower end",
            Unit::Nats,
        ),
        "2.5th percentile of ce_increase over resamples of the rows",
        |row| row.ce_increase_low,
    ),
    figure(
        (
            "ce_increase_high",
            "Rise of cross-entropy, upper end",
            Unit::Nats,
        ),
        "97.5th percentile of ce_increase over resamples of the rows",
        |row| row.ce_increase_high,
    ),
];

/// Name and definition of each figure.
pub const DEFINITIONS: [(&str, &str); COUNT] = {
    let mut all = [("", ""); COUNT];
    let mut i = 0;
    while i < COUNT {
        all[i] = (FIGURES[i].key, FIGURES[i].definition);
        i += 1;
    }
    all
};

/// Returns the figure with this key, if there is one.
pub fn figure_of(key: &str) -> Option<&'static Figure> {
    static ALL: [Figure; COUNT] = FIGURES;
    ALL.iter().find(|figure| figure.key == key)
}
