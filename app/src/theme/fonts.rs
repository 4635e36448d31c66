//! Inter for words, JetBrains Mono for tokens and numbers, Phosphor for icons; egui's own fonts behind them for scripts and signs they lack.

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily, FontId, RichText, TextStyle};

use super::size;

const STRONG: &str = "strong";
const ICONS: &str = "icons";

/// The family of semi-bold words.
fn strong() -> FontFamily {
    FontFamily::Name(STRONG.into())
}

/// All fonts and their fall-backs.
pub(super) fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let files: [(&str, &'static [u8]); 4] = [
        (
            "Inter",
            include_bytes!("../../../assets/fonts/Inter-Regular.otf"),
        ),
        (
            "InterSemiBold",
            include_bytes!("../../../assets/fonts/Inter-SemiBold.otf"),
        ),
        (
            "JetBrainsMono",
            include_bytes!("../../../assets/fonts/JetBrainsMono-Regular.ttf"),
        ),
        (
            "Phosphor",
            include_bytes!("../../../assets/fonts/Phosphor.ttf"),
        ),
    ];
    for (name, bytes) in files {
        fonts
            .font_data
            .insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    }
    let behind = |family: &FontFamily| fonts.families.get(family).cloned().unwrap_or_default();
    let (words, code) = (
        behind(&FontFamily::Proportional),
        behind(&FontFamily::Monospace),
    );
    let chain = |first: &[&str], rest: &[String]| -> Vec<String> {
        let first = first.iter().map(|name| (*name).to_owned());
        first.chain(rest.iter().cloned()).collect()
    };
    let families = [
        (
            FontFamily::Proportional,
            chain(&["Inter", "Phosphor", "JetBrainsMono"], &words),
        ),
        (
            FontFamily::Monospace,
            chain(&["JetBrainsMono", "Inter", "Phosphor"], &code),
        ),
        (
            strong(),
            chain(&["InterSemiBold", "Phosphor", "JetBrainsMono"], &words),
        ),
        (
            FontFamily::Name(ICONS.into()),
            chain(&["Phosphor", "Inter"], &words),
        ),
    ];
    fonts.families.extend(families);
    fonts
}

/// egui's text styles in our four sizes.
pub(super) fn text_styles() -> std::collections::BTreeMap<TextStyle, FontId> {
    [
        (TextStyle::Small, FontId::proportional(size::CAPTION)),
        (TextStyle::Body, FontId::proportional(size::BODY)),
        (TextStyle::Button, FontId::proportional(size::BODY)),
        (TextStyle::Monospace, FontId::monospace(size::BODY)),
        (TextStyle::Heading, FontId::new(size::PAGE, strong())),
    ]
    .into()
}

/// Plots write their axes in the body's size: within `ui` that is a caption's.
pub(crate) fn axes_as_captions(ui: &mut egui::Ui) {
    let styles = &mut ui.style_mut().text_styles;
    styles.insert(TextStyle::Body, FontId::proportional(size::CAPTION));
}

/// A page's title: 20, semi-bold.
pub(crate) fn page_title(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::new(size::PAGE, strong()))
}

/// A panel's or card's title: 15, semi-bold.
pub(crate) fn panel_title(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::new(size::PANEL, strong()))
}

/// Emphasis within 13-pixel text: semi-bold.
pub(crate) fn body_strong(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::new(size::BODY, strong()))
}

/// A caption or an axis: 11.
pub(crate) fn caption(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::proportional(size::CAPTION))
}

/// Tokens and numbers: 13, fixed width.
pub(crate) fn mono(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::monospace(size::BODY))
}

/// Tokens and numbers in captions: 11, fixed width.
pub(crate) fn mono_caption(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::monospace(size::CAPTION))
}

/// An icon of [`super::icons`] at 15 pixels.
pub(crate) fn icon(code: &str) -> RichText {
    RichText::new(code).font(FontId::new(size::PANEL, FontFamily::Name(ICONS.into())))
}

/// The icon font at 15 pixels, for painting.
pub(crate) fn icon_font() -> FontId {
    FontId::new(size::PANEL, FontFamily::Name(ICONS.into()))
}
