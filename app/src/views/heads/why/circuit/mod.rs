//! Circuit of a feature at one token: what it is made of, and what that is made of, as a graph of tokens by places in the model; the sum of a node in a table.

mod graph;
mod layout;
mod sum;
#[cfg(test)]
mod tests;

use egui::{Label, RichText, Slider, Ui};
use umbra_core::heads::circuit::{self, Circuit, Kind, Node, viewer_graph};
use umbra_core::ids::{FeatureId, Head, Layer};
use umbra_core::prompt::Input;

use self::graph::{Graph, kind_colour, sign_colour, sum_of};
use super::attribution::subject::Subject;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::heads::attribution::Key as Target;
use crate::state::heads::circuit::{Key, TRACED, Traced};
use crate::state::requests::{Commands, heads, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, icons, mono, panel_title, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::feature_chip::FeatureChip;
use crate::widgets::to_save::{self, ToSave};
use crate::widgets::{legend, meaning, number};

/// Definition of the slider.
const THRESHOLD: &str = "Smallest share of the explained feature that a line must carry: the product of |contribution| / Σ |contributions| along its path. Smaller ones are summed as discarded";

/// Says what the panel shows.
const INTRODUCTION: &str = "The parts of a feature at one token, and their parts in turn, back to the tokens: each node is the sum of the lines into it, its biases and what is discarded. Attention patterns and norm scales are held fixed.";

/// Largest share on the slider.
const MOST: f64 = 0.3;

/// Draws the circuit of the chosen feature at the chosen token; without them, of the feature that the attribution explains.
pub(super) fn circuit_ui(
    ui: &mut Ui,
    state: &AppState,
    head: Option<(Layer, Head)>,
    commands: &mut Commands,
) {
    ui.label(panel_title("Circuit on the sentence in Prompt"));
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(caption(INTRODUCTION).color(secondary)).wrap());
    ui.add_space(space::CHIP);
    match subject(state, head) {
        Wanted::Missing(words) => {
            ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
        }
        Wanted::NoSentence => {
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new("Prompt has no sentence yet.").color(secondary));
                if ui.button("Type a sentence").clicked() {
                    commands.send(navigation::Command::Go(ViewId::Prompt));
                }
            });
        }
        Wanted::Read(dictionary, input) => {
            ui.label(RichText::new("Reading the sentence…").color(secondary));
            let of = (dictionary, input);
            if state.heads.attribution.reading_of.as_ref() != Some(&of) {
                commands.send(heads::attribution::Command::Read(of.0, of.1));
            }
        }
        Wanted::Asked(target, why) => {
            if let Some(why) = why {
                ui.add(Label::new(caption(why).color(secondary)).wrap());
            }
            asked_ui(ui, state, target, commands);
        }
    }
}

/// Subject of the panel, or the part that is missing for one.
enum Wanted {
    /// A feature at a token, and why it is this one where no person asked for it.
    Asked(Target, Option<String>),
    /// The sentence has to be read with a dictionary first.
    Read(DictionaryId, Input),
    /// A sentence that says what is missing.
    Missing(String),
    /// Prompt has no sentence.
    NoSentence,
}

/// Returns the feature of the dictionary in use where that reads the residual stream or an output; otherwise the one that the attribution explains.
fn subject(state: &AppState, head: Option<(Layer, Head)>) -> Wanted {
    let used = state.dictionary().filter(|used| {
        let model = state.pair(used.id).map(|pair| &pair.model);
        let traced = model.zip(state.sae_of(used.id));
        let traced = traced.is_some_and(|(model, sae)| circuit::check(model, sae).is_ok());
        traced && used.hook().is_some_and(|hook| !hook.is_z())
    });
    let chosen = used.zip(state.selection.feature);
    let Some((used, feature)) = chosen.filter(|_| state.selection.head.is_none()) else {
        return match Subject::new(state, head) {
            Subject::Asked(asked) => Wanted::Asked(asked.key, asked.why),
            Subject::Read(dictionary, input) => Wanted::Read(dictionary, input),
            Subject::Missing(words, _) => Wanted::Missing(words),
            Subject::NoSentence => Wanted::NoSentence,
        };
    };
    let Some(input) = state.prompt.input() else {
        return Wanted::NoSentence;
    };
    let Some(at) = state.selection.token.or_else(|| strongest(state, feature)) else {
        return Wanted::Missing(format!(
            "#{feature} of {} is silent on this sentence. Click a token in Prompt to trace its pre-activation there",
            used.name
        ));
    };
    let target = Target {
        dictionary: used.id,
        feature,
        input,
        at,
    };
    Wanted::Asked(target, None)
}

/// Position at which a feature of the dictionary in use is strongest on the sentence.
fn strongest(state: &AppState, feature: FeatureId) -> Option<usize> {
    let reading = state.prompt.reading.ready()?;
    let of = (&reading.latents, reading.counts.as_slice());
    umbra_core::heads::strongest(of, &[feature], None).map(|(_, at)| at)
}

/// Returns the dictionaries that may take part beside that of the feature; none while one is loading.
fn others(state: &AppState, own: DictionaryId) -> Option<Vec<DictionaryId>> {
    let known = &state.catalogue.dictionaries;
    let waits = |d: &Dictionary| d.load.is_loading() || d.load.is_absent();
    if known.iter().any(waits) {
        return None;
    }
    let fitting = state
        .fitting()
        .filter(|d| d.id != own && d.load.ready().is_some());
    Some(fitting.map(|d| d.id).collect())
}

fn asked_ui(ui: &mut Ui, state: &AppState, target: Target, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(others) = others(state, target.dictionary) else {
        ui.label(RichText::new("Loading the dictionaries…").color(secondary));
        return;
    };
    let key = Key { target, others };
    let panel = &state.heads.circuit;
    let known = panel.of.as_ref() == Some(&key);
    if !known {
        commands.send(heads::circuit::Command::Trace(key.clone()));
    }
    match &panel.load {
        Load::Ready(traced) if known => {
            if let Some(shown) = &panel.shown {
                traced_ui(ui, state, (traced, shown), commands);
            }
        }
        Load::Failed(why) if known => {
            failure_line(ui, "Could not trace the feature", why);
            if ui.button("Try again").clicked() {
                commands.send(heads::circuit::Command::Trace(key));
            }
        }
        _ => {
            let words = format!("Tracing #{}…", key.target.feature);
            ui.label(RichText::new(words).color(secondary));
        }
    }
}

fn traced_ui(
    ui: &mut Ui,
    state: &AppState,
    (traced, shown): (&Traced, &Circuit),
    commands: &mut Commands,
) {
    let panel = &state.heads.circuit;
    let selected = panel.selected.as_ref();
    let is_it = |node: &Node| Some(&node.id) == selected;
    let selected = shown.nodes.iter().position(is_it).unwrap_or(0);
    controls_ui(ui, state, (traced, shown), commands);
    legend_ui(ui, shown);
    ui.add_space(space::CONTROL);
    let name = |node: &Node| match node.kind {
        Kind::Feature(i, feature) => state.name_of(traced.dictionaries[i], feature),
        _ => umbra_core::features::Name::default(),
    };
    let graph = Graph {
        circuit: shown,
        selected,
        name: &name,
    };
    let drawn = graph.show(ui);
    ui.add_space(space::CONTROL);
    let node = &shown.nodes[selected];
    node_ui(ui, state, (traced, shown, node), commands);
    let words = |node: &Node| {
        let name = name(node);
        let known = name.label.or(name.token).filter(|known| !known.is_empty());
        match known {
            Some(known) => format!("{} {known:?}", shown.name(node)),
            None => shown.name(node),
        }
    };
    let listed = sum::sum_ui(ui, shown, node, &words);
    if let Some(i) = drawn.chosen.or(listed.chosen) {
        let id = shown.nodes[i].id.clone();
        commands.send(heads::circuit::Command::Select(id));
    }
    if let Some(i) = drawn.opened.or(listed.opened) {
        open(traced, &shown.nodes[i], false, commands);
    }
    if let Some(i) = drawn.beside {
        open(traced, &shown.nodes[i], true, commands);
    }
    for note in &traced.notes {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add(Label::new(caption(note).color(secondary)).wrap());
    }
}

/// Opens the page of a node's feature.
fn open(traced: &Traced, node: &Node, beside: bool, commands: &mut Commands) {
    if let Kind::Feature(i, feature) = node.kind {
        commands.send(navigation::Command::FollowDictionary(
            traced.dictionaries[i],
        ));
        commands.send(navigation::Command::Feature { feature, beside });
    }
}

fn controls_ui(
    ui: &mut Ui,
    state: &AppState,
    (traced, shown): (&Traced, &Circuit),
    commands: &mut Commands,
) {
    let theme = Theme::from_ui(ui);
    let mut percent = 100.0 * state.heads.circuit.threshold;
    ui.horizontal_wrapped(|ui| {
        let label = ui.label("Least share shown").on_hover_text(THRESHOLD);
        let slider = Slider::new(&mut percent, 100.0 * TRACED.threshold..=100.0 * MOST)
            .logarithmic(true)
            .max_decimals(1)
            .suffix("\u{202F}%");
        let moved = ui.add(slider).labelled_by(label.id);
        if moved.on_hover_text(THRESHOLD).changed() {
            let share = percent / 100.0;
            commands.send(heads::circuit::Command::Threshold(share));
        }
        let words = format!(
            "{} of {}",
            number::counted(shown.nodes.len() as u64, "node"),
            number::count(traced.circuit.nodes.len() as u64)
        );
        ui.label(caption(words).color(theme.ink.secondary));
        let (icon, words, colour) = if shown.sums_up() {
            (icons::CHECK_CIRCLE, "every node adds up", theme.promoted)
        } else {
            (icons::WARNING, "a node does not add up", theme.warning)
        };
        let residue = number::number(shown.largest_residue);
        let help = format!(
            "Children + bias + discarded − value is {residue} at most: 0 except for rounding"
        );
        ui.label(RichText::new(format!("{icon} {words}")).color(colour))
            .on_hover_text(help);
        let save = ui.button("Save graph as JSON…");
        let help = "Saves the nodes shown in the form that circuit-tracer's viewer opens";
        if save.on_hover_text(help).clicked() {
            to_save::put(ui.ctx(), file(state, traced, shown));
        }
    });
}

/// Returns the graph file of the nodes shown, with the labels of the project.
fn file(state: &AppState, traced: &Traced, shown: &Circuit) -> ToSave {
    let root = shown.root();
    let slug = to_save::file_name(&format!("{} token {}", shown.name(root), root.at));
    let naming = |listed: &circuit::Listed, feature: FeatureId| {
        let index = shown.dictionaries.iter().position(|one| one == listed)?;
        let name = state.name_of(traced.dictionaries[index], feature);
        let known = name.label.or(name.token)?;
        Some(format!("{} {feature} {known:?}", listed.name))
    };
    let graph = viewer_graph(shown, &slug, &naming);
    ToSave::text(format!("{slug}.json"), format!("{graph:#}\n"))
}

/// Kinds of nodes, by their names for programs, with the words of the legend.
const KINDS: [(&str, &str); 6] = [
    ("feature", "feature"),
    ("error", "error of a dictionary"),
    ("mlp", "MLP"),
    ("head", "head"),
    ("embedding", "token embedding"),
    ("position", "position embedding"),
];

/// Says what the colours stand for.
fn legend_ui(ui: &mut Ui, shown: &Circuit) {
    let theme = Theme::from_ui(ui);
    ui.horizontal_wrapped(|ui| {
        for (kind, words) in KINDS {
            let found = shown.nodes.iter().find(|node| node.kind.name() == kind);
            if let Some(node) = found {
                legend::mark(ui, kind_colour(theme, node.kind), words);
            }
        }
        for (sign, words) in [(1.0, "line raises"), (-1.0, "line lowers")] {
            legend::mark(ui, sign_colour(theme, sign), words);
        }
    });
}

/// Draws the selected node's name and its sum.
fn node_ui(
    ui: &mut Ui,
    state: &AppState,
    (traced, shown, node): (&Traced, &Circuit, &Node),
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal_wrapped(|ui| {
        let (name, token) = (shown.name(node), shown.texts[node.at].replace('\n', "⏎"));
        if let Kind::Feature(i, feature) = node.kind {
            let called = state.name_of(traced.dictionaries[i], feature);
            let chip = FeatureChip::new(feature, called).max_width(220.0);
            let reply = chip.show(ui, |ui| {
                ui.label(format!("Opens the page of {name}"));
            });
            if reply.open || reply.beside {
                open(traced, node, reply.beside, commands);
            }
            ui.label(caption(&shown.dictionaries[i].name).color(secondary));
        } else {
            ui.label(name);
        }
        ui.label(caption(format!("at token {}", node.at)).color(secondary));
        ui.label(mono(token));
    });
    let line = sum_of(node);
    let label = ui.add(Label::new(mono(&line)).wrap());
    let help = "Children, biases and what is not shown add up to the value; the table lists them";
    meaning::figure(&label, "Sum of the node", help, &node.value.to_string());
    label.on_hover_text(help);
}
