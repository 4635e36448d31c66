//! The project in a few lines: where it is, its texts, recent projects; how texts are read folded below the table.

use std::path::PathBuf;

use egui::{Label, RichText, Ui};
use umbra_core::project::Project;

use super::{Raised, notes_ui, part, recent_ui};
use crate::state::AppState;
use crate::state::catalogue::name_of;
use crate::state::project::Kind;
use crate::state::requests::{Commands, library};
use crate::theme::{self, Theme, icons};
use crate::views::actions::recent_projects;
use crate::widgets::parts::{fact_ui, icon_menu};

/// Draws the part.
pub(super) fn part_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) -> Raised {
    part(ui, "Project", |ui| {
        if let Some(project) = state.project.open() {
            project_ui(ui, state, project, commands);
        }
    })
}

fn project_ui(ui: &mut Ui, state: &AppState, project: &Project, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(theme::panel_title(&project.name)).truncate())
        .on_hover_text(project.folder.display().to_string());
    let sentence = match state.project.kind {
        Kind::Own => None,
        Kind::Demo => Some(
            "The bundled demo. Your changes go to your own folder; the demo itself stays unchanged.",
        ),
        Kind::Unsaved => {
            Some("This project is not saved yet: it stays in Umbra's own folder until you save it.")
        }
    };
    if let Some(sentence) = sentence {
        ui.add(Label::new(sentence).wrap());
    }
    let texts = format!(
        "Training text: {}. Held-out text: {}.",
        named(&project.train_text, "none yet"),
        named(
            &project.held_out_text,
            "the held-out 5 % of the training documents"
        ),
    );
    ui.add(Label::new(RichText::new(texts).color(secondary)).wrap());
    actions_ui(ui, state, commands);
    recent_ui(ui, "Recent projects", recent_projects(state), commands);
}

fn actions_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        for (words, pick) in [
            ("New project…", library::Pick::NewProject),
            ("Open a project…", library::Pick::Project),
            ("Save project as…", library::Pick::SaveProject),
        ] {
            if ui.button(words).clicked() {
                commands.send(library::Command::Pick(pick));
            }
        }
        icon_menu(ui, icons::DOTS_THREE, "More for the project", |ui| {
            let (words, command) = if state.project.kind == Kind::Demo {
                ("Restore the demo…", library::Command::AskToRestore)
            } else {
                ("Open the demo", library::Command::OpenDemo)
            };
            if ui.button(words).clicked() {
                commands.send(command);
                ui.close();
            }
        });
    });
}

/// Draws the project's texts and how they are read.
pub(super) fn details_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let Some(project) = state.project.open() else {
        return;
    };
    texts_ui(
        ui,
        "Training text",
        &project.train_text,
        "Text to train dictionaries and probes on",
    );
    texts_ui(
        ui,
        "Held-out text",
        &project.held_out_text,
        "Text that no dictionary was trained on: evaluation, indexes and labs use it. Without one, they use the held-out 5 % of the training documents.",
    );
    let unwrap = if project.unwrap { "yes" } else { "no" };
    fact_ui(
        ui,
        "Joins lines",
        unwrap,
        "Whether line breaks inside a paragraph become spaces",
    );
    reading_ui(ui, project, commands);
    notes_ui(ui, &state.project.notes, "project notes");
    ui.horizontal_wrapped(|ui| {
        for (words, held_out) in [("Add training text…", false), ("Add held-out text…", true)] {
            if ui.button(words).clicked() {
                let pick = library::Pick::Text { held_out };
                commands.send(library::Command::Pick(pick));
            }
        }
    });
}

/// Draws the options for reading the texts.
fn reading_ui(ui: &mut Ui, project: &Project, commands: &mut Commands) {
    let mut recursive = project.recursive;
    let help = "Also reads folders inside the text folders";
    if ui
        .checkbox(&mut recursive, "Read sub-folders")
        .on_hover_text(help)
        .changed()
    {
        commands.send(library::Command::Reading {
            recursive,
            column: project.text_column.clone(),
        });
    }
    ui.horizontal(|ui| {
        let help = "Column of Parquet files or field of JSON records that holds the text or lists of token ids. If empty: text, then input_ids, then tokens";
        let label = ui.label("Text column").on_hover_text(help);
        let id = ui.make_persistent_id("text column");
        let kept = project.text_column.clone().unwrap_or_default();
        let mut typed = ui.data(|data| data.get_temp::<String>(id)).unwrap_or_else(|| kept.clone());
        let field = ui
            .add(egui::TextEdit::singleline(&mut typed).hint_text("text").desired_width(120.0))
            .labelled_by(label.id);
        if field.changed() {
            ui.data_mut(|data| data.insert_temp(id, typed.clone()));
        }
        if field.lost_focus() {
            ui.data_mut(|data| data.remove::<String>(id));
            let typed = typed.trim();
            if typed != kept {
                commands.send(library::Command::Reading {
                    recursive: project.recursive,
                    column: (!typed.is_empty()).then(|| typed.to_owned()),
                });
            }
        }
    });
}

/// Returns the names of texts in a sentence.
fn named(paths: &[PathBuf], none: &str) -> String {
    match paths {
        [] => none.to_owned(),
        [one] => name_of(one),
        [first, rest @ ..] => format!("{} and {} more", name_of(first), rest.len()),
    }
}

fn texts_ui(ui: &mut Ui, label: &str, paths: &[PathBuf], definition: &str) {
    let value = named(paths, "none");
    let all: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    let hover = format!("{definition}\n{}", all.join("\n"));
    fact_ui(ui, label, &value, hover.trim_end());
}
