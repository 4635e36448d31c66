//! Probes of labelled texts: sparse probing, removal of a spurious correlation (SCR) and targeted probe perturbation (TPP) of several dictionaries at once.

mod answer;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::benchmarks::labelled::{Labelled, OfDictionary, Place, Read, Split, read};
use crate::benchmarks::probing::{
    ABLATED, Probed, Rows, SIZES, Scr, Sparse, Spec, Tpp, scr, sparse, tpp,
};
use crate::error::{Error, Result};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;
use crate::workbench::sweep;

pub use self::answer::{DEFINITIONS, conclusion, json, results, section};

/// Figure that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Task {
    /// Sparse probing.
    #[default]
    Probing,
    /// Removal of a spurious correlation.
    Scr,
    /// Targeted probe perturbation.
    Tpp,
}

impl Task {
    /// All, the default first.
    pub const ALL: [Self; 3] = [Self::Probing, Self::Scr, Self::Tpp];

    /// Name as written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Probing => "probing",
            Self::Scr => "scr",
            Self::Tpp => "tpp",
        }
    }

    /// Numbers of features, by default.
    pub fn sizes(self) -> Vec<usize> {
        match self {
            Self::Probing => SIZES.to_vec(),
            Self::Scr | Self::Tpp => ABLATED.to_vec(),
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Task {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|task| task.name() == text);
        named.ok_or_else(|| {
            Error::setting("task", format!("{text:?} is none of probing, scr and tpp"))
        })
    }
}

/// Request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// File of labelled texts.
    pub labelled: PathBuf,
    /// Figure.
    pub task: Task,
    /// Settings.
    pub spec: Spec,
}

impl Request {
    /// Name of the set of texts: that of its file without the ending.
    pub fn set(&self) -> String {
        let stem = self.labelled.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }
}

/// Figures of each dictionary.
#[derive(Debug, Clone, PartialEq)]
pub enum Figures {
    /// Sparse probing of the model's activations at each place, and of each dictionary.
    Probing {
        /// Activations.
        model: Vec<Probed>,
        /// Dictionaries.
        dictionaries: Vec<Probed>,
    },
    /// Removal of a spurious correlation.
    Scr(Vec<Scr>),
    /// Targeted probe perturbation.
    Tpp(Vec<Tpp>),
}

/// Result.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Texts.
    pub labelled: Labelled,
    /// Texts that train and that test.
    pub split: Split,
    /// Names of the places.
    pub places: Vec<String>,
    /// Names of the dictionaries, each with the index of its place.
    pub dictionaries: Vec<(String, usize)>,
    /// Figures.
    pub figures: Figures,
    /// Name of the model.
    pub model: String,
    /// Sentences on what was left out, and on figures that mean little.
    pub notes: Vec<String>,
}

impl Found {
    /// Number of test texts of the class, or in SCR of the pair of attributes, that has the fewest.
    fn least_tests(&self) -> usize {
        let mut counts = std::collections::BTreeMap::new();
        for text in &self.split.test {
            let text = &self.labelled.texts[*text];
            let second = match self.figures {
                Figures::Scr(_) => text.spurious,
                Figures::Probing { .. } | Figures::Tpp(_) => None,
            };
            *counts.entry((text.class, second)).or_insert(0) += 1;
        }
        counts.into_values().min().unwrap_or(0)
    }
}

/// Measures the figure of `request` for all of `saes`. `observe` hears of the texts that are read, then of dictionaries.
pub fn run(
    model: &Model,
    saes: &[&Sae],
    request: &Request,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Found>> {
    let labelled = texts(&request.labelled)?;
    // Sets that cannot be split are refused before the texts are read.
    let split = split(&labelled, request)?;
    let Ended::Done(read) = read(model, saes, &labelled, request.spec.context, observe)? else {
        return Ok(Ended::STOPPED);
    };
    let Ended::Done(figures) = figures(&labelled, &split, (saes, &read), request, observe)? else {
        return Ok(Ended::STOPPED);
    };
    let names = saes.iter().map(|sae| sae.name.clone());
    let of_place = read.dictionaries.iter().map(|one| one.place);
    let mut found = Found {
        places: read.places.iter().map(Place::name).collect(),
        dictionaries: names.zip(of_place).collect(),
        model: model.name().to_owned(),
        notes: Vec::new(),
        labelled,
        split,
        figures,
    };
    found.notes = answer::notes(&found, read.cut, request);
    Ok(Ended::Done(found))
}

fn texts(path: &Path) -> Result<Labelled> {
    let content = sweep::read(path).map_err(|error| match error {
        Error::Io { path, source, .. } => Error::io("cannot read the labelled texts", path, source),
        other => other,
    })?;
    let read = Labelled::from_lines(&content);
    read.map_err(|error| match error {
        Error::Setting { what, .. } => Error::input(what, path),
        other => other,
    })
}

fn split(labelled: &Labelled, request: &Request) -> Result<Split> {
    let drawn = (request.spec.test_share, request.spec.seed);
    if request.task != Task::Scr {
        return Split::new(&labelled.labels(), &labelled.classes, drawn);
    }
    let groups: Vec<usize> = labelled
        .attributes()?
        .iter()
        .map(|[target, spurious]| 2 * target + spurious)
        .collect();
    let names = labelled.classes.iter().flat_map(|class| {
        let second = labelled.spurious.iter();
        second.map(move |spurious| format!("{class} with {spurious}"))
    });
    Split::new(&groups, &names.collect::<Vec<String>>(), drawn)
}

fn figures(
    labelled: &Labelled,
    split: &Split,
    (saes, read): (&[&Sae], &Read),
    request: &Request,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Figures>> {
    let labels = labelled.labels();
    let classes = (labels.as_slice(), labelled.classes.len());
    let spec = &request.spec;
    let pairs = (saes, read);
    Ok(match request.task {
        Task::Probing => {
            let model = read.places.iter();
            let model = model.map(|place| sparse(Sparse::Model(&place.x), classes, split, spec));
            let model: Vec<Probed> = model.collect::<Result<_>>()?;
            let ended = each(pairs, observe, &|sae, one| {
                let rows = Sparse::Dictionary(&one.features, sae.features());
                sparse(rows, classes, split, spec)
            })?;
            ended.map(|dictionaries| Figures::Probing {
                model,
                dictionaries,
            })
        }
        Task::Scr => {
            let attributes = labelled.attributes()?;
            let ended = each(pairs, observe, &|sae, one| {
                scr(rows(read, sae, one), &attributes, split, spec)
            })?;
            ended.map(Figures::Scr)
        }
        Task::Tpp => {
            let ended = each(pairs, observe, &|sae, one| {
                tpp(rows(read, sae, one), classes, split, spec)
            })?;
            ended.map(Figures::Tpp)
        }
    })
}

/// Measures dictionary after dictionary; `observe` hears of each and may stop.
fn each<T>(
    (saes, read): (&[&Sae], &Read),
    observe: &mut dyn FnMut(Progress) -> Flow,
    of: &dyn Fn(&Sae, &OfDictionary) -> Result<T>,
) -> Result<Ended<Vec<T>>> {
    let mut all = Vec::with_capacity(saes.len());
    for (sae, one) in saes.iter().zip(&read.dictionaries) {
        if observe(Progress::new(all.len(), saes.len(), "dictionaries")).is_break() {
            return Ok(Ended::STOPPED);
        }
        sae.w_dec.check()?;
        all.push(of(sae, one)?);
    }
    Ok(Ended::Done(all))
}

/// Rows of the texts for a dictionary.
fn rows<'a>(read: &'a Read, sae: &'a Sae, one: &'a OfDictionary) -> Rows<'a> {
    Rows {
        x: &read.places[one.place].x,
        written: &one.written,
        w_dec: &sae.w_dec,
    }
}
