//! Colour scales, mixed in OKLab so that equal steps look equal.

use egui::Color32;

use super::Theme;

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

/// Contrast that text needs on the surface behind it.
const READABLE: f32 = 4.5;

impl Theme {
    /// The full colour of a scale.
    pub(crate) fn hue(&self, hue: Hue) -> Color32 {
        match hue {
            Hue::Activation => self.activation,
            Hue::Error => self.error,
            Hue::Edit => self.edit,
            Hue::Model => self.series[0],
        }
    }

    /// Sequential scale from the panel (0) to the full hue (1), for marks and cells without text.
    pub(crate) fn sequential(&self, hue: Hue, share: f32) -> Color32 {
        mix(self.surface.panel, self.hue(hue), share)
    }

    /// Sequential scale for behind text: 1 is the strongest tint on which primary text stays readable.
    pub(crate) fn tint(&self, hue: Hue, share: f32) -> Color32 {
        let most = self.strongest_tint(self.hue(hue));
        mix(
            self.surface.panel,
            self.hue(hue),
            share.clamp(0.0, 1.0) * most,
        )
    }

    /// Diverging scale for behind text: suppressed at −1, panel at 0, promoted at 1.
    pub(crate) fn diverging_tint(&self, value: f32) -> Color32 {
        let side = self.side(value);
        let most = self.strongest_tint(side);
        mix(self.surface.panel, side, value.abs().clamp(0.0, 1.0) * most)
    }

    /// Colour of a signed value: promoted above, suppressed below 0.
    pub(crate) fn side(&self, value: f32) -> Color32 {
        if value < 0.0 {
            self.suppressed
        } else {
            self.promoted
        }
    }

    /// The largest share of `colour` over the panel that leaves primary text readable.
    fn strongest_tint(&self, colour: Color32) -> f32 {
        let readable =
            |share| contrast(self.ink.primary, mix(self.surface.panel, colour, share)) >= READABLE;
        let (mut low, mut high) = (0.0, 1.0);
        if readable(high) {
            return high;
        }
        for _ in 0..10 {
            let middle = f32::midpoint(low, high);
            if readable(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
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

fn linear(colour: Color32) -> [f32; 3] {
    let rgba = egui::Rgba::from(colour);
    [rgba.r(), rgba.g(), rgba.b()]
}

fn oklab(colour: Color32) -> [f32; 3] {
    let [r, g, b] = linear(colour);
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
