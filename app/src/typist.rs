//! Types into the window's own frames, without a screen, and measures them; for the benchmark.

use std::fmt;
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
const SENTENCE: &str = "When Mary and John went to the garden, John gave a letter to Mary, and she read it under the old apple tree by the river, while the fox and the rabbit sat in the grass near the wall and the king of the castle on the hill came down the road with his men, who were tired and cold after the long war. Then";

/// Least number of its tokens.
const TOKENS: usize = 64;

/// A window on the demo, driven from outside.
#[derive(Debug)]
pub struct Typist {
    ctx: egui::Context,
    app: App,
    began: Instant,
    /// Time of the longest frame since the last key press.
    longest: Duration,
}

/// Letters that are typed, one by one.
const TYPED: &str = " they went home and the old king said to the fox that";

/// Times from key presses to the ends of the frames that draw the new colours.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Number of key presses.
    pub presses: usize,
    /// Median.
    pub median: Duration,
    /// The time that nine of ten stay below.
    pub ninety: Duration,
    /// The longest.
    pub longest: Duration,
    /// The longest frame on the way to new colours.
    pub longest_frame: Duration,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} key presses: median {:.1?}, p90 {:.1?}, longest {:.1?}; longest frame {:.1?}",
            self.presses, self.median, self.ninety, self.longest, self.longest_frame
        )
    }
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
        let tokens = typist
            .app
            .state
            .reading()
            .map_or(0, |read| read.tokens.len());
        assert!(tokens >= TOKENS, "the sentence has {tokens} tokens");
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

    /// Presses so many keys, with a time `between` two of them.
    pub fn measure(&mut self, presses: usize, between: Duration) -> Measured {
        let (mut times, mut longest_frame) = (vec![], Duration::ZERO);
        for letter in TYPED.chars().cycle().take(presses) {
            self.rest(between);
            times.push(self.press(&letter.to_string()));
            longest_frame = longest_frame.max(self.longest);
        }
        times.sort_unstable();
        let at = |share: f64| {
            let place = (times.len() as f64 * share) as usize;
            times
                .get(place)
                .or(times.last())
                .copied()
                .unwrap_or_default()
        };
        Measured {
            presses,
            median: at(0.5),
            ninety: at(0.9),
            longest: at(1.0),
            longest_frame,
        }
    }

    /// Presses the key of a letter and draws frames until the colours of the new sentence are drawn; the time until then.
    fn press(&mut self, letter: &str) -> Duration {
        let want = format!("{}{letter}", self.app.state.prompt.text);
        self.longest = Duration::ZERO;
        let pressed = Instant::now();
        self.frame(vec![Input::Text(letter.to_owned())]);
        self.until("the colours were drawn", |state| {
            state.prompt.text == want
                && state.prompt.is_read()
                && !state.prompt.latencies.is_waiting()
        });
        pressed.elapsed()
    }

    /// Draws frames for a while, as between two key presses.
    fn rest(&mut self, time: Duration) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_a_key_press_beside_a_training_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut typist = Typist::open(folder.path());
        typist.train();
        let measured = typist.measure(50, Duration::from_millis(30));
        assert!(typist.is_training());
        println!("beside a training run, {measured}");
    }
}
