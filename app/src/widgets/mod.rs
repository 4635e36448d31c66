//! Pieces that views are made of. They know the theme and plain data, never the application's state.

pub(crate) mod anchor;
pub(crate) mod bars;
pub(crate) mod cell_grid;
pub(crate) mod csv;
pub(crate) mod curve_plot;
pub(crate) mod density_histogram;
pub(crate) mod empty_state;
pub(crate) mod feature_chip;
pub(crate) mod feature_name;
pub(crate) mod focus;
pub(crate) mod form;
#[expect(clippy::allow_attributes, reason = "its users are being written")]
#[allow(dead_code, reason = "its users are being written")]
pub(crate) mod grid;
pub(crate) mod heat_map;
pub(crate) mod histogram;
pub(crate) mod hook_picker;
pub(crate) mod legend;
pub(crate) mod matrix_map;
pub(crate) mod meaning;
pub(crate) mod menu;
pub(crate) mod number;
pub(crate) mod parts;
pub(crate) mod picture;
pub(crate) mod plot;
pub(crate) mod rank_plot;
pub(crate) mod settings_form;
pub(crate) mod snippet;
pub(crate) mod to_save;
pub(crate) mod token_editor;
pub(crate) mod token_grid;
pub(crate) mod token_strip;

/// A widget over `state` on a stage of its own, with our fonts and colours.
#[cfg(test)]
pub(crate) fn staged<'a, S: 'a>(
    widget: impl FnMut(&mut egui::Ui, &mut S) + 'a,
    state: S,
) -> egui_kittest::Harness<'a, S> {
    egui_kittest::Harness::builder()
        .with_size((600.0, 400.0))
        .with_context_setup(crate::theme::install)
        .build_ui_state(widget, state)
}
