//! Over-splitting: the toy, and the features of loaded or trained dictionaries that it takes to cover each value of an attribute.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::occlusion::said;
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow, Progress};
use crate::project::{MadeWith, Project};
use crate::recovery::fit::Fit;
use crate::recovery::splitting::{Cover, CoverSpec, Covers, ToyStudy, cover};
use crate::recovery::{Labelled, Spread};
use crate::section::{Bars, Cell, Lines, Section, Series, Table};

/// Kind of the kept study.
pub const STUDY: &str = "oversplit";

/// Result of one of both forms of the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Oversplit {
    /// The toy.
    Toy(ToyStudy),
    /// Covers of an attribute by dictionaries.
    Covers(OnModel),
}

/// Covers by the features of dictionaries, with where their activations are from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnModel {
    /// Model.
    pub model: String,
    /// Site of each dictionary.
    pub sites: Vec<String>,
    /// Settings of the covers.
    pub spec: CoverSpec,
    /// Settings of the dictionaries, where they were trained: one for each seed.
    pub fit: Option<Fit>,
    /// Rows that built and rows that tested.
    pub rows: [usize; 2],
    /// Covers, by dictionary.
    pub covers: Vec<Covers>,
}

impl OnModel {
    /// Returns the number of features that cover all values: its mean over the dictionaries that cover them, and how many do.
    pub fn needed(&self) -> Spread {
        let needed = self.covers.iter().filter_map(Covers::needed);
        Spread::new(&needed.map(|count| count as f64).collect::<Vec<f64>>())
    }
}

/// Trains a dictionary for each of `seeds` seeds on the rows that build, and covers the attribute with its features.
pub fn trained(
    labelled: &Labelled,
    (fit, seeds): (&Fit, u64),
    spec: &CoverSpec,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Covers>>> {
    if seeds == 0 {
        return Err(Error::setting(
            "seeds",
            "no dictionary would be trained: give 1 or more",
        ));
    }
    labelled.attribute(&spec.attribute)?;
    let [build, _] = labelled.halves();
    let mut all = Vec::new();
    for seed in 0..seeds {
        let before = seed as usize * fit.epochs;
        let total = seeds as usize * fit.epochs;
        let mut on = |pass: usize| observe(Progress::new(before + pass, total, "passes"));
        let Ended::Done(mut sae) = fit.train(&build.activations, seed, &mut on)? else {
            return Ok(Ended::STOPPED);
        };
        sae.name = format!("seed {seed}");
        all.push(cover(&sae, labelled, spec)?);
    }
    Ok(Ended::Done(all))
}

impl Oversplit {
    /// Returns the result in one sentence.
    pub fn conclusion(&self) -> String {
        match self {
            Self::Toy(study) => match study.holds() {
                Some(true) => format!("A random dictionary of {} features has a lower loss than the ideal one of 2 at λ 1, 2 and 3", study.toy.features),
                Some(false) => format!("A random dictionary of {} features does not have a lower loss than the ideal one of 2 at λ 1, 2 and 3", study.toy.features),
                None => "λ 1, 2 and 3 were not all measured with two seeds or more, so the claim is not judged".to_owned(),
            },
            Self::Covers(on) => {
                let needed = on.needed();
                let share = 100.0 * on.spec.share;
                let values = on.covers.first().map_or(0, |covers| covers.values.len());
                if needed.seeds == 0 {
                    return format!("No dictionary covers {share:.0} % of the prompts of every value of {} with features of precision {}", on.spec.attribute, on.spec.precision);
                }
                format!(
                    "It takes {} features to cover {share:.0} % of the prompts of each of the {values} values of {} ({} of {} dictionaries do)",
                    said(&needed),
                    on.spec.attribute,
                    needed.seeds,
                    on.covers.len()
                )
            }
        }
    }

    /// Returns the result as JSON, with its conclusion and definitions.
    pub fn json(&self) -> Result<Value> {
        let mut value = serde_json::to_value(self).map_err(|cause| Error::Numeric {
            what: format!("the study of over-splitting cannot be written as JSON: {cause}"),
        })?;
        match self {
            Self::Toy(study) => value["holds"] = json!(study.holds()),
            Self::Covers(on) => {
                let needed = on.covers.iter().map(Covers::needed);
                value["needed"] = json!(needed.collect::<Vec<_>>());
            }
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
            Self::Covers(on) => covers_section(on, self.conclusion()),
        };
        section.define(DEFINITIONS)
    }

    /// Stores the result with `project`; an older one of the same model is overwritten.
    pub fn keep(&self, project: &Project, made: &MadeWith) -> Result<()> {
        let of = match self {
            Self::Toy(_) => "toy",
            Self::Covers(on) => &on.model,
        };
        project.keep_study(STUDY, of, made, self)
    }
}

fn toy_section(study: &ToyStudy, conclusion: String) -> Section {
    let toy = &study.toy;
    let line = |name: &str, of: &dyn Fn(&crate::recovery::splitting::toy::AtLambda) -> Spread| {
        let spreads: Vec<(f64, Spread)> = study.at.iter().map(|at| (at.lambda, of(at))).collect();
        let points = spreads
            .iter()
            .map(|(lambda, spread)| (*lambda, spread.mean));
        let band = spreads.iter().filter_map(|(_, spread)| spread.interval);
        Series::new(name, points.collect::<Vec<_>>()).with_band(band)
    };
    let lines = Lines {
        caption: "Loss by λ, mean over seeds".to_owned(),
        x: "λ".to_owned(),
        y: "loss".to_owned(),
        series: vec![
            line("2 features, best bias", &|at| at.ideal),
            line("2 features, no bias", &|at| at.plain),
            line(
                &format!("{} random features, best β", toy.features),
                &|at| at.random,
            ),
            line("no active feature", &|at| at.nothing),
        ],
    };
    let mut table = Table::new(
        "Loss by λ",
        &[
            "λ",
            "2 features",
            "random",
            "2 less random",
            "active at random",
        ],
    );
    for at in &study.at {
        table = table.row([
            at.lambda.into(),
            at.ideal.mean.into(),
            at.random.mean.into(),
            said(&at.advantage).into(),
            at.l0.mean.into(),
        ]);
    }
    let seeds = study.at.first().map_or(0, |at| at.advantage.seeds);
    Section::new("Is splitting rewarded by the loss? Toy", conclusion)
        .setting("width", toy.width)
        .setting("‖μ‖", toy.norm)
        .setting("rows", toy.rows)
        .setting("features", toy.features)
        .setting("bias", toy.bias)
        .setting("largest β", toy.beta)
        .setting("seeds", seeds)
        .figure(lines)
        .figure(table)
}

fn covers_section(on: &OnModel, conclusion: String) -> Section {
    let mut table = Table::new(
        "Features that cover each value",
        &[
            "dictionary",
            "value",
            "features",
            "covered",
            "held out",
            "overlap",
            "candidates",
            "by chance",
        ],
    );
    let mut bars = Vec::new();
    for covers in &on.covers {
        for cover in &covers.values {
            table = table.row(cells(&covers.dictionary, cover));
            if cover.is_reached {
                bars.push((
                    format!("{}, {}", covers.dictionary, cover.value),
                    cover.features.len() as f64,
                ));
            }
        }
    }
    let caption = "Number of features that cover the wanted share of a value's prompts; values without a bar are not covered";
    let mut section = Section::new(
        format!(
            "Over how many features is {} split? {}",
            on.spec.attribute, on.model
        ),
        conclusion,
    )
    .setting("model", &on.model)
    .setting("sites", on.sites.join(", "))
    .setting("rows", format!("{} build, {} test", on.rows[0], on.rows[1]))
    .setting("precision", on.spec.precision)
    .setting("least support", on.spec.support)
    .setting("share", on.spec.share);
    if let Some(fit) = &on.fit {
        section = section
            .setting("features", fit.features)
            .setting("sparsity", fit.sparsity)
            .setting("epochs", fit.epochs);
    }
    section.figure(Bars::new(caption, bars)).figure(table)
}

fn cells(dictionary: &str, cover: &Cover) -> Vec<Cell> {
    vec![
        dictionary.into(),
        cover.value.as_str().into(),
        cover.features.len().into(),
        cover.covered.into(),
        cover.held_out.into(),
        cover.overlap.into(),
        cover.candidates.into(),
        cover.chance.into(),
    ]
}

/// Definitions of the figures.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "loss",
        "mean over rows of ‖x − x̂‖² + λ · mean over rows of the sum of activations, decoder rows of length 1",
    ),
    (
        "ideal",
        "two features with encoder and decoder rows ±μ/‖μ‖ and one bias of 0 or less; `ideal` has the best bias for each λ, `plain` has none",
    ),
    (
        "random",
        "encoder rows β·y for rows y of the mixture, one bias, decoder rows y/‖y‖; one β for all features, the best of 21 for each λ",
    ),
    (
        "nothing",
        "loss of a dictionary without an active feature, the mean of ‖x‖²",
    ),
    (
        "advantage",
        "loss of the ideal dictionary less that of the random one on the same rows; bias and β are chosen on other rows; mean over seeds with its 95 % interval by Student's t",
    ),
    (
        "holds",
        "the advantage is above 0 at λ 1, 2 and 3, by whole intervals",
    ),
    (
        "candidates",
        "features that are active (with a positive activation) on enough rows that build, of which at least the wanted share has the value",
    ),
    (
        "by chance",
        "candidates where the values are shuffled over the rows",
    ),
    (
        "features",
        "candidates of a greedy cover: each time the one that is active on most rows of the value that are not covered yet, until the wanted share is; the least possible number may be a little smaller",
    ),
    (
        "covered",
        "share of the value's rows that build on which a chosen feature is active",
    ),
    (
        "held out",
        "share of the value's rows that test on which a chosen feature is active",
    ),
    (
        "overlap",
        "share of the covered rows on which more than one chosen feature is active; 0 where supports are disjoint",
    ),
    (
        "needed",
        "features that cover all values together, none where one is not covered to the wanted share",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::fit::Sparsity;
    use crate::recovery::occlusion;
    use crate::recovery::splitting::toy::{Toy, study};

    #[track_caller]
    fn survives(result: &Oversplit) {
        let json = result.json().unwrap();
        assert_eq!(json["conclusion"], result.conclusion());
        let text = serde_json::to_string(result).unwrap();
        let back: Oversplit = serde_json::from_str(&text).unwrap();
        let said = |result: &Oversplit| (result.section().sentences, result.section().settings);
        assert_eq!(said(&back), said(result));
        assert_eq!(result.section().figures.len(), 2);
    }

    #[test]
    fn both_forms_survive_json_and_become_sections() {
        let mut go_on = |_| Flow::Continue(());
        let settings = Toy {
            width: 20,
            rows: 60,
            features: 30,
            lambdas: vec![0.0, 1.0],
            ..Toy::default()
        };
        let on_toy = study(&settings, 0..2, &mut go_on).unwrap().done().unwrap();
        assert_eq!(on_toy.holds(), None, "λ 2 and 3 are missing");
        survives(&Oversplit::Toy(on_toy));
        let two = occlusion::Toy {
            width: 8,
            values: [2, 2],
            norms: [1.0, 0.1],
            rows: 200,
        };
        let labelled = two.data(0).unwrap().labelled;
        let fit = Fit {
            features: 8,
            sparsity: Sparsity::TopK(1),
            epochs: 20,
            batch: 25,
            ..Fit::default()
        };
        let spec = CoverSpec::new("large");
        let ended = trained(&labelled, (&fit, 2), &spec, &mut go_on).unwrap();
        let covers = ended.done().unwrap();
        let names: Vec<&str> = covers.iter().map(|one| one.dictionary.as_str()).collect();
        assert_eq!(names, ["seed 0", "seed 1"]);
        let on = OnModel {
            model: "demo".to_owned(),
            sites: vec!["blocks.0.hook_resid_post@end".to_owned()],
            spec,
            fit: Some(fit),
            rows: [100, 100],
            covers,
        };
        survives(&Oversplit::Covers(on));
        let stopped = trained(&labelled, (&fit, 2), &CoverSpec::new("large"), &mut |_| {
            Flow::Break(())
        });
        assert!(stopped.unwrap().is_stopped());
        assert!(trained(&labelled, (&fit, 2), &CoverSpec::new("io"), &mut go_on).is_err());
    }
}
