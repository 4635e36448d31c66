//! Product and selection in one: some features × some tokens stay in registers for the whole width of the activation, are compared with the tokens' bars
//! and the features' floors there, and only entries that pass are stored. Tokens lie along the lanes, so bars are vectors and weights broadcasts.

use super::{Features, NotFinite, Sink};

pub(super) const LANES: usize = 16;
/// So few weights stay in the second-level cache: all of them are read for one panel after the other, whose candidates then stay in the first. Of more,
/// one group of features at a time stays in the first while the panels pass by.
const FEW_WEIGHTS: usize = 1 << 16;

/// One vector, where an aligned load finds it.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Lane(pub(super) [f32; LANES]);

/// Tile of the product that fits a machine's registers: `G` features × `V` vectors of tokens.
pub(super) trait Registers<const G: usize, const V: usize> {
    /// Bytes of activations that are read again for every group of features.
    const BLOCK: usize;

    /// Fills `group` with the pre-activations of `weights [G, d]` on one panel, `x [d, V]` vectors, and notes which exceed the panel's bars and the
    /// features' floors; without `COMPARE` none is noted. Panics where the machine lacks the registers.
    fn fill<const COMPARE: bool>(
        group: &mut Group<G, V>,
        weights: &[f32],
        x: &[Lane],
        bias: &[f32; G],
        limits: (&[f32], &[f32; G]),
        magnitude: bool,
    );
}

/// Pre-activations of `G` features on `V` vectors of tokens, and which pass: a bit for each token.
pub(super) struct Group<const G: usize, const V: usize> {
    pub(super) sums: [[Lane; V]; G],
    pub(super) hits: [u32; G],
}

impl<const G: usize, const V: usize> Group<G, V> {
    const EMPTY: Self = Self {
        sums: [[Lane([0.0; LANES]); V]; G],
        hits: [0; G],
    };

    fn sum(&self, feature: usize, token: usize) -> f32 {
        self.sums[feature][token / LANES].0[token % LANES]
    }

    /// Offers what passed among the first `count` features; `first` is the first token and feature.
    fn offer<S: Sink>(
        &self,
        first: (usize, usize),
        count: usize,
        sink: &mut S,
    ) -> Result<(), NotFinite> {
        for (i, hits) in self.hits[..count].iter().enumerate() {
            for token in bits(*hits) {
                let value = self.sum(i, token);
                let key = if S::MAGNITUDE { value.abs() } else { value };
                sink.push(first.0 + token, first.1 + i, (key, value))?;
            }
        }
        Ok(())
    }
}

/// Returns the positions of the set bits of `word`, ascending.
pub(super) fn bits(mut word: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = word.trailing_zeros() as usize;
        word &= word.wrapping_sub(1);
        (place < u32::BITS as usize).then_some(place)
    })
}

/// Offers every pre-activation of the rows of `x` to `sink`, whose bars cover whole panels.
pub(super) fn offer<R, S, const G: usize, const V: usize>(
    x: &[f32],
    features: Features<'_>,
    sink: &mut S,
) -> Result<(), NotFinite>
where
    R: Registers<G, V>,
    S: Sink,
{
    let d = features.d;
    let panel_rows = V * LANES;
    let last = last_group::<G>(features.weights, features.count(), d);
    let mut group = Group::EMPTY;
    for (first_row, x) in blocks(x, d, R::BLOCK, panel_rows) {
        let packed = packed(x, (first_row, d, V), sink);
        let panels = packed.len() / (V * d);
        each_group::<G>(features, panels, |panel, first, count| {
            let row = first_row + panel * panel_rows;
            let x = &packed[panel * V * d..(panel + 1) * V * d];
            let weights = group_weights(features.weights, &last, (first, count, G), d);
            let bars = &sink.bars()[row..row + panel_rows];
            let bias = of_group(first, count, |f| features.bias[f]);
            let floors = of_group(first, count, |f| sink.floor(f));
            R::fill::<true>(&mut group, weights, x, &bias, (bars, &floors), S::MAGNITUDE);
            group.offer((row, first), count, sink)
        })?;
    }
    Ok(())
}

/// Offers every pre-activation to `sink`, ranked by `pre · (1 + β·|gradient · w_dec|)`.
pub(super) fn offer_scored<R, S, const G: usize, const V: usize>(
    (x, gradients): (&[f32], &[f32]),
    (features, w_dec): (Features<'_>, &[f32]),
    beta: f32,
    sink: &mut S,
) -> Result<(), NotFinite>
where
    R: Registers<G, V>,
    S: Sink,
{
    let d = features.d;
    let panel_rows = V * LANES;
    let last = last_group::<G>(features.weights, features.count(), d);
    let last_dec = last_group::<G>(w_dec, features.count(), d);
    let (mut pre, mut along) = (Group::EMPTY, Group::EMPTY);
    let pairs =
        blocks(x, d, R::BLOCK / 2, panel_rows).zip(blocks(gradients, d, R::BLOCK / 2, panel_rows));
    for ((first_row, x), (_, gradients)) in pairs {
        let x = packed(x, (first_row, d, V), sink);
        let gradients = packed(gradients, (first_row, d, V), sink);
        each_group::<G>(features, x.len() / (V * d), |panel, first, count| {
            let part = panel * V * d..(panel + 1) * V * d;
            let first_row = first_row + panel * panel_rows;
            let bias = of_group(first, count, |f| features.bias[f]);
            let bars = &sink.bars()[first_row..first_row + panel_rows];
            let none = (bars, &[f32::NEG_INFINITY; G]);
            let weights = group_weights(features.weights, &last, (first, count, G), d);
            let directions = group_weights(w_dec, &last_dec, (first, count, G), d);
            R::fill::<false>(&mut pre, weights, &x[part.clone()], &bias, none, false);
            R::fill::<false>(
                &mut along,
                directions,
                &gradients[part],
                &[0.0; G],
                none,
                false,
            );
            for (i, token) in (0..count).flat_map(|i| (0..panel_rows).map(move |t| (i, t))) {
                let value = pre.sum(i, token);
                let score = value * (1.0 + beta * along.sum(i, token).abs());
                let bar = sink.bars()[first_row + token];
                if score > bar || (score.is_nan() && bar.is_finite()) {
                    sink.push(first_row + token, first + i, (score, value))?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Blocks of at most `bytes`, but whole panels of `rows` and one at least, with their first rows.
pub(super) fn blocks(
    x: &[f32],
    d: usize,
    bytes: usize,
    rows: usize,
) -> impl Iterator<Item = (usize, &[f32])> {
    let panel = rows * d;
    let panels = (bytes / (panel * size_of::<f32>()).max(1)).max(1);
    x.chunks(panels * panel)
        .enumerate()
        .map(move |(i, block)| (i * panels * rows, block))
}

/// Rows `first..` in panels; that the sink covers them.
fn packed(x: &[f32], (first, d, vectors): (usize, usize, usize), sink: &impl Sink) -> Vec<Lane> {
    let rows = x.len() / d;
    assert!(sink.bars().len() >= first + rows.next_multiple_of(vectors * LANES));
    pack(x, rows, d, vectors)
}

/// The rows of the last group, with zeros for missing features.
fn last_group<const G: usize>(weights: &[f32], count: usize, d: usize) -> Vec<f32> {
    let tail = count - count % G;
    let missing = count.next_multiple_of(G) - count;
    [&weights[tail * d..], &vec![0.0; missing * d]].concat()
}

/// The rows of a group of `of` features: `last` where not all are there.
pub(super) fn group_weights<'a, T>(
    weights: &'a [T],
    last: &'a [T],
    (first, count, of): (usize, usize, usize),
    d: usize,
) -> &'a [T] {
    if count == of {
        &weights[first * d..(first + of) * d]
    } else {
        last
    }
}

pub(super) fn of_group<const G: usize>(
    first: usize,
    count: usize,
    of: impl Fn(usize) -> f32,
) -> [f32; G] {
    let mut values = [0.0; G];
    for (i, value) in values[..count].iter_mut().enumerate() {
        *value = of(first + i);
    }
    values
}

/// `work` on every panel and group of features: panel, first feature, how many. A panel's features ascend, a feature's panels too.
pub(super) fn each_group<const G: usize>(
    features: Features<'_>,
    panels: usize,
    mut work: impl FnMut(usize, usize, usize) -> Result<(), NotFinite>,
) -> Result<(), NotFinite> {
    let all = features.count();
    let few = features.weights.len() <= FEW_WEIGHTS;
    let block = if few { all } else { G };
    for start in (0..all).step_by(block) {
        let end = (start + block).min(all);
        for panel in 0..panels {
            for first in (start..end).step_by(G) {
                work(panel, first, G.min(all - first))?;
            }
        }
    }
    Ok(())
}

/// Panels of `vectors · 16` tokens, column after column: `[panel][d][vectors][16]`, zeros for missing tokens.
fn pack(x: &[f32], rows: usize, d: usize, vectors: usize) -> Vec<Lane> {
    let panels = rows.div_ceil(vectors * LANES);
    let mut packed = vec![Lane([0.0; LANES]); panels * vectors * d];
    for (lane, x) in x.chunks(LANES * d).enumerate() {
        let start = (lane / vectors) * vectors * d + lane % vectors;
        for (token, row) in x.chunks_exact(d).enumerate() {
            for (c, value) in row.iter().enumerate() {
                packed[start + vectors * c].0[token] = *value;
            }
        }
    }
    packed
}
