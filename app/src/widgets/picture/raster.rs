//! Fills triangles with pixels, as the graphics card does, so that a picture needs neither the window nor a card.

use egui::epaint::{ClippedPrimitive, Mesh, Primitive, Vertex};
use egui::{Color32, ColorImage, Context, Pos2, Rect, TextureId, vec2};
use image::ImageEncoder as _;

use super::Picture;

/// The picture's pixels.
pub(super) fn image(picture: &Picture, ctx: &Context) -> ColorImage {
    let scale = ctx.pixels_per_point();
    let corner = (picture.rect.min.to_vec2() * scale).floor();
    let size = (picture.rect.size() * scale).ceil();
    let mut canvas = Canvas {
        image: ColorImage::filled([size.x as usize, size.y as usize], picture.ground),
        corner: corner.to_pos2(),
        scale,
    };
    let font = ctx.fonts(|fonts| {
        let atlas = fonts.image();
        (atlas.size[0] > 0 && atlas.size[1] > 0).then_some(atlas)
    });
    for primitive in ctx.tessellate(picture.shapes.clone(), scale) {
        let ClippedPrimitive {
            clip_rect,
            primitive,
        } = primitive;
        let Primitive::Mesh(mesh) = primitive else {
            continue;
        };
        let texture = match mesh.texture_id {
            id if id == TextureId::default() => font.as_ref(),
            id => picture.images.get(id),
        };
        if let Some(texture) = texture {
            canvas.mesh(&mesh, texture, clip_rect);
        }
    }
    canvas.image
}

/// Pixels as PNG.
pub(super) fn png(image: &ColorImage) -> Vec<u8> {
    let bytes: Vec<u8> = image
        .pixels
        .iter()
        .flat_map(Color32::to_srgba_unmultiplied)
        .collect();
    let [width, height] = image.size.map(|side| side as u32);
    let mut png = vec![];
    let encoder = image::codecs::png::PngEncoder::new(&mut png);
    let kind = image::ExtendedColorType::Rgba8;
    let written = encoder.write_image(&bytes, width, height, kind);
    debug_assert!(written.is_ok(), "a vector takes all bytes");
    png
}

struct Canvas {
    image: ColorImage,
    /// Pixel of the screen at the top left.
    corner: Pos2,
    scale: f32,
}

/// A corner of a triangle, in pixels of the canvas.
#[derive(Clone, Copy)]
struct Corner {
    at: Pos2,
    uv: Pos2,
    colour: [f32; 4],
}

impl Canvas {
    fn place(&self, at: Pos2) -> Pos2 {
        (at.to_vec2() * self.scale - self.corner.to_vec2()).to_pos2()
    }

    fn mesh(&mut self, mesh: &Mesh, texture: &ColorImage, clip: Rect) {
        let [width, height] = self.image.size.map(|side| side as f32);
        let all = Rect::from_min_size(Pos2::ZERO, vec2(width, height));
        let (min, max) = (self.place(clip.min).round(), self.place(clip.max).round());
        let clip = Rect::from_min_max(min, max).intersect(all);
        let corner = |vertex: &Vertex| Corner {
            at: self.place(vertex.pos),
            uv: vertex.uv,
            colour: vertex.color.to_array().map(f32::from),
        };
        let corners: Vec<Corner> = mesh.vertices.iter().map(corner).collect();
        for three in mesh.indices.chunks_exact(3) {
            let of = |i: usize| corners.get(three[i] as usize).copied();
            if let (Some(a), Some(b), Some(c)) = (of(0), of(1), of(2)) {
                self.triangle([a, b, c], texture, clip);
            }
        }
    }

    fn triangle(&mut self, [a, b, c]: [Corner; 3], texture: &ColorImage, clip: Rect) {
        let area = cross(a.at, b.at, c.at);
        if area == 0.0 || !area.is_finite() {
            return;
        }
        // One way round, so that inside is positive.
        let [a, b, c] = if area > 0.0 { [a, b, c] } else { [a, c, b] };
        let area = area.abs();
        let bounds = Rect::from_points(&[a.at, b.at, c.at]).intersect(clip);
        if !bounds.is_positive() {
            return;
        }
        let range = |from: f32, to: f32| (from.floor() as usize)..(to.ceil() as usize);
        for y in range(bounds.top(), bounds.bottom()) {
            for x in range(bounds.left(), bounds.right()) {
                let at = Pos2::new(x as f32 + 0.5, y as f32 + 0.5);
                if !clip.contains(at) {
                    continue;
                }
                let weights = [
                    side(b.at, c.at, at),
                    side(c.at, a.at, at),
                    side(a.at, b.at, at),
                ];
                let [Some(of_a), Some(of_b), Some(of_c)] = weights else {
                    continue;
                };
                let shares = [of_a / area, of_b / area, of_c / area];
                self.blend((x, y), [a, b, c], shares, texture);
            }
        }
    }

    fn blend(
        &mut self,
        (x, y): (usize, usize),
        corners: [Corner; 3],
        shares: [f32; 3],
        texture: &ColorImage,
    ) {
        let mix = |of: &dyn Fn(&Corner) -> f32| -> f32 {
            corners
                .iter()
                .zip(shares)
                .map(|(c, share)| of(c) * share)
                .sum()
        };
        let uv = Pos2::new(mix(&|c| c.uv.x), mix(&|c| c.uv.y));
        let texel = sample(texture, uv);
        let width = self.image.size[0];
        let pixel = &mut self.image.pixels[y * width + x];
        let under = pixel.to_array().map(f32::from);
        let over: [f32; 4] = std::array::from_fn(|i| mix(&|c| c.colour[i]) * texel[i] / 255.0);
        let rest = 1.0 - over[3] / 255.0;
        let mixed = std::array::from_fn(|i| (over[i] + under[i] * rest).round() as u8);
        *pixel = crate::theme::premultiplied(mixed);
    }
}

/// Twice the area of a triangle, positive one way round.
fn cross(a: Pos2, b: Pos2, c: Pos2) -> f32 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

/// Distance of `at` from an edge, inwards; a point on an edge belongs to one of the two triangles that share it.
fn side(from: Pos2, to: Pos2, at: Pos2) -> Option<f32> {
    let inwards = cross(from, to, at);
    let is_top_or_left = to.y < from.y || (to.y == from.y && to.x > from.x);
    (inwards > 0.0 || (inwards == 0.0 && is_top_or_left)).then_some(inwards)
}

/// The colour of a texture between its pixels.
fn sample(texture: &ColorImage, uv: Pos2) -> [f32; 4] {
    let [width, height] = texture.size;
    let (x, y) = (uv.x * width as f32 - 0.5, uv.y * height as f32 - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let (right_share, low_share) = (x - left, y - top);
    let pixel = |x: f32, y: f32| {
        let x = (x.max(0.0) as usize).min(width - 1);
        let y = (y.max(0.0) as usize).min(height - 1);
        texture.pixels[y * width + x].to_array().map(f32::from)
    };
    let upper = lerp(pixel(left, top), pixel(left + 1.0, top), right_share);
    let lower = lerp(
        pixel(left, top + 1.0),
        pixel(left + 1.0, top + 1.0),
        right_share,
    );
    lerp(upper, lower, low_share)
}

fn lerp(from: [f32; 4], to: [f32; 4], share: f32) -> [f32; 4] {
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * share)
}
