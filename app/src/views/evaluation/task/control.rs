//! Test 2: how often exchanged features change the answer as the ground truth does, against the weight that they remove.

use egui::{Label, Slider, Ui};

use super::super::definitions::definition;
use crate::state::AppState;
use crate::state::evaluation::found::{Found, Role};
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, caption, space};
use crate::widgets::named_plot::{Axis, NamedLine, NamedPlot, NamedPoint, PointKind, Shape};
use crate::widgets::number;

/// Height of the plot.
const HEIGHT: f32 = 300.0;

/// Exponents of the numbers of exchanged features: from 1 to 64.
const EXPONENTS: std::ops::RangeInclusive<u32> = 0..=6;

/// What is drawn.
#[derive(Debug)]
pub(super) struct Choice {
    attribute: usize,
    /// Number of exchanged features, as a power of two.
    exponent: u32,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            attribute: 0,
            exponent: 1,
        }
    }
}

impl Choice {
    /// Draws choices and plot. A click on a point uses the dictionary.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        found: &Found,
        commands: &mut Commands,
    ) {
        self.choices_ui(ui, found);
        let secondary = Theme::from_ui(ui).ink.secondary;
        let (attribute, k) = (self.attribute, 1_usize << self.exponent);
        let untouched = found.untouched.get(attribute).copied();
        if let Some(untouched) = untouched {
            let words = format!(
                "Without any edit, {} of the answers are already those of the ground truth (dashed).",
                number::percent(untouched)
            );
            ui.add(Label::new(caption(words).color(secondary)).wrap())
                .on_hover_text(definition("untouched"));
        }
        let points = points(state, found, (attribute, k));
        let unplaced = found.dictionaries.len() - points.len();
        let lines = lines(ui, found, (attribute, k), untouched);
        let kinds = Role::ALL.map(|role| kind(ui, role));
        let ends = Some([0.0, 1.0]);
        let axis = |title| Axis {
            title,
            log: false,
            ends,
        };
        let meaning = format!(
            "{}. {}",
            definition("edit_accuracy"),
            definition("magnitude")
        );
        let plot = NamedPlot {
            name: "Edit accuracy by weight removed",
            axes: [
                axis("Weight of the removed features (smaller is better)"),
                axis("Edit accuracy (larger is better)"),
            ],
            kinds: &kinds,
            points: &points,
            lines: &lines,
            height: HEIGHT,
            definition: &meaning,
        };
        let clicked = plot.show(ui).and_then(|at| points.get(at));
        if let Some(one) = clicked.and_then(|point| state.catalogue.named(&point.name)) {
            commands.send(navigation::Command::SelectDictionary(one.id));
        }
        if unplaced > 0 {
            let words = format!(
                "{} without a weight or with none of these edits.",
                number::counted(unplaced as u64, "dictionary")
            );
            ui.add(Label::new(caption(words).color(secondary)).wrap());
        }
    }

    fn choices_ui(&mut self, ui: &mut Ui, found: &Found) {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            ui.label("Attribute").on_hover_text(definition("attribute"));
            for (at, name) in found.attributes.iter().enumerate() {
                ui.selectable_value(&mut self.attribute, at, attribute(name))
                    .on_hover_text(definition(name));
            }
            ui.horizontal(|ui| {
                let label = ui.label("Features exchanged");
                let slider = Slider::new(&mut self.exponent, EXPONENTS).show_value(false);
                ui.add(slider)
                    .labelled_by(label.id)
                    .on_hover_text(definition("k"));
                ui.label(format!("up to {}", 1_usize << self.exponent));
            });
        });
    }
}

/// Name of an attribute in the words of the window.
pub(super) fn attribute(name: &str) -> String {
    match name {
        "io" => "answer (io)".to_owned(),
        "s" => "repeated name (s)".to_owned(),
        "pos" => "order (pos)".to_owned(),
        other => other.to_owned(),
    }
}

/// A point for each dictionary that has such an edit with a known weight.
fn points(state: &AppState, found: &Found, (attribute, k): (usize, usize)) -> Vec<NamedPoint> {
    let used = state.dictionary().map(|one| one.name.as_str());
    let placed = found.dictionaries.iter().filter_map(|one| {
        let edit = one.edit(attribute, k)?;
        Some(NamedPoint {
            name: one.name.clone(),
            at: [edit.magnitude?, edit.accuracy],
            kind: one.role as usize,
            chosen: used == Some(one.name.as_str()),
        })
    });
    placed.collect()
}

/// The way of each dictionary from one exchanged feature to `k`, and the level without any edit.
fn lines(
    ui: &Ui,
    found: &Found,
    (attribute, k): (usize, usize),
    untouched: Option<f64>,
) -> Vec<NamedLine> {
    let theme = Theme::from_ui(ui);
    let mut lines: Vec<NamedLine> = found
        .dictionaries
        .iter()
        .filter_map(|one| {
            let edits = one.edits.get(attribute)?.iter().filter(|edit| edit.k <= k);
            let points: Vec<[f64; 2]> = edits
                .filter_map(|edit| Some([edit.magnitude?, edit.accuracy]))
                .collect();
            (points.len() > 1).then(|| NamedLine {
                name: one.name.clone(),
                points,
                colour: theme.line.strong,
                dashed: false,
            })
        })
        .collect();
    lines.extend(untouched.map(|level| NamedLine {
        name: "without any edit".to_owned(),
        points: vec![[0.0, level], [1.0, level]],
        colour: theme.ink.secondary,
        dashed: true,
    }));
    lines
}

fn kind(ui: &Ui, role: Role) -> PointKind<'static> {
    let theme = Theme::from_ui(ui);
    let (colour, shape) = match role {
        Role::Supervised => (theme.series(2), Shape::Square),
        Role::Own => (theme.series(0), Shape::Circle),
        Role::Baseline => (theme.series(1), Shape::Diamond),
    };
    PointKind {
        name: role.title(),
        colour,
        shape,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::evaluation::found::Edit;
    use crate::testing::tasked;

    #[test]
    fn the_slider_takes_the_edit_with_the_most_features_up_to_it() {
        let found = tasked::found();
        let of = |name: &str| found.dictionaries.iter().find(|one| one.name == name);
        let own = of("z0").unwrap();
        let k = |k| own.edit(0, k).map(|edit: &Edit| edit.k);
        assert_eq!([k(1), k(3), k(64)], [Some(1), Some(2), Some(64)]);
        assert_eq!(own.edit(9, 1), None, "there is no such attribute");
        let supervised = of("supervised-mean").unwrap();
        assert_eq!(supervised.edit(0, 64).map(|edit| edit.k), Some(1));
    }
}
