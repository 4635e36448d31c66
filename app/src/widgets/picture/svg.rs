//! Writes shapes as SVG.

use std::fmt::Write as _;

use egui::epaint::{
    CircleShape, ClippedShape, ColorMode, EllipseShape, Mesh, PathShape, PathStroke, RectShape,
    Shape, TextShape,
};
use egui::{Color32, ColorImage, Pos2, Rect, Stroke, StrokeKind, TextureId};

use super::Picture;

/// Writes the whole picture.
pub(super) fn write(picture: &Picture) -> String {
    let mut svg = Svg {
        picture,
        text: String::new(),
        clips: vec![],
    };
    let size = picture.rect.size();
    let (width, height) = (digits(size.x), digits(size.y));
    let min = picture.rect.min;
    let ground = fill(picture.ground);
    svg.add(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="{} {} {width} {height}">"#,
        digits(min.x),
        digits(min.y)
    ));
    svg.add(format_args!(
        r#"<rect x="{}" y="{}" width="{width}" height="{height}"{ground}/>"#,
        digits(min.x),
        digits(min.y)
    ));
    for clipped in &picture.shapes {
        svg.clipped(clipped);
    }
    svg.text.push_str("</svg>\n");
    svg.text
}

struct Svg<'a> {
    picture: &'a Picture,
    text: String,
    /// Clips that were defined.
    clips: Vec<Rect>,
}

impl Svg<'_> {
    fn add(&mut self, line: std::fmt::Arguments<'_>) {
        self.text.write_fmt(line).unwrap_or_default(); // a String takes everything
        self.text.push('\n');
    }

    fn clipped(&mut self, clipped: &ClippedShape) {
        let inside = clipped
            .clip_rect
            .contains_rect(clipped.shape.visual_bounding_rect());
        if inside {
            self.shape(&clipped.shape);
            return;
        }
        let rect = clipped.clip_rect;
        let known = self.clips.iter().position(|known| *known == rect);
        let clip = known.unwrap_or_else(|| {
            self.clips.push(rect);
            let clip = self.clips.len() - 1;
            let place = place(rect);
            self.add(format_args!(
                r#"<clipPath id="clip{clip}"><rect{place}/></clipPath>"#
            ));
            clip
        });
        self.add(format_args!(r#"<g clip-path="url(#clip{clip})">"#));
        self.shape(&clipped.shape);
        self.text.push_str("</g>\n");
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Noop | Shape::Callback(_) => {}
            Shape::Vec(shapes) => {
                for shape in shapes {
                    self.shape(shape);
                }
            }
            Shape::Circle(circle) => self.circle(circle),
            Shape::Ellipse(ellipse) => self.ellipse(ellipse),
            Shape::LineSegment {
                points,
                stroke: line,
            } => {
                let [from, to] = points.map(|p| (digits(p.x), digits(p.y)));
                let line = stroke(*line);
                self.add(format_args!(
                    r#"<line x1="{}" y1="{}" x2="{}" y2="{}"{line}/>"#,
                    from.0, from.1, to.0, to.1
                ));
            }
            Shape::Path(path) => self.path(path),
            Shape::Band(band) => {
                let upper = band.points.iter().map(|p| Pos2::new(p.x, p.y.min));
                let lower = band.points.iter().rev().map(|p| Pos2::new(p.x, p.y.max));
                let points: Vec<Pos2> = upper.chain(lower).collect();
                let paint = fill(band.fill);
                self.polygon(&points, &paint);
            }
            Shape::Rect(rect) => self.rect(rect),
            Shape::Text(text) => self.text(text),
            Shape::Mesh(mesh) => self.mesh(mesh),
            Shape::QuadraticBezier(curve) => {
                let path = PathShape {
                    points: curve.flatten(Some(0.1)),
                    closed: curve.closed,
                    fill: curve.fill,
                    stroke: curve.stroke.clone(),
                };
                self.path(&path);
            }
            Shape::CubicBezier(curve) => {
                let path = PathShape {
                    points: curve.flatten(Some(0.1)),
                    closed: curve.closed,
                    fill: curve.fill,
                    stroke: curve.stroke.clone(),
                };
                self.path(&path);
            }
        }
    }

    fn circle(&mut self, circle: &CircleShape) {
        let (x, y) = (digits(circle.center.x), digits(circle.center.y));
        let radius = digits(circle.radius);
        let paint = fill(circle.fill) + &stroke(circle.stroke);
        self.add(format_args!(
            r#"<circle cx="{x}" cy="{y}" r="{radius}"{paint}/>"#
        ));
    }

    fn ellipse(&mut self, ellipse: &EllipseShape) {
        let (x, y) = (digits(ellipse.center.x), digits(ellipse.center.y));
        let (rx, ry) = (digits(ellipse.radius.x), digits(ellipse.radius.y));
        let paint = fill(ellipse.fill) + &stroke(ellipse.stroke);
        self.add(format_args!(
            r#"<ellipse cx="{x}" cy="{y}" rx="{rx}" ry="{ry}"{paint}/>"#
        ));
    }

    fn path(&mut self, path: &PathShape) {
        if path.points.is_empty() {
            return;
        }
        let name = if path.closed { "polygon" } else { "polyline" };
        let points = points(&path.points);
        let paint = fill(path.fill) + &path_stroke(&path.stroke, path);
        self.add(format_args!(r#"<{name} points="{points}"{paint}/>"#));
    }

    fn polygon(&mut self, corners: &[Pos2], paint: &str) {
        let points = points(corners);
        self.add(format_args!(r#"<polygon points="{points}"{paint}/>"#));
    }

    fn rect(&mut self, shape: &RectShape) {
        if let Some(brush) = shape.brush.as_deref()
            && brush.fill_texture_id != TextureId::default()
        {
            self.image(brush.fill_texture_id, shape.rect, brush.uv);
            return;
        }
        let inset = match shape.stroke_kind {
            StrokeKind::Inside => -shape.stroke.width / 2.0,
            StrokeKind::Middle => 0.0,
            StrokeKind::Outside => shape.stroke.width / 2.0,
        };
        let corner = digits(f32::from(shape.corner_radius.average() as u8));
        let place_of = |rect: Rect| format!(r#"{} rx="{corner}""#, place(rect));
        if shape.fill != Color32::TRANSPARENT {
            let (place, paint) = (place_of(shape.rect), fill(shape.fill));
            self.add(format_args!("<rect{place}{paint}/>"));
        }
        if !shape.stroke.is_empty() {
            let place = place_of(shape.rect.expand(inset));
            let paint = stroke(shape.stroke);
            self.add(format_args!(r#"<rect{place} fill="none"{paint}/>"#));
        }
    }

    /// One element for each run of a line that has one colour, stretched to the width that it has on screen.
    fn text(&mut self, text: &TextShape) {
        if text.opacity_factor <= 0.0 {
            return;
        }
        let font = text.galley.job.sections.first().map(|s| &s.format.font_id);
        let size = font.map_or(13.0, |font| font.size);
        let family = match font.map(|font| &font.family) {
            Some(egui::FontFamily::Monospace) => "JetBrains Mono, monospace",
            _ => "Inter, sans-serif",
        };
        let turn = if text.angle == 0.0 {
            String::new()
        } else {
            let at = text.pos;
            let degrees = digits(text.angle.to_degrees());
            format!(
                r#" transform="rotate({degrees} {} {})""#,
                digits(at.x),
                digits(at.y)
            )
        };
        for row in &text.galley.rows {
            let colour = |glyph: &egui::epaint::text::Glyph| {
                let vertex = row.visuals.mesh.vertices.get(glyph.first_vertex as usize);
                let own = vertex.map_or(Color32::PLACEHOLDER, |vertex| vertex.color);
                let colour = text.override_text_color.unwrap_or(own);
                if colour == Color32::PLACEHOLDER {
                    text.fallback_color
                } else {
                    colour
                }
            };
            for run in row.glyphs.chunk_by(|a, b| colour(a) == colour(b)) {
                let words: String = run.iter().map(|glyph| glyph.chr).collect();
                if words.trim().is_empty() {
                    continue;
                }
                let at = text.pos + row.pos.to_vec2() + run[0].pos.to_vec2();
                let width: f32 = run.iter().map(|glyph| glyph.advance_width).sum();
                let paint = fill(colour(&run[0]).gamma_multiply(text.opacity_factor));
                self.add(format_args!(
                    r#"<text x="{}" y="{}" font-family="{family}" font-size="{}" textLength="{}" xml:space="preserve"{paint}{turn}>{}</text>"#,
                    digits(at.x),
                    digits(at.y),
                    digits(size),
                    digits(width),
                    escaped(&words)
                ));
            }
        }
    }

    /// A picture, or triangles of one colour each.
    fn mesh(&mut self, mesh: &Mesh) {
        if mesh.texture_id != TextureId::default() {
            let bounds = mesh.calc_bounds();
            let uv = mesh.vertices.iter().map(|vertex| vertex.uv);
            let uv = uv.fold(Rect::NOTHING, |all, at| all.union(Rect::from_pos(at)));
            self.image(mesh.texture_id, bounds, uv);
            return;
        }
        for corners in mesh.indices.chunks_exact(3) {
            let corners: Vec<_> = corners
                .iter()
                .filter_map(|index| mesh.vertices.get(*index as usize))
                .collect();
            let [a, b, c] = corners[..] else { continue };
            let paint = fill(mean([a.color, b.color, c.color]));
            self.polygon(&[a.pos, b.pos, c.pos], &paint);
        }
    }

    fn image(&mut self, texture: TextureId, rect: Rect, uv: Rect) {
        let Some(image) = self.picture.images.get(texture) else {
            return;
        };
        let part = part(image, uv);
        let data = base64(&super::raster::png(&part));
        let place = place(rect);
        self.add(format_args!(
            r#"<image{place} preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>"#
        ));
    }
}

/// The part of an image that `uv` names.
fn part(image: &ColorImage, uv: Rect) -> ColorImage {
    let [width, height] = image.size;
    let pixel = |at: f32, all: usize| ((at * all as f32).round().max(0.0) as usize).min(all);
    let (left, right) = (pixel(uv.min.x, width), pixel(uv.max.x, width));
    let (top, bottom) = (pixel(uv.min.y, height), pixel(uv.max.y, height));
    let rows = (top..bottom).flat_map(|y| &image.pixels[y * width + left..y * width + right]);
    let size = [right - left, bottom - top];
    ColorImage::new(size, rows.copied().collect())
}

fn mean(colours: [Color32; 3]) -> Color32 {
    let half = colours[0].lerp_to_gamma(colours[1], 0.5);
    half.lerp_to_gamma(colours[2], 1.0 / 3.0)
}

/// A number with as many digits as are seen.
fn digits(value: f32) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    if rounded == 0.0 {
        "0".to_owned()
    } else {
        rounded.to_string()
    }
}

fn place(rect: Rect) -> String {
    format!(
        r#" x="{}" y="{}" width="{}" height="{}""#,
        digits(rect.left()),
        digits(rect.top()),
        digits(rect.width().max(0.0)),
        digits(rect.height().max(0.0))
    )
}

fn points(points: &[Pos2]) -> String {
    let point = |p: &Pos2| format!("{},{}", digits(p.x), digits(p.y));
    points.iter().map(point).collect::<Vec<_>>().join(" ")
}

/// The value of a colour and its opacity for the attribute `name`.
fn paint(name: &str, colour: Color32) -> String {
    let [red, green, blue, alpha] = colour.to_srgba_unmultiplied();
    match alpha {
        0 => format!(r#" {name}="none""#),
        255 => format!(r##" {name}="#{red:02x}{green:02x}{blue:02x}""##),
        _ => {
            let share = digits(f32::from(alpha) / 255.0);
            format!(r##" {name}="#{red:02x}{green:02x}{blue:02x}" {name}-opacity="{share}""##)
        }
    }
}

fn fill(colour: Color32) -> String {
    paint("fill", colour)
}

fn stroke(stroke: Stroke) -> String {
    if stroke.is_empty() {
        return String::new();
    }
    let width = digits(stroke.width);
    format!(
        r#"{} stroke-width="{width}""#,
        paint("stroke", stroke.color)
    )
}

fn path_stroke(line: &PathStroke, path: &PathShape) -> String {
    let colour = match &line.color {
        ColorMode::Solid(colour) => *colour,
        ColorMode::UV(of) => of(path.visual_bounding_rect(), path.points[0]),
    };
    stroke(Stroke::new(line.width, colour))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Bytes in the 64 letters of RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let of = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = of(0) << 16 | of(1) << 8 | of(2);
        for place in 0..4 {
            if place <= three.len() {
                let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(char::from(letter));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (text, expected) in cases {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
