//! Every plot in places of every width: numbers of axes, titles and legends neither collide nor are cut.

use super::faults;
use crate::theme;
use crate::widgets::meaning::tests::{Draw, plots};

/// Widths of places, down to those of a narrow tile at the largest text.
const WIDTHS: [f32; 4] = [260.0, 340.0, 520.0, 900.0];

#[test]
fn axes_of_every_plot_are_whole_in_places_of_every_width() {
    let mut found = vec![];
    for (name, draw) in plots() {
        for width in WIDTHS {
            let mut harness = egui_kittest::Harness::builder()
                .with_size((width, 420.0))
                .with_context_setup(theme::install)
                .build_ui_state(|ui, draw: &mut Draw| draw(ui), draw);
            harness.run();
            let faults = faults(&harness).into_iter();
            found.extend(faults.map(|fault| format!("{name} {width} wide: {fault}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
