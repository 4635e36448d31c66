//! Measures the families of all features of an index.

use std::collections::BTreeSet;

use super::text::{Held, peaks, rows_held};
use super::{EXAMPLES, Families, LAST, Measured, induction, reach};
use crate::error::{Error, Result};
use crate::features::Index;
use crate::fit::Fit;
use crate::ids::FeatureId;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// Settings of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Examples of each feature in which context is replaced, at most; 1 to 20.
    pub examples: usize,
    /// Seed that chooses the rows put in place.
    pub seed: u64,
    /// Whether an index of another dictionary or model is taken.
    pub allow_mismatch: bool,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            examples: EXAMPLES,
            seed: 0,
            allow_mismatch: false,
        }
    }
}

/// Text that a measurement reads, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// Rows that the index holds.
    pub rows: usize,
    /// Passages up to an example, as they are and with replaced context; features may share some.
    pub passages: usize,
    /// Tokens of a row, and at most of a passage.
    pub context: usize,
}

impl Amount {
    /// Counts what a measurement of `examples` examples of each feature of `index` reads at most.
    pub fn new(index: &Index, examples: usize) -> Result<Self> {
        let about = index.about();
        let each = |density: f64| {
            let active = (density * about.tokens as f64).round() as usize;
            active.min(examples)
        };
        let summaries = index.summaries()?;
        let held: usize = summaries.iter().map(|summary| each(summary.density)).sum();
        Ok(Self {
            rows: rows_held(index)?,
            passages: (LAST.len() + 1) * held,
            context: about.context,
        })
    }

    /// Returns the number of tokens.
    pub fn tokens(&self) -> u64 {
        ((self.rows + self.passages) * self.context) as u64
    }

    /// Says what is read.
    pub fn said(&self) -> String {
        format!(
            "Measuring families reads the {} rows of the index and up to {} passages in which context is replaced, at most {} tokens",
            self.rows,
            self.passages,
            self.tokens()
        )
    }
}

/// Measures induction and reach of every feature on the rows that `index` holds. An index of another dictionary or model is an error, and so is an index of the
/// first version, which holds no rows.
pub fn measure(
    (model, sae): (&Model, ByToken<'_>),
    index: &Index,
    asked: Asked,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Families>> {
    Fit::of_index(index.about(), Some(model), Some(&sae)).check(asked.allow_mismatch)?;
    if !(1..=crate::features::TOP).contains(&asked.examples) {
        let what = format!(
            "{} is no number of examples: give 1 to {}",
            asked.examples,
            crate::features::TOP
        );
        return Err(Error::setting("examples", what));
    }
    if index.about().is_older() {
        let what = "the index is an older version and holds only excerpts of its text: build it again to measure families";
        return Err(Error::input(what, index.path()));
    }
    let held = Held::read(index, model)?;
    if held.rows.len() < 2 {
        let what = "the index holds fewer than two rows of tokens, so no other text can replace an example's context: build it over more text";
        return Err(Error::input(what, index.path()));
    }
    let peaks = peaks(index, &held)?;
    let rows = &held.rows;
    let examples: Vec<Vec<(u32, u32)>> = peaks
        .iter()
        .map(|peaks| {
            let strongest = peaks.top.iter().take(asked.examples);
            strongest
                .map(|(row, position, _)| (*row, *position))
                .collect()
        })
        .collect();
    let edited = (LAST.len() + 1) * examples.iter().flatten().collect::<BTreeSet<_>>().len();
    let all = rows.len() + edited;
    let mut read = |at: Progress| observe(Progress::rows(at.done as usize, all));
    let Ended::Done(induction) = induction::measure((model, sae), rows, &peaks, &mut read)? else {
        return Ok(Ended::STOPPED);
    };
    let mut read = |at: Progress| observe(Progress::rows(rows.len() + at.done as usize, all));
    let reach = reach::measure((model, sae), rows, &examples, asked.seed, &mut read)?;
    Ok(reach.map(|reach| {
        let features = (0..).map(FeatureId).zip(induction.into_iter().zip(reach));
        Families {
            features: features
                .map(|(feature, (induction, reach))| Measured {
                    feature,
                    induction,
                    reach,
                })
                .collect(),
            rows: rows.len(),
            tokens: rows.counted() as u64,
            examples: asked.examples,
            seed: asked.seed,
        }
    }))
}
