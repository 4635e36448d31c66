//! Causal attention in two steps: `pattern[b, h, t, s] = softmax over visible s of scores[b, h, t, s]`, where
//! `scores = cap · tanh(scale · q·k / cap)` (without a cap: `scale · q·k`), and `z[b, t, h, e] = Σ_s pattern[b, h, t, s] · v[b, s, g, e]`.
//! Query head h reads key/value head g = h / (heads / kv_heads). A query at position p sees the keys p − window < s ≤ p (without a window: s ≤ p), and
//! where documents are apart none before the first of its own.
//!
//! | tensor | shape |
//! |---|---|
//! | `q` | `[b, t, h, e]` |
//! | `k`, `v` | `[b, s, h_kv, e]`, s ≥ t: the last t of the s positions are those of the queries |
//! | `scores` | `[b, h, t, s]`, −∞ where a query may not look |
//! | `pattern` | `[b, h, t, s]`, exactly 0 where a query may not look |
//! | `z` | `[b, t, h, e]` |
//!
//! [`Pattern`] computes scores and softmax at once; [`Scores`] and [`Softmax`] are its two halves, for hooks between them.
//! Inputs may be views whose last dimension is dense, so queries, keys and values are read where the fused projection left them.
//! Differentiable in all inputs. Tolerance against the definition: 1e-5 absolute on values of order 1.

#[cfg(test)]
mod cases;
pub(crate) mod cpu;
mod mix;
mod pattern;
#[cfg(test)]
mod reference;
mod scores;
mod softmax;

pub(crate) use mix::Mix;
pub(crate) use pattern::Pattern;
pub(crate) use scores::Scores;
pub(crate) use softmax::Softmax;

use std::sync::Arc;

use candle_core::{CpuStorage, Layout, Result, Tensor, bail};

use super::each_chunk;

/// Computation of scores from products of queries and keys, and their mask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rule {
    /// Factor on the scores.
    pub(crate) scale: f64,
    /// Soft cap: scores become cap · tanh(score / cap).
    pub(crate) cap: Option<f64>,
    /// Number of keys a query sees, including its own; all keys before it if absent.
    pub(crate) window: Option<usize>,
}

/// Start of each query's document in its row, `[b, t]`, ascending per row; none if documents start with the row.
pub(crate) type Starts = Option<Arc<[u32]>>;

/// `[b, t, h, e]` with strides, in a slice.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// From its first entry on.
    pub(super) values: &'a [f32],
    /// `[b, t, h, e]`.
    pub(super) dims: [usize; 4],
    /// Of each; the last is 1.
    pub(super) strides: [usize; 4],
}

impl<'a> View<'a> {
    /// Creates a view of a tensor of rank 4 that is dense in its last dimension.
    pub(super) fn new(name: &str, storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let (&[b, t, h, e], &[sb, st, sh, 1]) = (layout.shape().dims(), layout.stride()) else {
            bail!(
                "attention: `{name}` should be of rank 4 and dense in its last dimension, got {:?}",
                layout.shape()
            );
        };
        let values = storage.as_slice::<f32>()?;
        Ok(Self {
            values: &values[layout.start_offset()..],
            dims: [b, t, h, e],
            strides: [sb, st, sh, 1],
        })
    }

    /// Head `h` of sequence `b`: `[t, e]` in rows `stride` apart.
    fn head(&self, b: usize, h: usize) -> cpu::Rows<'a> {
        let from = b * self.strides[0] + h * self.strides[2];
        cpu::Rows {
            values: &self.values[from..],
            stride: self.strides[1],
        }
    }
}

/// Returns the extents `(b, t, h, e)` of queries and `s` of keys after checking that they fit.
fn fitting(q: &View<'_>, k: &View<'_>) -> Result<([usize; 4], usize)> {
    let ([b, t, h, e], [b_k, s, h_kv, e_k]) = (q.dims, k.dims);
    if b != b_k || e != e_k || s < t || h_kv == 0 || !h.is_multiple_of(h_kv) {
        bail!("attention: `k` {:?} does not fit `q` {:?}", k.dims, q.dims);
    }
    Ok(([b, t, h, e], s))
}

/// Computes scores or the pattern, `[b, h, t, s]`, head by head.
fn by_head(
    (q, q_layout): (&CpuStorage, &Layout),
    (k, k_layout): (&CpuStorage, &Layout),
    (rule, starts): (&Rule, &Starts),
    end: cpu::End,
) -> Result<(CpuStorage, candle_core::Shape)> {
    let q = View::new("q", q, q_layout)?;
    let k = View::new("k", k, k_layout)?;
    let ([b, t, h, e], s) = fitting(&q, &k)?;
    if let Some(starts) = starts
        && (starts.len() != b * t || s != t)
    {
        bail!(
            "attention: {} starts of documents do not fit `q` {:?} and {s} keys",
            starts.len(),
            q.dims
        );
    }
    let sharing = h / k.dims[2];
    let mut into = vec![0.0; b * h * t * s];
    each_chunk(&mut into, t * s, |head, into| {
        let (b, h_q) = (head / h, head % h);
        let starts = starts.as_deref().map(|starts| &starts[b * t..(b + 1) * t]);
        let shape = cpu::Square { t, s, e, starts };
        cpu::scores(
            into,
            (q.head(b, h_q), k.head(b, h_q / sharing)),
            &shape,
            rule,
            end,
        );
    });
    Ok((
        CpuStorage::F32(into),
        candle_core::Shape::from((b, h, t, s)),
    ))
}

/// Gradients of queries and keys from those of the scaled products, `[b, h, t, s]`.
fn from_products(
    q: &Tensor,
    k: &Tensor,
    products: &Tensor,
) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let (heads, h_kv) = (q.dim(2)?, k.dim(2)?);
    let grad_q = products.matmul(&spread(k, heads)?)?; // [b, h, t, e]
    let q = q.transpose(1, 2)?.contiguous()?;
    let grad_k = products.t()?.contiguous()?.matmul(&q)?; // [b, h, s, e]
    Ok((
        Some(grad_q.transpose(1, 2)?.contiguous()?),
        Some(gather(&grad_k, h_kv)?),
    ))
}

/// Repeats each key/value head for the queries that read it, `[b, s, h_kv, e]` to `[b, h, s, e]`.
fn spread(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (b, s, h_kv, e) = x.dims4()?;
    x.transpose(1, 2)?
        .unsqueeze(2)?
        .expand((b, h_kv, heads / h_kv, s, e))?
        .reshape((b, heads, s, e))
}

/// Sums gradients over the queries' heads, `[b, h, s, e]` to `[b, s, h_kv, e]`.
fn gather(x: &Tensor, h_kv: usize) -> Result<Tensor> {
    let (b, h, s, e) = x.dims4()?;
    x.reshape((b, h_kv, h / h_kv, s, e))?
        .sum(2)?
        .transpose(1, 2)?
        .contiguous()
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::kernels::check_gradient;

    fn off(got: &[f32], want: &[f64]) -> f64 {
        assert_eq!(got.len(), want.len());
        got.iter()
            .zip(want)
            .map(|(got, want)| (f64::from(*got) - want).abs())
            .fold(0.0, f64::max)
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn both_steps_are_their_definition() {
        for case in cases::all() {
            let pattern = Pattern(case.rule, case.starts.clone());
            let pattern = case.q.apply_op2_no_bwd(&case.k, &pattern).unwrap();
            let want = reference::pattern(&case);
            let mut got = values(&pattern);
            assert!(off(&got, &want) < 1e-5, "{}", off(&got, &want));
            let z = pattern.apply_op2_no_bwd(&case.v, &Mix).unwrap();
            let want_z = reference::mix(&case, &want);
            let mut got_z = values(&z);
            assert!(off(&got_z, &want_z) < 1e-5, "{}", off(&got_z, &want_z));
            *got.last_mut().unwrap() += 1e-3;
            got_z[0] += 1e-3;
            assert!(off(&got, &want) > 1e-5 && off(&got_z, &want_z) > 1e-5);
        }
    }

    #[test]
    fn the_halves_of_the_pattern_are_the_whole() {
        for case in cases::all() {
            let whole = case
                .q
                .apply_op2_no_bwd(&case.k, &Pattern(case.rule, case.starts.clone()));
            let scores = case
                .q
                .apply_op2_no_bwd(&case.k, &Scores(case.rule, case.starts.clone()));
            let scores = scores.unwrap();
            let halves = scores.apply_op1_no_bwd(&Softmax).unwrap();
            let want: Vec<f64> = values(&whole.unwrap()).into_iter().map(f64::from).collect();
            assert!(off(&values(&halves), &want) < 1e-6);
            for (score, want) in values(&scores).iter().zip(reference::scores(&case)) {
                let off = (f64::from(*score) - want).abs();
                let same = f64::from(*score) == want || off < 1e-5 * (1.0 + want.abs());
                assert!(same, "{score} {want}");
            }
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for case in cases::all().into_iter().take(5) {
            let op = Pattern(case.rule, case.starts.clone());
            let q = Var::from_tensor(&case.q).unwrap();
            check_gradient(&q, &|q| q.apply_op2(&case.k, op.clone()));
            let halves = |q: &Tensor, k: &Tensor| {
                q.apply_op2(k, Scores(case.rule, case.starts.clone()))?
                    .apply_op1(Softmax)
            };
            check_gradient(&q, &|q| halves(q, &case.k));
            let k = Var::from_tensor(&case.k).unwrap();
            check_gradient(&k, &|k| case.q.apply_op2(k, op.clone()));
            check_gradient(&k, &|k| halves(&case.q, k));
            let v = Var::from_tensor(&case.v).unwrap();
            let pattern = case.q.apply_op2_no_bwd(&case.k, &op).unwrap();
            check_gradient(&v, &|v| pattern.apply_op2(v, Mix));
            let pattern = Var::from_tensor(&pattern).unwrap();
            check_gradient(&pattern, &|p| p.apply_op2(&case.v, Mix));
        }
    }

    #[test]
    fn one_thread_and_all_give_the_same_bytes() {
        let case = cases::all().pop().unwrap();
        let both = || {
            let pattern = case
                .q
                .apply_op2_no_bwd(&case.k, &Pattern(case.rule, case.starts.clone()))
                .unwrap();
            values(&pattern.apply_op2_no_bwd(&case.v, &Mix).unwrap())
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        assert_eq!(pool.unwrap().install(both), both());
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let case = cases::all().swap_remove(0);
        let short = case.k.narrow(1, 0, 1).unwrap();
        assert!(
            case.q
                .apply_op2_no_bwd(&short, &Pattern(case.rule, case.starts.clone()))
                .is_err()
        );
        assert!(
            case.q
                .apply_op2_no_bwd(&short, &Scores(case.rule, case.starts.clone()))
                .is_err()
        );
        let pattern = case
            .q
            .apply_op2_no_bwd(&case.k, &Pattern(case.rule, case.starts.clone()))
            .unwrap();
        let v = case.v.narrow(1, 0, 1).unwrap();
        assert!(pattern.apply_op2_no_bwd(&v, &Mix).is_err());
    }
}
