//! Patching by path: the end of the paths, and the map of the heads that send.

use egui::{Button, ComboBox, DragValue, Label, Ui};
use umbra_core::causes::paths::{Entry, HeadAt, Mlps, Path, Paths, Receiver};
use umbra_core::workbench::patching::Asked;

use super::map::{Line, Shares, note_ui};
use crate::state::AppState;
use crate::state::requests::Commands;
use crate::state::requests::steering::causes::patching::{Command, Pair};
use crate::state::steering::causes::patching::{Form, PATHS_JOB};
use crate::theme::space;
use crate::views::dark_matter::panel::{Offer, offer_ui};
use crate::views::report;
use crate::widgets::number::{counting, number, percent};

/// Definitions of the two treatments of the MLPs.
const MLPS: [&str; 2] = [
    "MLPs between the head and the end read the changed stream, so that paths lead through them too (Wang et al. 2022)",
    "MLPs between write as in the second text: paths lead through the residual stream alone",
];

/// Draws the choice of the end, the offer, and the result.
pub(super) fn paths_ui(
    ui: &mut Ui,
    state: &AppState,
    (form, asked): (&mut Form, Option<Pair>),
    commands: &mut Commands,
) {
    let Some(loaded) = state.model() else {
        return;
    };
    let config = loaded.model.config();
    receiver_ui(ui, &mut form.receiver, (config.layers, config.heads));
    ui.horizontal_wrapped(|ui| {
        ui.label("MLPs between");
        for ((mlps, name), help) in Mlps::ALL.into_iter().zip(MLPS) {
            let button = ui.add(Button::selectable(form.mlps == mlps, name));
            if button.on_hover_text(help).clicked() {
                form.mlps = mlps;
            }
        }
    });
    ui.add_space(space::CHIP);
    let panel = &state.steering.causes.patching;
    let found = panel.paths.result(&loaded.model.fingerprint().to_owned());
    if let Some(found) = found {
        found_ui(
            ui,
            (found, asked.as_ref(), form),
            (config.heads, panel.sender),
            commands,
        );
    }
    let Some(asked) = asked else {
        return;
    };
    if form.receiver.senders(config.layers) == 0 {
        note_ui(
            ui,
            "No head lies before layer 0: choose a head of a later layer.",
        );
        return;
    }
    let offer = Offer {
        what: "Takes the output of each head from the first text and sends it to this end alone: all other heads stay as in the second text up to there.",
        cost: "Two passes for each head before the end, one for the logits.",
        button: "Patch every path",
        again: "Patch again",
        job: PATHS_JOB,
    };
    if offer_ui(ui, state, &panel.paths, &offer) {
        commands.send(Command::Form(Box::new(form.clone())));
        commands.send(Command::Paths(asked));
    }
}

/// Draws the choice of the end.
fn receiver_ui(ui: &mut Ui, receiver: &mut Receiver, (layers, heads): (usize, usize)) {
    ui.horizontal_wrapped(|ui| {
        ui.label("Paths to");
        if ui
            .add(Button::selectable(
                *receiver == Receiver::Logits,
                "The logits",
            ))
            .clicked()
        {
            *receiver = Receiver::Logits;
        }
        let last = layers.saturating_sub(1);
        let (at, entry) = match *receiver {
            Receiver::Head(at, entry) => (at, entry),
            Receiver::Logits => (HeadAt::new(last, 0), Entry::Q),
        };
        let is_head = *receiver != Receiver::Logits;
        if ui.add(Button::selectable(is_head, "A head")).clicked() {
            *receiver = Receiver::Head(at, entry);
        }
        if !is_head {
            return;
        }
        let (mut layer, mut head, mut chosen) = (at.layer.index(), at.head.index(), entry);
        let name = ui.label("layer");
        ui.add(counting(DragValue::new(&mut layer)).range(1.min(last)..=last))
            .labelled_by(name.id);
        let name = ui.label("head");
        ui.add(counting(DragValue::new(&mut head)).range(0..=heads.saturating_sub(1)))
            .labelled_by(name.id);
        let words = |entry: Entry| match entry {
            Entry::Q => "its queries",
            Entry::K => "its keys",
            Entry::V => "its values",
        };
        ComboBox::from_id_salt("entry of a head")
            .selected_text(words(chosen))
            .show_ui(ui, |ui| {
                for (entry, _) in Entry::ALL {
                    ui.selectable_value(&mut chosen, entry, words(entry));
                }
            });
        *receiver = Receiver::Head(HeadAt::new(layer, head), chosen);
    });
}

fn found_ui(
    ui: &mut Ui,
    (found, asked, form): (&Asked<Paths>, Option<&Pair>, &Form),
    (heads, selected): (usize, Option<(usize, usize)>),
    commands: &mut Commands,
) {
    let result = &found.result;
    let Some(receiver) = result.receivers.first().copied() else {
        return;
    };
    ui.add(Label::new(result.conclusion()).wrap().selectable(true));
    let differs = asked.is_some_and(|asked| {
        let same = (found.clean.as_deref(), &found.corrupt, &result.pair.target)
            == (Some(asked.clean.as_str()), &asked.corrupt, &asked.target);
        !same || (receiver, result.mlps) != (form.receiver, form.mlps)
    });
    if differs {
        let to = match receiver {
            Receiver::Logits => "the logits".to_owned(),
            to @ Receiver::Head(..) => to.to_string(),
        };
        note_ui(
            ui,
            &format!(
                "The map is of paths to {to} in “{}”, target {}, with MLPs {}.",
                found.corrupt,
                result.pair.target,
                result.mlps.name()
            ),
        );
    }
    ui.add_space(space::CHIP);
    let columns: Vec<String> = (0..heads).map(|head| head.to_string()).collect();
    let layers = result
        .senders
        .iter()
        .map(|from| from.layer.index() + 1)
        .max()
        .unwrap_or(0);
    let mut shares = vec![vec![None; heads]; layers];
    let largest = result.largest();
    for path in &largest {
        let (layer, head) = cell(path);
        if let Some(share) = shares[layer].get_mut(head) {
            *share = path.recovered;
        }
    }
    let lines: Vec<Line> = largest
        .iter()
        .map(|path| Line {
            cell: cell(path),
            name: format!("{} ▸ {}", path.from, path.to),
            value: path.value,
            share: path.recovered,
        })
        .collect();
    let map = Shares {
        name: "patched paths",
        columns: ("Head that sends", &columns),
        layers,
        by_cell: &shares,
        lines: &lines,
        selected,
        what: "Path",
    };
    let describe = |layer: usize, head: usize| {
        let line = lines.iter().find(|line| line.cell == (layer, head));
        line.map_or_else(String::new, |line| {
            let share = line.share.map_or_else(String::new, |share| {
                format!(", {} recovered", percent(share))
            });
            format!("{}: target {}{share}", line.name, number(line.value))
        })
    };
    if let Some((layer, head)) = map.ui(ui, &describe) {
        commands.send(Command::Sender(layer, head));
    }
    report::add_ui(ui, commands, || result.section());
}

fn cell(path: &Path) -> (usize, usize) {
    (path.from.layer.index(), path.from.head.index())
}
