//! Help: the manual's pages, listed left, the chosen one right. Links between pages stay in the window.

use egui::{Align2, Frame, ScrollArea, Stroke, TextStyle, Ui, vec2};
use egui_commonmark::{CommonMarkCache, CommonMarkViewer};
use umbra_core::guide::{self, Page};

use crate::memo::Memo;
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
        ViewId::Search => "search",
        ViewId::Prompt => "prompt",
        ViewId::DarkMatter => "dark-matter",
        ViewId::Heads => "heads",
        ViewId::Steering => "steering",
        ViewId::Training => "training",
        ViewId::Evaluation => "evaluation",
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
    /// Words that the list of pages is searched for.
    words: String,
    /// The last search and the pages that it found.
    found: Memo<String, Vec<&'static Page>>,
    /// Whether the field gets the focus: the guide was just opened, or is searched by its shortcut.
    focus: bool,
    open: bool,
}

impl GuideWindow {
    /// Draws the page called `name`; an unknown name shows the first page.
    pub(super) fn guide_ui(&mut self, ui: &Ui, name: &str, commands: &mut Commands) {
        let mut open = true;
        self.focus |= !std::mem::replace(&mut self.open, true);
        let room = ui.ctx().content_rect().size() - vec2(48.0, 150.0);
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
                    self.list_ui(ui, name, size.y, commands);
                    ui.separator();
                    ui.vertical(|ui| self.page_ui(ui, name, commands));
                });
            });
        if !open {
            commands.send(shell::Command::Guide(None));
        }
    }

    /// Forgets the search of a guide that was closed.
    pub(super) fn closed(&mut self) {
        if std::mem::take(&mut self.open) {
            self.words.clear();
        }
    }

    /// Moves the focus into the field that searches the pages.
    pub(super) fn search(&mut self) {
        self.focus = true;
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
        let mut followed = None;
        ScrollArea::vertical()
            .id_salt(page.name)
            .auto_shrink([false, false])
            .show(ui, |ui| {
                style_ui(ui);
                for (at, part) in parts(page.text).into_iter().enumerate() {
                    ui.push_id(at, |ui| match part {
                        Part::Text(text) => {
                            CommonMarkViewer::new().show(ui, &mut self.cache, text);
                            followed = followed.or(self.clicked());
                        }
                        Part::Code(code) => code_ui(ui, code),
                    });
                }
            });
        if let Some(page) = followed {
            commands.send(shell::Command::Guide(Some(page)));
        }
    }

    /// The field that searches, and below it the pages.
    fn list_ui(&mut self, ui: &mut Ui, chosen: &str, height: f32, commands: &mut Commands) {
        ui.vertical(|ui| {
            ui.set_width(LIST_WIDTH);
            ui.set_height(height);
            let field = egui::TextEdit::singleline(&mut self.words)
                .hint_text("Search the guide")
                .desired_width(LIST_WIDTH);
            let field = ui.add(field);
            field.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Search the guide")
            });
            if std::mem::take(&mut self.focus) {
                field.request_focus();
            }
            ScrollArea::vertical()
                .id_salt("pages")
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 0.0;
                    self.pages_ui(ui, chosen, commands);
                });
        });
    }

    /// The pages by section, or those that were found.
    fn pages_ui(&mut self, ui: &mut Ui, chosen: &str, commands: &mut Commands) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        if self.words.trim().is_empty() {
            for section in guide::SECTIONS {
                ui.add_space(space::CONTROL);
                ui.label(caption(section.title).color(secondary));
                for page in section.pages {
                    entry_ui(ui, page, chosen, commands);
                }
            }
            return;
        }
        ui.add_space(space::CONTROL);
        let found = self
            .found
            .get(self.words.clone(), |words| guide::search(words));
        if found.is_empty() {
            ui.add(egui::Label::new(caption("No page holds these words").color(secondary)).wrap());
        }
        for page in found {
            entry_ui(ui, page, chosen, commands);
        }
    }

    /// Returns the page whose link was clicked in the text drawn last.
    fn clicked(&self) -> Option<&'static str> {
        let is_clicked = |page: &&Page| self.cache.get_link_hook(&link_to(page)) == Some(true);
        guide::pages().find(is_clicked).map(|page| page.name)
    }
}

/// Sets type and colours of a page.
fn style_ui(ui: &mut Ui) {
    let theme = Theme::from_ui(ui);
    let ink = theme.ink;
    let height = ui.text_style_height(&TextStyle::Body);
    let style = ui.style_mut();
    style.interaction.selectable_labels = true;
    style.spacing.interact_size.y = height;
    style.visuals.hyperlink_color = theme.series[0];
    // strong text keeps the full ink
    style.visuals.widgets.noninteractive.fg_stroke.color =
        ink.primary.lerp_to_gamma(ink.secondary, 0.4);
}

/// A part of a page.
#[derive(Debug, PartialEq)]
enum Part<'a> {
    /// Markdown without fenced blocks.
    Text(&'a str),
    /// Lines of a fenced block.
    Code(&'a str),
}

/// Splits a page at its fenced blocks.
fn parts(page: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for (at, piece) in page.split("\n```").enumerate() {
        if at % 2 == 0 {
            parts.push(Part::Text(piece));
        } else if let Some((_, code)) = piece.split_once('\n') {
            parts.push(Part::Code(code));
        }
    }
    parts
}

/// Draws a fenced block with a button that copies it.
fn code_ui(ui: &mut Ui, code: &str) {
    let theme = Theme::from_ui(ui);
    Frame::new()
        .fill(theme.surface.window)
        .stroke(Stroke::new(1.0, theme.line.hair))
        .corner_radius(space::CORNER)
        .inner_margin(space::CONTROL)
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                let width = ui.available_width() - space::CONTROL_ROW;
                ui.vertical(|ui| {
                    ui.set_width(width);
                    ui.add(egui::Label::new(theme::mono(code)).wrap());
                });
                if inline_icon_button(ui, icons::COPY, "Copy these lines").clicked() {
                    ui.ctx().copy_text(code.to_owned());
                }
            });
        });
}

/// Returns the target of links to `page`, as the pages write it.
fn link_to(page: &Page) -> String {
    format!("{}.md", page.name)
}

/// Draws the entry of `page` in the list of pages.
fn entry_ui(ui: &mut Ui, page: &Page, chosen: &str, commands: &mut Commands) {
    let button = egui::Button::selectable(page.name == chosen, page.title());
    let button = button.truncate().min_size(vec2(ui.available_width(), 0.0));
    if ui.add(button).clicked() {
        commands.send(shell::Command::Guide(Some(page.name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_split_at_its_fenced_blocks() {
        let page = "# A\n\ntext\n\n```sh\numbra a\numbra b\n```\n\nmore\n";
        let want = [
            Part::Text("# A\n\ntext\n"),
            Part::Code("umbra a\numbra b"),
            Part::Text("\n\nmore\n"),
        ];
        assert_eq!(parts(page), want);
        for page in guide::pages() {
            let fences = page.text.matches("\n```").count();
            assert_eq!(fences % 2, 0, "{}", page.name);
        }
    }
}
