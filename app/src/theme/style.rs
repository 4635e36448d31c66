//! egui's `Style` made of our palette: neutral buttons, hairlines, corners of 4, a visible focus ring.

use egui::style::{NumberFormatter, ScrollStyle, Selection, WidgetVisuals, Widgets};
use egui::{Color32, CornerRadius, Margin, Shadow, Stroke, Style, Visuals, vec2};

use super::{Theme, fonts, space};

/// The whole style of one theme.
pub(super) fn style(theme: &Theme) -> Style {
    let mut style = Style {
        text_styles: fonts::text_styles(),
        visuals: visuals(theme),
        animation_time: 0.08,
        ..Style::default()
    };
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(space::CONTROL, space::CONTROL);
    spacing.button_padding = vec2(10.0, 4.0);
    spacing.interact_size = vec2(28.0, space::CONTROL_ROW);
    spacing.menu_margin = Margin::same(6);
    spacing.window_margin = Margin::same(16);
    spacing.icon_width = 16.0;
    spacing.icon_width_inner = 10.0;
    spacing.icon_spacing = 6.0;
    spacing.combo_width = 120.0;
    spacing.slider_width = 160.0;
    spacing.slider_rail_height = 4.0;
    spacing.tooltip_width = 360.0;
    spacing.scroll = ScrollStyle {
        bar_width: 8.0,
        floating_width: 4.0,
        // the bar stands beside what it scrolls, never on it
        floating_allocated_width: space::PANEL,
        // and is seen wherever there is more than what is shown
        dormant_handle_opacity: 0.5,
        ..ScrollStyle::floating()
    };
    style.interaction.tooltip_delay = 0.35;
    style.interaction.selectable_labels = false;
    style.number_formatter = NumberFormatter::new(in_field);
    style
}

/// A number in a field, with a true minus; a hyphen that is typed is read as well.
fn in_field(value: f64, decimals: std::ops::RangeInclusive<usize>) -> String {
    egui::emath::format_with_decimals_in_range(value, decimals).replace('-', "−")
}

fn visuals(theme: &Theme) -> Visuals {
    let base = if theme.dark {
        Visuals::dark()
    } else {
        Visuals::light()
    };
    let shadow = Shadow {
        offset: [0, 6],
        blur: 20,
        spread: 0,
        color: Color32::from_black_alpha(if theme.dark { 130 } else { 40 }),
    };
    Visuals {
        dark_mode: theme.dark,
        override_text_color: None,
        weak_text_color: Some(theme.ink.secondary),
        widgets: widgets(theme),
        selection: Selection {
            bg_fill: theme.selected(),
            // the colour of what is selected; the ring of the focus is drawn by `widgets/focus.rs` alone
            stroke: Stroke::new(0.0, theme.ink.primary),
        },
        hyperlink_color: theme.ink.primary,
        faint_bg_color: theme.surface.hover,
        extreme_bg_color: theme.surface.window,
        text_edit_bg_color: Some(theme.surface.window),
        code_bg_color: theme.surface.hover,
        warn_fg_color: theme.warning,
        error_fg_color: theme.failure,
        window_corner_radius: CornerRadius::same(8),
        window_shadow: shadow,
        window_fill: theme.surface.raised,
        window_stroke: Stroke::new(1.0, theme.line.strong),
        menu_corner_radius: CornerRadius::same(6),
        panel_fill: theme.surface.panel,
        popup_shadow: shadow,
        indent_has_left_vline: false,
        striped: false,
        slider_trailing_fill: true,
        disabled_alpha: 0.5,
        ..base
    }
}

fn widgets(theme: &Theme) -> Widgets {
    let state = |fill: Color32, line: Color32, ink: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, line),
        corner_radius: CornerRadius::same(space::CORNER),
        fg_stroke: Stroke::new(1.0, ink),
        expansion: 0.0,
    };
    let Theme {
        surface, line, ink, ..
    } = theme;
    Widgets {
        noninteractive: state(surface.panel, line.hair, ink.primary),
        inactive: WidgetVisuals {
            bg_fill: line.strong, // rails of sliders, boxes of check marks
            ..state(surface.raised, line.strong, ink.primary)
        },
        hovered: state(surface.hover, line.strong, ink.primary),
        active: state(surface.hover, line.strong, ink.primary),
        open: state(surface.hover, line.strong, ink.primary),
    }
}

/// The window's icon: a light in the dark, 64 pixels square.
pub(super) fn window_icon() -> egui::IconData {
    const SIDE: i32 = 64;
    let theme = &super::DARK;
    let mut rgba = Vec::with_capacity((SIDE * SIDE * 4) as usize);
    for i in 0..SIDE * SIDE {
        let centre = (SIDE as f32 - 1.0) / 2.0;
        let (x, y) = ((i % SIDE) as f32 - centre, (i / SIDE) as f32 - centre);
        let disc = (31.0 - x.hypot(y)).clamp(0.0, 1.0);
        // the light stands off the middle and falls away
        let glow = (1.0 - (x + 8.0).hypot(y - 8.0) / 26.0).clamp(0.0, 1.0);
        let colour = super::scale::mix(theme.surface.window, theme.activation, glow * 1.6);
        let [r, g, b, _] = colour.to_array();
        rgba.extend([r, g, b, (disc * 255.0) as u8]);
    }
    egui::IconData {
        rgba,
        width: SIDE as u32,
        height: SIDE as u32,
    }
}
