//! The ten features with the largest share in a head, from weights alone.

use egui::{Button, Label, RichText, Role, Ui, WidgetInfo};
use umbra_core::heads::HeadFigures;
use umbra_core::ids::{FeatureId, Head};

use crate::state::catalogue::Dictionary;
use crate::state::heads::step::Step;
use crate::state::requests::{Commands, dictionary as dictionaries, heads, navigation};
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, mono};
use crate::widgets::empty_state::failure_line;
use crate::widgets::feature_chip::FeatureChip;
use crate::widgets::number;

/// Room right of a chip: bar, share, button.
const RIGHT: f32 = 230.0;

/// Greatest width of the column of chips, so that bars stand near them.
const CHIPS: f32 = 440.0;

/// Size of a share in numbers.
const PERCENT: egui::Vec2 = egui::vec2(58.0, 20.0);

/// Draws the list.
pub(super) fn list_ui(
    ui: &mut Ui,
    state: &AppState,
    (dictionary, head): (&Dictionary, Head),
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let kept = state.heads.features.figures.get(&dictionary.id);
    if let Some(Load::Failed(why)) = kept.map(|kept| &kept.load) {
        failure_line(ui, "The heads could not be measured", why);
        return;
    }
    let figures = kept.and_then(|kept| kept.load.ready());
    let Some(figures) = figures.and_then(|all| all.iter().find(|f| f.head == head)) else {
        ui.label(RichText::new("Measuring…").color(secondary));
        return;
    };
    let words = format!(
        "Features of {} with the largest share of their decoder in this head",
        dictionary.name
    );
    ui.label(caption(words).color(secondary));
    ui.label(caption(figures.among.describe()).color(secondary));
    if kept.is_some_and(|kept| !kept.indexed) {
        let building = dictionary.index.is_loading();
        let button = Button::new(format!("Build the index of {}…", dictionary.name));
        if ui.add_enabled(!building, button).clicked() {
            commands.send(dictionaries::Command::BuildIndex(dictionary.id));
        }
    }
    rows_ui(ui, state, (dictionary, head), figures, commands);
}

fn rows_ui(
    ui: &mut Ui,
    state: &AppState,
    (dictionary, head): (&Dictionary, Head),
    figures: &HeadFigures,
    commands: &mut Commands,
) {
    let here = state.selection.dictionary == Some(dictionary.id);
    for (feature, share) in &figures.features {
        ui.horizontal(|ui| {
            let selected = here && state.selection.feature == Some(*feature);
            let room = (ui.available_width() - RIGHT).clamp(80.0, CHIPS);
            let name = state.name_of(dictionary.id, *feature);
            let chip = FeatureChip::new(*feature, name)
                .strength(*share)
                .selected(selected)
                .max_width(room);
            let percent = number::percent(f64::from(*share));
            let left = ui.cursor().left();
            let reply = chip.show(ui, |ui| {
                ui.label(format!(
                    "{percent} of the decoder row's norm is in head {head}"
                ));
            });
            let used = ui.min_rect().right() - left;
            ui.add_space((room - used).max(0.0));
            if reply.open || reply.beside {
                let (feature, beside) = (*feature, reply.beside);
                commands.send(navigation::Command::FollowDictionary(dictionary.id));
                commands.send(navigation::Command::Feature { feature, beside });
            }
            share_bar(ui, *share);
            ui.add_sized(PERCENT, Label::new(mono(percent)));
            attribute_ui(ui, dictionary, (*feature, selected), commands);
        });
    }
}

/// Chooses a feature and shows its attribution.
pub(super) fn attribute_ui(
    ui: &mut Ui,
    dictionary: &Dictionary,
    (feature, selected): (FeatureId, bool),
    commands: &mut Commands,
) {
    let button = Button::new("Attribute").selected(selected);
    let response = ui.add(button);
    let name = format!("Attribute feature {feature}");
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, &name));
    let help = format!(
        "Shows the sources of its activation on the sentence in Prompt, and selects {}",
        dictionary.name
    );
    if response.on_hover_text(help).clicked() {
        commands.send(navigation::Command::FollowDictionary(dictionary.id));
        commands.send(navigation::Command::SelectFeature(Some(feature)));
        commands.send(heads::Command::Step(Step::Why));
    }
}

/// A bar of 60 pixels.
fn share_bar(ui: &mut Ui, share: f32) {
    let theme = Theme::from_ui(ui);
    let (rect, _) = ui.allocate_exact_size(egui::vec2(60.0, 6.0), egui::Sense::hover());
    ui.painter().rect_filled(rect, 2.0, theme.surface.hover);
    let mut filled = rect;
    filled.set_width(rect.width() * share.clamp(0.0, 1.0));
    ui.painter().rect_filled(filled, 2.0, theme.activation);
}
