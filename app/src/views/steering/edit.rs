//! The controls of one edit: its action, its target and its amount.

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{
    Align2, Button, ComboBox, DragValue, Label, PopupCloseBehavior, Slider, Stroke, TextEdit, Ui,
    vec2,
};
use umbra_core::ids::FeatureId;
use umbra_core::steer::{ACTIONS, Attend, ErrorName};

use super::place::{choice_ui, words_ui};
use crate::state::AppState;
use crate::state::catalogue::Dictionary;
use crate::state::requests::{Commands, navigation, steering};
use crate::state::steering::{EditDraft, Field, STRENGTH, STRENGTHS, help, label};
use crate::state::view::ViewId;
use crate::theme::{self, Theme, body_strong, caption, icons, mono, space};
use crate::views::feature::chips::chip_ui;
use crate::widgets::feature_chip::FeatureChip;

/// Labels found by typing.
const FOUND: usize = 8;

/// Draws the choice of the action.
pub(super) fn action_ui(ui: &mut Ui, edit: &mut EditDraft, i: usize) {
    let mut chosen = None;
    let combo = ComboBox::from_id_salt(("action", i))
        .selected_text(label(edit.action))
        .width(ui.available_width())
        .show_ui(ui, |ui| {
            for action in ACTIONS {
                let current = action.name == edit.action;
                let entry = ui.selectable_label(current, label(action.name));
                if entry.on_hover_text(action.help).clicked() {
                    chosen = Some(action.name);
                }
            }
        });
    let name = format!("Action of edit {}", i + 1);
    combo
        .response
        .widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, &name));
    combo.response.on_hover_text(help(edit.action).help);
    if let Some(action) = chosen {
        edit.begin(action);
    }
}

/// Draws what the edit is done to: a feature, a part of the error, another text, an attention pattern, or the hook alone.
pub(super) fn target_ui(
    ui: &mut Ui,
    edit: &mut EditDraft,
    i: usize,
    state: &AppState,
    commands: &mut Commands,
) {
    let has = |field: Field| edit.fields().contains(&field);
    if let Some(written) = &edit.written {
        ui.add(Label::new(mono(written)).truncate())
            .on_hover_text("This edit is applied as it is written; another action replaces it");
    } else if let (true, Some(file)) = (has(Field::Feature), &edit.file) {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        let place = format!("{} of {}", file.key, file.path.display());
        ui.add(Label::new(mono(name)).truncate())
            .on_hover_text(place);
    } else if has(Field::Feature) {
        feature_ui(ui, edit, i, state, commands);
    } else if has(Field::Part) {
        let part = |error| {
            let named = ErrorName::ALL.into_iter().find(|(e, ..)| *e == error);
            named.map_or("", |(_, _, part)| part)
        };
        let label = ui.label("Part");
        let width = ui.available_width();
        let help =
            "Value that replaces the activation: the reconstruction, with all or part of the error";
        let choice = choice_ui(ui, width, &mut edit.error, part);
        choice.labelled_by(label.id).on_hover_text(help);
    } else if has(Field::From) {
        let label = ui.label("From");
        let text = TextEdit::singleline(&mut edit.from)
            .desired_width(ui.available_width() - 8.0)
            .hint_text("Text whose activation replaces the value");
        ui.add(text).labelled_by(label.id);
    } else if has(Field::Attend) {
        attend_ui(ui, edit);
    } else {
        words_ui(ui, edit, state);
    }
}

fn attend_ui(ui: &mut Ui, edit: &mut EditDraft) {
    let words = |attend| match attend {
        Attend::Uniform => "uniform attention",
        Attend::Previous => "the previous token",
        Attend::First => "the first token",
        Attend::Itself => "itself",
    };
    let label = ui.label("To");
    let combo = ComboBox::from_id_salt("to")
        .selected_text(words(edit.attend))
        .width(ui.available_width())
        .truncate()
        .show_ui(ui, |ui| {
            for option in [
                Attend::Uniform,
                Attend::Previous,
                Attend::First,
                Attend::Itself,
            ] {
                ui.selectable_value(&mut edit.attend, option, words(option));
            }
        });
    let help = "Attention of every query of the chosen heads";
    combo.response.labelled_by(label.id).on_hover_text(help);
}

/// Draws the feature, and the menu that chooses another one.
fn feature_ui(
    ui: &mut Ui,
    edit: &mut EditDraft,
    i: usize,
    state: &AppState,
    commands: &mut Commands,
) {
    ui.spacing_mut().item_spacing.x = space::CHIP;
    let Some(dictionary) = edit.dictionary_in(state) else {
        let open = Button::new("Open a dictionary").truncate();
        if ui.add(open).clicked() {
            commands.send(navigation::Command::Go(ViewId::Library));
        }
        return;
    };
    let width = ui.available_width() - space::CONTROL_ROW - space::CHIP;
    match edit.feature_in(state) {
        Some(feature) if Some(dictionary.id) == state.selection.dictionary => {
            chip_ui(ui, state, commands, feature, (1.0, width));
        }
        Some(feature) => {
            let name = state.name_of(dictionary.id, feature);
            let chip = FeatureChip::new(feature, name).max_width(width);
            let words = format!("A feature of {}. Click to open its page", dictionary.name);
            let reply = chip.show(ui, |ui| {
                ui.label(words);
            });
            if reply.open || reply.beside {
                let beside = reply.beside;
                commands.send(navigation::Command::FollowDictionary(dictionary.id));
                commands.send(navigation::Command::Feature { feature, beside });
            }
        }
        None => {
            let words = format!("Choose a feature  {}", icons::CARET_DOWN);
            let button = Button::new(body_strong(words)).truncate();
            return menu_ui(ui, button, "Choose a feature", |ui| {
                other_ui(ui, edit, dictionary, state);
            });
        }
    }
    let button = Button::new(theme::icon(icons::CARET_DOWN))
        .frame_when_inactive(false)
        .stroke(Stroke::NONE)
        .min_size(vec2(space::CONTROL_ROW, space::CONTROL_ROW));
    let name = format!("Other feature for edit {}", i + 1);
    menu_ui(ui, button, &name, |ui| {
        if let Some(feature) = edit.feature_in(state)
            && ui.button("Sweep this feature").clicked()
        {
            let take = steering::sweep::Command::Take(dictionary.id, vec![feature]);
            commands.send(take);
            ui.close();
        }
        other_ui(ui, edit, dictionary, state);
    });
}

/// Draws a button that opens a menu with a field to type in.
fn menu_ui(ui: &mut Ui, button: Button<'_>, name: &str, content: impl FnOnce(&mut Ui)) {
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let menu = MenuButton::from_button(button).config(config);
    let (response, _) = menu.ui(ui, content);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
    response.on_hover_text(name);
}

/// The menu that chooses another feature: the selected one, or one by number or label.
fn other_ui(ui: &mut Ui, edit: &mut EditDraft, own: &Dictionary, state: &AppState) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.set_width(240.0);
    let mut chosen = None;
    let in_use = state.dictionary().zip(state.selection.feature);
    if let Some((dictionary, feature)) = in_use
        && (Some(feature), dictionary.id) != (edit.feature_in(state), own.id)
    {
        let words = format!("Use #{feature} of {}", dictionary.name);
        let button = Button::new(words).truncate();
        let help = "The feature that is selected now";
        if ui.add(button).on_hover_text(help).clicked() {
            chosen = Some((dictionary.name.clone(), feature));
        }
    }
    let label = ui.label(caption(format!("Number or label, of {}", own.name)).color(secondary));
    let text = TextEdit::singleline(&mut edit.number)
        .align(Align2::LEFT_CENTER)
        .desired_width(f32::INFINITY)
        .hint_text("# or label");
    let field = ui.add(text).labelled_by(label.id);
    let entered = field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
    let entered = entered && !edit.number.trim().is_empty();
    let opened = ui.scope_id().with("opened");
    let pass = ui.ctx().cumulative_pass_nr();
    let last = ui.data_mut(|data| data.get_temp_mut_or_default::<u64>(opened).to_owned());
    ui.data_mut(|data| data.insert_temp(opened, pass));
    if last + 2 < pass {
        field.request_focus(); // one may type at once
    }
    let found = found(&edit.number, own, state);
    for (at, feature) in found.iter().enumerate() {
        let name = state.name_of(own.id, *feature);
        let words = format!("#{feature} {name}");
        let clicked = ui.add(Button::new(words.trim_end()).truncate()).clicked();
        if clicked || (entered && at == 0) {
            chosen = Some((own.name.clone(), *feature));
        }
    }
    if found.is_empty() && !edit.number.trim().is_empty() {
        let many = state.sae_of(own.id).map_or(0, |sae| sae.features());
        let last = many.saturating_sub(1);
        let words = format!("No label has this in it; numbers go from 0 to {last}");
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
    if let Some((dictionary, feature)) = chosen {
        (edit.dictionary, edit.feature) = (Some(dictionary), Some(feature));
        edit.number.clear();
        ui.close();
    }
}

/// Features of a dictionary that a typed number or part of a label means; while nothing is typed, those with labels.
fn found(text: &str, own: &Dictionary, state: &AppState) -> Vec<FeatureId> {
    let text = text.trim().to_lowercase();
    let many = state.sae_of(own.id).map_or(0, |sae| sae.features());
    let number: Option<usize> = text.trim_start_matches('#').parse().ok();
    let number = number.filter(|number| *number < many).map(FeatureId::from);
    let labels = state.project.labels(&own.name);
    let labels = labels.filter(|(_, label)| label.to_lowercase().contains(&text));
    let labels = labels.map(|(feature, _)| feature);
    number.into_iter().chain(labels).take(FOUND).collect()
}

/// Draws how much.
pub(super) fn amount_ui(ui: &mut Ui, edit: &mut EditDraft) {
    ui.spacing_mut().item_spacing.x = space::CONTROL;
    for field in edit.fields() {
        match field {
            Field::Strength => strength_ui(ui, edit),
            Field::Factor => number_ui(ui, "Factor", &mut edit.amount),
            Field::Value => number_ui(ui, "Value", &mut edit.amount),
            Field::Most => number_ui(ui, "At most", &mut edit.amount),
            Field::Bounds => {
                bound_ui(ui, "At least", &mut edit.least);
                bound_ui(ui, "At most", &mut edit.most);
            }
            _ => {}
        }
    }
}

fn strength_ui(ui: &mut Ui, edit: &mut EditDraft) {
    let teal = Theme::from_ui(ui).edit;
    let label = ui.label("Strength");
    let help = STRENGTH;
    ui.scope(|ui| {
        ui.spacing_mut().slider_width = 152.0;
        ui.visuals_mut().selection.bg_fill = teal;
        let slider = Slider::new(&mut edit.amount, STRENGTHS)
            .clamping(egui::SliderClamping::Never)
            .show_value(false);
        ui.add(slider).labelled_by(label.id).on_hover_text(help);
    });
    let drag = DragValue::new(&mut edit.amount).speed(0.1).max_decimals(2);
    let drag = ui.add_sized(vec2(52.0, space::CONTROL_ROW), drag);
    drag.labelled_by(label.id).on_hover_text(help);
    let zero = Button::new("0").min_size(vec2(space::CONTROL_ROW, 0.0));
    let response = ui
        .add(zero)
        .on_hover_text("No steering: both texts are identical");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Strength 0"));
    if response.clicked() {
        edit.amount = 0.0;
    }
}

fn number_ui(ui: &mut Ui, name: &str, amount: &mut f32) {
    let label = ui.label(name);
    let drag = DragValue::new(amount).speed(0.05).max_decimals(3);
    let drag = ui.add_sized(vec2(72.0, space::CONTROL_ROW), drag);
    drag.labelled_by(label.id);
}

fn bound_ui(ui: &mut Ui, name: &str, bound: &mut Option<f32>) {
    let mut on = bound.is_some();
    let check = ui.checkbox(&mut on, name);
    if check.changed() {
        *bound = on.then_some(0.0);
    }
    if let Some(bound) = bound {
        let drag = DragValue::new(bound).speed(0.05).max_decimals(3);
        let drag = ui.add_sized(vec2(56.0, space::CONTROL_ROW), drag);
        drag.labelled_by(check.id);
    }
}
