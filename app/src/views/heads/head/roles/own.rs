//! The person's own verdict on a head, with a note; kept in the project beside the labels.

use egui::{Button, Key, TextEdit, Ui};
use umbra_core::ids::{Head, Layer};
use umbra_core::project::{HeadVerdict, Verdict};

use crate::state::AppState;
use crate::state::requests::Commands;
use crate::state::requests::heads::roles::Command;

/// Greatest width of the note.
const NOTE: f32 = 420.0;

/// The note as it is typed.
#[derive(Debug, Default)]
pub(super) struct Own {
    of: Option<((Layer, Head), u64)>,
    note: String,
}

impl Own {
    /// Draws the three buttons and the note.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (layer, head): (Layer, Head),
        commands: &mut Commands,
    ) {
        ask(state, commands);
        let roles = &state.heads.roles;
        let kept = roles
            .own
            .get(&(layer, head))
            .cloned()
            .unwrap_or(HeadVerdict {
                layer,
                head,
                verdict: None,
                note: String::new(),
            });
        let key = ((layer, head), roles.revision);
        if self.of != Some(key) {
            self.note.clone_from(&kept.note);
            self.of = Some(key);
        }
        ui.horizontal_wrapped(|ui| {
            ui.label("Your verdict");
            for verdict in Verdict::ALL {
                let chosen = kept.verdict == Some(verdict);
                let button = ui.add(Button::new(sentence(verdict)).selected(chosen));
                let help = "Kept with the project and compared with the measured verdicts; a second click removes it";
                if button.on_hover_text(help).clicked() {
                    let verdict = (!chosen).then_some(verdict);
                    let note = self.note.trim().to_owned();
                    commands.send(Command::Set(HeadVerdict { verdict, note, ..kept.clone() }));
                }
            }
        });
        ui.horizontal(|ui| {
            let label = ui.label("Note");
            let width = ui.available_width().min(NOTE);
            let edit = TextEdit::singleline(&mut self.note)
                .hint_text("What the head does, in your words…")
                .desired_width(width);
            let response = ui.add(edit).labelled_by(label.id);
            if response.lost_focus() {
                if ui.input(|input| input.key_pressed(Key::Escape)) {
                    self.note.clone_from(&kept.note);
                } else if self.note.trim() != kept.note {
                    let note = self.note.trim().to_owned();
                    commands.send(Command::Set(HeadVerdict {
                        note,
                        ..kept.clone()
                    }));
                }
            }
            response.on_hover_text("Enter saves, Esc cancels");
        });
    }
}

/// Asks for the verdicts where those at hand are of another project or model.
pub(super) fn ask(state: &AppState, commands: &mut Commands) {
    let (Some(folder), Some(model)) = (state.project.folder(), state.model()) else {
        return;
    };
    let print = model.model.fingerprint();
    let own = state.heads.roles.own_of.as_ref();
    if own.is_none_or(|(kept, of)| kept != folder || of != print) {
        commands.send(Command::ReadOwn);
    }
}

fn sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::One => "One role",
        Verdict::Several => "Several roles",
        Verdict::Unsure => "Cannot tell",
    }
}
