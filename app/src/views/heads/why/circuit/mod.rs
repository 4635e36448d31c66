//! Circuit of a feature at one token: what it is made of, and what that is made of, as a graph of tokens by places in the model; the sum of a node in a table.

mod graph;
mod layout;
mod subject;
mod sum;
#[cfg(test)]
mod tests;

use egui::{Label, Rect, RichText, Sense, Slider, Ui, vec2};
use umbra_core::heads::circuit::{self, Circuit, Kind, Node, viewer_graph};
use umbra_core::ids::{FeatureId, Head, Layer};

use self::graph::{Graph, discarded, kind_colour, sign_colour, sum_of};
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

/// Explains what is discarded.
const DISCARDED: &str = "Discarded: contributions that carry less than the least share shown. They are summed, not drawn; lower the share to see them.";

/// Largest share on the slider.
const MOST: f64 = 0.3;

/// Draws the circuit of the feature and token that the attribution explains, or of the selected feature where a person asked for that.
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
    let own = subject::selected(state);
    let shared = Subject::new(state, head);
    let asks_own = state.heads.circuit.own || matches!(shared, Subject::Missing(..));
    if let Some(target) = own.as_ref().filter(|_| asks_own) {
        let asked = match &shared {
            Subject::Asked(asked) => Some(asked),
            _ => None,
        };
        subject::traces_ui(ui, state, target, (asked, own.as_ref()), commands);
        asked_ui(ui, state, target.clone(), commands);
        return;
    }
    match shared {
        Subject::Missing(words, _) => {
            ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
        }
        Subject::NoSentence => {
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new("Prompt has no sentence yet.").color(secondary));
                if ui.button("Type a sentence").clicked() {
                    commands.send(navigation::Command::Go(ViewId::Prompt));
                }
            });
        }
        Subject::Read(dictionary, input) => {
            ui.label(RichText::new("Reading the sentence…").color(secondary));
            let of = (dictionary, input);
            if state.heads.attribution.reading_of.as_ref() != Some(&of) {
                commands.send(heads::attribution::Command::Read(of.0, of.1));
            }
        }
        Subject::Asked(asked) => {
            let of = (Some(&asked), own.as_ref());
            subject::traces_ui(ui, state, &asked.key, of, commands);
            asked_ui(ui, state, asked.key.clone(), commands);
        }
    }
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
        let rail = Rect::from_min_size(
            moved.rect.min,
            vec2(ui.spacing().slider_width, moved.rect.height()),
        );
        let clicked = clicked(ui, rail);
        let share = clicked.unwrap_or(percent / 100.0);
        if moved.on_hover_text(THRESHOLD).changed() || clicked.is_some() {
            commands.send(heads::circuit::Command::Threshold(share));
        }
        let words = format!(
            "{} of {}",
            number::counted(shown.nodes.len() as u64, "node"),
            number::count(traced.circuit.nodes.len() as u64)
        );
        ui.label(caption(words).color(theme.ink.secondary));
        let (icon, words, colour) = if shown.sums_up() {
            (icons::CHECK_CIRCLE, "sums are exact", theme.promoted)
        } else {
            (icons::WARNING, "a sum is not exact", theme.warning)
        };
        let residue = number::number(shown.largest_residue);
        let help = format!(
            "At every node, children + bias + discarded − value is {residue} at most: 0 except for rounding. How much is discarded is another matter: it stands beside each sum"
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

/// Returns the share at which the slider's rail was clicked. A slider itself follows only a pointer that is held down for more than one frame.
fn clicked(ui: &Ui, rail: Rect) -> Option<f64> {
    let rail_id = ui.scope_id().with("rail of the least share");
    let click = ui.interact(rail, rail_id, Sense::CLICK);
    let at = click.clicked().then(|| click.interact_pointer_pos())??;
    let inside = rail.shrink2(vec2(rail.height() / 2.5, 0.0));
    let place = ((at.x - inside.left()) / inside.width()).clamp(0.0, 1.0);
    let percent = 100.0 * TRACED.threshold * (MOST / TRACED.threshold).powf(f64::from(place));
    Some((10.0 * percent).round() / 1000.0)
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
    if let Some(words) = discarded(node) {
        let help = circuit::DEFINITIONS
            .iter()
            .find(|(key, _)| *key == "discarded");
        ui.add(Label::new(words).wrap())
            .on_hover_text(help.map_or("", |(_, help)| *help));
        ui.add(Label::new(caption(DISCARDED).color(secondary)).wrap());
    }
}
