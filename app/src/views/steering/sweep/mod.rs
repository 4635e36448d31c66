//! The tab Sweep: which strength has an effect, and which breaks the text.

mod carry;
mod curves;
mod form;
mod limits;
#[cfg(test)]
mod tests;

use egui::{Label, RichText, Ui, vec2};
use umbra_core::ids::FeatureId;

use self::carry::Carrier;
use crate::state::catalogue::DictionaryId;
use crate::state::jobs::Job;
use crate::state::requests::steering::sweep::Command;
use crate::state::requests::{Commands, navigation};
use crate::state::steering::sweep::{Form, job, limit_job};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, icons, space};
use crate::views::missing::misfit_ui;
use crate::widgets::empty_state::{empty_state, failure_line};
use crate::widgets::form::{Part, main_button, reason, side_button, with_footer};

/// Width of the form where the result stands beside it, and least width of the result.
const FORM: f32 = 400.0;
const RESULT: f32 = 420.0;

/// A dictionary and what the form asks of it.
struct Asked<'a> {
    id: DictionaryId,
    name: &'a str,
    features: Result<Vec<FeatureId>, String>,
}

/// Draws the tab.
pub(super) fn sweep_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let Some(dictionary) = state.dictionary() else {
        let sentence = "This panel measures what features do at each strength: the change of the next token, the probability of a token you choose, repetition and perplexity, over many prompts.";
        let button = Some("Open a dictionary");
        if empty_state(ui, icons::SLIDERS_HORIZONTAL, sentence, button) {
            commands.send(navigation::Command::Go(ViewId::Library));
        }
        return;
    };
    if let Some(why) = state.misfit() {
        return misfit_ui(ui, state, &format!("{why}."), commands);
    }
    let id = dictionary.id;
    let Some(pair) = state.pair(id) else {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(RichText::new("Loading…").color(secondary));
        return;
    };
    let tab = &state.steering.sweep;
    if state.project.open().is_some() && tab.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
    let mut draft = tab.form.clone();
    let features = draft.read_features(state.selection.feature, pair.sae.features());
    let asked = Asked {
        id,
        name: &dictionary.name,
        features,
    };
    with_footer(ui, "sweep", |ui, part| match part {
        Part::Content => content_ui(ui, state, (&asked, &mut draft), commands),
        Part::Footer => footer_ui(ui, state, (&asked, &tab.form), commands),
    });
    if draft != tab.form {
        commands.send(Command::Form(Box::new(draft)));
    }
}

/// Draws the form, and the result beside or below it.
fn content_ui(
    ui: &mut Ui,
    state: &AppState,
    (asked, draft): (&Asked<'_>, &mut Form),
    commands: &mut Commands,
) {
    if ui.available_width() < FORM + space::GROUP + RESULT {
        form::form_ui(ui, state, (asked, draft), commands);
        ui.add_space(space::GROUP);
        return result_ui(ui, state, asked, commands);
    }
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        let column = |ui: &mut Ui, width: f32, draw: &mut dyn FnMut(&mut Ui)| {
            let layout = egui::Layout::top_down(egui::Align::Min);
            ui.allocate_ui_with_layout(vec2(width, 0.0), layout, |ui| {
                ui.set_width(width);
                ui.spacing_mut().item_spacing.x = space::CONTROL;
                draw(ui);
            });
        };
        column(ui, FORM, &mut |ui| {
            form::form_ui(ui, state, (asked, &mut *draft), commands);
        });
        let rest = ui.available_width();
        column(ui, rest, &mut |ui| result_ui(ui, state, asked, commands));
    });
}

/// Draws what was found, or says what there will be.
fn result_ui(ui: &mut Ui, state: &AppState, asked: &Asked<'_>, commands: &mut Commands) {
    let study = &state.steering.sweep.study;
    let secondary = Theme::from_ui(ui).ink.secondary;
    if let Some(why) = study.making.failure() {
        failure_line(ui, "The last computation failed", why);
    } else if study.is_stopped {
        ui.label(
            RichText::new("The last computation was stopped; nothing of it was kept.")
                .color(secondary),
        );
    }
    let Some(found) = study.result(&asked.id) else {
        let words = match &study.found {
            Load::Loading => "Looking for kept results…",
            Load::Failed(why) => return failure_line(ui, "The kept result cannot be used", why),
            _ => {
                "Press Sweep: every prompt is read at every strength, and four figures show what changed: the next token, the target's probability, and whether the text that the model writes still holds together. Find the largest strength searches for the point where it no longer does."
            }
        };
        ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
        return;
    };
    let id = asked.id;
    let carrier = Carrier { state, id };
    if let Some(sweep) = &found.sweep {
        curves::sweep_ui(ui, state, (sweep, &found.limits), &carrier, commands);
        ui.add_space(space::GROUP);
    }
    limits::limits_ui(ui, &found.limits, &carrier, commands);
}

fn footer_ui(
    ui: &mut Ui,
    state: &AppState,
    (asked, form): (&Asked<'_>, &Form),
    commands: &mut Commands,
) {
    let study = &state.steering.sweep.study;
    let is_running = study.making.is_loading();
    let refused = match (&asked.features, form.read_strengths()) {
        (Err(why), _) => Some(why.clone()),
        (_, Err(why)) => Some(why),
        _ => None,
    };
    let ready = !is_running && refused.is_none();
    if main_button(ui, ready, icons::PLAY, "Sweep").clicked() {
        commands.send(Command::Sweep(asked.id));
    }
    let first = asked.features.as_ref().ok().and_then(|all| all.first());
    let shown = state.steering.sweep.shown;
    let among = |feature: &FeatureId| {
        let all = asked.features.as_ref();
        all.is_ok_and(|all| all.contains(feature))
    };
    let of = shown.filter(among).or(first.copied());
    let find = side_button(ui, ready && of.is_some(), "Find the largest strength");
    let help = of.map_or_else(String::new, |of| {
        format!(
            "Searches for the largest strength of feature {of}. {}",
            form.rule.said()
        )
    });
    if let (true, Some(of)) = (find.on_hover_text(help).clicked(), of) {
        commands.send(Command::Limit(asked.id, of));
    }
    if let Some(why) = refused {
        reason(ui, &why);
    } else if is_running {
        let names = [job(asked.name), limit_job(asked.name)];
        let mut running = state.jobs.running();
        let running = running.find(|running| names.contains(&running.name));
        let words = running.and_then(Job::standing);
        reason(ui, &words.unwrap_or_else(|| "Computing…".to_owned()));
    }
}
