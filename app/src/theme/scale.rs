//! Colour scales in OKLab. Equal shares are equal steps for the eye, lightness goes one way only, and what is written on a step is readable: the ink
//! turns dark where the scale is light, in the dark theme above about 60 %.
//!
//! A scale is a curve from the panel through a vivid middle to its full colour, so that a weak activation glows instead of greying. The full colours
//! differ from the hues of marks and text: as a ground they may be lighter.

use std::sync::OnceLock;

use egui::Color32;

use super::{Theme, hex};

/// Meaning of a sequential scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hue {
    /// Activation of features (amber).
    Activation,
    /// Error, dark matter (violet).
    Error,
    /// Edits, steering (teal).
    Edit,
    /// Values that the model computes: probabilities, attention weights (the first line of a plot).
    Model,
}

/// A ground and what is written on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tinted {
    /// The ground.
    pub(crate) fill: Color32,
    /// Text on it.
    pub(crate) ink: Color32,
}

/// Contrast that text needs on the surface behind it.
pub(super) const READABLE: f32 = 4.5;

/// Steps that are kept of each scale.
const STEPS: usize = 256;

/// Points by which the length of a curve is measured.
const FINE: usize = 1024;

/// A scale: sequential by hue, or one side of the diverging one.
#[derive(Debug, Clone, Copy)]
enum Ramp {
    Hue(Hue),
    /// A kind among several, by its place in the series.
    Kind(usize),
    Promoted,
    Suppressed,
    /// Less likely by an edit.
    Neutral,
}

impl Ramp {
    const ALL: [Self; 12] = [
        Self::Hue(Hue::Activation),
        Self::Hue(Hue::Error),
        Self::Hue(Hue::Edit),
        Self::Hue(Hue::Model),
        Self::Promoted,
        Self::Suppressed,
        Self::Kind(0),
        Self::Kind(1),
        Self::Kind(2),
        Self::Kind(3),
        Self::Kind(4),
        Self::Neutral,
    ];

    fn index(self) -> usize {
        match self {
            Self::Hue(hue) => hue as usize,
            Self::Promoted => 4,
            Self::Suppressed => 5,
            Self::Kind(kind) => 6 + kind,
            Self::Neutral => 11,
        }
    }

    /// The colour of the last step.
    fn end(self, dark: bool) -> Color32 {
        const KINDS: [(u32, u32); 5] = [
            (0x74_b9f2, 0x5a_a5e6),
            (0xe0_7a9f, 0xdf_7098),
            (0xa9_b665, 0x9a_a94c),
            (0xcf_975f, 0xc5_8a4e),
            (0x9d_b0cc, 0x8c_9cb4),
        ];
        let (dark_end, light_end) = match self {
            Self::Kind(kind) => KINDS[kind],
            Self::Hue(Hue::Activation) => (0xf3_b13f, 0xed_a01e),
            Self::Hue(Hue::Error) => (0xb3_a2ff, 0xa0_8ff5),
            Self::Hue(Hue::Edit) => (0x45_cdb6, 0x1f_b8a3),
            Self::Hue(Hue::Model) => (0x74_b9f2, 0x5a_a5e6),
            Self::Promoted => (0x8d_dc91, 0x74_cc78),
            // Darker than the promoted side: red and green look alike to many.
            Self::Suppressed => (0xdc_5f55, 0xdc_5f54),
            Self::Neutral => (0x8d_939c, 0xa2_a7ae),
        };
        hex(if dark { dark_end } else { light_end })
    }

    /// Lightness, chroma and hue that the curve bends towards.
    fn bend(self, dark: bool, from: [f32; 3], to: [f32; 3]) -> [f32; 3] {
        let (lightness, chroma, angle) = match (self, dark) {
            // Embers before amber, pale sunlight before it.
            (Self::Hue(Hue::Activation), true) => (0.56, 0.135, 62.0_f32.to_radians()),
            (Self::Hue(Hue::Activation), false) => (0.90, 0.12, 82.0_f32.to_radians()),
            _ => {
                let vivid = if dark { 0.85 } else { 0.8 };
                let middle = f32::midpoint(from[0], to[0]);
                (middle, vivid * to[1].hypot(to[2]), to[2].atan2(to[1]))
            }
        };
        [lightness, chroma * angle.cos(), chroma * angle.sin()]
    }

    /// All steps, even along the curve.
    fn steps(self, theme: &Theme) -> Vec<Tinted> {
        let from = oklab(theme.surface.panel);
        let to = oklab(self.end(theme.dark));
        let bend = self.bend(theme.dark, from, to);
        let point = |at: f32| -> [f32; 3] {
            let rest = 1.0 - at;
            std::array::from_fn(|i| {
                rest * rest * from[i] + 2.0 * at * rest * bend[i] + at * at * to[i]
            })
        };
        let points: Vec<[f32; 3]> = (0..=FINE).map(|i| point(i as f32 / FINE as f32)).collect();
        let mut lengths = vec![0.0];
        for pair in points.windows(2) {
            let so_far = lengths[lengths.len() - 1];
            lengths.push(so_far + distance(pair[0], pair[1]));
        }
        let whole = lengths[FINE];
        (0..STEPS)
            .map(|step| {
                let along = whole * step as f32 / (STEPS - 1) as f32;
                let at = lengths.partition_point(|length| *length < along);
                let fill = match step {
                    0 => theme.surface.panel,
                    _ => from_oklab(points[at.min(FINE)]),
                };
                Tinted {
                    fill,
                    ink: ink_on(theme, fill),
                }
            })
            .collect()
    }
}

/// The theme's own ink where it is readable, else the clearest there is.
fn ink_on(theme: &Theme, fill: Color32) -> Color32 {
    let inks = if theme.dark {
        [
            theme.ink.primary,
            Color32::WHITE,
            theme.surface.window,
            Color32::BLACK,
        ]
    } else {
        [
            theme.ink.primary,
            Color32::BLACK,
            Color32::WHITE,
            Color32::BLACK,
        ]
    };
    let readable = inks.iter().find(|ink| contrast(**ink, fill) >= READABLE);
    readable.copied().unwrap_or(Color32::BLACK)
}

/// The scales of a theme, made once.
fn ramps(theme: &Theme) -> &'static [Vec<Tinted>; 12] {
    static RAMPS: [OnceLock<[Vec<Tinted>; 12]>; 2] = [OnceLock::new(), OnceLock::new()];
    RAMPS[usize::from(theme.dark)].get_or_init(|| Ramp::ALL.map(|ramp| ramp.steps(theme)))
}

impl Theme {
    /// The full colour of a hue, for marks and text.
    pub(crate) fn hue(&self, hue: Hue) -> Color32 {
        match hue {
            Hue::Activation => self.activation,
            Hue::Error => self.error,
            Hue::Edit => self.edit,
            Hue::Model => self.series[0],
        }
    }

    /// A mark between the panel (0) and the full colour of its hue (1); not a ground for text.
    pub(crate) fn mark(&self, hue: Hue, share: f32) -> Color32 {
        mix(self.surface.panel, self.hue(hue), share)
    }

    /// Sequential scale: the panel at 0, the full colour at 1, with what is written on it.
    pub(crate) fn tint(&self, hue: Hue, share: f32) -> Tinted {
        self.step(Ramp::Hue(hue), share)
    }

    /// Sequential scale of one of several kinds, in the order of the series (the five repeat).
    pub(crate) fn kind_tint(&self, kind: usize, share: f32) -> Tinted {
        self.step(Ramp::Kind(kind % self.series.len()), share)
    }

    /// Diverging scale: suppressed at −1, the panel at 0, promoted at 1, with what is written on it.
    pub(crate) fn diverging_tint(&self, value: f32) -> Tinted {
        let ramp = if value < 0.0 {
            Ramp::Suppressed
        } else {
            Ramp::Promoted
        };
        self.step(ramp, value.abs())
    }

    /// Diverging scale of what an edit changed: grey at −1 (less likely), the panel at 0, teal at 1 (likelier), with what is written on it.
    pub(crate) fn edited_tint(&self, value: f32) -> Tinted {
        let ramp = if value < 0.0 {
            Ramp::Neutral
        } else {
            Ramp::Hue(Hue::Edit)
        };
        self.step(ramp, value.abs())
    }

    /// Colour of a signed value: promoted above, suppressed below 0.
    pub(crate) fn side(&self, value: f32) -> Color32 {
        if value < 0.0 {
            self.suppressed
        } else {
            self.promoted
        }
    }

    fn step(&self, ramp: Ramp, share: f32) -> Tinted {
        let share = if share.is_finite() { share } else { 0.0 };
        let step = (share.clamp(0.0, 1.0) * (STEPS - 1) as f32).round() as usize;
        ramps(self)[ramp.index()][step]
    }
}

/// `share` of the way from one colour to another, in OKLab.
pub(super) fn mix(from: Color32, to: Color32, share: f32) -> Color32 {
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let (a, b) = (oklab(from), oklab(to));
    from_oklab(std::array::from_fn(|i| a[i] + (b[i] - a[i]) * share))
}

/// WCAG contrast ratio of two opaque colours.
pub(super) fn contrast(a: Color32, b: Color32) -> f32 {
    let luminance = |c: Color32| {
        let [r, g, b] = linear(c);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Distance of two colours in OKLab; about 0.02 is just seen.
pub(super) fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    let squares = (0..3).map(|i| (a[i] - b[i]) * (a[i] - b[i]));
    squares.sum::<f32>().sqrt()
}

/// Linear red, green and blue.
pub(super) fn linear(colour: Color32) -> [f32; 3] {
    let rgba = egui::Rgba::from(colour);
    [rgba.r(), rgba.g(), rgba.b()]
}

pub(super) fn oklab(colour: Color32) -> [f32; 3] {
    oklab_of(linear(colour))
}

/// OKLab of linear red, green and blue.
pub(super) fn oklab_of([r, g, b]: [f32; 3]) -> [f32; 3] {
    let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

fn from_oklab([l, a, b]: [f32; 3]) -> Color32 {
    let long = (l + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let medium = (l - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let short = (l - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    let rgb = [
        4.076_741_7 * long - 3.307_711_6 * medium + 0.230_969_94 * short,
        -1.268_438 * long + 2.609_757_4 * medium - 0.341_319_38 * short,
        -0.004_196_086_3 * long - 0.703_418_6 * medium + 1.707_614_7 * short,
    ];
    let [r, g, b] = rgb.map(|v| v.clamp(0.0, 1.0));
    egui::Rgba::from_rgb(r, g, b).into()
}
