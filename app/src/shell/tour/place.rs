//! Where the panel of the tour stands: beside what it speaks of, within the window, over nothing that people read or press.

use egui::layers::PaintList;
use egui::{Context, LayerId, Pos2, Rect, Shape, Vec2, pos2, vec2};

use crate::widgets::anchor::Anchor;

/// Distance from the thing it speaks of.
const GAP: f32 = 12.0;

/// Distance from the window's edges.
pub(super) const MARGIN: f32 = 8.0;

/// Distance of the places that are tried away from the thing.
const STEP: f32 = 24.0;

/// Larger controls are tables, maps and strips.
const SMALL: Vec2 = vec2(400.0, 48.0);

/// Things on the screens in a frame.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// Words, buttons and fields: never covered.
    pub(super) needed: Vec<Rect>,
    /// Rows of tables, and maps: better not covered.
    pub(super) large: Vec<Rect>,
}

impl Crowd {
    /// Collects it from what was drawn in this frame.
    pub(super) fn seen(ctx: &Context) -> Self {
        let layer = LayerId::background();
        let mut crowd = Self::default();
        ctx.viewport(|viewport| {
            for widget in viewport.this_pass.widgets.get_layer(layer) {
                let place = widget.interact_rect;
                if !widget.sense.senses_click() || !place.is_positive() {
                    continue;
                }
                let is_small = place.size().max(SMALL) == SMALL;
                let to = if is_small {
                    &mut crowd.needed
                } else {
                    &mut crowd.large
                };
                to.push(place);
            }
        });
        let fields = [Anchor::Label, Anchor::Sentence];
        crowd
            .needed
            .extend(fields.iter().filter_map(|field| field.found(ctx)));
        let mut words = vec![];
        ctx.graphics(|graphics| {
            let shapes = graphics
                .get(layer)
                .into_iter()
                .flat_map(PaintList::all_entries);
            for clipped in shapes {
                texts(&clipped.shape, clipped.clip_rect, &mut words);
            }
        });
        let within = |word: &Rect| crowd.large.iter().any(|large| large.contains_rect(*word));
        words.retain(|word| !within(word));
        crowd.needed.extend(words);
        crowd
    }

    /// How much of `panel` lies over `these`.
    fn shared(these: &[Rect], panel: Rect) -> f32 {
        let shared = these.iter().map(|other| panel.intersect(*other));
        shared
            .filter(Rect::is_positive)
            .map(|rect| rect.area())
            .sum()
    }
}

/// Collects where words stand.
fn texts(shape: &Shape, clip: Rect, to: &mut Vec<Rect>) {
    match shape {
        Shape::Text(text) => {
            let seen = text.visual_bounding_rect().intersect(clip);
            if seen.is_positive() {
                to.push(seen);
            }
        }
        Shape::Vec(shapes) => shapes.iter().for_each(|shape| texts(shape, clip, to)),
        _ => {}
    }
}

/// Whether `panel` lies within `window` and over nothing that is needed.
pub(super) fn is_free(panel: Rect, anchor: Rect, window: Rect, crowd: &Crowd) -> bool {
    window.expand(0.5).contains_rect(panel)
        && !panel.intersects(anchor.expand(GAP - 1.0))
        && !crowd.needed.iter().any(|needed| needed.intersects(panel))
}

/// Returns the free place for a panel of `size` that is nearest to `anchor` and covers least of what is large.
pub(super) fn place(anchor: Rect, size: Vec2, window: Rect, crowd: &Crowd) -> Option<Pos2> {
    let cost = |at: &Pos2| {
        let panel = Rect::from_min_size(*at, size);
        let covered = Crowd::shared(&crowd.large, panel) / panel.area();
        let apart = vec2(
            (anchor.left() - panel.right())
                .max(panel.left() - anchor.right())
                .max(0.0),
            (anchor.top() - panel.bottom())
                .max(panel.top() - anchor.bottom())
                .max(0.0),
        );
        (apart.length() + 500.0 * covered) as u32
    };
    let places = places(anchor, size, window);
    let free = places.filter(|at| is_free(Rect::from_min_size(*at, size), anchor, window, crowd));
    free.min_by_key(cost)
}

/// Returns the place beside `anchor` that covers least.
pub(super) fn least(anchor: Rect, size: Vec2, window: Rect, crowd: &Crowd) -> Option<Pos2> {
    let fits = |at: &Pos2| {
        let panel = Rect::from_min_size(*at, size);
        window.expand(0.5).contains_rect(panel) && !panel.intersects(anchor.expand(3.0))
    };
    let covered = |at: &Pos2| Crowd::shared(&crowd.needed, Rect::from_min_size(*at, size)) as u32;
    places(anchor, size, window)
        .filter(fits)
        .min_by_key(covered)
}

/// Places beside `anchor`, then all over the window.
fn places(anchor: Rect, size: Vec2, window: Rect) -> impl Iterator<Item = Pos2> {
    let (across, down) = (anchor.center().x, anchor.center().y);
    let last = (window.max - size).max(window.min);
    let x_of = move |x: f32| x.clamp(window.left(), last.x);
    let y_of = move |y: f32| y.clamp(window.top(), last.y);
    let (left, right) = (anchor.left() - GAP - size.x, anchor.right() + GAP);
    let (above, below) = (anchor.top() - GAP - size.y, anchor.bottom() + GAP);
    let beside = [
        pos2(x_of(anchor.left()), below),
        pos2(x_of(across - size.x / 2.0), below),
        pos2(x_of(anchor.right() - size.x), below),
        pos2(right, y_of(anchor.top())),
        pos2(right, y_of(down - size.y / 2.0)),
        pos2(right, y_of(anchor.bottom() - size.y)),
        pos2(left, y_of(anchor.top())),
        pos2(left, y_of(down - size.y / 2.0)),
        pos2(left, y_of(anchor.bottom() - size.y)),
        pos2(x_of(anchor.left()), above),
        pos2(x_of(anchor.right() - size.x), above),
    ];
    let room = last - window.min;
    let (columns, rows) = ((room.x / STEP) as usize, (room.y / STEP) as usize);
    let all = (0..=columns).flat_map(move |column| {
        (0..=rows).map(move |row| last - vec2(column as f32, row as f32) * STEP)
    });
    beside.into_iter().chain(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Vec2 = vec2(268.0, 150.0);

    fn window() -> Rect {
        Rect::from_min_size(Pos2::ZERO, vec2(1000.0, 700.0)).shrink(MARGIN)
    }

    #[test]
    fn the_panel_covers_neither_what_it_speaks_of_nor_words_and_stays_near() {
        for i in 0..400 {
            let (x, y) = ((i % 20) as f32 / 19.0, (i / 20) as f32 / 19.0);
            let room = window().size() - vec2(90.0, 22.0);
            let corner = window().min + vec2(room.x * x, room.y * y);
            let anchor = Rect::from_min_size(corner, vec2(90.0, 22.0));
            let word = anchor.translate(vec2(0.0, 40.0));
            let crowd = Crowd {
                needed: vec![word],
                large: vec![],
            };
            let at = place(anchor, SIZE, window(), &crowd).unwrap();
            let panel = Rect::from_min_size(at, SIZE);
            assert!(
                !panel.intersects(anchor) && !panel.intersects(word),
                "{anchor:?} {panel:?}"
            );
            assert!(window().expand(1.0).contains_rect(panel), "{panel:?}");
            assert!(
                panel.expand(60.0).intersects(anchor),
                "{anchor:?} {panel:?}"
            );
        }
    }

    #[test]
    fn a_crowded_window_has_no_place_but_on_request() {
        let anchor = Rect::from_min_size(pos2(700.0, 500.0), vec2(90.0, 22.0));
        let crowd = Crowd {
            needed: (0..70)
                .map(|i| Rect::from_min_size(pos2(8.0, 10.0 * i as f32), vec2(980.0, 8.0)))
                .collect(),
            large: vec![],
        };
        assert_eq!(place(anchor, SIZE, window(), &crowd), None);
        let at = least(anchor, SIZE, window(), &crowd).unwrap();
        assert!(!Rect::from_min_size(at, SIZE).intersects(anchor));
    }
}
