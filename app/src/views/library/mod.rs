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

use egui::epaint::RectShape;
use egui::layers::ShapeIdx;
use egui::{
    Label, Rect, RichText, ScrollArea, Shape, Stroke, StrokeKind, Ui, UiBuilder, Vec2, pos2, vec2,
};
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
use crate::widgets::form;
use crate::widgets::scroll::scroll_ui;
use crate::words;

/// Narrowest part of model or project.
const PART: f32 = 300.0;

/// Width of the drawer beside the table.
const DRAWER: f32 = 320.0;

/// Width from which the drawer stands beside the table.
const BESIDE: f32 = 1080.0;

/// Rows of the table without scrolling at least, and as many as there are up to the other.
const ROWS: [usize; 2] = [6, 12];

/// Height of the lines that unfold details below all else.
const FOLDS: f32 = 2.0 * space::CONTROL_ROW + 3.0 * space::CONTROL;

/// The library: which model and which dictionaries the project has, how good each is, and what to do next.
#[derive(Debug, Default)]
pub(crate) struct LibraryView {
    table: Table,
    /// The dictionary in the drawer.
    shown: Option<DictionaryId>,
    /// The dictionary that was in use when that was decided.
    in_use: Option<DictionaryId>,
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

    fn least(&self) -> Vec2 {
        vec2(400.0, 160.0) // it scrolls by itself
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
            let parts = ui.columns_const(|[left, right]| {
                [
                    model_part::part_ui(left, state, commands),
                    project_part::part_ui(right, state, commands),
                ]
            });
            backs_ui(ui, &parts);
        } else {
            for part in [
                model_part::part_ui(ui, state, commands),
                project_part::part_ui(ui, state, commands),
            ] {
                backs_ui(ui, &[part]);
            }
        }
        ui.add_space(space::CONTROL);
        let all = state.catalogue.dictionaries.len();
        head_ui(ui, all, commands);
        if all == 0 {
            no_dictionary_ui(ui, commands);
        } else {
            self.table_ui(ui, state, (all, bottom), commands);
        }
        ui.add_space(space::CONTROL);
        folded(ui, "Model: details, loader notes and verification", |ui| {
            model_part::details_ui(ui, state, commands);
        });
        folded(ui, "Project: texts and how they are read", |ui| {
            project_part::details_ui(ui, state, commands);
        });
    }

    /// The table of `all` dictionaries and what comes next, down to `bottom` where they have the room.
    fn table_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (all, bottom): (usize, f32),
        commands: &mut Commands,
    ) {
        let [least, most] = ROWS;
        let least = all.clamp(least, most) as f32 * space::TABLE_ROW;
        let steps = next::steps(state);
        let rest = next::height(&steps) + FOLDS;
        let height = bottom - ui.cursor().top() - 2.0 * space::CONTROL_ROW - rest;
        let height = height.max(least);
        // The table is as high as that also where the screen ends before.
        let size = vec2(ui.available_width(), height + 2.0 * space::CONTROL_ROW);
        let place = Rect::from_min_size(ui.cursor().min, size);
        let builder = UiBuilder::new().max_rect(place).id_salt("dictionaries");
        let chosen = ui.scope_builder(builder, |ui| {
            self.table.ui(ui, state, (self.shown, height), commands)
        });
        if let Some(id) = chosen.inner {
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

/// A raised place: what is drawn behind it once its height is known, and where its content is.
type Raised = (ShapeIdx, Rect);

/// A part of the screen under its caption, as high as its content; [`backs_ui`] draws what is behind it.
fn part(ui: &mut Ui, name: &str, content: impl FnOnce(&mut Ui)) -> Raised {
    content_ui(ui, |ui| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(theme::caption(name).color(secondary));
        content(ui);
    })
}

/// A raised place with one hairline.
fn raised(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    let raised = content_ui(ui, content);
    backs_ui(ui, &[raised]);
}

/// Draws the content of a raised place.
fn content_ui(ui: &mut Ui, content: impl FnOnce(&mut Ui)) -> Raised {
    let back = ui.painter().add(Shape::Noop);
    let margin = egui::Frame::new().inner_margin(space::PANEL);
    let drawn = margin.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 6.0;
        // a column would stretch the words of a wrapped line
        ui.vertical(content);
    });
    (back, drawn.response.rect)
}

/// Draws what is behind raised places that stand side by side: all end where the highest does.
fn backs_ui(ui: &Ui, places: &[Raised]) {
    let theme = Theme::from_ui(ui);
    let bottoms = places.iter().map(|(_, place)| place.bottom());
    let bottom = bottoms.fold(f32::NEG_INFINITY, f32::max);
    for (back, place) in places {
        let stroke = Stroke::new(1.0, theme.line.hair);
        let place = place.with_max_y(bottom);
        let inside = StrokeKind::Inside;
        let shape = RectShape::new(place, space::CORNER, theme.surface.raised, stroke, inside);
        ui.painter().set(*back, shape);
    }
}

/// A line that unfolds what is below it.
fn folded(ui: &mut Ui, title: &str, content: impl FnOnce(&mut Ui)) {
    let id = ui.make_persistent_id(title);
    let open = ui.data_mut(|data| data.get_persisted(id)).unwrap_or(false);
    if form::fold(ui, open, title, "") {
        ui.data_mut(|data| data.insert_persisted(id, !open));
    }
    if open {
        ui.push_id(id, |ui| raised(ui, content));
    }
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
    ui.push_id(id, |ui| {
        folded(ui, &format!("Loader notes ({number})"), |ui| {
            for note in notes.iter() {
                ui.add(Label::new(theme::caption(words::said(note))).wrap());
            }
        });
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
