//! The contexts that the dictionary explains least and best, as strips of tokens that open in Prompt.

use egui::{Label, Ui};
use umbra_core::dark_matter::places::{Example, Places};

use crate::state::requests::{Commands, prompt};
use crate::theme::{Hue, Theme, caption, mono_caption, space};
use crate::widgets::legend;
use crate::widgets::number::{number, percent};
use crate::widgets::token_strip::{Tint, TokenStrip};

/// Contexts shown before "Show all".
const FEW: usize = 10;

/// Definition of a token's share.
const SHARE: &str =
    "Unexplained share of each token, ‖x − x̂‖² / ‖x − mean x‖²; it can exceed 100 %";

/// The list that is shown.
#[derive(Debug, Default)]
pub(super) struct Choice {
    best: bool,
    all: bool,
}

/// Draws the list that is chosen.
pub(super) fn contexts_ui(
    ui: &mut Ui,
    found: &Places,
    choice: &mut Choice,
    commands: &mut Commands,
) {
    let examples = found.worst.iter().chain(&found.best);
    let shares = examples.flat_map(|example| &example.shares);
    let most = shares.fold(0.0_f32, |most, share| most.max(*share));
    let most = if most > 0.0 { most } else { 1.0 };
    ui.horizontal_wrapped(|ui| {
        for (best, words) in [(false, "Explained least"), (true, "Explained best")] {
            if ui.selectable_label(choice.best == best, words).clicked() {
                choice.best = best;
            }
        }
        ui.add_space(space::CONTROL);
        legend::sequential(ui, "unexplained share", Hue::Error, f64::from(most))
            .on_hover_text(SHARE);
    });
    let list = if choice.best {
        &found.best
    } else {
        &found.worst
    };
    let shown = if choice.all { list.len() } else { FEW };
    for (number, example) in list.iter().take(shown).enumerate() {
        ui.add_space(space::CHIP);
        example_ui(ui, (number + 1, example), most, commands);
    }
    if list.len() > FEW {
        ui.add_space(space::CHIP);
        let words = if choice.all {
            format!("Show {FEW}")
        } else {
            format!("Show all {}", list.len())
        };
        if ui.button(words).clicked() {
            choice.all = !choice.all;
        }
    }
}

fn example_ui(
    ui: &mut Ui,
    (place, example): (usize, &Example),
    most: f32,
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let norms = &example.norms;
    let share = percent(f64::from(example.share));
    let words = format!(
        "{share} unexplained: norm of the activation {}, of the error {}, of its linear part {}, of its nonlinear part {}",
        number(f64::from(norms.activation)),
        number(f64::from(norms.total)),
        number(f64::from(norms.linear)),
        number(f64::from(norms.nonlinear))
    );
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::CONTROL;
        ui.label(mono_caption(&share)).on_hover_text(&words);
        let source = format!("{}, position {}", example.document, example.position);
        ui.add(Label::new(caption(source).color(secondary)).truncate());
    });
    let name = format!("Context {place}");
    let mut card = |ui: &mut Ui, at: usize| {
        let value = example.shares.get(at).copied().unwrap_or(0.0);
        ui.label(mono_caption(percent(f64::from(value))));
        ui.label(caption("Click to read the context in Prompt").color(secondary));
    };
    let reply = TokenStrip::new(&name, &example.texts)
        .values(&example.shares, most)
        .tint(Tint::Sequential(Hue::Error))
        .selected(Some(example.at()..=example.at()))
        .card(&mut card)
        .show(ui);
    if let Some(at) = reply.chosen {
        commands.send(prompt::Command::Excerpt {
            ids: example.ids.clone().into(),
            apart: example.apart,
            of: format!("{}, row {}", example.document, example.row),
            at: example.from as usize + at,
        });
    }
}
