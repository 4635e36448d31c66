//! Sentences with two names: which features at the repeated name the model needs to answer with the other one, and what noising leaves of its answer.

use egui::{ComboBox, Label, RichText, Ui};
use umbra_core::heads::ioi::{
    self, Corruption, DEFINITIONS, Effect, FORMAT, Ioi, Noising, OUT_OF_REACH,
};
use umbra_core::ids::{FeatureId, Head, HookPoint, Layer};

use super::{BESIDE, cost};
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::heads::induction::names_job;
use crate::state::requests::{Commands, heads, navigation};
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, caption, icon, icons, space};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::csv::Value;
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::widgets::grid::{self, Column, Grid, Selection};
use crate::widgets::number;

/// Name of the table in the settings.
const TABLE: &str = "two names";

/// Height of the table.
const HEIGHT: f32 = 300.0;

/// Sentence on the measurement, for the place before it has.
const WHAT: &str = "In \"When Mary and John went to the garden, John gave a letter to\", the model should answer Mary. This panel sets each feature at the second John to 0 and measures what happens to the answer.";

fn definition(key: &str) -> &'static str {
    crate::words::defined(DEFINITIONS, key)
}

/// Whether what a dictionary's features do at the repeated name can reach the answer.
fn reaches(state: &AppState, dictionary: &Dictionary) -> bool {
    let layers = state.model().map_or(0, |model| model.model.config().layers);
    let hook = dictionary.hook();
    hook.is_none_or(|hook| ioi::reaches_end(hook, layers))
}

/// Lists the dictionaries that can be chosen by layer: those of attention's values, else all that fit.
fn choices(state: &AppState) -> Vec<&Dictionary> {
    let fitting = state.fitting().filter(|one| state.pair(one.id).is_some());
    let all: Vec<&Dictionary> = fitting.collect();
    let is_z = |one: &&Dictionary| one.hook().is_some_and(HookPoint::is_z);
    let of_z: Vec<&Dictionary> = all.iter().copied().filter(is_z).collect();
    let mut all = if of_z.is_empty() { all } else { of_z };
    all.sort_by_key(|one| one.hook());
    all
}

/// Returns the dictionary that a person chose, else the one of the head's layer if it can matter, else the last one that can.
fn chosen<'a>(
    state: &AppState,
    choices: &[&'a Dictionary],
    head: Option<(Layer, Head)>,
) -> Option<&'a Dictionary> {
    let lab = &state.heads.induction;
    let of = |id: DictionaryId| choices.iter().copied().find(|one| one.id == id);
    let asked = lab.ioi_choice.and_then(of);
    let can = || (choices.iter().copied()).filter(|one| reaches(state, one));
    let of_head = || {
        let (layer, _) = head?;
        can().find(|one| one.hook().and_then(HookPoint::layer) == Some(layer))
    };
    let last = || can().last().or(choices.last().copied());
    asked.or_else(of_head).or_else(last)
}

/// Draws the panel: the choice of a dictionary, and its results or the way to them.
pub(crate) fn names_ui(
    ui: &mut Ui,
    state: &AppState,
    head: Option<(Layer, Head)>,
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let choices = choices(state);
    let Some(dictionary) = chosen(state, &choices, head) else {
        let words =
            "Sentences with two names need a dictionary of this model. Open one in Library.";
        ui.label(RichText::new(words).color(secondary));
        return;
    };
    choice_ui(ui, state, (&choices, dictionary), commands);
    let lab = &state.heads.induction;
    let known = lab.ioi_of == Some(dictionary.id);
    let measure = format!("Measure with {}", dictionary.name);
    match &lab.ioi {
        Load::Ready(found) if known => found_ui(ui, state, (found, dictionary), commands),
        Load::Loading if known => {
            let job = names_job(&dictionary.name);
            cost::standing_ui(ui, state, "Reading sentences with two names", &job);
        }
        Load::Failed(why) if known => {
            if failure_state(ui, "Could not measure the sentences", why, Some(&measure)) {
                commands.send(heads::induction::Command::Names(dictionary.id, None));
            }
        }
        _ => {
            let words = format!(
                "{}{WHAT} {}",
                cost::stopped(known && lab.ioi_stopped),
                cost::names(state, dictionary)
            );
            if empty_state(ui, icons::CURSOR_TEXT, &words, Some(&measure)) {
                commands.send(heads::induction::Command::Names(dictionary.id, None));
            }
        }
    }
}

/// Draws the choice of a dictionary, and says where it cannot matter.
fn choice_ui(
    ui: &mut Ui,
    state: &AppState,
    (choices, chosen): (&[&Dictionary], &Dictionary),
    commands: &mut Commands,
) {
    let theme = Theme::from_ui(ui);
    ui.horizontal_wrapped(|ui| {
        let label = ui.label(RichText::new("Dictionary").color(theme.ink.secondary));
        let combo = ComboBox::from_id_salt("dictionary of two names")
            .selected_text(chosen.name.as_str())
            .show_ui(ui, |ui| {
                for one in choices {
                    let name = if reaches(state, one) {
                        one.name.clone()
                    } else {
                        format!("{}, last layer: no effect", one.name)
                    };
                    let line = ui.selectable_label(one.id == chosen.id, name);
                    if line.clicked() {
                        commands.send(heads::induction::Command::Dictionary(one.id));
                    }
                }
            });
        combo.response.labelled_by(label.id);
    });
    if !reaches(state, chosen) {
        ui.horizontal_top(|ui| {
            ui.label(icon(icons::WARNING).color(theme.warning));
            let words = sentence(OUT_OF_REACH);
            ui.add(Label::new(words).wrap());
        });
    }
    ui.add_space(space::CONTROL);
}

/// Returns a phrase as a sentence.
fn sentence(phrase: &str) -> String {
    let mut letters = phrase.chars();
    let first = letters.next().map(char::to_uppercase);
    let begun: String = first.into_iter().flatten().chain(letters).collect();
    format!("{begun}.")
}

fn found_ui(
    ui: &mut Ui,
    state: &AppState,
    (found, dictionary): (&Ioi, &Dictionary),
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let words = format!(
        "{} sentences: the logit of the right name is {} above that of the repeated one on average, and higher in {} of them.",
        found.prompts[0] + found.prompts[1],
        number::number(found.ld),
        number::percent(found.positive)
    );
    ui.add(Label::new(words).wrap())
        .on_hover_text(definition("ld"));
    ui.add(Label::new(caption(format!("Features of {} at the second mention of the repeated name. ABBA sentences name the answer first, BABA sentences the repeated name.", dictionary.name)).color(secondary)).wrap());
    ui.horizontal_wrapped(|ui| {
        if ui
            .button("Measure your own sentences…")
            .on_hover_text(FORMAT)
            .clicked()
        {
            commands.send(heads::induction::Command::NamesOfFile(dictionary.id));
        }
        if ui.button("Measure templates again").clicked() {
            commands.send(heads::induction::Command::Names(dictionary.id, None));
        }
    });
    ui.add_space(space::CONTROL);
    let all = ui.available_width();
    if all >= BESIDE {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            ui.vertical(|ui| {
                ui.set_width(all * 0.6 - space::GROUP);
                table_ui(ui, state, (found, dictionary.id), commands);
            });
            ui.vertical(|ui| {
                ui.set_width(all * 0.4);
                noising_ui(ui, found.noising.as_ref());
            });
        });
    } else {
        table_ui(ui, state, (found, dictionary.id), commands);
        ui.add_space(space::GROUP);
        noising_ui(ui, found.noising.as_ref());
    }
}

/// Features by the change of the answer.
fn table_ui(
    ui: &mut Ui,
    state: &AppState,
    (found, id): (&Ioi, DictionaryId),
    commands: &mut Commands,
) {
    let columns = [
        Column::number("feature", "Feature")
            .definition("Feature active at the repeated name of some sentence")
            .width(64.0, 72.0),
        Column::text("label", "Name")
            .definition("Your label, else the feature's automatic name")
            .width(72.0, 120.0)
            .fills(),
        Column::number("change", "Change")
            .definition(definition("change"))
            .width(64.0, 76.0),
        Column::number("abba", "ABBA")
            .definition(definition("abba"))
            .width(64.0, 76.0),
        Column::number("baba", "BABA")
            .definition(definition("baba"))
            .width(64.0, 76.0),
        Column::number("alive", "Active in")
            .definition("Number of sentences in which the feature is active at the repeated name")
            .width(64.0, 84.0),
    ];
    let first = grid::arrangement::Sort::new("change", false);
    let sort = grid::sort(ui.ctx(), TABLE).unwrap_or(first);
    let order = grid::order(found.features.len(), Some(&sort), |row, column| {
        value(state, id, &found.features[row], column)
    });
    let effects: Vec<&Effect> = order.into_iter().map(|row| &found.features[row]).collect();
    let mut selection = Selection::default();
    if let Some(feature) = state
        .selection
        .feature
        .filter(|_| state.selection.dictionary == Some(id))
    {
        selection.only(u64::from(feature.0));
    }
    let mut rows = Rows { state, id, effects };
    let grid = Grid::new(TABLE, &columns)
        .title("Features at the repeated name")
        .most(HEIGHT);
    let reply = grid
        .ordered_by("change", false)
        .show(ui, &mut rows, &mut selection);
    if let Some(effect) = reply.chosen.and_then(|row| rows.effects.get(row)) {
        choose(commands, id, effect.feature);
    }
}

fn choose(commands: &mut Commands, id: DictionaryId, feature: FeatureId) {
    commands.send(navigation::Command::FollowDictionary(id));
    commands.send(navigation::Command::SelectFeature(Some(feature)));
}

fn value(state: &AppState, id: DictionaryId, effect: &Effect, column: &str) -> Value {
    match column {
        "feature" => Value::from(effect.feature.index()),
        "label" => Value::from(state.name_of(id, effect.feature).to_string()),
        "change" => Value::from(effect.change),
        "abba" => Value::from(effect.by_order[0]),
        "baba" => Value::from(effect.by_order[1]),
        "alive" => Value::from(effect.alive[0] + effect.alive[1]),
        _ => Value::Nothing,
    }
}

struct Rows<'a> {
    state: &'a AppState,
    id: DictionaryId,
    effects: Vec<&'a Effect>,
}

impl grid::Rows for Rows<'_> {
    fn count(&self) -> usize {
        self.effects.len()
    }

    fn key(&self, row: usize) -> u64 {
        u64::from(self.effects[row].feature.0)
    }

    fn words(&self, row: usize) -> String {
        let effect = self.effects[row];
        format!(
            "Feature {} at the repeated name, change {}",
            effect.feature,
            number::signed(effect.change)
        )
    }

    fn value(&self, row: usize, column: &str) -> Value {
        value(self.state, self.id, self.effects[row], column)
    }

    fn text(&self, row: usize, column: &str) -> String {
        match (column, self.value(row, column)) {
            ("change" | "abba" | "baba", Value::Number(change)) => number::signed(change),
            (_, value) => grid::short(&value),
        }
    }
}

/// LD with the output of attention replaced at the repeated name, between clean and the two baselines.
fn noising_ui(ui: &mut Ui, noising: Option<&Noising>) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(body_strong(
        "Attention output replaced at the repeated name",
    ));
    let Some(noising) = noising else {
        ui.label(RichText::new("No sentence allows both corruptions.").color(secondary));
        return;
    };
    let bars = [
        Bar::new("Clean", noising.clean).hover(definition("ld")),
        Bar::new("A, other words", noising.names).hover(definition("corruption A")),
        Bar::new("B, without and", noising.and).hover(definition("corruption B")),
        Bar::new("Zero there", noising.zero_at_s2).hover(definition("zero at S2")),
        Bar::new("Zero everywhere", noising.zero_everywhere).hover(definition("zero everywhere")),
    ];
    Bars::new("Logit difference by replacement", &bars, Fill::Signed)
        .definition(definition("ld"))
        .show(ui);
    let layers: Vec<String> = noising.layers.iter().map(Layer::to_string).collect();
    let percent = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), number::percent);
    for (what, corruption) in [("A", Corruption::Names), ("B", Corruption::And)] {
        let noised = noising.of(corruption);
        let words = format!(
            "{what} keeps {} of the difference above \"zero there\", {} of that above \"zero everywhere\".",
            percent(noised.recovered_at_s2),
            percent(noised.recovered_everywhere)
        );
        ui.add(Label::new(caption(words).color(secondary)).wrap())
            .on_hover_text(definition("recovered"));
    }
    let words = format!(
        "Mean difference of logits of {}, layer {}.",
        number::counted(noising.prompts as u64, "sentence"),
        layers.join(" and ")
    );
    ui.add(Label::new(caption(words).color(secondary)).wrap());
}
