//! Test 3: how well single features agree with predicates of the prompts.

use egui::{ComboBox, Label, RichText, Slider, Ui};

use super::super::definitions::definition;
use crate::state::AppState;
use crate::state::evaluation::found::{Found, Meanings, Tested};
use crate::state::requests::{Commands, navigation};
use crate::theme::{Hue, Theme, caption, space};
use crate::widgets::heat_map::Side;
use crate::widgets::matrix_map::MatrixMap;
use crate::widgets::number;
use crate::widgets::token_strip::Tint;

/// Features that are shown at most.
const MOST: usize = 60;

/// Longest side of the map.
const SIDE: f32 = 760.0;

/// What is drawn.
#[derive(Debug)]
pub(super) struct Choice {
    /// Name of the dictionary; the first with features unless a person chose one.
    dictionary: Option<String>,
    least: f64,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            dictionary: None,
            least: 0.5,
        }
    }
}

/// Rows of the map: features whose best score is large enough, best first.
fn rows(meanings: &Meanings, least: f64) -> Vec<usize> {
    let best = |row: usize| meanings.of(row).iter().copied().fold(0.0, f32::max);
    let mut rows: Vec<usize> = (0..meanings.features.len())
        .filter(|row| f64::from(best(*row)) >= least)
        .collect();
    rows.sort_by(|a, b| best(*b).total_cmp(&best(*a)));
    rows
}

impl Choice {
    /// Draws choices and map. A click on a feature opens it in the inspector.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        found: &Found,
        commands: &mut Commands,
    ) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let with = |one: &&Tested| one.meanings.is_some();
        let own = found.dictionaries.iter().filter(with);
        let own: Vec<&Tested> = own.collect();
        let chosen = (own.iter()).find(|one| Some(&one.name) == self.dictionary.as_ref());
        let Some(one) = chosen.or(own.first()).copied() else {
            let words = "No tested dictionary has features of its own.";
            ui.label(RichText::new(words).color(secondary));
            return;
        };
        let Some(meanings) = &one.meanings else {
            return;
        };
        self.choices_ui(ui, &own, one);
        let all = rows(meanings, self.least);
        let words = format!(
            "{} of {} active on the prompts reach an F1 of {} with some predicate.",
            all.len(),
            number::counted(meanings.features.len() as u64, "feature"),
            number::number(self.least)
        );
        ui.add(Label::new(words).wrap())
            .on_hover_text(definition("f1"));
        if all.is_empty() {
            return;
        }
        let shown = &all[..all.len().min(MOST)];
        if shown.len() < all.len() {
            let words = format!("The map shows the best {MOST}.");
            ui.add(Label::new(caption(words).color(secondary)).wrap());
        }
        map_ui(ui, state, (one, meanings, shown), commands);
    }

    fn choices_ui(&mut self, ui: &mut Ui, own: &[&Tested], one: &Tested) {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            ui.horizontal(|ui| {
                let label = ui.label("Features of");
                let combo = ComboBox::from_id_salt("dictionary of the meanings")
                    .selected_text(one.name.as_str())
                    .show_ui(ui, |ui| {
                        for other in own {
                            let is_shown = other.name == one.name;
                            if ui.selectable_label(is_shown, &other.name).clicked() {
                                self.dictionary = Some(other.name.clone());
                            }
                        }
                    });
                combo.response.labelled_by(label.id);
            });
            ui.horizontal(|ui| {
                let label = ui.label("F1 from");
                let slider = Slider::new(&mut self.least, 0.0..=1.0).fixed_decimals(2);
                ui.add(slider)
                    .labelled_by(label.id)
                    .on_hover_text(definition("f1"));
            });
        });
    }
}

fn map_ui(
    ui: &mut Ui,
    state: &AppState,
    (one, meanings, rows): (&Tested, &Meanings, &[usize]),
    commands: &mut Commands,
) {
    let names: Vec<String> = rows
        .iter()
        .map(|row| format!("#{}", meanings.features[*row]))
        .collect();
    let values: Vec<f32> = rows
        .iter()
        .flat_map(|row| meanings.of(*row).iter().copied())
        .collect();
    let name = format!("F1 of features of {}", one.name);
    let selected = rows
        .iter()
        .position(|row| state.selection.feature == Some(meanings.features[*row]));
    let is_used = state.dictionary().is_some_and(|used| used.name == one.name);
    let map = MatrixMap {
        name: &name,
        title: "F1",
        rows: Side {
            title: "Feature",
            names: &names,
        },
        columns: Side {
            title: "predicate",
            names: &meanings.predicates,
        },
        values: &values,
        revision: rows.len() as u64,
        most: 1.0,
        tint: Tint::Sequential(Hue::Activation),
        selected: selected.filter(|_| is_used),
        side: SIDE,
        definition: definition("f1"),
    };
    let answer = map.ui(ui, &|row, column| {
        let score = meanings.of(rows[row])[column];
        format!(
            "Feature {}, {}: F1 {}",
            names[row],
            meanings.predicates[column],
            number::number(f64::from(score))
        )
    });
    let chosen = answer.chosen.and_then(|(row, _)| rows.get(row));
    let dictionary = state.catalogue.named(&one.name);
    if let (Some(row), Some(dictionary)) = (chosen, dictionary) {
        commands.send(navigation::Command::FollowDictionary(dictionary.id));
        let feature = Some(meanings.features[*row]);
        commands.send(navigation::Command::SelectFeature(feature));
    }
}

#[cfg(test)]
mod tests {
    use umbra_core::ids::FeatureId;

    use super::*;

    #[test]
    fn features_below_the_threshold_are_left_out_and_the_best_come_first() {
        let meanings = Meanings {
            features: [7, 8, 9].map(FeatureId).to_vec(),
            predicates: vec!["io is Mary".to_owned(), "pos is ABB".to_owned()],
            scores: vec![0.2, 0.1, 0.6, 0.0, 0.0, 0.9],
        };
        assert_eq!(rows(&meanings, 0.5), [2, 1]);
        assert_eq!(rows(&meanings, 0.0).len(), 3);
        assert!(rows(&meanings, 0.95).is_empty());
    }
}
