//! The project's card: where it is, its texts, recent projects.

use std::path::PathBuf;

use egui::{RichText, Ui};

use super::{card, notes_ui};
use crate::commands::{Commands, library};
use crate::shell::fact_ui;
use crate::state::AppState;
use crate::state::catalogue::name_of;
use crate::theme::{self, Theme, space};

/// Draws the card.
pub(super) fn card_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let Some(project) = state.project.open() else {
        return;
    };
    card(ui, |ui| {
        let secondary = Theme::of(ui).ink.secondary;
        ui.label(theme::caption("Project").color(secondary));
        ui.label(theme::panel_title(&project.name))
            .on_hover_text(project.folder.display().to_string());
        if state.project.demo {
            let sentence =
                "The bundled demo; what you change goes to your own folder, the demo itself stays.";
            ui.add(egui::Label::new(theme::caption(sentence).color(secondary)).wrap());
        }
        texts_ui(
            ui,
            "training text",
            &project.train_text,
            "Text to train dictionaries and probes on",
        );
        texts_ui(
            ui,
            "held-out text",
            &project.held_out_text,
            "Text no dictionary was trained on: evaluation, indexes and labs measure on it. Without one, the held-out 5 % of the training documents.",
        );
        let unwrap = if project.unwrap { "yes" } else { "no" };
        fact_ui(
            ui,
            "unwrapped",
            unwrap,
            "Whether line breaks inside a paragraph are read as spaces",
        );
        notes_ui(ui, &state.project.notes, "project notes");
        ui.horizontal_wrapped(|ui| {
            for (words, held_out) in [("Add training text…", false), ("Add held-out text…", true)]
            {
                if ui.button(words).clicked() {
                    let pick = library::Pick::Text { held_out };
                    commands.send(library::Command::Pick(pick));
                }
            }
        });
        ui.horizontal_wrapped(|ui| {
            for (words, pick) in [
                ("New project…", library::Pick::NewProject),
                ("Open a project…", library::Pick::Project),
            ] {
                if ui.button(words).clicked() {
                    commands.send(library::Command::Pick(pick));
                }
            }
        });
        recent_ui(ui, state, commands);
    });
}

fn texts_ui(ui: &mut Ui, label: &str, paths: &[PathBuf], definition: &str) {
    let value = match paths {
        [] => "none".to_owned(),
        [one] => name_of(one),
        [first, rest @ ..] => format!("{} and {} more", name_of(first), rest.len()),
    };
    let all: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    let hover = format!("{definition}\n{}", all.join("\n"));
    fact_ui(ui, label, &value, hover.trim_end());
}

/// Recent projects but the open one, each opened by a click.
pub(super) fn recent_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let open = state.project.folder();
    let recent = state.settings.recent.iter();
    let recent: Vec<_> = recent.filter(|r| Some(r.as_path()) != open).collect();
    if recent.is_empty() {
        return;
    }
    let secondary = Theme::of(ui).ink.secondary;
    ui.add_space(space::CHIP);
    ui.label(theme::caption("Recent projects").color(secondary));
    ui.horizontal_wrapped(|ui| {
        for folder in recent {
            let button = ui.button(RichText::new(name_of(folder)));
            let button = button.on_hover_text(folder.display().to_string());
            if button.clicked() {
                commands.send(library::Command::OpenProject(folder.clone()));
            }
            button.context_menu(|ui| {
                if ui.button("Forget this project").clicked() {
                    commands.send(library::Command::Forget(folder.clone()));
                    ui.close();
                }
            });
        }
    });
}
