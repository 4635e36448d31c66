//! The largest strengths that were found, with the rule by which they were.

use egui::{Label, Ui};
use umbra_core::steer::limit::{DEFINITIONS, Limit};

use super::carry::{CARRY, Carrier};
use crate::state::requests::Commands;
use crate::theme::{Theme, caption, panel_title, space};
use crate::views::report;
use crate::widgets::csv;
use crate::widgets::meaning::{self, Meaning};

/// Draws each limit with a button that puts it into the stack.
pub(super) fn limits_ui(
    ui: &mut Ui,
    limits: &[Limit],
    carrier: &Carrier<'_>,
    commands: &mut Commands,
) {
    let Some(last) = limits.last() else {
        return;
    };
    ui.label(panel_title("Largest strength"));
    for limit in limits.iter().rev() {
        ui.horizontal_wrapped(|ui| {
            let words = format!("{}.", limit.conclusion());
            let said = ui.add(Label::new(words).wrap().selectable(true));
            let value = limit.limit.to_string();
            let csv = || steps(limit);
            let meaning = Meaning::new("Largest strength", DEFINITIONS[0].1);
            meaning::menu(&said, &meaning.value(Some(&value)).csv(&csv));
            let name = format!("Use it: feature {} at {:.4}", limit.feature, limit.limit);
            let take = ui.add_enabled(limit.limit != 0.0, egui::Button::new("Use it"));
            take.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, limit.limit != 0.0, &name)
            });
            if take.on_hover_text(CARRY).clicked() {
                carrier.carry(limit.feature, limit.limit, commands);
            }
        });
    }
    ui.add_space(space::CHIP);
    let secondary = Theme::from_ui(ui).ink.secondary;
    let words = format!("{}.", last.rule.said());
    ui.add(Label::new(caption(words).color(secondary)).wrap());
    report::add_ui(ui, commands, || last.section());
}

/// Every strength that was tried.
fn steps(limit: &Limit) -> String {
    let titles = ["Strength", "Perplexity", "Repetition", "Holds"];
    let rows = limit.steps.iter().map(|step| {
        [
            step.strength.into(),
            step.figures.perplexity.into(),
            step.figures.repetition.into(),
            csv::Value::from(if step.holds { "yes" } else { "no" }),
        ]
    });
    csv::table::<[csv::Value; 4]>(&titles, rows)
}
