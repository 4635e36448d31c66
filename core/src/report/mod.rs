//! Writes chosen features of an index and sections of results for people who have no Umbra: one HTML page, Markdown, JSON, CSV, figures as SVG, or a gallery, a
//! static site of a dictionary. Shows only what the index and the results hold; nothing is computed anew.

mod choice;
mod definitions;
mod feature;
mod figures;
mod form;
mod gallery;
mod json;
mod markdown;
mod page;
mod pieces;
mod plots;
mod sections;
mod svg;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::error::Result;
use crate::features::correlations::{Correlations, OfFeature};
use crate::features::facts::{Fact, Facts};
use crate::features::families::{Families, Measured};
use crate::features::scores::{Score, Scores};
use crate::features::{About, Detail, Index, Name, Peak};
use crate::ids::FeatureId;
use crate::progress::Progress;
use crate::section::Section;

use self::form::{Broken, Observe, Put};

pub use self::choice::Choice;
pub use self::definitions::DEFINITIONS;
pub use self::form::Form;
pub use self::gallery::{Gallery, gallery};
pub use self::svg::figures;

/// Features read between two calls of an observer.
const AT_ONCE: usize = 16;

/// Features of an index in the order of a report. They are read one at a time while they are written, so that a report of a whole dictionary needs little memory.
#[derive(Debug)]
pub struct Report<'i> {
    /// Model, dictionary, corpus, seeds, versions.
    pub about: About,
    /// Version of the program that writes the report.
    pub version: String,
    /// Text that the facts were measured on; none where the index has no facts.
    pub facts_text: Option<String>,
    held: Held<'i>,
}

/// Place where the features are.
#[derive(Debug)]
enum Held<'i> {
    /// In an index.
    Index(Box<Chosen<'i>>),
    /// In memory.
    #[cfg(test)]
    Memory(Vec<Reported>),
}

/// Chosen features of an index, and what it knows of them beside their details.
#[derive(Debug)]
struct Chosen<'i> {
    index: &'i Index,
    features: Vec<FeatureId>,
    labels: BTreeMap<FeatureId, String>,
    facts: Option<Facts>,
    families: Option<Families>,
    scores: Option<Scores>,
    correlations: Option<Correlations>,
}

/// Feature of a report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reported {
    /// Label that a person gave it, or empty.
    pub label: String,
    /// Entry in the index.
    pub detail: Detail,
    /// Facts about it, best first; empty where the index has none.
    pub facts: Vec<Fact>,
    /// Its family; none where the index has none.
    pub family: Option<Measured>,
    /// Its steering score; none where the index has none.
    pub steering: Option<Score>,
    /// Its correlations with other features and with neurons; none where the index has none.
    pub correlated: Option<OfFeature>,
}

impl Reported {
    /// Returns its label, or else the fact that names it, or else the token at which it peaks, in context.
    pub fn name(&self) -> String {
        let peak = self.detail.top.first().map(Peak::from_example);
        name(&self.label, &self.facts, peak.as_ref())
    }
}

/// Returns the label, or else the fact that names a feature, or else its peak.
fn name(label: &str, facts: &[Fact], peak: Option<&Peak>) -> String {
    let fact = facts.iter().find(|fact| fact.is_name()).map(Fact::said);
    let name = Name::new(Some(label), peak);
    name.with_fact(fact.as_deref()).to_string()
}

impl<'i> Report<'i> {
    /// Begins a report of the features of `choice` in `index`, with their `labels`. An error where none is chosen or one does not exist.
    pub fn new(index: &'i Index, choice: &Choice, labels: &[(FeatureId, String)]) -> Result<Self> {
        let facts = index.facts()?;
        let chosen = Chosen {
            index,
            features: choice.features(index)?,
            labels: labels.iter().cloned().collect(),
            families: index.families()?,
            scores: index.scores()?,
            correlations: index.correlations()?,
            facts,
        };
        Ok(Self {
            about: index.about().clone(),
            version: crate::VERSION.to_owned(),
            facts_text: chosen.facts.as_ref().map(|facts| facts.text.clone()),
            held: Held::Index(Box::new(chosen)),
        })
    }

    /// Returns its features, in order.
    pub fn features(&self) -> Vec<FeatureId> {
        match &self.held {
            Held::Index(chosen) => chosen.features.clone(),
            #[cfg(test)]
            Held::Memory(features) => features.iter().map(|f| f.detail.summary.feature).collect(),
        }
    }

    /// Returns the names of its features, in order.
    pub fn names(&self) -> Result<Vec<String>> {
        match &self.held {
            Held::Index(chosen) => chosen.names(),
            #[cfg(test)]
            Held::Memory(features) => Ok(features.iter().map(Reported::name).collect()),
        }
    }

    /// Calls `visit` with each feature, in order; `observe` hears the features done.
    fn put_each(&self, visit: &mut dyn FnMut(&Reported) -> Put, observe: Observe<'_>) -> Put {
        let features = self.features();
        for (at, feature) in features.iter().enumerate() {
            let progress = Progress::new(at, features.len(), "features");
            if at.is_multiple_of(AT_ONCE) && observe(progress).is_break() {
                return Err(Broken::Stopped);
            }
            match &self.held {
                Held::Index(chosen) => visit(&chosen.read(*feature)?)?,
                #[cfg(test)]
                Held::Memory(all) => visit(&all[at])?,
            }
        }
        Ok(())
    }
}

impl Chosen<'_> {
    fn label(&self, feature: FeatureId) -> &str {
        self.labels.get(&feature).map_or("", String::as_str)
    }

    fn facts(&self, feature: FeatureId) -> &[Fact] {
        let facts = self.facts.as_ref();
        facts.map_or(&[], |facts| facts.of(feature))
    }

    fn names(&self) -> Result<Vec<String>> {
        let previews = self.index.previews(&self.features)?;
        let named = self.features.iter().zip(previews);
        let named = named.map(|(feature, preview)| {
            let facts = self.facts(*feature);
            name(self.label(*feature), facts, preview.peak.as_ref())
        });
        Ok(named.collect())
    }

    fn read(&self, feature: FeatureId) -> Result<Reported> {
        let families = self.families.as_ref();
        let scores = self.scores.as_ref();
        let correlations = self.correlations.as_ref();
        Ok(Reported {
            label: self.label(feature).to_owned(),
            detail: self.index.detail(feature)?,
            facts: self.facts(feature).to_vec(),
            family: families.and_then(|all| all.features.get(feature.index()).cloned()),
            steering: scores.and_then(|all| all.of(feature).copied()),
            correlated: correlations.and_then(|all| all.of(feature).cloned()),
        })
    }
}

/// Contents of a report: features of an index, sections of results, or both.
#[derive(Debug, Default)]
pub struct Contents<'i> {
    /// Features of an index.
    pub features: Option<Report<'i>>,
    /// Results, in order, before the features.
    pub results: Vec<Section>,
}

impl Contents<'_> {
    /// Returns the title: what the report is of.
    fn title(&self) -> String {
        match (&self.features, self.results.as_slice()) {
            (Some(report), _) => format!("Features of {}", report.about.sae),
            (None, [one]) => one.title.clone(),
            (None, _) => "Results".to_owned(),
        }
    }
}
