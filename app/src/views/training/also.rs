//! Further dictionaries under the form: each with its hook, its name and the settings that differ from the first.

use egui::collapsing_header::CollapsingState;
use egui::{Button, Label, Rect, Role, Ui, WidgetInfo, vec2};
use umbra_core::train::{SETTINGS, SHARED, Setting};

use super::dictionary::{changed_of, fill, more_ui};
use super::fields::{FIRST, hook_ui, name_ui, setting_ui};
use crate::state::AppState;
use crate::state::requests::Commands;
use crate::state::training::plan::{Plan, Planned, layers_with};
use crate::state::training::{Draft, Form, TOGETHER};
use crate::theme::{Theme, body_strong, caption, icon, icons, space};

/// Origin of a setting taken from the first dictionary.
const ORIGIN: &str = "as above";

/// The user's action on a further dictionary.
enum Change {
    To(Draft),
    Duplicate,
    Remove,
}

/// Draws them and the button that adds one.
pub(super) fn also_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let form = &state.training.form;
    for (i, (draft, planned)) in form.also.iter().zip(&plan.also).enumerate() {
        let change = ui.push_id(("also", i), |ui| {
            draft_ui(ui, state, (i, draft), planned, commands)
        });
        if let Some(change) = change.inner {
            fill(commands, changed(form, i, change));
        }
    }
    add_ui(ui, state, plan, commands);
}

/// `form` after a change to its further dictionary `i`.
fn changed(form: &Form, i: usize, change: Change) -> Form {
    let mut form = form.clone();
    match change {
        Change::To(draft) => form.also[i] = draft,
        Change::Duplicate => {
            let name = None;
            let again = Draft {
                name,
                ..form.also[i].clone()
            };
            form.also.insert(i + 1, again);
        }
        Change::Remove => drop(form.also.remove(i)),
    }
    form
}

/// Why no further dictionary can be added, if none can.
fn full(form: &Form) -> Option<String> {
    if form.from.is_some() {
        return Some("A dictionary that continues from another is trained alone".to_owned());
    }
    (form.also.len() + 1 >= TOGETHER).then(|| {
        format!("The window trains up to {TOGETHER} at once: start them, then train the others, or train more at once on the command line")
    })
}

fn add_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let form = &state.training.form;
    let full = full(form);
    let secondary = Theme::from_ui(ui).ink.secondary;
    let button = Button::new(format!("{}  Also train another", icons::PLUS));
    let response = ui.add_enabled(full.is_none(), button).on_hover_text(
        "Trains one more dictionary from the same pass of the model (or reading of the store), with another hook, variant or width. It starts on the next layer with the settings above",
    );
    let is_free = full.is_none();
    response.widget_info(|| WidgetInfo::labeled(Role::Button, is_free, "Also train another"));
    if response.clicked() {
        let features = (plan.also.iter().chain([&plan.first])).map(|planned| planned.spec.features);
        let mut form = form.clone();
        let another = form.another(
            &layers_with(state, form.site),
            features.max().unwrap_or_default(),
        );
        form.also.push(another);
        fill(commands, form);
    }
    if let Some(why) = full {
        ui.add(Label::new(caption(why).color(secondary)).wrap());
    } else if !form.also.is_empty() {
        let words = "All read the same activations: training tokens, seed, batch size and buffer are set above";
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
}

fn draft_ui(
    ui: &mut Ui,
    state: &AppState,
    (i, draft): (usize, &Draft),
    planned: &Planned,
    commands: &mut Commands,
) -> Option<Change> {
    ui.separator();
    let id = ui.scope_id().with("fields");
    let mut fields = CollapsingState::load_with_default_open(ui.ctx(), id, true);
    if !planned.errors.is_empty() {
        fields.set_open(true);
    }
    let mut change = None;
    let header = fields.show_header(ui, |ui| head_ui(ui, i, planned, &mut change));
    header.body_unindented(|ui| {
        if let Some(draft) = fields_ui(ui, state, draft, planned, commands) {
            change = Some(Change::To(draft));
        }
    });
    change
}

/// Its name and hook, in the colour that its curves will have, and what can be done with it.
fn head_ui(ui: &mut Ui, i: usize, planned: &Planned, change: &mut Option<Change>) {
    let theme = Theme::from_ui(ui);
    ui.spacing_mut().item_spacing.x = space::CONTROL;
    let (rect, _) = ui.allocate_exact_size(vec2(8.0, 8.0), egui::Sense::hover());
    let mark = Rect::from_center_size(rect.center(), vec2(8.0, 8.0));
    ui.painter().rect_filled(mark, 2.0, theme.series(i + 1));
    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
        for (symbol, words, what) in [
            (icons::X, "Remove", Change::Remove),
            (icons::COPY, "Duplicate", Change::Duplicate),
        ] {
            let words = format!("{words} {}", planned.name);
            let size = vec2(space::TABLE_ROW, space::TABLE_ROW);
            let button = Button::new(icon(symbol)).frame(false).min_size(size);
            let response = ui.add(button).on_hover_text(&words);
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &words));
            if response.clicked() {
                *change = Some(what);
            }
        }
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            ui.label(body_strong(&planned.name));
            let hook = caption(planned.spec.hook.to_string()).color(theme.ink.secondary);
            ui.add(Label::new(hook).truncate());
        });
    });
}

fn fields_ui(
    ui: &mut Ui,
    state: &AppState,
    draft: &Draft,
    planned: &Planned,
    commands: &mut Commands,
) -> Option<Draft> {
    let mut changed = hook_ui(ui, state, planned, draft);
    changed = name_ui(ui, planned, draft).or(changed);
    let own = |s: &&Setting| s.counts_for(&planned.spec) && !SHARED.contains(&s.key);
    let all = || SETTINGS.iter().filter(own);
    for setting in all().filter(|s| FIRST.contains(&s.key)) {
        changed = setting_ui(ui, (planned, ORIGIN), draft, setting).or(changed);
    }
    let more: Vec<&Setting> = all().filter(|s| !FIRST.contains(&s.key)).collect();
    let differ = changed_of(&more, draft);
    if more_ui(ui, state, (planned, false), (&more, &differ), commands) {
        for setting in more {
            changed = setting_ui(ui, (planned, ORIGIN), draft, setting).or(changed.take());
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_duplicated_behind_itself_under_another_name_and_removed() {
        let mut form = Form::default();
        for features in [512, 1_024] {
            let mut draft = form.another(&[0], features);
            draft.name = Some(format!("wide-{features}"));
            form.also.push(draft);
        }
        let twice = changed(&form, 0, Change::Duplicate);
        let names: Vec<_> = twice.also.iter().map(|d| d.name.as_deref()).collect();
        assert_eq!(names, [Some("wide-512"), None, Some("wide-1024")]);
        assert_eq!(twice.also[0].settings, twice.also[1].settings);
        assert_eq!(changed(&twice, 1, Change::Remove), form);
        assert_eq!(full(&form), None);
        let from = form.going_on_from("saes/z".into(), None);
        assert!(full(&from).unwrap().contains("alone"));
    }
}
