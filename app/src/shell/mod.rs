//! The frame around the views: top bar, rail, tiles, inspector, job strip, notifications, palette, settings.

mod ask_window;
mod copies;
mod device_chip;
mod guide_window;
mod inspector;
mod job_strip;
#[cfg(test)]
mod keyboard_tests;
mod keys_window;
mod link_window;
mod menus;
mod notices;
mod opening_window;
mod palette;
mod pass_window;
mod path_window;
mod question_window;
mod rail;
mod settings_window;
mod shortcuts;
mod survey_window;
#[cfg(test)]
mod tables_tests;
#[cfg(test)]
mod tests;
mod tiles;
mod top_bar;
mod tour;
mod views;

use crate::state::AppState;
use crate::state::layout::{Keys, Layout};
use crate::state::requests::{Commands, shell};
use crate::theme::Theme;
use crate::widgets::focus::{self, Target};
use crate::widgets::grid::arrangement;
use crate::widgets::to_save;

pub(crate) use copies::Copies;
pub(crate) use views::Views;

/// Draws the whole window.
pub(crate) fn window_ui(
    ui: &mut egui::Ui,
    state: &AppState,
    views: &mut Views,
    layout: &mut Layout,
    commands: &mut Commands,
) {
    let theme = Theme::from_ui(ui);
    arrangement::restore(ui.ctx(), &state.settings.tables);
    layout.width = ui.available_width();
    let roomy = layout.is_roomy();
    shortcuts::handle(ui, state, layout, commands);
    match layout.focus.take() {
        Some(Target::Search) if layout.guide.is_some() => views.guide.search(),
        Some(target) => focus::wish(ui.ctx(), tiles::screen(layout.view()), target),
        None => {}
    }
    ui.painter()
        .rect_filled(ui.max_rect(), 0.0, theme.surface.window);
    top_bar::top_bar_ui(ui, state, layout, commands);
    job_strip::job_strip_ui(ui, state, commands);
    notices::strip_ui(ui, state, roomy, commands);
    let tour = views.tour.pill(state);
    if rail::rail_ui(ui, (state, layout), tour.as_ref(), commands) {
        views.tour.open(state, layout, commands);
    }
    let wanted = roomy && state.settings.inspector;
    let subject = inspector::subject(state, layout.view()).filter(|_| wanted);
    if let Some(subject) = subject {
        inspector::inspector_ui(ui, state, subject, commands);
    }
    egui::CentralPanel::no_frame().show(ui, |ui| {
        tiles::tiles_ui(ui, state, views, layout, commands);
    });

    if let Some(text) = layout.to_copy.take() {
        ui.ctx().copy_text(text);
    }
    notices::notices_ui(ui, state, roomy, commands);
    views.tour.tour_ui(ui, state, layout, commands);
    if let Some(file) = to_save::take(ui.ctx()) {
        commands.send(shell::Command::Save(file));
    }
    for (table, arrangement) in arrangement::take(ui.ctx()) {
        commands.send(shell::Command::Table(table, arrangement));
    }
    if state.opening.shown {
        opening_window::opening_ui(ui, state, commands);
    }
    if layout.settings_open {
        settings_window::settings_ui(ui, state, roomy, commands);
    }
    if let Some(page) = layout.guide {
        views.guide.guide_ui(ui, page, commands);
    } else {
        views.guide.closed();
    }
    if layout.keys == Keys::Open {
        keys_window::keys_ui(ui, commands);
    }
    if layout.link_open {
        views.link.link_ui(ui, commands);
    } else {
        views.link.closed();
    }
    pass_window::pass_ui(ui, state, commands);
    survey_window::survey_ui(ui, state, commands);
    ask_window::ask_ui(ui, state, commands);
    path_window::path_ui(ui, state, commands);
    if let Some(question) = &layout.question {
        question_window::question_ui(ui, question, commands);
    }
    if layout.palette_open {
        views.palette.palette_ui(ui, (state, layout), commands);
    } else {
        views.palette.closed(ui);
    }
}
