//! Parts of the model as causes: what each head, MLP, embedding and bias writes to the target, and each feature of the dictionary.

use egui::{Label, Ui};
use umbra_core::causes::components::{DEFINITIONS, Direct};
use umbra_core::causes::{Causes, Components, Part};
use umbra_core::ids::{Head, Layer};

use super::super::feature::open;
use crate::state::AppState;
use crate::state::requests::{Commands, steering};
use crate::theme::{Theme, body_strong, caption, space};
use crate::views::report;
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::heat_map::{Cell, HeatMap, Scale, Side};
use crate::widgets::number::{number, signed};

/// Features of the dictionary that are listed.
const LISTED: usize = 12;

fn definition(key: &str) -> &'static str {
    crate::words::defined(DEFINITIONS, key)
}

/// Draws the panel's result.
pub(super) fn parts_ui(ui: &mut Ui, state: &AppState, found: &Causes, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(parts) = &found.components else {
        let words =
            "The loss has no direct parts: choose a token's logit, or the difference of two.";
        ui.add(Label::new(caption(words).color(secondary)).wrap());
        return;
    };
    let said = parts.conclusion(&found.said);
    ui.add(Label::new(said).wrap().selectable(true));
    let cap = if parts.is_before_cap {
        " before the model's soft cap"
    } else {
        ""
    };
    let words = format!(
        "Sum of all parts {}; the target{cap} is {}",
        signed(parts.sum()),
        signed(parts.target)
    );
    ui.add(Label::new(caption(words).color(secondary)).wrap())
        .on_hover_text(definition("components_target"));
    ui.add_space(space::CHIP);
    report::add_ui(ui, commands, || found.section());
    ui.add_space(space::CONTROL);
    heads_ui(ui, parts, commands);
    ui.add_space(space::CONTROL);
    ui.label(body_strong("All parts, the heads of a layer together"));
    Bars::new("Direct contributions", &summed(parts), Fill::Signed)
        .definition(definition("components"))
        .show(ui);
    if let Some(direct) = &parts.direct {
        ui.add_space(space::CONTROL);
        direct_ui(ui, state, direct, commands);
    }
}

/// Draws the heads, layer by head.
fn heads_ui(ui: &mut Ui, parts: &Components, commands: &mut Commands) {
    let of_heads = parts.parts.iter().filter_map(|one| match one.part {
        Part::Head(layer, head) => Some((layer.index() + 1, head.index() + 1)),
        _ => None,
    });
    let (layers, heads) = of_heads.fold((0, 0), |most, one| (most.0.max(one.0), most.1.max(one.1)));
    let at = |layer: usize, head: usize| parts.of(Part::Head(Layer::from(layer), Head::from(head)));
    let mut cells = Vec::with_capacity(layers * heads);
    let mut largest = 0.0_f32;
    for layer in 0..layers {
        for head in 0..heads {
            let value = at(layer, head).map(|value| value as f32);
            largest = largest.max(value.map_or(0.0, f32::abs));
            cells.push(value.map_or(Cell::Unknown, Cell::Value));
        }
    }
    let names = |count: usize| -> Vec<String> { (0..count).map(|i| i.to_string()).collect() };
    let (rows, columns) = (names(layers), names(heads));
    let map = HeatMap {
        title: "Direct contribution of each head",
        rows: Side {
            title: "Layer",
            names: &rows,
        },
        columns: Side {
            title: "Head",
            names: &columns,
        },
        cells: &cells,
        range: (
            -largest.max(f32::MIN_POSITIVE),
            largest.max(f32::MIN_POSITIVE),
        ),
        scale: Scale::Diverging,
        labels: &[],
        selected: None,
        pictures: None,
        most: None,
        definition: definition("components"),
        open: Some("Silence this head in Steering"),
    };
    let answer = map.ui(ui, &|layer, head| {
        let value = at(layer, head).map_or("nothing".to_owned(), signed);
        format!("L{layer}.H{head}: {value}. Click: silence this head in Steering")
    });
    if let Some((layer, head)) = answer.clicked {
        let (layer, head) = (Layer::from(layer), Head::from(head));
        commands.send(steering::Command::Silence(layer, head));
    }
}

/// Returns a bar for each part, and one for all heads of a layer.
fn summed(parts: &Components) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for one in &parts.parts {
        let (label, is_head) = match one.part {
            Part::Head(layer, _) => (format!("L{layer} heads"), true),
            part => (part.to_string(), false),
        };
        match bars
            .last_mut()
            .filter(|last| is_head && last.label == label)
        {
            Some(last) => last.value += one.value,
            None => bars.push(Bar::new(label, one.value)),
        }
    }
    bars.into_iter()
        .map(|bar| {
            let text = signed(bar.value);
            bar.text(text)
        })
        .collect()
}

/// Draws what the dictionary's features write to the target at the last position.
fn direct_ui(ui: &mut Ui, state: &AppState, direct: &Direct, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(body_strong(format!("By feature of {}", direct.dictionary)));
    let id = state.catalogue.named(&direct.dictionary).map(|of| of.id);
    let shown = direct.features.iter().take(LISTED);
    let mut bars: Vec<Bar> = shown
        .map(|(feature, activation, value)| {
            let name = id.map(|id| state.name_of(id, *feature).to_string());
            let label = format!("#{feature} {}", name.unwrap_or_default());
            let activation = number(f64::from(*activation));
            let hover = format!("Activation {activation}. Click: opens the feature's page");
            let text = signed(*value);
            Bar::new(label.trim_end(), *value).text(text).hover(hover)
        })
        .collect();
    let rest: f64 = direct.features.iter().skip(LISTED).map(|one| one.2).sum();
    if direct.features.len() > LISTED {
        let others = direct.features.len() - LISTED;
        bars.push(Bar::new(format!("{others} others"), rest).text(signed(rest)));
    }
    for (name, value) in [("b_dec", direct.b_dec), ("Error", direct.error)] {
        bars.push(Bar::new(name, value).text(signed(value)));
    }
    let reply = Bars::new("Direct contributions by feature", &bars, Fill::Signed)
        .definition(definition("direct"))
        .clickable()
        .show(ui);
    let at =
        |bar: Option<usize>| bar.and_then(|at| direct.features.get(at).filter(|_| at < LISTED));
    let beside = at(reply.beside);
    if let (Some((feature, ..)), Some(id)) = (at(reply.clicked).or(beside), id) {
        open(commands, (id, *feature), beside.is_some());
    }
    let words = format!(
        "Together {}: what is read at {} at the last position",
        signed(direct.whole),
        direct.hook
    );
    ui.add(Label::new(caption(words).color(secondary)).wrap());
}
