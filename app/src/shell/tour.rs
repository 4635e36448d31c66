//! The panel of the tour: beside the thing it speaks of, never over it. It notices when a step is done and goes on by itself.

use egui::{
    Area, Context, Frame, Id, LayerId, Order, Pos2, Rect, Stroke, StrokeKind, Ui, Vec2, vec2,
};

use crate::state::layout::{Keys, Layout};
use crate::state::prompt::PromptState;
use crate::state::requests::{Command, Commands, heads, navigation, shell};
use crate::state::tour::{Step, Tour};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, caption, icons, space};
use crate::widgets::anchor::Anchor;
use crate::widgets::parts::icon_button;

/// Width of the panel.
const WIDTH: f32 = 268.0;

/// Height of the panel before it is known.
const HIGH: f32 = 180.0;

/// Height of the panel without its words, for where there is no room beside the thing.
const LOW: f32 = 56.0;

/// Distance from the thing it speaks of.
const GAP: f32 = 12.0;

/// Distance from the window's edges.
const MARGIN: f32 = 8.0;

/// Memory of the panel between frames.
#[derive(Debug, Default)]
pub(super) struct TourPanel {
    /// The step in the last frame, and whether it was done.
    last: Option<(Step, bool)>,
    /// The step that was done just before this one.
    praised: Option<Step>,
    /// Whether a head was chosen during the step.
    chose_head: bool,
    /// Height of the panel with all words, in the last frame.
    height: Option<f32>,
}

impl TourPanel {
    /// Draws the panel where a step is due and nothing lies over the screens.
    pub(super) fn tour_ui(
        &mut self,
        ui: &Ui,
        state: &AppState,
        layout: &Layout,
        commands: &mut Commands,
    ) {
        let Tour::At(step) = state.settings.tour else {
            *self = Self::default();
            return;
        };
        if state.model().is_none() || is_covered(state, layout) {
            return;
        }
        self.follow(step, state, layout, commands);
        let is_shown = layout.shows(step.view());
        let anchor = is_shown.then(|| step.anchor().found(ui.ctx())).flatten();
        let anchor = anchor.or_else(|| entry_of(step.view()).found(ui.ctx()));
        let Some(anchor) = anchor else {
            return;
        };
        let window = ui.ctx().content_rect().shrink(MARGIN);
        let id = Id::unique("tour");
        let width = WIDTH.min(window.width());
        let size = vec2(width, self.height.unwrap_or(HIGH));
        let notices = ui
            .ctx()
            .memory(|memory| memory.area_rect(super::notices::id()));
        let notices = notices.filter(|_| !state.log.notices.is_empty());
        let mut avoid = controls(ui.ctx());
        avoid.extend(notices);
        let full = place(anchor, size, window, &avoid);
        let at = full.or_else(|| place(anchor, vec2(size.x, LOW), window, &avoid));
        let Some(at) = at else {
            return;
        };
        outline(ui.ctx(), anchor, Theme::from_ui(ui));
        let drawn = Area::new(id)
            .order(Order::Middle)
            .fixed_pos(at)
            .constrain(false)
            .show(ui.ctx(), |ui| {
                let theme = Theme::from_ui(ui);
                Frame::new()
                    .fill(theme.surface.raised)
                    .stroke(Stroke::new(1.0, theme.ink.secondary))
                    .shadow(ui.visuals().popup_shadow)
                    .corner_radius(8)
                    .inner_margin(space::PANEL)
                    .show(ui, |ui| {
                        ui.set_width(width - 2.0 * space::PANEL - 2.0);
                        self.panel_ui(ui, step, (is_shown, full.is_some()), commands);
                    });
            });
        let height = drawn.response.rect.height();
        if full.is_some() && self.height != Some(height) {
            self.height = Some(height);
            ui.request_repaint();
        }
    }

    /// Notices that `step` is done and goes on to the next one.
    fn follow(&mut self, step: Step, state: &AppState, layout: &Layout, commands: &mut Commands) {
        let known = self.last.filter(|(last, _)| *last == step);
        if known.is_none() {
            self.chose_head = false;
            if self.praised.is_some_and(|done| done.after() != Some(step)) {
                self.praised = None;
            }
        }
        let is_choice = |command: &Command| {
            matches!(
                command,
                Command::Heads(heads::Command::Choose(..))
                    | Command::Navigation(navigation::Command::SelectHead(..))
            )
        };
        self.chose_head |= step == Step::Head && commands.sent().any(is_choice);
        let done = match step {
            Step::Feature => layout.view() == ViewId::Feature && state.selection.feature.is_some(),
            Step::Label => {
                let label = state.selection.feature.and_then(|of| state.label(of));
                layout.shows(ViewId::Feature) && label.is_some()
            }
            Step::Sentence => is_own_sentence(&state.prompt, state),
            Step::Head => self.chose_head && state.selection.head.is_some(),
            Step::Steer => {
                let run = state.steering.run.as_ref();
                run.is_some_and(|run| !run.steered.is_empty())
            }
        };
        let was_done = known.map(|(_, done)| done);
        if done
            && was_done == Some(false)
            && let Some(next) = step.after()
        {
            self.praised = Some(step);
            commands.send(shell::Command::Tour(Tour::At(next)));
        }
        self.last = Some((step, done));
    }

    fn panel_ui(
        &self,
        ui: &mut Ui,
        step: Step,
        (is_shown, full): (bool, bool),
        commands: &mut Commands,
    ) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let done = self.last.is_some_and(|(_, done)| done);
        ui.spacing_mut().item_spacing.y = space::CHIP;
        ui.horizontal(|ui| {
            let of = format!("Tour · {} of {}", step.at() + 1, Step::ALL.len());
            ui.label(caption(of).color(secondary));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if icon_button(ui, icons::X, "Close the tour").clicked() {
                    commands.send(shell::Command::Tour(Tour::Ended));
                }
                if !full {
                    steps_ui(ui, step, done, commands);
                }
            });
        });
        if !full {
            return;
        }
        let words = step.words();
        if let Some(former) = self.praised {
            done_ui(ui, former.words().done);
        }
        ui.label(theme::panel_title(words.title));
        let text = if is_shown {
            words.text.to_owned()
        } else {
            let title = entry_title(step.view());
            format!("Open {title} in the rail. {}", words.text)
        };
        ui.add(egui::Label::new(text).wrap());
        if done {
            done_ui(ui, words.done);
        }
        ui.add_space(space::CHIP);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            steps_ui(ui, step, done, commands);
        });
    }
}

/// Draws the buttons from the right.
fn steps_ui(ui: &mut Ui, step: Step, done: bool, commands: &mut Commands) {
    let next = if step.after().is_none() {
        "Finish"
    } else {
        "Next"
    };
    let fill = Theme::from_ui(ui).surface.hover;
    let button = egui::Button::new(next);
    let button = if done { button.fill(fill) } else { button };
    if ui.add(button).clicked() {
        match step.after() {
            Some(next) => walk(next, commands),
            None => commands.send(shell::Command::Tour(Tour::Ended)),
        }
    }
    if let Some(before) = step.before()
        && ui.button("Back").clicked()
    {
        walk(before, commands);
    }
}

/// Shows a step and the screen on which it is done.
fn walk(step: Step, commands: &mut Commands) {
    commands.send(shell::Command::Tour(Tour::At(step)));
    commands.send(navigation::Command::Go(step.view()));
}

fn done_ui(ui: &mut Ui, words: &str) {
    let theme = Theme::from_ui(ui);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let sign = theme::icon(icons::CHECK_CIRCLE).size(theme::size::BODY);
        ui.label(sign.color(theme.promoted));
        ui.add(egui::Label::new(caption(words).color(theme.ink.secondary)).wrap());
    });
}

/// Whether a window of the frame lies over the screens.
fn is_covered(state: &AppState, layout: &Layout) -> bool {
    layout.palette_open
        || layout.settings_open
        || layout.keys == Keys::Open
        || layout.link_open
        || layout.guide.is_some()
        || layout.question.is_some()
        || state.opening.shown
        || state.passes.asked.is_some()
        || state.path.field.is_some()
}

/// Whether the sentence is the person's own and was read.
fn is_own_sentence(prompt: &PromptState, state: &AppState) -> bool {
    let (Some(input), Some(project)) = (prompt.input(), state.project.open()) else {
        return false;
    };
    let is_read = matches!(prompt.reading, Load::Ready(_))
        && (prompt.reading_of.as_ref()).is_some_and(|(_, of)| *of == input);
    let is_own = prompt.tokens.is_none() && !project.prompts.contains(&prompt.text);
    is_own && is_read && prompt.pause_left().is_none()
}

/// The rail's entry of `view`; a feature's page belongs to Features.
fn entry_of(view: ViewId) -> Anchor {
    let entry = entry_view(view);
    let at = ViewId::RAIL.iter().position(|one| *one == entry);
    Anchor::Screen(at.unwrap_or(0))
}

fn entry_view(view: ViewId) -> ViewId {
    match view {
        ViewId::Feature => ViewId::Features,
        other => other,
    }
}

fn entry_title(view: ViewId) -> &'static str {
    entry_view(view).about().title
}

fn outline(ctx: &Context, anchor: Rect, theme: &Theme) {
    let layer = LayerId::new(Order::Middle, Id::unique("tour outline"));
    let around = anchor.expand(3.0).intersect(ctx.content_rect().shrink(1.0));
    ctx.layer_painter(layer).rect_stroke(
        around,
        space::CORNER + 2,
        Stroke::new(1.0, theme.ink.primary),
        StrokeKind::Middle,
    );
}

/// Controls of the screens in this frame that the panel had better not cover; tables and other large areas are left out.
fn controls(ctx: &Context) -> Vec<Rect> {
    const SMALL: Vec2 = vec2(400.0, 48.0);
    let is_small = |rect: &Rect| rect.is_positive() && rect.size().max(SMALL) == SMALL;
    ctx.viewport(|viewport| {
        let widgets = viewport.this_pass.widgets.get_layer(LayerId::background());
        let controls = widgets.filter(|widget| widget.enabled && widget.sense.interactive());
        let places = controls.map(|widget| widget.interact_rect);
        places.filter(is_small).collect()
    })
}

/// Returns where a panel of `size` stands beside `anchor` within `window`: it never covers `anchor`, and as little of `avoid` as there is a choice.
fn place(anchor: Rect, size: Vec2, window: Rect, avoid: &[Rect]) -> Option<Pos2> {
    let (across, down) = (anchor.center().x, anchor.center().y);
    let x_of = |x: f32| x.clamp(window.left(), (window.right() - size.x).max(window.left()));
    let y_of = |y: f32| y.clamp(window.top(), (window.bottom() - size.y).max(window.top()));
    let (left, right) = (anchor.left() - GAP - size.x, anchor.right() + GAP);
    let (above, below) = (anchor.top() - GAP - size.y, anchor.bottom() + GAP);
    let beside = [
        egui::pos2(x_of(anchor.left()), below),
        egui::pos2(x_of(across - size.x / 2.0), below),
        egui::pos2(x_of(anchor.right() - size.x), below),
        egui::pos2(right, y_of(anchor.top())),
        egui::pos2(right, y_of(down - size.y / 2.0)),
        egui::pos2(right, y_of(anchor.bottom() - size.y)),
        egui::pos2(left, y_of(anchor.top())),
        egui::pos2(left, y_of(down - size.y / 2.0)),
        egui::pos2(left, y_of(anchor.bottom() - size.y)),
        egui::pos2(x_of(anchor.left()), above),
        egui::pos2(x_of(anchor.right() - size.x), above),
    ];
    let corners = [
        window.right_bottom() - size,
        egui::pos2(window.left(), window.bottom() - size.y),
        egui::pos2(window.right() - size.x, window.top()),
        window.left_top(),
    ];
    let fits = |at: &Pos2| {
        let panel = Rect::from_min_size(*at, size);
        window.expand(0.5).contains_rect(panel) && !panel.intersects(anchor.expand(3.0))
    };
    let covered = |at: &Pos2| -> u32 {
        let panel = Rect::from_min_size(*at, size);
        let shared = avoid.iter().map(|other| panel.intersect(*other));
        let areas = shared.filter(Rect::is_positive).map(|rect| rect.area());
        areas.sum::<f32>() as u32
    };
    let near = beside.into_iter().filter(fits).min_by_key(covered);
    near.or_else(|| corners.into_iter().filter(fits).min_by_key(covered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_panel_never_covers_what_it_speaks_of() {
        let size = vec2(WIDTH, 170.0);
        for window in [vec2(1440.0, 900.0), vec2(1000.0, 700.0), vec2(625.0, 437.0)] {
            let window = Rect::from_min_size(Pos2::ZERO, window).shrink(MARGIN);
            for anchor_size in [vec2(90.0, 22.0), vec2(300.0, 100.0), vec2(28.0, 200.0)] {
                for i in 0..400 {
                    let (x, y) = ((i % 20) as f32 / 19.0, (i / 20) as f32 / 19.0);
                    let room = window.size() - anchor_size;
                    let corner = window.min + vec2(room.x * x, room.y * y);
                    let anchor = Rect::from_min_size(corner, anchor_size);
                    let low = vec2(WIDTH, LOW);
                    let full = place(anchor, size, window, &[]).map(|at| (at, size));
                    let low = || place(anchor, low, window, &[]).map(|at| (at, low));
                    let (at, size) = full.or_else(low).unwrap();
                    let panel = Rect::from_min_size(at, size);
                    assert!(!panel.intersects(anchor), "{anchor:?} {panel:?}");
                    assert!(window.expand(1.0).contains_rect(panel), "{panel:?}");
                }
            }
        }
    }

    #[test]
    fn the_panel_leaves_messages_free_where_it_can() {
        let window = Rect::from_min_size(Pos2::ZERO, vec2(1000.0, 700.0));
        let anchor = Rect::from_min_size(egui::pos2(700.0, 500.0), vec2(90.0, 22.0));
        let notice = Rect::from_min_size(egui::pos2(640.0, 530.0), vec2(340.0, 150.0));
        let size = vec2(WIDTH, 150.0);
        let at = place(anchor, size, window, &[notice]).unwrap();
        assert!(!Rect::from_min_size(at, size).intersects(notice));
        assert_eq!(
            place(window, size, window, &[]),
            None,
            "no room beside everything"
        );
    }
}
