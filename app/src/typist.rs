//! Types into the window's own frames, without a screen, and measures them; for the benchmark.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Event as Input, Key, Modifiers, RawInput, Rect, pos2, vec2};

use crate::app::App;
use crate::dialogs::SystemDialogs;
use crate::state::AppState;
use crate::state::layout::Layout;
use crate::state::places::Places;
use crate::state::requests::{Command, library, training};
use crate::state::training::{Form, plan};
use crate::state::view::ViewId;

/// Time within which everything that is waited for must have happened.
const MOST: Duration = Duration::from_mins(1);

/// Sentence that is typed on.
const SENTENCE: &str = "When Mary and John went to the garden, John gave a letter to Mary. Then";

/// A window on the demo, driven from outside.
#[derive(Debug)]
pub struct Typist {
    ctx: egui::Context,
    app: App,
    began: Instant,
    /// Time of the longest frame since the last key press.
    longest: Duration,
}

/// What a key press cost.
#[derive(Debug, Clone, Copy)]
pub struct Pressed {
    /// Time from the key press to the end of the frame that draws the new colours.
    pub colours: Duration,
    /// The longest frame until then.
    pub longest_frame: Duration,
}

impl Typist {
    /// Opens the demo in `assets/demo` with its changes in `data`, shows Prompt and puts the caret behind a sentence.
    pub fn open(data: &Path) -> Self {
        let places = Places {
            demo: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo")),
            data: Some(data.to_path_buf()),
            home: None,
        };
        let state = AppState {
            places,
            ..AppState::default()
        };
        let ctx = egui::Context::default();
        let mut layout = Layout::default();
        layout.go(ViewId::Prompt, &state.selection);
        let first = Command::Library(library::Command::OpenDemo);
        let app = App::new(&ctx, state, layout, Arc::new(SystemDialogs), first);
        let mut typist = Self {
            ctx,
            app,
            began: Instant::now(),
            longest: Duration::ZERO,
        };
        typist.until("the demo was opened", |state| {
            state.prompt.is_read() && state.rarity().is_some()
        });
        while !typist.ctx.text_edit_focused() {
            typist.frame(vec![key(Key::Tab, Modifiers::NONE)]);
            assert!(typist.began.elapsed() < MOST, "no field takes the focus");
        }
        typist.frame(vec![key(Key::A, Modifiers::COMMAND)]);
        typist.frame(vec![Input::Text(SENTENCE.to_owned())]);
        typist.until("the sentence was read", |state| {
            state.prompt.text == SENTENCE && state.prompt.is_read()
        });
        typist
    }

    /// Starts a training run on the demo's model, and waits for its first steps.
    pub fn train(&mut self) {
        let settings = [
            ("features", "4096"),
            ("k", "16"),
            ("batch", "1024"),
            ("buffer", "16384"),
            ("tokens", "100000000"),
        ];
        let settings = settings.map(|(key, text)| (key.to_owned(), text.to_owned()));
        let text = self.app.state.places.demo.join("text/train");
        let form = Form {
            name: Some("beside".to_owned()),
            text: Some(text),
            settings: settings.into(),
            ..Form::default()
        };
        self.ask(training::Command::Fill(form));
        let key = plan::text_key(&self.app.state).expect("the form names a text");
        self.ask(training::Command::CountText(key));
        self.until("the text was counted", |state| {
            plan::plan(state).refusal.is_none()
        });
        self.ask(training::Command::Start);
        self.until("the run trained", |state| {
            let run = state.training.running();
            run.is_some_and(|run| run.members.iter().any(|member| member.seen() > 0))
        });
    }

    /// Whether the run still trains.
    pub fn is_training(&self) -> bool {
        self.app.state.training.running().is_some()
    }

    /// Presses the key of a letter and draws frames until the colours of the new sentence are drawn.
    pub fn press(&mut self, letter: &str) -> Pressed {
        let want = format!("{}{letter}", self.app.state.prompt.text);
        self.longest = Duration::ZERO;
        let pressed = Instant::now();
        self.frame(vec![Input::Text(letter.to_owned())]);
        self.until("the colours were drawn", |state| {
            state.prompt.text == want
                && state.prompt.is_read()
                && !state.prompt.latencies.is_waiting()
        });
        Pressed {
            colours: pressed.elapsed(),
            longest_frame: self.longest,
        }
    }

    /// Draws frames for a while, as between two key presses.
    pub fn rest(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.frame(vec![]);
            std::thread::sleep(Duration::from_millis(16));
        }
    }

    fn ask(&mut self, command: impl Into<Command>) {
        self.app.ask(command.into());
        self.frame(vec![]);
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&AppState) -> bool) {
        let until = Instant::now() + MOST;
        while !is_so(&self.app.state) {
            assert!(Instant::now() < until, "it took too long until {what}");
            std::thread::sleep(Duration::from_micros(500));
            self.frame(vec![]);
        }
    }

    /// Draws a frame up to the triangles that a graphics card would get.
    fn frame(&mut self, events: Vec<Input>) {
        let before = Instant::now();
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), vec2(1440.0, 900.0))),
            time: Some(self.began.elapsed().as_secs_f64()),
            focused: true,
            events,
            ..RawInput::default()
        };
        let (ctx, app) = (&self.ctx, &mut self.app);
        app.logic(ctx);
        let output = ctx.run_ui(input, |ui| app.ui(ui));
        let triangles = ctx.tessellate(output.shapes, output.pixels_per_point);
        std::hint::black_box(triangles);
        self.longest = self.longest.max(before.elapsed());
    }
}

fn key(key: Key, modifiers: Modifiers) -> Input {
    Input::Key {
        key,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers,
    }
}
