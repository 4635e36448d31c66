//! Finds faults of layout in the last frame of a harness: clipped or overlapping text, clipped or overlapping widgets, duplicate ids.
//!
//! A scroll area may clip its content: a clipped edge is accepted where a scroll bar ends at that edge. Text fields and token strips may clip their
//! text, since they scroll it themselves.

mod plots;
mod tests;

pub(super) use self::tests::dialogs;

use std::collections::HashMap;

use egui::emath::Rot2;
use egui::epaint::text::PlacedRow;
use egui::epaint::{ClippedShape, Shape, TextShape};
use egui::{Rect, Role, Vec2, WidgetRect};
use egui_kittest::Harness;
use egui_kittest::kittest::NodeT as _;

/// Points by which ink or a widget may cross an edge: antialiasing, and rounding to whole pixels at every text size.
const EDGE: f32 = 1.5;

/// Points by which two widgets, or the ink of two texts, may overlap.
const TOUCH: f32 = 2.0;

/// Most points between a scroll bar and the area that it scrolls.
const BESIDE: f32 = 26.0;

/// Fewest letters that a truncated text must keep to be readable.
const LETTERS: usize = 3;

/// Beginnings of the warnings that egui paints beside widgets with a duplicate id.
const CLASH: [&str; 3] = ["First use of", "Second use of", "Double use of"];

/// Makes egui paint warnings about duplicate ids, which only debug builds do by default.
pub(super) fn warn_of_clashes(ctx: &egui::Context) {
    ctx.options_mut(|options| options.warn_on_id_clash = true);
}

/// Returns a sentence for every fault in the last frame.
pub(super) fn faults<S>(harness: &Harness<'_, S>) -> Vec<String> {
    let seen = Seen::new(harness);
    let mut found = clashes(&seen.texts);
    found.extend(seen.cut_texts());
    found.extend(seen.shortened_texts());
    found.extend(seen.overlapping_texts());
    found.extend(seen.cut_widgets());
    found.extend(seen.overlapping_widgets());
    found.sort_unstable();
    found.dedup();
    found
}

/// A painted text.
#[derive(Debug)]
struct Written {
    text: String,
    /// Bounds of its ink.
    ink: Rect,
    /// Clip rectangle.
    clip: Rect,
    /// Letters left, if the text was truncated.
    letters: Option<usize>,
}

/// A widget that senses clicks or drags.
#[derive(Debug)]
struct Control {
    widget: WidgetRect,
    role: Option<Role>,
    name: String,
}

/// A scroll bar.
#[derive(Debug, Clone, Copy)]
struct Bar {
    /// 0 if it scrolls horizontally, 1 if vertically.
    axis: usize,
    rect: Rect,
}

/// Content of a frame.
struct Seen {
    texts: Vec<Written>,
    controls: Vec<Control>,
    bars: Vec<Bar>,
    /// Bounds of text fields and token strips, which scroll their own text.
    windows: Vec<Rect>,
    /// Whether a dialog, a menu or a notification lies over the screen.
    layered: bool,
}

impl Seen {
    fn new<S>(harness: &Harness<'_, S>) -> Self {
        let mut texts = vec![];
        for shape in &harness.output().shapes {
            collect(shape, &shape.shape, &mut texts);
        }
        let names: HashMap<_, _> = (harness.root().children_recursive())
            .map(|node| {
                let node = node.accesskit_node();
                let name = node.label().or_else(|| node.value()).unwrap_or_default();
                (node.locate().0, (node.role(), name))
            })
            .collect();
        let mut seen = Self {
            texts,
            controls: vec![],
            bars: vec![],
            windows: vec![],
            layered: false,
        };
        let mut layers = 0;
        harness.ctx.viewport(|viewport| {
            for (_, widgets) in viewport.prev_pass.widgets.layers() {
                let before = seen.controls.len();
                for widget in widgets.iter().filter(|widget| widget.visible) {
                    seen.note(widget, names.get(&widget.id.accesskit_id()));
                }
                layers += usize::from(seen.controls.len() > before);
            }
        });
        seen.layered = layers > 1;
        seen
    }

    /// Notes what `widget` is, by its role and name.
    fn note(&mut self, widget: &WidgetRect, named: Option<&(Role, String)>) {
        let role = named.map(|(role, _)| *role);
        match role {
            Some(Role::Splitter) => return,
            Some(Role::ScrollBar) => {
                let axis = usize::from(widget.rect.height() > widget.rect.width());
                let rect = widget.rect;
                self.bars.push(Bar { axis, rect });
                return;
            }
            Some(Role::TextInput | Role::MultilineTextInput | Role::Paragraph) => {
                self.windows.push(widget.rect);
            }
            _ => {}
        }
        // Areas that sense clicks around other widgets, such as cells of a table.
        let is_area = matches!(role, None | Some(Role::GenericContainer));
        if widget.sense.interactive() && !is_area && widget.rect.is_positive() {
            self.controls.push(Control {
                widget: *widget,
                role,
                name: named.map(|(_, name)| name.clone()).unwrap_or_default(),
            });
        }
    }

    /// Whether a scroll bar reaches what lies beyond this side of `seen`. Bars are right of what they scroll, or below it.
    fn scrolls(&self, axis: usize, is_end: bool, seen: Rect) -> bool {
        let across = 1 - axis;
        let edge = |rect: Rect| {
            if is_end {
                rect.max[axis]
            } else {
                rect.min[axis]
            }
        };
        let bars = self.bars.iter().filter(|bar| bar.axis == axis);
        bars.map(|bar| bar.rect).any(|bar| {
            // Out of view, the end of `seen` is before its start.
            let start = seen.min[across].min(seen.max[across]);
            let beside = bar.max[across] >= start - BESIDE;
            (edge(bar) - edge(seen)).abs() <= BESIDE && beside
        })
    }

    /// Points by which `whole` extends beyond `seen` on sides that do not scroll.
    fn lost(&self, whole: Rect, seen: Rect) -> Vec2 {
        let mut lost = Vec2::ZERO;
        for axis in 0..2 {
            let length = whole.max[axis] - whole.min[axis];
            let before = seen.min[axis] - whole.min[axis];
            let behind = whole.max[axis] - seen.max[axis];
            for (over, is_end) in [(before, false), (behind, true)] {
                if over <= EDGE {
                    continue;
                }
                let scrolls = self.scrolls(axis, is_end, seen);
                if scrolls && over > length {
                    return Vec2::ZERO; // scrolled out of view
                }
                if !scrolls {
                    lost[axis] = lost[axis].max(over);
                }
            }
        }
        lost
    }

    fn cut_texts(&self) -> Vec<String> {
        let own = |written: &&Written| {
            let place = written.clip.shrink(EDGE);
            !self
                .windows
                .iter()
                .any(|window| window.expand(BESIDE).contains_rect(place))
        };
        let cut = self.texts.iter().filter(own).filter_map(|written| {
            let lost = self.lost(written.ink, written.clip);
            (lost != Vec2::ZERO).then(|| {
                let (ink, clip) = (written.ink, written.clip);
                format!(
                    "text is cut by {lost:?}: {:?} at {ink:?} in {clip:?}",
                    written.text
                )
            })
        });
        cut.collect()
    }

    fn shortened_texts(&self) -> Vec<String> {
        let short = self
            .texts
            .iter()
            .filter(|written| written.letters.is_some_and(|left| left < LETTERS));
        short
            .map(|written| {
                format!(
                    "text is shortened to nothing: {:?} at {:?}",
                    written.text, written.ink
                )
            })
            .collect()
    }

    fn overlapping_texts(&self) -> Vec<String> {
        if self.layered {
            return vec![];
        }
        let ink: Vec<_> = self
            .texts
            .iter()
            .map(|written| (written.ink.intersect(written.clip), written))
            .collect();
        let mut found = vec![];
        for (at, (rect, written)) in ink.iter().enumerate() {
            for (other, beside) in &ink[at + 1..] {
                if touch(*rect, *other) {
                    let (first, second) = (&written.text, &beside.text);
                    found.push(format!(
                        "texts overlap: {first:?} at {rect:?} and {second:?} at {other:?}"
                    ));
                }
            }
        }
        found
    }

    fn cut_widgets(&self) -> Vec<String> {
        let cut = self.controls.iter().filter_map(|control| {
            let (whole, seen) = (control.widget.rect, control.widget.interact_rect);
            let lost = self.lost(whole, seen);
            // Tokens are clipped with their strip.
            let own = self
                .windows
                .iter()
                .any(|window| window.expand(EDGE).contains_rect(seen));
            (lost != Vec2::ZERO && !own).then(|| {
                format!(
                    "{} is cut by {lost:?}: {whole:?} in {seen:?}",
                    control.words()
                )
            })
        });
        cut.collect()
    }

    fn overlapping_widgets(&self) -> Vec<String> {
        let mut found = vec![];
        for (at, first) in self.controls.iter().enumerate() {
            for second in &self.controls[at + 1..] {
                let (a, b) = (first.widget.interact_rect, second.widget.interact_rect);
                let same = first.widget.layer_id == second.widget.layer_id;
                // A row may contain a button.
                let within = a.expand(EDGE).contains_rect(b) || b.expand(EDGE).contains_rect(a);
                let pieces = first.is_piece() && second.is_piece();
                if same && touch(a, b) && (!within || pieces) {
                    let (first, second) = (first.words(), second.words());
                    found.push(format!("{first} at {a:?} overlaps {second} at {b:?}"));
                }
            }
        }
        found
    }
}

impl Control {
    fn words(&self) -> String {
        match self.role {
            Some(role) => format!("{role:?} {:?}", self.name),
            None => format!("a widget without a role ({:?})", self.widget.id),
        }
    }

    /// Whether it never contains another widget.
    fn is_piece(&self) -> bool {
        let role = self.role;
        matches!(
            role,
            Some(
                Role::CheckBox
                    | Role::ComboBox
                    | Role::TextInput
                    | Role::Slider
                    | Role::SpinButton
                    | Role::Link
            )
        )
    }
}

/// Whether two rectangles overlap by more than [`TOUCH`].
fn touch(a: Rect, b: Rect) -> bool {
    let both = a.intersect(b);
    both.width() > TOUCH && both.height() > TOUCH
}

fn collect(clipped: &ClippedShape, shape: &Shape, into: &mut Vec<Written>) {
    match shape {
        Shape::Vec(shapes) => {
            for shape in shapes {
                collect(clipped, shape, into);
            }
        }
        Shape::Text(text) => into.extend(written(clipped, text)),
        _ => {}
    }
}

/// Returns the lines of a text that leave ink.
fn written(clipped: &ClippedShape, text: &TextShape) -> Vec<Written> {
    if text.opacity_factor <= 0.0 {
        return vec![];
    }
    let turned = Rot2::from_angle(text.angle);
    let is_short = text.galley.elided && text.galley.rows.len() == 1;
    let line = |row: &PlacedRow| {
        let bounds = row.visuals.mesh_bounds.translate(row.pos.to_vec2());
        let ink = bounds.rotate_bb(turned).translate(text.pos.to_vec2());
        let letters = row.glyphs.iter().map(|glyph| glyph.chr);
        let left = letters
            .filter(|letter| !matches!(letter, '…' | ' '))
            .count();
        ink.is_positive().then(|| Written {
            text: row.text(),
            ink: clipped.transform_after_tessellation * ink,
            clip: clipped.clip_rect,
            letters: is_short.then_some(left),
        })
    };
    text.galley.rows.iter().filter_map(line).collect()
}

/// Returns egui's warnings about duplicate ids.
fn clashes(texts: &[Written]) -> Vec<String> {
    let clash = |written: &&Written| CLASH.iter().any(|words| written.text.contains(words));
    let found = texts.iter().filter(clash);
    found
        .map(|written| format!("{} at {:?}", written.text, written.ink))
        .collect()
}
