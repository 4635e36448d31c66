//! Figures of a cross-layer transcoder: per layer, and of the model with the outputs of all layers replaced.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::passes::{charge, count, keeping};
use super::splicer::logits;
use super::sums::Sums;
use super::{add_up, chunks, mean};
use crate::capture;
use crate::corpus::{Positions, Rows};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::formats::check_width;
use crate::ids::{HookPoint, TokenId};
use crate::models::{Capture, Hooks, Model, Start, token_tensor};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::CrossLayer;

/// Figures of one layer, by the definitions of [`super::DEFINITIONS`]: the code is that of its input in the clean run, and `x̂` sums the outputs of its own and
/// all earlier layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerFigures {
    /// Hook that it writes.
    pub writes: String,
    /// Mean active features per token.
    pub l0: f64,
    /// Σ‖x − x̂‖² / Σ‖x − mean‖².
    pub fvu: f64,
    /// Share of features never active on this text.
    pub dead_fraction: f64,
}

/// Figures of a cross-layer transcoder on one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcrossFigures {
    /// Figures of each layer, in order.
    pub layers: Vec<LayerFigures>,
    /// Mean active features per token, over all layers together.
    pub l0: f64,
    /// Cross-entropy of the unmodified model, in nats per token.
    pub ce_clean: f64,
    /// Cross-entropy with every layer's output replaced at every position that counts, each layer reading the replaced stream.
    pub ce_replaced: f64,
    /// Cross-entropy with every layer's output replaced by zeros.
    pub ce_zero: f64,
    /// (zero − replaced) / (zero − clean).
    pub ce_recovered_zero: f64,
    /// Number of activations measured per layer.
    pub tokens: u64,
    /// Rule for the positions that count.
    pub positions: Positions,
    /// Number of positions that do not count.
    pub left_out: u64,
}

/// Evaluates `of` on `rows`; each row is read once per layer and once more, and counts as often as progress.
pub fn run_across(
    model: &Model,
    of: &CrossLayer,
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<AcrossFigures>> {
    let model = capture::reader(model, rows)?;
    let model = model.as_ref();
    let ends = ends(model, of)?;
    let chunks = chunks(model, rows)?;
    let reports = (ends.len() + 1) * rows.len();
    let mut means = Vec::with_capacity(ends.len());
    for (layer, (_, writes)) in ends.iter().enumerate() {
        let mut report = |pass: Progress| {
            observe(Progress::rows(
                layer * rows.len() + pass.done as usize,
                reports,
            ))
        };
        match mean(model, rows, *writes, &mut report)? {
            Ended::Done(mean) => means.push(mean),
            Ended::Stopped(()) => return Ok(Ended::STOPPED),
        }
    }
    let passes = Passes {
        model,
        of,
        rows,
        ends: &ends,
        means: &means,
    };
    let mut sums: Vec<Sums> = of
        .layers()
        .iter()
        .map(|sae| Sums::new(sae.features()))
        .collect();
    let mut add = |part: Vec<Sums>| {
        for (sums, part) in sums.iter_mut().zip(&part) {
            sums.add(part);
        }
    };
    let mut report = |done| observe(Progress::rows(ends.len() * rows.len() + done, reports));
    let measure = |rows: &[usize]| passes.measure(rows);
    if add_up(&chunks, &measure, &mut add, &mut report)?.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    figures(&ends, &sums, rows).map(Ended::Done)
}

/// Returns the hooks that each layer reads and writes, after checking that the model has them and as many layers.
fn ends(model: &Model, of: &CrossLayer) -> Result<Vec<(HookPoint, HookPoint)>> {
    let layers = model.config().layers;
    if layers != of.layers().len() {
        let what = format!(
            "a transcoder of {} layers for {}, which has {layers}: choose the model it was trained on",
            of.layers().len(),
            model.name()
        );
        return Err(Error::setting("model", what));
    }
    let mut ends = Vec::with_capacity(layers);
    for sae in of.layers() {
        let writes = sae.role.transcoder().and_then(|to| to.hook_out).ok_or_else(|| {
            let what = format!("{} does not name the hook it writes, add feature_output_hook to its config.yaml", sae.name);
            Error::setting("hook", what)
        })?;
        let reads = sae.reads()?;
        check_width(sae, model, (reads, sae.width(), "reads"))?;
        check_width(sae, model, (writes, of.width_out(), "writes"))?;
        ends.push((reads, writes));
    }
    Ok(ends)
}

struct Passes<'a> {
    model: &'a Model,
    of: &'a CrossLayer,
    rows: &'a Rows,
    ends: &'a [(HookPoint, HookPoint)],
    means: &'a [Vec<f32>],
}

impl Passes<'_> {
    /// Computes the sums of one chunk of rows for each layer; those of the first layer hold the cross-entropies.
    fn measure(&self, rows: &[usize]) -> Result<Vec<Sums>> {
        let tokens: Vec<&[TokenId]> = rows.iter().map(|row| self.rows.row(*row)).collect();
        let input = token_tensor(&tokens)?; // [b, t]
        let counts = self.rows.counts_of(rows);
        let charges: Vec<Vec<bool>> = rows.iter().map(|row| self.rows.charges(*row)).collect();
        let mut sums: Vec<Sums> = self
            .of
            .layers()
            .iter()
            .map(|sae| Sums::new(sae.features()))
            .collect();
        let hooks = self
            .ends
            .iter()
            .flat_map(|(reads, writes)| [*reads, *writes]);
        let mut clean = Capture::to_the_end(hooks.collect::<Vec<_>>());
        let clean_logits = logits(self.model.run(Start::Tokens(&input), &mut clean)?)?;
        let kept = |hook: HookPoint, width: usize| -> Result<Matrix> {
            let missing = || Error::hook(hook, format!("{} did not reach it", self.model.name()));
            Matrix::from_tensor(clean.values.get(&hook).ok_or_else(missing)?, width)
        };
        let read = self.ends.iter().zip(self.of.layers());
        let read = read.map(|((reads, _), sae)| kept(*reads, sae.width()));
        let read: Vec<Matrix> = read.collect::<Result<_>>()?;
        let latents = self.of.encode(&read)?;
        let written = self.of.decode(&latents, &read)?;
        for (layer, sums) in sums.iter_mut().enumerate() {
            let x = kept(self.ends[layer].1, self.of.width_out())?;
            for i in (0..x.rows()).filter(|i| counts[*i]) {
                sums.fit(x.row(i), written[layer].row(i), &self.means[layer]);
                sums.active(&latents[layer].features[latents[layer].range(i)]);
            }
        }
        drop((clean, read, latents, written));
        let ce = |put: Option<Put>| -> Result<f64> {
            let Some(put) = put else {
                return charge(&clean_logits, &tokens, &charges);
            };
            let reached = match (put, self.rows.mask().rule) {
                (Put::Zeros, Positions::SaeLens) => vec![true; counts.len()],
                _ => counts.clone(),
            };
            let mut replaced = Replaced::new(self.of, self.ends, reached, put);
            charge(
                &logits(self.model.run(Start::Tokens(&input), &mut replaced)?)?,
                &tokens,
                &charges,
            )
        };
        let first = &mut sums[0];
        first.charged += count(&charges);
        first.ce_clean += ce(None)?;
        first.ce_sae += ce(Some(Put::Written))?;
        first.ce_zero += ce(Some(Put::Zeros))?;
        Ok(sums)
    }
}

/// Replacement of the outputs of all layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Put {
    Written,
    Zeros,
}

/// Replaces every layer's output by the sum of the outputs of the layers so far, each computed from its input in this run.
struct Replaced<'a> {
    of: &'a CrossLayer,
    put: Put,
    /// Positions that are replaced, `[n]`.
    reached: Vec<bool>,
    reads: BTreeMap<HookPoint, usize>,
    writes: BTreeMap<HookPoint, usize>,
    /// Sums of outputs `[n, d]` of the layers so far.
    written: Vec<Matrix>,
}

impl<'a> Replaced<'a> {
    fn new(
        of: &'a CrossLayer,
        ends: &[(HookPoint, HookPoint)],
        reached: Vec<bool>,
        put: Put,
    ) -> Self {
        let numbered =
            |which: fn(&(HookPoint, HookPoint)) -> HookPoint| -> BTreeMap<HookPoint, usize> {
                ends.iter()
                    .enumerate()
                    .map(|(layer, both)| (which(both), layer))
                    .collect()
            };
        Self {
            of,
            put,
            reached,
            reads: numbered(|both| both.0),
            writes: numbered(|both| both.1),
            written: Vec::new(),
        }
    }
}

impl Hooks for Replaced<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        self.writes.contains_key(&hook)
            || (self.put == Put::Written && self.reads.contains_key(&hook))
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        if self.put == Put::Written
            && let Some(layer) = self.reads.get(&hook)
        {
            let sae = &self.of.layers()[*layer];
            let x = Matrix::from_tensor(value, sae.width())?;
            if self.written.is_empty() {
                self.written =
                    vec![Matrix::zeros(x.rows(), self.of.width_out()); self.of.layers().len()];
            }
            let latents = sae.encode(&x)?;
            self.of
                .add(*layer, &latents, &x, &mut self.written[*layer..])?;
        }
        let Some(layer) = self.writes.get(&hook) else {
            return Ok(None);
        };
        let x = Matrix::from_tensor(value, self.of.width_out())?;
        let put = match self.put {
            Put::Written => std::mem::take(&mut self.written[*layer]),
            Put::Zeros => Matrix::zeros(x.rows(), x.columns()),
        };
        let put = keeping(put, &x, &self.reached).to_tensor()?;
        Ok(Some(put.reshape(value.dims())?))
    }
}

fn figures(ends: &[(HookPoint, HookPoint)], sums: &[Sums], rows: &Rows) -> Result<AcrossFigures> {
    let layers: Vec<LayerFigures> = ends
        .iter()
        .zip(sums)
        .map(|((_, writes), sums)| LayerFigures {
            writes: writes.to_string(),
            l0: sums.l0(),
            fvu: sums.fvu(),
            dead_fraction: sums.dead_fraction(),
        })
        .collect();
    let [clean, replaced, zero] = {
        let first = &sums[0];
        [first.ce_clean, first.ce_sae, first.ce_zero].map(|sum| sum / first.charged as f64)
    };
    let figures = AcrossFigures {
        l0: layers.iter().map(|layer| layer.l0).sum(),
        ce_clean: clean,
        ce_replaced: replaced,
        ce_zero: zero,
        ce_recovered_zero: (zero - replaced) / (zero - clean),
        tokens: sums[0].tokens(),
        positions: rows.mask().rule,
        left_out: rows.left_out() as u64,
        layers,
    };
    let named = [
        ("ce_clean", figures.ce_clean),
        ("ce_replaced", figures.ce_replaced),
        ("ce_zero", figures.ce_zero),
        ("ce_recovered_zero", figures.ce_recovered_zero),
    ];
    let of_layers = figures.layers.iter().map(|layer| ("fvu", layer.fvu));
    match named
        .into_iter()
        .chain(of_layers)
        .find(|(_, value)| !value.is_finite())
    {
        None => Ok(figures),
        Some((name, value)) => Err(Error::Numeric {
            what: format!(
                "{name} is {value}: choose another text, or the model that the transcoder was trained on"
            ),
        }),
    }
}
