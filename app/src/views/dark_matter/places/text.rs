//! The text, tinted by the norm of its error; which text; one token's norms.

use egui::{Button, Label, RichText, Ui};

use super::profile;
use crate::state::dark_matter::places::{Errors, Part};
use crate::state::requests::dark_matter::places::Command;
use crate::state::requests::{Commands, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, caption, icons, mono, panel_title, space};
use crate::views::prompt::error::UNEXPLAINED;
use crate::widgets::empty_state::failure_line;
use crate::widgets::token_strip::{Tint, TokenStrip};
use crate::widgets::{legend, number};

/// Said below the norms of a token's parts.
const LENGTHS: &str =
    "Norms are lengths of vectors: those of the parts do not add up to that of the total.";

/// Errors on screen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    /// The errors.
    pub(super) errors: &'a Errors,
    /// Whether a probe took the parts apart.
    pub(super) split: bool,
    /// The chosen token.
    pub(super) token: Option<usize>,
}

/// Text: the sentence in Prompt, or a passage of the held-out text.
pub(super) fn text_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let lab = &state.dark_matter.places;
    let row = lab.held_out_row;
    ui.horizontal_wrapped(|ui| {
        ui.label(panel_title("Error by token"));
        ui.add_space(space::CONTROL);
        if ui
            .selectable_label(row.is_none(), "Sentence in Prompt")
            .clicked()
        {
            commands.send(Command::Show(None));
        }
        if ui
            .selectable_label(row.is_some(), "Held-out text")
            .clicked()
            && row.is_none()
        {
            commands.send(Command::Show(Some(0)));
        }
        if let (Some(row), Some(rows)) = (row, lab.held_out.ready()) {
            passages_ui(ui, row, rows.len(), commands);
        }
    });
    if let (Some(_), Load::Failed(why)) = (row, &lab.held_out) {
        failure_line(ui, "The held-out text could not be read", why);
    }
    if row.is_none() && state.prompt.input().is_none() {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.horizontal(|ui| {
            ui.label(RichText::new("Prompt has no sentence yet.").color(secondary));
            if ui.button("Type a sentence").clicked() {
                commands.send(navigation::Command::Go(ViewId::Prompt));
            }
        });
    }
}

fn passages_ui(ui: &mut Ui, row: usize, rows: usize, commands: &mut Commands) {
    let mut step = |ui: &mut Ui, icon: &str, name: &str, to: Option<usize>| {
        let response = ui.add_enabled(to.is_some(), Button::new(icon).frame(false));
        let enabled = to.is_some();
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, enabled, name));
        if response.on_hover_text(name).clicked() {
            commands.send(Command::Show(to));
        }
    };
    step(
        ui,
        icons::CARET_LEFT,
        "Previous passage",
        row.checked_sub(1),
    );
    let place = format!(
        "{} of {}",
        number::count(row as u64 + 1),
        number::count(rows as u64)
    );
    ui.label(mono(place));
    let next = (row + 1 < rows).then_some(row + 1);
    step(ui, icons::CARET_RIGHT, "Next passage", next);
}

/// Parts, legend, profile, text, one token; answers with the token that was chosen.
pub(super) fn errors_ui(ui: &mut Ui, shown: &Shown<'_>, part: &mut Part) -> Option<usize> {
    if !shown.split {
        *part = Part::Total;
    }
    let most = shown.errors.most();
    ui.horizontal_wrapped(|ui| {
        for which in Part::ALL {
            let help = which.meaning();
            let enabled = shown.split || which == Part::Total;
            let button = Button::selectable(*part == which, which.title());
            let response = ui.add_enabled(enabled, button).on_hover_text(help);
            if response
                .on_disabled_hover_text("Fit the probe to split the error")
                .clicked()
            {
                *part = which;
            }
        }
        ui.add_space(space::CONTROL);
        legend::sequential(ui, "norm, one scale for all", Hue::Error, f64::from(most));
    });
    let mut chosen = None;
    if shown.split {
        chosen = profile::profile_ui(ui, shown);
        ui.horizontal(|ui| {
            let theme = Theme::from_ui(ui);
            legend::mark(ui, theme.mark(Hue::Error, 0.5), "linear, above");
            legend::mark(ui, theme.mark(Hue::Error, 1.0), "nonlinear, below");
        });
    }
    token_ui(ui, shown);
    ui.add_space(space::CHIP);
    let values = shown.errors.values(*part);
    let mut card = |ui: &mut Ui, token: usize| card_ui(ui, shown, token);
    let reply = TokenStrip::new("Error by token", &shown.errors.texts)
        .values(&values, most)
        .tint(Tint::Sequential(Hue::Error))
        .selected(shown.token.map(|token| token..=token))
        .card(&mut card)
        .show(ui);
    chosen.or(reply.chosen)
}

/// The chosen token's norms in one line.
fn token_ui(ui: &mut Ui, shown: &Shown<'_>) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(token) = shown.token else {
        let hint =
            "Click a token for its norms; the first position and special tokens are excluded";
        ui.label(caption(hint).color(secondary));
        return;
    };
    ui.horizontal_wrapped(|ui| {
        let text = format!("{:?}", shown.errors.texts[token]);
        ui.label(mono(text));
        for (name, value, definition) in facts(shown, token) {
            ui.add_space(space::CHIP);
            ui.label(caption(name).color(secondary))
                .on_hover_text(definition);
            ui.label(mono(value));
        }
    });
    if shown.split {
        ui.add(Label::new(caption(LENGTHS).color(secondary)).wrap());
    }
}

/// Returns name, value and definition of each fact of a token.
fn facts(shown: &Shown<'_>, token: usize) -> Vec<(&'static str, String, &'static str)> {
    let norms = &shown.errors.norms[token];
    let figure = |value: f32| number::number(f64::from(value));
    let mut facts = vec![
        ("||x||", figure(norms.activation), "Norm of the activation"),
        ("Total", figure(norms.total), Part::Total.meaning()),
    ];
    if shown.split {
        facts.push(("Linear", figure(norms.linear), Part::Linear.meaning()));
        let nonlinear = figure(norms.nonlinear);
        facts.push(("Nonlinear", nonlinear, Part::Nonlinear.meaning()));
    }
    if norms.activation > 0.0 {
        let share = f64::from(norms.total / norms.activation).powi(2);
        facts.push(("Unexplained", number::percent(share), UNEXPLAINED));
    }
    facts
}

/// A token's hover card.
pub(super) fn card_ui(ui: &mut Ui, shown: &Shown<'_>, token: usize) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(mono(format!("{:?}", shown.errors.texts[token])));
    ui.label(caption(format!("position {token}")).color(secondary));
    egui::Grid::new(("norms", token)).show(ui, |ui| {
        for (name, value, _) in facts(shown, token) {
            ui.label(RichText::new(name).color(secondary));
            ui.label(mono(value));
            ui.end_row();
        }
    });
}

#[cfg(test)]
mod tests {
    use umbra_core::dark_matter::ErrorNorms;

    use super::*;

    #[test]
    fn a_token_has_its_parts_only_where_a_probe_took_them_apart() {
        let norms = ErrorNorms {
            activation: 4.0,
            total: 2.0,
            linear: 1.0,
            nonlinear: 1.5,
        };
        let errors = Errors {
            texts: vec![" a".to_owned()],
            counts: vec![true],
            norms: vec![norms],
        };
        let names = |split| {
            let shown = Shown {
                errors: &errors,
                split,
                token: None,
            };
            let facts = facts(&shown, 0).into_iter();
            facts.map(|fact| fact.0).collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["||x||", "Total", "Unexplained"]);
        let split = ["||x||", "Total", "Linear", "Nonlinear", "Unexplained"];
        assert_eq!(names(true), split);
    }
}
