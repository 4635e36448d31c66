//! The right-click menu of plots and figures: copies the value under the pointer, copies all data, saves a picture, says what a number is.
//!
//! ```ignore
//! let response = plot.show(ui);
//! meaning::menu(&response, &Meaning {
//!     title: "Density",
//!     definition: "Share of the index's tokens on which the feature is active",
//!     value: pointed.map(|p| p.to_string()),
//!     csv: Some(&|| csv::table(&["rank", "density"], rows)),
//!     picture: Some(response.rect),
//! });
//! ```

use egui::{Id, Rect, Response, Ui};

use super::menu;
use crate::theme::{Theme, caption, mono};

/// What is known about a plot or a figure.
#[derive(Clone, Copy)]
pub(crate) struct Meaning<'a> {
    /// Its title; also the name of a saved file.
    pub(crate) title: &'a str,
    /// Its definition, for *What is this number?*.
    pub(crate) definition: &'a str,
    /// The exact value under the pointer.
    pub(crate) value: Option<&'a str>,
    /// All of its data as comma-separated values.
    pub(crate) csv: Option<&'a dyn Fn() -> String>,
    /// Its place on screen, if it can be saved as a picture.
    pub(crate) picture: Option<Rect>,
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

/// The menu of the widget `response`, drawn last; opens on a right click, and by the menu key or Shift+F10 where the widget has the focus.
pub(crate) fn menu(response: &Response, meaning: &Meaning<'_>) {
    let asked = response.id.with("asked value");
    // What was under the pointer when the menu opened: later the pointer is on the menu.
    if response.secondary_clicked() || response.has_focus() {
        let value = meaning.value.map(str::to_owned);
        response.ctx.data_mut(|data| data.insert_temp(asked, value));
    }
    menu::context(response, |ui| entries_ui(ui, asked, meaning));
}

fn entries_ui(ui: &mut Ui, asked: Id, meaning: &Meaning<'_>) {
    ui.set_max_width(260.0);
    let value = ui.data(|data| data.get_temp::<Option<String>>(asked));
    let value = value.flatten();
    if let Some(value) = &value
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
    if !meaning.definition.is_empty() {
        question_ui(ui, meaning.title, meaning.definition, value.as_deref());
    }
}

/// The entry *What is this number?*, which opens the definition.
pub(crate) fn question_ui(ui: &mut Ui, title: &str, definition: &str, value: Option<&str>) {
    ui.menu_button("What is this number?", |ui| {
        ui.set_max_width(260.0);
        ui.label(title);
        if let Some(value) = value {
            ui.label(mono(value));
        }
        let words = caption(definition).color(Theme::from_ui(ui).ink.secondary);
        ui.add(egui::Label::new(words).wrap());
    });
}
