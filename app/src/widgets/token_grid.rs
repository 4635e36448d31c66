//! A table whose cells are tokens on tints: rows downwards, the tokens of a text across. Only cells in view are laid out; names of rows and columns
//! stay while the cells scroll. Every cell in view is a control with a name. Knows nothing of what the rows are.

#[cfg(test)]
mod tests;

use egui::{
    Align2, FontId, Painter, Pos2, Rect, Response, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui,
    UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};

use super::csv::{self, Value};
use super::meaning::{self, Meaning};
use crate::theme::{Hue, Theme, size, space};

/// Widths of a cell: narrower where all fit then.
const COLUMN: std::ops::RangeInclusive<f32> = 64.0..=92.0;

/// Height of a cell.
const ROW: f32 = space::TABLE_ROW;

/// Room for the names of rows.
const GUTTER: f32 = 68.0;

/// Room for positions and tokens above the cells.
const HEADER: f32 = 40.0;

/// Content of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TokenCell<'a> {
    /// A token in display form.
    pub(crate) text: &'a str,
    /// Strength of its tint, 0 to 1.
    pub(crate) share: f32,
}

/// The table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenGrid<'a> {
    /// Unique within its place.
    pub(crate) name: &'a str,
    /// Names of the rows.
    pub(crate) rows: &'a [String],
    /// Title of the rows.
    pub(crate) rows_title: &'a str,
    /// Tokens of the text.
    pub(crate) columns: &'a [String],
    /// The chosen column.
    pub(crate) selected: Option<usize>,
    /// Whether the chosen column is brought into view.
    pub(crate) reveal: bool,
    /// Hue of the tints.
    pub(crate) hue: Hue,
    /// Greatest height.
    pub(crate) height: f32,
}

/// Source of the cells' content and hover text.
pub(crate) trait Cells {
    /// Content of a cell.
    fn cell(&self, row: usize, column: usize) -> TokenCell<'_>;
    /// The text in words.
    fn words(&self, row: usize, column: usize) -> String;
    /// Its hover card.
    fn card_ui(&self, ui: &mut Ui, row: usize, column: usize);
    /// The exact number that its tint shows.
    fn value(&self, _row: usize, _column: usize) -> Value {
        Value::Nothing
    }
    /// Definition of these numbers.
    fn definition(&self) -> &'static str {
        ""
    }
}

/// Cells that the pointer and the keyboard are on.
#[derive(Debug, Default)]
struct Found {
    clicked: Option<(usize, usize)>,
    pointed: Option<(usize, usize)>,
    focused: Option<egui::Id>,
}

impl TokenGrid<'_> {
    /// Draws the table; the cell that was clicked.
    pub(crate) fn ui(&self, ui: &mut Ui, cells: &dyn Cells) -> Option<(usize, usize)> {
        let bar = ui.spacing().scroll.bar_width + 2.0 * space::CHIP;
        let all = ROW * self.rows.len() as f32;
        let high = (all + bar).min(self.height - HEADER).max(4.0 * ROW);
        let beside = if all + bar > high { bar } else { 0.0 }; // a bar for the rows
        let room = ui.available_width() - GUTTER - beside;
        let fitting = (room / self.columns.len().max(1) as f32).floor();
        let wide = if fitting < *COLUMN.start() {
            *COLUMN.end()
        } else {
            fitting.min(*COLUMN.end())
        };
        let content = vec2(wide * self.columns.len() as f32, all);
        let size = vec2(ui.available_width(), HEADER + high);
        let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
        let body = Rect::from_min_max(rect.min + vec2(GUTTER, HEADER), rect.max);
        let whole = ui.interact(
            rect,
            ui.scope_id().with(("grid", self.name)),
            Sense::hover(),
        );
        let mut found = Found::default();
        let mut inside = ui.new_child(UiBuilder::new().max_rect(body));
        let shown = ScrollArea::both()
            .id_salt(self.name)
            .auto_shrink(false)
            .show_viewport(&mut inside, |ui, view| {
                ui.set_min_size(content);
                let origin = ui.max_rect().min;
                if let Some(column) = self.selected.filter(|_| self.reveal) {
                    let rect =
                        cell_rect(origin, wide, (0, column)).with_max_y(origin.y + view.bottom());
                    let rect = rect.with_min_y(origin.y + view.top());
                    ui.scroll_to_rect(rect.expand2(vec2(wide, 0.0)), None);
                }
                let columns = range(view.left(), view.right(), wide, self.columns.len());
                let rows = range(view.top(), view.bottom(), ROW, self.rows.len());
                let seen = rows.flat_map(|row| columns.clone().map(move |column| (row, column)));
                for (row, column) in seen {
                    let rect = cell_rect(origin, wide, (row, column));
                    self.cell_ui(ui, rect, (row, column), (cells, &mut found));
                }
            });
        self.paint_names(ui, (rect, body), wide, shown.state.clamped_offset());
        self.menu(&whole, cells, &found);
        found.clicked
    }

    fn menu(&self, whole: &Response, cells: &dyn Cells, found: &Found) {
        let value = found.pointed.map(|(row, column)| {
            let value = cells.value(row, column);
            match value {
                Value::Nothing => cells.cell(row, column).text.to_owned(),
                value => value.to_string(),
            }
        });
        let csv = || {
            let all = (0..self.rows.len())
                .flat_map(|row| (0..self.columns.len()).map(move |column| (row, column)));
            let lines = all.map(|(row, column)| {
                [
                    self.rows[row].as_str().into(),
                    column.into(),
                    self.columns[column].as_str().into(),
                    cells.cell(row, column).text.into(),
                    cells.value(row, column),
                ]
            });
            let titles = [self.rows_title, "Position", "Token", "Cell", "Value"];
            csv::table::<[Value; 5]>(&titles, lines)
        };
        let meaning = Meaning::new(self.name, cells.definition());
        let meaning = meaning.value(value.as_deref()).csv(&csv);
        meaning::menu_within(whole, found.focused, &meaning.picture(whole.rect));
    }

    fn cell_ui(
        &self,
        ui: &Ui,
        rect: Rect,
        (row, column): (usize, usize),
        (cells, found): (&dyn Cells, &mut Found),
    ) {
        let theme = Theme::from_ui(ui);
        let id = ui.scope_id().with((self.name, row, column));
        let response = ui.interact(rect, id, Sense::click());
        let selected = self.selected == Some(column);
        response.widget_info(|| {
            WidgetInfo::selected(Role::Button, true, selected, cells.words(row, column))
        });
        let cell = cells.cell(row, column);
        let painter = ui.painter();
        let tinted = theme.tint(self.hue, cell.share);
        painter.rect_filled(rect, 2.0, tinted.fill);
        let inside = rect.shrink2(vec2(space::CHIP, 0.0));
        paint_token(painter, inside, cell.text, tinted.ink);
        let outline = if response.has_focus() {
            Some(Stroke::new(1.5, theme.ink.primary))
        } else {
            (response.hovered() || selected).then(|| Stroke::new(1.0, theme.ink.secondary))
        };
        if let Some(stroke) = outline {
            painter.rect_stroke(rect, 2.0, stroke, StrokeKind::Inside);
        }
        if response.clicked() {
            found.clicked = Some((row, column));
        }
        if response.has_focus() {
            found.focused = Some(response.id);
        }
        if response.hovered() || response.has_focus() {
            found.pointed = Some((row, column));
        }
        response.on_hover_ui(|ui| cells.card_ui(ui, row, column));
    }

    fn paint_names(&self, ui: &Ui, (rect, body): (Rect, Rect), wide: f32, offset: Vec2) {
        let theme = Theme::from_ui(ui);
        let caption = FontId::proportional(size::CAPTION);
        let secondary = theme.ink.secondary;
        let left = ui.painter().with_clip_rect(Rect::from_x_y_ranges(
            rect.left()..=body.left(),
            body.y_range(),
        ));
        for row in range(offset.y, offset.y + body.height(), ROW, self.rows.len()) {
            let rect = cell_rect(body.min - offset, wide, (row, 0));
            let at = pos2(body.left() - space::CONTROL, rect.center().y);
            let name = &self.rows[row];
            left.text(at, Align2::RIGHT_CENTER, name, caption.clone(), secondary);
        }
        let above = ui.painter().with_clip_rect(Rect::from_x_y_ranges(
            body.x_range(),
            rect.top()..=body.top(),
        ));
        let columns = self.columns.len();
        for column in range(offset.x, offset.x + body.width(), wide, columns) {
            let cell = cell_rect(body.min - offset, wide, (0, column));
            let lit = self.selected == Some(column);
            let top = pos2(cell.left() + space::CHIP, rect.top());
            let position = column.to_string();
            above.text(top, Align2::LEFT_TOP, position, caption.clone(), secondary);
            let token = Rect::from_min_max(
                pos2(cell.left() + space::CHIP, rect.top() + 16.0),
                pos2(cell.right() - space::CHIP, rect.top() + 36.0),
            );
            let ink = if lit { theme.ink.primary } else { secondary };
            paint_token(&above, token, &self.columns[column], ink);
        }
        let corner = pos2(body.left() - space::CONTROL, body.top() - space::CHIP);
        let title = self.rows_title;
        ui.painter()
            .text(corner, Align2::RIGHT_BOTTOM, title, caption, secondary);
    }
}

fn cell_rect(origin: Pos2, wide: f32, (row, column): (usize, usize)) -> Rect {
    let min = origin + vec2(column as f32 * wide, row as f32 * ROW);
    Rect::from_min_size(min, vec2(wide - 1.0, ROW - 1.0))
}

/// Returns the indices of the cells of `length` between `from` and `to`, of `all`.
fn range(from: f32, to: f32, length: f32, all: usize) -> std::ops::Range<usize> {
    let first = ((from / length).floor().max(0.0) as usize).min(all);
    first..((to / length).ceil().max(0.0) as usize).clamp(first, all)
}

/// A token on one line, cut to `rect`; newlines are shown and a space before it is a dot, since alone it would not be seen.
fn paint_token(painter: &Painter, rect: Rect, text: &str, ink: egui::Color32) {
    let mut shown = text.replace('\n', "⏎").replace('\t', "⇥");
    if let Some(rest) = shown.strip_prefix(' ') {
        shown = format!("·{rest}");
    }
    let font = FontId::monospace(size::CAPTION);
    let mut job = egui::text::LayoutJob::simple_singleline(shown, font, ink);
    job.wrap = egui::text::TextWrapping::truncate_at_width(rect.width());
    let galley = painter.layout_job(job);
    let at = pos2(rect.left(), rect.center().y - galley.size().y / 2.0);
    painter.galley(at, galley, ink);
}
