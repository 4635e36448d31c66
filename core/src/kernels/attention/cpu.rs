//! `gemm` per head over blocks of queries, so that what no query of a block may see is never computed; softmax by autovectorisation.

use gemm::Parallelism;

use crate::kernels::exponential::exponential;
use crate::kernels::for_this_cpu;

/// Queries of a block.
const BLOCK: usize = 64;
const LANES: usize = 16;

/// Rows of `e` values each, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
}

/// Queries, keys, width.
pub(super) struct Square {
    pub(super) t: usize,
    pub(super) s: usize,
    pub(super) e: usize,
}

impl Square {
    /// First query, queries and keys visible to the last of them, block by block.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let (t, s) = (self.t, self.s);
        (0..t).step_by(BLOCK).map(move |from| {
            let queries = BLOCK.min(t - from);
            (from, queries, s - t + from + queries)
        })
    }
}

/// One head's pattern `[t, s]`, zero on entry, from `q [t, e]` and `k [s, e]`.
pub(super) fn pattern(into: &mut [f32], q: Rows<'_>, k: Rows<'_>, shape: &Square, scale: f32) {
    let (s, e) = (shape.s, shape.e);
    for (from, queries, keys) in shape.blocks() {
        let block = &mut into[from * s..(from + queries) * s];
        let operands = Operands {
            dims: (queries, keys, e),
            left: &q.values[from * q.stride..],
            left_stride: q.stride,
            right: k.values,
            right_strides: (1, k.stride),
        };
        product(block, s, &operands, scale);
        for (i, row) in block.chunks_exact_mut(s).enumerate() {
            let (seen, hidden) = row.split_at_mut(s - shape.t + from + i + 1);
            softmax(seen);
            hidden.fill(0.0);
        }
    }
}

/// One head's `z [t, e]`, in rows `into.1` apart, from its pattern `[t, s]` and `v [s, e]`.
pub(super) fn mix(into: (&mut [f32], usize), pattern: &[f32], v: Rows<'_>, shape: &Square) {
    let (z, stride) = into;
    for (from, queries, keys) in shape.blocks() {
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

/// A product of two strided matrices, `[m, k] · [k, n]`.
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
    fn softmax(row: &mut [f32]) = softmax_body;
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
