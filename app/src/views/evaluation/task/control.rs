//! Test 2: how often exchanged features change the answer as the ground truth does, against the weight that they remove.

use egui::{Label, Slider, Ui};
use umbra_core::tasks::test::{EditPoint, Evaluation, How, Tested};
use umbra_core::workbench::answer_key;

use super::{Role, definition};
use crate::state::AppState;
use crate::state::evaluation::task;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, caption, space};
use crate::widgets::named_plot::{Axis, NamedLine, NamedPlot, NamedPoint, PointKind, Shape};
use crate::widgets::number;

/// Height of the plot.
const HEIGHT: f32 = 300.0;

/// Definition of the number of exchanged features.
const K: &str = "Number of exchanged features at each place, at most. A supervised dictionary always exchanges one direction";

/// Exponents of the numbers of exchanged features: from 1 to 64.
const EXPONENTS: std::ops::RangeInclusive<u32> = 0..=6;

/// Choices of what is drawn.
#[derive(Debug)]
pub(super) struct Choice {
    attribute: usize,
    /// Number of exchanged features, as a power of two.
    exponent: u32,
    /// Whether features are chosen by what they stand for.
    by_interpretation: bool,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            attribute: 0,
            exponent: 1,
            by_interpretation: false,
        }
    }
}

impl Choice {
    /// Draws choices and plot. A click on a point uses the dictionary.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        found: &Evaluation,
        commands: &mut Commands,
    ) {
        self.choices_ui(ui, found);
        let secondary = Theme::from_ui(ui).ink.secondary;
        let Some(attribute) = found.attributes.get(self.attribute) else {
            return;
        };
        let way = Way {
            attribute,
            by_interpretation: self.by_interpretation,
            most: 1 << self.exponent,
        };
        let baselines = task::baselines(state);
        let untouched = found.dictionaries.first();
        let untouched = untouched.and_then(|one| one.untouched.get(attribute).copied());
        if let Some(untouched) = untouched {
            let words = format!(
                "Without any edit, {} of the answers are already those of the ground truth (dashed).",
                number::percent(untouched)
            );
            ui.add(Label::new(caption(words).color(secondary)).wrap())
                .on_hover_text(definition("untouched"));
        }
        let points = points(state, (found, &baselines), &way);
        let unplaced = found.dictionaries.len() - points.len();
        let lines = lines(ui, found, &way, untouched);
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
                "{} without such an edit.",
                number::counted(unplaced as u64, "dictionary")
            );
            ui.add(Label::new(caption(words).color(secondary)).wrap());
        }
    }

    fn choices_ui(&mut self, ui: &mut Ui, found: &Evaluation) {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            let help = "Property of the prompt that the edit changes";
            ui.label("Attribute").on_hover_text(help);
            for (at, name) in found.attributes.iter().enumerate() {
                ui.selectable_value(&mut self.attribute, at, attribute(name))
                    .on_hover_text(answer_key::attribute_words(name));
            }
            ui.horizontal(|ui| {
                let label = ui.label("Features exchanged");
                let slider = Slider::new(&mut self.exponent, EXPONENTS).show_value(false);
                ui.add(slider).labelled_by(label.id).on_hover_text(K);
                ui.label(format!("up to {}", 1_usize << self.exponent));
            });
            ui.checkbox(&mut self.by_interpretation, "By what features stand for")
                .on_hover_text(definition("by interpretation"));
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

/// Edits that are drawn: of which attribute, how features are chosen, and how many at most.
struct Way<'a> {
    attribute: &'a str,
    by_interpretation: bool,
    most: usize,
}

impl Way<'_> {
    /// Edits of a dictionary, with rising numbers of exchanges.
    fn edits<'a>(&self, one: &'a Tested) -> Vec<&'a EditPoint> {
        let how = match (one.supervised, self.by_interpretation) {
            (true, _) => How::Supervised,
            (false, true) => How::ByInterpretation,
            (false, false) => How::Agnostic,
        };
        let edits = one.edits.iter().filter(|edit| {
            edit.attribute == self.attribute && edit.how == how && edit.exchanges <= self.most
        });
        let mut edits: Vec<&EditPoint> = edits.collect();
        edits.sort_by_key(|edit| edit.exchanges);
        edits
    }
}

/// A point for each dictionary that has such an edit: the one with the most exchanges.
fn points(
    state: &AppState,
    (found, baselines): (&Evaluation, &[&str]),
    way: &Way<'_>,
) -> Vec<NamedPoint> {
    let used = state.dictionary().map(|one| one.name.as_str());
    let placed = found.dictionaries.iter().filter_map(|one| {
        let edit = way.edits(one).pop()?;
        let role = Role::new(one, baselines);
        Some(NamedPoint {
            name: one.name.clone(),
            at: [edit.magnitude, edit.accuracy],
            kind: Role::ALL.iter().position(|kind| *kind == role)?,
            chosen: used == Some(one.name.as_str()),
        })
    });
    placed.collect()
}

/// The way of each dictionary from its first edit to the last, and the level without any edit.
fn lines(ui: &Ui, found: &Evaluation, way: &Way<'_>, untouched: Option<f64>) -> Vec<NamedLine> {
    let theme = Theme::from_ui(ui);
    let ways = found.dictionaries.iter().filter_map(|one| {
        let edits = way.edits(one).into_iter();
        let points: Vec<[f64; 2]> = edits.map(|edit| [edit.magnitude, edit.accuracy]).collect();
        (points.len() > 1).then(|| NamedLine {
            name: one.name.clone(),
            points,
            colour: theme.line.strong,
            dashed: false,
        })
    });
    let mut lines: Vec<NamedLine> = ways.collect();
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
    use crate::testing::tasked;

    #[test]
    fn the_slider_takes_the_edits_with_up_to_so_many_features() {
        let found = tasked::evaluation();
        let of = |name: &str| found.dictionaries.iter().find(|one| one.name == name);
        let exchanges = |name: &str, attribute, by_interpretation, most| -> Vec<usize> {
            let way = Way {
                attribute,
                by_interpretation,
                most,
            };
            let edits = way.edits(of(name).unwrap()).into_iter();
            edits.map(|edit| edit.exchanges).collect()
        };
        assert_eq!(exchanges("z0", "io", false, 4), [1, 2, 4]);
        assert_eq!(exchanges("z0", "io", true, 1), [1]);
        assert_eq!(exchanges("supervised-mean", "io", true, 64), [1]);
        assert!(exchanges("z0", "gender", false, 64).is_empty());
    }
}
