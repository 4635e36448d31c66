//! Parts shared by plots: their setup, and the read-out beside the pointer.

use egui::{Align2, Color32, FontId, Id, Painter, Pos2, Rect, RichText, Stroke, Ui, pos2, vec2};
use egui_plot::Plot;

use crate::theme::{Theme, caption, size, space};

/// Width of the numbers at the y axis, the same for all so that plots below one another align.
pub(super) const Y_AXIS: f32 = 52.0;

/// Height of a line of the read-out.
pub(super) const LINE: f32 = 13.0;

/// A plot `id`, as ours begin: nothing but lines on the panel, what stands under the pointer is told by [`read_out`].
pub(super) fn plain<'a>(ui: &Ui, id: Id, height: f32) -> Plot<'a> {
    Plot::new(id)
        .id(id)
        .height(height)
        .y_axis_min_width(Y_AXIS)
        .show_background(false)
        .show_crosshair(false)
        .allow_scroll(false)
        .grid_color(Theme::from_ui(ui).line.hair)
        .label_formatter(|_| None)
}

/// The title of an axis.
pub(super) fn title(ui: &Ui, text: &str) -> RichText {
    caption(text).color(Theme::from_ui(ui).ink.secondary)
}

/// A line down the frame at `x` and the read-out beside it, on the side that has more room; `falls` where curves leave the lower corner free on the left.
pub(super) fn read_out(ui: &Ui, (frame, x): (Rect, f32), falls: bool, lines: &[(String, Color32)]) {
    let theme = Theme::from_ui(ui);
    let painter = ui.painter_at(frame);
    painter.vline(x, frame.y_range(), Stroke::new(1.0, theme.line.strong));
    let right = x < frame.center().x;
    let (side, anchor) = if right {
        (space::CONTROL, Align2::LEFT_TOP)
    } else {
        (-space::CONTROL, Align2::RIGHT_TOP)
    };
    let mut y = if falls && !right {
        frame.bottom() - 2.0 - lines.len() as f32 * LINE
    } else {
        frame.top() + 2.0
    };
    for (text, colour) in lines {
        boxed(
            &painter,
            (pos2(x + side, y), anchor),
            text,
            (*colour, theme.surface.panel),
        );
        y += LINE;
    }
}

/// Writes a caption over a plot, on a ground of its own so that lines do not cross it.
fn boxed(
    painter: &Painter,
    (at, anchor): (Pos2, Align2),
    text: &str,
    (colour, fill): (Color32, Color32),
) {
    let font = FontId::monospace(size::CAPTION);
    let galley = painter.layout_no_wrap(text.to_owned(), font, colour);
    let rect: Rect = anchor.anchor_size(at, galley.size());
    painter.rect_filled(rect.expand2(vec2(3.0, 0.0)), 0.0, fill);
    painter.galley(rect.min, galley, colour);
}
