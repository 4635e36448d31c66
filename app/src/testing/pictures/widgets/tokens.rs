//! Draws samples of the widgets that show tokens.

use egui::Ui;

use super::{noise, strings};
use crate::theme::{Hue, Theme, space};
use crate::widgets::token_editor::{Piece, TokenEditor};
use crate::widgets::token_grid::{Cells, TokenCell, TokenGrid};
use crate::widgets::token_strip::{Tint, TokenStrip};

struct Lens(Vec<String>);

impl Cells for Lens {
    fn cell(&self, row: usize, column: usize) -> TokenCell<'_> {
        let at = (row * 5 + column * 3) % self.0.len();
        TokenCell {
            text: &self.0[at],
            share: noise(row * 7 + column),
        }
    }

    fn words(&self, row: usize, column: usize) -> String {
        format!("layer {row}, token {column}")
    }

    fn card_ui(&self, _: &mut Ui, _: usize, _: usize) {}
}

pub(super) fn token_editor(ui: &mut Ui) {
    let theme = Theme::from_ui(ui);
    let tokens = strings(&[
        "<s>", "When", " Mary", " and", " John", " went", "\n", "to", " the", " g", "arden", ",",
        " she",
    ]);
    let mut pieces = vec![Piece::default()];
    let mut at = 0;
    for (i, token) in tokens.iter().enumerate().skip(1) {
        let share = noise(i * 5);
        pieces.push(Piece {
            span: at..at + token.len(),
            tint: (share > 0.3).then(|| theme.tint(Hue::Activation, share)),
            negative: i == 5,
            marks: vec![0, 1, 2, 3, 4][..(i * 3) % 6].to_vec(),
            ..Piece::default()
        });
        at += token.len();
    }
    let editor = TokenEditor {
        name: "sentence",
        text: &tokens[1..].concat(),
        pieces: &pieces,
        tokens: &tokens,
        before: 1,
        selected: Some(3),
        pointed: Some(8),
        reveal: None,
        height: 150.0,
        card: &mut |_, _| {},
    };
    editor.show(ui);
}

pub(super) fn token_grid(ui: &mut Ui) {
    let lens = Lens(strings(&[" the", " king", "\n", ",", " understood", "ing"]));
    let rows = strings(&["0", "1", "2", "3"]);
    let columns = strings(&["Once", " upon", " a", " time", " there", " was"]);
    let grid = TokenGrid {
        name: "lens",
        rows: &rows,
        rows_title: "layer",
        columns: &columns,
        selected: Some(1),
        reveal: false,
        hue: Hue::Model,
        height: 190.0,
    };
    grid.ui(ui, &lens);
}

pub(super) fn token_strips(ui: &mut Ui) {
    let text = [
        "Once",
        " upon",
        " a",
        " time",
        ",",
        "\n",
        "there",
        " was",
        " an",
        " old",
        " k",
        "ing",
        " of",
        " ⟨E2⟩",
        "⟨80⟩",
        " who",
        " had",
        " never",
        " seen",
        " so",
        " sly",
        " a",
        " creature",
        ".",
    ];
    let tokens = strings(&text);
    let values: Vec<f32> = (0..tokens.len())
        .map(|i| (noise(i * 3) - 0.4).max(0.0))
        .collect();
    TokenStrip::new("sequential", &tokens)
        .values(&values, 0.6)
        .selected(Some(7..=9))
        .show(ui);
    ui.add_space(space::GROUP);
    let signed: Vec<f32> = (0..tokens.len()).map(|i| noise(i * 5) - 0.5).collect();
    TokenStrip::new("diverging", &tokens)
        .values(&signed, 0.5)
        .tint(Tint::Diverging)
        .show(ui);
    ui.add_space(space::GROUP);
    TokenStrip::new("one line", &tokens)
        .values(&values, 0.6)
        .one_line(11)
        .show(ui);
}
