//! Merges indexes of one dictionary over different rows into the index that one build over all of these rows gives: counts add up, moments are combined, and
//! examples are chosen among those that each index kept.

use std::collections::HashMap;
use std::path::Path;

use super::file::{self, VERSION};
use super::merged::Parts;
use super::sources::{self, OfFeature};
use super::spans::{self, Span};
use super::tallies::Tallies;
use super::{About, Index};
use crate::error::{Error, Notes, Result};
use crate::ids::FeatureId;
use crate::progress::{Ended, Flow, Progress};
use crate::whole_file;

/// Merges `indexes`, which cover different rows, into the file `out` (whole or not at all). Rows of another text than the first one's are numbered after it. Notes
/// name what not all of them hold and what is left out. An error names the two that differ in dictionary, model, hook, row length, positions or seed, or cover the
/// same rows, and those of an older version, which hold no counts.
pub fn merge(
    indexes: &[Index],
    out: &Path,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Notes>> {
    whole_file::check_regular(out)?;
    let [first, others @ ..] = indexes else {
        return Err(Error::setting(
            "index",
            "there is none to merge, name two or more",
        ));
    };
    if others.is_empty() {
        let what = "one index is nothing to merge: name another one of the same dictionary";
        return Err(Error::input(what, first.path()));
    }
    for index in indexes {
        check(first, index)?;
    }
    let mut about = first.about().clone();
    let of_all = |has: fn(&About) -> bool| indexes.iter().all(|index| has(index.about()));
    about.attribution = of_all(|about| about.attribution);
    about.loss_effects = of_all(|about| about.loss_effects);
    let mut notes = Notes::default();
    let some = |has: fn(&About) -> bool| indexes.iter().any(|index| has(index.about()));
    for (name, kept, there) in [
        (
            "sources of examples",
            about.attribution,
            some(|about| about.attribution),
        ),
        (
            "effects on the loss",
            about.loss_effects,
            some(|about| about.loss_effects),
        ),
    ] {
        if there && !kept {
            notes.add(format!(
                "Not all indexes hold {name}, so the merged one does not"
            ));
        }
    }
    if has_measurements(indexes)? {
        notes.add(
            "Families, steering scores and facts are not merged: measure them on the merged index"
                .to_owned(),
        );
    }

    let mut at = |done: usize| observe(Progress::new(done, indexes.len() + 1, "indexes"));
    let mut parts = Parts::read(first)?;
    let mut kept = Kept::new(&about);
    kept.add(first, &parts.tallies, &|row| row)?;
    for (i, index) in others.iter().enumerate() {
        if at(i + 1).is_break() {
            return Ok(Ended::STOPPED);
        }
        let there = index.about();
        let (joined, bases) = spans::join(&about.spans, &there.spans)
            .map_err(|refused| named(&refused, first, index))?;
        let new = |row: u32| renumbered(row, (&there.spans, &bases));
        let mut other = Parts::read(index)?;
        kept.add(index, &other.tallies, &new)?;
        if there
            .spans
            .iter()
            .map(|span| span.base)
            .ne(bases.iter().copied())
        {
            other.renumber(&new);
        }
        parts.merge(other)?;
        about.spans = joined;
        about.tokens += there.tokens;
        about.left_out = about.left_out.zip(there.left_out).map(|(a, b)| a + b);
    }
    about.corpus = spans::said(&about.spans);
    about.corpus_fingerprint = spans::fingerprint(&about.spans);
    crate::VERSION.clone_into(&mut about.version);
    let (sources, losses) = kept.chosen(&parts.tallies, first)?;
    let content = parts.content(&about, (&sources, &losses));
    let last = indexes.len();
    let written = file::write(out, &content, &mut || at(last))?;
    Ok(written.map(|()| notes))
}

/// Whether some index holds what was measured on it after it was built.
fn has_measurements(indexes: &[Index]) -> Result<bool> {
    for index in indexes {
        let more = index.families()?.is_some() || index.scores()?.is_some();
        if more || index.facts()?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Checks that `other` can be merged with `first`.
fn check(first: &Index, other: &Index) -> Result<()> {
    let (a, b) = (first.about(), other.about());
    if b.form < VERSION || b.spans.is_empty() {
        let what =
            "the index is of an older version, which holds no counts to merge: build it again";
        return Err(Error::input(what, other.path()));
    }
    let said = |about: &About| {
        [
            (
                "dictionary",
                about.sae_fingerprint.clone(),
                about.sae.clone(),
            ),
            (
                "model",
                about.model_fingerprint.clone(),
                about.model.clone(),
            ),
            ("hook", about.hook.clone(), about.hook.clone()),
            (
                "row length",
                about.context.to_string(),
                about.context.to_string(),
            ),
            (
                "rule of positions",
                about.positions.to_string(),
                about.positions.to_string(),
            ),
            (
                "reading of packed documents",
                about.separate_documents.to_string(),
                if about.separate_documents {
                    "apart"
                } else {
                    "together"
                }
                .to_owned(),
            ),
            ("seed", about.seed.to_string(), about.seed.to_string()),
            (
                "number of features",
                about.features.to_string(),
                about.features.to_string(),
            ),
        ]
    };
    for ((name, own, own_said), (_, others, others_said)) in said(a).into_iter().zip(said(b)) {
        if own != others {
            let what = format!(
                "has another {name} than {}: {others_said} here, {own_said} there; merge indexes that differ in their rows alone",
                first.path().display()
            );
            return Err(Error::input(what, other.path()));
        }
    }
    Ok(())
}

/// Names the two files of an error about their rows.
fn named(refused: &Error, first: &Index, other: &Index) -> Error {
    let what = format!(
        "cannot be merged with {} and those before it: {refused}",
        first.path().display()
    );
    Error::input(what, other.path())
}

/// Returns the number of a row in the merged index.
fn renumbered(row: u32, (spans, bases): (&[Span], &[usize])) -> u32 {
    let row = row as usize;
    let own = spans.iter().zip(bases);
    let mut own = own.filter(|(span, _)| span.numbers().contains(&row));
    let new = own
        .next()
        .map_or(row, |(span, base)| row - span.base + base);
    new as u32
}

/// Measurements at the strongest examples of all indexes, by feature and place.
struct Kept {
    attribution: bool,
    loss_effects: bool,
    /// Sources and effect on the loss of each example.
    at: HashMap<(u32, u32, u32), (sources::Parts, f32)>,
}

impl Kept {
    fn new(about: &About) -> Self {
        Self {
            attribution: about.attribution,
            loss_effects: about.loss_effects,
            at: HashMap::new(),
        }
    }

    /// Takes those of an index whose counts are `tallies`; `new` gives its rows' numbers in the merged index.
    fn add(&mut self, index: &Index, tallies: &Tallies, new: &dyn Fn(u32) -> u32) -> Result<()> {
        if !self.attribution && !self.loss_effects {
            return Ok(());
        }
        for (f, tally) in tallies.features.iter().enumerate() {
            let feature = FeatureId::from(f);
            let n = tally.top.len();
            let sources = if self.attribution {
                index.sources_of(feature)?.examples
            } else {
                vec![sources::Parts::default(); n]
            };
            let losses = if self.loss_effects {
                index.losses_of(feature, n)?
            } else {
                vec![f32::NAN; n]
            };
            if sources.len() != n {
                return Err(super::index::damaged(index.path()));
            }
            let found = sources.into_iter().zip(losses);
            for (moment, found) in tally.top.iter().zip(found) {
                let place = (feature.0, new(moment.row), moment.position);
                self.at.insert(place, found);
            }
        }
        Ok(())
    }

    /// Returns those at the strongest examples of the merged index, `[f]`; nothing where an index did not hold them.
    fn chosen(
        mut self,
        tallies: &Tallies,
        first: &Index,
    ) -> Result<(Vec<OfFeature>, Vec<Vec<f32>>)> {
        let (mut sources, mut losses) = (Vec::new(), Vec::new());
        if !self.attribution && !self.loss_effects {
            return Ok((sources, losses));
        }
        for (f, tally) in tallies.features.iter().enumerate() {
            let (mut of, mut effects) = (OfFeature::default(), Vec::new());
            for moment in &tally.top {
                let found = self.at.remove(&(f as u32, moment.row, moment.position));
                let (parts, loss) = found.ok_or_else(|| super::index::damaged(first.path()))?;
                of.examples.push(parts);
                effects.push(loss);
            }
            of.share();
            sources.push(of);
            losses.push(effects);
        }
        if !self.attribution {
            sources.clear();
        }
        if !self.loss_effects {
            losses.clear();
        }
        Ok((sources, losses))
    }
}
