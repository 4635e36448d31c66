//! Ladders of dictionaries: measured on the texts of a person, kept with a project, and trained in one pass of the model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::error_parts::autoencoders;
use super::text::Text;
use crate::dark_matter::FIT_PER_DIMENSION;
use crate::dark_matter::ladder::{Ladder, LinearParts, Settings, place};
use crate::error::{Error, Notes, Result};
use crate::fit::Fit;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::project::{Entry, KeptStudy, MadeWith, Project};
use crate::sae::Sae;
use crate::train::Spec;

/// Kind of the study.
pub const LADDER: &str = "ladder";

/// Tokens that the window measures a ladder on, at most.
pub const MEASURED: usize = 60_000;

/// Tokens that the window runs pursuit on, at most.
pub const PURSUED: usize = 2_000;

/// Texts of a ladder.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// Text that is measured.
    pub measured: &'a Text,
    /// Text that the linear parts are fitted on; none leaves the errors whole.
    pub fit: Option<&'a Text>,
}

/// Measures the dictionaries `saes` of one hook on the same tokens, after fitting the linear parts of their errors where there is a text for it. The notes
/// qualify the figures.
pub fn measured(
    model: &Model,
    saes: &[Arc<Sae>],
    texts: Texts<'_>,
    settings: &Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<(Ladder, Notes)>> {
    // Refused before anything is read.
    let plain: Vec<&Sae> = saes.iter().map(|sae| &**sae).collect();
    Fit::of_ladder(&plain).check(false)?;
    let all = autoencoders(saes)?;
    let rows = &texts.measured.rows;
    let fitted = texts.fit.map_or(0, |fit| fit.rows.len());
    let total = fitted + rows.len();
    let mut notes = Notes::default();
    let linear = match texts.fit {
        None => None,
        Some(fit) => {
            let pass = &mut |at: Progress| observe(Progress::rows(at.done as usize, total));
            match LinearParts::fit(model, &all, (&fit.rows, rows), pass)? {
                Ended::Stopped(()) => return Ok(Ended::STOPPED),
                Ended::Done(linear) => {
                    for note in linear.notes() {
                        notes.add(note.clone());
                    }
                    Some(linear)
                }
            }
        }
    };
    let pass = &mut |at: Progress| observe(Progress::rows(fitted + at.done as usize, total));
    let ladder = Ladder::measure(model, (&all, linear.as_ref()), rows, settings, pass)?;
    Ok(ladder.map(|ladder| {
        notes.extend(ladder.notes());
        (ladder, notes)
    }))
}

/// Leaves the dictionaries that read the same as the first; the notes name the others.
pub fn alike(saes: &mut Vec<Arc<Sae>>) -> Notes {
    let mut notes = Notes::default();
    let Some(first) = saes.first().cloned() else {
        return notes;
    };
    saes.retain(|sae| {
        let is_alike = place(sae) == place(&first);
        if !is_alike {
            notes.add(format!(
                "Left out: {} reads {} and {} reads {}",
                sae.name,
                place(sae),
                first.name,
                place(&first)
            ));
        }
        is_alike
    });
    notes
}

/// Takes evenly spaced rows of a text to fit on: about `tokens` counted ones (none: 200 per dimension).
#[must_use]
pub fn sampled_to_fit(mut text: Text, width: usize, tokens: Option<usize>) -> Text {
    text.rows = text
        .rows
        .sample(tokens.unwrap_or(FIT_PER_DIMENSION * width));
    text
}

/// Keeps a ladder with `project` under the name of its hook.
pub fn keep(
    project: &Project,
    (model, saes): (&Model, &[Arc<Sae>]),
    (texts, settings): (Texts<'_>, &Settings),
    ladder: &Ladder,
) -> Result<()> {
    let all: Vec<&Sae> = saes.iter().map(|sae| &**sae).collect();
    let read: Vec<(&str, &str)> = (texts.fit.into_iter().chain([texts.measured]))
        .map(|text| (text.phrase.as_str(), text.fingerprint.as_str()))
        .collect();
    let settings = json!({
        "draws": settings.draws,
        "seed": settings.seed,
        "positions": texts.measured.rows.mask().rule,
        "skip": texts.measured.rows.skipped(),
        "tokens": ladder.tokens,
        "fit_tokens": ladder.fit_tokens,
        "pursued": ladder.pursued,
    });
    let made = MadeWith::new(model, &all, &read, &settings)?;
    project.keep_study(LADDER, &ladder.hook, &made, ladder)
}

/// Returns the ladder of what `of` reads that is kept with `project`; an error if it was made with another model, or with another dictionary than those of
/// `saes` that it names.
pub fn kept(
    project: &Project,
    model: &Model,
    (of, saes): (&Sae, &[&Sae]),
) -> Result<Option<Ladder>> {
    let Some(kept) = project.kept_study::<Ladder>(LADDER, &place(of))? else {
        return Ok(None);
    };
    let named = |sae: &&&Sae| {
        let mut all = kept.made.dictionaries.iter();
        all.any(|of| of.name == sae.name)
    };
    let of_it: Vec<&Sae> = saes.iter().filter(named).copied().collect();
    KeptStudy::checked(kept, model, &of_it).map(|kept| Some(kept.result))
}

/// Returns the folder of the rung of `width` features: `out/WIDTH`.
pub fn folder(out: &Path, width: usize) -> PathBuf {
    out.join(width.to_string())
}

/// Adds the dictionaries that are saved in `folders` to `project` and writes it; returns how many it did not hold before.
pub fn join(project: &mut Project, folders: &[PathBuf]) -> Result<usize> {
    let before = project.entries.len();
    for folder in folders {
        let sae = std::path::absolute(folder)
            .map_err(|source| Error::io("cannot be made absolute", folder, source))?;
        if project.entries.iter().all(|entry| entry.sae != sae) {
            project.entries.push(Entry { sae, index: None });
        }
    }
    project.save()?;
    Ok(project.entries.len() - before)
}

/// Returns the runs of a ladder: `base` at each of `widths`, each with its folder `out/WIDTH`. An error if a width is named twice or there are fewer than two.
pub fn rungs(base: &Spec, widths: &[usize], out: &Path) -> Result<Vec<(Spec, PathBuf)>> {
    let wrong = |what: String| Error::setting("widths", what);
    if widths.len() < 2 {
        let what = "a ladder has two widths or more, such as 256, 512, 1024 and 2048";
        return Err(wrong(what.to_owned()));
    }
    let mut all: Vec<(Spec, PathBuf)> = Vec::new();
    for width in widths {
        if all.iter().any(|(spec, _)| spec.features == *width) {
            return Err(wrong(format!("{width} is named twice, name it once")));
        }
        let mut spec = base.clone();
        spec.set("features", &width.to_string())?;
        spec.validate()?;
        all.push((spec, folder(out, *width)));
    }
    Ok(all)
}
