//! Attention-output dictionaries (Kissane et al. 2024, arXiv 2406.17759): identities that must hold anywhere, and what the paper found on GPT-2 small, measured
//! on a project's model.

mod behaviour;
mod features;
mod identities;

use super::{Event, Figure, Report, Watch};
use crate::corpus::{Positions, Rows};
use crate::error::{Error, Result};
use crate::features::Index;
use crate::formats;
use crate::ids::Layer;
use crate::models::Model;
use crate::progress::{Ended, Flow};
use crate::sae::Sae;

/// Model, text and dictionaries that the claims are measured on.
#[derive(Debug)]
pub struct Attention {
    model: Model,
    held_out: Rows,
    /// Dictionaries of `hook_z`, by layer.
    studies: Vec<Study>,
    /// Dictionaries of other hooks, which recursive attribution passes through.
    others: Vec<Sae>,
}

/// Dictionary of one layer's attention, with its index.
#[derive(Debug)]
struct Study {
    layer: Layer,
    sae: Sae,
    index: Option<Index>,
}

/// Sizes of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionOptions {
    /// Counted tokens of held-out text.
    pub tokens: usize,
    /// Random sequences of each prefix length.
    pub sequences: usize,
    /// Sentences with two names.
    pub prompts: usize,
    /// Rows in which heads are ablated.
    pub sampled_rows: usize,
    /// Draws of the bootstrap, and of random features.
    pub draws: usize,
}

impl Default for AttentionOptions {
    fn default() -> Self {
        Self {
            tokens: 20_000,
            sequences: 200,
            prompts: 100,
            sampled_rows: 16,
            draws: 100,
        }
    }
}

impl Attention {
    /// Sorts the dictionaries, each with its index if there is one, into those of attention and others, of which the first of each hook takes part. No dictionary of
    /// `hook_z` is an error, as is a text too short for one row.
    pub fn new(
        model: Model,
        held_out: &Rows,
        dictionaries: Vec<(Sae, Option<Index>)>,
        options: &AttentionOptions,
    ) -> Result<Self> {
        let (mut studies, mut others) = (Vec::new(), Vec::<Sae>::new());
        for (sae, index) in dictionaries {
            let hook = sae.hook()?;
            formats::check_hooks(&sae, &model)?;
            match hook.layer().filter(|_| hook.is_z()) {
                Some(layer) => studies.push(Study { layer, sae, index }),
                // A trace takes one dictionary of each hook.
                None if others
                    .iter()
                    .any(|other| other.provenance.hook == Some(hook)) => {}
                None => others.push(sae),
            }
        }
        studies.sort_by_key(|study| study.layer);
        if studies.is_empty() {
            let what = "the claims need a dictionary on attn.hook_z, add one to the project";
            return Err(Error::setting("sae", what));
        }
        let rows = (options.tokens / held_out.context().max(2)).clamp(1, held_out.len().max(1));
        if held_out.len() < rows || held_out.context() < 8 {
            let what = "the claims need a row of 8 or more tokens, give more text";
            return Err(Error::setting("corpus", what));
        }
        Ok(Self {
            model,
            held_out: held_out.spread(rows).by(Positions::Text),
            studies,
            others,
        })
    }

    fn describe(&self, report: &mut Report) {
        let config = self.model.config();
        report.set(
            "model",
            format!(
                "{}, {} layers of {} heads",
                self.model.name(),
                config.layers,
                config.heads
            ),
        );
        let names = self.studies.iter().map(|study| {
            let index = study.index.as_ref().map_or(" without an index", |_| "");
            format!("{}{index}", study.sae.name)
        });
        let others = self.others.iter().map(|sae| sae.name.clone());
        report.set(
            "dictionaries",
            names.chain(others).collect::<Vec<_>>().join(", "),
        );
        report.set(
            "text",
            format!(
                "{} held-out rows of {} tokens, {} tokens that count",
                self.held_out.len(),
                self.held_out.context(),
                self.held_out.counted()
            ),
        );
    }
}

/// One part of the list: measures, and adds its claims.
type Part = fn(&Attention, &AttentionOptions, &mut Section<'_, '_>) -> Result<()>;

/// Measures and judges all claims.
pub fn attention(
    of: &Attention,
    options: &AttentionOptions,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Report>> {
    let mut report = Report::default();
    of.describe(&mut report);
    let parts: [Part; 9] = [
        identities::shares,
        identities::attribution,
        identities::recursion,
        identities::splice,
        behaviour::reconstruction,
        features::induction,
        behaviour::induction,
        behaviour::names,
        features::roles,
    ];
    let mut watch = Watch::new(observe, parts.len() as u64);
    for part in parts {
        let mut section = Section {
            report: &mut report,
            watch: &mut watch,
        };
        part(of, options, &mut section)?;
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
}
