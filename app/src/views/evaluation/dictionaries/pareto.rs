//! Dictionaries by any two numbers, with the front of those that no other beats.

use egui::{Label, RichText, Ui};
use umbra_core::workbench::scores::{self, Better, Kind, NUMBERS, Number};

use super::super::choice_ui;
use super::model::{self, Line};
use crate::state::AppState;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, caption, space};
use crate::widgets::named_plot::{Axis, NamedLine, NamedPlot, NamedPoint, PointKind, Shape};

/// Least and greatest height of the plot, and the room below it.
const HEIGHT: [f32; 2] = [240.0, 420.0];
const BELOW: f32 = 64.0;

/// Choice of numbers before a person made one.
const FIRST: [&str; 2] = ["l0", "fvu"];

/// Hooks whose dictionaries are drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    /// The one with the most dictionaries.
    Fullest,
    /// All of them.
    All,
    /// One that a person chose.
    Hook(String),
}

/// Words for all hooks.
const ALL: &str = "All hooks";

/// Choices of what is drawn.
#[derive(Debug)]
pub(super) struct Choice {
    axes: [Number; 2],
    hook: Shown,
    linear: bool,
}

impl Default for Choice {
    fn default() -> Self {
        let number = |key| Number::from_key(key).unwrap_or(NUMBERS[0]);
        Self {
            axes: FIRST.map(number),
            hook: Shown::Fullest,
            linear: false,
        }
    }
}

impl Choice {
    /// The numbers that are drawn.
    pub(super) fn axes(&self) -> [Number; 2] {
        self.axes
    }

    /// Draws choices, conclusion and plot. A click on a point uses the dictionary.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        lines: &[Line],
        commands: &mut Commands,
    ) {
        let hook = self.choices_ui(ui, lines);
        let placed = model::placed(lines, self.axes, hook.as_deref());
        let secondary = Theme::from_ui(ui).ink.secondary;
        if placed.is_empty() {
            let [x, y] = self.axes.map(|axis| axis.title);
            let words = format!("No dictionary has both {x} and {y} yet. Measure one.");
            ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
            return;
        }
        ui.add(Label::new(said(&placed, self.axes, hook.is_some())).wrap());
        if let Some(words) = model::differing(&placed) {
            let warning = Theme::from_ui(ui).warning;
            ui.add(Label::new(caption(words).color(warning)).wrap());
        }
        if let Some(line) = self.plot_ui(ui, state, &placed) {
            commands.send(navigation::Command::SelectDictionary(line.id));
        }
    }

    /// Draws the choices; returns the hook that is shown, none for all.
    fn choices_ui(&mut self, ui: &mut Ui, lines: &[Line]) -> Option<String> {
        let mut shown = None;
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            let [x, y] = &mut self.axes;
            axis_ui(ui, "Across", x);
            axis_ui(ui, "Upwards", y);
            let hooks = model::hooks(lines, self.axes);
            shown = match &self.hook {
                Shown::Fullest => model::fullest(&hooks).map(str::to_owned),
                Shown::All => None,
                Shown::Hook(hook) => Some(hook.clone()).filter(|hook| hooks.contains_key(hook)),
            };
            let mut names = vec![ALL.to_owned()];
            names.extend(hooks.into_keys());
            let now = shown.as_deref().unwrap_or(ALL);
            if let Some(at) = choice_ui(ui, "Hook", now, &names) {
                self.hook = match at {
                    0 => Shown::All,
                    _ => Shown::Hook(names.swap_remove(at)),
                };
            }
            let help = "Draws both axes with even steps, also where values span decades";
            ui.checkbox(&mut self.linear, "Linear axes")
                .on_hover_text(help);
        });
        shown
    }

    fn plot_ui<'a>(
        &self,
        ui: &mut Ui,
        state: &AppState,
        placed: &[(&'a Line, [f64; 2])],
    ) -> Option<&'a Line> {
        let theme = Theme::from_ui(ui);
        let points: Vec<NamedPoint> = placed
            .iter()
            .map(|(line, at)| NamedPoint {
                name: line.row.name.clone(),
                at: *at,
                kind: Kind::ALL
                    .iter()
                    .position(|kind| Some(*kind) == line.kind)
                    .unwrap_or(0),
                chosen: state.selection.dictionary == Some(line.id),
            })
            .collect();
        let lines: Vec<NamedLine> = fronts(placed, self.axes)
            .into_iter()
            .map(|points| NamedLine {
                name: "front".to_owned(),
                points,
                colour: theme.line.strong,
                dashed: false,
            })
            .collect();
        let log = [0, 1].map(|axis| {
            let values = placed.iter().map(|(_, at)| at[axis]);
            !self.linear && model::suits_log(self.axes[axis], values)
        });
        let titles = [0, 1].map(|axis| title(self.axes[axis], log[axis]));
        let axis = |i: usize| Axis {
            title: &titles[i],
            log: log[i],
            ends: None,
        };
        let [x, y] = self.axes;
        let definition = format!(
            "{}: {}. {}: {}. The line joins the dictionaries of one hook that no other beats in both",
            x.title,
            x.definition(),
            y.title,
            y.definition()
        );
        let kinds = Kind::ALL.map(|kind| PointKind {
            name: kind.title(),
            colour: colour(theme, kind),
            shape: shape(kind),
        });
        let plot = NamedPlot {
            name: "Dictionaries by two numbers",
            axes: [axis(0), axis(1)],
            kinds: &kinds,
            points: &points,
            lines: &lines,
            height: height(ui),
            definition: &definition,
        };
        let clicked = plot.show(ui)?;
        placed.get(clicked).map(|(line, _)| *line)
    }
}

/// Returns the height that lets the plot end above the lower edge of the screen, where there is room.
fn height(ui: &Ui) -> f32 {
    let room = ui.clip_rect().bottom() - ui.cursor().top() - BELOW;
    room.clamp(HEIGHT[0], HEIGHT[1])
}

fn axis_ui(ui: &mut Ui, name: &str, number: &mut Number) {
    let titles = NUMBERS.map(|one| one.title.to_owned());
    if let Some(at) = choice_ui(ui, name, number.title, &titles) {
        *number = NUMBERS[at];
    }
}

/// Title of an axis: the number, its better direction, and its scale.
fn title(number: Number, log: bool) -> String {
    let better = match number.better {
        Better::Neither => "",
        better => better.said(),
    };
    let scale = if log { "logarithmic" } else { "" };
    let notes: Vec<&str> = [better, scale]
        .into_iter()
        .filter(|note| !note.is_empty())
        .collect();
    if notes.is_empty() {
        number.title.to_owned()
    } else {
        format!("{} ({})", number.title, notes.join(", "))
    }
}

/// The conclusion on the dictionaries of one hook, or what they may not be compared in.
fn said(placed: &[(&Line, [f64; 2])], axes: [Number; 2], one_hook: bool) -> String {
    if !one_hook {
        return "Numbers of different hooks do not compare: choose a hook that has two measured dictionaries or more to see its front.".to_owned();
    }
    let rows: Vec<_> = placed.iter().map(|(line, at)| (&line.row, *at)).collect();
    scores::said(&rows, axes)
}

/// Points of the front of each hook that has two dictionaries or more.
fn fronts(placed: &[(&Line, [f64; 2])], axes: [Number; 2]) -> Vec<Vec<[f64; 2]>> {
    let mut hooks: Vec<Option<String>> = placed.iter().map(|(line, _)| line.hook()).collect();
    hooks.sort_unstable();
    hooks.dedup();
    let of = |hook: Option<String>| {
        let own = placed.iter().filter(|(line, _)| line.hook() == hook);
        let own: Vec<[f64; 2]> = own.map(|(_, at)| *at).collect();
        let front = scores::front(&own, axes.map(|axis| axis.better));
        front.into_iter().map(|i| own[i]).collect::<Vec<_>>()
    };
    let fronts = hooks.into_iter().map(of);
    fronts.filter(|front| front.len() > 1).collect()
}

fn colour(theme: &Theme, kind: Kind) -> egui::Color32 {
    match kind {
        Kind::Autoencoder => theme.series(0),
        Kind::Transcoder => theme.series(2),
        Kind::OfError => theme.error,
        Kind::Baseline => theme.series(1),
    }
}

fn shape(kind: Kind) -> Shape {
    match kind {
        Kind::Autoencoder => Shape::Circle,
        Kind::Transcoder => Shape::Square,
        Kind::OfError => Shape::Triangle,
        Kind::Baseline => Shape::Diamond,
    }
}
