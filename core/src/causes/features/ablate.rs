//! Changed runs, a batch of parts of one position at a time, from the clean run of the text.

use candle_core::{Device, Tensor, Var};

use super::parts::Parts;
use crate::causes::Target;
use crate::error::{Error, Result};
use crate::ids::HookPoint;
use crate::models::{CleanRun, Config, Place};
use crate::progress::{Ended, Flow, Progress};

/// Numbers that the rows of one batch may hold: 64 million, 256 MiB.
const HELD: usize = 1 << 26;
/// Most rows of a batch.
const ROWS: usize = 64;

/// Changes of the target by one part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// By exact ablation.
    pub(super) ablation: f64,
    /// By integrated gradients, where asked for.
    pub(super) integrated: Option<f64>,
}

/// Everything that decides the changed runs.
pub(super) struct Runs<'a> {
    pub(super) clean: &'a CleanRun<'a>,
    pub(super) parts: &'a Parts<'a>,
    pub(super) hook: HookPoint,
    pub(super) target: Target,
    /// Points of integrated gradients.
    pub(super) integrated: Option<usize>,
}

/// Suffix of the hook's clean values from a position on, as rows to change.
struct Rows {
    place: Place,
    /// Position whose value changes, counted from the place's first.
    at: usize,
    /// Clean values of one row, `[n, h·e]`.
    one: Vec<f32>,
    /// Shape of one row: `[n, ..]`.
    dims: Vec<usize>,
    width: usize,
}

impl Runs<'_> {
    /// Measures every position from 1 on: its active features in order, then its error. `observe` gets the changed runs done.
    pub(super) fn all(
        &self,
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Vec<Vec<Change>>>> {
        let t = self.clean.tokens().len();
        let total = (1..t).map(|at| self.parts.code.range(at).len() + 1).sum();
        let mut done = 0;
        let mut all = Vec::with_capacity(t);
        for position in 1..t {
            if observe(Progress::new(done, total, "changed runs")).is_break() {
                return Ok(Ended::STOPPED);
            }
            let mut parts = Vec::new();
            for (feature, activation) in self.parts.code.row(position) {
                parts.push(self.parts.added(position, feature, activation)?);
            }
            parts.push(self.parts.error.row(position).to_vec());
            let rows = self.rows(position)?;
            let mut changes = Vec::with_capacity(parts.len());
            for parts in parts.chunks(rows_at_once(
                self.clean.model().config(),
                (t, rows.dims[0]),
                self.target,
            )) {
                let ablations = self.ablations(&rows, parts)?;
                let integrated = match self.integrated {
                    Some(points) => self
                        .integrated(&rows, parts, points)?
                        .into_iter()
                        .map(Some)
                        .collect(),
                    None => vec![None; parts.len()],
                };
                let pairs = ablations.into_iter().zip(integrated);
                changes.extend(pairs.map(|(ablation, integrated)| Change {
                    ablation,
                    integrated,
                }));
            }
            done += changes.len();
            all.push(changes);
        }
        let _last: Flow = observe(Progress::new(done, total, "changed runs"));
        Ok(Ended::Done(all))
    }

    /// Returns the clean values from `position` on.
    fn rows(&self, position: usize) -> Result<Rows> {
        let from = self.clean.start(position);
        let value = self.clean.value(self.hook)?;
        let later = value.narrow(1, from, value.dim(1)? - from)?.squeeze(0)?;
        let dims = later.dims().to_vec();
        Ok(Rows {
            place: Place {
                hook: self.hook,
                from,
            },
            at: position - from,
            one: later.flatten_all()?.to_vec1()?,
            width: dims[1..].iter().product(),
            dims,
        })
    }

    /// Computes the target with each of `parts` left out less the target with none left out, which is a row of the same batch.
    fn ablations(&self, rows: &Rows, parts: &[Vec<f32>]) -> Result<Vec<f64>> {
        let mut values = rows.one.clone();
        for part in parts {
            values.extend(self.without(rows, part, 1.0));
        }
        let value = rows.tensor(values, parts.len() + 1)?;
        let logits = self
            .clean
            .replaced(rows.place, &value, !self.target.is_loss())?;
        let targets = self.of_logits(&logits, rows.place.from)?;
        let (untouched, changed) = targets.split_first().ok_or_else(|| lost("targets"))?;
        Ok(changed.iter().map(|changed| changed - untouched).collect())
    }

    /// Averages −part·grad over `points` midpoints between each part left out and none.
    fn integrated(&self, rows: &Rows, parts: &[Vec<f32>], points: usize) -> Result<Vec<f64>> {
        let mut sums = vec![0.0; parts.len()];
        for point in 0..points {
            let left_out = 1.0 - (point as f32 + 0.5) / points as f32;
            let values = parts
                .iter()
                .flat_map(|part| self.without(rows, part, left_out));
            let value = Var::from_tensor(&rows.tensor(values.collect(), parts.len())?)?;
            let logits =
                self.clean
                    .replaced(rows.place, value.as_tensor(), !self.target.is_loss())?;
            let first = self.clean.tokens().len() - logits.dim(1)?;
            let scalar = self
                .target
                .differentiable(&logits, self.clean.tokens(), first)?;
            let gradients = scalar.backward()?;
            // A target that does not depend on these positions has no gradient here.
            let Some(gradient) = gradients.get(value.as_tensor()) else {
                continue;
            };
            let gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
            let length = rows.one.len();
            for (i, (sum, part)) in sums.iter_mut().zip(parts).enumerate() {
                let from = i * length + rows.at * rows.width;
                let at = &gradient[from..from + rows.width];
                *sum -= self.parts.along(at, part) / points as f64;
            }
        }
        Ok(sums)
    }

    fn of_logits(&self, logits: &Tensor, from: usize) -> Result<Vec<f64>> {
        let first = if self.target.is_loss() {
            from
        } else {
            self.clean.tokens().len() - 1
        };
        self.target.of_logits(logits, self.clean.tokens(), first)
    }

    /// Returns one row with `share` of a part left out at the position.
    fn without(&self, rows: &Rows, part: &[f32], share: f32) -> Vec<f32> {
        let mut row = rows.one.clone();
        let columns = self.parts.columns.clone();
        let from = rows.at * rows.width + columns.start;
        for (x, part) in row[from..from + columns.len()].iter_mut().zip(part) {
            *x -= share * part;
        }
        row
    }
}

impl Rows {
    fn tensor(&self, values: Vec<f32>, rows: usize) -> Result<Tensor> {
        let dims: Vec<usize> = [rows]
            .into_iter()
            .chain(self.dims.iter().copied())
            .collect();
        Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
    }
}

/// Returns how many rows of `n` of `t` positions a batch may have.
fn rows_at_once(config: &Config, (t, n): (usize, usize), target: Target) -> usize {
    let block = 10 * config.d_model + 4 * config.d_mlp + 2 * config.heads * t;
    let logits = if target.is_loss() { 3 * n } else { 3 };
    let row =
        n * block + 2 * config.layers * t * config.kv_heads * config.d_head + logits * config.vocab;
    (HELD / row.max(1)).clamp(1, ROWS)
}

fn lost(what: &str) -> Error {
    Error::Numeric {
        what: format!("the changed run has no {what}"),
    }
}
