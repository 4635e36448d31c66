//! The second text, and both texts token by token.

use std::sync::Arc;

use egui::{FontId, Id, Label, RichText, Role, Sense, TextEdit, Ui, WidgetInfo, vec2};
use umbra_core::models::Model;

use crate::state::AppState;
use crate::state::steering::causes::patching::Form;
use crate::theme::{Hue, Theme, icons, size, space};

/// Both texts as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Aligned {
    /// Tokens of each text, in display form.
    tokens: [Vec<String>; 2],
    /// Whether the tokens differ, position by position.
    differs: Vec<bool>,
}

/// Draws the field of the second text and both texts token by token; true if they can be patched.
pub(super) fn pair_ui(ui: &mut Ui, state: &AppState, text: &str, form: &mut Form) -> bool {
    let mut second = form.second.clone().unwrap_or_else(|| text.to_owned());
    let (label, back) = ui
        .horizontal_wrapped(|ui| {
            ui.set_min_height(space::CONTROL_ROW);
            let label = ui.label("Second text");
            let differs = second != text;
            let back = differs && ui.button("Start from the first text").clicked();
            (label, back)
        })
        .inner;
    let edit = TextEdit::multiline(&mut second)
        .desired_rows(1)
        .desired_width(f32::INFINITY)
        .hint_text("The first text with a word changed");
    if ui.add(edit).labelled_by(label.id).changed() {
        form.second = Some(second.clone());
    }
    if back {
        form.second = None;
        text.clone_into(&mut second);
    }
    ui.add_space(space::CHIP);
    let Some(loaded) = state.model() else {
        return false;
    };
    let Some(aligned) = aligned(ui, &loaded.model, [text, &second]) else {
        return false;
    };
    if aligned.tokens[0] != aligned.tokens[1] {
        tokens_ui(ui, &aligned);
    }
    let theme = Theme::from_ui(ui);
    let [first, other] = [0, 1].map(|at| aligned.tokens[at].len());
    let count = aligned.differs.iter().filter(|differs| **differs).count();
    let (words, ink, ready) = if first != other {
        let words = format!(
            "{} The first text has {first} tokens and the second {other}: positions match only in texts of one length. Change one of them.",
            icons::WARNING
        );
        (words, theme.warning, false)
    } else if count == 0 {
        let words = "Both texts are the same: change a word of the second text.".to_owned();
        (words, theme.ink.secondary, false)
    } else {
        let words = format!(
            "The texts differ in {count} of {first} tokens: above the first text, below the second."
        );
        (words, theme.ink.secondary, true)
    };
    ui.add(Label::new(RichText::new(words).color(ink)).wrap());
    ready
}

/// Returns both texts as tokens; made anew only for other texts. None for a text that cannot be tokenized.
fn aligned(ui: &Ui, model: &Model, texts: [&str; 2]) -> Option<Arc<Aligned>> {
    type Kept = (String, [String; 2], Option<Arc<Aligned>>);
    let id = Id::unique("aligned texts");
    let key = (model.fingerprint().to_owned(), texts.map(str::to_owned));
    let kept = ui.data(|data| data.get_temp::<Kept>(id));
    if let Some((model, texts, aligned)) = kept
        && (model, texts) == key
    {
        return aligned;
    }
    let codec = model.codec();
    let ids = |text: &str| codec.encode_with_bos(text).ok();
    let made = ids(texts[0]).zip(ids(texts[1])).map(|(clean, corrupt)| {
        let shown = |ids: &[umbra_core::ids::TokenId]| -> Vec<String> {
            let each = ids.iter().map(|id| codec.display(*id));
            each.map(|token| token.replace('\n', "⏎")).collect()
        };
        Arc::new(Aligned {
            tokens: [shown(&clean), shown(&corrupt)],
            differs: clean.iter().zip(&corrupt).map(|(a, b)| a != b).collect(),
        })
    });
    ui.data_mut(|data| data.insert_temp::<Kept>(id, (key.0, key.1, made.clone())));
    made
}

/// Draws the tokens of the first text, and below each that differs the one of the second.
fn tokens_ui(ui: &mut Ui, aligned: &Aligned) {
    let theme = *Theme::from_ui(ui);
    let most = aligned.tokens[0].len().max(aligned.tokens[1].len());
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(2.0, space::CHIP);
        for at in 0..most {
            let token = |text: usize| aligned.tokens[text].get(at).map_or("", String::as_str);
            let differs = aligned.differs.get(at) != Some(&false);
            let ink = if differs {
                theme.ink.primary
            } else {
                theme.ink.secondary
            };
            let font = FontId::monospace(size::CAPTION);
            let galley = |text: &str| {
                ui.painter()
                    .layout_no_wrap(text.to_owned(), font.clone(), ink)
            };
            let lines = [
                galley(token(0)),
                galley(if differs { token(1) } else { "" }),
            ];
            let width = lines.iter().map(|line| line.size().x).fold(6.0, f32::max);
            let height = ui.fonts_mut(|fonts| fonts.row_height(&font));
            let cell = vec2(width + 6.0, 2.0 * height + 4.0);
            let (rect, response) = ui.allocate_exact_size(cell, Sense::hover());
            if differs {
                let fill = theme.tint(Hue::Edit, 0.35).fill;
                ui.painter().rect_filled(rect, space::CORNER, fill);
            }
            for (row, line) in lines.into_iter().enumerate() {
                let down = 2.0 + row as f32 * height;
                ui.painter().galley(rect.min + vec2(3.0, down), line, ink);
            }
            let words = if differs {
                format!(
                    "Position {at}: “{}” in the first text, “{}” in the second",
                    token(0),
                    token(1)
                )
            } else {
                format!("Position {at}: “{}” in both texts", token(0))
            };
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
            response.on_hover_text(words);
        }
    });
}
