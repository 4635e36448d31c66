//! Compares the encoder's code with the pursued one, token by token and feature by feature, over a text.

use serde::{Deserialize, Serialize};

use super::batch::Pursuer;
use super::examples::{FEATURES_WITH_EXAMPLES, MissedExamples, Place, Strongest};
use super::{Method, Settings};
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;
use crate::{capture, formats};

/// Kind under which a project keeps a [`Comparison`].
pub const STUDY: &str = "pursuit";

/// Rows of text whose activations are in memory at a time.
const ROWS_AT_ONCE: usize = 8;

/// Increase of a squared error that counts as more than the rule's own detours.
const CLEARLY: f64 = 1.01;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    ("l0", "mean number of active features in the encoder's code"),
    (
        "l0_pursuit",
        "mean number of features with positive weight in the pursued code; a step may choose a feature again, so it can be lower",
    ),
    (
        "fvu_encoder",
        "Σ‖x − x̂‖² / Σ‖x − mean x‖² of the encoder's reconstruction, over the positions that count",
    ),
    (
        "fvu_pursuit",
        "the same of the reconstruction from the pursued code",
    ),
    (
        "jaccard",
        "features in both codes over features in either, mean over tokens; 1 where both are empty",
    ),
    (
        "worse",
        "share of tokens with a larger squared error under pursuit than under the encoder",
    ),
    (
        "clearly_worse",
        "share of tokens whose squared error is more than 1 % larger under pursuit",
    ),
    (
        "missed",
        "tokens at which pursuit picks the feature and the encoder does not, and the mean weight there",
    ),
    (
        "invented",
        "tokens at which the encoder picks the feature and pursuit does not, and the mean activation there",
    ),
];

/// Use of one feature by both codes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureRow {
    /// The feature.
    pub feature: FeatureId,
    /// Tokens at which both have it.
    pub shared: u64,
    /// Tokens at which only pursuit has it.
    pub missed: u64,
    /// Tokens at which only the encoder has it.
    pub invented: u64,
    /// Sum of its weights over the missed tokens.
    pub missed_weight: f64,
    /// Sum of its activations over the invented tokens.
    pub invented_activation: f64,
    /// Sum of the encoder's activations over the shared tokens.
    pub shared_activation: f64,
    /// Sum of pursuit's weights over the shared tokens.
    pub shared_weight: f64,
}

/// Encoder against pursuit on a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the dictionary.
    pub sae: String,
    /// Settings.
    pub settings: Settings,
    /// Whether the encoder keeps negative activations; pursued codes have none.
    #[serde(default)]
    pub signed: bool,
    /// Tokens compared.
    pub tokens: u64,
    /// Mean L0 of the encoder.
    pub l0: f64,
    /// Mean L0 of pursuit.
    pub l0_pursuit: f64,
    /// FVU of the encoder's reconstruction.
    pub fvu_encoder: f64,
    /// FVU of pursuit's reconstruction.
    pub fvu_pursuit: f64,
    /// Mean Jaccard index of the two sets of features.
    pub jaccard: f64,
    /// Share of tokens with a larger squared error under pursuit.
    pub worse: f64,
    /// Share of tokens whose squared error is more than 1 % larger under pursuit.
    pub clearly_worse: f64,
    /// Features that either code has, ascending.
    pub features: Vec<FeatureRow>,
    /// Missed tokens of the features missed most, ascending by feature.
    pub examples: Vec<MissedExamples>,
}

impl Comparison {
    /// Features that the encoder misses, by the sum of the weights that pursuit gives them, the largest first.
    pub fn most_missed(&self) -> Vec<&FeatureRow> {
        self.ordered(|row| row.missed_weight)
    }

    /// Features that the encoder invents, by the sum of their activations, the largest first.
    pub fn most_invented(&self) -> Vec<&FeatureRow> {
        self.ordered(|row| row.invented_activation)
    }

    fn ordered(&self, by: impl Fn(&FeatureRow) -> f64) -> Vec<&FeatureRow> {
        let some = self.features.iter().filter(|row| by(row) > 0.0);
        let mut rows: Vec<&FeatureRow> = some.collect();
        rows.sort_by(|a, b| by(b).total_cmp(&by(a)).then(a.feature.cmp(&b.feature)));
        rows
    }

    /// Returns the use of a feature by both codes; none where neither has it.
    pub fn feature(&self, feature: FeatureId) -> Option<&FeatureRow> {
        let at = self
            .features
            .binary_search_by_key(&feature, |row| row.feature);
        at.ok().map(|at| &self.features[at])
    }

    /// Returns the missed tokens of a feature; none where none are kept.
    pub fn examples_of(&self, feature: FeatureId) -> Option<&MissedExamples> {
        let at = self
            .examples
            .binary_search_by_key(&feature, |of| of.feature);
        at.ok().map(|at| &self.examples[at])
    }

    /// Returns what qualifies the comparison, if anything.
    pub fn note(&self) -> Option<String> {
        self.signed.then(|| {
            format!(
                "{} keeps negative activations, and a pursued code has none: the comparison favours the encoder",
                self.sae
            )
        })
    }

    /// Says in one sentence what a better encoder would win.
    pub fn conclusion(&self) -> String {
        let Self {
            fvu_encoder,
            fvu_pursuit,
            ..
        } = *self;
        let steps = match self.settings.k {
            None => "with at most as many features per token".to_owned(),
            Some(k) => format!(
                "with at most {k} features per token (the encoder has {:.1})",
                self.l0
            ),
        };
        let rest = format!(
            "the codes share {:.0} % of their features, and pursuit is worse on {} of the tokens",
            100.0 * self.jaccard,
            percent(self.worse)
        );
        if fvu_encoder <= 0.0 {
            return format!(
                "The encoder leaves no error on this text, so pursuit has nothing to win; {rest}."
            );
        }
        let won = 1.0 - fvu_pursuit / fvu_encoder;
        if won >= 0.005 {
            let by = match self.settings.method {
                Method::Gradient => "Gradient pursuit",
                Method::Orthogonal => "Orthogonal pursuit",
            };
            format!(
                "{by} lowers FVU from {fvu_encoder:.4} to {fvu_pursuit:.4} {steps}: at least {:.0} % of the error is the encoder's choice; {rest}.",
                100.0 * won
            )
        } else if won > -0.005 {
            format!(
                "Pursuit reaches the encoder's FVU of {fvu_encoder:.4} and no better ({fvu_pursuit:.4}) {steps}: this search finds no fault with the encoder; {rest}."
            )
        } else {
            format!(
                "Pursuit raises FVU from {fvu_encoder:.4} to {fvu_pursuit:.4} {steps}: this search is worse than the encoder, so it says nothing about a better one; {rest}."
            )
        }
    }
}

fn percent(share: f64) -> String {
    if share == 0.0 {
        "none".to_owned()
    } else if share > 0.0 && share < 0.001 {
        "less than 0.1 %".to_owned()
    } else {
        format!("{:.1} %", 100.0 * share)
    }
}

/// Returns the number of steps of each token: the settings', or the number of active features in the encoder's code.
pub fn steps(encoded: &Latents, settings: Settings) -> Vec<usize> {
    (0..encoded.rows())
        .map(|i| settings.k.unwrap_or_else(|| encoded.range(i).len()))
        .collect()
}

/// One token's codes side by side.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenCodes {
    /// Feature, the encoder's activation and pursuit's weight (0 where it is absent), ascending by feature.
    pub features: Vec<(FeatureId, f32, f32)>,
    /// Squared error of the encoder's reconstruction.
    pub encoder_error: f64,
    /// Squared error of pursuit's reconstruction.
    pub pursuit_error: f64,
}

impl TokenCodes {
    /// Features of both codes.
    pub fn shared(&self) -> usize {
        let both =
            |(_, encoder, pursuit): &&(FeatureId, f32, f32)| *encoder != 0.0 && *pursuit != 0.0;
        self.features.iter().filter(both).count()
    }

    /// Features of both codes over features of either; 1 where both are empty.
    pub fn jaccard(&self) -> f64 {
        if self.features.is_empty() {
            return 1.0;
        }
        self.shared() as f64 / self.features.len() as f64
    }
}

/// Pursues a code of each of the activations `x [n, d]` and puts it beside the encoder's.
pub fn by_token(sae: &Sae, x: &Matrix, settings: Settings) -> Result<Vec<TokenCodes>> {
    Ok(codes(&mut Pursuer::new(sae, settings)?, (sae, settings), x)?.0)
}

/// Codes of `x [n, d]` token by token, and the numbers of their features.
fn codes(
    pursuer: &mut Pursuer<'_>,
    (sae, settings): (&Sae, Settings),
    x: &Matrix,
) -> Result<(Vec<TokenCodes>, Latents, Latents)> {
    let encoded = sae.encode(x)?;
    let pursued = pursuer.pursue(x, &steps(&encoded, settings))?;
    let errors = [&encoded, &pursued].map(|code| squared_errors(sae, code, x));
    let [by_encoder, by_pursuit] = errors;
    let tokens = by_encoder?
        .into_iter()
        .zip(by_pursuit?)
        .enumerate()
        .map(|(i, (encoder_error, pursuit_error))| TokenCodes {
            features: side_by_side(&encoded, &pursued, i),
            encoder_error,
            pursuit_error,
        })
        .collect();
    Ok((tokens, encoded, pursued))
}

/// Joins the rows `i` of both codes.
fn side_by_side(encoded: &Latents, pursued: &Latents, i: usize) -> Vec<(FeatureId, f32, f32)> {
    let (mut left, mut right) = (encoded.row(i).peekable(), pursued.row(i).peekable());
    let mut joined = Vec::new();
    loop {
        let (of_left, of_right) = (left.peek().copied(), right.peek().copied());
        let pair = match (of_left, of_right) {
            (Some((a, act)), Some((b, weight))) if a == b => (a, act, weight),
            (Some((a, act)), Some((b, _))) if a < b => (a, act, 0.0),
            (Some((a, act)), None) => (a, act, 0.0),
            (_, Some((b, weight))) => (b, 0.0, weight),
            (None, None) => return joined,
        };
        left.next_if(|(a, _)| *a == pair.0);
        right.next_if(|(b, _)| *b == pair.0);
        joined.push(pair);
    }
}

/// Squared error of each token's reconstruction from `code`.
fn squared_errors(sae: &Sae, code: &Latents, x: &Matrix) -> Result<Vec<f64>> {
    let reconstruction = sae.decode(code, x)?;
    let error = |(x, back): (&[f32], &[f32])| {
        let differences = x
            .iter()
            .zip(back)
            .map(|(x, y)| f64::from(*x) - f64::from(*y));
        differences.map(|e| e * e).sum()
    };
    Ok(x.iter_rows()
        .zip(reconstruction.iter_rows())
        .map(error)
        .collect())
}

/// Compares the encoder of `sae` with pursuit at the positions of `rows` that count. The missed tokens of `focus` are kept whatever their strength. An error for
/// a dictionary that is no autoencoder of this model.
pub fn compare(
    (model, sae): (&Model, &Sae),
    rows: &Rows,
    settings: Settings,
    focus: Option<FeatureId>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Comparison>> {
    let hook = sae.hook()?;
    formats::check_ends(sae, model)?;
    if rows.counted() < 2 {
        return Err(Error::setting(
            "text",
            "fewer than two tokens count: give more text",
        ));
    }
    if let Some(feature) = focus.filter(|feature| feature.index() >= sae.features()) {
        let what = format!(
            "{} has {} features, there is no {feature}",
            sae.name,
            sae.features()
        );
        return Err(Error::setting("feature", what));
    }
    let mut pursuer = Pursuer::new(sae, settings)?;
    let mut sums = Sums::new(sae);
    let numbers: Vec<usize> = (0..rows.len()).collect();
    for chunk in numbers.chunks(ROWS_AT_ONCE) {
        let whole = capture::activations(model, rows, chunk, hook)?;
        let x = rows.kept(chunk, &*sae.own_part(&whole)?);
        let (tokens, _, _) = codes(&mut pursuer, (sae, settings), &x)?;
        sums.add((sae, &x), &tokens, &places(rows, chunk))?;
        let done = chunk.last().map_or(0, |last| last + 1);
        if observe(Progress::rows(done, rows.len())).is_break() && done < rows.len() {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(sums.finish(sae, rows, settings, focus)))
}

/// Row and position of each token of `chunk` that counts.
fn places(rows: &Rows, chunk: &[usize]) -> Vec<(u32, u32)> {
    let of_row = |row: &usize| {
        let counts = rows.counts(*row).iter().enumerate();
        let row = *row as u32;
        counts
            .filter(|(_, counts)| **counts)
            .map(move |(position, _)| (row, position as u32))
    };
    chunk.iter().flat_map(of_row).collect()
}

/// Sums over tokens.
struct Sums {
    tokens: u64,
    l0: u64,
    l0_pursuit: u64,
    jaccard: f64,
    worse: u64,
    clearly_worse: u64,
    encoder_error: f64,
    pursuit_error: f64,
    /// Activation of the first token, about which the others are summed.
    about: Vec<f32>,
    sum: Vec<f64>,
    squares: f64,
    features: Vec<FeatureRow>,
    strongest: Vec<Strongest>,
}

impl Sums {
    fn new(sae: &Sae) -> Self {
        let f = sae.features();
        let row = |feature: usize| FeatureRow {
            feature: feature.into(),
            ..FeatureRow::default()
        };
        Self {
            tokens: 0,
            l0: 0,
            l0_pursuit: 0,
            jaccard: 0.0,
            worse: 0,
            clearly_worse: 0,
            encoder_error: 0.0,
            pursuit_error: 0.0,
            about: Vec::new(),
            sum: vec![0.0; sae.width()],
            squares: 0.0,
            features: (0..f).map(row).collect(),
            strongest: vec![Strongest::default(); f],
        }
    }

    /// Adds tokens with their activations and places.
    fn add(
        &mut self,
        (sae, x): (&Sae, &Matrix),
        tokens: &[TokenCodes],
        places: &[(u32, u32)],
    ) -> Result<()> {
        let read = sae.centred(x)?;
        for (i, (token, place)) in tokens.iter().zip(places).enumerate() {
            self.tokens += 1;
            self.jaccard += token.jaccard();
            self.worse += u64::from(token.pursuit_error > token.encoder_error);
            let clearly = token.pursuit_error > CLEARLY * token.encoder_error;
            self.clearly_worse += u64::from(clearly);
            self.encoder_error += token.encoder_error;
            self.pursuit_error += token.pursuit_error;
            self.spread(x.row(i));
            for (feature, act, weight) in &token.features {
                self.l0 += u64::from(*act != 0.0);
                self.l0_pursuit += u64::from(*weight != 0.0);
                self.count(*feature, (*act, *weight));
                let strongest = &mut self.strongest[feature.index()];
                if *act == 0.0 && strongest.takes(*weight) {
                    strongest.offer(Place {
                        row: place.0,
                        position: place.1,
                        weight: *weight,
                        pre_activation: pre_activation(sae, read.row(i), *feature),
                    });
                }
            }
        }
        Ok(())
    }

    fn spread(&mut self, x: &[f32]) {
        if self.about.is_empty() {
            self.about = x.to_vec();
        }
        for ((sum, x), about) in self.sum.iter_mut().zip(x).zip(&self.about) {
            let x = f64::from(*x) - f64::from(*about);
            *sum += x;
            self.squares += x * x;
        }
    }

    fn count(&mut self, feature: FeatureId, (act, weight): (f32, f32)) {
        let row = &mut self.features[feature.index()];
        let (act, weight) = (f64::from(act), f64::from(weight));
        if act != 0.0 && weight != 0.0 {
            row.shared += 1;
            row.shared_activation += act;
            row.shared_weight += weight;
        } else if weight != 0.0 {
            row.missed += 1;
            row.missed_weight += weight;
        } else {
            row.invented += 1;
            row.invented_activation += act;
        }
    }

    fn finish(
        self,
        sae: &Sae,
        rows: &Rows,
        settings: Settings,
        focus: Option<FeatureId>,
    ) -> Comparison {
        let n = self.tokens as f64;
        let variance = self.squares - self.sum.iter().map(|sum| sum * sum).sum::<f64>() / n;
        let used = |row: &FeatureRow| row.shared + row.missed + row.invented > 0;
        let mut comparison = Comparison {
            sae: sae.name.clone(),
            settings,
            signed: sae.selection.is_signed(),
            tokens: self.tokens,
            l0: self.l0 as f64 / n,
            l0_pursuit: self.l0_pursuit as f64 / n,
            fvu_encoder: self.encoder_error / variance,
            fvu_pursuit: self.pursuit_error / variance,
            jaccard: self.jaccard / n,
            worse: self.worse as f64 / n,
            clearly_worse: self.clearly_worse as f64 / n,
            features: self.features.into_iter().filter(used).collect(),
            examples: Vec::new(),
        };
        let most = comparison.most_missed();
        let mut chosen: Vec<FeatureId> = most
            .iter()
            .take(FEATURES_WITH_EXAMPLES)
            .map(|row| row.feature)
            .chain(focus)
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        comparison.examples = chosen
            .into_iter()
            .map(|of| self.strongest[of.index()].with_contexts(of, rows))
            .filter(|of| !of.tokens.is_empty())
            .collect();
        comparison
    }
}

/// Pre-activation of a feature at one token as the encoder reads it.
fn pre_activation(sae: &Sae, read: &[f32], feature: FeatureId) -> f32 {
    let row = sae.w_enc.row(feature.index());
    let products = row.iter().zip(read);
    let sum: f64 = products.map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
    (sum + f64::from(sae.b_enc[feature.index()])) as f32
}
