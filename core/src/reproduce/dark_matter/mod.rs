//! Dark matter of dictionaries (Engels et al. 2024, arXiv 2410.14670, both versions): what must hold of the split of the error anywhere, and what the paper found on
//! Gemma and Llama, measured on a ladder of widths at one hook of a model.

mod children;
mod cures;
mod norms;
mod parts;
mod widths;

use super::{Event, Figure, Report, Watch};
use crate::corpus::Rows;
use crate::dark_matter::LinearMap;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::formats;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{Autoencoder, Sae};
use crate::train::Spec;
use crate::{capture, dark_matter as core};

/// Rows whose activations are in memory at a time.
const ROWS_AT_ONCE: usize = 32;
/// Least number of widths of a ladder.
const RUNGS: usize = 3;

/// Model, texts and dictionaries that the claims are measured on.
#[derive(Debug)]
pub struct DarkMatter {
    model: Model,
    /// Text that linear maps are fitted on and dictionaries are trained on.
    train: Rows,
    held_out: Rows,
    hook: HookPoint,
    /// Dictionaries of the hook, narrowest first; trained here if there are none.
    rungs: Vec<Sae>,
    /// Dictionaries of the model that read an earlier hook.
    earlier: Vec<Sae>,
    /// Whether the ladder is trained here.
    is_trained: bool,
}

/// Sizes of the measurements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DarkMatterOptions {
    /// Counted tokens that linear maps are fitted on.
    pub fit: usize,
    /// Counted tokens of held-out text.
    pub held_out: usize,
    /// Tokens that are pursued.
    pub pursued: usize,
    /// Features of the dictionaries of a ladder that is trained here.
    pub widths: Vec<usize>,
    /// Active features per token of what is trained here.
    pub k: usize,
    /// Activations that a ladder is trained on, if it is trained here.
    pub rungs_on: u64,
    /// Activations that each dictionary of a part of the error is trained on.
    pub children_on: u64,
    /// Features of each of them.
    pub features: usize,
    /// Draws of each bootstrap.
    pub draws: usize,
}

impl Default for DarkMatterOptions {
    fn default() -> Self {
        Self {
            fit: 100_000,
            held_out: 16_000,
            pursued: 3_000,
            widths: vec![256, 512, 1_024, 2_048],
            k: 32,
            rungs_on: 1_000_000,
            children_on: 600_000,
            features: 1_024,
            draws: 200,
        }
    }
}

impl DarkMatterOptions {
    /// Returns sizes to try the list with: too little for verdicts.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            fit: 12_000,
            held_out: 3_000,
            pursued: 400,
            widths: vec![64, 128, 256, 512],
            k: 16,
            rungs_on: 60_000,
            children_on: 40_000,
            features: 256,
            draws: 50,
        }
    }
}

impl DarkMatter {
    /// Takes the largest group of autoencoders of one hook with three or more widths as the ladder; without one, a ladder is trained at `hook`. Dictionaries that
    /// read an earlier hook are its sources. An error for a text too short for one row.
    pub fn new(
        model: Model,
        (train, held_out): (&Rows, &Rows),
        dictionaries: Vec<Sae>,
        (hook, options): (HookPoint, &DarkMatterOptions),
    ) -> Result<Self> {
        let usable = dictionaries.into_iter().filter(|sae| {
            let whole = sae.error_of.is_none() && sae.provenance.head.is_none();
            whole && sae.autoencoder().is_ok() && formats::check_hooks(sae, &model).is_ok()
        });
        let usable: Vec<Sae> = usable.collect();
        let mut hooks: Vec<HookPoint> = usable.iter().filter_map(|sae| sae.hook().ok()).collect();
        hooks.sort_unstable();
        hooks.dedup();
        let ladder = |hook: HookPoint| -> Vec<Sae> {
            let own = usable.iter().filter(|sae| sae.hook().ok() == Some(hook));
            let mut own: Vec<Sae> = own.cloned().collect();
            own.sort_by_key(Sae::features);
            own.dedup_by_key(|sae| sae.features());
            own
        };
        let ladders = hooks.iter().map(|hook| (*hook, ladder(*hook)));
        let largest = ladders.max_by_key(|(_, rungs)| rungs.len());
        let found = largest.filter(|(_, rungs)| rungs.len() >= RUNGS);
        let is_trained = found.is_none();
        let (hook, rungs) = found.unwrap_or((hook, Vec::new()));
        model.width(hook)?;
        let earlier = usable
            .into_iter()
            .filter(|sae| sae.hook().is_ok_and(|of| of < hook));
        let earlier = earlier.collect();
        let rows = |all: &Rows, tokens: usize| -> Result<Rows> {
            if all.is_empty() || all.context() < 8 {
                let what = "the claims need a row of 8 or more tokens, give more text";
                return Err(Error::setting("corpus", what));
            }
            Ok(all.sample(tokens))
        };
        Ok(Self {
            train: rows(train, options.fit.max(1))?,
            held_out: rows(held_out, options.held_out.max(1))?,
            model,
            hook,
            rungs,
            earlier,
            is_trained,
        })
    }

    fn describe(&self, options: &DarkMatterOptions, report: &mut Report) {
        report.set("model", format!("{}, {}", self.model.name(), self.hook));
        let of = |saes: &[Sae]| -> String {
            let names = saes
                .iter()
                .map(|sae| format!("{} ({} features)", sae.name, sae.features()));
            names.collect::<Vec<_>>().join(", ")
        };
        let trained = if self.is_trained {
            format!(", trained here on {} activations", options.rungs_on)
        } else {
            String::new()
        };
        report.set("ladder", format!("{}{trained}", of(&self.rungs)));
        if !self.earlier.is_empty() {
            report.set("earlier dictionaries", of(&self.earlier));
        }
        report.set(
            "text",
            format!(
                "linear maps fitted on {} activations, figures on {} held-out ones, positions by `{}`",
                self.train.counted(),
                self.held_out.counted(),
                self.held_out.mask().rule
            ),
        );
    }

    /// Returns the rungs as autoencoders.
    fn ladder(&self) -> Result<Vec<Autoencoder<'_>>> {
        self.rungs.iter().map(Sae::autoencoder).collect()
    }

    /// Returns the widest dictionary, whose error is taken apart.
    fn widest(&self) -> Result<&Sae> {
        self.rungs.last().ok_or_else(|| {
            let what = "there is no ladder to measure, give more text to train one";
            Error::setting("sae", what)
        })
    }

    /// Settings of a dictionary that is trained here.
    fn spec(&self, (features, k, tokens): (usize, usize, u64)) -> Spec {
        let mut spec = Spec::default_for(self.hook);
        (spec.features, spec.k, spec.tokens) = (features, k.min(features), tokens);
        (spec.batch, spec.buffer) = (1_024, 16_384);
        spec.positions = self.train.mask().rule;
        spec.separate_documents = self.train.separates_documents();
        spec
    }

    /// Gives `take` the activations of `rows` at the hook, at positions that count, chunk after chunk.
    fn each(
        &self,
        rows: &Rows,
        (to, what): (&mut Section<'_, '_>, &str),
        take: &mut dyn FnMut(&Matrix) -> Result<()>,
    ) -> Result<bool> {
        let all: Vec<usize> = (0..rows.len()).collect();
        for chunk in all.chunks(ROWS_AT_ONCE) {
            if to
                .at(format!("{what}: row {} of {}", chunk[0], rows.len()))
                .is_break()
            {
                return Ok(false);
            }
            let x = capture::activations(&self.model, rows, chunk, self.hook)?;
            take(&rows.kept(chunk, &x))?;
        }
        Ok(true)
    }
}

/// Linear maps of the errors of all rungs.
type Maps = Vec<LinearMap>;

/// One part of the list: measures, and adds its claims.
type Part = fn(&DarkMatter, &DarkMatterOptions, &Maps, &mut Section<'_, '_>) -> Result<()>;

/// Measures and judges all claims; trains the ladder first where there is none.
pub fn dark_matter(
    mut of: DarkMatter,
    options: &DarkMatterOptions,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Report>> {
    let parts: [Part; 8] = [
        parts::split,
        norms::norms,
        widths::ladder,
        parts::costs,
        cures::pursuit,
        cures::planted,
        cures::earlier,
        children::parts,
    ];
    let mut report = Report::default();
    let mut watch = Watch::new(observe, 2 + parts.len() as u64);
    if of.is_trained {
        of.rungs = children::rungs(&of, options, &mut watch)?;
        if watch.stopped {
            return Ok(Ended::STOPPED);
        }
    }
    watch.next();
    of.describe(options, &mut report);
    let maps = {
        let ladder = of.ladder()?;
        let fitted = core::linear_maps(&of.model, &ladder, &of.train, &mut |at| {
            watch.at(format!("linear maps: {} of {} rows", at.done, at.total))
        })?;
        match fitted {
            Ended::Done(maps) => maps,
            Ended::Stopped(()) => return Ok(Ended::STOPPED),
        }
    };
    watch.next();
    for part in parts {
        let mut section = Section {
            report: &mut report,
            watch: &mut watch,
        };
        part(&of, options, &maps, &mut section)?;
        if watch.stopped {
            return Ok(Ended::STOPPED);
        }
        watch.next();
    }
    Ok(Ended::Done(report))
}

/// Report and observer of one part.
struct Section<'r, 'w> {
    report: &'r mut Report,
    watch: &'r mut Watch<'w>,
}

impl Section<'_, '_> {
    /// Says what is being measured and asks whether to continue.
    fn at(&mut self, what: impl Into<String>) -> Flow {
        self.watch.at(what.into())
    }

    /// Passes on the progress of a measurement.
    fn progress(&mut self, what: &str, at: Progress) -> Flow {
        self.at(format!("{what}: {} of {} {}", at.done, at.total, at.unit))
    }
}

/// Numbers as text, with arrows between them.
fn steps(values: &[f64]) -> String {
    let all: Vec<String> = values.iter().map(|value| format!("{value:.3}")).collect();
    all.join(" → ")
}

/// Figure of the values of all widths, narrowest first.
fn by_width(values: Vec<f64>) -> Figure {
    Figure::new(steps(&values), values)
}
