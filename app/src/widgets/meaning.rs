//! The right-click menu of plots and figures: copies the value under the pointer, copies all data, saves a picture, says what a number is.
//!
//! ```ignore
//! let response = plot.show(ui);
//! let meaning = Meaning::new("Density", "Share of the index's tokens on which the feature is active");
//! let csv = || csv::table(&["rank", "density"], rows);
//! meaning::menu(&response, &meaning.value(pointed.as_deref()).csv(&csv).picture(response.rect));
//! ```

#[cfg(test)]
pub(crate) mod tests;

use std::cell::Cell;

use egui::{Id, LayerId, Rect, Response, Ui};

use super::menu;
use super::picture::Picture;
use super::to_save::{self, ToSave};
use crate::theme::{Theme, caption, mono};

/// Facts about a plot or a figure.
#[derive(Clone, Copy)]
pub(crate) struct Meaning<'a> {
    title: &'a str,
    definition: &'a str,
    value: Option<&'a str>,
    said: Option<&'a str>,
    csv: Option<&'a dyn Fn() -> String>,
    picture: Option<Rect>,
    svg: Option<&'a dyn Fn() -> String>,
    entry: Option<(&'a str, &'a Cell<bool>)>,
}

impl<'a> Meaning<'a> {
    /// A thing with its title, which also names a saved file, and its definition.
    pub(crate) fn new(title: &'a str, definition: &'a str) -> Self {
        Self {
            title,
            definition,
            value: None,
            said: None,
            csv: None,
            picture: None,
            svg: None,
            entry: None,
        }
    }

    /// The exact value under the pointer.
    #[must_use]
    pub(crate) fn value(mut self, value: Option<&'a str>) -> Self {
        self.value = value;
        self
    }

    /// The value in words, where it is several numbers.
    #[must_use]
    pub(crate) fn said(mut self, said: Option<&'a str>) -> Self {
        self.said = said;
        self
    }

    /// All of its data as comma-separated values.
    #[must_use]
    pub(crate) fn csv(mut self, csv: &'a dyn Fn() -> String) -> Self {
        self.csv = Some(csv);
        self
    }

    /// Its place on screen: it can be saved as a picture.
    #[must_use]
    pub(crate) fn picture(mut self, place: Rect) -> Self {
        self.picture = Some(place);
        self
    }

    /// A first entry of its own, which sets `chosen`.
    #[must_use]
    pub(crate) fn entry(mut self, title: &'a str, chosen: &'a Cell<bool>) -> Self {
        self.entry = Some((title, chosen));
        self
    }

    /// A drawing of all of it, where the screen shows a part.
    #[must_use]
    pub(crate) fn svg(mut self, svg: &'a dyn Fn() -> String) -> Self {
        self.svg = Some(svg);
        self
    }
}

impl std::fmt::Debug for Meaning<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meaning")
            .field("title", &self.title)
            .field("value", &self.value)
            .field("picture", &self.picture)
            .finish_non_exhaustive()
    }
}

/// Value that was under the pointer.
#[derive(Debug, Clone)]
struct Asked {
    value: String,
    said: Option<String>,
}

/// The menu of the widget `response`, drawn last; opens on a right click, and by the menu key or Shift+F10 where the widget has the focus.
pub(crate) fn menu(response: &Response, meaning: &Meaning<'_>) {
    let focused = response.has_focus().then_some(response.id);
    menu_within(response, focused, meaning);
}

/// Draws the menu for a widget of which a piece may have the focus.
pub(crate) fn menu_within(response: &Response, focused: Option<Id>, meaning: &Meaning<'_>) {
    let asked = response.id.with("asked value");
    let is_open =
        egui::Popup::is_id_open(&response.ctx, egui::Popup::default_response_id(response));
    // What was under the pointer when the menu opened: later the pointer is on the menu.
    if !is_open {
        let value = meaning.value.map(|value| Asked {
            value: value.to_owned(),
            said: meaning.said.map(str::to_owned),
        });
        response.ctx.data_mut(|data| data.insert_temp(asked, value));
    }
    let layer = response.layer_id;
    menu::context_within(response, focused, |ui| {
        entries_ui(ui, (asked, layer), meaning);
    });
}

fn entries_ui(ui: &mut Ui, (asked, layer): (Id, LayerId), meaning: &Meaning<'_>) {
    let value = ui.data(|data| data.get_temp::<Option<Asked>>(asked));
    let value = value.flatten();
    if let Some((title, chosen)) = meaning.entry
        && ui.button(title).clicked()
    {
        chosen.set(true);
        ui.close();
    }
    if let Some(Asked { value, .. }) = &value
        && ui.button("Copy value").clicked()
    {
        ui.ctx().copy_text(value.clone());
        ui.close();
    }
    if let Some(csv) = meaning.csv
        && ui.button("Copy as CSV").clicked()
    {
        ui.ctx().copy_text(csv());
        ui.close();
    }
    if let Some(rect) = meaning.picture {
        pictures_ui(ui, layer, rect, meaning);
    }
    if !meaning.definition.is_empty() {
        let shown = value.as_ref();
        let shown = shown.map(|asked| asked.said.as_deref().unwrap_or(&asked.value));
        question_ui(ui, meaning.title, meaning.definition, shown);
    }
}

/// The entries that save a picture. It shows what was painted in this frame, when the pointer is on the menu: nothing is lit by it.
fn pictures_ui(ui: &mut Ui, layer: LayerId, rect: Rect, meaning: &Meaning<'_>) {
    let title = meaning.title;
    let ground = Theme::from_ui(ui).surface.panel;
    let take = |ui: &Ui| Picture::take(ui.ctx(), layer, rect, ground);
    if ui.button("Save as PNG…").clicked() {
        let png = take(ui).png(ui.ctx());
        let name = format!("{}.png", to_save::file_name(title));
        to_save::put(ui.ctx(), ToSave::bytes(name, png));
        ui.close();
    }
    if ui.button("Save as SVG…").clicked() {
        let name = format!("{}.svg", to_save::file_name(title));
        let svg = meaning.svg.map_or_else(|| take(ui).svg(), |svg| svg());
        to_save::put(ui.ctx(), ToSave::text(name, svg));
        ui.close();
    }
}

/// The menu of a figure that stands in a card: the value as it is written, and its definition.
pub(crate) fn figure(response: &Response, title: &str, definition: &str, value: &str) {
    menu(
        response,
        &Meaning::new(title, definition).value(Some(value)),
    );
}

/// A definition with a capital at its start.
pub(crate) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// The entry *What is this number?*, which opens the definition.
pub(crate) fn question_ui(ui: &mut Ui, title: &str, definition: &str, value: Option<&str>) {
    ui.menu_button("What is this number?", |ui| {
        ui.set_max_width(260.0);
        // Menus justify their entries, which would space the letters of a line that wraps.
        ui.with_layout(egui::Layout::top_down(egui::Align::Min), |ui| {
            ui.label(title);
            if let Some(value) = value {
                ui.label(mono(value));
            }
            let words = caption(sentence(definition)).color(Theme::from_ui(ui).ink.secondary);
            ui.add(egui::Label::new(words).wrap());
        });
    });
}
