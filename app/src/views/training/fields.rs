//! The fields of one dictionary: hook, name, settings. A change is answered with what the dictionary is then.

use std::collections::BTreeMap;

use egui::Ui;
use umbra_core::ids::HookPoint;
use umbra_core::train::{Range, Setting};

use crate::state::AppState;
use crate::state::training::Draft;
use crate::state::training::plan::{self, Planned};
use crate::widgets::focus;
use crate::widgets::form::Row;
use crate::widgets::hook_picker::{HookPicker, Picked};
use crate::widgets::settings_form::{Field, Kind};

/// Settings shown in the form; the others are under "More settings".
pub(super) const FIRST: [&str; 5] = ["variant", "features", "k", "tokens", "seed"];

fn error<'a>(errors: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    errors.get(key).map(String::as_str)
}

/// Activation that it reads.
pub(super) fn hook_ui(
    ui: &mut Ui,
    state: &AppState,
    planned: &Planned,
    draft: &Draft,
) -> Option<Draft> {
    let row = Row {
        label: "Hook",
        help: "Activation that the dictionary reads, by its name in TransformerLens: attn.hook_z holds the heads' outputs before the output projection, hook_resid_post the residual stream after a block",
        error: error(&planned.errors, "hook"),
        ..Row::default()
    };
    let (mut picked, shown) = (None, draft.hook().to_string());
    row.ui(ui, |ui, width| {
        let picker = HookPicker {
            salt: "read",
            shown: &shown,
            default: None,
        };
        let (response, chosen) = picker.ui(ui, width, || plan::hooks(state));
        focus::main(&response);
        picked = chosen;
        response
    });
    match picked {
        Some(Picked::Hook(HookPoint::Block(layer, site))) => Some(Draft {
            layer: layer.index(),
            site,
            ..draft.clone()
        }),
        _ => None,
    }
}

/// Its name.
pub(super) fn name_ui(ui: &mut Ui, planned: &Planned, draft: &Draft) -> Option<Draft> {
    let field = Field {
        key: "name",
        label: "Name",
        unit: "",
        help: "Name of its folder in the project's saes folder",
        default: &planned.made,
        origin: "default",
        kind: Kind::Text,
        error: error(&planned.errors, "name"),
    };
    let name = field.ui(ui, &planned.name)?;
    Some(Draft {
        name: (name != planned.made).then_some(name),
        ..draft.clone()
    })
}

/// Draws one setting; `origin` names the source of the value where nothing is written.
pub(super) fn setting_ui(
    ui: &mut Ui,
    (planned, origin): (&Planned, &str),
    draft: &Draft,
    setting: &Setting,
) -> Option<Draft> {
    let default = planned.base.get(setting.key).unwrap_or_default();
    let help = match setting.auto {
        Some(auto) => format!("{}; auto: {auto}", setting.help),
        None => setting.help.to_owned(),
    };
    let options: Vec<String> = match setting.range {
        Range::Choice(words) => words.iter().map(|word| (*word).to_owned()).collect(),
        _ => Vec::new(),
    };
    let field = Field {
        key: setting.key,
        label: setting.label,
        unit: setting.unit,
        help: &help,
        default: &default,
        origin,
        kind: match setting.range {
            Range::Switch => Kind::Switch,
            Range::Choice(_) => Kind::Choice(&options),
            Range::Whole { .. } | Range::Real { .. } => Kind::Number,
            Range::Hook => Kind::Text,
        },
        error: error(&planned.errors, setting.key),
    };
    let value = draft.settings.get(setting.key).unwrap_or(&default);
    let value = field.ui(ui, value)?;
    let mut draft = draft.clone();
    if value == default {
        draft.settings.remove(setting.key);
    } else {
        draft.settings.insert(setting.key.to_owned(), value);
    }
    Some(draft)
}
