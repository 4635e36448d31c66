//! The only maker of colours, font sizes and spacing: the palette for both themes, the fonts, egui's style, and the scales.
//!
//! Three hues have one meaning each, everywhere: amber for what features explain ([`Theme::activation`]), violet for the dictionary's error
//! ([`Theme::error`]), teal for edits ([`Theme::edit`]). Views take everything from [`Theme::from_ui`].

mod fonts;
pub(crate) mod icons;
mod scale;
mod style;
#[cfg(test)]
mod tests;

use egui::Color32;

pub(crate) use fonts::{
    axes_as_captions, body_strong, caption, icon, icon_font, mono, mono_caption, page_title,
    panel_title,
};
pub(crate) use scale::{Hue, Tinted};

/// Spacing on a grid of 4 pixels.
pub(crate) mod space {
    /// Inside a chip.
    pub(crate) const CHIP: f32 = 4.0;
    /// Between controls.
    pub(crate) const CONTROL: f32 = 8.0;
    /// Around a panel's content.
    pub(crate) const PANEL: f32 = 12.0;
    /// Between groups.
    pub(crate) const GROUP: f32 = 16.0;
    /// Height of a table's row.
    pub(crate) const TABLE_ROW: f32 = 24.0;
    /// Height of a control.
    pub(crate) const CONTROL_ROW: f32 = 28.0;
    /// Radius of corners.
    pub(crate) const CORNER: u8 = 4;
}

/// The four font sizes there are; text scales by the window's zoom, not by these.
pub(crate) mod size {
    /// Axis, caption.
    pub(crate) const CAPTION: f32 = 11.0;
    /// Body, table.
    pub(crate) const BODY: f32 = 13.0;
    /// Panel title.
    pub(crate) const PANEL: f32 = 15.0;
    /// Page title.
    pub(crate) const PAGE: f32 = 20.0;
}

/// Backgrounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Surface {
    /// Behind everything.
    pub(crate) window: Color32,
    /// Behind content.
    pub(crate) panel: Color32,
    /// Buttons, menus, cards.
    pub(crate) raised: Color32,
    /// Under the pointer.
    pub(crate) hover: Color32,
}

/// Lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// Between regions.
    pub(crate) hair: Color32,
    /// Around selected, focused and raised things.
    pub(crate) strong: Color32,
}

/// Text colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ink {
    /// Primary text.
    pub(crate) primary: Color32,
    /// Secondary text.
    pub(crate) secondary: Color32,
    /// Disabled text.
    pub(crate) disabled: Color32,
}

/// All colours of one theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Theme {
    /// Whether this is the dark one.
    pub(crate) dark: bool,
    /// Backgrounds.
    pub(crate) surface: Surface,
    /// Lines.
    pub(crate) line: Line,
    /// Text.
    pub(crate) ink: Ink,
    /// Activation of a feature (amber).
    pub(crate) activation: Color32,
    /// The error of a dictionary, dark matter (violet).
    pub(crate) error: Color32,
    /// Edits, steering (teal).
    pub(crate) edit: Color32,
    /// Promoted logits.
    pub(crate) promoted: Color32,
    /// Suppressed logits.
    pub(crate) suppressed: Color32,
    /// A thing to look at.
    pub(crate) warning: Color32,
    /// A failure.
    pub(crate) failure: Color32,
    /// Lines of a plot, in this order.
    pub(crate) series: [Color32; 5],
}

/// `0xRRGGBB` as a colour.
#[expect(
    clippy::disallowed_methods,
    reason = "this file is the only maker of colours"
)]
const fn hex(rgb: u32) -> Color32 {
    Color32::from_rgb((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
}

/// Red, green, blue and opacity of a pixel that was mixed from others, multiplied by its opacity.
#[expect(
    clippy::disallowed_methods,
    reason = "this file is the only maker of colours"
)]
pub(crate) fn premultiplied([red, green, blue, alpha]: [u8; 4]) -> Color32 {
    Color32::from_rgba_premultiplied(red, green, blue, alpha)
}

/// The dark theme.
pub(crate) static DARK: Theme = Theme {
    dark: true,
    surface: Surface {
        window: hex(0x0d_1015),
        panel: hex(0x13_171e),
        raised: hex(0x1a_2029),
        hover: hex(0x22_2a35),
    },
    line: Line {
        hair: hex(0x23_2b36),
        strong: hex(0x34_4050),
    },
    ink: Ink {
        primary: hex(0xdd_e4ee),
        secondary: hex(0x93_a0b2),
        disabled: hex(0x5c_6878),
    },
    activation: hex(0xf3_b13f),
    error: hex(0x9b_87f5),
    edit: hex(0x3f_c7b0),
    promoted: hex(0x6f_bf73),
    suppressed: hex(0xe0_736a),
    warning: hex(0xe8_c14a),
    failure: hex(0xef_6a61),
    series: [
        hex(0x5a_a9e6),
        hex(0xe0_7a9f),
        hex(0xa9_b665),
        hex(0xc0_8a5a),
        hex(0x8f_a3bf),
    ],
};

/// The light theme.
pub(crate) static LIGHT: Theme = Theme {
    dark: false,
    surface: Surface {
        window: hex(0xf6_f7f9),
        panel: hex(0xff_ffff),
        raised: hex(0xff_ffff),
        hover: hex(0xee_f1f5),
    },
    line: Line {
        hair: hex(0xe1_e5ea),
        strong: hex(0xc5_ccd6),
    },
    ink: Ink {
        primary: hex(0x1a_212b),
        secondary: hex(0x56_6273),
        disabled: hex(0x9a_a4b2),
    },
    activation: hex(0x94_5800),
    error: hex(0x6a_4fd8),
    edit: hex(0x0a_7868),
    promoted: hex(0x2f_7d36),
    suppressed: hex(0xb8_443b),
    warning: hex(0x8a_6500),
    failure: hex(0xc2_3a30),
    series: [
        hex(0x1f_6fb2),
        hex(0xb0_3a6b),
        hex(0x66_741f),
        hex(0x8a_5a2b),
        hex(0x5b_6675),
    ],
};

impl Theme {
    /// The theme in force where `ui` is drawn.
    pub(crate) fn from_ui(ui: &egui::Ui) -> &'static Self {
        Self::which(ui.visuals().dark_mode)
    }

    /// The dark or the light one.
    pub(crate) fn which(dark: bool) -> &'static Self {
        if dark { &DARK } else { &LIGHT }
    }

    /// Ground of what is selected: both inks of text and the amber of names are read on it.
    pub(crate) fn selected(&self) -> Color32 {
        let share = if self.dark { 0.20 } else { 0.15 };
        scale::mix(self.surface.raised, self.ink.secondary, share)
    }

    /// Colour of plot line `i` (the five repeat).
    pub(crate) fn series(&self, i: usize) -> Color32 {
        self.series[i % self.series.len()]
    }
}

/// The window's icon.
pub(crate) fn window_icon() -> egui::IconData {
    style::window_icon()
}

/// Installs fonts and both styles into a context. Called once at the start, and by the test harness.
pub(crate) fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts::definitions());
    ctx.set_style_of(egui::Theme::Dark, style::style(&DARK));
    ctx.set_style_of(egui::Theme::Light, style::style(&LIGHT));
    ctx.options_mut(|options| options.zoom_with_keyboard = false); // the text size is a setting of ours
}
