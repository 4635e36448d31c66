//! A feature's name as text: its label or clearest fact, or the token at which it peaks, lit, between a few words of context.

use std::sync::Arc;

use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{FontId, Galley, Stroke, Ui};
use umbra_core::features::Name;

use crate::theme::{Theme, size};

/// Characters of context that are worth showing on one side; fewer are left out.
const LEAST: usize = 2;

/// Lays a name out in one line that is at most `room` wide: a label or fact is cut at its end, a peak loses its context first. None where nothing is known.
pub(crate) fn layout(ui: &Ui, name: Name<'_>, room: f32) -> Option<Arc<Galley>> {
    let theme = Theme::from_ui(ui);
    let mut job = LayoutJob::default();
    if let Some(words) = name.label.or(name.fact) {
        let font = FontId::proportional(size::BODY);
        // A person's words stand out from measured ones.
        let ink = if name.label.is_some() {
            theme.ink.primary
        } else {
            theme.ink.secondary
        };
        job = LayoutJob::simple_singleline(words.to_owned(), font, ink);
    } else {
        let mono = FontId::monospace(size::BODY);
        let character = ui.fonts_mut(|fonts| fonts.glyph_width(&mono, 'm'));
        let most = (room / character.max(1.0)) as usize;
        let [before, token, after] = parts(name, most)?;
        let plain = TextFormat::simple(mono, theme.ink.secondary);
        let lit = TextFormat {
            color: theme.activation,
            underline: Stroke::new(1.0, theme.activation),
            ..plain.clone()
        };
        job.append(&before, 0.0, plain.clone());
        job.append(&token, 0.0, lit);
        job.append(&after, 0.0, plain);
    }
    job.wrap = TextWrapping::truncate_at_width(room);
    Some(ui.painter().layout_job(job))
}

/// Returns what is shown before, at and after the peak in at most `most` characters; the token itself is cut only where nothing else is left.
fn parts(name: Name<'_>, most: usize) -> Option<[String; 3]> {
    let Some(peak) = name.peak else {
        let token = name.token.filter(|token| !token.is_empty())?;
        return Some([String::new(), token.replace('\n', "⏎"), String::new()]);
    };
    let [before, token, after] = peak.on_one_line();
    let length = |text: &str| text.chars().count();
    let room = most.saturating_sub(length(&token));
    let behind = length(&after)
        .min(room / 2)
        .max(room.saturating_sub(length(&before)));
    let ahead = room.saturating_sub(length(&after).min(behind));
    Some([ending(&before, ahead), token, beginning(&after, behind)])
}

/// The last `most` characters, `…` before them where something is cut.
fn ending(text: &str, most: usize) -> String {
    let all = text.chars().count();
    if all <= most {
        return text.to_owned();
    }
    if most <= LEAST {
        return String::new();
    }
    let kept: String = text.chars().skip(all - (most - 1)).collect();
    format!("…{kept}")
}

/// The first `most` characters, `…` behind them where something is cut.
fn beginning(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    if most <= LEAST {
        return String::new();
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use umbra_core::features::Peak;

    use super::*;

    #[track_caller]
    fn check(most: usize, want: [&str; 3]) {
        let peak = Peak {
            before: " once the old".to_owned(),
            token: " king".to_owned(),
            after: "\n said to".to_owned(),
        };
        let name = Name::new(None, Some(&peak));
        assert_eq!(parts(name, most).unwrap(), want, "{most}");
    }

    #[test]
    fn context_gives_way_before_the_token_does() {
        check(60, ["once the old", " king", "⏎ said to"]);
        check(26, ["once the old", " king", "⏎ said to"]);
        check(19, ["…he old", " king", "⏎ said…"]);
        check(8, ["", " king", ""]);
        check(3, ["", " king", ""]);
        let bare = parts(Name::of_token("\n"), 9).unwrap();
        assert_eq!(bare, ["", "⏎", ""]);
        assert_eq!(parts(Name::default(), 9), None);
    }

    #[test]
    fn a_name_fits_its_room() {
        let peak = Peak {
            before: " once upon a time the old".to_owned(),
            token: " king".to_owned(),
            after: " said to Dorothy".to_owned(),
        };
        let long = "a label that is longer than its room";
        for name in [Name::new(None, Some(&peak)), Name::labelled(long)] {
            for room in [30.0, 90.0, 200.0] {
                super::super::staged(
                    move |ui, (): &mut ()| {
                        let width = layout(ui, name, room).unwrap().size().x;
                        assert!(width <= room + 0.5, "{width} in {room}");
                    },
                    (),
                )
                .run();
            }
        }
        super::super::staged(
            |ui, (): &mut ()| assert!(layout(ui, Name::default(), 99.0).is_none()),
            (),
        )
        .run();
    }
}
