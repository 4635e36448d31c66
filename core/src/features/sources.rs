//! Origin of a feature's activation at its examples: parts of the pre-activation by source token and by head, for dictionaries of `hook_z`.
//!
//! A part is `A_h[t, s] · (v_h[s] · w_h)` ([`Mixing::split`]); over all heads and sources the parts sum to pre-activation + w · b_dec − b_enc.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::tally::Tally;
use super::{CONTEXT, Example, Passage};
use crate::attention::Mixing;
use crate::capture;
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::formats;
use crate::ids::{FeatureId, Layer, TokenId};
use crate::models::Model;
use crate::sae::ByToken;

/// Number of source tokens kept from before an example's window.
pub const BEFORE_WINDOW: usize = 3;
/// Rows read between two reports.
const AT_ONCE: usize = 32;

/// Source token with its part of a pre-activation, summed over heads.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceToken {
    /// Position in the token row.
    pub position: usize,
    /// Token.
    pub id: TokenId,
    /// Token as shown.
    pub text: String,
    /// Its part; below 0 it holds the feature down.
    pub value: f32,
}

/// Parts of the pre-activation at an example's token, by source token.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sources {
    /// `[window]`: part of each token shown, 0 after the example's token; from a file exact to 1/8,190 of the largest.
    pub window: Vec<f32>,
    /// Up to [`BEFORE_WINDOW`] earlier tokens of the row with the largest parts in size, largest first.
    pub before: Vec<SourceToken>,
    /// Sum over all source tokens of the row, listed or not.
    pub sum: f32,
}

impl Sources {
    /// Returns the source token with the largest part in the direction of the example's activation; `None` where no part has that direction.
    pub fn strongest(&self, example: &Example) -> Option<SourceToken> {
        let sign = if example.act() < 0.0 { -1.0 } else { 1.0 };
        let start = example.place.map_or(0, |place| place.position) as i64 - example.at as i64;
        let shown = self.window.iter().zip(&example.ids).zip(&example.tokens);
        let shown = (start.max(0) as usize..).zip(shown).take(example.at + 1);
        let shown = shown.map(|(position, ((value, id), text))| SourceToken {
            position,
            id: *id,
            text: text.clone(),
            value: *value,
        });
        let all = self.before.iter().cloned().chain(shown);
        let towards = all.filter(|source| sign * source.value > 0.0);
        towards.reduce(|best, next| {
            if sign * next.value > sign * best.value {
                next
            } else {
                best
            }
        })
    }
}

/// Parts at one example, in numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Parts {
    /// Part of each token of the window up to the example's.
    pub(super) window: Vec<f32>,
    /// Position in the row, and part.
    pub(super) before: Vec<(u32, f32)>,
    pub(super) sum: f32,
    /// `[h]`: sum over the sources of each head; empty in an index of a version before 3.
    pub(super) heads: Vec<f32>,
}

/// Parts at the strongest examples of one feature.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct OfFeature {
    /// In the order of the examples.
    pub(super) examples: Vec<Parts>,
    /// `[h]`: share of each head in the sum of |part by head| over these examples; empty where there are none.
    pub(super) heads: Vec<f32>,
}

/// Whether the activations of the dictionary's features have parts by head and source token: where it reads what heads of `model` write, before they are mixed.
pub fn has_sources(model: &Model, sae: ByToken<'_>) -> bool {
    layer_of(model, sae).is_some()
}

/// Returns the layer whose heads the dictionary reads: that of its `hook_z`, of all heads or of one.
pub(super) fn layer_of(model: &Model, sae: ByToken<'_>) -> Option<Layer> {
    let hook = sae.hook().ok().filter(|hook| hook.is_z())?;
    let width = formats::width_for(&sae, model, hook);
    let fits = width.is_ok_and(|width| width == sae.width());
    hook.layer().filter(|_| fits && sae.error_of.is_none())
}

/// Returns the direction of z `[h·e]` whose product with z is the pre-activation without biases: the encoder's row, in the slice of its head where it reads one.
fn along(sae: ByToken<'_>, feature: FeatureId, z: &[f32]) -> Vec<f32> {
    let weights = sae.w_enc.row(feature.index());
    let Some(head) = sae.provenance.head else {
        return sae.input_norm.direction(z, weights).into_owned();
    };
    let own = head.index() * weights.len()..(head.index() + 1) * weights.len();
    let mut all = vec![0.0; z.len()];
    all[own.clone()].copy_from_slice(&sae.input_norm.direction(&z[own], weights));
    all
}

/// Computes the parts at position `at` of a row of which `mixing` is known.
fn parts(mixing: &Mixing, sae: ByToken<'_>, (feature, at): (FeatureId, usize)) -> Result<Parts> {
    let along = along(sae, feature, mixing.z(at));
    let split = mixing.split(&along, at)?;
    let mut by_source = vec![0.0_f64; at + 1];
    let mut by_head = Vec::with_capacity(split.rows());
    for row in split.iter_rows() {
        let row = &row[..=at];
        for (sum, part) in by_source.iter_mut().zip(row) {
            *sum += f64::from(*part);
        }
        by_head.push(row.iter().map(|part| f64::from(*part)).sum::<f64>() as f32);
    }
    let from = at.saturating_sub(CONTEXT);
    let mut before: Vec<(u32, f32)> = (0..)
        .zip(&by_source[..from])
        .map(|(position, part)| (position, *part as f32))
        .filter(|(_, part)| *part != 0.0)
        .collect();
    before.sort_by(|(i, a), (j, b)| b.abs().total_cmp(&a.abs()).then(i.cmp(j)));
    before.truncate(BEFORE_WINDOW);
    let parts = Parts {
        window: by_source[from..].iter().map(|part| *part as f32).collect(),
        before,
        sum: by_source.iter().sum::<f64>() as f32,
        heads: by_head,
    };
    Ok(parts)
}

/// Place of a strongest example: its row, feature, number among the feature's examples, position.
type Wanted = (u32, FeatureId, usize, usize);

/// Parts as far as they are computed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Found {
    /// Number of rows whose examples are done.
    pub(super) done: usize,
    /// `[f]`; without shares of heads until all rows are done.
    pub(super) features: Vec<OfFeature>,
}

/// Computation of the parts at the strongest examples of all features, by one more pass over the rows that contain them.
#[derive(Debug)]
pub(super) struct Attribution<'a> {
    model: Cow<'a, Model>,
    layer: Layer,
    sae: ByToken<'a>,
    rows: &'a Rows,
    /// All examples, row by row.
    wanted: Vec<Wanted>,
    /// Ranges of `wanted` by row.
    of_rows: Vec<Range<usize>>,
    /// Number of examples, `[f]`.
    lengths: Vec<usize>,
}

impl<'a> Attribution<'a> {
    /// Prepares the computation for the strongest examples of `tallies`; none for a dictionary that does not tell heads apart.
    pub(super) fn new(
        (model, sae): (&'a Model, ByToken<'a>),
        rows: &'a Rows,
        tallies: &[Tally],
    ) -> Result<Option<Self>> {
        let Some(layer) = layer_of(model, sae) else {
            return Ok(None);
        };
        sae.w_enc.check()?;
        let mut wanted: Vec<Wanted> = Vec::new();
        for (f, tally) in tallies.iter().enumerate() {
            let places = tally.top.iter().enumerate();
            wanted.extend(places.map(|(number, moment)| {
                let position = moment.position as usize;
                (moment.row, FeatureId::from(f), number, position)
            }));
        }
        wanted.sort_unstable();
        let mut start = 0;
        let of_rows = wanted.chunk_by(|a, b| a.0 == b.0).map(|of_row| {
            start += of_row.len();
            start - of_row.len()..start
        });
        Ok(Some(Self {
            model: capture::reader(model, rows)?,
            layer,
            sae,
            rows,
            of_rows: of_rows.collect(),
            wanted,
            lengths: tallies.iter().map(|tally| tally.top.len()).collect(),
        }))
    }

    /// Number of rows with examples.
    pub(super) fn len(&self) -> usize {
        self.of_rows.len()
    }

    /// Computes the parts in the next rows; whether there were any left. After the last ones, features get the shares of their heads.
    pub(super) fn advance(&self, found: &mut Found) -> Result<bool> {
        if found.features.len() != self.lengths.len() {
            let each = self.lengths.iter().map(|length| OfFeature {
                examples: vec![Parts::default(); *length],
                heads: Vec::new(),
            });
            *found = Found {
                done: 0,
                features: each.collect(),
            };
        }
        let end = (found.done + AT_ONCE).min(self.len());
        let some = &self.of_rows[found.done.min(end)..end];
        let (model, of) = (&*self.model, (self.rows, self.layer));
        let all: Vec<Vec<Parts>> = some
            .par_iter()
            .map(|range| of_row(model, self.sae, of, &self.wanted[range.clone()]))
            .collect::<Result<_>>()?;
        for (range, parts) in some.iter().zip(all) {
            let wanted = &self.wanted[range.clone()];
            for ((_, feature, number, _), parts) in wanted.iter().zip(parts) {
                found.features[feature.index()].examples[*number] = parts;
            }
        }
        found.done = end;
        if some.is_empty() {
            found.features.iter_mut().for_each(OfFeature::share);
        }
        Ok(!some.is_empty())
    }
}

impl OfFeature {
    /// Computes the shares of heads from the examples.
    pub(super) fn share(&mut self) {
        let heads = self.examples.iter().map(|parts| parts.heads.len()).max();
        let mut sizes = vec![0.0_f64; heads.unwrap_or(0)];
        for parts in &self.examples {
            for (size, part) in sizes.iter_mut().zip(&parts.heads) {
                *size += f64::from(part.abs());
            }
        }
        self.heads = shares(&sizes);
    }
}

fn of_row(
    model: &Model,
    sae: ByToken<'_>,
    (rows, layer): (&Rows, Layer),
    wanted: &[Wanted],
) -> Result<Vec<Parts>> {
    let Some((row, ..)) = wanted.first() else {
        return Ok(Vec::new());
    };
    // Later tokens than the last example's do not matter.
    let last = wanted.iter().map(|(.., position)| *position).max();
    let tokens = &rows.row(*row as usize)[..=last.unwrap_or_default()];
    let mixing = Mixing::new(model, tokens, layer)?;
    let of = |(_, feature, _, position): &Wanted| parts(&mixing, sae, (*feature, *position));
    wanted.iter().map(of).collect()
}

/// Computes the share of each of `sizes` in their sum; equal shares where all are 0.
fn shares(sizes: &[f64]) -> Vec<f32> {
    let sum: f64 = sizes.iter().sum();
    let share = |size: &f64| {
        if sum > 0.0 {
            (size / sum) as f32
        } else {
            1.0 / sizes.len() as f32
        }
    };
    sizes.iter().map(share).collect()
}

/// Computes the sources of examples of `feature` from their whole rows, for an index that does not have them. An error for a dictionary that does not tell heads
/// apart and for a row that the model cannot read.
pub fn sources(
    model: &Model,
    sae: ByToken<'_>,
    feature: FeatureId,
    passages: &[Passage],
) -> Result<Vec<Sources>> {
    let layer = layer_of(model, sae).ok_or_else(|| Error::Unsupported {
        what: format!("attribution by source token with dictionary {}", sae.name),
        remedy: "choose a dictionary of attn.hook_z of this model".to_owned(),
    })?;
    if feature.index() >= sae.features() {
        let what = format!("{feature} is not in dictionary {}", sae.name);
        return Err(Error::setting("feature", what));
    }
    sae.w_enc.check()?;
    let of = |passage: &Passage| {
        let model = &*passage.input().reader(model)?;
        let tokens = passage.ids.get(..=passage.position).unwrap_or(&passage.ids);
        let at = tokens.len().saturating_sub(1);
        let mixing = Mixing::new(model, tokens, layer)?;
        let parts = parts(&mixing, sae, (feature, at))?;
        let named = |position: usize| {
            let text = passage.texts.get(position).cloned();
            Some((*passage.ids.get(position)?, text?))
        };
        let window = CONTEXT.min(at) + 1 + CONTEXT.min(passage.ids.len().saturating_sub(at + 1));
        Ok(parts.named(window, named).unwrap_or_default())
    };
    passages.par_iter().map(of).collect()
}

impl Parts {
    /// Returns the sources of a window of `window` tokens; `None` where `named` does not know a token of the row.
    pub(super) fn named(
        self,
        window: usize,
        named: impl Fn(usize) -> Option<(TokenId, String)>,
    ) -> Option<Sources> {
        let mut shown = self.window;
        shown.resize(window.max(shown.len()), 0.0);
        let before = self.before.into_iter().map(|(position, value)| {
            let position = position as usize;
            let (id, text) = named(position)?;
            Some(SourceToken {
                position,
                id,
                text,
                value,
            })
        });
        Some(Sources {
            window: shown,
            before: before.collect::<Option<_>>()?,
            sum: self.sum,
        })
    }
}
