//! Contrast of every pair that is used, the scales (readable, even, one way, seen by the colour-blind), and that every icon is in the font.

use egui::Color32;

use super::scale::{READABLE, contrast, distance, linear, oklab, oklab_of};
use super::style::style;
use super::{DARK, Hue, LIGHT, Theme, Tinted};

const THEMES: [&Theme; 2] = [&DARK, &LIGHT];

/// A scale by its name: the step at a share from 0 to 1.
type Scale = (&'static str, fn(&Theme, f32) -> Tinted);

const SCALES: [Scale; 12] = [
    ("activation", |theme, share| {
        theme.tint(Hue::Activation, share)
    }),
    ("error", |theme, share| theme.tint(Hue::Error, share)),
    ("edit", |theme, share| theme.tint(Hue::Edit, share)),
    ("model", |theme, share| theme.tint(Hue::Model, share)),
    ("promoted", |theme, share| theme.diverging_tint(share)),
    ("suppressed", |theme, share| theme.diverging_tint(-share)),
    ("less likely", |theme, share| theme.edited_tint(-share)),
    ("first kind", |theme, share| theme.kind_tint(0, share)),
    ("second kind", |theme, share| theme.kind_tint(1, share)),
    ("third kind", |theme, share| theme.kind_tint(2, share)),
    ("fourth kind", |theme, share| theme.kind_tint(3, share)),
    ("fifth kind", |theme, share| theme.kind_tint(4, share)),
];

/// Every scale of both themes.
fn scales() -> impl Iterator<Item = (&'static Theme, Scale)> {
    THEMES
        .into_iter()
        .flat_map(|theme| SCALES.into_iter().map(move |scale| (theme, scale)))
}

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
                    ratio >= READABLE,
                    "dark {}: {text:?} on {surface:?} is {ratio:.2}",
                    theme.dark
                );
            }
            // What stands in rows, on a selected one.
            for text in [theme.ink.primary, theme.ink.secondary, theme.activation] {
                let ratio = contrast(text, theme.selected());
                assert!(ratio >= READABLE, "{text:?} when selected: {ratio:.2}");
            }
            for mark in theme.series {
                assert!(contrast(mark, surface) >= 3.0, "{mark:?} on {surface:?}");
            }
        }
    }
}

#[test]
fn contrast_knows_black_on_white_and_refuses_a_faint_pair() {
    assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 0.01);
    assert!(contrast(DARK.ink.disabled, DARK.surface.hover) < READABLE);
}

#[test]
fn token_text_is_readable_on_every_step_of_every_scale() {
    for (theme, (name, scale)) in scales() {
        for step in 0..=1000 {
            let Tinted { fill, ink } = scale(theme, step as f32 / 1000.0);
            let ratio = contrast(fill, ink);
            let dark = theme.dark;
            assert!(ratio >= READABLE, "{name}, dark {dark}, {step} ‰: {ratio}");
        }
    }
    // The ink of the lower steps would not do at the top: the check tells them apart.
    let full = DARK.tint(Hue::Activation, 1.0).fill;
    assert!(contrast(full, DARK.ink.primary) < READABLE);
}

#[test]
fn activation_reaches_real_amber_with_dark_text_above_sixty_percent() {
    for theme in THEMES {
        let full = theme.tint(Hue::Activation, 1.0);
        let [lightness, a, b] = oklab(full.fill);
        let hue = b.atan2(a).to_degrees();
        assert!(lightness > 0.75 && a.hypot(b) > 0.14, "{full:?} glows");
        assert!((60.0..90.0).contains(&hue), "{hue} is amber");
        for step in 65..=100 {
            let ink = theme.tint(Hue::Activation, step as f32 / 100.0).ink;
            assert!(oklab(ink)[0] < 0.3, "{step} %: {ink:?} is dark");
        }
    }
    let light = |share| oklab(DARK.tint(Hue::Activation, share).ink)[0] > 0.8;
    assert!(light(0.0) && light(0.58), "light text below");
}

#[test]
fn scales_go_one_way_in_even_steps() {
    for (theme, (name, scale)) in scales() {
        let steps: Vec<[f32; 3]> = (0..=15)
            .map(|i| oklab(scale(theme, i as f32 / 15.0).fill))
            .collect();
        let way = if theme.dark { 1.0 } else { -1.0 };
        let lengths: Vec<f32> = steps
            .windows(2)
            .map(|pair| {
                let rise = (pair[1][0] - pair[0][0]) * way;
                assert!(rise > 0.0, "{name}, dark {}: {pair:?}", theme.dark);
                distance(pair[0], pair[1])
            })
            .collect();
        let mean = lengths.iter().sum::<f32>() / 15.0;
        for length in lengths {
            let off = (length / mean - 1.0).abs();
            assert!(
                off < 0.25,
                "{name}, dark {}: {length} of {mean}",
                theme.dark
            );
        }
        assert_eq!(scale(theme, 0.0).fill, theme.surface.panel);
        assert_eq!(scale(theme, f32::NAN).fill, theme.surface.panel);
        assert_eq!(scale(theme, 7.0), scale(theme, 1.0));
    }
}

/// Transforms colours to what people see who lack one kind of cone, completely: red, green and blue in linear light (Machado, Oliveira and Fernandes 2009).
const BLINDNESS: [(&str, [[f32; 3]; 3]); 3] = [
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

/// Least distance of two colours as seen with each kind of colour blindness, in OKLab, where 0.02 is just seen.
fn seen_apart(a: Color32, b: Color32) -> f32 {
    let seen = |colour: Color32, matrix: &[[f32; 3]; 3]| {
        let rgb = linear(colour);
        oklab_of(matrix.map(|row| {
            let sum: f32 = row.iter().zip(rgb).map(|(m, v)| m * v).sum();
            sum.clamp(0.0, 1.0)
        }))
    };
    let apart = BLINDNESS.map(|(_, matrix)| distance(seen(a, &matrix), seen(b, &matrix)));
    apart.into_iter().fold(f32::INFINITY, f32::min)
}

#[test]
fn the_colour_blind_tell_the_three_hues_and_the_ends_of_the_scales_apart() {
    for theme in THEMES {
        let dark = theme.dark;
        let hues = [Hue::Activation, Hue::Error, Hue::Edit];
        for (i, a) in hues.into_iter().enumerate() {
            for b in &hues[i + 1..] {
                let marks = seen_apart(theme.hue(a), theme.hue(*b));
                assert!(marks >= 0.06, "{a:?} and {b:?}, dark {dark}: {marks}");
                let full = seen_apart(theme.tint(a, 1.0).fill, theme.tint(*b, 1.0).fill);
                assert!(
                    full >= 0.10,
                    "grounds of {a:?} and {b:?}, dark {dark}: {full}"
                );
            }
            let ends = seen_apart(theme.surface.panel, theme.tint(a, 1.0).fill);
            assert!(ends >= 0.2, "{a:?}, dark {dark}: {ends}");
        }
        let (promoted, suppressed) = (theme.diverging_tint(1.0), theme.diverging_tint(-1.0));
        let sides = seen_apart(promoted.fill, suppressed.fill);
        assert!(sides >= 0.10, "the sides, dark {dark}: {sides}");
        for side in [promoted, suppressed] {
            assert!(seen_apart(theme.surface.panel, side.fill) >= 0.2);
        }
    }
    // A green and a red of one lightness are told apart by nobody with deuteranopia.
    assert!(seen_apart(LIGHT.promoted, LIGHT.suppressed) < 0.06);
}

#[test]
fn a_field_with_the_focus_has_no_border_of_its_own_inside_the_ring() {
    for theme in THEMES {
        let visuals = style(theme).visuals;
        assert!(visuals.selection.stroke.width < f32::EPSILON);
        let (active, at_rest) = (visuals.widgets.active, visuals.widgets.inactive);
        assert_eq!(active.bg_stroke, at_rest.bg_stroke);
    }
}

#[test]
fn fields_write_a_true_minus() {
    let written = style(&DARK).number_formatter;
    assert_eq!(written.format(-0.125, 1..=3), "−0.125");
    assert_eq!(written.format(8.0, 1..=3), "8.0");
}
