//! The stack of edits, one aligned row each: whether it is in force, what is done, to what, how much; where it applies is folded away below.

use egui::{
    Button, DragAndDrop, Layout, Rect, Response, RichText, ScrollArea, Stroke, StrokeKind, Ui,
    pos2, vec2,
};
use umbra_core::steer::ACTIONS;

use super::edit::{action_ui, amount_ui, target_ui};
use super::place::{place_ui, summary};
use crate::state::AppState;
use crate::state::history::{Change, Entry};
use crate::state::requests::steering::files;
use crate::state::requests::{Commands, navigation, shell, steering};
use crate::state::selection::Focus;
use crate::state::steering::{Dragged, EditDraft, label};
use crate::theme::{Theme, caption, icons, panel_title, space};
use crate::widgets::form;
use crate::widgets::parts::{icon_button, icon_button_enabled};

/// Width of the column of numbers and of that of check marks.
const MARK: f32 = 28.0;

/// Width of the column of actions.
const ACTION: f32 = 124.0;

/// Width of the column of amounts.
const AMOUNT: f32 = 336.0;

/// Least and greatest width of the column of targets beside the amounts.
const TARGET: [f32; 2] = [168.0, 360.0];

/// Width of the buttons at the end of a row.
const BUTTONS: f32 = 4.0 * space::CONTROL_ROW + 3.0 * space::CHIP;

/// Room around the menu of actions in a small window.
const MENU_MARGIN: f32 = 80.0;

/// Name of the parts that say where edits apply.
const PLACE: &str = "place of edits";

/// A change of the stack, made after it is drawn.
#[derive(Debug, Clone, Copy)]
enum Move {
    Up(usize),
    Down(usize),
    Double(usize),
    Remove(usize),
}

/// Draws the stack and lets a person change it; returns its first control.
pub(super) fn stack_ui(
    ui: &mut Ui,
    edits: &mut Vec<EditDraft>,
    state: &AppState,
    commands: &mut Commands,
) -> Response {
    let top = ui.cursor().top();
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal_wrapped(|ui| {
        ui.label(panel_title("Edits"));
        let words = "Applied in this order each time the model computes the hook";
        ui.label(caption(words).color(secondary));
    });
    let many = edits.len();
    // One width for all rows: what is wider than its place in one would shift those below.
    let width = ui.available_width();
    let (mut first, mut moved) = (None, None);
    for (i, edit) in edits.iter_mut().enumerate() {
        ui.push_id(("edit", i), |ui| {
            let before = edit.clone();
            let (control, asked) = edit_ui(ui, edit, (i, many, width), state, commands);
            first.get_or_insert(control);
            moved = asked.or(moved);
            if *edit != before {
                commands.send(navigation::Command::SelectEdit(i));
            }
        });
    }
    match moved {
        Some(Move::Up(i)) => edits.swap(i - 1, i),
        Some(Move::Down(i)) => edits.swap(i, i + 1),
        Some(Move::Double(i)) => {
            edits[i].pin(state);
            edits.insert(i + 1, edits[i].clone());
            commands.send(navigation::Command::SelectEdit(i + 1));
        }
        Some(Move::Remove(i)) => drop(edits.remove(i)),
        None => {}
    }
    if edits.is_empty() {
        let words = "No edits: both texts would be the same";
        ui.label(RichText::new(words).color(secondary));
    }
    let add = ui
        .horizontal_wrapped(|ui| {
            let add = add_ui(ui, edits, state, commands);
            files_ui(ui, edits, commands);
            history_ui(ui, state, commands);
            add
        })
        .inner;
    drop_ui(ui, top, commands);
    first.unwrap_or(add)
}

/// Draws the button that adds an edit.
fn add_ui(
    ui: &mut Ui,
    edits: &mut Vec<EditDraft>,
    state: &AppState,
    commands: &mut Commands,
) -> Response {
    let menu = ui.menu_button(format!("{}  Add an edit", icons::PLUS), |ui| {
        // All actions fit into the smallest window, whose text may be large.
        let most = ui.ctx().content_rect().height() - MENU_MARGIN;
        let area = ScrollArea::vertical().max_height(most);
        area.show(ui, |ui| entries_ui(ui, edits, state, commands));
    });
    let name = || egui::WidgetInfo::labeled(egui::Role::Button, true, "Add an edit");
    menu.response.widget_info(name);
    menu.response
}

/// Draws the entries of the menu that adds an edit.
fn entries_ui(ui: &mut Ui, edits: &mut Vec<EditDraft>, state: &AppState, commands: &mut Commands) {
    for action in ACTIONS {
        let name = label(action.name);
        let entry = ui.add(Button::new(&name).shortcut_text(action.help));
        entry.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
        if entry.clicked() {
            // Those before keep what they edit by.
            for edit in edits.iter_mut() {
                edit.pin(state);
            }
            edits.push(EditDraft::new(action.name));
            commands.send(navigation::Command::SelectEdit(edits.len() - 1));
        }
    }
    ui.separator();
    let vectors = ui.button("Vectors of a file…");
    let help = "Adds each vector of a safetensors file at the hook in whose name it stands";
    if vectors.on_hover_text(help).clicked() {
        commands.send(files::Command::PickVectors);
    }
}

/// Draws the buttons of files.
fn files_ui(ui: &mut Ui, edits: &[EditDraft], commands: &mut Commands) {
    let open = ui.button("Open edits…");
    let open = open.on_hover_text(
        "Replaces the stack by the edits of a TOML file, as `umbra steer --edits` reads it",
    );
    if open.clicked() {
        commands.send(files::Command::PickOpen);
    }
    let save = ui.add_enabled(!edits.is_empty(), Button::new("Save edits…"));
    let save = save.on_hover_text(
        "Writes the stack into a TOML file, which this screen and `umbra steer --edits` open",
    );
    if save.clicked() {
        commands.send(files::Command::PickSave);
    }
    let adds = edits.iter().any(|edit| edit.on && edit.action == "add");
    let vectors = ui.add_enabled(adds, Button::new("Save as vectors…"));
    let help = "Writes one vector per hook, the sum of what the enabled edits add, into a safetensors file for any library";
    if vectors.on_hover_text(help).clicked() {
        commands.send(files::Command::PickSaveVectors);
    }
}

/// Draws undo and redo of the edits; other changes, such as labels, are left to Ctrl+Z.
fn history_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let of_edits = |entry: Option<&Entry>| {
        let entry = entry.filter(|entry| matches!(entry.change, Change::Edits(_)));
        entry.map(|entry| entry.what.clone())
    };
    let (history, ask) = (&state.history, shell::Command::Undo);
    let steps = [
        (icons::ARROW_U_UP_LEFT, "Undo", history.done.last(), ask),
        (
            icons::ARROW_U_UP_RIGHT,
            "Redo",
            history.undone.last(),
            shell::Command::Redo,
        ),
    ];
    for (icon, verb, entry, command) in steps {
        let what = of_edits(entry);
        let name = match &what {
            Some(what) => format!("{verb}: {what}"),
            None => format!("{verb} the change of the edits"),
        };
        if icon_button_enabled(ui, icon, &name, what.is_some()).clicked() {
            commands.send(command);
        }
    }
}

/// Takes a feature chip that is dropped on the stack, which begins at `top`; while one is dragged, the stack is framed.
fn drop_ui(ui: &Ui, top: f32, commands: &mut Commands) {
    let Some(dragged) = DragAndDrop::payload::<Dragged>(ui.ctx()) else {
        return;
    };
    let theme = Theme::from_ui(ui);
    let (left, right) = (ui.max_rect().left(), ui.max_rect().right());
    let place = Rect::from_min_max(pos2(left, top), pos2(right, ui.cursor().top()));
    let place = place.expand(space::CHIP).intersect(ui.clip_rect());
    let pointer = ui.input(|input| input.pointer.interact_pos());
    // A window over the stack takes no chip for it.
    let is_top = |at| {
        let layer = ui.ctx().layer_id_at(at);
        layer.is_none_or(|layer| layer == ui.layer_id())
    };
    let is_over = pointer.is_some_and(|at| place.contains(at) && is_top(at));
    let width = if is_over { 2.0 } else { 1.0 };
    let frame = Stroke::new(width, theme.edit);
    ui.painter()
        .rect_stroke(place, space::CORNER, frame, StrokeKind::Inside);
    if is_over && ui.input(|input| input.pointer.any_released()) {
        DragAndDrop::clear_payload(ui.ctx());
        ui.ctx().request_repaint();
        commands.send(steering::Command::Steer(
            dragged.dictionary,
            vec![dragged.feature],
        ));
    }
}

/// Draws in a place as wide as a column.
fn cell<R>(ui: &mut Ui, width: f32, content: impl FnOnce(&mut Ui) -> R) -> R {
    let size = vec2(width, space::CONTROL_ROW);
    let layout = Layout::left_to_right(egui::Align::Center);
    ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_size(size);
        ui.set_max_width(width);
        content(ui)
    })
    .inner
}

fn edit_ui(
    ui: &mut Ui,
    edit: &mut EditDraft,
    (i, many, width): (usize, usize, f32),
    state: &AppState,
    commands: &mut Commands,
) -> (Response, Option<Move>) {
    let theme = Theme::from_ui(ui);
    let mut moved = None;
    let (bar, _) = ui.allocate_exact_size(vec2(width, 1.0), egui::Sense::hover());
    ui.painter()
        .hline(bar.x_range(), bar.center().y, (1.0, theme.line.hair));
    let before = 2.0 * MARK + ACTION + 3.0 * space::CONTROL;
    let middle = width - before - BUTTONS - space::CONTROL;
    let amount = edit.has_amount();
    let is_one_line = amount && middle >= TARGET[0] + space::CONTROL + AMOUNT;
    let target = if is_one_line {
        (middle - space::CONTROL - AMOUNT).min(TARGET[1])
    } else {
        middle
    };
    let first = ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::CONTROL;
        let first = cell(ui, MARK, |ui| select_ui(ui, i, state, commands));
        cell(ui, MARK, |ui| on_ui(ui, edit, i));
        cell(ui, ACTION, |ui| action_ui(ui, edit, i));
        cell(ui, target, |ui| target_ui(ui, edit, i, state, commands));
        if is_one_line {
            cell(ui, AMOUNT, |ui| amount_ui(ui, edit));
            let rest = middle - target - space::CONTROL - AMOUNT;
            ui.add_space(rest.max(0.0));
        }
        cell(ui, BUTTONS, |ui| moved = buttons_ui(ui, (i, many)));
        first
    });
    let indent = 2.0 * MARK + 2.0 * space::CONTROL;
    if amount && !is_one_line {
        ui.horizontal(|ui| {
            ui.add_space(indent);
            amount_ui(ui, edit);
        });
    }
    ui.horizontal_top(|ui| {
        ui.add_space(indent - space::CONTROL);
        ui.vertical(|ui| below_ui(ui, edit, i, state, commands));
    });
    (first.inner, moved)
}

fn on_ui(ui: &mut Ui, edit: &mut EditDraft, i: usize) {
    let name = format!("Edit {} is enabled", i + 1);
    let check = ui.checkbox(&mut edit.on, "");
    check.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, edit.on, &name));
    check.on_hover_text(name);
}

/// The edit's number; a click selects the edit, and the inspector says what it does.
fn select_ui(ui: &mut Ui, i: usize, state: &AppState, commands: &mut Commands) -> Response {
    let selection = &state.selection;
    let selected = selection.focus == Focus::Edit && selection.edit == Some(i);
    ui.spacing_mut().button_padding.x = 4.0;
    let words = Button::selectable(selected, (i + 1).to_string());
    let number = ui.add(words.min_size(vec2(MARK, space::CONTROL_ROW)));
    let name = format!("Select edit {}", i + 1);
    number.widget_info(|| {
        egui::WidgetInfo::selected(egui::Role::Button, true, selected, name.as_str())
    });
    let number = number.on_hover_text(name);
    if number.clicked() {
        commands.send(navigation::Command::SelectEdit(i));
    }
    number
}

/// Draws the buttons that order and remove; those that would do nothing leave their place empty.
fn buttons_ui(ui: &mut Ui, (i, many): (usize, usize)) -> Option<Move> {
    ui.spacing_mut().item_spacing.x = space::CHIP;
    let mut moved = None;
    let gap = |ui: &mut Ui| {
        ui.add_space(space::CONTROL_ROW + space::CHIP);
    };
    if i == 0 {
        gap(ui);
    } else if icon_button(ui, icons::CARET_UP, "Apply earlier").clicked() {
        moved = Some(Move::Up(i));
    }
    if i + 1 == many {
        gap(ui);
    } else if icon_button(ui, icons::CARET_DOWN, "Apply later").clicked() {
        moved = Some(Move::Down(i));
    }
    if icon_button(ui, icons::COPY, "Duplicate this edit").clicked() {
        moved = Some(Move::Double(i));
    }
    if icon_button(ui, icons::TRASH, "Remove this edit").clicked() {
        moved = Some(Move::Remove(i));
    }
    moved
}

/// Draws where the edit applies, its units, and why it cannot be made.
fn below_ui(
    ui: &mut Ui,
    edit: &mut EditDraft,
    i: usize,
    state: &AppState,
    commands: &mut Commands,
) {
    let theme = Theme::from_ui(ui);
    let id = ui.make_persistent_id(PLACE);
    let kept = ui.data(|data| data.get_temp(id));
    let open = kept.unwrap_or_else(|| state.settings.unfolded.contains(PLACE));
    let wrong = edit.reach().is_err();
    let words = summary(edit, state);
    if form::fold(ui, open || wrong, "Where", &words) {
        ui.data_mut(|data| data.insert_temp(id, !open));
        commands.send(shell::Command::Unfold(PLACE, !open));
    }
    if open || wrong {
        place_ui(ui, edit, i, state);
    }
    let note = |ui: &mut Ui, words: &str, colour| {
        ui.horizontal(|ui| {
            ui.add_space(space::CONTROL);
            ui.add(egui::Label::new(caption(words).color(colour)).wrap());
        });
    };
    match edit.dictionary_id(state) {
        Err(why) => note(ui, &why, theme.failure),
        Ok(dictionary) => {
            let sae = dictionary.and_then(|id| state.sae_of(id));
            let spec = edit.spec_in(state).ok();
            let units = sae.zip(spec).and_then(|(sae, spec)| spec.units(sae));
            if let Some(units) = units {
                note(ui, &units, theme.ink.secondary);
            }
        }
    }
}
