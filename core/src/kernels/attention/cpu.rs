//! `gemm` per head over blocks of queries, so that keys masked for a whole block are never computed; softmax by autovectorisation.

use std::ops::Range;

use gemm::Parallelism;

use super::Rule;
use crate::kernels::exponential::exponential;
use crate::kernels::for_this_cpu;

/// Queries of a block.
const BLOCK: usize = 64;
const LANES: usize = 16;

/// Rows of `e` values, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
}

/// Queries, keys, width.
pub(super) struct Square<'a> {
    pub(super) t: usize,
    pub(super) s: usize,
    pub(super) e: usize,
    /// The first key of each query's document, ascending.
    pub(super) starts: Option<&'a [u32]>,
}

impl Square<'_> {
    /// First query and number of queries, block by block.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        let t = self.t;
        (0..t)
            .step_by(BLOCK)
            .map(move |from| (from, BLOCK.min(t - from)))
    }

    /// The keys that `query` sees.
    fn seen(&self, query: usize, window: Option<usize>) -> Range<usize> {
        let end = self.s - self.t + query + 1;
        let own = self.starts.map_or(0, |starts| starts[query] as usize);
        let near = window.map_or(0, |window| end.saturating_sub(window));
        own.max(near)..end
    }
}

/// Form in which scores are returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Softmax, 0 for masked keys.
    Softmax,
    /// Scores, −∞ for masked keys.
    Mask,
}

/// Computes one head's scores or pattern `[t, s]` from `q [t, e]` and `k [s, e]`.
pub(super) fn scores(
    into: &mut [f32],
    (q, k): (Rows<'_>, Rows<'_>),
    shape: &Square<'_>,
    rule: &Rule,
    end: End,
) {
    let (s, e) = (shape.s, shape.e);
    for (from, queries) in shape.blocks() {
        let block = &mut into[from * s..(from + queries) * s];
        let first = shape.seen(from, rule.window).start;
        let last = shape.seen(from + queries - 1, rule.window).end;
        let operands = Operands {
            dims: (queries, last - first, e),
            left: &q.values[from * q.stride..],
            left_stride: q.stride,
            right: &k.values[first * k.stride..],
            right_strides: (1, k.stride),
        };
        product(&mut block[first..], s, &operands, rule.scale as f32);
        for (i, row) in block.chunks_exact_mut(s).enumerate() {
            finish(row, shape.seen(from + i, rule.window), rule.cap, end);
        }
    }
}

/// Turns one query's row of products into scores or pattern.
fn finish(row: &mut [f32], seen: Range<usize>, cap: Option<f64>, end: End) {
    let hidden = match end {
        End::Softmax => 0.0,
        End::Mask => f32::NEG_INFINITY,
    };
    row[..seen.start].fill(hidden);
    row[seen.end..].fill(hidden);
    let row = &mut row[seen];
    if let Some(cap) = cap {
        soft_cap(row, cap as f32);
    }
    if end == End::Softmax {
        softmax(row);
    }
}

/// Computes one head's `z [t, e]`, in rows `into.1` apart, from its pattern `[t, s]` and `v [s, e]`.
pub(super) fn mix(into: (&mut [f32], usize), pattern: &[f32], v: Rows<'_>, shape: &Square<'_>) {
    let (z, stride) = into;
    for (from, queries) in shape.blocks() {
        let keys = shape.seen(from + queries - 1, None).end;
        let operands = Operands {
            dims: (queries, shape.e, keys),
            left: &pattern[from * shape.s..],
            left_stride: shape.s,
            right: v.values,
            right_strides: (v.stride, 1),
        };
        product(&mut z[from * stride..], stride, &operands, 1.0);
    }
}

/// Product of two strided matrices, `[m, k] · [k, n]`.
struct Operands<'a> {
    /// `(m, n, k)`.
    dims: (usize, usize, usize),
    left: &'a [f32],
    left_stride: usize,
    right: &'a [f32],
    /// Between rows and between columns.
    right_strides: (usize, usize),
}

fn product(into: &mut [f32], stride: usize, operands: &Operands<'_>, scale: f32) {
    let (m, n, k) = operands.dims;
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let (row, column) = operands.right_strides;
    assert!((m - 1) * stride + n <= into.len());
    assert!((m - 1) * operands.left_stride + k <= operands.left.len());
    assert!((k - 1) * row + (n - 1) * column < operands.right.len());
    // SAFETY: the assertions above say that every entry the strides reach lies in its slice.
    #[expect(unsafe_code, reason = "gemm takes raw pointers")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            into.as_mut_ptr(),
            1,
            stride as isize,
            false,
            operands.left.as_ptr(),
            1,
            operands.left_stride as isize,
            operands.right.as_ptr(),
            column as isize,
            row as isize,
            0.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

for_this_cpu! {
    /// Softmax of one row in place.
    pub(super) fn softmax(row: &mut [f32]) = softmax_body;
}
for_this_cpu! {
    fn soft_cap(row: &mut [f32], cap: f32) = soft_cap_body;
}

/// `cap · tanh(x / cap)`, the hyperbolic tangent as `1 − 2 / (e^{2x} + 1)`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn soft_cap_body<const FMA: bool>(row: &mut [f32], cap: f32) {
    let twice = 2.0 / cap;
    for v in row {
        *v = cap * (1.0 - 2.0 / (exponential::<FMA>(*v * twice) + 1.0));
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn softmax_body<const FMA: bool>(row: &mut [f32]) {
    let (whole, rest) = row.as_chunks_mut::<LANES>();
    let mut largest = [f32::NEG_INFINITY; LANES];
    for chunk in whole.iter() {
        for (lane, v) in largest.iter_mut().zip(chunk) {
            *lane = if *v > *lane { *v } else { *lane };
        }
    }
    let largest = largest
        .iter()
        .chain(rest.iter())
        .fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
    let mut sums = [0.0; LANES];
    for chunk in whole.iter_mut() {
        for (lane, v) in sums.iter_mut().zip(chunk) {
            *v = exponential::<FMA>(*v - largest);
            *lane += *v;
        }
    }
    let mut sum = sums.iter().sum::<f32>();
    for v in rest.iter_mut() {
        *v = exponential::<FMA>(*v - largest);
        sum += *v;
    }
    let factor = 1.0 / sum;
    for v in row {
        *v *= factor;
    }
}
