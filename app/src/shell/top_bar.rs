//! The top bar: back and forward, project ▸ model ▸ dictionary (each a menu), search, device, theme.

use egui::containers::menu::MenuButton;
use egui::{Align, Frame, Margin, Rect, RichText, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo};
use umbra_core::guide;

use super::guide_window::page_of;
use super::shortcuts::Does;
use super::{device_chip, menus, shortcuts};
use crate::state::layout::{Keys, Layout};
use crate::state::requests::{Commands, shell};
use crate::state::settings::ThemeChoice;
use crate::state::tour::Tour;
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, icons, space};
use crate::widgets::anchor::Anchor;
use crate::widgets::parts::{icon_button, icon_button_enabled, icon_menu, shortened};

const HEIGHT: f32 = 36.0;
const SEARCH_WIDTH: f32 = 280.0;
/// Characters of a name in the bar.
const NAME: usize = 22;
/// Characters of a name where there is less room.
const SHORT_NAME: usize = 12;
/// Characters of a name where there is hardly any.
const SHORTEST_NAME: usize = 9;
/// Narrower than this, names are as short as they get.
const TIGHT: f32 = 680.0;
/// Narrower than this, names are shorter.
const ROOMY: f32 = 900.0;

/// Draws the bar.
pub(super) fn top_bar_ui(ui: &mut Ui, state: &AppState, layout: &Layout, commands: &mut Commands) {
    let fill = Theme::from_ui(ui).surface.window;
    let frame = Frame::new()
        .fill(fill)
        .inner_margin(Margin::symmetric(space::CONTROL as i8, 4));
    egui::Panel::top("top bar")
        .exact_size(HEIGHT)
        .resizable(false)
        .frame(frame)
        .show(ui, |ui| {
            ui.horizontal_centered(|ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                walk_ui(ui, state, layout, commands);
                crumbs_ui(ui, state, commands);
                let middle = ui.max_rect().center();
                ui.with_layout(egui::Layout::right_to_left(Align::Center), |ui| {
                    right_ui(ui, state, layout, commands);
                    search_ui(ui, middle, commands);
                });
            });
        });
}

fn walk_ui(ui: &mut Ui, state: &AppState, layout: &Layout, commands: &mut Commands) {
    let ways = [
        (icons::ARROW_LEFT, Does::Back, layout.can_go_back()),
        (icons::ARROW_RIGHT, Does::Forward, layout.can_go_forward()),
    ];
    for (icon, does, enabled) in ways {
        if icon_button_enabled(ui, icon, &hint(does), enabled).clicked() {
            send(does, state, layout, commands);
        }
    }
}

/// Purpose of a shortcut, with its keys.
fn hint(does: Does) -> String {
    format!("{} ({})", shortcuts::words_of(does), shortcuts::shown(does))
}

fn send(does: Does, state: &AppState, layout: &Layout, commands: &mut Commands) {
    for command in does.commands(state, layout) {
        commands.send(command);
    }
}

fn crumbs_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let most = match ui.ctx().content_rect().width() {
        width if width < TIGHT => SHORTEST_NAME,
        width if width < ROOMY => SHORT_NAME,
        _ => NAME,
    };
    let title = state.project.title();
    let project = match &state.project.load {
        Load::Ready(_) => shortened(&title.unwrap_or_default(), most),
        Load::Loading => "Opening…".to_owned(),
        Load::Absent | Load::Failed(_) => "No project".to_owned(),
    };
    crumb_ui(ui, "Project", &project, |ui| {
        menus::project_ui(ui, state, commands);
    });
    between_ui(ui);
    let model = match (&state.catalogue.model, &state.catalogue.model_path) {
        (Load::Ready(loaded), _) => shortened(loaded.model.name(), most),
        (Load::Loading | Load::Absent, Some(_)) => "Loading…".to_owned(),
        _ => "No model".to_owned(),
    };
    crumb_ui(ui, "Model", &model, |ui| {
        menus::model_ui(ui, state, commands);
    });
    between_ui(ui);
    let dictionary = state.dictionary().map_or_else(
        || "No dictionary".to_owned(),
        |dictionary| shortened(&dictionary.name, most),
    );
    crumb_ui(ui, "Dictionary", &dictionary, |ui| {
        menus::dictionary_ui(ui, state, commands);
    });
}

/// A name with a caret that opens its menu.
fn crumb_ui(ui: &mut Ui, what: &str, name: &str, content: impl FnOnce(&mut Ui)) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let caret = theme::icon(icons::CARET_DOWN)
        .size(theme::size::CAPTION)
        .color(secondary);
    let button = egui::Button::new((RichText::new(name), caret)).gap(space::CHIP);
    let (response, _) = MenuButton::from_button(button).ui(ui, content);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("{what}: {name}")));
    response.on_hover_text(what);
}

fn between_ui(ui: &mut Ui) {
    let colour = Theme::from_ui(ui).ink.disabled;
    ui.label(
        theme::icon(icons::CARET_RIGHT)
            .size(theme::size::CAPTION)
            .color(colour),
    );
}

fn right_ui(ui: &mut Ui, state: &AppState, layout: &Layout, commands: &mut Commands) {
    if icon_button(ui, icons::GEAR_SIX, &hint(Does::Settings)).clicked() {
        send(Does::Settings, state, layout, commands);
    }
    let help = ui.scope(|ui| help_ui(ui, layout, commands)).response;
    Anchor::Help.mark(&help);
    let keys = shortcuts::shown(Does::Theme);
    let (icon, words) = match state.settings.theme {
        ThemeChoice::Dark => (icons::SUN, format!("Light theme ({keys})")),
        ThemeChoice::Light => (icons::MOON, format!("Dark theme ({keys})")),
    };
    // The smallest window has no room for it: the theme is in the settings, too.
    let is_tight = ui.ctx().content_rect().width() < TIGHT;
    if !is_tight && icon_button(ui, icon, &words).clicked() {
        send(Does::Theme, state, layout, commands);
    }
    let verb = if state.settings.inspector {
        "Hide"
    } else {
        "Show"
    };
    let words = format!(
        "{verb} the inspector ({})",
        shortcuts::shown(Does::Inspector)
    );
    let button = icon_button_enabled(ui, "", &words, layout.is_roomy());
    panel_at_right(ui, button.rect, layout.is_roomy());
    let button = button.on_disabled_hover_text(shortcuts::NARROW);
    if button.clicked() {
        send(Does::Inspector, state, layout, commands);
    }
    ui.add_space(4.0);
    device_chip::device_ui(ui, state, commands);
    ui.add_space(4.0);
}

/// Draws a window with a panel at its right.
fn panel_at_right(ui: &Ui, button: Rect, enabled: bool) {
    let ink = Theme::from_ui(ui).ink;
    let colour = if enabled { ink.secondary } else { ink.disabled };
    let stroke = Stroke::new(1.25, colour);
    let frame = Rect::from_center_size(button.center(), egui::vec2(15.0, 12.0));
    let painter = ui.painter();
    painter.rect_stroke(frame, 2, stroke, StrokeKind::Inside);
    painter.vline(frame.right() - 5.0, frame.y_range(), stroke);
}

/// The menu of help.
fn help_ui(ui: &mut Ui, layout: &Layout, commands: &mut Commands) {
    use shell::Command as Do;
    let title = layout.view().about().title;
    let guide = |page| Do::Guide(Some(page));
    let of_screen = format!("About {title} ({})", shortcuts::shown(Does::Guide));
    let keys = format!("Keyboard shortcuts ({})", shortcuts::shown(Does::Keys));
    let entries = [
        ("Take the tour".to_owned(), Do::Tour(Tour::FIRST)),
        ("Guide…".to_owned(), guide(guide::START)),
        (of_screen, guide(page_of(layout.view()))),
        (keys, Do::Keys(Keys::Open)),
        ("Definitions of figures…".to_owned(), guide("definitions")),
        ("Troubleshooting…".to_owned(), guide("troubleshooting")),
    ];
    icon_menu(ui, icons::QUESTION, "Help", |ui| {
        for (words, command) in entries {
            if ui.button(words).clicked() {
                commands.send(command);
                ui.close();
            }
        }
    });
}

/// The search field is a button: the palette does the searching.
fn search_ui(ui: &mut Ui, middle: egui::Pos2, commands: &mut Commands) {
    let free = ui.available_rect_before_wrap();
    let width = SEARCH_WIDTH.min(free.width() - 16.0);
    if width < 60.0 {
        if icon_button(ui, icons::MAGNIFYING_GLASS, "Search").clicked() {
            commands.send(shell::Command::Palette(true));
        }
        return;
    }
    let x = middle.x.clamp(
        free.left() + 8.0 + width / 2.0,
        free.right() - 8.0 - width / 2.0,
    );
    let rect = Rect::from_center_size(egui::pos2(x, middle.y), egui::vec2(width, 26.0));
    let response = ui.interact(rect, ui.scope_id().with("search"), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Search"));
    let theme = Theme::from_ui(ui);
    let fill = if response.hovered() {
        theme.surface.hover
    } else {
        theme.surface.panel
    };
    let painter = ui.painter_at(rect);
    painter.rect(
        rect,
        space::CORNER,
        fill,
        Stroke::new(1.0, theme.line.hair),
        StrokeKind::Inside,
    );
    let font = egui::TextStyle::Body.resolve(ui.style());
    let words = if width > 250.0 {
        "Search features and actions"
    } else {
        "Search"
    };
    let left = rect.left_center();
    painter.text(
        left + egui::vec2(16.0, 0.0),
        egui::Align2::CENTER_CENTER,
        icons::MAGNIFYING_GLASS,
        theme::icon_font(),
        theme.ink.secondary,
    );
    let words = painter.layout_no_wrap(words.to_owned(), font, theme.ink.secondary);
    // The sign alone says it where the word does not fit.
    if 30.0 + words.size().x + 8.0 <= width {
        let at = left + egui::vec2(30.0, -words.size().y / 2.0);
        painter.galley(at, words, theme.ink.secondary);
    }
    if width > 140.0 {
        painter.text(
            rect.right_center() - egui::vec2(8.0, 0.0),
            egui::Align2::RIGHT_CENTER,
            shortcuts::shown(Does::Palette),
            egui::TextStyle::Small.resolve(ui.style()),
            theme.ink.secondary,
        );
    }
    if response.clicked() {
        commands.send(shell::Command::Palette(true));
    }
}
