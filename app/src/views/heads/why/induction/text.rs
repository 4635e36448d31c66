//! The chosen head on held-out text: how long the copies behind its strong attention are, and what is left of it once the copy is cut.

use egui::{Label, RichText, Ui};
use umbra_core::heads::induction::{Curve, PREFIXES, TextHead};

use super::{BESIDE, cost, definition};
use crate::state::heads::induction::{Measured, TEXT_JOB};
use crate::state::heads::name;
use crate::state::requests::{Commands, heads};
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, body_strong, caption, panel_title, space};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::empty_state::failure_line;
use crate::widgets::number;

/// Draws the section.
pub(super) fn text_ui(ui: &mut Ui, state: &AppState, curve: &Curve, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(panel_title("On held-out text"));
    match &state.heads.induction.text {
        Load::Absent => {
            let words = "Finds where each head attends strongly, how much of it repeats earlier text, and what is left after one token of the copy is changed.";
            let words = format!(
                "{}{words} {}",
                cost::stopped(state.heads.induction.text_stopped),
                cost::on_text(state)
            );
            ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
            measure_ui(ui, state, "Measure on held-out text", commands);
        }
        Load::Loading => {
            cost::standing_ui(ui, state, "Reading the held-out text", TEXT_JOB);
        }
        Load::Failed(why) => {
            failure_line(ui, "Could not measure on the text", why);
            measure_ui(ui, state, "Measure again", commands);
        }
        Load::Ready(measured) => {
            if let Some(of) = measured.found.of(curve.layer, curve.head) {
                head_ui(ui, measured, of);
            }
        }
    }
}

fn measure_ui(ui: &mut Ui, state: &AppState, words: &str, commands: &mut Commands) {
    let has_text = state.project.open().is_some();
    let button = ui.add_enabled(has_text, egui::Button::new(words));
    if button
        .on_disabled_hover_text("Open a project with text first")
        .clicked()
    {
        commands.send(heads::induction::Command::OnText);
    }
}

fn head_ui(ui: &mut Ui, measured: &Measured, of: &TextHead) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let found = &measured.found;
    let head = name((of.layer, of.head));
    let share = of.induction_share();
    let share = share.map_or_else(String::new, |share| {
        format!(", {} of them repeat earlier text", number::percent(share))
    });
    let words = format!(
        "{head} attends more than {} to {} pairs of tokens in {} rows of {}{share}.",
        number::number(found.options.threshold),
        number::count(of.strong()),
        number::count(found.rows as u64),
        measured.phrase
    );
    ui.add(Label::new(caption(words).color(secondary)).wrap());
    ui.add_space(space::CONTROL);
    let all = ui.available_width();
    if all >= BESIDE {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            let half = (all - space::GROUP) / 2.0;
            ui.vertical(|ui| {
                ui.set_width(half);
                lengths_ui(ui, of);
            });
            ui.vertical(|ui| {
                ui.set_width(half);
                cut_ui(ui, of);
            });
        });
    } else {
        lengths_ui(ui, of);
        ui.add_space(space::CONTROL);
        cut_ui(ui, of);
    }
}

/// Histogram of the copies' lengths.
fn lengths_ui(ui: &mut Ui, of: &TextHead) {
    ui.label(body_strong("Length of the copy before the pair"));
    let bars: Vec<Bar> = (of.prefix_counts.iter().enumerate())
        .map(|(length, count)| {
            let label = match length {
                0 => "No copy".to_owned(),
                1 => "1 token".to_owned(),
                length if length > PREFIXES => format!("{length} or more"),
                length => format!("{length} tokens"),
            };
            Bar::new(label, *count as f64).text(number::count(*count))
        })
        .collect();
    Bars::new("Copies by length", &bars, Fill::Hue(Hue::Model))
        .definition(definition("prefix_counts"))
        .show(ui);
}

/// Attention before and after the copy was cut to one token.
fn cut_ui(ui: &mut Ui, of: &TextHead) {
    ui.label(body_strong("Attention before and after the copy is cut"));
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(replaced) = of.replaced else {
        let words = "No pair of this head has a copy of two tokens or more on this text.";
        ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
        return;
    };
    let bars = [
        Bar::new("Whole copy", replaced.before).hover(definition("before")),
        Bar::new("Cut to 1 token", replaced.after).hover(definition("after")),
    ];
    Bars::new("Attention before and after", &bars, Fill::Hue(Hue::Model))
        .most(1.0)
        .definition(definition("after"))
        .show(ui);
    let words = format!(
        "Mean of {}; the token two before the source was replaced by a random one.",
        number::counted(replaced.pairs as u64, "pair")
    );
    ui.add(Label::new(caption(words).color(secondary)).wrap());
}
