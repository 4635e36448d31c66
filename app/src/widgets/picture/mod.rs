//! Pictures of what is on screen: the shapes that a widget painted in this frame, as SVG, which stays sharp and whose text stays text, or as PNG.

mod raster;
mod svg;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use egui::epaint::ClippedShape;
use egui::layers::PaintList;
use egui::{
    Color32, ColorImage, Context, Id, LayerId, Rect, Shape, TextureHandle, TextureId,
    TextureOptions,
};

/// Loaded images that are kept for pictures.
const KEPT: usize = 24;

/// The shapes of a part of the screen.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    shapes: Vec<ClippedShape>,
    rect: Rect,
    ground: Color32,
    images: Images,
}

impl Picture {
    /// Takes what was painted so far in this frame on `layer` within `rect`, over a ground of this colour.
    pub(crate) fn take(ctx: &Context, layer: LayerId, rect: Rect, ground: Color32) -> Self {
        let seen = |clipped: &&ClippedShape| {
            let bounds = clipped.shape.visual_bounding_rect();
            bounds.intersects(rect) && clipped.clip_rect.intersects(rect)
        };
        let mut picture = Self {
            shapes: vec![],
            rect,
            ground,
            images: Images::from_ctx(ctx),
        };
        ctx.graphics(|graphics| {
            let entries = graphics.get(layer).map(PaintList::all_entries);
            for clipped in entries.into_iter().flatten().filter(seen) {
                if let Some(ground) = covers(clipped, rect) {
                    // What lies below is hidden.
                    picture.shapes.clear();
                    picture.ground = ground;
                } else {
                    let mut clipped = clipped.clone();
                    clipped.clip_rect = clipped.clip_rect.intersect(rect);
                    picture.shapes.push(clipped);
                }
            }
        });
        picture
    }

    /// The picture as SVG.
    pub(crate) fn svg(&self) -> String {
        svg::write(self)
    }

    /// The picture as PNG, in the pixels of the screen.
    pub(crate) fn png(&self, ctx: &Context) -> Vec<u8> {
        raster::png(&raster::image(self, ctx))
    }
}

/// Colour of a plain rectangle that covers all of `rect`.
fn covers(clipped: &ClippedShape, rect: Rect) -> Option<Color32> {
    let Shape::Rect(shape) = &clipped.shape else {
        return None;
    };
    let whole = shape.rect.contains_rect(rect) && clipped.clip_rect.contains_rect(rect);
    let plain = shape.fill.is_opaque() && shape.brush.is_none() && shape.blur_width == 0.0;
    (whole && plain).then_some(shape.fill)
}

/// Images behind the textures that were loaded by [`load`], latest last.
#[derive(Debug, Clone, Default)]
struct Images(Vec<(TextureId, Arc<ColorImage>)>);

impl Images {
    fn place() -> Id {
        Id::unique("images of textures")
    }

    fn from_ctx(ctx: &Context) -> Self {
        ctx.data(|data| data.get_temp(Self::place()))
            .unwrap_or_default()
    }

    fn get(&self, texture: TextureId) -> Option<&ColorImage> {
        let found = self.0.iter().rev().find(|(id, _)| *id == texture);
        found.map(|(_, image)| &**image)
    }
}

/// Loads a texture whose image can be part of a picture.
pub(crate) fn load(
    ctx: &Context,
    name: &str,
    image: ColorImage,
    options: TextureOptions,
) -> TextureHandle {
    let image = Arc::new(image);
    let texture = ctx.load_texture(name, Arc::clone(&image), options);
    ctx.data_mut(|data| {
        let images: &mut Images = data.get_temp_mut_or_default(Images::place());
        images.0.retain(|(id, _)| *id != texture.id());
        images.0.push((texture.id(), image));
        let over = images.0.len().saturating_sub(KEPT);
        images.0.drain(..over);
    });
    texture
}
