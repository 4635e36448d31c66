//! The frame, always in this order: apply what the workers sent, ask what the state calls for, draw, carry out what was asked for.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use umbra_core::device::Gpu;

use crate::commands::{self, Context};
use crate::dialogs::Dialogs;
use crate::jobs::Jobs;
use crate::persist::Keeper;
use crate::shell::{self, Copies, Views};
use crate::state::layout::Layout;
use crate::state::requests::{self, Command, Commands, library};
use crate::state::settings::ThemeChoice;
use crate::state::{AppState, Event, devices, log, prompt};
use crate::theme;
use crate::widgets::focus::Keyboard;
use crate::widgets::scroll;

/// The window.
#[derive(Debug)]
pub(crate) struct App {
    /// All that is shown.
    pub(crate) state: AppState,
    jobs: Jobs,
    views: Views,
    /// Has what changes written, for the next start.
    keeper: Keeper,
    pub(crate) layout: Layout,
    commands: Commands,
    dialogs: Arc<dyn Dialogs>,
    /// Text of the window's title bar.
    title: String,
    /// Wakes the window up.
    waker: Arc<Mutex<egui::Context>>,
    /// The GPU that draws, where kernels run on it too.
    drawn_with: Option<Gpu>,
    /// Why the window closes by itself: that GPU failed.
    lost: Option<String>,
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
        install(ctx);
        let waker = Arc::new(Mutex::new(ctx.clone()));
        let wake = || {
            let woken = Arc::clone(&waker);
            move || {
                let ctx = woken.lock().unwrap_or_else(PoisonError::into_inner);
                ctx.request_repaint();
            }
        };
        let mut commands = Commands::default();
        commands.send(first);
        Self {
            state,
            jobs: Jobs::new(wake()),
            keeper: Keeper::new(wake()),
            views: Views::default(),
            layout,
            commands,
            dialogs,
            title: String::new(),
            waker,
            drawn_with: None,
            lost: None,
        }
    }

    /// Says that `drawing` draws the window: `gpu`, if kernels may run on it too. Looks for the other devices.
    pub(crate) fn drawn_with(mut self, drawing: String, gpu: Option<Gpu>) -> Self {
        let drawn = devices::Event::Drawing(drawing, gpu.is_some());
        self.state.apply(Event::Devices(drawn));
        self.commands.send(requests::devices::Command::List);
        self.drawn_with = gpu;
        self
    }

    /// Why the window closed by itself: the GPU that draws it failed.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Goes on in another window, which `drawing` draws, after the one before it ended for the reason `why`.
    pub(crate) fn open_again(&mut self, ctx: &egui::Context, why: &str, drawing: &str) {
        install(ctx);
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = ctx.clone();
        self.title.clear();
        (self.drawn_with, self.lost) = (None, None);
        let drawn = devices::Event::Drawing(drawing.to_owned(), false);
        self.state.apply(Event::Devices(drawn));
        let notice = format!("{why}. The window now draws with {drawing}; nothing was lost");
        let notice = log::Notice::failure(notice);
        self.state.apply(Event::Log(log::Event::Show(notice)));
    }

    /// Closes the window if the GPU that draws it has failed: whatever is drawn with it then is lost, or ends the program.
    fn watch_gpu(&mut self, ctx: &egui::Context) {
        let failed = self.drawn_with.as_ref().and_then(|gpu| gpu.check().err());
        if let Some(error) = failed {
            self.lost = Some(error.to_string());
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
    }

    /// Asks for something in the name of a person.
    pub(crate) fn ask(&mut self, command: Command) {
        self.commands.send(command);
    }

    /// Applies what the workers sent, and carries out what the state calls for.
    pub(crate) fn logic(&mut self, ctx: &egui::Context) {
        self.watch_gpu(ctx);
        for event in self.jobs.drain() {
            self.state.apply(event);
        }
        for command in self.jobs.asked() {
            self.commands.send(command);
        }
        if let Some(copied) = Copies::taken(ctx) {
            let copied = log::Notice::success(copied);
            self.state.apply(Event::Log(log::Event::Show(copied)));
        }
        if !self.state.log.notices.is_empty() {
            self.state.apply(Event::Log(log::Event::Tick));
            ctx.request_repaint_after(std::time::Duration::from_millis(500));
        }
        for why in self.keeper.failures() {
            let notice = log::Notice::failure(why);
            self.state.apply(Event::Log(log::Event::Show(notice)));
        }
        self.follow_settings(ctx);
        self.follow_title(ctx);
        commands::follow(&self.state, &mut self.commands);
        self.run_commands();
    }

    /// Draws the window and carries out what was asked for.
    pub(crate) fn ui(&mut self, ui: &mut egui::Ui) {
        if self.lost.is_some() {
            return;
        }
        let Self {
            state,
            views,
            layout,
            commands,
            ..
        } = self;
        shell::window_ui(ui, state, views, layout, commands);
        if state.prompt.latencies.is_waiting() && state.prompt.is_read() {
            state.apply(Event::Prompt(prompt::Event::Drawn));
        }
        dropped_files(ui, commands);
        commands::follow_drawn(state, commands);
        if !self.commands.is_empty() {
            self.run_commands();
            ui.ctx().request_repaint();
        }
        self.keep(ui.ctx());
    }

    /// Hands over what changed, to be written.
    fn keep(&mut self, ctx: &egui::Context) {
        if let Some(wanted) = self.layout.to_scroll.take() {
            scroll::restore(ctx, wanted);
        }
        self.layout.scrolls = scroll::positions(ctx);
        self.keeper.see(&self.state, &self.layout);
    }

    fn on_exit(&mut self) {
        if self.lost.is_none() {
            self.jobs.close();
            self.keeper.close();
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

/// Prepares the drawing of a window.
fn install(ctx: &egui::Context) {
    theme::install(ctx);
    ctx.add_plugin(Copies::default());
    ctx.add_plugin(Keyboard::default());
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

/// The window's content, which outlives a window that closes because the GPU that draws it failed.
#[derive(Debug)]
pub(crate) struct Shown<'a>(pub(crate) &'a RefCell<Option<App>>);

impl Shown<'_> {
    fn with<R: Default>(&self, what: impl FnOnce(&mut App) -> R) -> R {
        self.0.borrow_mut().as_mut().map(what).unwrap_or_default()
    }
}

impl eframe::App for Shown<'_> {
    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        let took = frame.info().cpu_usage.map(devices::Event::Frame);
        self.with(|app| {
            if let Some(took) = took {
                app.state.apply(Event::Devices(took));
            }
            app.logic(ctx);
            let resting = app.drawn_with.as_ref().is_some_and(Gpu::is_resting);
            if let Some(mut config) = frame.wgpu_surface_config().filter(|_| resting) {
                // Where this setting changes, eframe configures the surface anew; without a value it is 2, too.
                let latency = config.desired_maximum_frame_latency;
                config.desired_maximum_frame_latency = latency.xor(Some(2));
                frame.set_wgpu_surface_config(config);
                ctx.request_repaint();
            }
        });
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.with(|app| app.ui(ui));
    }

    fn persist_egui_memory(&self) -> bool {
        false // places of panels and menus follow from settings and tiles
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        let theme = theme::Theme::which(visuals.dark_mode);
        theme.surface.window.to_normalized_gamma_f32()
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.with(App::on_exit);
    }
}

#[cfg(test)]
impl App {
    /// Draws a frame, as eframe does.
    pub(crate) fn frame(&mut self, ui: &mut egui::Ui) {
        self.logic(ui.ctx());
        self.ui(ui);
    }

    /// Whether a job runs or something is yet to be carried out.
    pub(crate) fn is_busy(&self) -> bool {
        self.jobs.is_busy() || !self.commands.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use umbra_core::device::Adapter;

    use super::*;
    use crate::state::requests::shell;
    use crate::testing::Answer;

    #[test]
    fn a_window_whose_gpu_fails_on_wgpu_opens_again_with_its_jobs() {
        let required = std::env::var_os("REQUIRE_GPU").is_some_and(|value| value == "1");
        let Some(adapter) = Adapter::all().into_iter().next() else {
            assert!(!required, "no adapter, and REQUIRE_GPU is 1");
            println!("skipped on wgpu: no adapter");
            return;
        };
        let gpu = adapter.open().unwrap();
        let ctx = egui::Context::default();
        let (dialogs, first) = (
            Arc::new(Answer(None)),
            shell::Command::Palette(false).into(),
        );
        let app = App::new(&ctx, AppState::default(), Layout::default(), dialogs, first);
        let mut app = app.drawn_with(gpu.label(), Some(gpu.clone()));
        app.logic(&ctx);
        assert_eq!(app.lost(), None);
        gpu.give_up("was unplugged");
        app.logic(&ctx);
        let lost = app.lost().unwrap().to_owned();
        assert!(lost.contains("was unplugged"), "{lost}");
        app.on_exit(); // of the first window
        app.open_again(&egui::Context::default(), &lost, "OpenGL");
        assert_eq!((app.lost(), app.state.devices.shared), (None, false));
        let said = &app.state.log.notices[0].notice.text;
        assert!(
            said.contains("was unplugged. The window now draws with OpenGL"),
            "{said}"
        );
        app.jobs.start("Go on", |worker| {
            worker.line("still here");
            Ok(())
        });
        let until = Instant::now() + Duration::from_secs(10);
        while !app
            .state
            .log
            .lines
            .iter()
            .any(|line| line.text == "still here")
        {
            assert!(Instant::now() < until, "the jobs were closed");
            app.logic(&ctx);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
