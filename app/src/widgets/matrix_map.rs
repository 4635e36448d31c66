//! A large grid of numbers as colours, such as an attention pattern: one control, not one per cell. Fits its place whole; the wheel zooms about the
//! pointer, dragging moves what is zoomed, a double click shows everything again. Row and column of the pointed cell are framed and named, arrow keys
//! walk from cell to cell. Copies as CSV, saves as SVG.

#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use egui::{
    Align2, Color32, ColorImage, FontId, Painter, Pos2, Rect, Response, Role, Sense, Stroke,
    StrokeKind, TextureHandle, TextureOptions, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::heat_map::{Side, csv};
use super::meaning::{self, Meaning};
use super::token_strip::Tint;
use super::{legend, picture, walk};
use crate::theme::{Theme, Tinted, size, space};

/// Room for the names of rows.
const GUTTER: f32 = 92.0;

/// Height of the column names, which are vertical.
const HEADER: f32 = 84.0;

/// Largest side of a cell while everything is seen.
const CELL_MOST: f32 = 26.0;

/// Largest side of a zoomed cell.
const ZOOMED: f32 = 44.0;

/// Side from which a cell shows its number.
const NUMBERED: f32 = 36.0;

/// Least distance of two names.
const NAME: f32 = 12.0;

/// Height and width of the scale below, in a saved picture.
const FOOT: f32 = 48.0;
const SCALE: f32 = 320.0;

/// Cells up to which each is painted by itself; above, they are put into a picture of as many pixels as are seen.
const SINGLE: usize = 4096;

/// Points of the wheel that double the zoom.
const DOUBLE: f32 = 160.0;

/// Width of a map of so many columns where there is room for its largest cells.
pub(crate) fn width_of(columns: usize) -> f32 {
    GUTTER + CELL_MOST * columns as f32
}

/// The map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatrixMap<'a> {
    /// Its name for screen readers and for the saved file; unique within its place.
    pub(crate) name: &'a str,
    /// Meaning of the colours, with the unit; shown at the scale.
    pub(crate) title: &'a str,
    /// Downwards.
    pub(crate) rows: Side<'a>,
    /// Across.
    pub(crate) columns: Side<'a>,
    /// Row after row.
    pub(crate) values: &'a [f32],
    /// Another number for other values.
    pub(crate) revision: u64,
    /// Value of the full colour, in size; 0 is the panel's.
    pub(crate) most: f32,
    /// Colours of the scale, sequential or about 0.
    pub(crate) tint: Tint,
    /// The chosen row.
    pub(crate) selected: Option<usize>,
    /// Longest side, names not counted.
    pub(crate) side: f32,
    /// Definition of the numbers.
    pub(crate) definition: &'a str,
}

/// The user's action on the map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The cell that was clicked or reached by keyboard.
    pub(crate) chosen: Option<(usize, usize)>,
    /// The pointer is on this cell.
    pub(crate) pointed: Option<(usize, usize)>,
}

/// The visible part: the first cell's corner, in cells, and the zoom.
#[derive(Debug, Clone, Copy, PartialEq)]
struct View {
    from: Vec2,
    zoom: f32,
}

/// Area of the cells on screen.
#[derive(Debug, Clone, Copy)]
struct Place {
    rect: Rect,
    cell: f32,
    from: Vec2,
    rows: usize,
    columns: usize,
}

impl Place {
    fn cell_rect(&self, row: usize, column: usize) -> Rect {
        let at = (vec2(column as f32, row as f32) - self.from) * self.cell;
        Rect::from_min_size(self.rect.min + at, Vec2::splat(self.cell))
    }

    fn cell_at(&self, pos: Pos2) -> Option<(usize, usize)> {
        let at = (pos - self.rect.min) / self.cell + self.from;
        let inside = self.rect.contains(pos) && at.x >= 0.0 && at.y >= 0.0;
        let (row, column) = (at.y as usize, at.x as usize);
        (inside && row < self.rows && column < self.columns).then_some((row, column))
    }

    /// First and end of the rows, and of the columns, that are seen.
    fn seen(&self) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let range = |from: f32, length: f32, all: usize| {
            let end = (from + length / self.cell).ceil() as usize;
            (from.floor().max(0.0) as usize).min(all)..end.min(all)
        };
        (
            range(self.from.y, self.rect.height(), self.rows),
            range(self.from.x, self.rect.width(), self.columns),
        )
    }
}

impl MatrixMap<'_> {
    /// Draws the map; `describe` names a cell in words, for the pointer and the screen reader.
    pub(crate) fn ui(&self, ui: &mut Ui, describe: &dyn Fn(usize, usize) -> String) -> Answer {
        let (rows, columns) = (self.rows.names.len(), self.columns.names.len());
        let id = ui.make_persistent_id(("matrix map", self.name));
        let side = self.side.min(ui.available_width() - GUTTER).max(120.0);
        let whole = (side / columns.max(rows).max(1) as f32).min(CELL_MOST);
        let plot = vec2(whole * columns as f32, whole * rows as f32);
        let (rect, _) =
            ui.allocate_exact_size(vec2(GUTTER + plot.x, HEADER + plot.y), Sense::hover());
        let rect = Rect::from_min_size(rect.min + vec2(GUTTER, HEADER), plot);
        let response = ui.interact(rect, id, Sense::click_and_drag());
        let view = self.turned(ui, &response, whole);
        let place = Place {
            rect,
            cell: whole * view.zoom,
            from: view.from,
            rows,
            columns,
        };
        let mut answer = pointed(ui, &response, &place);
        self.paint_cells(ui, id, &place);
        paint_frame(ui, &response, &place, (answer.pointed, self.selected));
        self.paint_names(ui, &place, answer.pointed);
        let words = answer.pointed.map(|(row, column)| describe(row, column));
        response.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::Image, true, self.name);
            info.current_text_value.clone_from(&words);
            info
        });
        self.foot_ui(ui, words, view.zoom);
        self.menu(&response, answer.pointed);
        if let Some(walked) = self.walked(ui, &response) {
            answer.chosen = Some(walked);
        }
        answer
    }

    /// The part that is seen, after what wheel and pointer did to it in this frame.
    fn turned(&self, ui: &Ui, response: &Response, whole: f32) -> View {
        let id = response.id.with("view");
        let start = View {
            from: Vec2::ZERO,
            zoom: 1.0,
        };
        let mut view = ui.data(|data| data.get_temp::<View>(id)).unwrap_or(start);
        let most = (ZOOMED / whole).max(1.0);
        if let Some(pointer) = response.hover_pos()
            && most > 1.0
        {
            let wheel = ui.input(|input| input.smooth_scroll_delta().y);
            let pinch = ui.input(egui::InputState::zoom_delta);
            let zoom = (view.zoom * 2.0_f32.powf(wheel / DOUBLE) * pinch).clamp(1.0, most);
            // What is under the pointer stays there.
            let at = (pointer - response.rect.min) / whole;
            view.from += at / view.zoom - at / zoom;
            view.zoom = zoom;
            if zoom > 1.0 {
                // The page does not scroll too, but where there is nothing left to make smaller.
                ui.input_mut(|input| input.smooth_scroll_delta = Vec2::ZERO);
            }
        }
        if response.dragged() {
            view.from -= response.drag_delta() / (whole * view.zoom);
        }
        if response.double_clicked() {
            view = start;
        }
        view.zoom = view.zoom.min(most);
        let cells = vec2(
            self.columns.names.len() as f32,
            self.rows.names.len() as f32,
        );
        view.from = view
            .from
            .clamp(Vec2::ZERO, cells - cells / view.zoom)
            .max(Vec2::ZERO);
        ui.data_mut(|data| data.insert_temp(id, view));
        view
    }

    /// The cell that an arrow key went to.
    fn walked(&self, ui: &Ui, response: &Response) -> Option<(usize, usize)> {
        let id = response.id.with("walk");
        let at = ui.data(|data| data.get_temp::<Option<(usize, usize)>>(id));
        let from = at.flatten().unwrap_or((self.selected.unwrap_or(0), 0));
        let cells = (self.rows.names.len(), self.columns.names.len());
        let to = walk::walked(ui, response, from, cells)?;
        ui.data_mut(|data| data.insert_temp(id, Some(to)));
        Some(to)
    }

    fn value(&self, row: usize, column: usize) -> f32 {
        let at = row * self.columns.names.len() + column;
        self.values.get(at).copied().unwrap_or(0.0)
    }

    fn tint(&self, theme: &Theme, value: f32) -> Tinted {
        let share = value / self.most.max(f32::MIN_POSITIVE);
        match self.tint {
            Tint::Sequential(hue) => theme.tint(hue, share),
            Tint::Diverging => theme.diverging_tint(share),
            Tint::Edited => theme.edited_tint(share),
        }
    }

    fn colour(&self, theme: &Theme, value: f32) -> Color32 {
        self.tint(theme, value).fill
    }

    fn paint_cells(&self, ui: &Ui, id: egui::Id, place: &Place) {
        let theme = Theme::from_ui(ui);
        let painter = ui.painter().with_clip_rect(place.rect);
        painter.rect_filled(place.rect, 0.0, theme.surface.hover);
        let (rows, columns) = place.seen();
        if rows.len() * columns.len() > SINGLE {
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            let picture = self.picture(ui, id, place);
            painter.image(picture.id(), place.rect, whole, Color32::WHITE);
            return;
        }
        let gap = if place.cell >= 6.0 { 1.0 } else { 0.0 };
        for row in rows {
            for column in columns.clone() {
                let rect = place.cell_rect(row, column);
                let rect = Rect::from_min_max(rect.min, rect.max - Vec2::splat(gap));
                let value = self.value(row, column);
                if place.cell < NUMBERED {
                    painter.rect_filled(rect, 0.0, self.colour(theme, value));
                } else {
                    self.paint_number(&painter, rect, value, theme);
                }
            }
        }
    }

    /// A cell with its number.
    fn paint_number(&self, painter: &Painter, rect: Rect, value: f32, theme: &Theme) {
        let tinted = self.tint(theme, value);
        painter.rect_filled(rect, 0.0, tinted.fill);
        if value != 0.0 {
            let font = FontId::monospace(size::CAPTION);
            let text = format!("{value:.2}");
            painter.text(rect.center(), Align2::CENTER_CENTER, text, font, tinted.ink);
        }
    }

    /// The seen part as a picture of its size on screen. A pixel that holds many cells shows the largest in size, so that none is lost between pixels.
    fn picture(&self, ui: &Ui, id: egui::Id, place: &Place) -> TextureHandle {
        let theme = Theme::from_ui(ui);
        let pixels = place.rect.size() * ui.pixels_per_point();
        let size = [pixels.x.ceil() as usize, pixels.y.ceil() as usize].map(|side| side.max(1));
        let mut hash = DefaultHasher::new();
        (self.revision, size, theme.dark, self.most.to_bits()).hash(&mut hash);
        [place.from.x, place.from.y, place.cell]
            .map(f32::to_bits)
            .hash(&mut hash);
        let key = hash.finish();
        let kept = ui.data(|data| data.get_temp::<(u64, TextureHandle)>(id));
        if let Some((kept, picture)) = kept
            && kept == key
        {
            return picture;
        }
        let across = |pixels: usize, all: f32, from: f32, cells: usize| {
            let cell = move |pixel: usize| from + pixel as f32 / pixels as f32 * all;
            let range = move |pixel: usize| {
                let first = (cell(pixel) as usize).min(cells - 1);
                first..(cell(pixel + 1).ceil() as usize).clamp(first + 1, cells)
            };
            (0..pixels).map(range).collect::<Vec<_>>()
        };
        let seen = place.rect.size() / place.cell;
        let columns = across(size[0], seen.x, place.from.x, place.columns);
        let rows = across(size[1], seen.y, place.from.y, place.rows);
        let mut colours = Vec::with_capacity(size[0] * size[1]);
        for row in &rows {
            for column in &columns {
                let cells = row
                    .clone()
                    .flat_map(|row| column.clone().map(move |column| (row, column)));
                let values = cells.map(|(row, column)| self.value(row, column));
                colours.push(self.colour(theme, values.fold(0.0, larger)));
            }
        }
        let image = ColorImage::new(size, colours);
        let picture = picture::load(ui.ctx(), self.name, image, TextureOptions::NEAREST);
        ui.data_mut(|data| data.insert_temp(id, (key, picture.clone())));
        picture
    }

    fn paint_names(&self, ui: &Ui, place: &Place, pointed: Option<(usize, usize)>) {
        let theme = Theme::from_ui(ui);
        let (rows, columns) = place.seen();
        let lit_row = pointed.map(|(row, _)| row).or(self.selected);
        let lit_column = pointed.map(|(_, column)| column);
        let ink = |lit: bool| {
            if lit {
                theme.ink.primary
            } else {
                theme.ink.secondary
            }
        };
        for row in named(rows, place.cell, lit_row) {
            let at = place.cell_rect(row, 0).center().y;
            if !place.rect.y_range().contains(at) {
                continue; // a cell that is hardly seen
            }
            let at = pos2(place.rect.left() - space::CHIP, at);
            let colour = ink(lit_row == Some(row));
            name(ui.painter(), &self.rows.names[row], (at, 0.0), colour);
        }
        for column in named(columns, place.cell, lit_column) {
            let at = place.cell_rect(0, column).center().x;
            if !place.rect.x_range().contains(at) {
                continue;
            }
            let at = pos2(at, place.rect.top() - space::CHIP);
            let up = -std::f32::consts::FRAC_PI_2;
            let colour = ink(lit_column == Some(column));
            name(ui.painter(), &self.columns.names[column], (at, up), colour);
        }
        let corner = place.rect.min - vec2(space::CONTROL, space::CONTROL);
        let font = FontId::proportional(size::CAPTION);
        let words = format!("{} ↓ {} →", self.rows.title, self.columns.title);
        let galley = ui
            .painter()
            .layout(words, font, theme.ink.secondary, GUTTER - space::CONTROL);
        let at = corner - galley.size();
        ui.painter().galley(at, galley, theme.ink.secondary);
    }

    fn foot_ui(&self, ui: &mut Ui, words: Option<String>, zoom: f32) {
        ui.add_space(space::CHIP);
        let inset = legend::inset(ui, GUTTER);
        ui.horizontal(|ui| {
            ui.add_space(inset);
            let most = f64::from(self.most);
            match self.tint {
                Tint::Sequential(hue) => legend::sequential(ui, self.title, hue, most),
                Tint::Diverging => legend::diverging(ui, self.title, most),
                Tint::Edited => legend::edited(ui, self.title, most),
            };
            if zoom > 1.0 {
                let words = format!("× {}", super::number::number(f64::from(zoom)));
                let help = "Double-click the map to show everything";
                let words = crate::theme::caption(words).color(Theme::from_ui(ui).ink.secondary);
                ui.label(words).on_hover_text(help);
            }
        });
        ui.horizontal(|ui| {
            ui.add_space(inset);
            ui.add(egui::Label::new(words.unwrap_or_else(|| " ".to_owned())).wrap());
        });
    }

    fn menu(&self, response: &Response, pointed: Option<(usize, usize)>) {
        let value = pointed.map(|(row, column)| self.value(row, column).to_string());
        let csv = || self.csv();
        let theme = Theme::which(response.ctx.global_style().visuals.dark_mode);
        let svg = || self.svg(theme);
        let place = response.rect.expand2(vec2(0.0, FOOT / 2.0));
        let place = Rect::from_min_max(
            response.rect.min - vec2(GUTTER, HEADER),
            pos2(place.right().max(place.left() + SCALE), place.bottom()),
        );
        let meaning = Meaning::new(self.name, self.definition).value(value.as_deref());
        meaning::menu(response, &meaning.csv(&csv).picture(place).svg(&svg));
    }

    fn csv(&self) -> String {
        csv(self.rows, self.columns, &|row, column| {
            self.value(row, column).into()
        })
    }

    /// The whole map as a drawing with its names and scale, in the colours of `theme`. Cells that would be the ground's colour are left out.
    fn svg(&self, theme: &Theme) -> String {
        const CELL: usize = 14;
        const SIDE: usize = 110;
        let (rows, columns) = (self.rows.names.len(), self.columns.names.len());
        let (width, height) = (SIDE + CELL * columns + 10, SIDE + CELL * rows + 30);
        let hex = |c: Color32| format!("#{:02x}{:02x}{:02x}", c.r(), c.g(), c.b());
        let ink = hex(theme.ink.primary);
        let mut lines = vec![
            format!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="monospace" font-size="10" fill="{ink}">"#
            ),
            format!(
                r#"<rect width="{width}" height="{height}" fill="{}"/>"#,
                hex(theme.surface.panel)
            ),
        ];
        for (row, name) in self.rows.names.iter().enumerate() {
            let y = SIDE + row * CELL + 10;
            let name = escaped(name);
            let x = SIDE - 4;
            lines.push(format!(
                r#"<text x="{x}" y="{y}" text-anchor="end">{name}</text>"#
            ));
        }
        for (column, name) in self.columns.names.iter().enumerate() {
            let x = SIDE + column * CELL + 10;
            let y = SIDE - 4;
            let name = escaped(name);
            lines.push(format!(
                r#"<text transform="translate({x} {y}) rotate(-90)">{name}</text>"#
            ));
        }
        for row in 0..rows {
            for column in 0..columns {
                let value = self.value(row, column);
                if value.abs() / self.most.max(f32::MIN_POSITIVE) < 0.004 {
                    continue;
                }
                let (x, y) = (SIDE + column * CELL, SIDE + row * CELL);
                let colour = hex(self.colour(theme, value));
                let side = CELL - 1;
                lines.push(format!(
                    r#"<rect x="{x}" y="{y}" width="{side}" height="{side}" fill="{colour}"/>"#
                ));
            }
        }
        let (title, y) = (escaped(self.title), height - 10);
        let most = super::number::number(f64::from(self.most));
        let full = hex(self.colour(theme, self.most));
        lines.push(format!(
            r#"<rect x="{SIDE}" y="{}" width="10" height="10" fill="{full}"/><text x="{}" y="{y}">{title} {most}; 0 is the ground</text>"#,
            y - 9,
            SIDE + 16
        ));
        if self.tint == Tint::Diverging {
            let least = hex(self.colour(theme, -self.most));
            let above = y - 12;
            lines.push(format!(
                r#"<rect x="{SIDE}" y="{}" width="10" height="10" fill="{least}"/><text x="{}" y="{above}">{title} −{most}</text>"#,
                above - 9,
                SIDE + 16
            ));
        }
        lines.push("</svg>\n".to_owned());
        lines.join("\n")
    }
}

/// Returns the larger in size of two values, the first of equals.
fn larger(a: f32, b: f32) -> f32 {
    if b.abs() > a.abs() { b } else { a }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The cell under the pointer, or where arrow keys left it; chosen if it was clicked.
fn pointed(ui: &Ui, response: &Response, place: &Place) -> Answer {
    let pointed = response.hover_pos().and_then(|pos| place.cell_at(pos));
    if response.clicked() {
        response.request_focus();
        ui.data_mut(|data| data.insert_temp(response.id.with("walk"), pointed));
    }
    Answer {
        chosen: pointed.filter(|_| response.clicked()),
        pointed: pointed.or_else(|| {
            let walk = ui.data(|data| data.get_temp(response.id.with("walk")));
            walk.flatten().filter(|_| response.has_focus())
        }),
    }
}

/// Frames of the chosen row, and of row and column of the pointed cell.
fn paint_frame(
    ui: &Ui,
    response: &Response,
    place: &Place,
    (pointed, selected): (Option<(usize, usize)>, Option<usize>),
) {
    let theme = Theme::from_ui(ui);
    let painter = ui.painter().with_clip_rect(place.rect.expand(1.0));
    let band = |row: usize, thick: f32, colour: Color32| {
        let rect = place.cell_rect(row, 0);
        let across = Rect::from_x_y_ranges(place.rect.x_range(), rect.y_range());
        let stroke = Stroke::new(thick, colour);
        painter.rect_stroke(across, 0.0, stroke, StrokeKind::Outside);
    };
    if let Some(row) = selected.filter(|row| *row < place.rows) {
        band(row, 1.5, theme.ink.primary);
    }
    if let Some((row, column)) = pointed {
        band(row, 1.0, theme.ink.secondary);
        let rect = place.cell_rect(0, column);
        let down = Rect::from_x_y_ranges(rect.x_range(), place.rect.y_range());
        let stroke = Stroke::new(1.0, theme.ink.secondary);
        painter.rect_stroke(down, 0.0, stroke, StrokeKind::Outside);
    }
    let around = if response.has_focus() {
        theme.ink.secondary
    } else {
        theme.line.strong
    };
    let stroke = Stroke::new(1.0, around);
    ui.painter()
        .rect_stroke(place.rect, 0.0, stroke, StrokeKind::Outside);
}

/// Returns the members of `seen` to name: as many as fit, always the highlighted one and none near it.
fn named(seen: std::ops::Range<usize>, cell: f32, lit: Option<usize>) -> Vec<usize> {
    let every = (NAME / cell).ceil().max(1.0) as usize;
    let lit = lit.filter(|lit| seen.contains(lit));
    let fits = |i: &usize| match lit {
        Some(lit) => *i == lit || (i.is_multiple_of(every) && i.abs_diff(lit) >= every),
        None => i.is_multiple_of(every),
    };
    seen.filter(fits).collect()
}

/// A name that ends at `at`, turned by `angle`, cut to its room.
fn name(painter: &Painter, text: &str, (at, angle): (Pos2, f32), colour: Color32) {
    let font = FontId::monospace(size::CAPTION);
    let text = text.replace('\n', "⏎");
    let mut job = egui::text::LayoutJob::simple_singleline(text, font, colour);
    let room = if angle == 0.0 { GUTTER } else { HEADER } - space::CONTROL;
    job.wrap = egui::text::TextWrapping::truncate_at_width(room);
    let galley = painter.layout_job(job);
    let (anchor, turned) = if angle == 0.0 {
        (Align2::RIGHT_CENTER, 0.0)
    } else {
        (Align2::LEFT_CENTER, angle)
    };
    let at = at - anchor.pos_in_rect(&galley.rect).to_vec2();
    let shape = egui::epaint::TextShape::new(at, galley, colour);
    painter.add(shape.with_angle_and_anchor(turned, anchor));
}
