//! For tests: states of every size, and a harness for any view without a window or a GPU.
//!
//! ```ignore
//! let mut harness = testing::harness(ViewId::Prompt, testing::typical());
//! harness.get_by_label("Read").click();
//! harness.run();
//! assert_eq!(harness.state_mut().commands.take(), [prompt::Command::Read.into()]);
//! ```

mod arranged;
pub(crate) mod attributed;
pub(crate) mod chats;
pub(crate) mod error_parts;
mod families;
mod flows;
mod forms;
pub(crate) mod induction;
pub(crate) mod ladders;
pub(crate) mod patched;
mod pictures;
pub(crate) mod pursued;
pub(crate) mod questions;
mod studied;
pub(crate) mod surveys;
pub(crate) mod tasked;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui_kittest::{Harness, HarnessBuilder};
use umbra_core::dims::Matrix;
use umbra_core::error::Notes;
use umbra_core::features::Summary;
use umbra_core::features::filter::Columns;
use umbra_core::ids::{FeatureId, HookPoint, Site};
use umbra_core::models::Opening;
use umbra_core::sae::{Provenance, Sae, TopK};
use umbra_core::train::Spec;
use umbra_core::workbench::text::{Text, TextRequest};

use crate::commands::{self, Context};
use crate::dialogs::{Ask, Dialogs, Reply};
use crate::jobs::Jobs;
use crate::shell::{self, Views};
use crate::state::catalogue::{DictionaryId, LoadedSae};
use crate::state::features::Table;
use crate::state::jobs::JobId;
use crate::state::layout::Layout;
use crate::state::places::Places;
use crate::state::requests::shell::Question;
use crate::state::requests::{self, Command, Commands, library};
use crate::state::tour::Tour;
use crate::state::training::{CountedText, Member, Run, Source, TextKey};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, catalogue, features};
use crate::theme;
use crate::views::view::View;

pub(crate) use studied::studied_head;

/// A view on a stage of its own.
#[derive(Debug)]
pub(crate) struct Stage {
    /// The view.
    pub(crate) view: Box<dyn View>,
    /// State that it reads.
    pub(crate) state: AppState,
    /// Requests it sent.
    pub(crate) commands: Commands,
}

/// A harness with `view` over `state`, 1000 × 700, dark.
pub(crate) fn harness(view: ViewId, state: AppState) -> Harness<'static, Stage> {
    harness_of(crate::views::make(view), state)
}

/// A harness with a view made by the test.
pub(crate) fn harness_of(view: Box<dyn View>, state: AppState) -> Harness<'static, Stage> {
    let stage = Stage {
        view,
        state,
        commands: Commands::default(),
    };
    Harness::builder()
        .with_size((1000.0, 700.0))
        .with_max_steps(16)
        .with_context_setup(theme::install)
        .build_ui_state(
            |ui, stage: &mut Stage| {
                stage.view.ui(ui, &stage.state, &mut stage.commands);
                fill_in(stage);
            },
            stage,
        )
}

/// Takes what a person asked for; the lab on dark matter looks for kept results by itself, and no one answers on a stage.
pub(crate) fn asked(harness: &mut Harness<'_, Stage>) -> Vec<Command> {
    use requests::dark_matter::{
        Command as Lab, depth, fit, ladder, places, predict, pursuit, self_test, splice,
    };
    let looks = |lab: &Lab| match lab {
        Lab::Fit(command) => matches!(command, fit::Command::Look(_)),
        Lab::Places(command) => matches!(command, places::Command::Look(_)),
        Lab::Depth(command) => matches!(command, depth::Command::Look),
        Lab::Ladder(command) => matches!(command, ladder::Command::Look(_)),
        Lab::Splice(command) => matches!(command, splice::Command::Look(_)),
        Lab::Pursuit(command) => matches!(command, pursuit::Command::Look(_)),
        Lab::Predict(command) => matches!(command, predict::Command::Look(_)),
        Lab::SelfTest(command) => matches!(command, self_test::Command::Look(_)),
        Lab::Show(_) | Lab::Train(_) => false,
    };
    let mut sent = harness.state_mut().commands.take();
    sent.retain(|command| !matches!(command, Command::DarkMatter(lab) if looks(lab)));
    sent
}

/// Applies the content of forms and fields to the state at once, as in the window; a test sees the other commands.
fn fill_in(stage: &mut Stage) {
    for command in stage.commands.take() {
        match command {
            Command::Steering(requests::steering::Command::Draft(draft)) => {
                let event = crate::state::steering::Event::Draft(draft);
                stage.state.apply(Event::Steering(event));
            }
            Command::Features(requests::features::Command::Filter(filter)) => {
                let event = features::Event::Filter(filter);
                stage.state.apply(Event::Features(event));
            }
            Command::Shell(requests::shell::Command::Unfold(part, open)) => {
                let event = crate::state::settings::Event::Unfolded(part, open);
                stage.state.apply(Event::Settings(event));
            }
            other => stage.commands.send(other),
        }
    }
}

/// Returns a state with nothing open.
pub(crate) fn empty() -> AppState {
    AppState::default()
}

/// One dictionary `z0` of 64 features on `blocks.0.attn.hook_z` with a table, the first feature selected.
pub(crate) fn typical() -> AppState {
    with_features(64)
}

/// The typical state with 100,000 features.
pub(crate) fn huge() -> AppState {
    with_features(100_000)
}

/// The typical state with the demo's model loaded, and a dictionary that fits it.
pub(crate) fn with_model() -> AppState {
    with_demo_model(fitting())
}

/// The typical state with a dictionary that fits the demo's model, which is not loaded.
pub(crate) fn fitting() -> AppState {
    let mut state = typical();
    load(&mut state, sae_of(64, 256));
    state
}

/// A file or folder of the bundled demo.
pub(crate) fn bundled(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/demo")
        .join(path)
}

/// The demo's model loaded into `state`.
pub(crate) fn with_demo_model(mut state: AppState) -> AppState {
    let path = &bundled("model");
    let (model, notes) = umbra_core::models::Model::open(path).unwrap();
    let loaded = catalogue::LoadedModel {
        model: Arc::new(model),
        notes,
        size_bytes: 0,
    };
    let named = catalogue::Event::ModelNamed(path.clone(), Opening::default());
    state.apply(Event::Catalogue(named));
    let arrived = catalogue::Event::Model(path.clone(), Box::new(Load::Ready(loaded)));
    state.apply(Event::Catalogue(arrived));
    state
}

/// A loaded dictionary of `features` features, four wide, and its table.
pub(crate) fn with_features(features: usize) -> AppState {
    let mut state = AppState::default();
    state.apply(Event::Catalogue(catalogue::Event::Added("z0".into(), None)));
    let id = DictionaryId(0);
    load(&mut state, sae(features));
    let table = Arc::new(table(id, features));
    state.apply(Event::Features(features::Event::Table(id, Load::Loading)));
    state.apply(Event::Features(features::Event::Table(
        id,
        Load::Ready(table),
    )));
    state.apply(Event::Selection(crate::state::selection::Event::Feature(
        Some(FeatureId(0)),
    )));
    families::test(&mut state);
    state
}

/// The first dictionary's weights arrive.
fn load(state: &mut AppState, sae: Sae) {
    let loaded = LoadedSae::new(sae, Notes::default(), 1_234_567);
    let ready = catalogue::Event::Sae(DictionaryId(0), Load::Ready(loaded));
    state.apply(Event::Catalogue(ready));
}

/// A dictionary with made-up weights, four wide.
pub(crate) fn sae(features: usize) -> Sae {
    sae_of(features, 4)
}

/// A dictionary with made-up weights.
pub(crate) fn sae_of(features: usize, width: usize) -> Sae {
    let weights: Vec<f32> = (0..features * width)
        .map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0)
        .collect();
    let matrix = Matrix::new(features, width, weights).unwrap();
    Sae::new(
        "z0",
        (matrix.clone(), vec![0.0; features]),
        (matrix, vec![0.0; width]),
        TopK { k: 2 },
    )
    .with_provenance(Provenance {
        hook: Some(HookPoint::block(0, Site::Z)),
        model: "model".to_owned(),
        ..Provenance::default()
    })
}

/// A run named `z-0` that has just begun, on a text without rows.
pub(crate) fn run(spec: Spec) -> Run {
    let key = TextKey {
        request: TextRequest::default(),
        model: PathBuf::new(),
    };
    let text = CountedText::new(Text::default());
    Run {
        job: JobId(7),
        source: Source::Text(key, Arc::new(text)),
        members: vec![Member::new("z-0".to_owned(), "saes/z-0".into(), spec)],
        on: None,
        shown: 0,
    }
}

/// A table with made-up scalars.
pub(crate) fn table(dictionary: DictionaryId, features: usize) -> Table {
    let summary = |i: usize| Summary {
        feature: FeatureId::from(i),
        density: 1.0 / (i as f64 + 10.0),
        mean: 0.5 + (i % 7) as f64,
        min: 0.0,
        max: 1.0 + (i % 13) as f64,
        decoder_norm: 1.0,
        ..Summary::default()
    };
    let words = [" the", " king", "ing", "\n", " said", " rabbit", ",", " Oz"];
    let tokens = (0..features).map(|i| words[i % words.len()].to_owned());
    let mut columns = Columns::new((0..features).map(summary).collect(), tokens.collect());
    columns.families = Some(families::families(features));
    Table::new(dictionary, columns)
}

/// State, jobs and commands without a window: runs commands and waits for their jobs.
#[derive(Debug)]
pub(crate) struct Desk {
    /// State that the commands change.
    pub(crate) state: AppState,
    /// Answers of file dialogs.
    pub(crate) dialogs: Arc<dyn Dialogs>,
    /// Tiles, places and dialogs.
    pub(crate) layout: Layout,
    jobs: Jobs,
}

/// A condition on the state, and the command to run once it holds.
pub(crate) type Then = (fn(&AppState) -> bool, Command);

/// Answers every dialog with one path.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) Option<PathBuf>);

impl Dialogs for Answer {
    fn ask(&self, _: &Ask) -> Reply {
        match &self.0 {
            Some(path) => Reply::Chosen(path.clone()),
            None => Reply::Cancelled,
        }
    }
}

/// A system without dialogs.
#[derive(Debug)]
pub(crate) struct NoDialogs;

impl Dialogs for NoDialogs {
    fn ask(&self, _: &Ask) -> Reply {
        Reply::Unavailable
    }
}

impl Desk {
    /// Returns a desk over `state`; every dialog is cancelled.
    pub(crate) fn new(state: AppState) -> Self {
        Self {
            state,
            dialogs: Arc::new(Answer(None)),
            layout: Layout::default(),
            jobs: Jobs::new(|| {}),
        }
    }

    /// Carries out `command` and everything that follows from it, until nothing runs and nothing is called for.
    pub(crate) fn run(&mut self, command: impl Into<Command>) {
        self.run_through(command, vec![]);
    }

    /// Runs `command`, and a second one as soon as the condition of `then` holds, while the first may still run.
    pub(crate) fn run_then(&mut self, command: impl Into<Command>, then: Option<Then>) {
        self.run_through(command, then.into_iter().collect());
    }

    /// Runs `command`, then each of `then` as soon as its condition holds, one after the other.
    pub(crate) fn run_through(&mut self, command: impl Into<Command>, then: Vec<Then>) {
        let mut then = then.into_iter().peekable();
        let until = Instant::now() + Duration::from_mins(1);
        let mut commands = Commands::default();
        commands.send(command);
        loop {
            while !commands.is_empty() {
                for command in commands.take() {
                    command.run(&mut Context {
                        state: &mut self.state,
                        jobs: &mut self.jobs,
                        layout: &mut self.layout,
                        dialogs: &self.dialogs,
                        commands: &mut commands,
                    });
                }
            }
            let busy = self.jobs.is_busy();
            let events = self.jobs.drain();
            let mut quiet = events.is_empty() && !busy;
            for event in events {
                self.state.apply(event);
            }
            for command in self.jobs.asked() {
                commands.send(command);
            }
            if let Some((_, command)) = then.next_if(|(when, _)| when(&self.state)) {
                commands.send(command);
            }
            commands::follow(&self.state, &mut commands);
            quiet &= commands.is_empty();
            if quiet {
                return;
            }
            assert!(Instant::now() < until, "the jobs did not settle");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The screen in the active tile.
    pub(crate) fn view(&self) -> ViewId {
        self.layout.view()
    }

    /// Returns the number of tiles.
    pub(crate) fn panes(&self) -> usize {
        self.layout.panes()
    }

    /// The question that waits for an answer.
    pub(crate) fn question(&self) -> Option<&Question> {
        self.layout.question.as_ref()
    }

    /// The notifications on screen.
    pub(crate) fn notices(&self) -> Vec<&str> {
        let notices = self.state.log.notices.iter();
        notices.map(|shown| shown.notice.text.as_str()).collect()
    }
}

/// The frame and all screens over a desk, drawn without a window.
#[derive(Debug)]
pub(crate) struct Window {
    /// Holds the state and carries out commands.
    pub(crate) desk: Desk,
    views: Views,
    commands: Commands,
}

impl Window {
    /// Builds a harness that draws `desk` like a window that just opened.
    pub(crate) fn build(builder: HarnessBuilder<Self>, desk: Desk) -> Harness<'static, Self> {
        let window = Self {
            desk,
            views: Views::default(),
            commands: Commands::default(),
        };
        builder
            .with_max_steps(32)
            .with_context_setup(theme::install)
            .build_ui_state(
                |ui, window: &mut Self| {
                    let Self {
                        desk,
                        views,
                        commands,
                    } = window;
                    // A harness leaves a margin; a window has none.
                    let all = egui::UiBuilder::new().max_rect(ui.ctx().content_rect());
                    ui.scope_builder(all, |ui| {
                        ui.set_clip_rect(ui.max_rect());
                        shell::window_ui(ui, &desk.state, views, &mut desk.layout, commands);
                    });
                },
                window,
            )
    }

    /// Shows `view` in the active tile.
    pub(crate) fn go(&mut self, view: ViewId) {
        self.desk.layout.go(view, &self.desk.state.selection);
    }

    /// Draws and carries out the commands of the screens until they send none.
    pub(crate) fn settle(harness: &mut Harness<'_, Self>) {
        for _ in 0..32 {
            harness.run();
            let window = harness.state_mut();
            commands::follow_drawn(&window.desk.state, &mut window.commands);
            let mut asked = window.commands.take();
            if asked.is_empty() {
                return;
            }
            asked.dedup();
            for command in asked {
                window.desk.run(command);
            }
        }
        panic!("the screens go on asking for more");
    }

    /// Takes the commands that were sent.
    pub(crate) fn take(&mut self) -> Vec<Command> {
        self.commands.take()
    }

    /// Draws and drops the commands of the screens.
    pub(crate) fn draw(harness: &mut Harness<'_, Self>) {
        harness.run();
        harness.state_mut().commands.take();
    }
}

/// Opens the bundled demo for a person who has closed the tour; its changes go to `folder`.
pub(crate) fn demo(folder: &Path) -> Desk {
    let mut desk = Desk::new(AppState::default());
    desk.state.places = Places {
        demo: bundled(""),
        data: Some(folder.to_path_buf()),
        home: None,
    };
    let closed = crate::state::settings::Event::Tour(Tour::Ended);
    desk.state.apply(Event::Settings(closed));
    desk.run(library::Command::OpenDemo);
    desk
}

/// Prepares the demo so that `view` shows its typical content.
pub(crate) fn prepare(desk: &mut Desk, view: ViewId) {
    pictures::typical(desk, view);
}

#[test]
fn every_view_draws_an_empty_a_typical_and_a_huge_state() {
    for view in ViewId::ALL {
        let states: [fn() -> AppState; 3] = [empty, typical, huge];
        for state in states {
            harness(view, state()).run();
        }
    }
}
