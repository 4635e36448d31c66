//! Pieces that views are made of. They know the theme and plain data, never the application's state.

pub mod bars;
pub mod curve_plot;
pub mod density_histogram;
pub mod empty_state;
pub mod feature_chip;
pub mod heat_map;
pub mod histogram;
pub mod legend;
pub mod matrix_map;
pub mod number;
mod plot;
pub mod rank_plot;
pub mod settings_form;
pub mod to_save;
pub mod token_grid;
pub mod token_strip;

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
