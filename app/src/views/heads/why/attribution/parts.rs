//! The parts: the sentence tinted by source token, bars by head, and a map of head × source token.

use egui::{Label, Ui};
use umbra_core::heads::Attribution;
use umbra_core::ids::{Head, HookPoint, Layer};

use super::choose;
use crate::state::AppState;
use crate::state::catalogue::Dictionary;
use crate::state::heads::attribution::Key;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, body_strong, caption, mono, space};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::heat_map::Side;
use crate::widgets::matrix_map::{self, MatrixMap};
use crate::widgets::token_strip::{Tint, TokenStrip};
use crate::widgets::{legend, number};

/// Width from which the bars stand beside the map.
const BESIDE: f32 = 640.0;

/// Longest side of the map.
const SIDE: f32 = 760.0;

/// Room for the map's scale and for a line about the cell under the pointer.
const MAP_LEAST: f32 = 380.0;

/// Widest bars.
const BARS_MOST: f32 = 420.0;

/// Definition of a source token's part.
const BY_TOKEN: &str = "Part of the feature's pre-activation that comes through attention from each source token, summed over heads; below 0 it holds the feature down";

/// Definition of a head's part.
const BY_HEAD: &str = "z of the head times the feature's encoder row within the head's slice: its parts summed over source tokens; below 0 it holds the feature down";

/// Definition of one part.
const BY_BOTH: &str = "Attention weight of the head on the source token × product of its value there with the feature's encoder row within the head's slice";

/// Draws all parts.
pub(super) fn parts_ui(
    ui: &mut Ui,
    state: &AppState,
    (found, key): (&Attribution, &Key),
    commands: &mut Commands,
) {
    let dictionary = state.catalogue.get(key.dictionary);
    let hook = dictionary.and_then(Dictionary::hook);
    let layer = hook.and_then(HookPoint::layer);
    let by_source = found.by_source();
    let most = by_source.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    let most = most.max(f64::MIN_POSITIVE);
    ui.horizontal_wrapped(|ui| {
        ui.label(body_strong("By source token"));
        legend::diverging(ui, "attribution", most);
    });
    let values: Vec<f32> = by_source.iter().map(|v| *v as f32).collect();
    strip_ui(ui, (&found.texts, &values, most as f32), key, commands);
    if let Some((source, part)) = found.strongest_source() {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let text = found.texts[source].replace('\n', "⏎");
        let part = number::signed(part);
        let words = match found.at - source {
            0 => format!("Most comes from the token itself: {part}"),
            1 => format!("Most comes from “{text}”, the token before: {part}"),
            back => format!("Most comes from “{text}”, {back} tokens back: {part}"),
        };
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
    ui.add_space(space::CONTROL);
    let width = ui.available_width();
    if width < BESIDE {
        heads_ui(ui, layer, found, commands);
        ui.add_space(space::CONTROL);
        map_ui(ui, layer, found, commands);
        return;
    }
    // The bars stand right behind the map, which is as wide as its tokens.
    let map = matrix_map::width_of(found.at + 1).clamp(MAP_LEAST, width * 0.64);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        ui.vertical(|ui| {
            ui.set_width(map);
            map_ui(ui, layer, found, commands);
        });
        ui.vertical(|ui| {
            ui.set_width((width - map - space::GROUP).min(BARS_MOST));
            heads_ui(ui, layer, found, commands);
        });
    });
}

/// Bars by head; a click selects the head.
fn heads_ui(ui: &mut Ui, layer: Option<Layer>, found: &Attribution, commands: &mut Commands) {
    ui.label(body_strong("By head")).on_hover_text(BY_HEAD);
    let by_head = found.by_head();
    let bar = |(head, value): (usize, &f64)| {
        Bar::new(format!("Head {head}"), *value).text(number::signed(*value))
    };
    let bars: Vec<Bar> = by_head.iter().enumerate().map(bar).collect();
    let reply = Bars::new("Attribution by head", &bars, Fill::Signed)
        .definition(BY_HEAD)
        .clickable()
        .show(ui);
    if let (Some(head), Some(layer)) = (reply.clicked, layer) {
        commands.send(navigation::Command::SelectHead(layer, Head::from(head)));
    }
}

/// A map of heads by source tokens; a click selects the head.
fn map_ui(ui: &mut Ui, layer: Option<Layer>, found: &Attribution, commands: &mut Commands) {
    ui.label(body_strong("By head and source token"))
        .on_hover_text(BY_BOTH);
    let sources = found.at + 1;
    let heads: Vec<String> = (0..found.by_head_and_source.rows())
        .map(|head| format!("Head {head}"))
        .collect();
    let tokens: Vec<String> = found.texts[..sources]
        .iter()
        .map(|text| text.replace('\n', "⏎"))
        .collect();
    let rows = found.by_head_and_source.iter_rows();
    let values: Vec<f32> = rows.flat_map(|row| &row[..sources]).copied().collect();
    let most = values.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    let map = MatrixMap {
        name: "Attribution by head and source token",
        title: "attribution",
        rows: Side {
            title: "Head",
            names: &heads,
        },
        columns: Side {
            title: "Source",
            names: &tokens,
        },
        values: &values,
        revision: revision(found),
        most: most.max(f32::MIN_POSITIVE),
        tint: Tint::Diverging,
        selected: None,
        side: SIDE.min(ui.available_width()),
        definition: BY_BOTH,
    };
    let answer = map.ui(ui, &|head, source| {
        let value = found.part(Head::from(head), source);
        let value = number::signed(f64::from(value));
        format!(
            "Head {head} from “{}” (token {source}): {value}",
            tokens[source]
        )
    });
    if let (Some((head, _)), Some(layer)) = (answer.chosen, layer) {
        commands.send(navigation::Command::SelectHead(layer, Head::from(head)));
    }
}

/// A number that is another for another attribution.
fn revision(found: &Attribution) -> u64 {
    let bits = found.pre_activation.to_bits();
    bits ^ (u64::from(found.feature.0) << 32) ^ found.at as u64
}

/// The tokens without values, to choose one.
pub(super) fn plain_ui(ui: &mut Ui, texts: &[String], at: Option<usize>, commands: &mut Commands) {
    let at = at.filter(|at| *at < texts.len());
    let reply = TokenStrip::new("Sentence", texts)
        .selected(at.map(|at| at..=at))
        .show(ui);
    if let Some(token) = reply.chosen {
        commands.send(navigation::Command::SelectToken(Some(token)));
    }
}

/// The tokens while the parts are being computed.
pub(super) fn texts_ui(ui: &mut Ui, texts: &[String], key: &Key, commands: &mut Commands) {
    strip_ui(ui, (texts, &[], 1.0), key, commands);
}

/// The sentence tinted by source token, the explained token selected; a click explains another.
fn strip_ui(
    ui: &mut Ui,
    (texts, values, most): (&[String], &[f32], f32),
    key: &Key,
    commands: &mut Commands,
) {
    let mut card = |ui: &mut Ui, token: usize| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(mono(format!("{:?}", texts[token])));
        ui.label(caption(format!("position {token}")).color(secondary));
        if let Some(value) = values.get(token).filter(|_| token <= key.at) {
            ui.label(format!("attribution {}", number::signed(f64::from(*value))));
        }
        ui.label(caption("Click to explain the feature at this token").color(secondary));
    };
    let at = Some(key.at).filter(|at| *at < texts.len());
    let reply = TokenStrip::new("Attribution by source token", texts)
        .values(values, most)
        .tint(Tint::Diverging)
        .definition(BY_TOKEN)
        .selected(at.map(|at| at..=at))
        .card(&mut card)
        .show(ui);
    if let Some(token) = reply.chosen {
        choose(key, (key.feature, token), commands);
    }
}
