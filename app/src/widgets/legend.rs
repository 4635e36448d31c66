//! Legends: a colour scale with its numbers and unit beside it.

use egui::epaint::{Mesh, Vertex};
use egui::{Color32, Pos2, Rect, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::number::{number, signed};
use super::token_strip::Scale;
use crate::theme::{Hue, Theme, caption, mono_caption};

/// Extent of the colour bar.
const BAR: egui::Vec2 = egui::Vec2::new(96.0, 8.0);

/// Steps of the gradient; the scales are even in OKLab, not in the space that a graphics card blends in.
const STEPS: usize = 24;

/// Sequential scale from 0 to `most`; `what` names quantity and unit.
pub(crate) fn sequential(ui: &mut Ui, what: &str, hue: Hue, most: f64) -> Response {
    let theme = Theme::from_ui(ui);
    let ends = ("0".to_owned(), number(most));
    scale(ui, what, ends, &|share| theme.tint(hue, share).fill)
}

/// Scale of shares of the largest activation that is known elsewhere, from 0 to 1, or from −1 to 1 where they are signed. A larger activation is drawn like that one, and the end says
/// so.
pub(crate) fn capped(ui: &mut Ui, what: &str, hue: Hue, is_signed: bool) -> Response {
    let theme = Theme::from_ui(ui);
    if is_signed {
        let ends = ("≤ −1".to_owned(), "≥ +1".to_owned());
        let colour = |share: f32| theme.diverging_tint(share * 2.0 - 1.0).fill;
        return scale(ui, what, ends, &colour);
    }
    let ends = ("0".to_owned(), "≥ 1".to_owned());
    scale(ui, what, ends, &|share| theme.tint(hue, share).fill)
}

/// The scale of activations behind text.
pub(crate) fn activation(ui: &mut Ui, scale: Scale) -> Response {
    let most = f64::from(scale.most);
    if scale.signed {
        diverging(ui, "activation", most)
    } else {
        sequential(ui, "activation", Hue::Activation, most)
    }
}

/// Sequential scale of cells, whose lowest value is already seen.
pub(crate) fn between(ui: &mut Ui, what: &str, hue: Hue, (low, high): (f32, f32)) -> Response {
    let theme = Theme::from_ui(ui);
    let ends = (number(f64::from(low)), number(f64::from(high)));
    scale(ui, what, ends, &|share| {
        theme.tint(hue, 0.08 + 0.92 * share).fill
    })
}

/// Diverging scale from −`most` to `most`.
pub(crate) fn diverging(ui: &mut Ui, what: &str, most: f64) -> Response {
    let theme = Theme::from_ui(ui);
    let ends = (signed(-most), signed(most));
    scale(ui, what, ends, &|share| {
        theme.diverging_tint(share * 2.0 - 1.0).fill
    })
}

/// Diverging scale of shares from −`most` to `most`, with a mark at 1, the whole.
pub(crate) fn shares(ui: &mut Ui, what: &str, most: f64) -> Response {
    let theme = Theme::from_ui(ui);
    let ends = (signed(-most), signed(most));
    let at = (most > 1.0).then_some(0.5 + 0.5 / most as f32);
    let words = match at {
        Some(_) => format!("{what}, mark at 1"),
        None => what.to_owned(),
    };
    let colour = |share: f32| theme.diverging_tint(share * 2.0 - 1.0).fill;
    marked(ui, &words, ends, (&colour, at))
}

/// Diverging scale of what an edit changed, from −`most` to `most`.
pub(crate) fn edited(ui: &mut Ui, what: &str, most: f64) -> Response {
    let theme = Theme::from_ui(ui);
    let ends = (signed(-most), format!("{} nats", signed(most)));
    scale(ui, what, ends, &|share| {
        theme.edited_tint(share * 2.0 - 1.0).fill
    })
}

/// Room left of a scale that stands below a grid: `gutter`, or less where the place is narrow.
pub(crate) fn inset(ui: &Ui, gutter: f32) -> f32 {
    (ui.available_width() - WHOLE).clamp(0.0, gutter)
}

/// Width of a scale with its words.
const WHOLE: f32 = 240.0;

fn scale(
    ui: &mut Ui,
    what: &str,
    (low, high): (String, String),
    colour: &dyn Fn(f32) -> Color32,
) -> Response {
    marked(ui, what, (low, high), (colour, None))
}

/// Draws a scale with a mark at a share of its length.
fn marked(
    ui: &mut Ui,
    what: &str,
    (low, high): (String, String),
    (colour, mark): (&dyn Fn(f32) -> Color32, Option<f32>),
) -> Response {
    let theme = Theme::from_ui(ui);
    let name = format!("{what} from {low} to {high}");
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(caption(what).color(theme.ink.secondary));
        ui.label(mono_caption(low).color(theme.ink.secondary));
        let (rect, response) = ui.allocate_exact_size(BAR, Sense::hover());
        gradient(ui, rect, colour);
        if let Some(share) = mark {
            let x = rect.left() + share * rect.width();
            let stroke = egui::Stroke::new(1.5, theme.ink.primary);
            ui.painter().vline(x, rect.y_range().expand(2.0), stroke);
        }
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
        ui.label(mono_caption(high).color(theme.ink.secondary));
    })
    .response
}

/// Paints `colour(0..1)` from left to right with a hairline around.
fn gradient(ui: &Ui, rect: Rect, colour: &dyn Fn(f32) -> Color32) {
    let mut mesh = Mesh::default();
    for step in 0..=STEPS {
        let share = step as f32 / STEPS as f32;
        let x = rect.left() + share * rect.width();
        let paint = colour(share);
        for y in [rect.top(), rect.bottom()] {
            mesh.vertices.push(vertex(pos2(x, y), paint));
        }
        if step > 0 {
            let at = (step * 2) as u32;
            mesh.add_triangle(at - 2, at - 1, at);
            mesh.add_triangle(at - 1, at, at + 1);
        }
    }
    ui.painter().add(mesh);
    let stroke = egui::Stroke::new(1.0, Theme::from_ui(ui).line.strong);
    ui.painter()
        .rect_stroke(rect, 0.0, stroke, egui::StrokeKind::Outside);
}

fn vertex(pos: Pos2, color: Color32) -> Vertex {
    Vertex {
        pos,
        uv: egui::epaint::WHITE_UV,
        color,
    }
}

/// A mark with its meaning: a filled square of `colour` and words.
pub(crate) fn mark(ui: &mut Ui, colour: Color32, what: &str) -> Response {
    let theme = Theme::from_ui(ui);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let (rect, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
        ui.painter().rect_filled(rect, 2.0, colour);
        ui.label(caption(what).color(theme.ink.secondary));
    })
    .response
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;

    #[test]
    fn a_scale_says_its_numbers() {
        let harness = Harness::new_ui(|ui| {
            crate::theme::install(ui.ctx());
            sequential(ui, "activation", Hue::Activation, 12.34);
            diverging(ui, "logit change", 0.5);
            capped(ui, "share", Hue::Activation, false);
            capped(ui, "share", Hue::Activation, true);
        });
        harness.get_by_label("activation from 0 to 12.3");
        harness.get_by_label("logit change from −0.500 to +0.500");
        // Beyond the ends the colour stays.
        harness.get_by_label("share from 0 to ≥ 1");
        harness.get_by_label("share from ≤ −1 to ≥ +1");
    }
}
