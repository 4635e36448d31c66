//! Sentences and the section of a report on a task with a known answer: whether the model can do it, and which dictionary controls an attribute best at what cost.

pub mod run;
#[cfg(test)]
mod tests;

use crate::section::{Bars, Cell, Lines, Section, Series, Table};
use crate::tasks::test::{DEFINITIONS, Evaluation, FEW, How, Tested};

/// Dictionary that controls an attribute best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best<'a> {
    /// Its results.
    pub tested: &'a Tested,
    /// Edit accuracy with few exchanges.
    pub accuracy: f64,
    /// Share of the reconstruction that these exchanges remove.
    pub magnitude: f64,
}

/// Edit accuracy of an attribute with few exchanges, and the share of the reconstruction that they remove; none where the dictionary was not edited.
fn few(tested: &Tested, attribute: &str) -> Option<(f64, f64)> {
    let how = if tested.supervised {
        (How::Supervised, 1)
    } else {
        (How::Agnostic, FEW)
    };
    let edits = tested.edits.iter();
    let mut own = edits.filter(|edit| edit.attribute == attribute);
    let point = own.find(|edit| (edit.how, edit.exchanges) == how)?;
    Some((point.accuracy, point.magnitude))
}

/// Returns the dictionary that controls `attribute` best with few exchanges, among those that were not made from the attributes and whose name is not one of
/// `baselines`; of equals the one that removes less.
pub fn best<'a>(found: &'a Evaluation, attribute: &str, baselines: &[&str]) -> Option<Best<'a>> {
    let own = found.dictionaries.iter();
    let own = own.filter(|one| !one.supervised && !baselines.contains(&one.name.as_str()));
    own.filter_map(|tested| {
        let (accuracy, magnitude) = few(tested, attribute)?;
        Some(Best {
            tested,
            accuracy,
            magnitude,
        })
    })
    .max_by(|a, b| {
        let by_cost = || b.magnitude.total_cmp(&a.magnitude);
        a.accuracy.total_cmp(&b.accuracy).then_with(by_cost)
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

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Says in one sentence which dictionary controls `attribute` best, and at what cost.
pub fn conclusion(found: &Evaluation, attribute: &str, baselines: &[&str]) -> String {
    let what = attribute_words(attribute);
    let supervised = found.dictionaries.iter().find(|one| one.supervised);
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
    let untouched = best.tested.untouched.get(attribute).copied().unwrap_or(0.0);
    if best.accuracy <= untouched {
        return format!(
            "No dictionary controls {what} with {FEW} features: the best, {name}, agrees with the ground truth in {accuracy} of the prompts, and doing nothing in {}{compared}.",
            percent(untouched)
        );
    }
    format!(
        "{name} controls {what} best: with {FEW} exchanged features, {accuracy} of the answers become those of the ground truth ({} without any edit), at the cost of {:.2} of the reconstruction's weight{compared}.",
        percent(untouched),
        best.magnitude
    )
}

/// Says in one sentence whether the model does the task.
pub fn ability(found: &Evaluation) -> String {
    let (model, accuracy) = (&found.model, percent(found.accuracy));
    let difference = found.logit_difference;
    if found.is_able() {
        format!(
            "{model} can do the task: the right answer beats the wrong one in {accuracy} of the prompts, by {difference:.2} logits on average."
        )
    } else {
        format!(
            "{model} cannot do this task: the right answer beats the wrong one in {accuracy} of the prompts, by {difference:.2} logits on average. What follows says little about dictionaries."
        )
    }
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

/// Writes the result as a section of a report.
pub fn section(found: &Evaluation, baselines: &[&str]) -> Section {
    let first = found.attributes.first().map_or("io", String::as_str);
    let bars = |caption: &str, value: fn(&Tested) -> f64| {
        let named = found.dictionaries.iter();
        Bars::new(caption, named.map(|one| (one.name.clone(), value(one))))
    };
    let mut section = Section::new(
        "Are features good enough for a task with a known answer?",
        conclusion(found, first, baselines),
    )
    .sentence(ability(found))
    .sentence(basis(found))
    .notes(&notes(found))
    .setting("model", &found.model)
    .setting("task", &found.task)
    .setting("places", found.sites.join(" "))
    .figure(bars("Sufficiency, share of the logit difference", |one| {
        one.sufficiency
    }))
    .figure(bars("Necessity", |one| one.necessity));
    for attribute in &found.attributes {
        section = section.figure(edits(found, attribute));
    }
    section.figure(table(found)).define(DEFINITIONS)
}

/// Edit accuracy of an attribute against the weight removed, a series for each dictionary.
fn edits(found: &Evaluation, attribute: &str) -> Lines {
    let series = found.dictionaries.iter().map(|one| {
        let points = one
            .edits
            .iter()
            .filter(|edit| edit.attribute == attribute && edit.how != How::ByInterpretation);
        let points = points.map(|edit| (edit.magnitude, edit.accuracy));
        Series::new(one.name.as_str(), points)
    });
    Lines {
        caption: format!(
            "Edits of {}: share of prompts whose answer is that of the ground truth, against the weight removed, by number of exchanged features",
            attribute_words(attribute)
        ),
        x: "weight of the removed features".to_owned(),
        y: "edit accuracy".to_owned(),
        series: series.collect(),
    }
}

fn table(found: &Evaluation) -> Table {
    let mut titles = vec!["Dictionary", "Sufficiency", "Necessity"];
    titles.extend(found.attributes.iter().map(String::as_str));
    let caption = "Edit accuracy by attribute: one supervised exchange, else two agnostic ones";
    let mut table = Table::new(caption, &titles);
    for one in &found.dictionaries {
        let mut cells: Vec<Cell> = vec![
            one.name.as_str().into(),
            one.sufficiency.into(),
            one.necessity.into(),
        ];
        let accuracy = |attribute: &String| Cell::from(one.edit_accuracy.get(attribute).copied());
        cells.extend(found.attributes.iter().map(accuracy));
        table = table.row(cells);
    }
    table
}
