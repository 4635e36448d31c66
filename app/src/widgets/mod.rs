//! Pieces that views are made of. They know the theme and plain data, never the application's state.
//!
//! # What every piece that shows numbers does
//! - **a table** is a [`grid`]: its header says how to show one.
//! - **a plot or a figure** ends with `meaning::menu`: copy value, copy as CSV, save as PNG or SVG, what is this number? Its values are exact: they
//!   come from the data, not from what is drawn.
//! - **axes** that a piece paints itself come from `plot::Axes`, logarithmic marks from `plot::log_marks`: numbers neither collide nor leave the plot.
//! - **a colour behind text** is `Theme::tint` or `Theme::diverging_tint`, and what is written on it has their ink.
//! - its kittest goes beside it, a sample for the stored pictures into `testing/pictures/widgets.rs`, a plot into `meaning/tests.rs`, which drives the menu
//!   of each and draws it in places of every width.

pub(crate) mod anchor;
pub(crate) mod band_plot;
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
pub(crate) mod grid;
pub(crate) mod heat_map;
pub(crate) mod histogram;
pub(crate) mod hook_picker;
pub(crate) mod legend;
pub(crate) mod level_plot;
pub(crate) mod matrix_map;
pub(crate) mod meaning;
pub(crate) mod menu;
pub(crate) mod messages;
pub(crate) mod named_plot;
pub(crate) mod number;
pub(crate) mod parts;
pub(crate) mod picture;
pub(crate) mod plot;
pub(crate) mod rank_plot;
pub(crate) mod scatter_plot;
pub(crate) mod scroll;
pub(crate) mod settings_form;
pub(crate) mod snippet;
pub(crate) mod stack_plot;
pub(crate) mod stacked_bars;
pub(crate) mod to_save;
pub(crate) mod token_editor;
pub(crate) mod token_grid;
pub(crate) mod token_strip;
pub(crate) mod walk;

/// A widget over `state` on a stage of its own, with our fonts and colours.
#[cfg(test)]
pub(crate) fn staged<'a, S: 'a>(
    widget: impl FnMut(&mut egui::Ui, &mut S) + 'a,
    state: S,
) -> egui_kittest::Harness<'a, S> {
    egui_kittest::Harness::builder()
        .with_size((600.0, 400.0))
        .with_max_steps(16)
        .with_context_setup(crate::theme::install)
        .build_ui_state(widget, state)
}
