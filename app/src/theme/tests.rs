//! Contrast of every pair that is used, evenness of the scales, and that every icon is in the font.

use super::scale::contrast;
use super::{DARK, Hue, LIGHT, Theme};

const THEMES: [&Theme; 2] = [&DARK, &LIGHT];

#[test]
fn text_is_readable_on_every_surface() {
    for theme in THEMES {
        let s = &theme.surface;
        for surface in [s.window, s.panel, s.raised, s.hover] {
            let texts = [
                theme.ink.primary,
                theme.ink.secondary,
                theme.activation,
                theme.error,
                theme.edit,
                theme.promoted,
                theme.suppressed,
                theme.warning,
                theme.failure,
            ];
            for text in texts {
                let ratio = contrast(text, surface);
                assert!(
                    ratio >= 4.5,
                    "dark {}: {text:?} on {surface:?} is {ratio:.2}",
                    theme.dark
                );
            }
            for mark in theme.series {
                assert!(contrast(mark, surface) >= 3.0, "{mark:?} on {surface:?}");
            }
        }
    }
}

#[test]
fn contrast_knows_black_on_white_and_refuses_a_faint_pair() {
    assert!((contrast(egui::Color32::BLACK, egui::Color32::WHITE) - 21.0).abs() < 0.01);
    assert!(contrast(DARK.ink.disabled, DARK.surface.hover) < 4.5);
}

#[test]
fn text_stays_readable_on_the_strongest_tints() {
    for theme in THEMES {
        for hue in [Hue::Activation, Hue::Error, Hue::Edit, Hue::Model] {
            assert!(contrast(theme.ink.primary, theme.tint(hue, 1.0)) >= 4.45);
            assert!(
                contrast(theme.surface.panel, theme.tint(hue, 1.0)) > 1.6,
                "a full tint is seen"
            );
        }
        for value in [-1.0, 1.0] {
            assert!(contrast(theme.ink.primary, theme.diverging_tint(value)) >= 4.45);
        }
    }
}

#[test]
fn scales_move_away_from_the_panel_step_by_step() {
    for theme in THEMES {
        for hue in [Hue::Activation, Hue::Error, Hue::Edit, Hue::Model] {
            let steps: Vec<f32> = (0..=10)
                .map(|i| contrast(theme.surface.panel, theme.sequential(hue, i as f32 / 10.0)))
                .collect();
            assert!(steps.windows(2).all(|w| w[1] > w[0]), "{steps:?}");
        }
        assert_eq!(theme.diverging_tint(0.0), theme.surface.panel);
        assert_ne!(theme.diverging_tint(0.5), theme.diverging_tint(-0.5));
        assert_eq!(theme.sequential(Hue::Error, f32::NAN), theme.surface.panel);
    }
}
