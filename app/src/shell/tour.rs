//! The panel of the tour: beside the thing it speaks of, over nothing that people need. Where there is no such place, and while another screen is shown, an entry
//! of the rail leads back to it. It notices when a step is done and goes on by itself.

mod place;

use egui::{Area, Context, Frame, Id, LayerId, Order, Pos2, Rect, Shape, Stroke, Ui, Vec2, vec2};

use umbra_core::ids::FeatureId;

use self::place::{Crowd, MARGIN};
use crate::state::heads::step::Step as HeadsStep;
use crate::state::layout::{Keys, Layout};
use crate::state::prompt::PromptState;
use crate::state::requests::{Command, Commands, heads, navigation, shell, steering};
use crate::state::steering::Run;
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

/// The panel points at things that are no farther away than this.
const NEAR: f32 = 48.0;

/// The way back to the tour, in the rail.
#[derive(Debug)]
pub(super) struct Pill {
    /// Words of the entry.
    pub(super) title: String,
    /// Action of the button.
    pub(super) hint: String,
}

/// Inputs of a search for a place; one that failed is not repeated for the same.
type Sought = (Option<Step>, Rect, Vec2, usize);

/// Events during a step.
#[derive(Debug, Default)]
struct During {
    /// Whether a head was chosen.
    chose_head: bool,
    /// Whether the step's field was given the focus since its screen is shown.
    focused: bool,
    /// Whether what the step needs was selected.
    prepared: bool,
}

/// Memory of the panel between frames.
#[derive(Debug, Default)]
pub(super) struct TourPanel {
    /// The step in the last frame, and whether it was done.
    last: Option<(Step, bool)>,
    /// The step that was done just before this one.
    praised: Option<Step>,
    /// Events during the step.
    during: During,
    /// Height of the panel in the last frame.
    height: Option<f32>,
    /// Where the panel stands, and for which step.
    at: Option<(Option<Step>, Pos2)>,
    /// The last search that found no place.
    failed: Option<Sought>,
    /// Whether a person asked for the panel where it has no place of its own.
    asked: bool,
    /// Whether the panel was drawn.
    drawn: bool,
}

impl TourPanel {
    /// Returns the entry of the rail that leads back to a tour without a panel.
    pub(super) fn pill(&self, state: &AppState) -> Option<Pill> {
        let Tour::At(step) = state.settings.tour else {
            return None;
        };
        let is_due = state.model().is_some() && !self.drawn;
        is_due.then(|| Pill {
            title: counted(step),
            hint: format!("Back to the tour: {}. Esc closes it", step.words().title),
        })
    }

    /// Shows the panel on the screen of its step.
    pub(super) fn open(&mut self, state: &AppState, layout: &Layout, commands: &mut Commands) {
        self.asked = true;
        if let Tour::At(step) = state.settings.tour
            && !layout.shows(step.view())
        {
            walk(step, commands);
        }
    }

    /// Draws the panel where a step is due and nothing lies over the screens.
    pub(super) fn tour_ui(
        &mut self,
        ui: &Ui,
        state: &AppState,
        layout: &Layout,
        commands: &mut Commands,
    ) {
        let step = match state.settings.tour {
            Tour::At(step) => Some(step),
            Tour::Closing => None,
            Tour::Unseen | Tour::Ended => {
                *self = Self::default();
                return;
            }
        };
        if state.model().is_none() || is_covered(state, layout) {
            return;
        }
        if let Some(step) = step {
            self.follow(step, state, layout, commands);
            self.prepare(step, state, layout, commands);
            self.focus(ui.ctx(), step, layout);
        }
        let is_shown = step.is_none_or(|step| layout.shows(step.view()));
        let drawn = self
            .anchor(ui.ctx(), step, layout)
            .and_then(|anchor| Some((anchor, self.position(ui.ctx(), state, step, anchor)?)));
        if let Some((anchor, at)) = drawn {
            self.area_ui(ui, (step, is_shown), (anchor, at), commands);
        }
        if self.drawn != drawn.is_some() {
            self.drawn = drawn.is_some();
            ui.request_repaint();
        }
    }

    /// Returns what the panel speaks of; nothing while another screen than the step's is shown, unless the step before was just done there.
    fn anchor(&self, ctx: &Context, step: Option<Step>, layout: &Layout) -> Option<Rect> {
        let Some(step) = step else {
            return Anchor::Help.found(ctx);
        };
        let entry = entry_of(step.view());
        if layout.shows(step.view()) {
            return step.anchor().found(ctx).or_else(|| entry.found(ctx));
        }
        let is_praise = self.praised.is_some_and(|done| layout.shows(done.view()));
        is_praise.then(|| entry.found(ctx)).flatten()
    }

    /// Where the panel stands. It stays where it is as long as it covers nothing there.
    fn position(
        &mut self,
        ctx: &Context,
        state: &AppState,
        step: Option<Step>,
        anchor: Rect,
    ) -> Option<Pos2> {
        let window = ctx.content_rect().shrink(MARGIN);
        let size = vec2(WIDTH.min(window.width()), self.height.unwrap_or(HIGH));
        let mut crowd = Crowd::seen(ctx);
        let notices = ctx.memory(|memory| memory.area_rect(super::notices::id()));
        crowd
            .needed
            .extend(notices.filter(|_| !state.log.notices.is_empty()));
        if let Some((of, at)) = self.at
            && of == step
            && place::is_free(Rect::from_min_size(at, size), anchor, window, &crowd)
        {
            return Some(at);
        }
        let sought = (step, anchor, window.size(), crowd.needed.len());
        let found = if self.failed == Some(sought) {
            None
        } else {
            place::place(anchor, size, window, &crowd)
        };
        self.failed = found.is_none().then_some(sought);
        let must = self.asked || step.is_none();
        let at = found.or_else(|| must.then(|| place::least(anchor, size, window, &crowd))?);
        self.at = at.map(|at| (step, at));
        at
    }

    fn area_ui(
        &mut self,
        ui: &Ui,
        (step, is_shown): (Option<Step>, bool),
        (anchor, at): (Rect, Pos2),
        commands: &mut Commands,
    ) {
        let width = WIDTH.min(ui.ctx().content_rect().width() - 2.0 * MARGIN);
        outline(ui.ctx(), anchor, Theme::from_ui(ui));
        let drawn = Area::new(Id::unique("tour"))
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
                        self.panel_ui(ui, step, is_shown, commands);
                    });
            });
        let panel = drawn.response.rect;
        point(
            ui.ctx(),
            drawn.response.layer_id,
            (panel, anchor),
            Theme::from_ui(ui),
        );
        if self.height != Some(panel.height()) {
            self.height = Some(panel.height());
            ui.request_repaint();
        }
    }

    /// Notices that `step` is done and goes on to the next one.
    fn follow(&mut self, step: Step, state: &AppState, layout: &Layout, commands: &mut Commands) {
        let known = self.last.filter(|(last, _)| *last == step);
        if known.is_none() {
            self.during = During::default();
            self.asked &= self.last.is_none();
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
        self.during.chose_head |= step == Step::Head && commands.sent().any(is_choice);
        let done = match step {
            Step::Feature => layout.view() == ViewId::Feature && state.selection.feature.is_some(),
            Step::Label => {
                let label = state.selection.feature.and_then(|of| state.label(of));
                layout.shows(ViewId::Feature) && label.is_some()
            }
            Step::Sentence => is_own_sentence(&state.prompt, state),
            Step::Head => self.during.chose_head && state.selection.head.is_some(),
            Step::Steer => {
                let run = state.steering.run.as_ref();
                run.is_some_and(Run::has_begun)
            }
        };
        let was_done = known.map(|(_, done)| done);
        if done && was_done == Some(false) {
            self.praised = Some(step);
            commands.send(shell::Command::Tour(following(step)));
        }
        self.last = Some((step, done));
        if matches!(step, Step::Feature | Step::Label) {
            remember(state, commands);
        }
    }

    /// Selects the feature of the first steps again for the steps that need it: a head of another layer may have brought another dictionary since.
    fn prepare(&mut self, step: Step, state: &AppState, layout: &Layout, commands: &mut Commands) {
        if self.during.prepared || !layout.shows(step.view()) {
            return;
        }
        self.during.prepared = true;
        if step == Step::Head && state.selection.shown.step != HeadsStep::Map {
            commands.send(heads::Command::Step(HeadsStep::Map)); // where heads are chosen
        }
        let needed =
            step == Step::Steer || (step == Step::Label && state.selection.feature.is_none());
        let Some((name, feature)) = state.settings.tour_of.as_ref().filter(|_| needed) else {
            return;
        };
        let Some(dictionary) = state.catalogue.named(name).map(|of| of.id) else {
            return;
        };
        if state.selection.dictionary != Some(dictionary) {
            commands.send(navigation::Command::SelectDictionary(dictionary));
        }
        let feature = FeatureId(*feature);
        commands.send(navigation::Command::SelectFeature(Some(feature)));
        if step == Step::Steer {
            commands.send(steering::Command::Steer(dictionary, vec![feature]));
        }
    }

    /// Gives the field of the step the focus, once it is shown.
    fn focus(&mut self, ctx: &Context, step: Step, layout: &Layout) {
        let is_field = matches!(step, Step::Label | Step::Sentence);
        let is_shown = layout.view() == step.view();
        if is_field && is_shown && !self.during.focused && !ctx.text_edit_focused() {
            step.anchor().ask_focus(ctx);
        }
        self.during.focused = is_shown;
    }

    fn panel_ui(&self, ui: &mut Ui, step: Option<Step>, is_shown: bool, commands: &mut Commands) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let done = self
            .last
            .is_some_and(|(last, done)| done && step == Some(last));
        ui.spacing_mut().item_spacing.y = space::CHIP;
        ui.horizontal(|ui| {
            let of = step.map_or_else(|| "Tour".to_owned(), counted);
            ui.label(caption(of).color(secondary));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if icon_button(ui, icons::X, "Close the tour").clicked() {
                    commands.send(shell::Command::Tour(Tour::Ended));
                }
            });
        });
        let words = step.map(Step::words);
        ui.label(theme::panel_title(
            words.map_or(Tour::CLOSING, |words| words.title),
        ));
        let text = match (step, words) {
            (Some(step), Some(words)) if !is_shown => {
                format!(
                    "Open {} in the rail. {}",
                    entry_title(step.view()),
                    words.text
                )
            }
            _ => words.map_or(Tour::NEXT, |words| words.text).to_owned(),
        };
        ui.add(egui::Label::new(text).wrap());
        if let Some(words) = words.filter(|_| done) {
            done_ui(ui, words.done);
        } else if let Some(former) = self.praised {
            done_ui(ui, former.words().done);
        }
        ui.add_space(space::CHIP);
        ui.with_layout(
            egui::Layout::right_to_left(egui::Align::Center),
            |ui| match step {
                Some(step) => steps_ui(ui, step, (is_shown, done), commands),
                None if ui.button("Done").clicked() => {
                    commands.send(shell::Command::Tour(Tour::Ended));
                }
                None => {}
            },
        );
    }
}

/// "Tour · 2 of 5".
fn counted(step: Step) -> String {
    format!("Tour · {} of {}", step.at() + 1, Step::ALL.len())
}

/// Returns what comes after `step`.
fn following(step: Step) -> Tour {
    step.after().map_or(Tour::Closing, Tour::At)
}

/// Keeps the selected feature and its dictionary for the later steps.
fn remember(state: &AppState, commands: &mut Commands) {
    let (Some(of), Some(feature)) = (state.dictionary(), state.selection.feature) else {
        return;
    };
    let kept = state.settings.tour_of.as_ref();
    if kept.is_none_or(|(name, kept)| *name != of.name || *kept != feature.0) {
        commands.send(shell::Command::TourOf(of.name.clone(), feature));
    }
}

/// Draws the buttons from the right.
fn steps_ui(ui: &mut Ui, step: Step, (is_shown, done): (bool, bool), commands: &mut Commands) {
    let next = match step.after() {
        _ if !is_shown => format!("Go to {}", entry_title(step.view())),
        None => "Finish".to_owned(),
        Some(_) => "Next".to_owned(),
    };
    let fill = Theme::from_ui(ui).surface.hover;
    let button = egui::Button::new(next);
    let button = if done || !is_shown {
        button.fill(fill)
    } else {
        button
    };
    if ui.add(button).clicked() {
        match step.after() {
            _ if !is_shown => walk(step, commands),
            Some(next) => walk(next, commands),
            None => commands.send(shell::Command::Tour(Tour::Closing)),
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
    match step {
        Step::Head => commands.send(heads::Command::Step(HeadsStep::Map)),
        _ => commands.send(navigation::Command::Go(step.view())),
    }
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
        || state.heads.survey.asked.is_some()
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

/// Draws dashes around what the panel speaks of: the focus has a whole ring, closer to its widget.
fn outline(ctx: &Context, anchor: Rect, theme: &Theme) {
    let layer = LayerId::new(Order::Middle, Id::unique("tour outline"));
    let around = anchor.expand(6.0).intersect(ctx.content_rect().shrink(1.0));
    let path = [
        around.left_top(),
        around.right_top(),
        around.right_bottom(),
        around.left_bottom(),
        around.left_top(),
    ];
    let stroke = Stroke::new(2.0, theme.ink.primary);
    ctx.layer_painter(layer)
        .extend(Shape::dashed_line(&path, stroke, 6.0, 5.0));
}

/// Draws the tip of the panel that points at what it speaks of, if that is near.
fn point(ctx: &Context, layer: LayerId, (panel, anchor): (Rect, Rect), theme: &Theme) {
    const HALF: f32 = 7.0;
    const TALL: f32 = 8.0;
    const CORNER: f32 = 16.0;
    let along = |from: f32, to: f32, target: f32| {
        target.clamp(from + CORNER, (to - CORNER).max(from + CORNER))
    };
    let x = along(panel.left(), panel.right(), anchor.center().x);
    let y = along(panel.top(), panel.bottom(), anchor.center().y);
    let sides = [
        (
            panel.top() - anchor.bottom(),
            egui::pos2(x, panel.top()),
            vec2(0.0, -1.0),
        ),
        (
            anchor.top() - panel.bottom(),
            egui::pos2(x, panel.bottom()),
            vec2(0.0, 1.0),
        ),
        (
            panel.left() - anchor.right(),
            egui::pos2(panel.left(), y),
            vec2(-1.0, 0.0),
        ),
        (
            anchor.left() - panel.right(),
            egui::pos2(panel.right(), y),
            vec2(1.0, 0.0),
        ),
    ];
    let near = sides
        .into_iter()
        .find(|(gap, ..)| (0.0..NEAR).contains(gap));
    let Some((_, base, out)) = near else {
        return;
    };
    let across = out.rot90() * HALF;
    let (from, tip, to) = (base - across, base + out * TALL, base + across);
    let painter = ctx.layer_painter(layer);
    let inner = [from - out * 1.5, tip, to - out * 1.5].to_vec();
    let no_line = Stroke::NONE;
    painter.add(Shape::convex_polygon(inner, theme.surface.raised, no_line));
    let line = Stroke::new(1.0, theme.ink.secondary);
    painter.line_segment([from, tip], line);
    painter.line_segment([tip, to], line);
}
