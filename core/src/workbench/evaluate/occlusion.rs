//! Feature occlusion: the toy, activations of a model from which one attribute is removed, and the values that loaded dictionaries find.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::labelled;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::project::{MadeWith, Project};
use crate::recovery::occlusion::{Run, Study, THRESHOLDS, ToyStudy, by_dictionary};
use crate::recovery::{Count, Labelled, Spread};
use crate::sae::Sae;
use crate::section::{Cell, Lines, Section, Series, Table};
use crate::tasks::site::Site;

/// Kind of the kept study.
pub const STUDY: &str = "occlusion";

/// Result of one of the three forms of the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Occlusion {
    /// The toy.
    Toy(ToyStudy),
    /// Dictionaries trained on activations of a model.
    Trained(OnModel),
    /// Dictionaries that were loaded.
    Loaded(Found),
}

/// Study of activations, with where they are from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnModel {
    /// Model.
    pub model: String,
    /// Sites.
    pub site: String,
    /// Result.
    pub study: Study,
}

/// Values that loaded dictionaries find.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Model.
    pub model: String,
    /// Site of each dictionary.
    pub sites: Vec<String>,
    /// Names of both attributes.
    pub attributes: [String; 2],
    /// Rows: all prompts.
    pub rows: usize,
    /// Dictionaries, and for both attributes the counts at each threshold.
    pub dictionaries: Vec<(String, [Vec<Count>; 2])>,
}

/// Counts the values of two attributes that each dictionary finds on its rows; `read` has the rows at the place of each.
pub fn found(
    model: &Model,
    saes: &[&Sae],
    (read, sites): (&[Labelled], &[Site]),
    attributes: &[String; 2],
) -> Result<Found> {
    let mut dictionaries = Vec::new();
    for ((sae, rows), site) in saes.iter().zip(read).zip(sites) {
        labelled::check_whole(std::slice::from_ref(site), sae.hook()?)?;
        let places = [
            rows.attribute(&attributes[0])?,
            rows.attribute(&attributes[1])?,
        ];
        dictionaries.push((sae.name.clone(), by_dictionary(sae, rows, places)?));
    }
    Ok(Found {
        model: model.name().to_owned(),
        sites: sites.iter().map(ToString::to_string).collect(),
        attributes: attributes.clone(),
        rows: read.first().map_or(0, |rows| rows.activations.rows()),
        dictionaries,
    })
}

impl Occlusion {
    /// Returns the result in one sentence.
    pub fn conclusion(&self) -> String {
        match self {
            Self::Toy(study) => toy_conclusion(study),
            Self::Trained(on) => trained_conclusion(&on.study),
            Self::Loaded(found) => format!(
                "Values with a feature of their own among {} dictionaries of {}: {} and {}",
                found.dictionaries.len(),
                found.model,
                found.attributes[0],
                found.attributes[1]
            ),
        }
    }

    /// Returns the result as JSON, with its conclusion and definitions.
    pub fn json(&self) -> Result<Value> {
        let mut value = serde_json::to_value(self).map_err(|cause| Error::Numeric {
            what: format!("the study of occlusion cannot be written as JSON: {cause}"),
        })?;
        if let Self::Toy(study) = self {
            value["holds"] = json!(study.holds());
        }
        value["conclusion"] = self.conclusion().into();
        value["definitions"] = DEFINITIONS
            .iter()
            .map(|(name, said)| ((*name).to_owned(), json!(said)))
            .collect();
        Ok(value)
    }

    /// Returns the result as a section of a report.
    pub fn section(&self) -> Section {
        let section = match self {
            Self::Toy(study) => toy_section(study, self.conclusion()),
            Self::Trained(on) => trained_section(on, self.conclusion()),
            Self::Loaded(found) => loaded_section(found, self.conclusion()),
        };
        section.define(DEFINITIONS)
    }

    /// Returns the name by which a project keeps the result.
    fn of(&self) -> &str {
        match self {
            Self::Toy(_) => "toy",
            Self::Trained(on) => &on.site,
            Self::Loaded(found) => &found.model,
        }
    }

    /// Stores the result with `project`; an older one of the same place is overwritten.
    pub fn keep(&self, project: &Project, made: &MadeWith) -> Result<()> {
        project.keep_study(STUDY, self.of(), made, self)
    }
}

fn toy_conclusion(study: &ToyStudy) -> String {
    let gaps: Vec<String> = study
        .thresholds
        .iter()
        .zip(&study.gaps)
        .map(|(threshold, gap)| format!("{} at F1 {threshold}", said(gap)))
        .collect();
    let verdict = match study.holds() {
        Some(true) => "Large vectors hide small ones, less so at a lower F1 score",
        Some(false) => {
            "The claim that large vectors hide small ones, less so at a lower F1 score, does not hold here"
        }
        None => {
            "One seed, or dictionaries that find fewer than half of the large values, cannot tell whether large vectors hide small ones"
        }
    };
    format!(
        "{verdict}: the share of large values found exceeds that of small values by {}",
        gaps.join(" and ")
    )
}

fn trained_conclusion(study: &Study) -> String {
    let [removed, other] = &study.spec.attributes;
    let last = study.spec.alphas.len() - 1;
    let at = |alpha: usize, of: usize| study.found(alpha, of, THRESHOLDS.len() - 1).mean;
    format!(
        "With {removed} present (α {}) dictionaries find {:.1} values of it and {:.1} of {other} at F1 {}; with α {} removed, {:.1} and {:.1}",
        study.spec.alphas[0],
        at(0, 0),
        at(0, 1),
        THRESHOLDS[THRESHOLDS.len() - 1],
        study.spec.alphas[last],
        at(last, 0),
        at(last, 1)
    )
}

/// Writes a mean with its interval.
pub fn said(spread: &Spread) -> String {
    match spread.interval {
        Some([low, high]) => format!("{:.3} ({low:.3} to {high:.3})", spread.mean),
        None => format!("{:.3}", spread.mean),
    }
}

/// Settings of the toy with the mean number of values found over seeds, in the order of the runs of one seed.
pub fn by_setting(study: &ToyStudy) -> Vec<(&Run, [Vec<Spread>; 2])> {
    let first = study.runs.first().map(|run| run.seed);
    let settings = study.runs.iter().filter(|run| Some(run.seed) == first);
    let of = |fit: &Run, of: usize, at: usize| {
        let own = study.runs.iter().filter(|run| run.fit == fit.fit);
        let found: Vec<f64> = own.map(|run| run.counts[of][at].found as f64).collect();
        Spread::new(&found)
    };
    let thresholds = 0..study.thresholds.len();
    settings
        .map(|run| {
            (
                run,
                [0, 1].map(|who| thresholds.clone().map(|at| of(run, who, at)).collect()),
            )
        })
        .collect()
}

fn toy_section(study: &ToyStudy, conclusion: String) -> Section {
    let toy = &study.toy;
    let mut gaps = Table::new(
        "Share of values with a feature of their own, mean over seeds and settings with its 95 % interval",
        &["F1", "large", "small", "gap"],
    );
    for (at, threshold) in study.thresholds.iter().enumerate() {
        let [large, small] = &study.shares[at];
        gaps = gaps.row([
            (*threshold).into(),
            said(large).into(),
            said(small).into(),
            said(&study.gaps[at]).into(),
        ]);
    }
    let mut each = Table::new(
        "Values found, mean over seeds",
        &[
            "features",
            "sparsity",
            "rate",
            "large, F1 0.9",
            "small, F1 0.9",
            "large, F1 0.5",
            "small, F1 0.5",
        ],
    );
    for (run, [large, small]) in by_setting(study) {
        let mut cells: Vec<Cell> = vec![
            run.fit.features.into(),
            run.fit.sparsity.to_string().into(),
            run.fit.learning_rate.into(),
        ];
        cells.extend(
            large
                .iter()
                .zip(&small)
                .flat_map(|(large, small)| [large.mean.into(), small.mean.into()]),
        );
        each = each.row(cells);
    }
    Section::new("Do large attributes hide small ones? Toy", conclusion)
        .setting("width", toy.width)
        .setting(
            "values",
            format!("{} large, {} small", toy.values[0], toy.values[1]),
        )
        .setting(
            "mean norms",
            format!("{} and {}", toy.norms[0], toy.norms[1]),
        )
        .setting("rows", toy.rows)
        .setting("seeds", study.fading.seeds)
        .sentence(format!(
            "The gap is smaller at the lower F1 score by {}",
            said(&study.fading)
        ))
        .figure(gaps)
        .figure(each)
}

fn trained_section(on: &OnModel, conclusion: String) -> Section {
    let study = &on.study;
    let mut lines = Lines {
        caption: "Values with a feature of their own against the share of the first attribute that is removed, mean over seeds".to_owned(),
        x: "α".to_owned(),
        y: "values found".to_owned(),
        series: Vec::new(),
    };
    for (at, threshold) in study.thresholds.iter().enumerate() {
        for (of, name) in study.spec.attributes.iter().enumerate() {
            let spreads: Vec<Spread> = (0..study.spec.alphas.len())
                .map(|alpha| study.found(alpha, of, at))
                .collect();
            let points = study
                .spec
                .alphas
                .iter()
                .copied()
                .zip(spreads.iter().map(|spread| spread.mean));
            let band = spreads.iter().filter_map(|spread| spread.interval);
            lines
                .series
                .push(Series::new(format!("{name}, F1 {threshold}"), points).with_band(band));
        }
    }
    let [removed, other] = &study.spec.attributes;
    Section::new(
        format!("Does {removed} hide {other}? {} of {}", on.site, on.model),
        conclusion,
    )
    .setting("model", &on.model)
    .setting("site", &on.site)
    .setting(
        "rows",
        format!("{} build, {} test", study.rows[0], study.rows[1]),
    )
    .setting("features", study.spec.fit.features)
    .setting("sparsity", study.spec.fit.sparsity)
    .setting("seeds", study.spec.seeds)
    .sentence(format!(
        "Mean norms of the difference vectors: {removed} {:.3}, {other} {:.3}",
        study.norms[0], study.norms[1]
    ))
    .figure(lines)
}

fn loaded_section(found: &Found, conclusion: String) -> Section {
    let mut table = Table::new(
        "Values with a feature of their own",
        &[
            "dictionary",
            "attribute",
            "F1",
            "found",
            "by chance",
            "values",
        ],
    );
    for (name, both) in &found.dictionaries {
        for (attribute, counts) in found.attributes.iter().zip(both) {
            for count in counts {
                table = table.row([
                    name.as_str().into(),
                    attribute.as_str().into(),
                    count.threshold.into(),
                    count.found.into(),
                    count.chance.into(),
                    count.values.into(),
                ]);
            }
        }
    }
    Section::new(
        format!("Which values have features of their own? {}", found.model),
        conclusion,
    )
    .setting("model", &found.model)
    .setting("sites", found.sites.join(", "))
    .setting("prompts", found.rows)
    .figure(table)
}

/// Definitions of the figures.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "found",
        "number of values of an attribute whose best feature reaches the F1 score, on the rows that test (all prompts for a loaded dictionary)",
    ),
    (
        "F1",
        "of a feature and a value: 2·both / (active + having), from the rows where the feature has a positive activation, those that have the value, and those with both; the best feature of each value counts, and one feature may be the best of several",
    ),
    (
        "chance",
        "number of values found where the values are shuffled over the rows",
    ),
    (
        "share",
        "values found over values that occur among the rows that test",
    ),
    (
        "gap",
        "share of large values found less that of small ones; of a seed the mean over settings, then the mean over seeds with its 95 % interval by Student's t",
    ),
    (
        "toy",
        "each row is u_i + v_j, i and j drawn evenly and independently; u and v are Gaussian vectors, brought to two mean norms by one factor each; the first half of the rows builds, the second tests",
    ),
    (
        "holds",
        "the gap at F1 0.9 is above 0, and above the gap at F1 0.5, both by whole intervals; not judged with one seed, or where fewer than half of the large values are found at F1 0.5",
    ),
    (
        "α",
        "share of the first attribute that is removed: each row less α times the mean of its value's rows less the mean of all, both over the rows that build",
    ),
    (
        "L1",
        "factor of the sum of activations, decoder rows of length 1, in a loss where activations have mean squared distance 1 from their mean; it rises over the first tenth of the steps. No dead feature is started anew",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Flow;
    use crate::recovery::fit::{Fit, Sparsity};
    use crate::recovery::occlusion::{Spec, Toy, study, toy};

    fn settings() -> (Toy, Fit) {
        let settings = Toy {
            width: 8,
            values: [3, 4],
            norms: [1.0, 0.5],
            rows: 120,
        };
        let fit = Fit {
            features: 16,
            sparsity: Sparsity::TopK(2),
            epochs: 4,
            batch: 20,
            ..Fit::default()
        };
        (settings, fit)
    }

    #[track_caller]
    fn survives(result: &Occlusion, figures: usize) {
        let json = result.json().unwrap();
        assert_eq!(json["conclusion"], result.conclusion());
        assert!(json["definitions"]["gap"].is_string(), "{json}");
        let text = serde_json::to_string(result).unwrap();
        let back: Occlusion = serde_json::from_str(&text).unwrap();
        let said = |result: &Occlusion| (result.section().sentences, result.section().settings);
        assert_eq!(said(&back), said(result));
        let section = result.section();
        assert_eq!(section.figures.len(), figures);
        assert_eq!(section.sentences[0], result.conclusion());
    }

    #[test]
    fn every_form_survives_json_and_becomes_a_section() {
        let (settings, fit) = settings();
        let mut go_on = |_| Flow::Continue(());
        let fits = [fit, Fit { features: 8, ..fit }];
        let on_toy = toy(&settings, &fits, 0..3, &mut go_on)
            .unwrap()
            .done()
            .unwrap();
        let by = by_setting(&on_toy);
        assert_eq!(by.len(), 2, "one line a setting");
        for (run, [large, _]) in &by {
            let own = on_toy.runs.iter().filter(|other| other.fit == run.fit);
            let found: usize = own.map(|run| run.counts[0][1].found).sum();
            assert!((large[1].mean - found as f64 / 3.0).abs() < 1e-12);
        }
        survives(&Occlusion::Toy(on_toy), 2);
        let labelled = settings.data(0).unwrap().labelled;
        let spec = Spec {
            attributes: ["small", "large"].map(str::to_owned),
            alphas: vec![0.0, 0.5, 1.0],
            fit,
            seeds: 2,
        };
        let study = study(&labelled, &spec, &mut go_on).unwrap().done().unwrap();
        let found: usize = study.runs[2..4]
            .iter()
            .map(|run| run.counts[1][0].found)
            .sum();
        assert!(
            (study.found(1, 1, 0).mean - found as f64 / 2.0).abs() < 1e-12,
            "α 0.5"
        );
        assert!(study.runs[2..4].iter().all(|run| run.alpha == 0.5));
        let on = OnModel {
            model: "demo".to_owned(),
            site: "blocks.0.hook_resid_post@end".to_owned(),
            study,
        };
        survives(&Occlusion::Trained(on), 1);
    }
}
