//! Restarts and crashes over projects in folders of their own: what is on the screens comes back, and what does not fit is dropped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use umbra_core::formats::{self, Precision};
use umbra_core::ids::{FeatureId, Head, Layer, TokenId};
use umbra_core::project::{Entry, Project};
use umbra_core::workbench::edits_file;

use crate::app::App;
use crate::state::heads::map::MapState;
use crate::state::heads::step::Step;
use crate::state::layout::Layout;
use crate::state::places::Places;
use crate::state::prompt::{self, Side, Tokens};
use crate::state::requests::{Command, features, heads, library, navigation, steering, texts};
use crate::state::settings::Settings;
use crate::state::steering::tab::Tab;
use crate::state::steering::{Draft, EditDraft};
use crate::state::texts::SetsForm;
use crate::state::view::ViewId;
use crate::state::{AppState, Event};
use crate::testing::{self, Answer};

/// How long a test waits for a file: a window writes within a second ([`super::SOON`]), a busy machine takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

type Window = Harness<'static, App>;

/// A window over the data folder in `folder` that first carries out `first`, drawn until it rests.
fn window(folder: &Path, first: impl Into<Command>) -> Window {
    let places = Places {
        demo: testing::bundled(""),
        data: Some(folder.join("data")),
        home: None,
    };
    let (settings, said) = super::settings(places.data.as_deref());
    assert_eq!(said, None);
    let state = AppState {
        places,
        settings,
        ..AppState::default()
    };
    let ctx = egui::Context::default();
    let dialogs = Arc::new(Answer(None));
    let app = App::new(&ctx, state, Layout::default(), dialogs, first.into());
    let mut harness = Harness::builder()
        .with_size((1440.0, 900.0))
        .with_max_steps(64)
        .with_context_setup(crate::theme::install)
        .build_ui_state(|ui, app: &mut App| app.frame(ui), app);
    rest(&mut harness);
    harness
}

/// Draws until nothing runs and nothing is asked for.
fn rest(window: &mut Window) {
    let until = Instant::now() + Duration::from_mins(1);
    let mut quiet = 0;
    while quiet < 3 {
        window.step();
        quiet = if window.state_mut().is_busy() {
            0
        } else {
            quiet + 1
        };
        assert!(Instant::now() < until, "the window did not come to rest");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn run(window: &mut Window, command: impl Into<Command>) {
    window.state_mut().ask(command.into());
    rest(window);
}

/// Waits until the file at `path` holds `text`.
fn written(path: &Path, text: &str) {
    let begun = Instant::now();
    while !std::fs::read_to_string(path).is_ok_and(|there| there.contains(text)) {
        assert!(begun.elapsed() < PATIENCE, "{text} was not written");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A project with the demo's model, and its dictionary `attn-1` in a folder of its own.
fn project(folder: &Path) -> PathBuf {
    let mut project = Project::create(&folder.join("p"), "p").unwrap();
    project.model = Some(testing::bundled("model"));
    project.entries.push(Entry {
        sae: dictionary(folder, "attn-1"),
        index: None,
    });
    project.save().unwrap();
    project.folder
}

/// Puts the demo's dictionary `of` into the project's one folder.
fn dictionary(folder: &Path, of: &str) -> PathBuf {
    let own = folder.join("d");
    let (sae, _) = formats::open(&testing::bundled(&format!("saes/{of}"))).unwrap();
    formats::save(&sae, &own, Precision::F32).unwrap();
    own
}

fn open(folder: &Path) -> library::Command {
    library::Command::OpenProject(folder.to_path_buf())
}

/// A map that is coloured by entropy and shown as a table.
fn map_of_entropy() -> MapState {
    MapState {
        figure: "entropy".to_owned(),
        table: true,
    }
}

/// Changes everything that is kept.
fn change(window: &mut Window) {
    let text = Event::Prompt(prompt::Event::Tokens {
        tokens: Tokens {
            ids: [TokenId(5), TokenId(6), TokenId(7)].into(),
            apart: true,
            of: "row 3 of Alice".to_owned(),
        },
        text: "three tokens".to_owned(),
        at: 1,
    });
    window.state_mut().state.apply(text);
    let mut edit = EditDraft::new("add");
    edit.feature = Some(FeatureId(9));
    let draft = Draft {
        edits: vec![edit, EditDraft::of_head(Layer(1), Head(2))],
        ..Draft::default()
    };
    for command in [
        Command::from(crate::state::requests::prompt::Command::Show(Side::Lens)),
        texts::Command::Second("another".to_owned()).into(),
        texts::Command::Form(two_sets()).into(),
        features::Command::Filter("king density<1%".to_owned()).into(),
        steering::Command::Draft(Box::new(draft)).into(),
        heads::Command::Map(map_of_entropy()).into(),
        heads::Command::Choose(Layer(1), Head(3)).into(),
        steering::Command::Show(Tab::Causes).into(),
        navigation::Command::Go(ViewId::Prompt).into(),
        navigation::Command::Feature {
            feature: FeatureId(12),
            beside: false,
        }
        .into(),
        navigation::Command::Beside(ViewId::Steering).into(),
        navigation::Command::SelectToken(Some(1)).into(),
    ] {
        run(window, command);
    }
}

/// Two sets of texts.
fn two_sets() -> SetsForm {
    SetsForm {
        sets: ["one\ntwo".to_owned(), "three".to_owned()],
        ..SetsForm::default()
    }
}

/// Fails the test unless everything is as `change` left it.
#[track_caller]
fn assert_changed(window: &mut Window) {
    let app = window.state_mut();
    let state = &app.state;
    assert_eq!(state.prompt.text, "three tokens");
    let tokens = state.prompt.tokens.as_ref().unwrap();
    assert_eq!(
        (tokens.ids.len(), tokens.of.as_str()),
        (3, "row 3 of Alice")
    );
    assert_eq!(state.prompt.side, Side::Lens);
    assert_eq!(state.texts.beside.text, "another");
    assert_eq!(state.texts.sets.form, two_sets());
    assert_eq!(state.features.filter, "king density<1%");
    let selection = &state.selection;
    assert_eq!(selection.feature, Some(FeatureId(12)));
    assert_eq!(selection.token, Some(1));
    assert_eq!(selection.head, Some((Layer(1), Head(3))));
    assert_eq!(selection.shown.step, Step::Head);
    assert_eq!(selection.tab, Tab::Causes);
    assert_eq!(state.heads.map, map_of_entropy());
    let edits = &state.steering.draft.edits;
    assert_eq!(edits.len(), 2);
    assert_eq!(edits[0].feature, Some(FeatureId(9)));
    assert!(state.history.done.is_empty(), "undo begins here");
    let layout = &app.layout;
    assert_eq!((layout.panes(), layout.view()), (2, ViewId::Steering));
    assert!(layout.can_go_back());
    let (places, at) = layout.places();
    assert_eq!(places[at].view, ViewId::Steering);
    assert!(
        places
            .iter()
            .any(|place| place.feature == Some(FeatureId(12)))
    );
    let chosen = Some((selection.shown, Some((Layer(1), Head(3)))));
    assert!(places.iter().any(|place| place.heads == chosen));
}

#[test]
fn everything_comes_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path());
    let mut first = window(folder.path(), open(&project));
    change(&mut first);
    drop(first);
    let mut second = window(folder.path(), open(&project));
    assert_changed(&mut second);
    run(&mut second, navigation::Command::Back);
    assert_eq!(second.state_mut().layout.view(), ViewId::Feature);
    run(&mut second, navigation::Command::Forward);
    // Each project has its own, and the demo's lies in the person's folder.
    drop(second);
    let mut other = window(folder.path(), library::Command::OpenDemo);
    assert_eq!(other.state_mut().state.features.filter, "");
    run(&mut other, features::Command::Filter("fox".to_owned()));
    run(&mut other, open(&project));
    assert_changed(&mut other);
    run(&mut other, library::Command::OpenDemo);
    assert_eq!(other.state_mut().state.features.filter, "fox");
    drop(other);
    assert!(!testing::bundled("window.json").exists());
    assert!(folder.path().join("data/demo/window.json").is_file());
}

#[test]
fn a_projects_edits_open_again_with_it_from_their_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path());
    let mut first = window(folder.path(), open(&project));
    change(&mut first);
    let file = project.join(edits_file::NAME);
    written(&file, "heads = [2]");
    let edits = first.state_mut().state.steering.draft.edits.clone();
    drop(first);
    let read = edits_file::read(&file).unwrap();
    let texts: Vec<String> = read.iter().map(|(edit, _)| edit.to_string()).collect();
    assert_eq!(texts[0], "add feature=9 strength=8 sae=d");
    assert_eq!(texts[1], "zero hook=blocks.1.attn.hook_z heads=2");
    // The project comes without what the window kept, as from another person.
    std::fs::remove_file(project.join("window.json")).unwrap();
    let mut second = window(folder.path(), open(&project));
    let state = &second.state_mut().state;
    let specs = |edits: &[EditDraft]| -> Vec<String> {
        let specs = edits
            .iter()
            .map(|edit| edit.spec(None).unwrap().to_string());
        specs.collect()
    };
    assert_eq!(specs(&state.steering.draft.edits), specs(&edits));
}

#[test]
fn a_change_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path());
    let mut window = window(folder.path(), open(&project));
    change(&mut window);
    run(&mut window, features::Command::Filter("lion".to_owned()));
    run(
        &mut window,
        crate::state::requests::shell::Command::TextPercent(120),
    );
    written(&project.join("window.json"), "lion");
    let settings = folder.path().join("data/settings.json");
    written(&settings, "\"text_percent\": 120");
    std::mem::forget(window); // a crash closes nothing
    let mut again = self::window(folder.path(), open(&project));
    let state = &again.state_mut().state;
    assert_eq!(state.features.filter, "lion");
    assert_eq!(state.settings.text_percent, 120);
    assert_eq!(state.settings.last.as_ref(), Some(&project));
    assert_eq!(state.selection.feature, Some(FeatureId(12)));
}

#[test]
fn what_is_about_a_dictionary_that_changed_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path());
    let mut first = window(folder.path(), open(&project));
    change(&mut first);
    drop(first);
    dictionary(folder.path(), "attn-2");
    let mut second = window(folder.path(), open(&project));
    let app = second.state_mut();
    assert_eq!(app.state.selection.feature, None);
    let edits = &app.state.steering.draft.edits;
    assert_eq!(edits.len(), 1, "the edit of a head stays");
    assert_eq!(edits[0].feature, None);
    assert!(
        app.layout
            .places()
            .0
            .iter()
            .all(|place| place.feature.is_none())
    );
    // What is about no dictionary stays.
    assert_eq!(app.state.features.filter, "king density<1%");
    assert_eq!(app.state.selection.head, Some((Layer(1), Head(3))));
    let said = |line: &crate::state::log::Line| line.text.contains("not the dictionary it was");
    assert!(app.state.log.lines.iter().any(said));
}

#[test]
fn a_dictionary_that_is_gone_and_a_feature_out_of_range_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path());
    let mut first = window(folder.path(), open(&project));
    change(&mut first);
    drop(first);
    let file = project.join("window.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let far = text.replace("\"feature\": 12", "\"feature\": 99999999");
    std::fs::write(
        &file,
        far.replace("\"feature\": 9,", "\"feature\": 99999999,"),
    )
    .unwrap();
    let mut second = window(folder.path(), open(&project));
    let app = second.state_mut();
    assert_eq!(app.state.selection.feature, None);
    assert_eq!(app.state.steering.draft.edits.len(), 1);
    run(&mut second, navigation::Command::Back);
    assert_eq!(second.state_mut().state.selection.feature, None);
    drop(second);
    std::fs::write(&file, &text).unwrap();
    std::fs::remove_dir_all(folder.path().join("d")).unwrap();
    let mut third = window(folder.path(), open(&project));
    let app = third.state_mut();
    assert_eq!(
        (app.state.selection.dictionary, app.state.selection.feature),
        (None, None)
    );
    assert!(
        app.layout
            .places()
            .0
            .iter()
            .all(|place| place.dictionary.is_none())
    );
    assert_eq!(app.state.features.filter, "king density<1%");
}

#[test]
fn a_damaged_file_and_one_of_another_version_are_set_aside_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path());
    let file = project.join("window.json");
    for (at, (text, said)) in [
        (
            "{\"version\": 1, \"window\": {\"filter\": 3}}",
            "is damaged",
        ),
        ("{\"version\": 1, \"win", "is damaged"),
        ("\u{0}", "is damaged"),
        ("{}", "no version"),
        ("{\"version\": 7, \"window\": {}}", "is of version 7"),
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(&file, text).unwrap();
        let mut window = window(folder.path(), open(&project));
        let app = window.state_mut();
        let notices = app.state.log.notices.iter().map(|shown| &shown.notice.text);
        let told: Vec<_> = notices.filter(|text| text.contains(said)).collect();
        assert_eq!(told.len(), 1, "{said}");
        assert_eq!(told[0].lines().count(), 1);
        assert_eq!(app.state.features.filter, "");
        let aside = project.join(format!("window.damaged-{}.json", at + 1));
        assert_eq!(std::fs::read_to_string(aside).unwrap(), text);
    }
    let data = folder.path().join("data");
    std::fs::write(
        data.join("settings.json"),
        "{\"version\": 1, \"settings\": 3}",
    )
    .unwrap();
    let (settings, said) = super::settings(Some(&data));
    assert_eq!(settings, Settings::default());
    assert!(said.unwrap().contains("settings.damaged-1.json"));
}

#[test]
fn tiles_and_scroll_positions_are_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path());
    let mut first = window(folder.path(), open(&project));
    let offsets = std::collections::BTreeMap::from([("library".to_owned(), 37.0)]);
    crate::widgets::scroll::restore(&first.ctx, offsets.clone());
    change(&mut first);
    drop(first);
    let mut second = window(folder.path(), open(&project));
    let scrolls = &second.state_mut().layout.scrolls;
    assert_eq!(scrolls["library"], offsets["library"]);
}
