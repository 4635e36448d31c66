//! The keyboard's focus: a ring around whatever holds it, scrolling to it, and where it goes when a screen opens or is searched.
//!
//! A screen says by [`main`] which of its widgets is the main thing (table, strip, grid, first field) and by [`search`] which one filters it. Without a
//! main thing, the first widget of the screen gets the focus.

use egui::accesskit::{Action, ActionRequest, TreeId};
use egui::{
    Context, Event, Id, Key, LayerId, Plugin, RawInput, Rect, Response, Stroke, StrokeKind, Ui,
    WidgetRect,
};

use crate::theme::{Theme, space};

/// Width of the ring.
pub(crate) const RING: f32 = 2.0;

/// Distance of the ring from the widget.
const GAP: f32 = 1.0;

/// Passes that a screen gets to draw the thing that is wished for.
const PASSES: u32 = 3;

/// Larger things are not scrolled to once a part of them is seen: their own content scrolls.
const LARGE: f32 = 240.0;

/// A part of a screen that the focus goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The main thing.
    Main,
    /// The field that searches or filters.
    Search,
}

/// A wish for the focus.
#[derive(Debug, Clone, Copy)]
struct Wish {
    screen: Id,
    target: Target,
    waited: u32,
    /// The widget that has the focus until the main thing is there.
    stand_in: Option<Id>,
}

/// A kind of press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pressed {
    /// A key.
    Key,
    /// A button of the mouse.
    Mouse,
}

/// Follows the focus; a plugin of egui.
#[derive(Debug, Default)]
pub(crate) struct Keyboard {
    wish: Option<Wish>,
    /// The screen that is being drawn.
    drawn: Option<Id>,
    /// The screen in the active tile.
    active: Option<Id>,
    /// The widget that had the focus at the end of the last pass.
    last: Option<Id>,
    /// The frame of a field, which the ring surrounds instead of the field.
    frame: Option<(Id, Rect)>,
    /// Whether to scroll to it.
    moved: bool,
    /// Kind of the last press.
    pressed: Option<Pressed>,
    /// Whether the mouse rests since a key was pressed.
    rests: bool,
}

fn with<R>(ctx: &Context, what: impl FnOnce(&mut Keyboard) -> R) -> R {
    let plugin = ctx.plugin_or_default::<Keyboard>();
    let mut keyboard = plugin.lock();
    what(&mut keyboard)
}

/// Whether the mouse has not been touched since a key was pressed: what it happens to lie on shows no card.
pub(crate) fn rests(ctx: &Context) -> bool {
    with(ctx, |keyboard| keyboard.rests)
}

/// Asks for the focus on a part of `screen`.
pub(crate) fn wish(ctx: &Context, screen: Id, target: Target) {
    let waited = 0;
    with(ctx, |keyboard| {
        keyboard.wish = Some(Wish {
            screen,
            target,
            waited,
            stand_in: None,
        });
    });
}

/// Says which screen is in the active tile. One that was opened by the keyboard gets the focus.
pub(crate) fn activate(ctx: &Context, screen: Id) {
    let opened = with(ctx, |keyboard| {
        let former = keyboard.active.replace(screen);
        former.is_some_and(|former| former != screen) && keyboard.pressed == Some(Pressed::Key)
    });
    if opened {
        wish(ctx, screen, Target::Main);
    }
}

/// Says that `screen` is drawn from here on.
pub(crate) fn begin(ctx: &Context, screen: Id) {
    with(ctx, |keyboard| keyboard.drawn = Some(screen));
}

/// Says that the screen in `body` is drawn. A wish that nothing on it fulfils goes to its first widget.
pub(crate) fn end(ui: &Ui, body: Rect) {
    let late = with(ui.ctx(), |keyboard| {
        let screen = keyboard.drawn.take();
        let wish = keyboard.wish.as_mut()?;
        if Some(wish.screen) != screen {
            return None;
        }
        wish.waited = wish.waited.saturating_add(1);
        let (target, stands_in) = (wish.target, wish.stand_in.is_some());
        if wish.waited < PASSES {
            return Some(None);
        }
        if target == Target::Search {
            keyboard.wish = None;
        }
        Some(Some((target, stands_in)))
    });
    match late {
        Some(None) => ui.request_repaint(),
        Some(Some((Target::Main, stands_in))) => {
            // While the screen loads, its first widget has the focus, until the main thing is there.
            let is_due = !stands_in || ui.memory(|memory| memory.focused().is_none());
            if let Some(first) = first_in(ui, body).filter(|_| is_due) {
                ui.memory_mut(|memory| memory.request_focus(first));
                with(ui.ctx(), |keyboard| {
                    if let Some(wish) = &mut keyboard.wish {
                        wish.stand_in = Some(first);
                    }
                });
            }
        }
        _ => {}
    }
}

fn first_in(ui: &Ui, body: Rect) -> Option<Id> {
    let layer = ui.layer_id();
    let fits = |widget: &&WidgetRect| {
        let is_control = widget.sense.is_focusable() && widget.sense.interactive();
        let seen = widget.interact_rect;
        let is_seen = widget.visible && seen.is_positive() && body.contains(seen.center());
        is_control && widget.enabled && is_seen
    };
    ui.viewport(|viewport| {
        let mut widgets = viewport.this_pass.widgets.get_layer(layer);
        widgets.find(fits).map(|widget| widget.id)
    })
}

/// Marks the main thing of the screen.
pub(crate) fn main(response: &Response) {
    fulfil(response, Target::Main);
}

/// Marks the field that searches or filters the screen.
pub(crate) fn search(response: &Response) {
    fulfil(response, Target::Search);
}

/// Says that `frame` surrounds the field: the ring stands around it.
pub(crate) fn framed(field: &Response, frame: Rect) {
    if field.has_focus() {
        with(&field.ctx, |keyboard| {
            keyboard.frame = Some((field.id, frame));
        });
    }
}

fn fulfil(response: &Response, target: Target) {
    let focused = response.ctx.memory(egui::Memory::focused);
    let wished = with(&response.ctx, |keyboard| {
        let screen = keyboard.drawn;
        // A person who has moved on since keeps the focus.
        let is_free =
            |wish: &Wish| wish.stand_in.is_none() || focused.is_none() || focused == wish.stand_in;
        let fits =
            |wish: &mut Wish| Some(wish.screen) == screen && wish.target == target && is_free(wish);
        keyboard.wish.take_if(fits).is_some()
    });
    if wished {
        response.request_focus();
    }
}

impl Plugin for Keyboard {
    fn debug_name(&self) -> &'static str {
        "keyboard"
    }

    fn input_hook(&mut self, ctx: &Context, input: &mut RawInput) {
        for event in &input.events {
            match event {
                Event::Key {
                    key, pressed: true, ..
                } => {
                    self.pressed = Some(Pressed::Key);
                    self.rests = true;
                    if matches!(key, Key::Tab | Key::Escape) {
                        self.wish = None;
                    }
                }
                Event::PointerButton { pressed: true, .. } => {
                    self.pressed = Some(Pressed::Mouse);
                    self.rests = false;
                    self.wish = None;
                }
                Event::PointerMoved(_) | Event::MouseWheel { .. } => self.rests = false,
                _ => {}
            }
        }
        let moved = std::mem::take(&mut self.moved);
        let Some(focused) = focused(ctx) else {
            return;
        };
        if moved && is_out_of_view(&focused) {
            input.events.push(scroll_to(&focused));
        }
    }

    fn on_end_pass(&mut self, ui: &mut Ui) {
        let focused = focused(ui.ctx());
        let id = focused.map(|widget| widget.id);
        if self.last != id {
            self.last = id;
            self.moved = id.is_some();
            ui.request_repaint();
        }
        let frame = self.frame.take();
        if let Some(focused) = focused {
            let frame = frame.filter(|(of, _)| *of == focused.id);
            let seen = frame.map_or(focused.interact_rect, |(_, frame)| frame);
            // What the mouse chose in a table or strip shows itself; keys bring the ring back.
            let is_large = seen.width() > LARGE && !ui.ctx().text_edit_focused();
            if self.pressed != Some(Pressed::Mouse) || !is_large {
                ring(ui, focused.layer_id, seen);
            }
        }
    }
}

/// The widget with the focus. Its response is not read: that takes the focus away where something else was clicked that gave it the focus.
fn focused(ctx: &Context) -> Option<WidgetRect> {
    let id = ctx.memory(egui::Memory::focused)?;
    ctx.viewport(|viewport| {
        let drawn = viewport.this_pass.widgets.get(id);
        drawn
            .or_else(|| viewport.prev_pass.widgets.get(id))
            .copied()
    })
}

fn is_out_of_view(widget: &WidgetRect) -> bool {
    let (whole, seen) = (widget.rect, widget.interact_rect);
    if !seen.is_positive() {
        return true;
    }
    let lost = whole.size() - seen.size();
    (lost.x > 1.0 && whole.width() < LARGE) || (lost.y > 1.0 && whole.height() < LARGE)
}

fn scroll_to(widget: &WidgetRect) -> Event {
    Event::AccessKitActionRequest(ActionRequest {
        action: Action::ScrollIntoView,
        target_tree: TreeId::ROOT,
        target_node: widget.id.accesskit_id(),
        data: None,
    })
}

/// Draws the ring around what is seen of the widget with the focus.
fn ring(ui: &Ui, layer: LayerId, seen: Rect) {
    if !seen.is_positive() {
        return;
    }
    let window = ui.ctx().content_rect().shrink(RING / 2.0);
    let around = seen.expand(GAP + RING / 2.0).intersect(window);
    let colour = Theme::from_ui(ui).ink.secondary;
    ui.ctx().layer_painter(layer).rect_stroke(
        around,
        space::CORNER + 1,
        Stroke::new(RING, colour),
        StrokeKind::Middle,
    );
}

/// Returns the rings in the shapes of a frame.
#[cfg(test)]
pub(crate) fn rings(shapes: &[egui::epaint::ClippedShape]) -> Vec<Rect> {
    let ring = |shape: &egui::epaint::ClippedShape| match &shape.shape {
        egui::Shape::Rect(rect) => {
            let stroke = rect.stroke;
            let ours = [true, false].map(|dark| Theme::which(dark).ink.secondary);
            let is_ring = (stroke.width - RING).abs() < 0.01 && ours.contains(&stroke.color);
            is_ring.then_some(rect.rect)
        }
        _ => None,
    };
    shapes.iter().filter_map(ring).collect()
}

#[cfg(test)]
mod tests {
    use egui::{Button, ScrollArea};
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    fn screen() -> Id {
        Id::unique("screen")
    }

    /// A screen with a button, a field to search and, if `main`, a main thing.
    fn stage(with_main: bool) -> Harness<'static, bool> {
        staged(
            |ui, with_main: &mut bool| {
                begin(ui.ctx(), screen());
                let body = ui.max_rect();
                if ui.button("First").clicked() {
                    *with_main = false;
                }
                search(&ui.button("Search"));
                if *with_main {
                    main(&ui.button("Main"));
                }
                let low = ScrollArea::vertical().max_height(60.0);
                low.min_scrolled_height(60.0).show(ui, |ui| {
                    for i in 0..8 {
                        ui.add(Button::new(format!("Row {i}")));
                    }
                });
                end(ui, body);
            },
            with_main,
        )
    }

    #[track_caller]
    fn focused_is<S>(harness: &Harness<'_, S>, name: &str) {
        let node = harness.get_by_label(name);
        assert!(node.is_focused(), "{name} has no focus");
        let around = node.rect().expand(GAP + RING / 2.0);
        let rings = rings(&harness.output().shapes);
        assert_eq!(rings, [around], "around {name}");
    }

    #[test]
    fn a_wish_goes_to_the_main_thing_to_the_search_or_to_the_first_widget() {
        for (with_main, target, want) in [
            (true, Target::Main, "Main"),
            (true, Target::Search, "Search"),
            (false, Target::Main, "First"),
        ] {
            let mut harness = stage(with_main);
            harness.run();
            assert!(rings(&harness.output().shapes).is_empty());
            wish(&harness.ctx, screen(), target);
            harness.run();
            focused_is(&harness, want);
        }
    }

    #[test]
    fn a_screen_opened_by_the_keyboard_gets_the_focus_and_one_opened_by_the_mouse_does_not() {
        let other = Id::unique("other");
        for (by_keys, want) in [(true, true), (false, false)] {
            let mut harness = stage(true);
            activate(&harness.ctx, other);
            if by_keys {
                harness.key_press(Key::F5);
            } else {
                harness.get_by_label("Search").click();
            }
            harness.run();
            activate(&harness.ctx, screen());
            harness.run();
            assert_eq!(harness.get_by_label("Main").is_focused(), want);
        }
    }

    #[test]
    fn what_the_focus_moves_to_is_scrolled_into_view() {
        let mut harness = stage(false);
        harness.run();
        let bottom = harness.get_by_label("Row 0").rect().top() + 60.0;
        let last = "Row 7";
        assert!(harness.get_by_label(last).rect().bottom() > bottom);
        for _ in 0..10 {
            harness.key_press(Key::Tab);
            harness.run();
        }
        focused_is(&harness, last);
        assert!(harness.get_by_label(last).rect().bottom() <= bottom + 1.0);
    }
}
