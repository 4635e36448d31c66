//! Buttons that measure what an index lacks: facts, families and steering scores.

use egui::Ui;
use umbra_core::features::scores::Scores;

use crate::state::AppState;
use crate::state::features::Table;
use crate::state::requests::{Command, Commands, families, labels};

/// A measurement that the index lacks.
struct Offer {
    words: &'static str,
    help: &'static str,
    command: Command,
    /// Why it cannot be asked for, while it is at work.
    at_work: Option<&'static str>,
}

/// Returns the measurements that the index lacks, the most useful first.
fn offers(table: &Table, state: &AppState) -> Vec<Offer> {
    let id = table.dictionary;
    let mut offers = Vec::new();
    if table.facts.is_none() {
        let at_work = "Facts are being measured; the strip below shows the progress";
        offers.push(Offer {
            words: "Measure facts",
            help: "Measures on held-out text on which tokens, after and before which, and at which places of words, lines and sentences each feature fires, with precision and recall, \
                   and adds the columns Fact, Precision and Recall",
            command: labels::Command::MeasureFacts(id).into(),
            at_work: state.labels.measuring.contains(&id).then_some(at_work),
        });
    }
    if table.families.is_none() {
        let at_work = "Families are being measured; the strip below shows the progress";
        offers.push(Offer {
            words: "Measure families",
            help: "Measures on the index's text which features respond to induction, to local context or to long-range context, and adds the columns Family, Reach and \
                   Induction",
            command: families::Command::Measure(id).into(),
            at_work: state.families.measuring.contains(&id).then_some(at_work),
        });
    }
    if !table.scores.as_ref().is_some_and(Scores::is_whole) {
        let at_work = "Steering is being scored; the strip below shows the progress";
        offers.push(Offer {
            words: match table.scores {
                Some(_) => "Score the rest",
                None => "Score steering",
            },
            help: "Adds the direction of every feature at the last position of 64 random contexts of held-out text, and adds the columns Steers and Selectivity. What is done when it is stopped \
                   is kept, and the next run goes on from there",
            command: families::Command::Score(id).into(),
            at_work: state.families.scoring.contains(&id).then_some(at_work),
        });
    }
    offers
}

/// Draws at most `most` buttons.
pub(super) fn offers_ui(
    ui: &mut Ui,
    (table, most): (&Table, usize),
    state: &AppState,
    commands: &mut Commands,
) {
    for offer in offers(table, state).into_iter().take(most) {
        let ready = state.model().is_some() && offer.at_work.is_none();
        let button = ui.add_enabled(ready, egui::Button::new(offer.words));
        let why = offer.at_work.unwrap_or("Open the model first");
        let button = button.on_hover_text(offer.help).on_disabled_hover_text(why);
        if button.clicked() {
            commands.send(offer.command);
        }
    }
}
