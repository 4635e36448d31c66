//! Vectors that the parts of a model write into the residual stream, split into the nodes and biases that a trace shows. Each table is made once for a text; a
//! contribution is then one product.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::graph::{BiasKind, Kind};
use super::values::{Values, check_held};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{FeatureId, Head, HookPoint, Layer, Site, TokenId};
use crate::latents::Latents;
use crate::models::AttentionPath;
use crate::sae::Autoencoder;

/// Part of a value: what a node contributes, or a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    /// Node at the table's position.
    Node(Kind),
    /// Bias.
    Bias(BiasKind),
}

/// Active features of one position with the vectors that they write.
type Features = Vec<(FeatureId, Vec<f64>)>;

/// Terms of one position with their vectors.
type Terms = Vec<(Term, Vec<f64>)>;

/// Vectors `[terms, d]` by position. At each position they sum to the value that was split.
#[derive(Debug)]
pub(super) struct Table {
    rows: Matrix,
    terms: Vec<Term>,
    offsets: Vec<usize>,
}

impl Table {
    /// Splits the value of each of `positions`; `terms` bounds their number in all.
    fn build(
        (positions, d): (usize, usize),
        terms: usize,
        split: impl Fn(usize) -> Result<Terms> + Sync + Send,
    ) -> Result<Self> {
        check_held(12 * terms.saturating_mul(d))?;
        let split = (0..positions).into_par_iter().map(split);
        let split: Vec<Terms> = split.collect::<Result<_>>()?;
        let mut values = Vec::new();
        let mut table = Self {
            rows: Matrix::default(),
            terms: Vec::new(),
            offsets: vec![0],
        };
        for at in split {
            for (term, vector) in at {
                values.extend(vector.iter().map(|v| *v as f32));
                table.terms.push(term);
            }
            table.offsets.push(table.terms.len());
        }
        table.rows = Matrix::new(table.terms.len(), d, values)?;
        Ok(table)
    }

    /// Makes the table of a value that is one node at each position.
    pub(super) fn of_one(value: &Matrix, kind: impl Fn(usize) -> Kind) -> Self {
        Self {
            rows: value.clone(),
            terms: (0..value.rows()).map(|at| Term::Node(kind(at))).collect(),
            offsets: (0..=value.rows()).collect(),
        }
    }

    /// Bytes that it holds.
    pub(super) fn bytes(&self) -> usize {
        4 * self.rows.values().len()
    }

    /// Computes the product of each term at position `at` with `along [d]`.
    pub(super) fn products(&self, at: usize, along: &[f64]) -> impl Iterator<Item = (Term, f64)> {
        let range = self.offsets[at]..self.offsets[at + 1];
        range.map(move |i| (self.terms[i], dot(along, self.rows.row(i))))
    }
}

/// Computes Σ a · b in f64, in eight lanes.
pub(super) fn dot(a: &[f64], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f64 = rest.map(|(a, b)| a * f64::from(*b)).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * f64::from(*b);
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Adds `factor · from` to `to`.
pub(super) fn add(to: &mut [f64], factor: f64, from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * f64::from(*from);
    }
}

/// Dictionary with its index among those of the trace, and its activations on the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coded<'a> {
    pub(super) index: usize,
    pub(super) sae: Autoencoder<'a>,
    pub(super) latents: &'a Latents,
}

impl Coded<'_> {
    /// Splits the token `x` of its hook: activations times decoder rows, and the bias, both on the scale of `x`; its error is what is left.
    fn split(&self, x: &[f32], at: usize) -> Result<(Features, Vec<f64>)> {
        let (factor, shift) = self.sae.input_norm.back(x);
        let mut features = Vec::new();
        for (feature, act) in self.latents.row(at) {
            let row = self.sae.direction(feature)?;
            let by = factor * f64::from(act);
            let vector = row.iter().map(|w| by * f64::from(*w)).collect();
            features.push((feature, vector));
        }
        let bias = self.sae.b_dec.iter();
        let bias = bias.map(|b| factor * f64::from(*b) + shift).collect();
        Ok((features, bias))
    }

    /// Most terms that it splits the text into.
    fn most_terms(&self) -> usize {
        self.latents.features.len() + 3 * self.latents.rows()
    }

    fn feature(&self, feature: FeatureId) -> Term {
        Term::Node(Kind::Feature(self.index, feature))
    }

    /// Splits a value `[t, d]` of the residual stream or of a part that writes into it.
    pub(super) fn table(&self, x: &Matrix) -> Result<Table> {
        let d = x.columns();
        Table::build((x.rows(), d), self.most_terms(), |at| {
            let (features, bias) = self.split(x.row(at), at)?;
            let mut terms: Terms = features
                .into_iter()
                .map(|(feature, vector)| (self.feature(feature), vector))
                .collect();
            terms.push((Term::Bias(BiasKind::Dictionary(self.index)), bias));
            let error = rest_of(x.row(at), &terms);
            terms.push((Term::Node(Kind::Error(self.index)), error));
            Ok(terms)
        })
    }
}

/// Computes the value less the sum of `terms`.
fn rest_of(value: &[f32], terms: &Terms) -> Vec<f64> {
    let mut rest: Vec<f64> = value.iter().map(|v| f64::from(*v)).collect();
    for (_, vector) in terms {
        rest.iter_mut().zip(vector).for_each(|(r, v)| *r -= v);
    }
    rest
}

/// Attention of one layer on the text: its weights, what it mixed and what it wrote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attention<'a> {
    pub(super) layer: Layer,
    pub(super) path: &'a AttentionPath,
    /// Mixed values, `[t, h·e]`.
    pub(super) z: &'a Matrix,
    /// Attention's output, `[t, d]`.
    pub(super) out: &'a Matrix,
    /// Number of heads.
    pub(super) heads: usize,
}

impl Attention<'_> {
    /// Splits attention's output by head.
    pub(super) fn by_head(&self) -> Result<Table> {
        let (t, d) = (self.out.rows(), self.out.columns());
        let e = self.z.columns() / self.heads;
        Table::build((t, d), t * (self.heads + 2), |at| {
            let z = self.z.row(at);
            let mut terms = Vec::with_capacity(self.heads + 2);
            for head in 0..self.heads {
                let mut vector = vec![0.0; d];
                for (i, z) in z.iter().enumerate().skip(head * e).take(e) {
                    add(&mut vector, f64::from(*z), self.path.w_o.row(i));
                }
                let head = Kind::Head(self.layer, Head::from(head));
                terms.push((Term::Node(head), vector));
            }
            Ok(self.behind(at, terms))
        })
    }

    /// Splits attention's output by the features of a dictionary of `hook_z`.
    pub(super) fn by_feature(&self, coded: Coded<'_>) -> Result<Table> {
        let (t, d) = (self.out.rows(), self.out.columns());
        let w_o = &self.path.w_o;
        let weights: Vec<f64> = w_o.values().iter().map(|w| f64::from(*w)).collect();
        Table::build((t, d), coded.most_terms() + t, |at| {
            let (features, bias) = coded.split(self.z.row(at), at)?;
            let mut names: Vec<Term> = features.iter().map(|(f, _)| coded.feature(*f)).collect();
            names.push(Term::Bias(BiasKind::Dictionary(coded.index)));
            let mut rows: Vec<f64> = features.into_iter().flat_map(|(_, row)| row).collect();
            rows.extend(bias);
            let mut written = vec![0.0; names.len() * d];
            matmul(
                MatMut::from_row_major_slice_mut(&mut written, names.len(), d),
                Accum::Replace,
                MatRef::from_row_major_slice(&rows, names.len(), w_o.rows()),
                MatRef::from_row_major_slice(&weights, w_o.rows(), d),
                1.0,
                Par::Seq,
            );
            let vectors = written.chunks_exact(d).map(<[f64]>::to_vec);
            let mut terms = self.behind(at, names.into_iter().zip(vectors).collect());
            let error = rest_of(self.out.row(at), &terms);
            terms.push((Term::Node(Kind::Error(coded.index)), error));
            Ok(terms)
        })
    }

    /// Adds the output bias to the terms of what `W_O` gave, and takes all through the norm behind attention at its scale, if there is one.
    fn behind(&self, at: usize, mut terms: Terms) -> Terms {
        if let Some(bias) = &self.path.b_o {
            let vector = bias.iter().map(|b| f64::from(*b)).collect();
            terms.push((Term::Bias(BiasKind::Output(self.layer)), vector));
        }
        let Some(post) = &self.path.post else {
            return terms;
        };
        let scale = post.scale(&self.projected(at));
        for (_, vector) in &mut terms {
            post.apply(vector, scale);
        }
        if let Some(bias) = &post.bias {
            let vector = bias.iter().map(|b| f64::from(*b)).collect();
            terms.push((Term::Bias(BiasKind::Norm(self.layer)), vector));
        }
        terms
    }

    /// Computes `z · W_O + b_O` at a token.
    fn projected(&self, at: usize) -> Vec<f64> {
        let mut sum = vec![0.0; self.out.columns()];
        if let Some(bias) = &self.path.b_o {
            add(&mut sum, 1.0, bias);
        }
        for (i, z) in self.z.row(at).iter().enumerate() {
            add(&mut sum, f64::from(*z), self.path.w_o.row(i));
        }
        sum
    }
}

/// Makes the table of token embeddings, `[t, d]`.
pub(super) fn embeddings(values: &Values, tokens: &[TokenId]) -> Result<Table> {
    let embed = values.at(HookPoint::Embed)?;
    Ok(Table::of_one(embed, |at| Kind::Embedding(tokens[at])))
}

/// Makes the table of position embeddings: what the first block reads less the token's embedding.
pub(super) fn positions(values: &Values) -> Result<Table> {
    let mut rest = values.at(HookPoint::block(0, Site::ResidPre))?.clone();
    let embed = values.at(HookPoint::Embed)?;
    let pairs = rest.values_mut().iter_mut().zip(embed.values());
    pairs.for_each(|(rest, embed)| *rest -= embed);
    Ok(Table::of_one(&rest, |_| Kind::Position))
}
