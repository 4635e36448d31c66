//! Test 3: how well single features agree with predicates of the prompts, and what the features that do carry.

use std::collections::BTreeSet;

use egui::{Label, RichText, Slider, Ui};
use umbra_core::ids::FeatureId;
use umbra_core::tasks::test::{Evaluation, Interpreted, Tested};

use super::super::choice_ui;
use super::definition;
use crate::state::AppState;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Hue, Theme, caption, space};
use crate::widgets::heat_map::Side;
use crate::widgets::matrix_map::MatrixMap;
use crate::widgets::number;
use crate::widgets::token_strip::Tint;

/// Features that are shown at most.
const MOST: usize = 40;

/// Longest side of the map.
const SIDE: f32 = 760.0;

/// Scores that are kept.
const KEPT: &str =
    "Scores below 0.2, and those beyond the best twelve of a feature, are left blank.";

/// Words for the predicates of all families.
const EVERY: &str = "all attributes";

/// Choices of what is drawn.
#[derive(Debug)]
pub(super) struct Choice {
    /// Name of the dictionary; the first with features unless a person chose one.
    dictionary: Option<String>,
    /// Family of the predicates; all unless a person chose one.
    family: Option<String>,
    least: f64,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            dictionary: None,
            family: None,
            least: 0.5,
        }
    }
}

/// Predicate: its family and its value.
type Predicate<'a> = (&'a str, &'a str);

/// Cells of the map.
#[derive(Debug, PartialEq)]
struct Cells<'a> {
    features: Vec<&'a Interpreted>,
    predicates: Vec<Predicate<'a>>,
    /// Feature by feature.
    scores: Vec<f32>,
}

impl<'a> Cells<'a> {
    fn new(features: &[&'a Interpreted], family: Option<&str>) -> Self {
        let wanted = |of: &str| family.is_none_or(|family| family == of);
        let all = features.iter().flat_map(|one| &one.scores);
        let predicates: BTreeSet<Predicate<'a>> = all
            .filter(|(family, _, _)| wanted(family))
            .map(|(family, value, _)| (family.as_str(), value.as_str()))
            .collect();
        let predicates: Vec<Predicate<'a>> = predicates.into_iter().collect();
        let score = |one: &Interpreted, of: Predicate<'_>| {
            let found = one
                .scores
                .iter()
                .find(|(f, v, _)| (f.as_str(), v.as_str()) == of);
            found.map_or(0.0, |(_, _, score)| *score as f32)
        };
        let scores = features
            .iter()
            .flat_map(|one| predicates.iter().map(|of| score(one, *of)))
            .collect();
        Self {
            features: features.to_vec(),
            predicates,
            scores,
        }
    }
}

/// Features whose best interpretation reaches a score, best first.
fn reaching(one: &Tested, least: f64) -> Vec<&Interpreted> {
    let reaching = one
        .features
        .iter()
        .filter(|feature| feature.interpretation.f1 >= least);
    reaching.collect()
}

impl Choice {
    /// Draws choices and map. A click on a feature selects it on all screens.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        found: &Evaluation,
        commands: &mut Commands,
    ) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let own = found
            .dictionaries
            .iter()
            .filter(|one| !one.features.is_empty());
        let own: Vec<&Tested> = own.collect();
        let chosen = (own.iter()).find(|one| Some(&one.name) == self.dictionary.as_ref());
        let Some(one) = chosen.or(own.first()).copied() else {
            let words = "No dictionary with features of its own was tested.";
            ui.label(RichText::new(words).color(secondary));
            return;
        };
        self.choices_ui(ui, &own, one);
        let all = reaching(one, self.least);
        let words = format!(
            "{} of {} active on the prompts have an F1 of {} or more with some predicate. {}",
            all.len(),
            number::counted(one.features.len() as u64, "feature"),
            number::number(self.least),
            carried(one, self.least)
        );
        ui.add(Label::new(words.trim_end()).wrap())
            .on_hover_text(definition("F1"));
        let shown = &all[..all.len().min(MOST)];
        let cells = Cells::new(shown, self.family.as_deref());
        if cells.scores.is_empty() {
            return;
        }
        map_ui(ui, state, (one, &cells), commands);
        let more = if shown.len() < all.len() {
            format!(" The map shows the best {MOST} features.")
        } else {
            String::new()
        };
        ui.add(Label::new(caption(format!("{KEPT}{more}")).color(secondary)).wrap());
    }

    fn choices_ui(&mut self, ui: &mut Ui, own: &[&Tested], one: &Tested) {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            let names: Vec<String> = own.iter().map(|one| one.name.clone()).collect();
            if let Some(at) = choice_ui(ui, "Features of", &one.name, &names) {
                self.dictionary = Some(names[at].clone());
            }
            let scores = one.features.iter().flat_map(|feature| &feature.scores);
            let families: BTreeSet<&String> = scores.map(|(family, _, _)| family).collect();
            let mut names = vec![EVERY.to_owned()];
            names.extend(families.into_iter().cloned());
            let shown = self.family.as_deref().unwrap_or(EVERY);
            if let Some(at) = choice_ui(ui, "Predicates on", shown, &names) {
                self.family = (at > 0).then(|| names.swap_remove(at));
            }
            ui.horizontal(|ui| {
                let label = ui.label("F1 from");
                let slider = Slider::new(&mut self.least, 0.0..=1.0).fixed_decimals(2);
                ui.add(slider)
                    .labelled_by(label.id)
                    .on_hover_text(definition("F1"));
            });
        });
    }
}

/// Says what the features at or above the nearest measured score carry; empty where none was measured.
fn carried(one: &Tested, least: f64) -> String {
    let away = |threshold: f64| (threshold - least).abs();
    let nearest = one.carried.iter();
    let nearest = nearest.min_by(|a, b| away(a.threshold).total_cmp(&away(b.threshold)));
    nearest.map_or_else(String::new, |carried| {
        format!(
            "Those with {} or more have a sufficiency of {} and a necessity of {}.",
            number::number(carried.threshold),
            number::number(carried.sufficiency),
            number::number(carried.necessity)
        )
    })
}

fn map_ui(
    ui: &mut Ui,
    state: &AppState,
    (one, cells): (&Tested, &Cells<'_>),
    commands: &mut Commands,
) {
    let several = one.sites.len() > 1;
    let name = |feature: &&Interpreted| {
        let place = feature.site.rsplit('@').next().unwrap_or_default();
        if several {
            format!("#{} @{place}", feature.feature)
        } else {
            format!("#{}", feature.feature)
        }
    };
    let names: Vec<String> = cells.features.iter().map(name).collect();
    let said = |(family, value): &Predicate<'_>| format!("{family}: {value}");
    let predicates: Vec<String> = cells.predicates.iter().map(said).collect();
    let title = format!("F1 of features of {}", one.name);
    let is_used = state.dictionary().is_some_and(|used| used.name == one.name);
    let selected = state.selection.feature.filter(|_| is_used);
    let selected = selected.and_then(|selected| {
        let mut features = cells.features.iter();
        features.position(|feature| feature.feature == selected.0)
    });
    let map = MatrixMap {
        name: &title,
        title: "F1",
        rows: Side {
            title: "Feature",
            names: &names,
        },
        columns: Side {
            title: "predicate",
            names: &predicates,
        },
        values: &cells.scores,
        revision: cells.scores.len() as u64,
        most: 1.0,
        tint: Tint::Sequential(Hue::Activation),
        selected,
        side: SIDE,
        definition: definition("F1"),
    };
    let answer = map.ui(ui, &|row, column| {
        let score = cells.scores[row * cells.predicates.len() + column];
        format!(
            "Feature {}, {}: F1 {}",
            names[row],
            predicates[column],
            number::number(f64::from(score))
        )
    });
    let chosen = answer.chosen.and_then(|(row, _)| cells.features.get(row));
    let dictionary = state.catalogue.named(&one.name);
    if let (Some(feature), Some(dictionary)) = (chosen, dictionary) {
        commands.send(navigation::Command::FollowDictionary(dictionary.id));
        let feature = Some(FeatureId(feature.feature));
        commands.send(navigation::Command::SelectFeature(feature));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tasked;

    #[test]
    fn features_below_the_threshold_are_left_out_and_cells_without_a_score_are_0() {
        let found = tasked::evaluation();
        let one = found.dictionaries.iter().find(|one| one.name == "z0");
        let one = one.unwrap();
        assert_eq!(reaching(one, 0.0).len(), 3);
        let best = reaching(one, 0.5);
        let cells = Cells::new(&best, None);
        assert_eq!(cells.features.len(), 2);
        assert_eq!(cells.predicates, [("io", "Mary"), ("pos", "ABB")]);
        assert_eq!(cells.scores, [0.0, 0.9, 0.7, 0.3]);
        let of_io = Cells::new(&best, Some("io"));
        assert_eq!(of_io.scores, [0.0, 0.7]);
        assert!(carried(one, 0.55).contains("0.600"));
    }
}
