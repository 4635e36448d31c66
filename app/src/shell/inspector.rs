//! The right inspector: what the selection is, where the screen does not say it itself. Where there is nothing to say it is not drawn, and the screen has its room.

#[cfg(test)]
mod tests;

use egui::{Frame, Margin, RichText, ScrollArea, Ui};
use umbra_core::ids::{FeatureId, Head, Layer};

use crate::state::AppState;
use crate::state::catalogue::Dictionary;
use crate::state::dark_matter::question::Question;
use crate::state::heads::step::Step;
use crate::state::prompt::Side;
use crate::state::requests::{Commands, navigation};
use crate::state::selection::Focus;
use crate::state::steering::{EditDraft, Field, help, label};
use crate::state::view::ViewId;
use crate::theme::{self, Theme, caption, icons, space};
use crate::views::feature::{card, chips};
use crate::views::heads::{self, Figure};
use crate::views::prompt::error::UNEXPLAINED;
use crate::widgets::feature_chip::quoted;
use crate::widgets::number;
use crate::widgets::parts::fact_ui;

/// Strongest features shown of a token.
const FEATURES: usize = 10;

/// Content of the inspector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A feature of the selected dictionary.
    Feature(FeatureId),
    /// A token of the sentence.
    Token(usize),
    /// An attention head.
    Head(Layer, Head),
    /// An edit of Steering, by its place.
    Edit(usize),
}

/// Returns what the inspector can add to `view`: the last thing selected, where the screen is about such things and does not show this one itself.
pub(super) fn subject(state: &AppState, view: ViewId) -> Option<Subject> {
    let selection = &state.selection;
    let subject = match selection.focus {
        Focus::Nothing => None,
        Focus::Feature => selection.feature.map(Subject::Feature),
        // The card of the feature stays while a person clicks and types in the sentence.
        Focus::Token if view == ViewId::Prompt && state.prompt.side == Side::Features => {
            selection.feature.map(Subject::Feature)
        }
        Focus::Token => {
            let reading = state.prompt.reading.ready()?;
            let at = selection.token.filter(|at| *at < reading.tokens.len());
            at.map(Subject::Token)
        }
        Focus::Head => selection
            .head
            .map(|(layer, head)| Subject::Head(layer, head)),
        Focus::Edit => {
            let many = state.steering.draft.edits.len();
            selection.edit.filter(|at| *at < many).map(Subject::Edit)
        }
    }?;
    let adds = match (view, subject) {
        (ViewId::Features | ViewId::Steering, Subject::Feature(_)) => state.misfit().is_none(),
        // A feature of another hook than the heads' is none of theirs.
        (ViewId::Heads, Subject::Feature(_)) => {
            let hook = state.dictionary().and_then(Dictionary::hook);
            let hook = hook.filter(|hook| hook.is_z() && state.misfit().is_none());
            let layer = selection.head.map(|(layer, _)| layer);
            let is_shown = selection.shown.step != Step::Map;
            is_shown && hook.is_some_and(|hook| layer.is_none() || hook.layer() == layer)
        }
        (ViewId::Compare, Subject::Feature(_)) => {
            let (two, of) = (state.compare.chosen, selection.dictionary);
            two.is_some_and(|(a, b)| of == Some(a) || of == Some(b))
        }
        (ViewId::Prompt, Subject::Token(_)) | (ViewId::Steering, Subject::Edit(_)) => true,
        (ViewId::DarkMatter, Subject::Token(_)) => selection.question == Question::Places,
        (ViewId::Prompt, Subject::Feature(_)) => {
            state.misfit().is_none() && state.prompt.side == Side::Features
        }
        (ViewId::Prompt, Subject::Head(..)) => state.prompt.side == Side::Attention,
        _ => false,
    };
    adds.then_some(subject)
}

/// Draws the inspector.
pub(super) fn inspector_ui(
    ui: &mut Ui,
    state: &AppState,
    subject: Subject,
    commands: &mut Commands,
) {
    let frame = Frame::new()
        .fill(Theme::from_ui(ui).surface.window)
        .inner_margin(Margin::same(space::PANEL as i8));
    egui::Panel::right("inspector")
        .default_size(300.0)
        .size_range(240.0..=420.0)
        .frame(frame)
        .show(ui, |ui| {
            let area = ScrollArea::vertical().auto_shrink(false);
            area.id_salt(view_of(subject)).show(ui, |ui| match subject {
                Subject::Feature(feature) => {
                    title_ui(ui, icons::DIAMOND, "Feature");
                    card::panel_ui(ui, state, feature, commands);
                }
                Subject::Token(at) => token_ui(ui, state, at, commands),
                Subject::Head(layer, head) => head_ui(ui, state, (layer, head), commands),
                Subject::Edit(at) => {
                    if let Some(edit) = state.steering.draft.edits.get(at) {
                        edit_ui(ui, state, (at, edit), commands);
                    }
                }
            });
        });
}

/// Names a kind of content, so that each scrolls for itself.
fn view_of(subject: Subject) -> &'static str {
    match subject {
        Subject::Feature(_) => "feature",
        Subject::Token(_) => "token",
        Subject::Head(..) => "head",
        Subject::Edit(_) => "edit",
    }
}

/// Says what an edit does, where, and to which feature.
fn edit_ui(
    ui: &mut Ui,
    state: &AppState,
    (at, edit): (usize, &EditDraft),
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let many = state.steering.draft.edits.len();
    title_ui(ui, icons::SLIDERS_HORIZONTAL, "Edit");
    ui.label(theme::panel_title(label(edit.action)));
    let effect = format!("This edit {}", help(edit.action).help);
    ui.add(egui::Label::new(RichText::new(effect).color(secondary)).wrap());
    ui.add_space(space::CONTROL);
    let place = format!("{} of {many}", at + 1);
    fact_ui(ui, "Place", &place, "Edits are applied in this order");
    let standing = if edit.on { "yes" } else { "no" };
    fact_ui(
        ui,
        "Enabled",
        standing,
        "Edits that are not enabled are left out of a run",
    );
    let own = edit.dictionary_in(state).filter(|_| edit.uses_dictionary());
    if let Some(dictionary) = own {
        let definition = "Dictionary that the edit keeps, whichever is in use";
        fact_ui(ui, "Dictionary", &dictionary.name, definition);
    }
    if let Some(hook) = edit.hook.or(own.and_then(Dictionary::edited_hook)) {
        fact_ui(
            ui,
            "Hook",
            &hook.to_string(),
            "Place in the model whose value is changed",
        );
    }
    let spec = edit.spec_in(state);
    match &spec {
        Ok(spec) => {
            ui.add_space(space::CONTROL);
            ui.label(caption("Written form").color(secondary))
                .on_hover_text("As the command line takes it");
            let written = theme::mono_caption(spec.to_string());
            ui.add(egui::Label::new(written).wrap().selectable(true));
            let sae = own.and_then(|own| state.sae_of(own.id));
            if let Some(units) = sae.and_then(|sae| spec.units(sae)) {
                ui.add(egui::Label::new(caption(units).color(secondary)).wrap());
            }
        }
        Err(why) => {
            ui.add(egui::Label::new(caption(why).color(secondary)).wrap());
        }
    }
    let named = edit.feature_in(state);
    let names_one = edit.fields().contains(&Field::Feature);
    // The card shows features of the dictionary in use.
    let is_in_use = own.map(|own| own.id) == state.selection.dictionary;
    if let Some(feature) = named.filter(|_| names_one && is_in_use && state.sae().is_some()) {
        ui.add_space(space::GROUP);
        ui.separator();
        card::panel_ui(ui, state, feature, commands);
    }
}

fn token_ui(ui: &mut Ui, state: &AppState, at: usize, commands: &mut Commands) {
    title_ui(ui, icons::CURSOR_TEXT, "Token");
    let Some(reading) = state.prompt.reading.ready() else {
        return;
    };
    let (Some(text), Some(id)) = (reading.texts.get(at), reading.tokens.get(at)) else {
        return;
    };
    ui.label(theme::mono(quoted(text)));
    fact_ui(
        ui,
        "Position",
        &at.to_string(),
        "Counted from 0, the beginning-of-sequence token included",
    );
    fact_ui(
        ui,
        "Token id",
        &id.to_string(),
        "Index in the model's vocabulary",
    );
    if state.sae().is_none() {
        return;
    }
    let errors = state.errors_on(reading);
    if let Some(share) = errors.and_then(|(errors, _)| errors.unexplained(at)) {
        let share = number::percent(share);
        fact_ui(ui, "Unexplained", &share, UNEXPLAINED);
    }
    ui.add_space(space::CONTROL);
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(caption("Strongest features").color(secondary));
    let strongest = reading.strongest(at, FEATURES);
    let most = strongest.first().map_or(0.0, |(_, act)| act.abs());
    if let Some(feature) = chips::chip_bars_ui(ui, state, commands, &strongest, most) {
        commands.send(navigation::Command::SelectFeature(Some(feature)));
    }
    if strongest.is_empty() {
        ui.label(caption("No feature is active on this token").color(secondary));
    }
}

fn head_ui(ui: &mut Ui, state: &AppState, (layer, head): (Layer, Head), commands: &mut Commands) {
    title_ui(ui, icons::GRID_NINE, "Head");
    ui.label(theme::panel_title(format!("Layer {layer}, head {head}")));
    if let Some(row) = heads::row(state, (layer, head)) {
        ui.add(egui::Label::new(heads::profile(state, row)).wrap());
        ui.add_space(space::CONTROL);
    }
    let dictionary = state.z_dictionary(layer);
    let kept = dictionary.and_then(|of| state.heads.features.figures.get(&of.id));
    let figures = kept.and_then(|kept| kept.load.ready());
    if let Some(figures) = figures.and_then(|all| all.iter().find(|f| f.head == head)) {
        let jaccard = figures.jaccard.map_or("–".to_owned(), number::number);
        let values = [
            (Figure::Spread, number::number(figures.spread)),
            (Figure::Cosine, number::number(figures.cosine)),
            (Figure::Jaccard, jaccard),
        ];
        for (figure, value) in values {
            fact_ui(ui, figure.title(), &value, figure.definition());
        }
    }
    ui.add_space(space::CONTROL);
    if ui.button("Open Heads").clicked() {
        commands.send(navigation::Command::Go(ViewId::Heads));
    }
}

fn title_ui(ui: &mut Ui, icon: &str, what: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(theme::icon(icon).color(secondary));
        ui.label(caption(what).color(secondary));
    });
}
