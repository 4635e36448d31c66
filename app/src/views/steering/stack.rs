//! The stack of edits: what is done, how much, where, in which order.

use egui::{Align2, Button, ComboBox, DragValue, RichText, Slider, TextEdit, Ui, vec2};
use umbra_core::ids::{FeatureId, HookPoint, Site};
use umbra_core::steer::{ACTIONS, Attend, ErrorName};

use crate::state::AppState;
use crate::state::requests::{Commands, navigation};
use crate::state::selection::Focus;
use crate::state::steering::{EditDraft, Field, help, label};
use crate::state::view::ViewId;
use crate::theme::{Theme, caption, icons, panel_title, space};
use crate::widgets::feature_chip::FeatureChip;
use crate::widgets::parts::icon_button;

/// Ends of the slider; a number outside can be written.
const STRENGTHS: std::ops::RangeInclusive<f32> = -20.0..=20.0;

/// A change of the stack, made after it is drawn.
#[derive(Debug, Clone, Copy)]
enum Move {
    Up(usize),
    Down(usize),
    Remove(usize),
}

/// Draws the stack and lets a person change it.
pub(super) fn stack_ui(
    ui: &mut Ui,
    edits: &mut Vec<EditDraft>,
    state: &AppState,
    commands: &mut Commands,
) {
    ui.horizontal(|ui| {
        ui.label(panel_title("Edits"));
        let words = "Applied in this order each time the model computes the hook";
        ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary));
    });
    let many = edits.len();
    let mut moved = None;
    for (i, edit) in edits.iter_mut().enumerate() {
        ui.push_id(("edit", i), |ui| {
            let before = edit.clone();
            if let Some(asked) = edit_ui(ui, edit, (i, many), state, commands) {
                moved = Some(asked);
            }
            if *edit != before {
                commands.send(navigation::Command::SelectEdit(i));
            }
        });
    }
    match moved {
        Some(Move::Up(i)) => edits.swap(i - 1, i),
        Some(Move::Down(i)) => edits.swap(i, i + 1),
        Some(Move::Remove(i)) => drop(edits.remove(i)),
        None => {}
    }
    ui.menu_button("Add an edit", |ui| {
        for action in ACTIONS {
            let name = label(action.name);
            let entry = ui.add(Button::new(&name).shortcut_text(action.help));
            entry.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
            if entry.clicked() {
                // Those before keep the feature they show.
                for edit in edits.iter_mut() {
                    edit.feature = edit.feature.or(state.selection.feature);
                }
                edits.push(EditDraft::new(action.name));
            }
        }
    });
}

fn edit_ui(
    ui: &mut Ui,
    edit: &mut EditDraft,
    (i, many): (usize, usize),
    state: &AppState,
    commands: &mut Commands,
) -> Option<Move> {
    let theme = Theme::from_ui(ui);
    let mut moved = None;
    let (bar, _) = ui.allocate_exact_size(vec2(ui.available_width(), 1.0), egui::Sense::hover());
    ui.painter()
        .hline(bar.x_range(), bar.center().y, (1.0, theme.line.hair));
    ui.horizontal_wrapped(|ui| {
        select_ui(ui, i, state, commands);
        let name = format!("Edit {} is enabled", i + 1);
        let check = ui.checkbox(&mut edit.on, "");
        check
            .widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, edit.on, &name));
        check.on_hover_text(name);
        action_ui(ui, edit, i);
        for field in edit.fields() {
            field_ui(ui, edit, *field, state, commands);
        }
        if many > 1 {
            room(ui, 120.0);
            if i > 0 && icon_button(ui, icons::CARET_UP, "Apply earlier").clicked() {
                moved = Some(Move::Up(i));
            }
            if i + 1 < many && icon_button(ui, icons::CARET_DOWN, "Apply later").clicked() {
                moved = Some(Move::Down(i));
            }
            if icon_button(ui, icons::TRASH, "Remove this edit").clicked() {
                moved = Some(Move::Remove(i));
            }
        }
    });
    ui.horizontal_wrapped(|ui| {
        ui.add_space(24.0);
        where_ui(ui, edit, state);
    });
    let spec = edit.spec(state.selection.feature).ok();
    let units = spec
        .zip(state.sae())
        .and_then(|(spec, sae)| spec.units(sae));
    if let Some(units) = units {
        ui.horizontal_wrapped(|ui| {
            ui.add_space(24.0);
            ui.label(caption(units).color(theme.ink.secondary));
        });
    }
    if let Err(why) = edit.reach() {
        ui.horizontal(|ui| {
            ui.add_space(24.0);
            ui.label(caption(why).color(theme.failure));
        });
    }
    moved
}

/// The edit's number; a click selects the edit, and the inspector says what it does.
fn select_ui(ui: &mut Ui, i: usize, state: &AppState, commands: &mut Commands) {
    let selection = &state.selection;
    let selected = selection.focus == Focus::Edit && selection.edit == Some(i);
    let number = ui.selectable_label(selected, (i + 1).to_string());
    let name = format!("Select edit {}", i + 1);
    number.widget_info(|| {
        egui::WidgetInfo::selected(egui::Role::Button, true, selected, name.as_str())
    });
    if number.on_hover_text(name).clicked() {
        commands.send(navigation::Command::SelectEdit(i));
    }
}

fn action_ui(ui: &mut Ui, edit: &mut EditDraft, i: usize) {
    let mut chosen = None;
    let combo = ComboBox::from_id_salt(("action", i))
        .selected_text(label(edit.action))
        .width(112.0)
        .show_ui(ui, |ui| {
            for action in ACTIONS {
                let current = action.name == edit.action;
                let entry = ui.selectable_label(current, label(action.name));
                if entry.on_hover_text(action.help).clicked() {
                    chosen = Some(action.name);
                }
            }
        });
    combo.response.widget_info(|| {
        egui::WidgetInfo::labeled(
            egui::Role::ComboBox,
            true,
            format!("Action of edit {}", i + 1),
        )
    });
    combo.response.on_hover_text(help(edit.action).help);
    if let Some(action) = chosen {
        edit.begin(action);
    }
}

fn field_ui(
    ui: &mut Ui,
    edit: &mut EditDraft,
    field: Field,
    state: &AppState,
    commands: &mut Commands,
) {
    match field {
        Field::Feature => feature_ui(ui, edit, state, commands),
        Field::Strength => strength_ui(ui, edit),
        Field::Factor => amount_ui(ui, "Factor", &mut edit.amount),
        Field::Value => amount_ui(ui, "Value", &mut edit.amount),
        Field::Bounds => {
            bound_ui(ui, "At least", &mut edit.least);
            bound_ui(ui, "At most", &mut edit.most);
        }
        Field::Error => {
            let name = |error| ErrorName::ALL.into_iter().find(|(e, ..)| *e == error);
            let help = "Treatment of the dictionary's error: kept, dropped, frozen as in the run without edits, or only its linear or nonlinear part";
            choice_ui(
                ui,
                "Error",
                help,
                &mut edit.error,
                ErrorName::ALL.map(|(e, ..)| e),
                |error| name(error).map_or("", |(_, alone, _)| alone),
            );
        }
        Field::Part => {
            let help = "Value that replaces the activation: the reconstruction, with all or part of the error";
            choice_ui(
                ui,
                "Part",
                help,
                &mut edit.error,
                ErrorName::ALL.map(|(e, ..)| e),
                |error| {
                    let named = ErrorName::ALL.into_iter().find(|(e, ..)| *e == error);
                    named.map_or("", |(_, _, part)| part)
                },
            );
        }
        Field::From => {
            room(ui, 330.0);
            let label = ui.label("From");
            let text = TextEdit::singleline(&mut edit.from)
                .desired_width(280.0)
                .hint_text("Text whose activation replaces the value");
            ui.add(text).labelled_by(label.id);
        }
        Field::Attend => {
            let all = [
                Attend::Uniform,
                Attend::Previous,
                Attend::First,
                Attend::Itself,
            ];
            let help = "Attention of every query of the chosen heads";
            choice_ui(
                ui,
                "To",
                help,
                &mut edit.attend,
                all,
                |attend| match attend {
                    Attend::Uniform => "uniform attention",
                    Attend::Previous => "the previous token",
                    Attend::First => "the first token",
                    Attend::Itself => "itself",
                },
            );
        }
    }
}

fn feature_ui(ui: &mut Ui, edit: &mut EditDraft, state: &AppState, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let feature = edit.feature.or(state.selection.feature);
    if let Some(feature) = feature.filter(|_| state.sae().is_some()) {
        let chip = FeatureChip::new(feature, state.name(feature)).max_width(220.0);
        let reply = chip.show(ui, |ui| {
            ui.label("Click to open its page");
        });
        if reply.open || reply.beside {
            let beside = reply.beside;
            commands.send(navigation::Command::Feature { feature, beside });
        }
    } else {
        let (words, button, view) = if state.sae().is_some() {
            (
                "No feature selected",
                "Choose in Features",
                ViewId::Features,
            )
        } else {
            ("No dictionary", "Open a dictionary", ViewId::Library)
        };
        ui.label(RichText::new(words).color(secondary));
        if ui.button(button).clicked() {
            commands.send(navigation::Command::Go(view));
        }
    }
    room(ui, 100.0);
    let label = ui.label(caption("Other feature").color(secondary));
    let text = TextEdit::singleline(&mut edit.number)
        .align(Align2::LEFT_CENTER)
        .desired_width(48.0)
        .hint_text("#")
        .font(egui::TextStyle::Monospace);
    let response = ui.add(text).labelled_by(label.id);
    let entered = response.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
    let number = number_of(&edit.number, state);
    if entered && number.is_some() {
        edit.number.clear();
        edit.feature = number;
    } else if !edit.number.is_empty() && number.is_none() {
        let many = state.sae().map_or(0, |sae| sae.features());
        let words = format!("Type a number from 0 to {}", many.saturating_sub(1));
        ui.label(caption(words).color(Theme::from_ui(ui).failure));
    }
    let selected = state.selection.feature;
    if let (Some(own), Some(selected)) = (edit.feature, selected)
        && own != selected
        && ui
            .button(format!("Use #{selected}"))
            .on_hover_text("The feature that is selected now")
            .clicked()
    {
        edit.feature = None;
    }
}

fn number_of(text: &str, state: &AppState) -> Option<FeatureId> {
    let number: usize = text.trim().trim_start_matches('#').parse().ok()?;
    (number < state.sae()?.features()).then(|| FeatureId::from(number))
}

/// Goes to the next row where this one has no room for `width` more: a label and its control stay together.
pub(super) fn room(ui: &mut Ui, width: f32) {
    if ui.available_size_before_wrap().x < width {
        ui.end_row();
        // So that the label stands in the middle of the control beside it.
        ui.set_row_height(space::CONTROL_ROW);
    }
}

fn strength_ui(ui: &mut Ui, edit: &mut EditDraft) {
    let theme = Theme::from_ui(ui);
    room(ui, 340.0);
    let label = ui.label("Strength");
    let help = "Multiple of the feature's decoder row";
    ui.scope(|ui| {
        ui.spacing_mut().slider_width = 160.0;
        ui.visuals_mut().selection.bg_fill = theme.edit;
        let slider = Slider::new(&mut edit.amount, STRENGTHS)
            .clamping(egui::SliderClamping::Never)
            .show_value(false);
        ui.add(slider).labelled_by(label.id).on_hover_text(help);
    });
    let drag = DragValue::new(&mut edit.amount).speed(0.1).max_decimals(2);
    ui.add(drag).labelled_by(label.id).on_hover_text(help);
    let zero = Button::new("0").min_size(vec2(28.0, 0.0));
    let response = ui
        .add(zero)
        .on_hover_text("No steering: both texts are identical");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Strength 0"));
    if response.clicked() {
        edit.amount = 0.0;
    }
}

fn amount_ui(ui: &mut Ui, name: &str, amount: &mut f32) {
    let label = ui.label(name);
    let drag = DragValue::new(amount).speed(0.05).max_decimals(3);
    ui.add(drag).labelled_by(label.id);
}

fn bound_ui(ui: &mut Ui, name: &str, bound: &mut Option<f32>) {
    let mut on = bound.is_some();
    let check = ui.checkbox(&mut on, name);
    if check.changed() {
        *bound = on.then_some(0.0);
    }
    if let Some(bound) = bound {
        let drag = DragValue::new(bound).speed(0.05).max_decimals(3);
        ui.add(drag).labelled_by(check.id);
    }
}

fn choice_ui<T: Copy + PartialEq, const N: usize>(
    ui: &mut Ui,
    name: &str,
    help: &str,
    value: &mut T,
    all: [T; N],
    words: impl Fn(T) -> &'static str,
) {
    room(ui, 190.0);
    let label = ui.label(name).on_hover_text(help);
    let combo = ComboBox::from_id_salt(name)
        .selected_text(words(*value))
        .width(120.0)
        .show_ui(ui, |ui| {
            for option in all {
                ui.selectable_value(value, option, words(option));
            }
        });
    combo.response.labelled_by(label.id).on_hover_text(help);
}

/// Hook, positions and heads.
fn where_ui(ui: &mut Ui, edit: &mut EditDraft, state: &AppState) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let own = state.sae().and_then(|sae| sae.hook().ok());
    let label = ui.label(caption("Hook").color(secondary));
    hook_ui(ui, edit, own, state).labelled_by(label.id);
    if let (Some(HookPoint::Block(layer, site)), Some(model)) = (edit.hook, state.model()) {
        let label = ui.label(caption("Block").color(secondary));
        let mut at = layer.0;
        let last = model.model.config().layers as u32 - 1;
        if ui
            .add(DragValue::new(&mut at).range(0..=last))
            .labelled_by(label.id)
            .changed()
        {
            edit.hook = Some(HookPoint::block(at as usize, site));
        }
    }
    let help = "all, prompt, new, last, or numbers and ranges: 1.., 0,4,7..9, 1..prompt. By default, edits of a dictionary skip position 0, the attention sink";
    let label = ui
        .label(caption("Positions").color(secondary))
        .on_hover_text(help);
    let text = TextEdit::singleline(&mut edit.positions)
        .desired_width(72.0)
        .hint_text("default")
        .font(egui::TextStyle::Monospace);
    ui.add(text).labelled_by(label.id).on_hover_text(help);
    if edit.has_heads(own) {
        let help = "Numbers such as 0,3; empty for all";
        let label = ui
            .label(caption("Heads").color(secondary))
            .on_hover_text(help);
        let text = TextEdit::singleline(&mut edit.heads)
            .desired_width(56.0)
            .hint_text("all")
            .font(egui::TextStyle::Monospace);
        ui.add(text).labelled_by(label.id).on_hover_text(help);
    } else {
        edit.heads.clear();
    }
}

fn hook_ui(
    ui: &mut Ui,
    edit: &mut EditDraft,
    own: Option<HookPoint>,
    state: &AppState,
) -> egui::Response {
    let default = own.map_or_else(
        || "Choose a hook".to_owned(),
        |own| format!("{own} (the dictionary's)"),
    );
    let shown = match edit.hook {
        None => default.clone(),
        Some(HookPoint::Block(_, site)) => site.name().to_owned(),
        Some(outside) => outside.to_string(),
    };
    let combo = ComboBox::from_id_salt("hook")
        .selected_text(shown)
        .width(220.0)
        .show_ui(ui, |ui| {
            if edit.action != "attend" && own.is_some() {
                ui.selectable_value(&mut edit.hook, None, default);
            }
            let Some(model) = state.model() else {
                return;
            };
            let layer = edit.hook.and_then(HookPoint::layer).unwrap_or_default();
            for hook in model.model.hooks() {
                let (hook, name) = match hook {
                    HookPoint::Block(at, _) if at.index() > 0 => continue,
                    HookPoint::Block(_, site) => {
                        (HookPoint::Block(layer, site), site.name().to_owned())
                    }
                    outside => (outside, outside.to_string()),
                };
                let pattern = hook.site() == Some(Site::Pattern);
                if edit.action == "attend" && !pattern {
                    continue;
                }
                ui.selectable_value(&mut edit.hook, Some(hook), name);
            }
        });
    combo.response
}
