//! Scroll areas whose position survives a restart, each under a name of its own.

use std::collections::BTreeMap;

use egui::scroll_area::ScrollAreaOutput;
use egui::{Context, Event, Id, ScrollArea, Ui};

/// Positions from the top, in points.
#[derive(Debug, Clone, Default)]
struct Positions {
    /// To be scrolled to as soon as there is enough content.
    wanted: BTreeMap<String, f32>,
    now: BTreeMap<String, f32>,
}

fn with<R>(ctx: &Context, change: impl FnOnce(&mut Positions) -> R) -> R {
    ctx.data_mut(|data| change(data.get_temp_mut_or_default(Id::NULL)))
}

/// Scrolls each area to where it was, once its content is there.
pub(crate) fn restore(ctx: &Context, wanted: BTreeMap<String, f32>) {
    with(ctx, |all| {
        all.now.clone_from(&wanted);
        all.wanted = wanted;
    });
}

/// Returns where every area stands.
pub(crate) fn positions(ctx: &Context) -> BTreeMap<String, f32> {
    with(ctx, |all| all.now.clone())
}

/// Where the area `name` has to be scrolled to; give it to the builder of a table.
pub(crate) fn wanted(ui: &Ui, name: &str) -> Option<f32> {
    with(ui.ctx(), |all| all.wanted.get(name).copied())
}

/// Shows a vertical scroll area whose position survives a restart under `name`.
pub(crate) fn scroll_ui<R>(
    ui: &mut Ui,
    name: &str,
    area: ScrollArea,
    content: impl FnOnce(&mut Ui) -> R,
) -> ScrollAreaOutput<R> {
    let area = match wanted(ui, name) {
        Some(offset) => area.vertical_scroll_offset(offset),
        None => area,
    };
    let output = area.show(ui, content);
    seen(ui, name, &output);
    output
}

/// Takes note of where the area `name` was drawn.
pub(crate) fn seen<R>(ui: &Ui, name: &str, output: &ScrollAreaOutput<R>) {
    let offset = output.state.clamped_offset().y;
    // A person who does anything wants to stay where they are.
    let acts = ui.input(|input| {
        let acts = |event: &Event| {
            matches!(
                event,
                Event::Key { pressed: true, .. }
                    | Event::PointerButton { .. }
                    | Event::MouseWheel { .. }
                    | Event::Text(_)
                    | Event::Touch { .. }
            )
        };
        input.events.iter().any(acts)
    });
    with(ui.ctx(), |all| {
        if let Some(wanted) = all.wanted.get(name) {
            if (wanted - offset).abs() >= 1.0 && !acts {
                return;
            }
            all.wanted.remove(name);
        }
        if all.now.get(name) != Some(&offset) {
            all.now.insert(name.to_owned(), offset);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::widgets::staged;

    /// An area over so many lines, and how far it is scrolled.
    fn area() -> egui_kittest::Harness<'static, (usize, f32)> {
        staged(
            |ui, (lines, offset): &mut (usize, f32)| {
                let area = ScrollArea::vertical().max_height(100.0);
                let output = scroll_ui(ui, "lines", area, |ui| {
                    for line in 0..*lines {
                        ui.label(format!("line {line}"));
                    }
                });
                *offset = output.state.clamped_offset().y;
            },
            (1, 0.0),
        )
    }

    #[test]
    fn a_position_waits_for_its_content_and_then_belongs_to_the_person() {
        let mut harness = area();
        restore(&harness.ctx, BTreeMap::from([("lines".to_owned(), 120.0)]));
        harness.run();
        assert_eq!(positions(&harness.ctx)["lines"], 120.0, "it is not lost");
        harness.state_mut().0 = 100;
        harness.run();
        assert_eq!(harness.state().1, 120.0);
        harness.hover_at(egui::pos2(50.0, 50.0));
        harness.event(Event::MouseWheel {
            unit: egui::MouseWheelUnit::Point,
            delta: egui::vec2(0.0, 60.0),
            phase: egui::TouchPhase::Move,
            modifiers: egui::Modifiers::NONE,
            source: egui::MouseWheelSource::Wheel,
        });
        harness.run();
        let offset = harness.state().1;
        assert!(offset < 120.0, "{offset}");
        assert_eq!(positions(&harness.ctx)["lines"], offset);
    }

    #[test]
    fn a_position_that_never_comes_gives_way_to_the_first_key() {
        let mut harness = area();
        restore(&harness.ctx, BTreeMap::from([("lines".to_owned(), 120.0)]));
        harness.run();
        harness.key_press(egui::Key::Home);
        harness.run();
        assert_eq!(positions(&harness.ctx)["lines"], 0.0);
    }
}
