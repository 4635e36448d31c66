//! Sums over the prompts that test, and the results made of them.

use std::collections::BTreeMap;

use super::super::passes::Outcome;
use super::super::site::Place;
use super::plan::{Coded, Entry, Plan, Purpose, Row};
use super::{
    Carried, EditPoint, Evaluation, FEW, How, INSPECTED, Inspected, Interpreted, KeptStep,
    THRESHOLDS, Tested, Top,
};
use crate::models::Model;

/// Tokens with the largest logits that are kept.
const TOP: usize = 5;
/// Predicates that are kept of a feature.
const PREDICATES: usize = 12;
/// Least F1 score of a predicate that is kept.
const LEAST: f64 = 0.2;
/// Features that are kept of a dictionary.
const FEATURES: usize = 200;
/// Steps that are kept of an edit.
const STEPS: usize = 16;

/// Edits of one attribute, one way, with one number of exchanges.
type Key = (usize, How, usize);

/// Agreements and magnitudes of edits.
#[derive(Default, Clone, Copy)]
struct Edits {
    agree: usize,
    magnitude: f64,
    prompts: usize,
}

/// Sums of one dictionary.
#[derive(Default, Clone)]
struct Sums {
    ablated: f64,
    sufficiency: f64,
    necessity: f64,
    below: [f64; THRESHOLDS.len()],
    above: [f64; THRESHOLDS.len()],
    edits: BTreeMap<Key, Edits>,
    /// For each attribute the prompts that agree untouched, and all.
    untouched: BTreeMap<usize, (usize, usize)>,
    inspected: Vec<Inspected>,
}

/// Sums of all dictionaries.
pub(super) struct Tally<'a> {
    plan: &'a Plan<'a>,
    sums: Vec<Sums>,
    prompts: usize,
    right: usize,
    clean: f64,
    ablated: f64,
}

/// Runs of one prompt: what they were for, the untouched outcome and theirs.
pub(super) type Ran<'r> = (&'r [Row], &'r Outcome, &'r [Outcome]);

impl<'a> Tally<'a> {
    pub(super) fn new(plan: &'a Plan<'a>) -> Self {
        Self {
            sums: vec![Sums::default(); plan.entries.len()],
            plan,
            prompts: 0,
            right: 0,
            clean: 0.0,
            ablated: 0.0,
        }
    }

    pub(super) fn add(&mut self, model: &Model, prompt: usize, (rows, clean, outcomes): Ran<'_>) {
        self.prompts += 1;
        self.right += usize::from(clean.difference > 0.0);
        self.clean += clean.difference;
        let mut truth = None;
        for (row, outcome) in rows.iter().zip(outcomes) {
            let sums = &mut self.sums[row.entry];
            match row.purpose {
                Purpose::AllAblated => self.ablated += outcome.difference,
                Purpose::Ablated => sums.ablated += outcome.difference,
                Purpose::Sufficiency => sums.sufficiency += outcome.difference,
                Purpose::Necessity => sums.necessity += outcome.difference,
                Purpose::Below(at) => sums.below[at] += outcome.difference,
                Purpose::Above(at) => sums.above[at] += outcome.difference,
                Purpose::Truth(attribute) => {
                    let (agree, all) = sums.untouched.entry(attribute).or_default();
                    *agree += usize::from(outcome.first == clean.first);
                    *all += 1;
                    truth = Some(outcome);
                }
                Purpose::Edit(attribute, how, k, magnitude) => {
                    let agrees = truth.is_some_and(|truth| truth.first == outcome.first);
                    let edits = sums.edits.entry((attribute, how, k)).or_default();
                    edits.agree += usize::from(agrees);
                    edits.magnitude += magnitude;
                    edits.prompts += 1;
                    let shown = match how {
                        How::Supervised => true,
                        How::Agnostic => k == FEW,
                        How::ByInterpretation => false,
                    };
                    if let Some(truth) = truth.filter(|_| shown && self.prompts <= INSPECTED) {
                        let tops = [clean, outcome, truth].map(|one| top(model, one));
                        let kept = self.plan.inspected((row.entry, attribute, prompt), tops);
                        self.sums[row.entry].inspected.extend(kept);
                    }
                }
            }
        }
    }

    /// Returns the results.
    pub(super) fn finish(self, model: &Model) -> Evaluation {
        let task = self.plan.task;
        let count = self.prompts.max(1) as f64;
        let unseen = task.attributes.iter().enumerate().map(|(attribute, name)| {
            let known = task.counts(attribute);
            let tests = task.tests().iter().map(|prompt| &prompt.values[attribute]);
            let mut missing: Vec<&String> =
                tests.filter(|v| !known.contains_key(v.as_str())).collect();
            missing.sort_unstable();
            missing.dedup();
            (name.clone(), missing.len())
        });
        let places = &self.plan.activations.places;
        Evaluation {
            model: model.name().to_owned(),
            task: task.name.clone(),
            prompts: [task.building(), self.prompts],
            sites: places.iter().map(|place| place.site.to_string()).collect(),
            attributes: task.attributes.clone(),
            accuracy: self.right as f64 / count,
            logit_difference: self.clean / count,
            mean_ablated: self.ablated / count,
            unseen: unseen.collect(),
            dictionaries: (0..self.sums.len())
                .map(|entry| self.tested(entry))
                .collect(),
        }
    }

    fn tested(&self, entry: usize) -> Tested {
        let sums = &self.sums[entry];
        let places = &self.plan.activations.places;
        let of = &self.plan.entries[entry];
        let clean = self.clean;
        let necessity = |moved: f64| {
            let reach = (sums.ablated - clean).abs();
            1.0 - (sums.ablated - moved).abs() / reach
        };
        let name = |attribute: usize| self.plan.task.attributes[attribute].clone();
        let edits: Vec<EditPoint> = sums
            .edits
            .iter()
            .map(|((attribute, how, exchanges), edits)| EditPoint {
                attribute: name(*attribute),
                how: *how,
                exchanges: *exchanges,
                accuracy: edits.agree as f64 / edits.prompts as f64,
                magnitude: edits.magnitude / edits.prompts as f64,
                prompts: edits.prompts,
            })
            .collect();
        let covered = places
            .iter()
            .enumerate()
            .filter(|(place, _)| of.covers(*place));
        let shares = sums.untouched.iter();
        Tested {
            name: match of {
                Entry::Supervised(supervised) => supervised.name(),
                Entry::Coded { name, .. } => (*name).to_owned(),
            },
            supervised: matches!(of, Entry::Supervised(_)),
            sites: covered.map(|(_, place)| place.site.to_string()).collect(),
            sufficiency: sums.sufficiency / clean,
            necessity: necessity(sums.necessity),
            edit_accuracy: edits
                .iter()
                .filter(|point| point.is_few())
                .map(|point| (point.attribute.clone(), point.accuracy))
                .collect(),
            untouched: shares
                .map(|(attribute, (agree, all))| (name(*attribute), *agree as f64 / *all as f64))
                .collect(),
            edits,
            features: match of {
                Entry::Supervised(_) => Vec::new(),
                Entry::Coded { places: coded, .. } => interpreted(coded, places),
            },
            carried: match of {
                Entry::Supervised(_) => Vec::new(),
                Entry::Coded { .. } => (0..THRESHOLDS.len())
                    .map(|at| Carried {
                        threshold: THRESHOLDS[at],
                        sufficiency: sums.below[at] / clean,
                        necessity: necessity(sums.above[at]),
                    })
                    .collect(),
            },
            inspected: sums.inspected.clone(),
        }
    }
}

fn top(model: &Model, outcome: &Outcome) -> Top {
    let top = outcome.top(TOP).into_iter();
    top.map(|(token, logit)| (model.codec().display(token), logit))
        .collect()
}

fn interpreted(coded: &[Option<Coded<'_>>], places: &[Place]) -> Vec<Interpreted> {
    let mut all = Vec::new();
    for (coded, place) in coded.iter().zip(places) {
        let Some(coded) = coded else { continue };
        let scores = &coded.scores;
        let rows = scores.interpretations().into_iter().enumerate();
        all.extend(rows.map(|(row, (feature, interpretation))| {
            let each = scores.predicates.iter().zip(&scores.f1[row]);
            let each = each.filter(|(_, score)| **score >= LEAST);
            let mut kept: Vec<(String, String, f64)> = each
                .map(|(one, score)| (one.family.clone(), one.value.clone(), *score))
                .collect();
            kept.sort_by(|a, b| b.2.total_cmp(&a.2));
            kept.truncate(PREDICATES);
            Interpreted {
                site: place.site.to_string(),
                feature: feature.0,
                active: scores.active[row],
                interpretation,
                scores: kept,
            }
        }));
    }
    all.sort_by(|a, b| b.interpretation.f1.total_cmp(&a.interpretation.f1));
    all.truncate(FEATURES);
    all
}

impl Plan<'_> {
    /// Returns an edit step by step; none where the prompt has no counterfactual or cannot be edited.
    fn inspected(
        &self,
        (entry, attribute, prompt): (usize, usize, usize),
        tops: [Top; 3],
    ) -> Option<Inspected> {
        let of = &self.task.prompts[prompt];
        let other = of.counterfactuals[attribute].as_ref()?;
        let places = match &self.entries[entry] {
            Entry::Supervised(_) => Vec::new(),
            Entry::Coded { places, .. } => {
                self.exchanges(places, (attribute, prompt), STEPS).ok()?
            }
        };
        let places = places.into_iter().map(|(place, exchanges)| {
            let steps = exchanges.steps.iter().map(|step| KeptStep {
                feature: step.feature.0,
                removed: step.removed,
                added: step.added,
                distance: step.distance,
            });
            let name = self.activations.places[place].site.to_string();
            (name, exchanges.start, steps.collect())
        });
        let [before, after, truth] = tops;
        Some(Inspected {
            text: of.text.clone(),
            attribute: self.task.attributes[attribute].clone(),
            values: [
                of.values[attribute].clone(),
                other.values[attribute].clone(),
            ],
            places: places.collect(),
            before,
            after,
            truth,
        })
    }
}
