//! Which dictionary controls an attribute of a task with a known answer best, and at what cost: the sentence that the window shows first, and what qualifies it.

#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::models::Model;
use crate::project::Project;
use crate::sae::Sae;
use crate::tasks::test::{Evaluation, FEW, How, Tested};
use crate::workbench::evaluate::task::STUDY;

/// Share of the answers that are those of the ground truth without an edit, above which an attribute hardly decides them.
const IDLE: f64 = 0.9;

/// Dictionary that controls an attribute best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best<'a> {
    /// Its results.
    pub tested: &'a Tested,
    /// Edit accuracy with few exchanges.
    pub accuracy: f64,
    /// Agreement with the ground truth without any edit: all of it where the places have no say in the answer.
    pub untouched: f64,
    /// Share of the reconstruction that these exchanges remove.
    pub magnitude: f64,
}

impl Best<'_> {
    /// Share of the prompts by which the edits agree more often than doing nothing does.
    pub fn gain(&self) -> f64 {
        self.accuracy - self.untouched
    }
}

/// Edit accuracy of an attribute with few exchanges, and the share of the reconstruction that they remove; none where the dictionary was not edited.
fn few(tested: &Tested, attribute: &str) -> Option<(f64, f64)> {
    let point = tested.few(attribute)?;
    Some((point.accuracy, point.magnitude))
}

/// Returns the dictionary whose few exchanges raise the agreement with the ground truth on `attribute` most above that without any edit, among those that were not made
/// from the attributes and whose name is not one of `baselines`; of equals the one that removes less. Accuracy alone would prefer places that have no say in the
/// answer, where every edit agrees.
pub fn best<'a>(found: &'a Evaluation, attribute: &str, baselines: &[&str]) -> Option<Best<'a>> {
    let own = found.dictionaries.iter();
    let own = own.filter(|one| !one.supervised && !baselines.contains(&one.name.as_str()));
    own.filter_map(|tested| {
        let (accuracy, magnitude) = few(tested, attribute)?;
        Some(Best {
            tested,
            accuracy,
            untouched: tested.untouched.get(attribute).copied().unwrap_or(0.0),
            magnitude,
        })
    })
    .max_by(|a, b| {
        let by_cost = || b.magnitude.total_cmp(&a.magnitude);
        a.gain().total_cmp(&b.gain()).then_with(by_cost)
    })
}

/// Says how far more exchanges get, at what cost; empty where none exceeds doing nothing.
fn with_more(found: &Evaluation, attribute: &str, baselines: &[&str]) -> String {
    let own = found.dictionaries.iter();
    let own = own.filter(|one| !one.supervised && !baselines.contains(&one.name.as_str()));
    let edits = own.flat_map(|one| {
        let untouched = one.untouched.get(attribute).copied().unwrap_or(0.0);
        let edits = one.edits.iter();
        let edits = edits.filter(|edit| edit.attribute == attribute && edit.how == How::Agnostic);
        edits.map(move |edit| (one, edit, edit.accuracy - untouched))
    });
    let best = edits.max_by(|a, b| {
        let by_number = || b.1.exchanges.cmp(&a.1.exchanges);
        a.2.total_cmp(&b.2).then_with(by_number)
    });
    best.filter(|(_, _, gain)| *gain > 0.0)
        .map_or_else(String::new, |(one, edit, _)| {
            format!(
                "; with {} features {} reaches {}, at the cost of {:.2} of the reconstruction's weight",
                edit.exchanges,
                one.name,
                percent(edit.accuracy),
                edit.magnitude
            )
        })
}

/// Says what an attribute of sentences with two names is; another attribute by its name.
pub fn attribute_words(attribute: &str) -> String {
    match attribute {
        "io" => "the name that is the answer".to_owned(),
        "s" => "the repeated name".to_owned(),
        "pos" => "the order of the names".to_owned(),
        other => other.to_owned(),
    }
}

/// Writes a share as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Says in one sentence which dictionary controls `attribute` best, and at what cost.
pub fn conclusion(found: &Evaluation, attribute: &str, baselines: &[&str]) -> String {
    let what = attribute_words(attribute);
    let supervised = found.dictionaries.iter().find(|one| one.supervised);
    let idle = supervised.and_then(|one| one.untouched.get(attribute));
    if let Some(share) = idle.filter(|share| **share > IDLE) {
        return format!(
            "At these places {what} hardly decides the answer: without any edit {} of the answers are already those of the ground truth.",
            percent(*share)
        );
    }
    let bound = supervised.and_then(|one| few(one, attribute));
    let compared = bound.map_or_else(String::new, |(accuracy, magnitude)| {
        format!(
            "; the supervised dictionary reaches {} for {magnitude:.2}",
            percent(accuracy)
        )
    });
    let Some(best) = best(found, attribute, baselines) else {
        return match bound {
            Some((accuracy, magnitude)) => format!(
                "No dictionary of the project was tested. The supervised one changes {what} in {} of the prompts, at the cost of {magnitude:.2} of the reconstruction's weight.",
                percent(accuracy)
            ),
            None => format!("No dictionary was tested on {what}."),
        };
    };
    let (name, accuracy) = (&best.tested.name, percent(best.accuracy));
    let untouched = best.untouched;
    if best.gain() <= 0.0 {
        return format!(
            "No dictionary controls {what} with {FEW} features: the best, {name}, agrees with the ground truth in {accuracy} of the prompts, and doing nothing in {}{}{compared}.",
            percent(untouched),
            with_more(found, attribute, baselines)
        );
    }
    format!(
        "{name} controls {what} best: with {FEW} exchanged features, {accuracy} of the answers become those of the ground truth ({} without any edit), at the cost of {:.2} of the reconstruction's weight{compared}.",
        percent(untouched),
        best.magnitude
    )
}

/// Says what the figures are measured on.
pub fn basis(found: &Evaluation) -> String {
    let [builds, tests] = found.prompts;
    format!(
        "{builds} prompts build directions, means and scores, {tests} other prompts test. Edited together: {}.",
        found.sites.join(", ")
    )
}

/// Returns sentences that qualify the figures.
pub fn notes(found: &Evaluation) -> Vec<String> {
    let unseen = found.unseen.iter().filter(|(_, many)| **many > 0);
    let mut notes: Vec<String> = unseen
        .map(|(attribute, many)| {
            format!(
                "{many} values of {attribute} occur only in the half that tests: their direction is 0. Give more prompts"
            )
        })
        .collect();
    if (found.logit_difference - found.mean_ablated).abs() < 0.1 * found.logit_difference.abs() {
        notes.push(format!(
            "Setting all places to their means changes the logit difference only from {:.2} to {:.2}: the model hardly uses them for the answer, and necessity means little",
            found.logit_difference, found.mean_ablated
        ));
    }
    notes
}

/// Returns the kept result of the task `name`, if there is one; an error if it was made with another model, or with other weights of a dictionary of `saes` that was
/// tested.
pub fn kept(
    project: &Project,
    name: &str,
    (model, saes): (&Model, &[&Sae]),
) -> Result<Option<Evaluation>> {
    let Some(kept) = project.kept_study::<Evaluation>(STUDY, name)? else {
        return Ok(None);
    };
    let of: Vec<&Sae> = (saes.iter().copied())
        .filter(|sae| {
            let mut dictionaries = kept.made.dictionaries.iter();
            dictionaries.any(|one| one.name == sae.name)
        })
        .collect();
    Ok(Some(kept.checked(model, &of)?.result))
}
