//! Actions on the selected features: the bar below the table, and the entries of a row's menu.

use egui::{Key, TextEdit, Ui, vec2};
use umbra_core::features::filter::numbers;
use umbra_core::ids::FeatureId;
use umbra_core::report::Choice;

use super::beside;
use super::label::NameEditor;
use crate::state::AppState;
use crate::state::requests::{Commands, compare, dictionary, features, navigation, steering};
use crate::theme::{Theme, caption, icons, space};
use crate::widgets::number::count;
use crate::widgets::parts::icon_button;

/// Something to do with features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Give them a label.
    Label,
    /// Write a report of them into the project.
    Report,
    /// Write a report of them where a person chooses.
    ReportTo,
    /// Add an edit for each.
    Steer,
    /// See what other dictionaries have.
    Compare,
    /// See them beside each other.
    Beside,
    /// Filter the table down to them.
    Only,
}

impl Action {
    /// All of them.
    pub(super) const ALL: [Self; 7] = [
        Self::Label,
        Self::Report,
        Self::ReportTo,
        Self::Steer,
        Self::Compare,
        Self::Beside,
        Self::Only,
    ];

    /// Its words for so many features.
    pub(super) fn words(self, many: usize) -> String {
        let words = match self {
            Self::Label if many > 1 => return format!("Label all {}…", count(many as u64)),
            Self::Label => "Label…",
            Self::Report if many > 1 => return format!("Report on {}", count(many as u64)),
            Self::Report => "Report into the project",
            Self::ReportTo => "Report to a file…",
            Self::Steer => "Steer",
            Self::Compare => "Compare",
            Self::Beside => "Side by side",
            Self::Only => "Show only these",
        };
        words.to_owned()
    }

    /// Returns what it does, in words.
    pub(super) fn help(self) -> &'static str {
        match self {
            Self::Label => "Give the selected features one label",
            Self::Report => {
                "Writes a page with their histograms, examples and logits into the project's folder of reports"
            }
            Self::ReportTo => {
                "Writes the same page where you choose; a name that ends in .md, .json or .csv makes Markdown, JSON or a table"
            }
            Self::Steer => "Adds the decoder rows of the selected features while the model writes",
            Self::Compare => {
                "Shows this dictionary beside another: which features both have, by decoder direction"
            }
            Self::Beside => "Shows up to 8 of the selected features beside each other",
            Self::Only => "Filters the table down to the selected features, by their numbers",
        }
    }
}

/// Parts of the screen that actions change.
#[derive(Debug)]
pub(super) struct Reached<'a> {
    pub(super) editor: &'a mut NameEditor,
    pub(super) beside: &'a mut Option<Vec<FeatureId>>,
}

/// The label that several features get, while it is written.
#[derive(Debug, Default)]
pub(super) struct ActionBar {
    labelling: Option<(Vec<FeatureId>, String)>,
}

impl ActionBar {
    /// Its height while anything is selected.
    pub(super) const HEIGHT: f32 = space::CONTROL_ROW + 2.0 * space::CHIP;

    /// Draws the bar; whether the selection is to be cleared.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        (state, selected): (&AppState, &[FeatureId]),
        reached: &mut Reached<'_>,
        commands: &mut Commands,
    ) -> bool {
        let mut clear = false;
        ui.horizontal(|ui| {
            ui.set_min_height(Self::HEIGHT);
            let secondary = Theme::from_ui(ui).ink.secondary;
            let words = format!("{} selected", count(selected.len() as u64));
            ui.label(caption(words).color(secondary));
            if self.labelling.is_some() {
                self.label_ui(ui, commands);
                return;
            }
            for action in [
                Action::Label,
                Action::Report,
                Action::Steer,
                Action::Beside,
                Action::Only,
            ] {
                let words = action.words(selected.len());
                if ui.button(words).on_hover_text(action.help()).clicked() {
                    self.act(action, selected.to_vec(), (state, reached), commands);
                }
            }
            clear = icon_button(ui, icons::X, "Clear selection").clicked();
        });
        clear
    }

    /// Carries an action out.
    pub(super) fn act(
        &mut self,
        action: Action,
        of: Vec<FeatureId>,
        (state, reached): (&AppState, &mut Reached<'_>),
        commands: &mut Commands,
    ) {
        let Some(id) = state.selection.dictionary else {
            return;
        };
        match (action, of.as_slice()) {
            (Action::Label, [one]) => reached
                .editor
                .begin(*one, state.label(*one).unwrap_or_default()),
            (Action::Label, _) => self.labelling = Some((of, String::new())),
            (Action::Report, _) => commands.send(dictionary::Command::ReportHere(id, of)),
            (Action::ReportTo, _) => {
                commands.send(dictionary::Command::PickReport(id, Choice::Listed(of)));
            }
            (Action::Steer, _) => commands.send(steering::Command::Steer(id, of)),
            (Action::Beside, _) => {
                *reached.beside = Some(of.into_iter().take(beside::MOST).collect());
            }
            (Action::Only, _) => {
                let filter = numbers(&of);
                commands.send(features::Command::Filter(filter));
            }
            (Action::Compare, _) => {
                let first = of.first().copied();
                commands.send(navigation::Command::SelectFeature(first));
                commands.send(compare::Command::Show(id));
            }
        }
    }

    fn label_ui(&mut self, ui: &mut Ui, commands: &mut Commands) {
        let Some((features, text)) = &mut self.labelling else {
            return;
        };
        let edit = TextEdit::singleline(text)
            .align(egui::Align2::LEFT_CENTER)
            .hint_text("One label for all of them")
            .desired_width(240.0);
        let response = ui.add_sized(vec2(240.0, space::CONTROL_ROW), edit);
        response.widget_info(|| {
            let name = "Label of the selected features";
            egui::WidgetInfo::labeled(egui::Role::TextInput, true, name)
        });
        if response.lost_focus() {
            let keep = !ui.input(|input| input.key_pressed(Key::Escape)) && !text.trim().is_empty();
            if keep {
                let (features, text) = (features.clone(), text.trim().to_owned());
                commands.send(features::Command::LabelAll { features, text });
            }
            self.labelling = None;
        } else if !response.has_focus() {
            response.request_focus();
        }
    }
}
