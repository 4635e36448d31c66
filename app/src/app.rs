//! The frame, always in this order: apply what the workers sent, ask what the state calls for, draw, carry out what was asked for.

use std::sync::Arc;

use crate::commands::{self, Context};
use crate::dialogs::Dialogs;
use crate::jobs::Jobs;
use crate::shell::{self, Copies, Views};
use crate::state::layout::Layout;
use crate::state::requests::{Command, Commands, library};
use crate::state::settings::ThemeChoice;
use crate::state::{AppState, Event, log};
use crate::{persist, theme};

/// The window.
#[derive(Debug)]
pub(crate) struct App {
    /// All that is shown.
    pub(crate) state: AppState,
    jobs: Jobs,
    views: Views,
    layout: Layout,
    commands: Commands,
    dialogs: Arc<dyn Dialogs>,
    /// Text of the window's title bar.
    title: String,
}

impl App {
    /// A window over `state` that first carries out `first`.
    pub(crate) fn new(
        ctx: &egui::Context,
        state: AppState,
        layout: Layout,
        dialogs: Arc<dyn Dialogs>,
        first: Command,
    ) -> Self {
        theme::install(ctx);
        ctx.add_plugin(Copies::default());
        let waker = ctx.clone();
        let mut commands = Commands::default();
        commands.send(first);
        Self {
            state,
            jobs: Jobs::new(move || waker.request_repaint()),
            views: Views::default(),
            layout,
            commands,
            dialogs,
            title: String::new(),
        }
    }

    fn run_commands(&mut self) {
        while !self.commands.is_empty() {
            for command in self.commands.take() {
                command.run(&mut Context {
                    state: &mut self.state,
                    jobs: &mut self.jobs,
                    layout: &mut self.layout,
                    dialogs: &self.dialogs,
                    commands: &mut self.commands,
                });
            }
        }
    }

    fn follow_title(&mut self, ctx: &egui::Context) {
        let title = title(&self.state);
        if self.title != title {
            ctx.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    fn follow_settings(&self, ctx: &egui::Context) {
        let settings = &self.state.settings;
        let theme = match settings.theme {
            ThemeChoice::Dark => egui::Theme::Dark,
            ThemeChoice::Light => egui::Theme::Light,
        };
        if ctx.theme() != theme {
            ctx.set_theme(theme);
        }
        ctx.set_zoom_factor(f32::from(settings.text_percent) / 100.0);
    }
}

/// Returns the text of the title bar for the open project.
fn title(state: &AppState) -> String {
    let project = state.project.title();
    project.map_or_else(|| "Umbra".to_owned(), |name| format!("{name} – Umbra"))
}

/// Opens files that are dropped on the window.
fn dropped_files(ui: &egui::Ui, commands: &mut Commands) {
    let files = ui.input(|input| input.raw.dropped_files.clone());
    let paths: Vec<_> = files.iter().map(|file| file.path().to_path_buf()).collect();
    if !paths.is_empty() {
        commands.send(library::Command::Dropped(paths));
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        for event in self.jobs.drain() {
            self.state.apply(event);
        }
        for command in self.jobs.asked() {
            self.commands.send(command);
        }
        if Copies::taken(ctx) {
            let copied = log::Notice::success("Copied");
            self.state.apply(Event::Log(log::Event::Show(copied)));
        }
        if !self.state.log.notices.is_empty() {
            self.state.apply(Event::Log(log::Event::Tick));
            ctx.request_repaint_after(std::time::Duration::from_millis(500));
        }
        self.follow_settings(ctx);
        self.follow_title(ctx);
        commands::follow(&self.state, &mut self.commands);
        self.run_commands();
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let Self {
            state,
            views,
            layout,
            commands,
            ..
        } = self;
        shell::window_ui(ui, state, views, layout, commands);
        dropped_files(ui, commands);
        if !self.commands.is_empty() {
            self.run_commands();
            ui.ctx().request_repaint();
        }
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        persist::save(storage, &self.state.settings, &self.layout);
    }

    fn persist_egui_memory(&self) -> bool {
        false // places of panels and menus follow from settings and tiles
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        let theme = theme::Theme::which(visuals.dark_mode);
        theme.surface.window.to_normalized_gamma_f32()
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.jobs.close();
    }
}
