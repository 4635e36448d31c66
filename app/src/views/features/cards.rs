//! Features as cards: name, figures, histogram, strongest example, promoted and suppressed tokens. Arrows walk, Enter opens, Space selects.

use egui::{Event, EventFilter, Id, Key, Modifiers, Role, ScrollArea, Sense, Ui, WidgetInfo, vec2};
use umbra_core::features::Preview;
use umbra_core::features::filter::Column;
use umbra_core::ids::FeatureId;

use crate::state::AppState;
use crate::state::features::Table;
use crate::theme::{Theme, body_strong, caption, mono_caption, space};
use crate::views::feature::chips;
use crate::widgets::focus as keyboard;
use crate::widgets::grid::{Reply, Selection};
use crate::widgets::histogram::HistogramPlot;
use crate::widgets::number::{counted, number, percent};
use crate::widgets::snippet;
use crate::widgets::token_strip::Scale;

/// Least width of a card, and its height.
const WIDTH: f32 = 300.0;
const HEIGHT: f32 = 148.0;

/// Tokens on a card, promoted and suppressed each.
const TOKENS: usize = 6;

/// Cards and what they are drawn from.
pub(super) struct Cards<'a> {
    pub(super) state: &'a AppState,
    pub(super) table: &'a Table,
    /// Features in the order shown.
    pub(super) rows: &'a [FeatureId],
    /// Row to bring into view.
    pub(super) reveal: Option<usize>,
}

impl Cards<'_> {
    /// Draws the cards over the room that is there.
    pub(super) fn ui(&self, ui: &mut Ui, selection: &mut Selection) -> Reply {
        let mut reply = Reply::default();
        let gap = space::CONTROL;
        let across = ((ui.available_width() + gap) / (WIDTH + gap))
            .floor()
            .max(1.0);
        let width = ((ui.available_width() - space::PANEL + gap) / across - gap).floor();
        let across = across as usize;
        let id = Id::unique("cards of features");
        let focus = ui.interact(ui.available_rect_before_wrap(), id, Sense::FOCUSABLE);
        let name = format!("Cards, {}", counted(self.rows.len() as u64, "feature"));
        focus.widget_info(|| WidgetInfo::labeled(Role::Table, true, &name));
        keyboard::main(&focus);
        let lines = self.rows.len().div_ceil(across);
        let page = (ui.available_height() / (HEIGHT + gap)).floor().max(1.0) as usize;
        let walked = focus
            .has_focus()
            .then(|| self.keys(ui, id, (across, page), selection, &mut reply))
            .flatten();
        let mut area = ScrollArea::vertical().id_salt("cards").auto_shrink(false);
        if let Some(row) = walked.or(self.reveal) {
            let top = (row / across) as f32 * (HEIGHT + gap);
            let room = ui.available_height();
            let kept = ui.data(|data| data.get_temp::<f32>(id.with("offset")));
            let kept = kept.unwrap_or_default();
            let shown = top >= kept && top + HEIGHT <= kept + room;
            if !shown {
                let above = top < kept;
                let offset = if above { top } else { top + HEIGHT - room };
                area = area.vertical_scroll_offset(offset.max(0.0));
            }
        }
        ui.spacing_mut().item_spacing.y = gap;
        let shown = area.show_rows(ui, HEIGHT, lines, |ui, seen| {
            for line in seen {
                let rows = line * across..((line + 1) * across).min(self.rows.len());
                self.line_ui(ui, (rows, width, &focus), selection, &mut reply);
            }
        });
        ui.data_mut(|data| data.insert_temp(id.with("offset"), shown.state.clamped_offset().y));
        reply
    }

    fn line_ui(
        &self,
        ui: &mut Ui,
        (rows, width, focus): (std::ops::Range<usize>, f32, &egui::Response),
        selection: &mut Selection,
        reply: &mut Reply,
    ) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            for row in rows {
                let card = self.card_ui(ui, (self.rows[row], width), selection);
                self.answer(&card, (row, focus), selection, reply);
            }
        });
    }

    fn answer(
        &self,
        card: &egui::Response,
        (row, focus): (usize, &egui::Response),
        selection: &mut Selection,
        reply: &mut Reply,
    ) {
        if card.clicked() {
            focus.request_focus();
            let key = u64::from(self.rows[row].0);
            let modifiers = card.ctx.input(|input| {
                let released = input.events.iter().find_map(|event| match event {
                    Event::PointerButton {
                        pressed: false,
                        modifiers,
                        ..
                    } => Some(*modifiers),
                    _ => None,
                });
                released.unwrap_or(input.modifiers)
            });
            if modifiers.command {
                toggle(selection, key);
            } else {
                selection.only(key);
            }
            (reply.chosen, reply.clicked) = (Some(row), Some(row));
        }
        if card.double_clicked() {
            reply.opened = Some(row);
        }
        if card.middle_clicked() {
            reply.beside = Some(row);
        }
    }

    /// Walks, selects and opens; returns the row walked to.
    fn keys(
        &self,
        ui: &Ui,
        id: Id,
        (across, page): (usize, usize),
        selection: &mut Selection,
        reply: &mut Reply,
    ) -> Option<usize> {
        let filter = EventFilter {
            horizontal_arrows: true,
            vertical_arrows: true,
            ..EventFilter::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
        let last = self.rows.len().checked_sub(1)?;
        let command = |key| ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, key));
        if command(Key::A) {
            selection.select(self.rows.iter().map(|feature| feature.0.into()));
        }
        let cursor = selection.cursor();
        let at = cursor.and_then(|key| self.rows.iter().position(|f| u64::from(f.0) == key));
        let step = |key| {
            let from = at.unwrap_or(0);
            let to = match (key, at) {
                (Key::ArrowRight | Key::ArrowDown, None) | (Key::Home, _) => 0,
                (Key::ArrowRight, _) => from + 1,
                (Key::ArrowLeft, _) => from.saturating_sub(1),
                (Key::ArrowDown, _) => from + across,
                (Key::ArrowUp, _) => from.checked_sub(across).unwrap_or(from),
                (Key::PageDown, _) => from + page * across,
                (Key::PageUp, _) => from.saturating_sub(page * across),
                (Key::End, _) => last,
                _ => return None,
            };
            Some(to.min(last))
        };
        let target = ui.input(|input| {
            input.events.iter().find_map(|event| match event {
                Event::Key {
                    key, pressed: true, ..
                } => step(*key),
                _ => None,
            })
        });
        if let Some(target) = target.filter(|target| Some(*target) != at) {
            selection.only(self.rows[target].0.into());
            reply.chosen = Some(target);
            return Some(target);
        }
        let at = at?;
        if command(Key::Enter) {
            reply.beside = Some(at);
        } else if ui.input(|input| input.key_pressed(Key::Enter)) {
            (reply.opened, reply.entered) = (Some(at), Some(at));
        } else if command(Key::Space) {
            toggle(selection, self.rows[at].0.into());
        }
        None
    }

    fn card_ui(
        &self,
        ui: &mut Ui,
        (feature, width): (FeatureId, f32),
        selection: &Selection,
    ) -> egui::Response {
        let theme = Theme::from_ui(ui);
        let key = u64::from(feature.0);
        let selected = selection.contains(key);
        let size = vec2(width, HEIGHT);
        let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK);
        let ground = if response.hovered() || selected {
            theme.surface.hover
        } else {
            theme.surface.raised
        };
        let line = if selection.cursor() == Some(key) {
            theme.ink.primary
        } else if selected {
            theme.line.strong
        } else {
            theme.line.hair
        };
        let stroke = egui::Stroke::new(1.0, line);
        let painter = ui.painter();
        painter.rect(
            rect,
            space::CORNER,
            ground,
            stroke,
            egui::StrokeKind::Inside,
        );
        let label = self.state.label(feature).unwrap_or("no label");
        let words = format!("Card of feature {feature}, {label}");
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, &words));
        let inside = egui::UiBuilder::new()
            .id_salt(("card", feature))
            .max_rect(rect.shrink(space::CONTROL));
        let ui = &mut ui.new_child(inside);
        ui.set_clip_rect(rect.intersect(ui.clip_rect()));
        ui.spacing_mut().item_spacing.y = 3.0;
        self.content_ui(ui, feature);
        response
    }

    fn content_ui(&self, ui: &mut Ui, feature: FeatureId) {
        let theme = Theme::from_ui(ui);
        let secondary = theme.ink.secondary;
        let still = |text: egui::RichText| egui::Label::new(text).truncate().selectable(false);
        ui.add(still(body_strong(chips::title(self.state, feature))));
        let Some(summary) = self.table.summaries.get(feature.index()) else {
            return;
        };
        let mut figures = format!(
            "density {}  mean {}  max {}",
            percent(summary.density),
            number(summary.mean),
            number(summary.strongest())
        );
        if let Some(head) = self.table.text(Column::Head, feature) {
            figures.push_str("  head ");
            figures.push_str(&head);
        }
        ui.add(still(mono_caption(figures).color(secondary)));
        if let Some(fact) = self.table.text(Column::Fact, feature) {
            ui.add(still(caption(fact.replace('\n', "⏎")).color(secondary)));
        }
        let preview = self.state.preview(self.table.dictionary, feature);
        let Some(preview) = preview else { return };
        let size = vec2(ui.available_width(), 26.0);
        let histogram = &preview.histogram;
        if !histogram.counts.is_empty() {
            HistogramPlot::new("Activations", &histogram.edges, &histogram.counts)
                .size(size)
                .sparkline(ui);
        }
        if let Some(example) = &preview.top {
            let room = ui.available_width();
            let galley = snippet::layout(ui, example, Scale::from_summary(summary), room);
            let (rect, _) = ui.allocate_exact_size(vec2(room, 18.0), Sense::hover());
            ui.painter().galley(rect.min, galley, theme.ink.primary);
        }
        for (words, tokens) in tokens(preview) {
            if !tokens.is_empty() {
                let text = caption(format!("{words} {tokens}")).color(secondary);
                ui.add(still(text));
            }
        }
    }
}

fn toggle(selection: &mut Selection, key: u64) {
    let mut keys: Vec<u64> = selection.keys().collect();
    match keys.iter().position(|known| *known == key) {
        Some(at) => {
            keys.remove(at);
        }
        None => keys.push(key),
    }
    selection.only(key);
    selection.select(keys);
}

/// Promoted and suppressed tokens in words.
fn tokens(preview: &Preview) -> [(&'static str, String); 2] {
    let listed = |effects: &[umbra_core::features::TokenEffect]| {
        let texts = effects.iter().take(TOKENS);
        let texts: Vec<String> = texts
            .map(|effect| effect.text.trim().replace('\n', "⏎"))
            .collect();
        texts.join(" · ")
    };
    [
        ("promotes", listed(&preview.promoted)),
        ("suppresses", listed(&preview.suppressed)),
    ]
}
