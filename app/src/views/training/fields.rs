//! The fields of one dictionary: hook, name, settings. A change is answered with what the dictionary is then.

use std::collections::BTreeMap;

use egui::Ui;
use umbra_core::ids::Site;
use umbra_core::train::{Range, Setting};

use crate::state::AppState;
use crate::state::training::Draft;
use crate::state::training::plan::{self, Planned};
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
    let layers = plan::layers(state);
    let options: Vec<String> = (0..layers).map(|layer| layer.to_string()).collect();
    let field = Field {
        key: "layer",
        label: "Layer",
        unit: "",
        help: "Block of the model, counted from 0",
        default: "",
        origin: "",
        kind: Kind::Choice(&options),
        error: error(&planned.errors, "layer"),
    };
    let layer = field.ui(ui, &draft.layer.to_string());
    let layer = layer.and_then(|layer| layer.parse().ok());
    let options: Vec<String> = sites().map(site_label).collect();
    let field = Field {
        key: "site",
        label: "Place",
        unit: "",
        help: "Activation of the block that the dictionary reads; attn.hook_z holds the heads' outputs before the output projection",
        default: "",
        origin: "",
        kind: Kind::Choice(&options),
        error: None,
    };
    let site = field.ui(ui, &site_label(draft.site));
    let site = site.and_then(|label| sites().find(|site| site_label(*site) == label));
    (layer.is_some() || site.is_some()).then(|| Draft {
        layer: layer.unwrap_or(draft.layer),
        site: site.unwrap_or(draft.site),
        ..draft.clone()
    })
}

fn site_label(site: Site) -> String {
    site.name().to_owned()
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

/// Sites a dictionary can read, in the order of a forward pass.
fn sites() -> impl Iterator<Item = Site> {
    let unread = [
        Site::Ln1Scale,
        Site::AttnScores,
        Site::Pattern,
        Site::Result,
        Site::Ln2Scale,
    ];
    Site::ALL
        .into_iter()
        .filter(move |site| !unread.contains(site))
}
