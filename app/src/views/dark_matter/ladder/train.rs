//! Training a ladder: the form of Training filled with four widths of one hook.

use std::collections::BTreeMap;

use egui::{Button, Label, Ui};
use umbra_core::ids::HookPoint;

use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::{Commands, navigation, training};
use crate::state::training::{Draft, Form};
use crate::state::view::ViewId;
use crate::theme::{Theme, caption};
use crate::widgets::number;

/// Widths of a ladder, in multiples of the activation's width.
const MULTIPLES: [usize; 4] = [1, 2, 4, 8];

/// Draws the offer to train a ladder, with what it takes.
pub(super) fn train_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let Some(form) = form(state, id) else {
        return;
    };
    let widths: Vec<String> = std::iter::once(&form.settings)
        .chain(form.also.iter().map(|draft| &draft.settings))
        .filter_map(|settings| settings.get("features")?.parse().ok())
        .map(number::count)
        .collect();
    let ink = Theme::from_ui(ui).ink.secondary;
    let words = format!(
        "Fills the training form with {} features at {}, equal settings and one seed, all trained in one pass of the model. The form shows steps, memory and time before you start.",
        widths.join(", "),
        form.hook()
    );
    ui.horizontal_wrapped(|ui| {
        if ui.add(Button::new("Train a ladder…")).clicked() {
            commands.send(training::Command::Fill(form));
            commands.send(navigation::Command::Go(ViewId::Training));
        }
        ui.add(Label::new(caption(words).color(ink)).wrap());
    });
}

/// Returns the filled form; none where the hook stands in no block.
fn form(state: &AppState, id: DictionaryId) -> Option<Form> {
    let sae = &state.pair(id)?.sae;
    let HookPoint::Block(layer, site) = sae.provenance.hook? else {
        return None;
    };
    let widths = MULTIPLES.map(|times| times * sae.width());
    let name =
        |features: usize| format!("ladder-{}-{}-{features}", short(site.name()), layer.index());
    let mut base = Form {
        layer: layer.index(),
        site,
        name: Some(name(widths[0])),
        ..Form::default()
    };
    base.settings
        .insert("features".to_owned(), widths[0].to_string());
    base.also = widths[1..]
        .iter()
        .map(|features| Draft {
            layer: layer.index(),
            site,
            name: Some(name(*features)),
            settings: BTreeMap::from([("features".to_owned(), features.to_string())]),
        })
        .collect();
    Some(base)
}

/// Returns a site in a folder's name: `resid-post` for `hook_resid_post`.
fn short(name: &str) -> String {
    let name = name.rsplit('.').next().unwrap_or(name);
    name.trim_start_matches("hook_").replace('_', "-")
}
