//! Pictures of a widget that paints every kind of shape: the SVG holds each of them, the PNG the right pixels.

use egui::epaint::{CubicBezierShape, EllipseShape};
use egui::{
    Align2, Color32, ColorImage, FontId, Rect, Shape, Stroke, StrokeKind, TextureOptions, pos2,
    vec2,
};
use egui_kittest::Harness;

use super::{Picture, load};
use crate::theme::{DARK, Theme};

const PLACE: Rect = Rect {
    min: pos2(20.0, 10.0),
    max: pos2(220.0, 110.0),
};

/// Shapes that were taken, and their pixels.
#[derive(Debug, Default)]
struct Taken {
    svg: String,
    png: Vec<u8>,
}

fn painted() -> Harness<'static, Taken> {
    let mut harness = Harness::builder()
        .with_size(vec2(400.0, 200.0))
        .with_pixels_per_point(1.0)
        .with_context_setup(crate::theme::install)
        .build_ui_state(
            |ui, taken: &mut Taken| {
                let theme = Theme::from_ui(ui);
                let painter = ui.painter_at(ui.ctx().content_rect());
                painter.rect_filled(
                    Rect::from_min_size(pos2(30.0, 20.0), vec2(20.0, 20.0)),
                    0.0,
                    theme.activation,
                );
                // Beyond the picture's right edge, and wholly outside.
                painter.rect_filled(
                    Rect::from_min_size(pos2(210.0, 20.0), vec2(40.0, 20.0)),
                    0.0,
                    theme.edit,
                );
                painter.circle_filled(pos2(300.0, 150.0), 10.0, theme.failure);
                let image = ColorImage::new([2, 1], vec![theme.error, theme.edit]);
                let texture = load(ui.ctx(), "two", image, TextureOptions::NEAREST);
                painter.image(
                    texture.id(),
                    Rect::from_min_size(pos2(120.0, 60.0), vec2(40.0, 20.0)),
                    Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)),
                    Color32::WHITE,
                );
                let stroke = Stroke::new(2.0, theme.promoted);
                painter.hline(60.0..=100.0, 30.0, stroke);
                painter.circle_stroke(pos2(80.0, 80.0), 6.0, stroke);
                let ellipse = EllipseShape::filled(pos2(180.0, 40.0), vec2(8.0, 4.0), theme.error);
                painter.add(ellipse);
                painter.line(
                    vec![pos2(30.0, 90.0), pos2(40.0, 70.0), pos2(50.0, 90.0)],
                    stroke,
                );
                let curve = [
                    pos2(60.0, 60.0),
                    pos2(70.0, 50.0),
                    pos2(80.0, 70.0),
                    pos2(90.0, 60.0),
                ];
                painter.add(CubicBezierShape::from_points_stroke(
                    curve,
                    false,
                    Color32::TRANSPARENT,
                    stroke,
                ));
                painter.rect_stroke(
                    Rect::from_min_size(pos2(170.0, 60.0), vec2(20.0, 20.0)),
                    4.0,
                    stroke,
                    StrokeKind::Inside,
                );
                painter.add(Shape::Noop);
                painter.text(
                    pos2(100.0, 90.0),
                    Align2::LEFT_TOP,
                    "a < b & c",
                    FontId::monospace(13.0),
                    theme.ink.primary,
                );
                let picture = Picture::take(ui.ctx(), ui.layer_id(), PLACE, theme.surface.panel);
                taken.svg = picture.svg();
                taken.png = picture.png(ui.ctx());
            },
            Taken::default(),
        );
    harness.run();
    harness
}

#[test]
fn an_svg_holds_every_shape_and_its_text_as_text() {
    let harness = painted();
    let svg = &harness.state().svg;
    for part in [
        r#"viewBox="20 10 200 100""#,
        r##"fill="#13171e""##,
        r##"<rect x="30" y="20" width="20" height="20" rx="0" fill="#f3b13f"/>"##,
        r#"<line x1="60" y1="30" x2="100" y2="30""#,
        r#"<circle cx="80" cy="80" r="6" fill="none""#,
        r#"<ellipse cx="180" cy="40" rx="8" ry="4""#,
        r#"<polyline points="30,90 40,70 50,90""#,
        r#"stroke-width="2""#,
        r#"font-family="JetBrains Mono, monospace""#,
        "a &lt; b &amp; c</text>",
        r#"<image x="120" y="60" width="40" height="20""#,
        "data:image/png;base64,iVBORw0KGgo",
        // What lies across the edge is clipped there.
        r#"<clipPath id="clip0"><rect x="20" y="10" width="200" height="100"/></clipPath>"#,
    ] {
        assert!(svg.contains(part), "{part} in {svg}");
    }
    assert!(!svg.contains("cx=\"300\""), "outside");
    assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    assert!(svg.ends_with("</svg>\n"));
}

#[test]
fn a_png_has_the_pixels_of_the_screen() {
    let harness = painted();
    let image = image::load_from_memory(&harness.state().png)
        .unwrap()
        .to_rgba8();
    assert_eq!(image.dimensions(), (200, 100));
    let at = |x: u32, y: u32| image.get_pixel(x - 20, y - 10).0;
    let bytes = |colour: Color32| colour.to_array();
    assert_eq!(at(22, 12), bytes(DARK.surface.panel), "the ground");
    assert_eq!(at(40, 30), bytes(DARK.activation));
    assert_eq!(at(31, 21), bytes(DARK.activation), "up to its corner");
    assert_eq!(at(55, 30), bytes(DARK.surface.panel), "beside it");
    assert_eq!(at(215, 30), bytes(DARK.edit), "up to the edge");
    assert_eq!(at(125, 70), bytes(DARK.error), "the left half of the image");
    assert_eq!(at(155, 70), bytes(DARK.edit), "the right half of the image");
    let lit = (100..170).flat_map(|x| (90..108).map(move |y| (x, y)));
    let lit = lit.filter(|(x, y)| at(*x, *y)[0] > 150).count();
    assert!(lit > 20, "{lit} pixels of text");
}
