//! The whole frame in a harness: rail, shortcuts, palette, settings.

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::guide;

use super::guide_window::page_of;
use super::{Views, shortcuts, window_ui};
use crate::state::layout::{Keys, Layout};
use crate::state::requests::{Command, Commands, navigation, shell};
use crate::state::selection::Selection;
use crate::state::settings::ThemeChoice;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, log};
use crate::testing;
use crate::widgets::focus::Target;

struct Window {
    state: AppState,
    views: Views,
    layout: Layout,
    commands: Commands,
}

fn window(state: AppState) -> Harness<'static, Window> {
    let window = Window {
        state,
        views: Views::default(),
        layout: Layout::default(),
        commands: Commands::default(),
    };
    Harness::builder()
        .with_size((1000.0, 700.0))
        .with_max_steps(32)
        .with_context_setup(crate::theme::install)
        .build_ui_state(
            |ui, window: &mut Window| {
                let Window {
                    state,
                    views,
                    layout,
                    commands,
                } = window;
                window_ui(ui, state, views, layout, commands);
            },
            window,
        )
}

fn taken(harness: &mut Harness<'static, Window>) -> Vec<Command> {
    harness.state_mut().commands.take()
}

#[test]
fn the_rail_goes_and_middle_click_opens_beside() {
    let mut harness = window(testing::typical());
    harness.get_by_label("Features").click();
    harness.run();
    let go = navigation::Command::Go(ViewId::Features);
    assert_eq!(taken(&mut harness), [go.into()]);
    let at = harness.get_by_label("Heads").rect().center();
    for pressed in [true, false] {
        harness.event(egui::Event::PointerButton {
            pos: at,
            button: egui::PointerButton::Middle,
            pressed,
            modifiers: Modifiers::NONE,
        });
        harness.run();
    }
    let beside = navigation::Command::Beside(ViewId::Heads);
    assert_eq!(taken(&mut harness), [beside.into()]);
}

#[test]
fn shortcuts_send_what_the_palette_says() {
    let mut harness = window(testing::typical());
    let cases: [(Modifiers, Key, Command); 10] = [
        (
            Modifiers::COMMAND | Modifiers::SHIFT,
            Key::T,
            shell::Command::Theme(ThemeChoice::Light).into(),
        ),
        (
            Modifiers::COMMAND,
            Key::K,
            shell::Command::Palette(true).into(),
        ),
        (Modifiers::COMMAND, Key::Z, shell::Command::Undo.into()),
        (
            Modifiers::COMMAND | Modifiers::SHIFT,
            Key::Z,
            shell::Command::Redo.into(),
        ),
        (Modifiers::COMMAND, Key::Y, shell::Command::Redo.into()),
        (
            Modifiers::ALT,
            Key::ArrowLeft,
            navigation::Command::Back.into(),
        ),
        (
            Modifiers::COMMAND,
            Key::I,
            shell::Command::Say(shortcuts::NARROW).into(),
        ),
        (
            Modifiers::COMMAND,
            Key::F,
            shell::Command::Focus(Target::Search).into(),
        ),
        (
            Modifiers::SHIFT,
            Key::Questionmark,
            shell::Command::Keys(Keys::Open).into(),
        ),
        (
            Modifiers::COMMAND,
            Key::Minus,
            shell::Command::TextPercent(90).into(),
        ),
    ];
    for (modifiers, key, want) in cases {
        harness.key_press_modifiers(modifiers, key);
        harness.run();
        assert_eq!(taken(&mut harness), [want]);
    }
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num5);
    harness.run();
    let want: [Command; 2] = [
        navigation::Command::Go(ViewId::DarkMatter).into(),
        shell::Command::Focus(Target::Main).into(),
    ];
    assert_eq!(taken(&mut harness), want);
}

#[test]
fn the_inspector_is_toggled_where_it_has_room_and_the_search_stays_in_the_smallest_window() {
    let mut harness = window(testing::typical());
    harness.set_size((1440.0, 900.0).into());
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::I);
    harness.run();
    let hide = shell::Command::Inspector(false);
    assert_eq!(taken(&mut harness), [hide.into()]);
    harness.set_size((625.0, 437.0).into());
    harness.run();
    harness.get_by_label("Search").click();
    harness.run();
    assert_eq!(taken(&mut harness), [shell::Command::Palette(true).into()]);
}

#[test]
fn the_list_of_shortcuts_shows_every_one_and_fits_the_smallest_window_at_the_largest_text() {
    for size in [(1000.0, 700.0), (625.0, 437.0)] {
        let mut harness = window(testing::typical());
        harness.set_size(size.into());
        harness.state_mut().layout.keys = Keys::Open;
        harness.run();
        for shortcut in shortcuts::SHORTCUTS {
            assert!(
                harness.query_all_by_label(shortcut.words).next().is_some(),
                "{}",
                shortcut.words
            );
        }
        let shown = harness
            .ctx
            .memory(|memory| memory.area_rect(egui::Id::unique("keys")));
        let shown = shown.expect("the list is drawn");
        assert!(harness.ctx.content_rect().contains_rect(shown), "{shown:?}");
        harness.key_press(Key::Escape);
        harness.run();
        let closed = shell::Command::Keys(Keys::Closed);
        assert_eq!(taken(&mut harness), [closed.into()]);
    }
}

#[test]
fn a_question_mark_in_a_field_is_a_letter() {
    let mut harness = window(testing::typical());
    let at = &mut harness.state_mut().layout;
    at.go(ViewId::Features, &Selection::default());
    harness.run();
    taken(&mut harness);
    harness.get_by_label("Filter").focus();
    harness.run();
    harness.key_press_modifiers(Modifiers::SHIFT, Key::Questionmark);
    harness.run();
    let keys = shell::Command::Keys(Keys::Open).into();
    assert!(!taken(&mut harness).contains(&keys));
}

#[test]
fn the_palette_runs_what_is_typed_and_escape_closes_the_topmost() {
    let mut harness = window(testing::typical());
    harness.state_mut().layout.palette_open = true;
    let notice = log::Notice::info("Something happened");
    harness
        .state_mut()
        .state
        .apply(Event::Log(log::Event::Show(notice)));
    harness.run();
    harness.event(egui::Event::Text("13".to_owned()));
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    let open = navigation::Command::Feature {
        feature: umbra_core::ids::FeatureId(13),
        beside: false,
    };
    let want: [Command; 2] = [shell::Command::Palette(false).into(), open.into()];
    assert_eq!(taken(&mut harness), want);
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(taken(&mut harness), [shell::Command::Palette(false).into()]);
    harness.state_mut().layout.palette_open = false;
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(
        taken(&mut harness),
        [shell::Command::DismissNotice(0).into()]
    );
}

#[test]
fn a_purpose_line_is_dismissed_and_stays_so() {
    let mut harness = window(testing::typical());
    harness.get_by_label("Do not show this line again").click();
    harness.run();
    let [Command::Shell(shell::Command::DismissPurpose(view))] = taken(&mut harness)[..] else {
        panic!("not dismissed");
    };
    let dismissed = crate::state::settings::Event::PurposeDismissed(view);
    harness.state_mut().state.apply(Event::Settings(dismissed));
    harness.run();
    assert!(
        harness
            .query_by_label("Do not show this line again")
            .is_none()
    );
}

#[test]
fn every_screen_stands_in_the_frame_at_the_smallest_window() {
    for view in ViewId::ALL {
        for state in [testing::empty, testing::typical] {
            let mut harness = window(state());
            let selection = harness.state().state.selection.clone();
            harness.state_mut().layout.go(view, &selection);
            harness.run();
            assert_eq!(harness.state().layout.view(), view);
        }
    }
}

#[test]
fn the_dialog_that_opens_a_model_offers_the_one_thing_that_can_be_done() {
    use umbra_core::hub::Hub;

    use crate::state::opening::{Event as Opening, Kind, Looked, Request};
    use crate::state::requests::opening as asked;

    let hub = Hub {
        endpoint: "http://127.0.0.1:9".to_owned(),
        cache: "cache".into(),
        token: None,
        offline: false,
    };
    let mut state = testing::empty();
    state.apply(Event::Opening(Opening::Shown(Some((Kind::Model, hub)))));
    state.apply(Event::Opening(Opening::Source {
        source: "own/tiny".to_owned(),
        typed: false,
    }));
    let request = Request {
        kind: Kind::Model,
        source: "own/tiny".to_owned(),
        how: umbra_core::models::Opening::default(),
    };
    let name: umbra_core::hub::Name = "own/tiny".parse().unwrap();
    for load in [Load::Loading, Load::Ready(Looked::OnHub(name.clone()))] {
        state.apply(Event::Opening(Opening::Looked(request.clone(), load)));
    }
    let mut folded = window(state);
    folded.run();
    folded.get_by_label("Options").click();
    folded.run();
    let unfold = shell::Command::Unfold("opening options", true);
    assert_eq!(taken(&mut folded), [unfold.into()]);
    let mut state = std::mem::take(&mut folded.state_mut().state);
    let unfolded = crate::state::settings::Event::Unfolded("opening options", true);
    state.apply(Event::Settings(unfolded));
    let mut harness = window(state);
    harness.run();
    harness.get_by_label("Fetch").click();
    harness.run();
    assert_eq!(taken(&mut harness), [asked::Command::Fetch(name).into()]);
    harness.get_by_label("Keep GGUF matrices as stored").click();
    harness.run();
    let how = umbra_core::models::Opening::from(umbra_core::models::Form::Stored);
    assert_eq!(taken(&mut harness), [asked::Command::How(how).into()]);
    harness.get_by_label("Offline: fetch nothing").click();
    harness.run();
    let offline = asked::Command::Offline(true);
    assert_eq!(taken(&mut harness), [offline.into()]);
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(taken(&mut harness), [asked::Command::Close.into()]);
}

#[test]
fn the_dialog_that_opens_a_dictionary_lists_what_the_registry_has() {
    use crate::state::opening::{Event as Opening, Kind};
    use crate::state::requests::opening as asked;

    let hub = umbra_core::hub::Hub {
        endpoint: "http://127.0.0.1:9".to_owned(),
        cache: "cache".into(),
        token: None,
        offline: false,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pretrained_saes.yaml");
    let ids: Vec<String> = (0..30)
        .map(|layer| {
            format!(
                "{{id: layer_{layer}/width_16k, path: '{layer}', l0: {}}}",
                70 + layer
            )
        })
        .collect();
    let text = format!(
        "scope-2b-res: {{repo_id: own/scope, model: gemma-2-2b, saes: [{}]}}\n",
        ids.join(", ")
    );
    std::fs::write(&path, text).unwrap();
    let registry = umbra_core::formats::Registry::open(&path).unwrap();
    let mut state = testing::empty();
    state.apply(Event::Opening(Opening::Shown(Some((
        Kind::Dictionary,
        hub,
    )))));
    state.apply(Event::Opening(Opening::Registry(registry.into())));
    let source = |source: &str| {
        Event::Opening(Opening::Source {
            source: source.to_owned(),
            typed: false,
        })
    };
    state.apply(source("gemma"));
    let mut harness = window(state);
    harness.run();
    harness.get_by_label_contains("30 of gemma-2-2b").click();
    harness.run();
    let typed = asked::Command::Typed("scope-2b-res:".to_owned());
    assert_eq!(taken(&mut harness), [typed.into()]);
    harness.state_mut().state.apply(source("scope-2b-res:"));
    harness.run();
    harness.get_by_label_contains("and 22 more");
    let line = harness.get_by_label_contains("layer_7/width_16k");
    assert!(
        line.rect().width() > 400.0 && line.rect().height() < 30.0,
        "{:?}",
        line.rect()
    );
    line.click();
    harness.run();
    let typed = asked::Command::Typed("scope-2b-res:layer_7/width_16k".to_owned());
    assert_eq!(taken(&mut harness), [typed.into()]);
    harness
        .state_mut()
        .state
        .apply(source("scope-2b-res:layer_7/width_16k"));
    harness.run();
    assert!(harness.query_by_label_contains("L0 77").is_none());
}

#[test]
fn the_window_asks_for_a_path_says_why_and_completes_it() {
    use crate::dialogs::Ask;
    use crate::state::path::{Entry, Event as Path};
    use crate::state::requests::path as asked;

    let mut state = testing::empty();
    state.places.home = Some("/people/ada".into());
    let (answer, _answered) = std::sync::mpsc::sync_channel(1);
    state.apply(Event::Path(Path::Asked(
        Ask::Folder("Open a project"),
        answer,
    )));
    let entry = |name: &str| Entry {
        name: name.to_owned(),
        folder: true,
    };
    let entries = std::sync::Arc::new(vec![entry("mine"), entry("models")]);
    let folder = std::path::PathBuf::from("/people/ada/");
    for load in [Load::Loading, Load::Ready(entries)] {
        state.apply(Event::Path(Path::Listed(folder.clone(), load)));
    }
    let mut harness = window(state);
    harness.run();
    harness.get_by_label(super::path_window::WHY);
    harness.get_by_label("models").click();
    harness.run();
    let text = asked::Command::Text("/people/ada/models/".to_owned());
    assert_eq!(taken(&mut harness), [text.into()]);
    harness.get_by_label("Folder above").click();
    harness.run();
    let text = asked::Command::Text("/people/".to_owned());
    assert_eq!(taken(&mut harness), [text.into()]);
    harness.get_by_label("Path").focus();
    harness.run();
    harness.key_press(Key::Tab);
    harness.run();
    assert_eq!(taken(&mut harness), [asked::Command::Complete.into()]);
    harness.key_press(Key::ArrowDown);
    harness.run();
    assert_eq!(taken(&mut harness), [asked::Command::Mark(Some(0)).into()]);
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(taken(&mut harness), [asked::Command::Choose.into()]);
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(taken(&mut harness), [asked::Command::Cancel.into()]);
}

#[test]
fn a_question_is_asked_before_the_demo_is_restored() {
    let mut harness = window(testing::typical());
    let question = shell::Question {
        title: "Restore the demo",
        text: "The demo is made again as it was shipped.".to_owned(),
        button: "Restore",
        command: Box::new(crate::state::requests::library::Command::RestoreDemo.into()),
    };
    harness.state_mut().layout.question = Some(question);
    harness.run();
    harness.get_by_label("Restore").click();
    harness.run();
    let restore = crate::state::requests::library::Command::RestoreDemo;
    let want: [Command; 2] = [shell::Command::Ask(None).into(), restore.into()];
    assert_eq!(taken(&mut harness), want);
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(taken(&mut harness), [shell::Command::Ask(None).into()]);
}

#[test]
fn every_screen_has_a_page_that_its_question_mark_and_f1_open() {
    for view in ViewId::ALL {
        let page = guide::page(page_of(view)).unwrap();
        assert!(page.text.starts_with("# "), "{view:?}");
        let mut harness = window(testing::typical());
        let tile = &mut harness.state_mut().layout;
        tile.go(view, &Selection::default());
        harness.run();
        taken(&mut harness);
        let open: Command = shell::Command::Guide(Some(page.name)).into();
        let label = format!("Help on {} (F1)", view.about().title);
        harness.get_by_label(&label).click();
        harness.run();
        assert!(taken(&mut harness).contains(&open), "{view:?}");
        harness.key_press(Key::F1);
        harness.run();
        assert!(taken(&mut harness).contains(&open), "{view:?}");
    }
}

#[test]
fn the_guide_shows_a_page_follows_its_links_and_closes_on_escape() {
    let mut harness = window(testing::typical());
    harness.state_mut().layout.guide = Some("log");
    harness.run();
    harness.get_by_label_contains("The log lists every job and message");
    harness.get_by_label("runs").click();
    harness.run();
    let runs: Command = shell::Command::Guide(Some("runs")).into();
    assert_eq!(taken(&mut harness), [runs]);
    harness.get_by_label("Troubleshooting").click();
    harness.run();
    let listed: Command = shell::Command::Guide(Some("troubleshooting")).into();
    assert_eq!(taken(&mut harness), [listed]);
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(taken(&mut harness), [shell::Command::Guide(None).into()]);
}

#[test]
fn the_guide_goes_back_by_the_keys_that_move_the_screens_otherwise() {
    let mut harness = window(testing::typical());
    harness.state_mut().layout.open_guide(Some("guide"));
    harness.run();
    for (key, want) in [
        (Key::ArrowLeft, shell::Command::GuideBack),
        (Key::ArrowRight, shell::Command::GuideForward),
    ] {
        harness.key_press_modifiers(Modifiers::ALT, key);
        harness.run();
        assert_eq!(taken(&mut harness), [want.into()]);
    }
}

#[test]
fn the_pages_of_the_guide_are_searched_and_the_last_one_is_scrolled_to() {
    for size in [(1000.0, 700.0), (625.0, 437.0)] {
        let mut harness = window(testing::typical());
        harness.set_size(size.into());
        harness.state_mut().layout.guide = Some("guide");
        harness.run();
        let last = guide::pages().last().unwrap();
        let whole = harness.ctx.content_rect();
        for _ in 0..80 {
            if harness.get_by_label(last.title()).is_focused() {
                break;
            }
            harness.key_press(Key::Tab);
            harness.run();
        }
        let entry = harness.get_by_label(last.title());
        assert!(entry.is_focused(), "Tab reaches {}", last.title());
        assert!(whole.contains_rect(entry.rect()), "{:?}", entry.rect());
        harness.get_by_label("Search the guide").focus();
        harness.run();
        harness.event(egui::Event::Text("zipf law".to_owned()));
        harness.run();
        let found = guide::search("zipf law");
        assert!(!found.is_empty() && found.len() < 10);
        for page in found {
            let mut listed = harness.query_all_by_label(page.title());
            assert!(listed.next().is_some(), "{}", page.title());
        }
        let entry = harness.query_by_role_and_label(egui::Role::Button, "Troubleshooting");
        assert!(entry.is_none(), "a page without the words is listed");
    }
}

#[test]
fn every_page_of_the_guide_fits_the_window() {
    for page in guide::pages() {
        let mut harness = window(testing::typical());
        harness.state_mut().layout.guide = Some(page.name);
        harness.run();
        let within = harness.ctx.content_rect();
        let guide = egui::Id::unique("guide");
        let shown = harness.ctx.memory(|memory| memory.area_rect(guide));
        let shown = shown.expect("the guide is drawn");
        assert!(within.contains_rect(shown), "{}: {shown:?}", page.name);
    }
}
