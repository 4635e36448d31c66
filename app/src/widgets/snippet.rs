//! An example in one line: its tokens around the peak, each on a tint that tells its activation, the peak underlined. Painted as one text, for tables with
//! many rows; [`super::token_strip`] is for reading and clicking.

use std::sync::Arc;

use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{FontId, Galley, Stroke, Ui};
use umbra_core::features::{Example, is_marker};

use super::token_strip::Scale;
use crate::theme::{Hue, Theme, size};

/// Share of the room that stands before the peak.
const BEFORE: f32 = 0.45;

/// Lays the tokens of an example out that fit into `room`, the peak among them.
pub(crate) fn layout(ui: &Ui, example: &Example, scale: Scale, room: f32) -> Arc<Galley> {
    let theme = Theme::from_ui(ui);
    let font = FontId::monospace(size::BODY);
    let character = ui.fonts_mut(|fonts| fonts.glyph_width(&font, 'm'));
    let shown = around(example, (room / character.max(1.0)) as usize);
    let mut job = LayoutJob::default();
    let goes_on = shown.start > 0 && !is_marker(&example.tokens[shown.start - 1]);
    if goes_on && shown.start < example.at {
        let dots = TextFormat::simple(font.clone(), theme.ink.secondary);
        job.append("…", 0.0, dots);
    }
    for at in shown {
        let act = example.acts.get(at).copied().unwrap_or_default();
        let share = (act.abs() / scale.most.max(f32::MIN_POSITIVE)).min(1.0);
        let mut format = TextFormat::simple(font.clone(), theme.ink.secondary);
        if share > 0.0 {
            let tint = if act < 0.0 {
                theme.diverging_tint(-share)
            } else {
                theme.tint(Hue::Activation, share)
            };
            (format.background, format.color) = (tint.fill, tint.ink);
        }
        if at == example.at {
            format.underline = Stroke::new(1.0, format.color);
        }
        job.append(&example.tokens[at].replace('\n', "⏎"), 0.0, format);
    }
    job.wrap = TextWrapping::truncate_at_width(room);
    ui.painter().layout_job(job)
}

/// The tokens that fit into `most` characters: the peak, as many before it as [`BEFORE`] leaves room for, and as many behind it; none beyond the
/// beginning or the end of its document.
fn around(example: &Example, most: usize) -> std::ops::Range<usize> {
    let length = |at: usize| example.tokens[at].chars().count();
    let ahead = (most as f32 * BEFORE) as usize;
    let (mut from, mut before) = (example.at, 0);
    let ends = |at: usize| is_marker(&example.tokens[at]);
    while from > 0 && !ends(from - 1) && before + length(from - 1) <= ahead {
        from -= 1;
        before += length(from);
    }
    let (mut to, mut used) = (example.at, before);
    let more = |to: usize, used: usize| to == example.at || (used < most && !ends(to));
    while to < example.tokens.len() && more(to, used) {
        used += length(to);
        to += 1;
    }
    from..to
}

#[cfg(test)]
mod tests {
    use umbra_core::features::Example;

    use super::*;

    fn example() -> Example {
        let tokens = ["Once", " upon", " a", " time", " the", " king", " said"];
        Example {
            document: "oz".to_owned(),
            place: None,
            ids: vec![],
            tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
            acts: vec![0.0, 0.0, -1.0, 0.0, 0.5, 4.0, 1.0],
            at: 5,
        }
    }

    #[test]
    fn the_peak_is_always_among_the_tokens_shown() {
        let example = example();
        for (most, want) in [(3, 5..6), (14, 4..7), (20, 3..7), (30, 2..7), (60, 0..7)] {
            assert_eq!(around(&example, most), want, "{most}");
        }
        let mut parted = example;
        "<|endoftext|>".clone_into(&mut parted.tokens[3]);
        assert_eq!(around(&parted, 60), 4..7);
    }

    #[test]
    fn a_snippet_fits_its_room() {
        let scale = Scale {
            most: 4.0,
            signed: true,
        };
        super::super::staged(
            move |ui, (): &mut ()| {
                for room in [24.0, 120.0, 500.0] {
                    let galley = layout(ui, &example(), scale, room);
                    assert!(galley.size().x <= room + 0.5, "{room}");
                    assert!(galley.text().contains("king"), "{room}");
                    let cut = galley.text().starts_with('…');
                    assert_eq!(cut, room == 120.0, "{room}: {}", galley.text());
                }
            },
            (),
        )
        .run();
    }
}
