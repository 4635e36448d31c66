//! Where an edit applies: hook, positions, heads, and what becomes of the dictionary's error. Folded away until it is asked for.

use egui::{ComboBox, Label, TextEdit, Ui};
use umbra_core::ids::{HookPoint, Site};
use umbra_core::steer::ErrorName;

use crate::state::AppState;
use crate::state::catalogue::Dictionary;
use crate::state::steering::{EditDraft, Field};
use crate::theme::{Theme, caption, mono, space};
use crate::widgets::form::Row;
use crate::widgets::hook_picker::{HookPicker, Picked};

/// Returns where an edit applies, in a line.
pub(super) fn summary(edit: &EditDraft, state: &AppState) -> String {
    let mut words = Vec::new();
    let own = edit.dictionary_in(state).filter(|_| edit.uses_dictionary());
    words.extend(own.map(|dictionary| dictionary.name.clone()));
    let hook = edit.hook.or_else(|| own?.edited_hook());
    words.push(hook.map_or_else(|| "no hook yet".to_owned(), |hook| hook.to_string()));
    if !edit.heads.trim().is_empty() {
        words.push(format!("heads {}", edit.heads.trim()));
    }
    words.push(if edit.positions.trim().is_empty() {
        "default positions".to_owned()
    } else {
        format!("positions {}", edit.positions.trim())
    });
    words.join(" · ")
}

/// Draws the rows.
pub(super) fn place_ui(ui: &mut Ui, edit: &mut EditDraft, i: usize, state: &AppState) {
    if edit.written.is_some() {
        let words = "This edit is applied as it is written";
        ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary));
        return;
    }
    ui.spacing_mut().item_spacing.y = space::CHIP;
    let own = edit.dictionary_in(state).filter(|_| edit.uses_dictionary());
    if let Some(dictionary) = own {
        let row = Row {
            label: "Dictionary",
            help: "Dictionary whose feature, hook and error the edit names. It stays when another one comes into use",
            wide: state.catalogue.dictionaries.len() < 2, // a name alone, without a choice
            ..Row::default()
        };
        let mut picked = None;
        row.ui(ui, |ui, width| {
            dictionary_ui(ui, width, dictionary, state, &mut picked)
        });
        if let Some(name) = picked {
            edit.pin(state);
            edit.dictionary = Some(name);
        }
    }
    let own = own.and_then(Dictionary::edited_hook);
    hook_ui(ui, edit, i, own, state);
    let wrong = edit.reach().err();
    let of_heads = wrong.as_ref().is_some_and(|why| why.starts_with("heads"));
    let row = Row {
        label: "Positions",
        help: "all, prompt, new, last, numbers and ranges (1.., 0,4,7..9, 1..prompt), after: king (all after the first such token), or role:user in a chat. By default, edits of a dictionary skip position 0, the attention sink",
        reset: (!edit.positions.is_empty()).then_some("default"),
        error: wrong.as_deref().filter(|_| !of_heads),
        ..Row::default()
    };
    let positions = &mut edit.positions;
    if row.ui(ui, |ui, width| text_ui(ui, positions, "default", width)) {
        positions.clear();
    }
    if edit.has_heads(own) {
        let row = Row {
            label: "Heads",
            help: "Numbers such as 0,3; empty for all",
            reset: (!edit.heads.is_empty()).then_some("all"),
            error: wrong.as_deref().filter(|_| of_heads),
            ..Row::default()
        };
        let heads = &mut edit.heads;
        if row.ui(ui, |ui, width| text_ui(ui, heads, "all", width)) {
            heads.clear();
        }
    } else {
        edit.heads.clear();
    }
    if edit.fields().contains(&Field::Error) {
        error_ui(ui, edit);
    }
}

fn text_ui(ui: &mut Ui, text: &mut String, hint: &str, width: f32) -> egui::Response {
    let field = TextEdit::singleline(text)
        .desired_width(width - 8.0)
        .hint_text(hint)
        .font(egui::TextStyle::Monospace);
    ui.add(field)
}

/// Draws the dictionary's name, and a choice where there are others.
fn dictionary_ui(
    ui: &mut Ui,
    width: f32,
    chosen: &Dictionary,
    state: &AppState,
    picked: &mut Option<String>,
) -> egui::Response {
    let all = &state.catalogue.dictionaries;
    if all.len() < 2 {
        return ui.add(Label::new(&chosen.name).truncate());
    }
    let option_ui = |ui: &mut Ui, of: &Dictionary| {
        let option = ui.selectable_label(of.id == chosen.id, &of.name);
        option.clicked().then(|| of.name.clone())
    };
    ComboBox::from_id_salt("dictionary")
        .selected_text(&chosen.name)
        .width(width)
        .truncate()
        .show_ui(ui, |ui| {
            for of in all {
                *picked = option_ui(ui, of).or(picked.take());
            }
        })
        .response
}

fn error_ui(ui: &mut Ui, edit: &mut EditDraft) {
    let row = Row {
        label: "Error",
        help: "Treatment of the dictionary's error: kept, dropped, frozen as in the run without edits, or only its linear or nonlinear part",
        reset: (edit.error != ErrorName::Kept).then_some("kept"),
        ..Row::default()
    };
    let error = &mut edit.error;
    if row.ui(ui, |ui, width| choice_ui(ui, width, error, error_word)) {
        *error = ErrorName::Kept;
    }
}

/// The word of a treatment of the error.
fn error_word(error: ErrorName) -> &'static str {
    let all = ErrorName::ALL.into_iter();
    let named = all.into_iter().find(|(e, ..)| *e == error);
    named.map_or("", |(_, alone, _)| alone)
}

/// Draws a choice among the treatments of the error.
pub(super) fn choice_ui(
    ui: &mut Ui,
    width: f32,
    value: &mut ErrorName,
    words: fn(ErrorName) -> &'static str,
) -> egui::Response {
    ComboBox::from_id_salt("error")
        .selected_text(words(*value))
        .width(width)
        .truncate()
        .show_ui(ui, |ui| {
            for (option, ..) in ErrorName::ALL {
                ui.selectable_value(value, option, words(option));
            }
        })
        .response
}

fn hook_ui(ui: &mut Ui, edit: &mut EditDraft, i: usize, own: Option<HookPoint>, state: &AppState) {
    let default = own.map(|own| format!("{own} (the dictionary's)"));
    let default = default.filter(|_| edit.action != "attend");
    let shown = match (edit.hook, &default) {
        (Some(hook), _) => hook.to_string(),
        (None, Some(default)) => default.clone(),
        (None, None) => "Choose a hook".to_owned(),
    };
    let row = Row {
        label: "Hook",
        help: "Activation that the edit changes, by its name in TransformerLens",
        reset: default.as_deref().filter(|_| edit.hook.is_some()),
        ..Row::default()
    };
    let is_pattern = edit.action == "attend";
    let mut picked = None;
    let reset = row.ui(ui, |ui, width| {
        let salt = i.to_string();
        let picker = HookPicker {
            salt: &salt,
            shown: &shown,
            default: default.as_deref(),
        };
        let hooks = || {
            let model = state.model();
            let all = model.into_iter().flat_map(|loaded| loaded.model.hooks());
            all.filter(|hook| !is_pattern || hook.site() == Some(Site::Pattern))
                .collect()
        };
        let (response, chosen) = picker.ui(ui, width, hooks);
        picked = chosen;
        response
    });
    match picked {
        Some(Picked::Hook(hook)) => edit.hook = Some(hook),
        Some(Picked::Default) => edit.hook = None,
        None if reset => edit.hook = None,
        None => {}
    }
}

/// Draws the hook of an edit that names no feature.
pub(super) fn words_ui(ui: &mut Ui, edit: &EditDraft, state: &AppState) {
    let own = edit.dictionary_in(state).and_then(Dictionary::edited_hook);
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(hook) = edit.hook.or(own) else {
        ui.add(Label::new(caption("Choose its hook below").color(secondary)).truncate());
        return;
    };
    let heads = edit.heads.trim();
    let words = if heads.is_empty() {
        hook.to_string()
    } else {
        format!("{hook} heads {heads}")
    };
    let text = Label::new(mono(&words)).truncate();
    ui.add(text).on_hover_text(words);
}
