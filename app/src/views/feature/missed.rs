//! Should have fired: tokens at which pursuit picks the feature and the encoder does not, from the kept comparison of both.

use egui::{Align, Label, Layout, RichText, Ui, vec2};
use umbra_core::dark_matter::pursuit::{FeatureRow, Missed};
use umbra_core::models::Model;

use super::Page;
use crate::state::dark_matter::pursuit::{Compared, job};
use crate::state::jobs::Job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::pursuit::Command;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, mono_caption, panel_title, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::number::{counted, number};
use crate::widgets::token_strip::TokenStrip;

/// Width of the weight before each context.
const WEIGHT: f32 = 44.0;

/// Explains the list.
const HELP: &str = "Tokens of held-out text at which pursuit, a search for the best few features, picks this feature and the encoder does not, by the weight that pursuit gives it";

/// Draws the tokens, or offers to look for them.
pub(super) fn missed_ui(ui: &mut Ui, page: Page<'_>, commands: &mut Commands) {
    let Page {
        state, dictionary, ..
    } = page;
    let can = state
        .pair(dictionary.id)
        .is_some_and(|pair| pair.sae.hook().is_ok());
    if !can || state.misfit().is_some() || state.project.open().is_none() {
        return;
    }
    let study = &state.dark_matter.pursuit.study;
    if study.of != Some(dictionary.id) {
        commands.send(Command::Look(dictionary.id));
    }
    ui.label(panel_title("Should have fired"))
        .on_hover_text(HELP);
    match study.result(&dictionary.id) {
        Some(compared) => found_ui(ui, page, compared),
        None => offer_ui(ui, page, commands),
    }
    ui.add_space(space::GROUP);
}

fn offer_ui(ui: &mut Ui, page: Page<'_>, commands: &mut Commands) {
    let Page {
        state, dictionary, ..
    } = page;
    let secondary = Theme::from_ui(ui).ink.secondary;
    let study = &state.dark_matter.pursuit.study;
    if study.making.is_loading() {
        let words = standing(state, &job(&dictionary.name));
        ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
        return;
    }
    match &study.found {
        Load::Loading => {
            ui.label(caption("Looking for the kept comparison…").color(secondary));
            return;
        }
        Load::Failed(why) => failure_line(ui, "The kept comparison cannot be used", why),
        Load::Absent | Load::Ready(_) => {}
    }
    if let Some(why) = study.making.failure() {
        failure_line(ui, "The comparison failed", why);
    }
    if ui
        .button("Look for missed tokens")
        .on_hover_text(HELP)
        .clicked()
    {
        commands.send(Command::Compute(dictionary.id));
    }
    let cost = "Compares the encoder with pursuit on 10\u{202F}000 tokens of the held-out text, once for all features.";
    ui.add(Label::new(caption(cost).color(secondary)).wrap());
}

/// Says how far the job of that name is.
fn standing(state: &AppState, job: &str) -> String {
    let running = state.jobs.running().find(|running| running.name == job);
    match running.and_then(Job::standing) {
        Some(standing) => format!("{job}: {standing}"),
        None => format!("{job}…"),
    }
}

fn found_ui(ui: &mut Ui, page: Page<'_>, compared: &Compared) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let of = &compared.comparison;
    let row = of.feature(page.feature).copied();
    let words = summary(row, of.tokens);
    ui.add(Label::new(caption(words).color(secondary)).wrap());
    let examples = of.examples_of(page.feature);
    let Some(examples) = examples.filter(|of| !of.tokens.is_empty()) else {
        return;
    };
    let Some(model) = page.state.model() else {
        return;
    };
    for (at, missed) in examples.tokens.iter().enumerate() {
        example_ui(ui, &model.model, (at, missed));
    }
}

/// Says how often the feature was missed, and invented.
fn summary(row: Option<FeatureRow>, tokens: u64) -> String {
    let over = counted(tokens, "token");
    match row {
        None => format!("Neither code has it on {over} of held-out text."),
        Some(row) if row.missed == 0 => format!(
            "On {over} of held-out text the encoder never misses it; both codes have it on {}, only the encoder on {}.",
            row.shared, row.invented
        ),
        Some(row) => format!(
            "Missed on {} of {over} of held-out text; both codes have it on {}, only the encoder on {}.",
            row.missed, row.shared, row.invented
        ),
    }
}

/// One token in its context.
fn example_ui(ui: &mut Ui, model: &Model, (at, missed): (usize, &Missed)) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let texts: Vec<String> = missed
        .tokens
        .iter()
        .map(|id| model.codec().display(*id))
        .collect();
    ui.horizontal_top(|ui| {
        let size = vec2(WEIGHT, space::TABLE_ROW);
        ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
            ui.set_min_height(space::TABLE_ROW);
            let weight = number(f64::from(missed.weight));
            ui.label(mono_caption(weight).color(secondary))
                .on_hover_text(format!(
                    "Weight that pursuit gives the feature at the underlined token; the encoder's pre-activation there is {}",
                    number(f64::from(missed.pre_activation))
                ));
        });
        ui.vertical(|ui| {
            TokenStrip::new(&format!("Missed token {}", at + 1), &texts)
                .peak(missed.at as usize)
                .show(ui);
        });
    });
}
