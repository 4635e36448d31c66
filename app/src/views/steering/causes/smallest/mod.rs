//! Panel “What is the least edit?”: the aim, the search, and every edit with what it did.

mod steps;

use egui::{Button, DragValue, Label, Response, TextEdit, Ui};
use umbra_core::causes::Target;
use umbra_core::causes::smallest::{Aim as Found, Smallest};
use umbra_core::workbench::patching::Asked;

use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::Commands;
use crate::state::requests::steering::causes::smallest::{Asked as Inputs, Command};
use crate::state::steering::causes::smallest::{Aim, Form, JOB};
use crate::theme::{Hue, Theme, caption, space};
use crate::views::dark_matter::panel::{Offer, offer_ui};
use crate::views::report;
use crate::widgets::curve_plot::{CurvePlot, Series};
use crate::widgets::form::Row;
use crate::widgets::number::{self, counting, number};

/// Most edits that a person can ask for.
const MOST: usize = 64;

/// Height of the course.
const COURSE: f32 = 180.0;

/// Definition of the course.
const DEFINITION: &str =
    "The number that the edits move, without edits and after each one together with all before it";

/// Draws the panel for the text and the target, as they are written, with a dictionary.
pub(super) fn smallest_ui(
    ui: &mut Ui,
    state: &AppState,
    (text, target, id): (&str, &str, DictionaryId),
    commands: &mut Commands,
) {
    let panel = &state.steering.causes.smallest;
    if panel.study.of != Some(id) && state.project.open().is_some() {
        commands.send(Command::Look(id));
    }
    let mut form = panel.form.clone();
    let inputs = Inputs {
        text: text.to_owned(),
        target: target.to_owned(),
        second: state.steering.causes.patching.form.second.clone(),
    };
    let offered = other_token(state, target);
    let ready = form_ui(ui, &mut form, &inputs, offered.as_deref());
    ui.add_space(space::CHIP);
    if let Some(found) = panel.study.result(&id) {
        found_ui(ui, (found, &inputs, &form), (state, id), commands);
    }
    if let Err(why) = &ready {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add(Label::new(caption(why).color(secondary)).wrap());
    } else {
        let offer = Offer {
            what: match form.aim {
                Aim::Toward => {
                    "Changes one feature at one position after another: each time the one after which the activations are nearest to those of the second text."
                }
                Aim::Wins | Aim::Reach => {
                    "Removes one feature at one position after another: each time the one that moves the target most, of those with the largest attribution."
                }
            },
            cost: match form.aim {
                Aim::Toward => "Two passes to read both texts, then one for each edit.",
                Aim::Wins | Aim::Reach => {
                    "One backward pass, then up to 64 passes for each edit, from the dictionary's layer on."
                }
            },
            button: "Search the least edit",
            again: "Search again",
            job: JOB,
        };
        if offer_ui(ui, state, &panel.study, &offer) {
            commands.send(Command::Form(Box::new(form.clone())));
            commands.send(Command::Search(id, inputs));
        }
    }
    if form != panel.form {
        commands.send(Command::Form(Box::new(form)));
    }
}

/// Returns the token whose logit the target subtracts: the one that a person may want to win.
fn other_token(state: &AppState, target: &str) -> Option<String> {
    let codec = state.model()?.model.codec();
    match Target::parse(target, codec).ok()? {
        Target::Difference { wrong, .. } => Some(codec.display(wrong)),
        Target::Logit(_) | Target::Loss => None,
    }
}

/// Draws the aim and its settings, with a token that is offered to win; an error says what is missing.
fn form_ui(
    ui: &mut Ui,
    form: &mut Form,
    inputs: &Inputs,
    offered: Option<&str>,
) -> Result<(), String> {
    ui.horizontal_wrapped(|ui| {
        for (aim, name, help) in Aim::ALL {
            let button = ui.add(Button::selectable(form.aim == aim, name));
            if button.on_hover_text(help).clicked() {
                form.aim = aim;
            }
        }
    });
    ui.add_space(space::CHIP);
    let ready = match form.aim {
        Aim::Wins => {
            let row = Row {
                label: "Token",
                help: "The token that should become the likeliest next one, with the space before it",
                ..Row::default()
            };
            row.ui(ui, |ui, width| field(ui, &mut form.wins, width));
            if let Some(token) = offered.filter(|token| *token != form.wins)
                && ui.button(format!("Take “{token}” of the target")).clicked()
            {
                token.clone_into(&mut form.wins);
            }
            if form.wins.is_empty() {
                Err("Write the token that should win, with the space before it.".to_owned())
            } else {
                Ok(())
            }
        }
        Aim::Reach => {
            let wrong = form.reach.trim().parse::<f64>().is_err();
            let row = Row {
                label: "Value",
                help: "The value of the target at which the search ends. A target that is below it should rise, one above it fall",
                error: wrong.then_some("give a number such as 0 or -1.5"),
                ..Row::default()
            };
            row.ui(ui, |ui, width| field(ui, &mut form.reach, width));
            match (wrong, inputs.target.is_empty()) {
                (true, _) => Err("Write the value that the target should reach.".to_owned()),
                (_, true) => Err("Choose a target above.".to_owned()),
                _ => Ok(()),
            }
        }
        Aim::Toward => match &inputs.second {
            Some(second) if *second != inputs.text => Ok(()),
            _ => Err("Write a second text in “Where does it matter?” first.".to_owned()),
        },
    };
    let row = Row {
        label: "Edits at most",
        help: "The search ends after so many edits, or earlier where the aim is reached or no edit helps",
        ..Row::default()
    };
    row.ui(ui, |ui, width| {
        let drag = counting(DragValue::new(&mut form.rounds)).range(1..=MOST);
        ui.add_sized([width, space::CONTROL_ROW], drag)
    });
    ready
}

fn field(ui: &mut Ui, text: &mut String, width: f32) -> Response {
    ui.add(TextEdit::singleline(text).desired_width(width))
}

fn found_ui(
    ui: &mut Ui,
    (found, inputs, form): (&Asked<Smallest>, &Inputs, &Form),
    (state, id): (&AppState, DictionaryId),
    commands: &mut Commands,
) {
    let result = &found.result;
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(result.conclusion()).wrap().selectable(true));
    let aim = match result.aim {
        Found::Wins { .. } => Aim::Wins,
        Found::Reach { .. } => Aim::Reach,
        Found::Toward { .. } => Aim::Toward,
    };
    if found.corrupt != inputs.text || aim != form.aim {
        let words = format!(
            "These edits are of “{}”, aim: {}.",
            found.corrupt,
            result.aimed()
        );
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
    if result.steps.is_empty() {
        return;
    }
    ui.add_space(space::CHIP);
    let all = result.steps.len();
    ui.horizontal_wrapped(|ui| {
        let words = match all {
            1 => "Put this edit into the stack".to_owned(),
            _ => "Put these edits into the stack".to_owned(),
        };
        if ui.button(words).clicked() {
            commands.send(Command::Steer(id, all));
        }
        let words = format!(
            "{} of {}, each a multiple of a decoder row at one position",
            number::counted(all as u64, "edit"),
            result.dictionary
        );
        ui.label(caption(words).color(secondary));
    });
    course_ui(ui, result);
    steps::steps_ui(ui, state, (result, id), commands);
    report::add_ui(ui, commands, || result.section());
}

/// Draws the number that the edits move, edit by edit.
fn course_ui(ui: &mut Ui, result: &Smallest) {
    let points: Vec<[f64; 2]> = result
        .course()
        .into_iter()
        .enumerate()
        .map(|(edits, value)| [edits as f64, value])
        .collect();
    let colour = Theme::from_ui(ui).hue(Hue::Edit);
    let name = match result.aim {
        Found::Toward { .. } => "distance",
        Found::Reach { .. } | Found::Wins { .. } => "target",
    };
    let mut lines = vec![];
    let end = points.last().map_or(0.0, |point| point[0]);
    if let Found::Reach { value } = result.aim {
        lines.push(vec![[0.0, value], [end, value]]);
    }
    let title = result.course_name();
    let mut letters = title.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    ui.label(caption(format!("{first}{}", letters.as_str())));
    let plot = CurvePlot {
        name: "Course of the edits",
        y: "",
        x: "Edits",
        series: &[Series {
            name,
            colour,
            points: &points,
        }],
        faint: &lines,
        height: COURSE,
        group: None,
        format: number,
        definition: DEFINITION,
    };
    plot.ui(ui);
    ui.add_space(space::CHIP);
}
