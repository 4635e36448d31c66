//! One pass over a text that measures every feature of a layer at every head. Memory depends on features and heads, not on the length of the text.

use rayon::prelude::*;

use super::Correlation;
use crate::capture;
use crate::corpus::{Blocks, Rows};
use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};
use crate::heads::{head_shares, layer_of};
use crate::ids::{FeatureId, Head, HookPoint, Layer, Site, TokenId};
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Autoencoder;

/// Rows read at a time.
const CHUNK_ROWS: usize = 8;
/// Tokens per task.
const CHUNK_TOKENS: usize = 64;
/// Strongest tokens kept of each feature: a draw of the bootstrap takes its own first ones from these.
const KEPT: usize = 64;

/// A token at which a feature is strongly active.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Activation.
    pub act: f32,
    /// Token.
    pub token: TokenId,
    /// Token before it, unless it is the first of its row.
    pub before: Option<TokenId>,
    /// Block of the text.
    pub block: u32,
}

/// Products of the parts of z that a head writes: `⟨a W_O^h, b W_O^h⟩ = a · G_h b` with `G_h = W_O^h (W_O^h)ᵀ`, `[e, e]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    e: usize,
    grams: Vec<Vec<f64>>,
}

impl Written {
    /// Computes the products for the rows of `w_o [h·e, d]`.
    pub fn new(w_o: &Matrix, heads: usize) -> Self {
        let e = w_o.rows() / heads.max(1);
        let gram = |head: usize| {
            let row = |at: usize| w_o.row(head * e + at);
            let pairs = (0..e).flat_map(|a| (0..e).map(move |b| (a, b)));
            pairs.map(|(a, b)| dot(row(a), row(b))).collect()
        };
        Self {
            e,
            grams: (0..heads).map(gram).collect(),
        }
    }

    /// Width of a head, `e`.
    pub fn width(&self) -> usize {
        self.e
    }

    /// Returns `G_h part`, `[e]`.
    pub fn through(&self, head: Head, part: &[f32]) -> Vec<f64> {
        let rows = self.grams[head.index()].chunks_exact(self.e);
        rows.map(|row| row.iter().zip(part).map(|(g, p)| g * f64::from(*p)).sum())
            .collect()
    }

    /// Returns the head's part of a row that concatenates the heads.
    pub fn part<'a>(&self, head: Head, row: &'a [f32]) -> &'a [f32] {
        &row[head.index() * self.e..(head.index() + 1) * self.e]
    }

    /// Computes the cosines of what `head` writes of rows that concatenate the heads, `[n, n]`; 0 where one writes nothing.
    pub fn cosines(&self, head: Head, rows: &[&[f32]]) -> Vec<Vec<f64>> {
        let parts: Vec<&[f32]> = rows.iter().map(|row| self.part(head, row)).collect();
        let through: Vec<Vec<f64>> = parts.iter().map(|part| self.through(head, part)).collect();
        let product = |a: usize, b: usize| -> f64 {
            parts[a]
                .iter()
                .zip(&through[b])
                .map(|(x, y)| f64::from(*x) * y)
                .sum()
        };
        let norms: Vec<f64> = (0..rows.len())
            .map(|at| product(at, at).max(0.0).sqrt())
            .collect();
        let cosine = |a: usize, b: usize| {
            let size = norms[a] * norms[b];
            if size > 0.0 {
                product(a.min(b), a.max(b)) / size
            } else {
                0.0
            }
        };
        (0..rows.len())
            .map(|a| (0..rows.len()).map(|b| cosine(a, b)).collect())
            .collect()
    }
}

/// Computes a · b in f64.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

/// Figures of every feature of a layer at every head, over the positions of a text that count.
#[derive(Debug, Clone, PartialEq)]
pub struct OnText {
    /// Layer.
    pub layer: Layer,
    /// Positions that count.
    pub tokens: u64,
    /// Blocks of the text.
    pub blocks: Blocks,
    /// Products of what the heads write.
    pub written: Written,
    /// Mean of z over the positions that count, `[h·e]`.
    pub mean: Vec<f32>,
    /// Decoder shares `[f, h]`.
    shares: Matrix,
    /// Tokens where each feature is active, `[f]`.
    active: Vec<u64>,
    /// Σ |z_h · w_{i,h}|, `[f, h]`.
    attribution: Vec<f64>,
    /// Σₜ⟨aᵢ dᵢ^h W_O^h, o_h⟩, `[f, h]`.
    explained: Vec<f64>,
    /// Sum for the decoder's bias, `[h]`.
    bias: Vec<f64>,
    /// Sum for the dictionary's error, `[h]`.
    error: Vec<f64>,
    /// Σₜ‖o_h‖², `[h]`.
    output: Vec<f64>,
    /// Strongest tokens of each feature, strongest first.
    peaks: Vec<Vec<Peak>>,
}

impl OnText {
    /// Number of heads.
    pub fn heads(&self) -> usize {
        self.output.len()
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.active.len()
    }

    /// Tokens where `feature` is active.
    pub fn active(&self, feature: FeatureId) -> u64 {
        self.active[feature.index()]
    }

    /// Returns which features are active on the text, `[f]`.
    pub fn live(&self) -> Vec<bool> {
        self.active.iter().map(|active| *active > 0).collect()
    }

    /// Share of the feature's decoder norm in `head`.
    pub fn share(&self, feature: FeatureId, head: Head) -> f64 {
        f64::from(self.shares.row(feature.index())[head.index()])
    }

    /// Σ |z_h · w_h| over the tokens where the feature is active.
    pub fn attribution(&self, feature: FeatureId, head: Head) -> f64 {
        self.attribution[self.at(feature, head)]
    }

    /// Share of the feature's attribution in `head`; 0 where it has none.
    pub fn attribution_share(&self, feature: FeatureId, head: Head) -> f64 {
        let all = &self.attribution[self.at(feature, Head(0))..][..self.heads()];
        let sum: f64 = all.iter().sum();
        if sum > 0.0 {
            all[head.index()] / sum
        } else {
            0.0
        }
    }

    /// Decoder share and attribution share of a feature in `head`.
    pub fn point(&self, feature: FeatureId, head: Head) -> [f64; 2] {
        [
            self.share(feature, head),
            self.attribution_share(feature, head),
        ]
    }

    /// Correlates decoder share and attribution share of a feature over the heads.
    pub fn correlation_over_heads(&self, feature: FeatureId) -> Correlation {
        let heads = (0..self.heads()).map(Head::from);
        let points: Vec<[f64; 2]> = heads.map(|head| self.point(feature, head)).collect();
        Correlation::new(&points)
    }

    /// Share of the head's output that the feature explains, Σₜ⟨aᵢ dᵢ^h W_O^h, o_h⟩ / Σₜ‖o_h‖²; 0 for a head that writes nothing.
    pub fn explained(&self, feature: FeatureId, head: Head) -> f64 {
        self.of_output(self.explained[self.at(feature, head)], head)
    }

    /// Share of the head's output that all features explain together.
    pub fn explained_by_features(&self, head: Head) -> f64 {
        let features = (0..self.features()).map(FeatureId::from);
        features.map(|feature| self.explained(feature, head)).sum()
    }

    /// Share of the head's output that the decoder's bias explains.
    pub fn explained_by_bias(&self, head: Head) -> f64 {
        self.of_output(self.bias[head.index()], head)
    }

    /// Share of the head's output that the dictionary's error makes up.
    pub fn left_to_error(&self, head: Head) -> f64 {
        self.of_output(self.error[head.index()], head)
    }

    /// Returns the strongest tokens of a feature, strongest first.
    pub fn peaks(&self, feature: FeatureId) -> &[Peak] {
        &self.peaks[feature.index()]
    }

    fn of_output(&self, part: f64, head: Head) -> f64 {
        let output = self.output[head.index()];
        if output > 0.0 { part / output } else { 0.0 }
    }

    fn at(&self, feature: FeatureId, head: Head) -> usize {
        feature.index() * self.heads() + head.index()
    }

    fn see(&mut self, feature: FeatureId, peak: Peak) {
        let peaks = &mut self.peaks[feature.index()];
        let at = peaks.partition_point(|other| other.act.abs() >= peak.act.abs());
        if at < KEPT {
            peaks.truncate(KEPT - 1);
            peaks.insert(at, peak);
        }
    }
}

/// Measures the features of a `hook_z` dictionary on `rows`; each row is read once.
pub fn on_text(
    model: &Model,
    sae: Autoencoder<'_>,
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<OnText>> {
    let layer = layer_of(model, sae)?;
    if rows.counted() == 0 {
        let what = "no position of the text counts, give more text";
        return Err(Error::setting("corpus", what));
    }
    let (heads, f) = (model.config().heads, sae.features());
    let w_o = model.w_o(layer)?;
    Dims::new("features on text")
        .bind("w_dec", &sae.w_dec, "f z")?
        .bind("w_o", &w_o, "z d")?;
    let mut text = OnText {
        layer,
        tokens: rows.counted() as u64,
        blocks: Blocks::new(rows),
        written: Written::new(&w_o, heads),
        mean: Vec::new(),
        shares: head_shares(sae, heads)?,
        active: vec![0; f],
        attribution: vec![0.0; f * heads],
        explained: vec![0.0; f * heads],
        bias: vec![0.0; heads],
        error: vec![0.0; heads],
        output: vec![0.0; heads],
        peaks: vec![Vec::new(); f],
    };
    let mut sum = vec![0.0_f64; sae.width()];
    let hook = HookPoint::Block(layer, Site::Z);
    let all: Vec<usize> = (0..rows.len()).collect();
    let mut done = 0;
    for chosen in all.chunks(CHUNK_ROWS) {
        let z = capture::activations(model, rows, chosen, hook)?;
        let latents = sae.encode(&z)?;
        let chunk = Chunk::new(sae, &z, &latents, &text.written)?;
        let counts = rows.counts_of(chosen);
        let parts = chunk.parts(&counts);
        add(
            &mut text,
            (rows, chosen[0] * rows.context()),
            &latents,
            &parts,
        );
        for (row, _) in z.iter_rows().zip(&counts).filter(|(_, counts)| **counts) {
            sum.iter_mut()
                .zip(row)
                .for_each(|(sum, z)| *sum += f64::from(*z));
        }
        done += chosen.len();
        if observe(Progress::rows(done, rows.len())).is_break() && done < rows.len() {
            return Ok(Ended::STOPPED);
        }
    }
    let tokens = rows.counted() as f64;
    text.mean = sum.into_iter().map(|sum| (sum / tokens) as f32).collect();
    Ok(Ended::Done(text))
}

/// Activations of some rows, with their code and reconstruction.
struct Chunk<'a> {
    sae: Autoencoder<'a>,
    z: &'a Matrix,
    latents: &'a Latents,
    written: &'a Written,
    recon: Matrix,
    /// Scale and shift of a decoder row on each token, `[n, 1]` each.
    scale: Matrix,
    shift: Matrix,
}

/// Terms of one token.
#[derive(Debug, Clone, Default)]
struct Parts {
    /// `|z_h · w_{i,h}|` of each active feature and head, `[k, h]`.
    attribution: Vec<f64>,
    /// `⟨aᵢ dᵢ^h W_O^h, o_h⟩`, `[k, h]`.
    explained: Vec<f64>,
    /// Bias, error and output of each head.
    heads: Vec<[f64; 3]>,
}

/// Returns scale and shift of a decoder row on each token of `z`, `[n, 1]`: a dictionary's output is Σ a · scale · w_dec + scale · b_dec + shift.
pub(in crate::heads) fn output_scale(sae: Autoencoder<'_>, z: &Matrix) -> Result<[Matrix; 2]> {
    let mut shift = Matrix::zeros(z.rows(), 1);
    sae.input_norm.undo(z, &mut shift);
    let mut scale = Matrix::new(z.rows(), 1, vec![1.0; z.rows()])?;
    sae.input_norm.undo(z, &mut scale);
    let pairs = scale.values_mut().iter_mut().zip(shift.values());
    pairs.for_each(|(scale, shift)| *scale -= shift);
    Ok([scale, shift])
}

impl<'a> Chunk<'a> {
    fn new(
        sae: Autoencoder<'a>,
        z: &'a Matrix,
        latents: &'a Latents,
        written: &'a Written,
    ) -> Result<Self> {
        let [scale, shift] = output_scale(sae, z)?;
        Ok(Self {
            sae,
            z,
            latents,
            written,
            recon: sae.decode(latents, z)?,
            scale,
            shift,
        })
    }

    /// Computes the terms of each token; none where it does not count.
    fn parts(&self, counts: &[bool]) -> Vec<Option<Parts>> {
        let tokens = (0..self.z.rows())
            .into_par_iter()
            .with_min_len(CHUNK_TOKENS);
        tokens
            .map(|token| counts[token].then(|| self.of_token(token)))
            .collect()
    }

    fn of_token(&self, token: usize) -> Parts {
        let (sae, e, z) = (self.sae, self.written.width(), self.z.row(token));
        let (scale, shift) = (
            f64::from(self.scale.row(token)[0]),
            f64::from(self.shift.row(token)[0]),
        );
        let heads = z.len() / e;
        let y: Vec<f64> = (0..heads)
            .map(Head::from)
            .flat_map(|head| self.written.through(head, self.written.part(head, z)))
            .collect();
        let mut parts = Parts::default();
        for (feature, act) in self.latents.row(token) {
            let w = sae.w_enc.row(feature.index());
            let along = sae.input_norm.direction(z, w);
            let attribution = z.chunks_exact(e).zip(along.chunks_exact(e));
            parts
                .attribution
                .extend(attribution.map(|(z, w)| dot(z, w).abs()));
            let by = f64::from(act) * scale;
            let row = sae.w_dec.row(feature.index());
            let explained = row.chunks_exact(e).zip(y.chunks_exact(e));
            parts
                .explained
                .extend(explained.map(|(d, y)| by * along_output(d, y)));
        }
        let recon = self.recon.row(token);
        parts.heads = (0..heads)
            .map(|head| {
                let slice = head * e..(head + 1) * e;
                let y = &y[slice.clone()];
                let bias = sae.b_dec[slice.clone()].iter().zip(y);
                let bias = bias.map(|(b, y)| (scale * f64::from(*b) + shift) * y).sum();
                let error = z[slice.clone()].iter().zip(&recon[slice.clone()]).zip(y);
                let error = error
                    .map(|((z, recon), y)| (f64::from(*z) - f64::from(*recon)) * y)
                    .sum();
                [bias, error, along_output(&z[slice], y)]
            })
            .collect();
        parts
    }
}

fn along_output(part: &[f32], y: &[f64]) -> f64 {
    part.iter().zip(y).map(|(x, y)| f64::from(*x) * y).sum()
}

/// Adds the terms of the tokens from `first` on, in order.
fn add(
    text: &mut OnText,
    (rows, first): (&Rows, usize),
    latents: &Latents,
    parts: &[Option<Parts>],
) {
    let (heads, t) = (text.heads(), rows.context());
    for (at, parts) in parts.iter().enumerate() {
        let Some(parts) = parts else { continue };
        let token = first + at;
        let block = text.blocks.of_token(token) as u32;
        let before = (!token.is_multiple_of(t)).then(|| rows.tokens()[token - 1]);
        for (entry, (feature, act)) in latents.row(at).enumerate() {
            if act == 0.0 {
                continue;
            }
            text.active[feature.index()] += 1;
            let from = text.at(feature, Head(0));
            for head in 0..heads {
                text.attribution[from + head] += parts.attribution[entry * heads + head];
                text.explained[from + head] += parts.explained[entry * heads + head];
            }
            text.see(
                feature,
                Peak {
                    act,
                    token: rows.tokens()[token],
                    before,
                    block,
                },
            );
        }
        for (head, [bias, error, output]) in parts.heads.iter().enumerate() {
            text.bias[head] += bias;
            text.error[head] += error;
            text.output[head] += output;
        }
    }
}
