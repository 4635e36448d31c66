//! Ways on from the first screen: three buttons that stand under the sentence until each was taken once, or until they are closed.

use egui::{Button, Role, Ui, WidgetInfo};

use crate::state::AppState;
use crate::state::requests::{Commands, navigation, shell};
use crate::state::view::ViewId;
use crate::theme::{self, Theme, icons, space};
use crate::widgets::parts::inline_icon_button;

/// Draws the ways that were not taken yet; the selection goes along.
pub(super) fn ways_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let taken = &state.settings.ways_taken;
    if ViewId::WAYS.iter().all(|(view, _)| taken.contains(view)) {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        for (view, words) in ViewId::WAYS {
            let icon = theme::icon(view.about().icon).color(secondary);
            let button = Button::new((icon, words)).gap(6.0);
            let response = ui.add(button).on_hover_text(view.about().purpose);
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, words));
            if response.clicked() {
                commands.send(navigation::Command::Go(view));
            }
        }
        if inline_icon_button(ui, icons::X, "Hide these buttons").clicked() {
            let all = ViewId::WAYS.iter().map(|(view, _)| *view);
            commands.send(shell::Command::WaysTaken(all.collect()));
        }
    });
    ui.add_space(space::CONTROL);
}
