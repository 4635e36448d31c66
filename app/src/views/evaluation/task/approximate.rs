//! Test 1: sufficiency and necessity of every dictionary as bars, supervised ones first.

use egui::{Ui, vec2};
use umbra_core::tasks::test::{Evaluation, Tested};

use super::{Role, definition};
use crate::state::AppState;
use crate::state::evaluation::task;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Hue, body_strong, space};
use crate::widgets::bars::{Bar, Bars, Fill};

/// Width from which both groups stand side by side.
const BESIDE: f32 = 720.0;

/// Draws both groups of bars. A click uses the dictionary.
pub(super) fn bars_ui(ui: &mut Ui, state: &AppState, found: &Evaluation, commands: &mut Commands) {
    let groups = [
        (
            "Sufficiency",
            "sufficiency",
            (|one| one.sufficiency) as fn(&Tested) -> f64,
        ),
        ("Necessity", "necessity", |one| one.necessity),
    ];
    let baselines = task::baselines(state);
    let mut draw = |ui: &mut Ui, (title, key, value): (&str, &str, fn(&Tested) -> f64)| {
        ui.label(body_strong(title)).on_hover_text(definition(key));
        let bars: Vec<Bar> = found
            .dictionaries
            .iter()
            .map(|one| bar((one, &baselines), value))
            .collect();
        let most = bars.iter().fold(1.0, |most: f64, bar| most.max(bar.value));
        let shown = Bars::new(title, &bars, Fill::Hue(Hue::Activation))
            .definition(definition(key))
            .clickable()
            .most(most)
            .show(ui);
        let clicked = shown.clicked.and_then(|at| found.dictionaries.get(at));
        if let Some(one) = clicked.and_then(|one| state.catalogue.named(&one.name)) {
            commands.send(navigation::Command::SelectDictionary(one.id));
        }
    };
    let all = ui.available_width();
    if all < BESIDE {
        for group in groups {
            draw(ui, group);
            ui.add_space(space::CONTROL);
        }
        return;
    }
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        for group in groups {
            let width = (all - space::GROUP) / 2.0;
            let layout = egui::Layout::top_down(egui::Align::Min);
            ui.allocate_ui_with_layout(vec2(width, 0.0), layout, |ui| {
                ui.set_width(width);
                ui.spacing_mut().item_spacing.x = space::CONTROL;
                draw(ui, group);
            });
        }
    });
}

fn bar((one, baselines): (&Tested, &[&str]), value: fn(&Tested) -> f64) -> Bar {
    let label = match Role::new(one, baselines) {
        Role::Own => one.name.clone(),
        role => format!("{} ({})", one.name, role.title()),
    };
    Bar::new(label, value(one)).hover(one.sites.join(", "))
}
