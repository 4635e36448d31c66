//! The log of everything that happened, with times.

use std::time::Instant;

use egui::{Align, Layout, Rect, ScrollArea, Ui, UiBuilder, vec2};

use super::view::View;
use crate::memo::Memo;
use crate::state::AppState;
use crate::state::log::LogState;
use crate::state::requests::{Commands, navigation};
use crate::state::view::ViewId;
use crate::theme::{self, Theme, icons, space};
use crate::widgets::empty_state::empty_state;

/// Width of the times.
const TIME: f32 = 52.0;

/// Inputs of the lines' heights: their number, the first one's time, width and scale.
type Key = (usize, Option<Instant>, u32, u32);

/// The log of everything that happened, with times.
#[derive(Debug, Default)]
pub(crate) struct LogView {
    /// Tops of the lines, and the bottom of the last one.
    tops: Memo<Key, Vec<f32>>,
}

impl View for LogView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        if state.log.lines.is_empty() {
            let sentence = "No messages yet. This screen lists jobs and messages.";
            if empty_state(ui, icons::SCROLL, sentence, Some("Go to Library")) {
                commands.send(navigation::Command::Go(ViewId::Library));
            }
            return;
        }
        self.lines_ui(ui, &state.log);
    }
}

impl LogView {
    /// Draws the lines in view; long ones take several rows.
    fn lines_ui(&mut self, ui: &mut Ui, log: &LogState) {
        let area = ScrollArea::vertical()
            .auto_shrink(false)
            .stick_to_bottom(true);
        area.show_viewport(ui, |ui, seen| {
            let width = (ui.available_width() - TIME).max(TIME);
            let scale = ui.pixels_per_point();
            let first = log.lines.first().map(|line| line.at);
            let key = (log.lines.len(), first, width.to_bits(), scale.to_bits());
            let tops = self.tops.get(key, |_| {
                let mut top = 0.0;
                let heights = log.lines.iter().map(|line| {
                    let height = laid_out(ui, &line.text, width).size().y;
                    (height + space::CHIP).max(space::TABLE_ROW)
                });
                let bottoms = heights.map(|height| {
                    top += height;
                    top
                });
                std::iter::once(0.0).chain(bottoms).collect()
            });
            let whole = tops.last().copied().unwrap_or_default();
            ui.set_height(whole);
            let corner = ui.max_rect().min;
            let secondary = Theme::from_ui(ui).ink.secondary;
            for (line, top) in log.lines.iter().zip(tops.windows(2)) {
                if top[1] < seen.top() || top[0] > seen.bottom() {
                    continue;
                }
                let seconds = line.at.duration_since(log.began).as_secs();
                let time = format!("{:02}:{:02}", seconds / 60, seconds % 60);
                let at = corner + vec2(0.0, top[0]);
                let cell = |x: f32, width: f32| {
                    let size = vec2(width, top[1] - top[0]);
                    Rect::from_min_size(at + vec2(x, space::CHIP / 2.0), size)
                };
                let layout = Layout::top_down(Align::Min);
                let part = |x, width| UiBuilder::new().max_rect(cell(x, width)).layout(layout);
                ui.scope_builder(part(0.0, TIME), |ui| {
                    ui.label(theme::mono(time).color(secondary));
                });
                ui.scope_builder(part(TIME, width), |ui| {
                    ui.add(egui::Label::new(&line.text).wrap());
                });
            }
        });
    }
}

fn laid_out(ui: &Ui, text: &str, width: f32) -> std::sync::Arc<egui::Galley> {
    let font = egui::TextStyle::Body.resolve(ui.style());
    let ink = Theme::from_ui(ui).ink.primary;
    ui.painter().layout(text.to_owned(), font, ink, width)
}
