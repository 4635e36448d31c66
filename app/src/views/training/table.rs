//! Tables of runs: columns that leave where there is no room, a mark of the colour that a run's lines have, a row that is clicked.

use egui::{Align, Label, Layout, Response, Role, Sense, Ui, WidgetInfo, vec2};
use egui_extras::{Column as Width, TableBuilder};

use crate::theme::{Theme, caption, mono, space};

/// Width of a colour's mark.
const MARK: f32 = 12.0;

/// Least width of a name.
const NAME: f32 = 84.0;

/// One column behind the name.
pub(super) struct Column<T> {
    pub(super) title: &'static str,
    pub(super) definition: &'static str,
    pub(super) width: f32,
    /// Hidden in a narrow table.
    pub(super) from: f32,
    pub(super) is_number: bool,
    pub(super) text: fn(&T) -> String,
}

/// Mark and name of a row.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    /// Its name for screen readers.
    pub(super) words: String,
    /// Colour of its lines, where they are shown.
    pub(super) colour: Option<usize>,
    pub(super) selected: bool,
}

/// A table of `items`, at most `height` high; the index of a row that was clicked.
pub(super) fn table_ui<'a, T>(
    ui: &mut Ui,
    (salt, height): (&str, f32),
    columns: &[Column<T>],
    items: &[T],
    row_of: &dyn Fn(usize) -> Row<'a>,
) -> Option<usize> {
    let room = ui.available_width();
    let columns: Vec<&Column<T>> = columns.iter().filter(|c| room >= c.from).collect();
    let mut clicked = None;
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::PANEL, 0.0);
        let mut builder = TableBuilder::new(ui)
            .id_salt(salt)
            .striped(false)
            .sense(Sense::click())
            .cell_layout(Layout::left_to_right(Align::Center))
            .auto_shrink([false, true])
            .max_scroll_height(height)
            .column(Width::exact(MARK))
            .column(Width::remainder().at_least(NAME).clip(true));
        for column in &columns {
            builder = builder.column(Width::exact(column.width).clip(true));
        }
        builder
            .header(space::CONTROL_ROW, |mut header| {
                header.col(|_| {});
                header.col(|ui| head_ui(ui, "Name", "Folder of its dictionary", false));
                for column in &columns {
                    header.col(|ui| {
                        head_ui(ui, column.title, column.definition, column.is_number);
                    });
                }
            })
            .body(|body| {
                body.rows(space::TABLE_ROW, items.len(), |mut row| {
                    let (at, about) = (row.index(), row_of(row.index()));
                    row.set_selected(about.selected);
                    row.col(|ui| mark_ui(ui, about.colour));
                    row.col(|ui| {
                        ui.add(Label::new(about.name).truncate().selectable(false));
                    });
                    for column in &columns {
                        let text = (column.text)(&items[at]);
                        row.col(|ui| cell_ui(ui, &text, column.is_number));
                    }
                    if is_clicked(&row.response(), &about.words, about.selected) {
                        clicked = Some(at);
                    }
                });
            });
    });
    clicked
}

/// Whether a row named `words` was clicked.
pub(super) fn is_clicked(response: &Response, words: &str, selected: bool) -> bool {
    response.widget_info(|| WidgetInfo::selected(Role::Row, true, selected, words));
    response.clicked()
}

/// The colour of a run's lines, once it is shown.
fn mark_ui(ui: &Ui, colour: Option<usize>) {
    let theme = Theme::from_ui(ui);
    let rect = egui::Rect::from_center_size(ui.max_rect().center(), vec2(8.0, 8.0));
    if let Some(i) = colour {
        ui.painter().rect_filled(rect, 2.0, theme.series(i));
    } else {
        let stroke = egui::Stroke::new(1.0, theme.line.strong);
        ui.painter()
            .rect_stroke(rect, 2.0, stroke, egui::StrokeKind::Inside);
    }
}

/// The title of a column.
pub(super) fn head_ui(ui: &mut Ui, title: &str, definition: &str, is_number: bool) {
    let text = caption(title).color(Theme::from_ui(ui).ink.secondary);
    ui.with_layout(side(is_number), |ui| {
        ui.add(Label::new(text).selectable(false))
            .on_hover_text(definition);
    });
}

/// Draws the text of a cell.
pub(super) fn cell_ui(ui: &mut Ui, text: &str, is_number: bool) {
    ui.with_layout(side(is_number), |ui| {
        let text = if is_number {
            mono(text)
        } else {
            egui::RichText::new(text)
        };
        ui.add(Label::new(text).truncate().selectable(false));
    });
}

fn side(is_number: bool) -> Layout {
    if is_number {
        Layout::right_to_left(Align::Center)
    } else {
        Layout::left_to_right(Align::Center)
    }
}
