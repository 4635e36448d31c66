//! The library: which model and which dictionaries the project has, how good each is, and what to do next.

mod drawer;
mod figures;
mod model_part;
mod next;
mod project_part;
mod table;
#[cfg(test)]
mod tests;
mod verification;

use egui::{Label, Rect, RichText, ScrollArea, Ui, UiBuilder, pos2, vec2};
use umbra_core::error::Notes;

use self::table::Table;
use super::view::View;
use crate::state::catalogue::DictionaryId;
use crate::state::opening::Kind;
use crate::state::requests::{Commands, library, navigation, opening};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, icons, space};
use crate::views::actions::{Recent, recent_models, recent_projects};
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::widgets::scroll::scroll_ui;
use crate::words;

/// Narrowest part of model or project.
const PART: f32 = 300.0;

/// Width of the drawer beside the table.
const DRAWER: f32 = 320.0;

/// Width from which the drawer stands beside the table.
const BESIDE: f32 = 1080.0;

/// Rows of the table without scrolling at least.
const ROWS: f32 = 10.0;

/// The library: which model and which dictionaries the project has, how good each is, and what to do next.
#[derive(Debug, Default)]
pub(crate) struct LibraryView {
    table: Table,
    /// The dictionary in the drawer.
    shown: Option<DictionaryId>,
    /// The dictionary that was in use when that was decided.
    in_use: Option<DictionaryId>,
    /// Heights of model and project in the last frame, so that both are drawn equally high.
    heights: [f32; 2],
}

impl View for LibraryView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        match &state.project.load {
            Load::Absent => {
                let sentence = "This screen lists the model, the dictionaries and the indexes of the open project.";
                if empty_state(ui, icons::BOOKS, sentence, Some("Open the demo")) {
                    commands.send(library::Command::OpenDemo);
                }
                ways_on_ui(ui, state, commands);
            }
            Load::Failed(sentence) => failure_ui(ui, state, sentence, commands),
            Load::Loading => {
                let secondary = Theme::from_ui(ui).ink.secondary;
                ui.label(RichText::new("Opening the project…").color(secondary));
            }
            Load::Ready(_) => self.project_ui(ui, state, commands),
        }
    }
}

impl LibraryView {
    /// Decides which dictionary the drawer shows: the one that was clicked, until another is put to use or it is gone.
    fn follow(&mut self, state: &AppState) {
        let in_use = state.selection.dictionary;
        let is_there = |id: DictionaryId| state.catalogue.get(id).is_some();
        if self.in_use != in_use || !self.shown.is_some_and(is_there) {
            self.in_use = in_use;
            let first = state.catalogue.dictionaries.first().map(|d| d.id);
            self.shown = in_use.filter(|id| is_there(*id)).or(first);
        }
    }

    fn project_ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        self.follow(state);
        let shown = self.shown.and_then(|id| state.catalogue.get(id));
        let Some(dictionary) = shown.filter(|_| ui.available_width() >= BESIDE) else {
            let area = ScrollArea::vertical().auto_shrink(false);
            scroll_ui(ui, "library", area, |ui| {
                let bottom = ui.clip_rect().bottom();
                self.main_ui(ui, state, bottom, commands);
                if let Some(dictionary) = shown {
                    ui.add_space(space::CONTROL);
                    raised(ui, |ui| drawer::drawer_ui(ui, state, dictionary, commands));
                }
            });
            return;
        };
        let all = ui.available_rect_before_wrap();
        let edge = all.right() - DRAWER;
        let left = Rect::from_min_max(all.min, pos2(edge - space::GROUP, all.bottom()));
        let right = Rect::from_min_max(pos2(edge, all.top()), all.max);
        ui.scope_builder(UiBuilder::new().max_rect(left).id_salt("main"), |ui| {
            let area = ScrollArea::vertical().id_salt("main").auto_shrink(false);
            scroll_ui(ui, "library", area, |ui| {
                self.main_ui(ui, state, left.bottom(), commands);
            });
        });
        ui.scope_builder(UiBuilder::new().max_rect(right).id_salt("drawer"), |ui| {
            ScrollArea::vertical()
                .id_salt(("drawer", dictionary.id))
                .auto_shrink(false)
                .show(ui, |ui| {
                    raised(ui, |ui| drawer::drawer_ui(ui, state, dictionary, commands));
                });
        });
        ui.advance_cursor_after_rect(all);
    }

    /// Model, project and the table of dictionaries, down to `bottom` where they have the room.
    fn main_ui(&mut self, ui: &mut Ui, state: &AppState, bottom: f32, commands: &mut Commands) {
        if ui.available_width() > 2.0 * PART + space::CONTROL {
            let [one, other] = self.heights;
            let height = one.max(other);
            let heights = ui.columns_const(|[left, right]| {
                [
                    model_part::part_ui(left, state, height, commands),
                    project_part::part_ui(right, state, height, commands),
                ]
            });
            if heights != self.heights {
                self.heights = heights;
                ui.request_repaint();
            }
        } else {
            model_part::part_ui(ui, state, 0.0, commands);
            project_part::part_ui(ui, state, 0.0, commands);
        }
        ui.add_space(space::CONTROL);
        let all = state.catalogue.dictionaries.len();
        head_ui(ui, all, commands);
        if all == 0 {
            return no_dictionary_ui(ui, commands);
        }
        let least = ROWS * space::TABLE_ROW;
        let steps = next::steps(state);
        let height = bottom - ui.cursor().top() - 2.0 * space::CONTROL_ROW - next::height(&steps);
        let room = (self.shown, height.max(least));
        if let Some(id) = self.table.ui(ui, state, room, commands) {
            self.shown = Some(id);
        }
        next::next_ui(ui, &steps, commands);
    }
}

/// Title of the table and the ways to more dictionaries.
fn head_ui(ui: &mut Ui, all: usize, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::panel_title("Dictionaries"));
        if all == 0 {
            return;
        }
        ui.add_space(space::CONTROL);
        if ui.button("Open a dictionary…").clicked() {
            commands.send(opening::Command::Show(Kind::Dictionary));
        }
        if ui.button("Train one…").clicked() {
            commands.send(navigation::Command::Go(ViewId::Training));
        }
        if ui.button("Open an index…").clicked() {
            commands.send(library::Command::Pick(library::Pick::Index));
        }
    });
    ui.add_space(space::CHIP);
}

/// Says that there is no dictionary, and the two ways on.
fn no_dictionary_ui(ui: &mut Ui, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let sentence = "No dictionary yet. A dictionary splits the activations of the model into features. Open one that somebody trained, drop its folder here, or train your own on the project's text.";
    ui.add(Label::new(RichText::new(sentence).color(secondary)).wrap());
    ui.add_space(space::CHIP);
    ui.horizontal_wrapped(|ui| {
        if ui.button("Open a dictionary…").clicked() {
            commands.send(opening::Command::Show(Kind::Dictionary));
        }
        if ui.button("Train a dictionary…").clicked() {
            commands.send(navigation::Command::Go(ViewId::Training));
        }
    });
}

fn failure_ui(ui: &mut Ui, state: &AppState, sentence: &str, commands: &mut Commands) {
    if failure_state(
        ui,
        "The project could not be opened",
        sentence,
        Some("Open the demo"),
    ) {
        commands.send(library::Command::OpenDemo);
    }
    let demo = state.project.asked.as_ref() == Some(&state.places.demo);
    if demo {
        ui.vertical_centered(|ui| {
            if ui.button("Restore the demo…").clicked() {
                commands.send(library::Command::AskToRestore);
            }
        });
    }
    ways_on_ui(ui, state, commands);
}

/// Recent projects and models, where no project is open.
fn ways_on_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    ui.add_space(space::GROUP);
    recent_ui(ui, "Recent projects", recent_projects(state), commands);
    recent_ui(ui, "Recent models", recent_models(state), commands);
}

/// A part of the screen under its caption, at least so high; returns the height of its content.
fn part(ui: &mut Ui, name: &str, height: f32, content: impl FnOnce(&mut Ui)) -> f32 {
    let mut own = 0.0;
    raised(ui, |ui| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(theme::caption(name).color(secondary));
        content(ui);
        let place = ui.min_rect();
        own = place.height();
        let all = Rect::from_min_size(place.min, vec2(place.width(), height));
        ui.expand_to_include_rect(all);
    });
    own
}

/// A raised place with one hairline.
fn raised(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    let theme = Theme::from_ui(ui);
    egui::Frame::new()
        .fill(theme.surface.raised)
        .stroke(egui::Stroke::new(1.0, theme.line.hair))
        .corner_radius(space::CORNER)
        .inner_margin(space::PANEL)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 6.0;
            // a column would stretch the words of a wrapped line
            ui.vertical(content);
        });
}

/// Recent projects or models in one line, each opened by a click; more of them in a menu.
fn recent_ui(ui: &mut Ui, title: &str, recent: Vec<Recent>, commands: &mut Commands) {
    if recent.is_empty() {
        return;
    }
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::caption(title).color(secondary));
        for (name, place, open) in recent {
            let button = egui::Button::new(RichText::new(name).size(theme::size::CAPTION));
            let button = ui.add(button.truncate().min_size(vec2(0.0, 20.0)));
            let button = button.on_hover_text(&place);
            if button.clicked() {
                commands.send(open);
            }
            button.context_menu(|ui| {
                if ui.button("Remove from this list").clicked() {
                    commands.send(library::Command::Forget(place.into()));
                    ui.close();
                }
            });
        }
    });
}

/// Draws the loader's notes, folded.
fn notes_ui(ui: &mut Ui, notes: &Notes, id: impl egui::AsIdSalt) {
    let number = notes.iter().count();
    if number == 0 {
        return;
    }
    let secondary = Theme::from_ui(ui).ink.secondary;
    let title = theme::caption(format!("Loader notes ({number})")).color(secondary);
    egui::CollapsingHeader::new(title)
        .id_salt(id)
        .show(ui, |ui| {
            for note in notes.iter() {
                ui.add(Label::new(theme::caption(words::said(note))).wrap());
            }
        });
}

/// A link that the system's browser opens; where it leads on hover.
fn link_ui(ui: &mut Ui, words: &str, url: &str) {
    ui.hyperlink_to(theme::caption(words).underline(), url)
        .on_hover_text(url);
}

/// A failed load: the sentence and "Copy details".
fn failed_ui(ui: &mut Ui, sentence: &str) {
    let failure = Theme::from_ui(ui).failure;
    ui.horizontal_top(|ui| {
        ui.label(theme::icon(icons::WARNING_CIRCLE).color(failure));
        ui.add(Label::new(sentence).wrap());
    });
    if ui.button("Copy details").clicked() {
        ui.ctx().copy_text(sentence.to_owned());
    }
}
