//! Induction of all features of a dictionary, in one pass over a text once their strongest tokens are known.

use std::collections::{BTreeMap, BTreeSet};

use super::Induction;
use super::count::{Pair, by_chance, followers};
use crate::corpus::Rows;
use crate::error::Result;
use crate::features::predicate::{Lexicon, Line};
use crate::features::{TOP, pass};
use crate::ids::{FeatureId, TokenId};
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// Largest activation of a feature and its strongest tokens, at most one per row.
#[derive(Debug, Clone, Default)]
pub(in crate::features) struct Peaks {
    /// Size of the largest activation.
    pub(in crate::features) max: f64,
    /// Row, position and size of the activation, strongest first.
    pub(in crate::features) top: Vec<(u32, u32, f32)>,
}

/// A feature that is active where its target is next by induction.
#[derive(Debug, Clone, PartialEq)]
pub struct InductionFeature {
    /// Feature.
    pub feature: FeatureId,
    /// Its measurements on the text.
    pub induction: Induction,
}

/// Finds the induction features of a dictionary on `rows`, most specific in their top activation half first: those of which [`Induction::is_clear`] says so.
/// Reads the rows twice: for the strongest tokens of each feature, then for the counts.
pub fn induction_features(
    (model, sae): (&Model, ByToken<'_>),
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<InductionFeature>>> {
    let twice = 2 * rows.len();
    let mut first = |at: Progress| observe(Progress::rows(at.done as usize, twice));
    let Ended::Done(peaks) = peaks((model, sae), rows, &mut first)? else {
        return Ok(Ended::STOPPED);
    };
    let mut second = |at: Progress| observe(Progress::rows(rows.len() + at.done as usize, twice));
    let measured = measure((model, sae), rows, &peaks, &mut second)?;
    Ok(measured.map(|measured| {
        let found = (0..).map(FeatureId).zip(measured);
        let found = found.filter_map(|(feature, induction)| {
            let induction = induction.filter(Induction::is_clear)?;
            Some(InductionFeature { feature, induction })
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by(|a, b| {
            let specificity = |found: &InductionFeature| found.induction.specificity();
            specificity(b).total_cmp(&specificity(a))
        });
        found
    }))
}

/// Finds the largest activation and the strongest tokens of every feature.
fn peaks(
    subject: (&Model, ByToken<'_>),
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Peaks>>> {
    let mut peaks = vec![Peaks::default(); subject.1.features()];
    let mut visit = |places: &[(u32, u32)], latents: &Latents| {
        for (token, (row, position)) in places.iter().enumerate() {
            for i in latents.range(token) {
                let size = latents.acts[i].abs();
                if size > 0.0 {
                    peaks[latents.features[i] as usize].offer((*row, *position, size));
                }
            }
        }
    };
    let ended = pass::each(subject, rows, &mut visit, observe)?;
    Ok(ended.map(|()| peaks))
}

impl Peaks {
    /// Offers a token of the text, in order: of each row the strongest stays, of equals the first.
    fn offer(&mut self, (row, position, size): (u32, u32, f32)) {
        self.max = self.max.max(f64::from(size));
        if let Some(at) = self.top.iter().position(|kept| kept.0 == row) {
            if self.top[at].2 >= size {
                return;
            }
            self.top.remove(at);
        }
        let at = self.top.partition_point(|kept| kept.2 >= size);
        if at < TOP {
            self.top.insert(at, (row, position, size));
            self.top.truncate(TOP);
        }
    }
}

/// Running sums of one feature.
#[derive(Debug, Clone, Default)]
struct Sums {
    target: Option<TokenId>,
    /// Least size of the top half.
    half: f64,
    all: f64,
    holding: f64,
    top: u64,
    top_holding: u64,
    /// Number of tokens in the top half by class.
    classes: BTreeMap<usize, u64>,
}

/// Measures the induction of every feature from its `peaks`; none for a feature without a target.
pub(super) fn measure(
    subject: (&Model, ByToken<'_>),
    rows: &Rows,
    peaks: &[Peaks],
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Option<Induction>>>> {
    let codec = subject.0.codec();
    let lexicon = Lexicon::new(codec, rows.tokens());
    let targets = targets(rows, &lexicon, peaks);
    let mut sums: Vec<Sums> = (peaks.iter().zip(&targets))
        .map(|(peaks, target)| Sums {
            half: peaks.max / 2.0,
            target: *target,
            ..Sums::default()
        })
        .collect();
    let mut visit = |places: &[(u32, u32)], latents: &Latents| {
        let mut token = 0;
        for of_row in places.chunk_by(|a, b| a.0 == b.0) {
            let line = Line::from_rows(rows, of_row[0].0 as usize);
            let followers = followers(&lexicon, &line);
            for (_, position) in of_row {
                let t = *position as usize;
                let class = lexicon.class(lexicon.number(line.tokens[t]));
                for i in latents.range(token) {
                    let of = &mut sums[latents.features[i] as usize];
                    of.add(latents.acts[i], class, &followers[t]);
                }
                token += 1;
            }
        }
    };
    let ended = pass::each(subject, rows, &mut visit, observe)?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let pairs = targets.iter().zip(&sums).flat_map(|(target, sums)| {
        let target = *target;
        sums.classes
            .keys()
            .filter_map(move |class| Some((*class, target?)))
    });
    let chance = by_chance(rows, &lexicon, &pairs.collect::<BTreeSet<Pair>>());
    let measured = sums.iter().map(|sums| {
        let target = sums.target?;
        Some(sums.induction(target, codec.display(target), &chance))
    });
    Ok(Ended::Done(measured.collect()))
}

impl Sums {
    /// Adds an activation at a token of this class, whose earlier copies these tokens follow.
    fn add(&mut self, act: f32, class: usize, followers: &[TokenId]) {
        let (Some(target), size) = (self.target, f64::from(act.abs())) else {
            return;
        };
        if size == 0.0 {
            return;
        }
        let holds = followers.binary_search(&target).is_ok();
        self.all += size;
        if holds {
            self.holding += size;
        }
        if size >= self.half {
            self.top += 1;
            self.top_holding += u64::from(holds);
            *self.classes.entry(class).or_default() += 1;
        }
    }

    fn induction(&self, target: TokenId, text: String, chance: &BTreeMap<Pair, f64>) -> Induction {
        let expected = self.classes.iter().map(|(class, tokens)| {
            let share = chance.get(&(*class, target)).copied().unwrap_or(0.0);
            share * *tokens as f64
        });
        Induction {
            target,
            text,
            top: self.top,
            top_holding: self.top_holding,
            by_chance: expected.sum::<f64>() / self.top.max(1) as f64,
            mass: if self.all > 0.0 {
                self.holding / self.all
            } else {
                0.0
            },
        }
    }
}

/// Returns the target of every feature: the token with the largest sum of activations over the strongest tokens whose earlier copies it follows; of equals the
/// first by id. None where no strongest token has a copy.
pub(in crate::features) fn targets(
    rows: &Rows,
    lexicon: &Lexicon,
    peaks: &[Peaks],
) -> Vec<Option<TokenId>> {
    let mut by_row: BTreeMap<u32, Vec<(usize, u32, f32)>> = BTreeMap::new();
    for (f, peaks) in peaks.iter().enumerate() {
        for (row, position, size) in &peaks.top {
            by_row.entry(*row).or_default().push((f, *position, *size));
        }
    }
    let mut votes: Vec<BTreeMap<TokenId, f64>> = vec![BTreeMap::new(); peaks.len()];
    for (row, of_row) in by_row {
        let followers = followers(lexicon, &Line::from_rows(rows, row as usize));
        for (f, position, size) in of_row {
            for next in &followers[position as usize] {
                *votes[f].entry(*next).or_default() += f64::from(size);
            }
        }
    }
    let target = |votes: BTreeMap<TokenId, f64>| {
        let best = votes
            .into_iter()
            .reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(target, _)| target)
    };
    votes.into_iter().map(target).collect()
}
