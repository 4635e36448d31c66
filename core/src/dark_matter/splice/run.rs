//! Fits the linear part on one text and runs the model on another, each part put back or swapped.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::sums::{PUTS, Put, Sums};
use super::{Costs, DRAWS};
use crate::capture;
use crate::corpus::{Blocks, Resampled, Rows};
use crate::dark_matter::linear::{self, Fitted};
use crate::dark_matter::split;
use crate::dims::Matrix;
use crate::error::Result;
use crate::eval::{self, Clean, Splicer, keeping};
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Autoencoder;

/// Measures what each part of the errors of `saes` is worth to `model`: fits the linear part, unridged and with an intercept, on the positions of `fit` that count,
/// and charges the predictions of `held_out`.
///
/// One pass of the model over `fit` and one clean pass over `held_out` serve all dictionaries; each adds six passes from its layer on. Swaps and draws follow
/// `seed`. Too few activations for a fit, and texts that are read differently, are errors.
pub fn splice(
    model: &Model,
    saes: &[Autoencoder<'_>],
    (fit, held_out): (&Rows, &Rows),
    seed: u64,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Costs>> {
    let chunks = eval::chunks(model, held_out)?;
    let total = fit.len() + held_out.len();
    let fitted = linear::fit(model, saes, (fit, held_out), &mut |pass| {
        observe(Progress::rows(pass.done as usize, total))
    })?;
    let Ended::Done(fitted) = fitted else {
        return Ok(Ended::STOPPED);
    };
    let blocks = Blocks::new(held_out);
    let reader = capture::reader(model, held_out)?;
    let passes = Passes {
        splicer: Splicer::new(&reader, held_out),
        saes,
        fitted: &fitted,
        rows: held_out,
        blocks: &blocks,
        seed,
    };
    let mut sums: Vec<Sums> = saes
        .iter()
        .map(|sae| Sums::new(sae.width(), blocks.len()))
        .collect();
    let mut add = |parts: Vec<Sums>| {
        for (sums, part) in sums.iter_mut().zip(&parts) {
            sums.add(part);
        }
    };
    let mut report = |done| observe(Progress::rows(fit.len() + done, total));
    let measure = |rows: &[usize]| passes.measure(rows);
    if eval::add_up(&chunks, &measure, &mut add, &mut report)?.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let draws = Resampled::new(blocks.len(), DRAWS, seed);
    let pairs = saes.iter().zip(&sums);
    Ok(Ended::Done(Costs {
        dictionaries: pairs
            .map(|(sae, sums)| sums.figures(sae, &draws))
            .collect::<Result<_>>()?,
        fit_tokens: fit.counted() as u64,
        held_out_tokens: held_out.counted() as u64,
        positions: held_out.mask().rule,
        blocks: blocks.said(),
        seed,
        notes: linear::notes(&fitted, saes),
    }))
}

/// Inputs of the passes over the held-out text.
struct Passes<'a> {
    splicer: Splicer<'a>,
    saes: &'a [Autoencoder<'a>],
    fitted: &'a [Fitted],
    rows: &'a Rows,
    blocks: &'a Blocks,
    seed: u64,
}

/// Losses of one pass over a chunk: their sum, and the sum of each block of the text.
type Charged = (f64, BTreeMap<usize, f64>);

impl Passes<'_> {
    /// Computes the sums of one chunk of rows for each dictionary.
    fn measure(&self, rows: &[usize]) -> Result<Vec<Sums>> {
        let hooks: Vec<HookPoint> = self
            .saes
            .iter()
            .map(|sae| sae.hook())
            .collect::<Result<_>>()?;
        let clean = self.splicer.clean(rows, &hooks)?;
        let unmodified = self.charged(&clean, rows, &clean.logits)?;
        let other = others(&clean.counts, (self.seed, rows[0]));
        let mut zeroed: BTreeMap<HookPoint, Charged> = BTreeMap::new();
        let mut all = Vec::with_capacity(self.saes.len());
        for ((sae, fitted), hook) in self.saes.iter().zip(self.fitted).zip(hooks) {
            let whole = self.splicer.activation(&clean, hook)?;
            let x = sae.own_part(&whole)?;
            let parts = Parts::new(*sae, fitted, &x)?;
            let mut sums = Sums::new(x.columns(), self.blocks.len());
            for i in (0..x.rows()).filter(|i| clean.counts[*i]) {
                sums.split(i, &x, [&parts.error, &parts.linear, &parts.nonlinear]);
            }
            self.count(&mut sums, &clean, rows);
            add(&mut sums, Put::Clean, &unmodified);
            let run = |value: Matrix, reached: &[bool]| {
                let value = sae.put_back(&whole, keeping(value, &x, reached))?;
                let logits = self.splicer.replaced(&clean, hook, &value)?;
                self.charged(&clean, rows, &logits)
            };
            for put in Parts::PUTS {
                add(
                    &mut sums,
                    put,
                    &run(parts.value(put, &other), &clean.counts)?,
                );
            }
            // Dictionaries of one whole hook share the pass with zeros.
            let is_whole = matches!(x, Cow::Borrowed(_));
            let known = zeroed.get(&hook).filter(|_| is_whole).cloned();
            let zero = match known {
                Some(zero) => zero,
                None => run(
                    Matrix::zeros(x.rows(), x.columns()),
                    &clean.zeroed(self.rows),
                )?,
            };
            add(&mut sums, Put::Zero, &zero);
            if is_whole {
                zeroed.insert(hook, zero);
            }
            all.push(sums);
        }
        Ok(all)
    }

    /// Sums the losses of `logits` over the predictions that are charged.
    fn charged(
        &self,
        clean: &Clean<'_>,
        rows: &[usize],
        logits: &candle_core::Tensor,
    ) -> Result<Charged> {
        let mut blocks = BTreeMap::new();
        let sum = clean.charge_each(logits, &mut |at, loss| {
            *blocks.entry(self.block(rows, at)).or_insert(0.0) += loss;
        })?;
        Ok((sum, blocks))
    }

    /// Counts the predictions charged, by block.
    fn count(&self, sums: &mut Sums, clean: &Clean<'_>, rows: &[usize]) {
        for (row, charges) in clean.charges.iter().enumerate() {
            for (at, _) in charges.iter().enumerate().filter(|(_, charged)| **charged) {
                sums.charged[self.block(rows, (row, at))] += 1;
            }
        }
    }

    /// Block of position `at` of row `row` of a chunk.
    fn block(&self, rows: &[usize], (row, at): (usize, usize)) -> usize {
        self.blocks.of_token(rows[row] * self.rows.context() + at)
    }
}

fn add(sums: &mut Sums, put: Put, (sum, blocks): &Charged) {
    sums.ce[put as usize] += sum;
    for (block, sum) in blocks {
        sums.blocks[*block][put as usize] += sum;
    }
}

/// Reconstruction, error and parts of some activations, each `[n, d]`.
struct Parts {
    reconstruction: Matrix,
    error: Matrix,
    linear: Matrix,
    nonlinear: Matrix,
}

impl Parts {
    /// Passes that put a value made of the parts in place.
    const PUTS: [Put; PUTS - 2] = [
        Put::Sae,
        Put::Linear,
        Put::Nonlinear,
        Put::OtherLinear,
        Put::OtherNonlinear,
    ];

    fn new(sae: Autoencoder<'_>, fitted: &Fitted, x: &Matrix) -> Result<Self> {
        let (reconstruction, error) = split::error(sae, x)?;
        let linear = split::linear_part(&fitted.weights, x)?;
        let nonlinear = linear::less(&error, &linear);
        Ok(Self {
            reconstruction,
            error,
            linear,
            nonlinear,
        })
    }

    /// Returns the value for `put`; `other` names for each token the one whose part it gets.
    fn value(&self, put: Put, other: &[u32]) -> Matrix {
        let with = |linear: Option<&Matrix>, nonlinear: Option<&Matrix>| {
            let parts = [linear, nonlinear].into_iter().flatten();
            parts.fold(self.reconstruction.clone(), plus)
        };
        let (linear, nonlinear) = (&self.linear, &self.nonlinear);
        match put {
            Put::Linear => with(Some(linear), None),
            Put::Nonlinear => with(None, Some(nonlinear)),
            Put::OtherLinear => with(Some(&linear.rows_of(other)), Some(nonlinear)),
            Put::OtherNonlinear => with(Some(linear), Some(&nonlinear.rows_of(other))),
            Put::Sae | Put::Clean | Put::Zero => with(None, None),
        }
    }
}

/// Returns `a + b`.
fn plus(mut a: Matrix, b: &Matrix) -> Matrix {
    for (a, b) in a.values_mut().iter_mut().zip(b.values()) {
        *a += b;
    }
    a
}

/// Returns for each position the one whose part it gets: one cycle through all positions that count, so that none keeps its own (Sattolo's algorithm); the others
/// keep theirs.
pub(super) fn others(counts: &[bool], (seed, stream): (u64, usize)) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    let mut other: Vec<u32> = (0..counts.len() as u32).collect();
    let counted: Vec<usize> = (0..counts.len()).filter(|i| counts[*i]).collect();
    for last in (1..counted.len()).rev() {
        let chosen = rng.random_range(0..last);
        other.swap(counted[last], counted[chosen]);
    }
    other
}
