//! The form of a sweep: features, strengths, target, prompts, and the rule of the largest strength.

use egui::{ComboBox, DragValue, Label, Response, TextEdit, Ui, vec2};
use umbra_core::steer::limit::Rule;
use umbra_core::steer::sweep::{CONTINUATION, DEFINITIONS};

use super::Asked;
use crate::state::AppState;
use crate::state::requests::steering::sweep::Command;
use crate::state::requests::{Commands, shell};
use crate::state::steering::sweep::{Form, Target};
use crate::theme::{Theme, caption, space};
use crate::views::feature::chips::chip_ui;
use crate::widgets::form::{self, Row};
use crate::widgets::number::{counted, counting};

/// Features shown as chips at most.
const CHIPS: usize = 12;

/// Most tokens of a continuation.
const TOKENS: usize = 1_000;

/// Name of the part with the rule of the largest strength.
const RULE: &str = "rule of the largest strength";

/// Draws the form; a person's changes go into `draft`.
pub(super) fn form_ui(
    ui: &mut Ui,
    state: &AppState,
    (asked, draft): (&Asked<'_>, &mut Form),
    commands: &mut Commands,
) {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = space::CHIP;
        features_ui(ui, state, (asked, draft), commands);
        strengths_ui(ui, draft);
        target_ui(ui, draft);
        prompts_ui(ui, state, draft, commands);
        continuation_ui(ui, draft);
        let open = state.settings.unfolded.contains(RULE);
        let words = format!(
            "perplexity × {}, repetition + {}{}",
            draft.rule.perplexity,
            draft.rule.repetition,
            if draft.rule.downwards {
                ", downwards"
            } else {
                ""
            }
        );
        if form::fold(ui, open, "Largest strength", &words) {
            commands.send(shell::Command::Unfold(RULE, !open));
        }
        if open {
            rule_ui(ui, &mut draft.rule);
        }
    });
}

fn text_ui(ui: &mut Ui, width: f32, text: &mut String, hint: &str) -> Response {
    let edit = TextEdit::singleline(text)
        .desired_width(width - 8.0)
        .hint_text(hint.to_owned());
    ui.add(edit)
}

fn features_ui(
    ui: &mut Ui,
    state: &AppState,
    (asked, draft): (&Asked<'_>, &mut Form),
    commands: &mut Commands,
) {
    let selected = state.selection.feature;
    let hint = selected.map_or_else(
        || "1060, 1107".to_owned(),
        |feature| format!("{feature}, the selected one"),
    );
    let error = asked
        .features
        .as_ref()
        .err()
        .filter(|_| !draft.features.is_empty());
    let row = Row {
        label: "Features",
        help: "Numbers of features of the dictionary in use; each is swept alone",
        error: error.map(String::as_str),
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, width| {
        text_ui(ui, width, &mut draft.features, &hint)
    });
    if let Ok(features) = &asked.features {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(space::CHIP, space::CHIP);
            for feature in features.iter().take(CHIPS) {
                let width = ui.max_rect().width().min(200.0);
                chip_ui(ui, state, commands, *feature, (1.0, width));
            }
            if features.len() > CHIPS {
                ui.label(format!("and {} more", features.len() - CHIPS));
            }
        });
    }
    let stacked: Vec<String> = state
        .steering
        .draft
        .edits
        .iter()
        .filter(|edit| {
            let here = edit
                .dictionary
                .as_deref()
                .is_none_or(|name| name == asked.name);
            edit.action == "add" && here
        })
        .filter_map(|edit| edit.feature)
        .map(|feature| feature.to_string())
        .collect();
    let stacked = stacked.join(", ");
    if !stacked.is_empty() && stacked != draft.features {
        let take = ui.button("Use the features of the stack");
        if take.on_hover_text(format!("Sweeps {stacked}")).clicked() {
            draft.features = stacked;
        }
    }
}

fn strengths_ui(ui: &mut Ui, draft: &mut Form) {
    let usual = Form::default().strengths;
    let error = draft.read_strengths().err();
    let row = Row {
        label: "Strengths",
        help: DEFINITIONS[0].1,
        reset: (draft.strengths != usual).then_some(usual.as_str()),
        error: error.as_deref(),
        wide: true,
        ..Row::default()
    };
    if row.ui(ui, |ui, width| {
        text_ui(ui, width, &mut draft.strengths, "0, 2, 4, 8")
    }) {
        draft.strengths = usual;
    }
}

fn target_ui(ui: &mut Ui, draft: &mut Form) {
    let row = Row {
        label: "Target",
        help: "Tokens whose probability is followed: the ten that the feature's weights promote most, together, or one token",
        ..Row::default()
    };
    row.ui(ui, |ui, width| {
        ComboBox::from_id_salt("target of a sweep")
            .selected_text(draft.target.title())
            .width(width)
            .show_ui(ui, |ui| {
                for target in Target::ALL {
                    ui.selectable_value(&mut draft.target, target, target.title());
                }
            })
            .response
    });
    if draft.target == Target::Token {
        let row = Row {
            label: "Token",
            help: "With the space before it where the text has one; it must be one token of the model",
            ..Row::default()
        };
        row.ui(ui, |ui, width| text_ui(ui, width, &mut draft.token, " her"));
    }
}

fn prompts_ui(ui: &mut Ui, state: &AppState, draft: &mut Form, commands: &mut Commands) {
    let of_project = state.project.open();
    let of_project = of_project.map_or(&[][..], |project| &project.prompts);
    let mut text = draft.lines(of_project);
    let many = text.lines().filter(|line| !line.trim().is_empty()).count();
    let secondary = Theme::from_ui(ui).ink.secondary;
    let label = ui
        .horizontal_wrapped(|ui| {
            let label = ui.label("Prompts");
            ui.label(
                caption(format!("{}, one a line", counted(many as u64, "prompt"))).color(secondary),
            );
            if ui.button("Open a file…").clicked() {
                commands.send(Command::ChoosePrompts);
            }
            let others = draft.prompts.is_some() && !of_project.is_empty();
            if others && ui.button("Use the project's").clicked() {
                draft.prompts = None;
            }
            label
        })
        .inner;
    let edit = TextEdit::multiline(&mut text)
        .desired_rows(4)
        .desired_width(f32::INFINITY)
        .hint_text("The old king looked at the fox and said");
    if ui.add(edit).labelled_by(label.id).changed() {
        draft.prompts = Some(text);
    }
}

fn continuation_ui(ui: &mut Ui, draft: &mut Form) {
    let usual = CONTINUATION.to_string();
    let row = Row {
        label: "Continuation",
        help: "Tokens that the model writes behind each prompt, always the most likely one; repetition and perplexity are of this text. 0 leaves both out",
        unit: "tokens",
        reset: (draft.continuation != CONTINUATION).then_some(usual.as_str()),
        ..Row::default()
    };
    let reset = row.ui(ui, |ui, width| {
        let drag = DragValue::new(&mut draft.continuation).range(0..=TOKENS);
        ui.add_sized(vec2(width, space::CONTROL_ROW), counting(drag))
    });
    if reset {
        draft.continuation = CONTINUATION;
    }
}

fn rule_ui(ui: &mut Ui, rule: &mut Rule) {
    let usual = Rule::default();
    let number = |ui: &mut Ui, (label, help): (&str, &str), value: &mut f64, usual: f64, range| {
        let back = usual.to_string();
        let row = Row {
            label,
            help,
            reset: (*value != usual).then_some(back.as_str()),
            ..Row::default()
        };
        let drag = DragValue::new(&mut *value)
            .speed(0.01)
            .range(range)
            .max_decimals(2);
        if row.ui(ui, |ui, width| {
            ui.add_sized(vec2(width, space::CONTROL_ROW), drag)
        }) {
            *value = usual;
        }
    };
    let about = (
        "Perplexity factor",
        "Largest factor between the median perplexity of steered and untouched continuations",
    );
    number(
        ui,
        about,
        &mut rule.perplexity,
        usual.perplexity,
        1.0..=1000.0,
    );
    let about = (
        "Repetition excess",
        "Largest excess of the mean share of repeated 3-grams over that of untouched continuations",
    );
    number(ui, about, &mut rule.repetition, usual.repetition, 0.0..=1.0);
    ui.checkbox(
        &mut rule.downwards,
        "Search downwards, away from the feature",
    );
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(caption(format!("{}.", rule.said())).color(secondary)).wrap());
}
