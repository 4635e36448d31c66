//! Draws features by their names: chips, and examples in one line.

use egui::{Sense, Ui};
use umbra_core::features::{Example, Name, Peak};
use umbra_core::ids::FeatureId;

use crate::theme::Theme;
use crate::widgets::feature_chip::FeatureChip;
use crate::widgets::snippet;
use crate::widgets::token_strip::Scale;

/// Chips of all kinds of names, in much and in little room.
pub(super) fn feature_chips(ui: &mut Ui) {
    let chip = |number: u32, name| FeatureChip::new(FeatureId(number), name);
    let peak = Peak {
        before: " once the old".to_owned(),
        token: " king".to_owned(),
        after: " said,\n".to_owned(),
    };
    chip(12, Name::labelled("royal titles"))
        .strength(0.9)
        .show(ui, |_| {});
    chip(1234, Name::of_token(" king"))
        .strength(0.3)
        .show(ui, |_| {});
    chip(7, Name::default()).strength(0.0).show(ui, |_| {});
    for width in [400.0, 180.0, 90.0] {
        chip(93, Name::new(None, Some(&peak)))
            .max_width(width)
            .show(ui, |_| {});
    }
    chip(2047, Name::labelled("the newline after a verse"))
        .selected(true)
        .show(ui, |_| {});
    chip(
        58,
        Name::labelled("a label that is longer than its chip may be"),
    )
    .max_width(180.0)
    .show(ui, |_| {});
}

/// Examples in one line, in much and in little room; one has negative activations.
pub(super) fn snippets(ui: &mut Ui) {
    let words = tokens(&[
        "Once", " upon", " a", " time", ",\n", " the", " king", " said", " to", " the", " fox",
    ]);
    for (room, sign) in [(390.0, 1.0), (390.0, -1.0), (160.0, 1.0), (60.0, 1.0)] {
        let acts = [0.0, 0.0, 0.6, 0.0, 0.0, 1.4, 4.0 * sign, 2.2, 0.0, 0.0, 3.0];
        let example = Example {
            document: "oz".to_owned(),
            place: None,
            ids: vec![],
            tokens: words.clone(),
            acts: acts.to_vec(),
            at: 6,
        };
        let scale = Scale {
            most: 4.0,
            signed: sign < 0.0,
        };
        let galley = snippet::layout(ui, &example, scale, room);
        let (rect, _) = ui.allocate_exact_size(galley.size(), Sense::hover());
        ui.painter()
            .galley(rect.min, galley, Theme::from_ui(ui).ink.primary);
    }
}

fn tokens(all: &[&str]) -> Vec<String> {
    all.iter().map(|token| (*token).to_owned()).collect()
}
