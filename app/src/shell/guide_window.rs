//! Help: the manual's pages, listed left, the chosen one right. Links between pages stay in the window.

use egui::{Align2, ScrollArea, Ui, vec2};
use egui_commonmark::{CommonMarkCache, CommonMarkViewer};
use umbra_core::guide::{self, Page};

use crate::state::requests::{Commands, shell};
use crate::state::view::ViewId;
use crate::theme::{self, Theme, caption, icons, space};
use crate::widgets::parts::inline_icon_button;

/// Size of the window where there is room.
const SIZE: egui::Vec2 = vec2(900.0, 620.0);
const LIST_WIDTH: f32 = 150.0;

/// Returns the name of the page about `view`.
pub(crate) const fn page_of(view: ViewId) -> &'static str {
    match view {
        ViewId::Library => "library",
        ViewId::Features => "features",
        ViewId::Feature => "feature",
        ViewId::Prompt => "prompt",
        ViewId::DarkMatter => "dark-matter",
        ViewId::Heads => "heads",
        ViewId::Steering => "steering",
        ViewId::Training => "training",
        ViewId::Compare => "compare",
        ViewId::Log => "log",
    }
}

/// Draws the button beside a screen's title that opens its page.
pub(super) fn about_screen_ui(ui: &mut Ui, view: ViewId, commands: &mut Commands) {
    let name = format!("Help on {} (F1)", view.about().title);
    if inline_icon_button(ui, icons::QUESTION, &name).clicked() {
        commands.send(shell::Command::Guide(Some(page_of(view))));
    }
}

/// The window with the manual.
#[derive(Debug, Default)]
pub(super) struct GuideWindow {
    cache: CommonMarkCache,
    has_links: bool,
}

impl GuideWindow {
    /// Draws the page called `name`; an unknown name shows the first page.
    pub(super) fn guide_ui(&mut self, ui: &Ui, name: &str, commands: &mut Commands) {
        let mut open = true;
        let room = ui.ctx().content_rect().size() - vec2(48.0, 96.0);
        let size = SIZE.min(room);
        egui::Window::new(theme::panel_title("Guide"))
            .id(egui::Id::unique("guide"))
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .anchor(Align2::CENTER_TOP, (0.0, 48.0))
            .show(ui.ctx(), |ui| {
                ui.set_min_size(size);
                ui.set_max_size(size);
                ui.horizontal_top(|ui| {
                    list_ui(ui, name, size.y, commands);
                    ui.separator();
                    ui.vertical(|ui| self.page_ui(ui, name, commands));
                });
            });
        if !open {
            commands.send(shell::Command::Guide(None));
        }
    }

    fn page_ui(&mut self, ui: &mut Ui, name: &str, commands: &mut Commands) {
        let Some(page) = guide::page(name).ok().or_else(|| guide::pages().next()) else {
            return;
        };
        if !self.has_links {
            for page in guide::pages() {
                self.cache.add_link_hook(link_to(page));
            }
            self.has_links = true;
        }
        ScrollArea::vertical()
            .id_salt(page.name)
            .auto_shrink([false, false])
            .show(ui, |ui| {
                ui.style_mut().interaction.selectable_labels = true;
                CommonMarkViewer::new().show(ui, &mut self.cache, page.text);
            });
        let clicked =
            guide::pages().find(|page| self.cache.get_link_hook(&link_to(page)) == Some(true));
        if let Some(page) = clicked {
            commands.send(shell::Command::Guide(Some(page.name)));
        }
    }
}

/// Returns the target of links to `page`, as the pages write it.
fn link_to(page: &Page) -> String {
    format!("{}.md", page.name)
}

fn list_ui(ui: &mut Ui, chosen: &str, height: f32, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.allocate_ui(vec2(LIST_WIDTH, height), |ui| {
        ScrollArea::vertical()
            .id_salt("pages")
            .auto_shrink([false, false])
            .show(ui, |ui| {
                ui.vertical(|ui| {
                    ui.spacing_mut().item_spacing.y = 0.0;
                    for section in guide::SECTIONS {
                        ui.add_space(space::CONTROL);
                        ui.label(caption(section.title).color(secondary));
                        for page in section.pages {
                            let button =
                                egui::Button::selectable(page.name == chosen, page.title());
                            let button = button.truncate().min_size(vec2(LIST_WIDTH, 0.0));
                            if ui.add(button).clicked() {
                                commands.send(shell::Command::Guide(Some(page.name)));
                            }
                        }
                    }
                });
            });
    });
}
