//! All dictionaries of the project with the numbers that are kept of them, and the front of any two numbers.

pub(super) mod model;
mod pareto;
mod table;

use egui::{Label, RichText, Ui};
use umbra_core::workbench::scores;

use self::model::Line;
use crate::memo::Memo;
use crate::state::AppState;
use crate::state::requests::{Commands, evaluation};
use crate::theme::{Theme, body_strong, space};
use crate::views::report;
use crate::widgets::grid;
use crate::widgets::grid::arrangement::Sort;
use crate::widgets::number::counted;

/// The panel.
#[derive(Debug, Default)]
pub(super) struct Panel {
    lines: Memo<(u64, Option<Sort>), Vec<Line>>,
    table: table::Table,
    pareto: pareto::Choice,
}

impl Panel {
    /// Draws the panel.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let sort = grid::sort(ui.ctx(), table::NAME);
        let key = (state.catalogue.revision, sort);
        let lines = self
            .lines
            .get(key, |(_, sort)| model::lines(state, sort.as_ref()));
        standing_ui(ui, lines, commands);
        self.table.ui(ui, state, lines, commands);
        ui.add_space(space::GROUP);
        ui.add(Label::new(body_strong("Which dictionary is best at what?")).wrap());
        self.pareto.ui(ui, state, lines, commands);
        let axes = self.pareto.axes();
        report::add_ui(ui, commands, || {
            let rows: Vec<_> = lines
                .iter()
                .map(|line| (&line.row, line.measured.text()))
                .collect();
            scores::section(&rows, axes)
        });
    }
}

/// Says how many dictionaries are measured, and draws the button that measures the others.
fn standing_ui(ui: &mut Ui, lines: &[Line], commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let all = lines.len() as u64;
    let measured = lines.iter().filter(|line| line.row.figures.is_some());
    let measured = measured.count() as u64;
    let missing = model::missing(lines);
    let running = lines
        .iter()
        .filter(|line| line.measured.is_running())
        .count() as u64;
    let older = missing.len() as u64 + running;
    let words = match (measured, older) {
        (_, 0) if measured == all => {
            format!(
                "All numbers of {} are measured.",
                counted(all, "dictionary")
            )
        }
        _ => format!("{measured} of {} measured.", counted(all, "dictionary")),
    };
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(words).color(secondary));
        if running > 0 {
            let words = format!("Measuring {}…", counted(running, "dictionary"));
            ui.label(RichText::new(words).color(secondary));
        }
        if missing.is_empty() {
            return;
        }
        let words = format!("Measure {}", counted(missing.len() as u64, "dictionary"));
        let help = "Reads held-out text with each dictionary that has no numbers yet, or only those of an older version. They are measured one after the other; the job strip shows how far it is and stops it";
        if ui.button(words).on_hover_text(help).clicked() {
            commands.send(evaluation::Command::Measure(missing));
        }
    });
    ui.add_space(space::CHIP);
}
