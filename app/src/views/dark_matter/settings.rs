//! Settings that the panels share: what predicts the error, with which ridge, on how much of the text.

use egui::{ComboBox, Label, Response, TextEdit, Ui};
use umbra_core::dark_matter::{FIT_PER_DIMENSION, Predictor};

use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::dark_matter::fit::{Form, LAMBDA, RidgeChoice};
use crate::state::requests::dark_matter::fit::Command;
use crate::state::requests::{Commands, shell};
use crate::theme::{Theme, caption};
use crate::widgets::form::{Row, fold};
use crate::widgets::hook_picker::{HookPicker, Picked};
use crate::widgets::number;

/// Name of the settings among the foldable parts of screens.
const PART: &str = "dark matter settings";

/// Draws the settings of the next fit, folded away until a person wants them.
pub(super) fn settings_ui(
    ui: &mut Ui,
    state: &AppState,
    id: DictionaryId,
    commands: &mut Commands,
) {
    let form = state.dark_matter.fit.form();
    let is_wrong = form.spec().is_err();
    let open = is_wrong || state.settings.unfolded.contains(PART);
    if fold(ui, open, "Settings of the fit", &summary(&form)) {
        commands.send(shell::Command::Unfold(PART, !open));
    }
    if !open {
        return;
    }
    let mut changed = form.clone();
    predictor_ui(ui, state, id, &mut changed);
    ridge_ui(ui, &mut changed);
    let width = state.sae_of(id).map_or(0, |sae| sae.width());
    let default = number::count((FIT_PER_DIMENSION * width) as u64);
    let tokens = Field {
        label: "Activations",
        unit: "tokens",
        help: "Number of activations of the training text that the map is fitted on, at even distances in the text. At least 20 for each of its dimensions",
        hint: &default,
        error: form.tokens().err(),
    };
    tokens.ui(ui, &mut changed.tokens);
    if let (Some(probe), Ok(None)) = (state.dark_matter.fit.of(id), form.tokens()) {
        let fitted = number::count(probe.fit_tokens);
        if fitted != default {
            let words = format!(
                "The fit above has {fitted}; without a number here the next one has {default}."
            );
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.add(Label::new(caption(words).color(secondary)).wrap());
        }
    }
    let skip = Field {
        label: "Skipped positions",
        unit: "positions",
        help: "First positions of each row, or of each document where documents are kept apart, that are left out of fit and figures. The paper leaves out 200",
        hint: "0",
        error: form.skip().err(),
    };
    skip.ui(ui, &mut changed.skip);
    if changed != form {
        commands.send(Command::Form(changed));
    }
}

/// Says in one line what the settings are.
fn summary(form: &Form) -> String {
    let ridge = match form.ridge {
        RidgeChoice::None => "no ridge".to_owned(),
        RidgeChoice::CrossValidated => "ridge by cross-validation".to_owned(),
        RidgeChoice::Fixed => match form.lambda() {
            Ok(lambda) => format!("ridge λ = {}", number::number(lambda)),
            Err(why) => why,
        },
    };
    let skip = match form.skip() {
        Ok(0) | Err(_) => String::new(),
        Ok(skip) => format!(", without the first {skip} positions"),
    };
    format!("from {}, {ridge}{skip}", form.predictor)
}

/// A setting that is typed.
struct Field<'a> {
    label: &'a str,
    unit: &'a str,
    help: &'a str,
    hint: &'a str,
    error: Option<String>,
}

impl Field<'_> {
    fn ui(&self, ui: &mut Ui, typed: &mut String) {
        let row = Row {
            label: self.label,
            help: self.help,
            unit: self.unit,
            reset: Some(self.hint).filter(|_| !typed.is_empty()),
            error: self.error.as_deref(),
            wide: false,
        };
        let reset = row.ui(ui, |ui, width| {
            let field = TextEdit::singleline(typed).hint_text(self.hint);
            ui.add(field.desired_width(width))
        });
        if reset {
            typed.clear();
        }
    }
}

/// Draws the choice of the predictor.
fn predictor_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, form: &mut Form) {
    let others = others(state, id);
    let row = Row {
        label: "Predict from",
        help: "Value of which a linear map predicts the error. Only a fit from the activation or the reconstruction of this dictionary splits the error of a sentence",
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, width| {
        let mut picked = None;
        let combo = ComboBox::from_id_salt("predict the error from")
            .selected_text(sentence(&form.predictor))
            .width(width)
            .truncate();
        let drawn = combo.show_ui(ui, |ui| {
            let mut offer = |ui: &mut Ui, predictor: Predictor| {
                let chosen = form.predictor == predictor;
                if ui.selectable_label(chosen, sentence(&predictor)).clicked() {
                    picked = Some(predictor);
                }
            };
            offer(ui, Predictor::Activation);
            offer(ui, Predictor::Reconstruction);
            for predictor in others {
                offer(ui, predictor);
            }
        });
        if let Some(predictor) = picked {
            form.predictor = predictor;
        }
        drawn.response
    });
    let row = Row {
        label: "or from a hook",
        help: "Another activation of the model at the same token",
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, width| hook_ui(ui, state, width, form));
}

/// Draws the choice of another hook; the default of the list is the dictionary's own.
fn hook_ui(ui: &mut Ui, state: &AppState, width: f32, form: &mut Form) -> Response {
    let shown = match &form.predictor {
        Predictor::Hook { hook } => hook.to_string(),
        _ => "None".to_owned(),
    };
    let picker = HookPicker {
        salt: "predict the error",
        shown: &shown,
        default: Some("None"),
    };
    let model = state.model();
    let (response, picked) = picker.ui(ui, width, || {
        model.map_or_else(Vec::new, |loaded| loaded.model.hooks().collect())
    });
    match picked {
        Some(Picked::Hook(hook)) => form.predictor = Predictor::Hook { hook },
        Some(Picked::Default) if matches!(form.predictor, Predictor::Hook { .. }) => {
            form.predictor = Predictor::Activation;
        }
        _ => {}
    }
    response
}

/// Reconstructions of the other dictionaries that are loaded and fit the model.
fn others(state: &AppState, id: DictionaryId) -> Vec<Predictor> {
    let other = |dictionary: &Dictionary| {
        let sae = &state.pair(dictionary.id)?.sae;
        Predictor::from_sae(sae).ok()
    };
    let all = state.catalogue.dictionaries.iter();
    all.filter(|dictionary| dictionary.id != id)
        .filter_map(other)
        .collect()
}

/// Writes a predictor as the beginning of a sentence.
fn sentence(predictor: &Predictor) -> String {
    let phrase = predictor.to_string();
    let phrase = phrase.strip_prefix("the ").unwrap_or(&phrase);
    let mut letters = phrase.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// Draws the choice of the ridge.
fn ridge_ui(ui: &mut Ui, form: &mut Form) {
    let row = Row {
        label: "Ridge",
        help: "Penalty λ on the standardised weights. None is ordinary least squares; cross-validation takes the λ that predicts the other documents of the training text best",
        wide: true,
        ..Row::default()
    };
    row.ui(ui, |ui, _| {
        ui.horizontal_wrapped(|ui| {
            for ridge in RidgeChoice::ALL {
                if ui
                    .selectable_label(form.ridge == ridge, ridge.title())
                    .clicked()
                {
                    form.ridge = ridge;
                }
            }
        })
        .response
    });
    if form.ridge == RidgeChoice::Fixed {
        let default = LAMBDA.to_string();
        let lambda = Field {
            label: "λ",
            unit: "",
            help: "Times the number of activations and the variance of each predictor",
            hint: &default,
            error: form.lambda().err(),
        };
        lambda.ui(ui, &mut form.lambda);
    }
}
