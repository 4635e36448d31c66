//! The keyboard alone: Tab reaches every control of every screen once, with a ring around it; screens, search, tour and messages without a mouse.

use std::collections::{BTreeMap, BTreeSet};

use egui::accesskit::NodeId;
use egui::{Key, Modifiers, Rect, Role, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use umbra_core::ids::{Head, Layer};

use super::shortcuts::{Does, SHORTCUTS};
use crate::state::Event;
use crate::state::log::{self, Notice};
use crate::state::requests::{heads, navigation, shell};
use crate::state::selection::Selection;
use crate::state::settings;
use crate::state::tour::{Step, Tour};
use crate::state::view::ViewId;
use crate::testing::{self, Desk, Window};
use crate::widgets::focus::rings;

/// Presses of Tab after which a round through a screen must have ended.
const MOST: usize = 600;

fn open(desk: Desk, size: Vec2) -> Harness<'static, Window> {
    let mut harness = Window::build(Harness::builder().with_size(size), desk);
    Window::settle(&mut harness);
    harness
}

/// The widget that has the focus, by its accessibility node, with its name and place.
fn focused(harness: &Harness<'_, Window>) -> Option<(NodeId, String, Rect)> {
    let focused = harness.ctx.memory(egui::Memory::focused)?;
    let widget = harness
        .ctx
        .viewport(|viewport| viewport.prev_pass.widgets.get(focused).copied())?;
    let id = widget.id.accesskit_id();
    let mut all = harness.root().children_recursive();
    let node = all.find(|node| node.accesskit_node().locate().0 == id);
    let name = node.and_then(|node| {
        let node = node.accesskit_node();
        node.label().or_else(|| node.value())
    });
    Some((id, name.unwrap_or_default(), widget.interact_rect))
}

/// Controls on screen that a person can use, with their names.
fn controls(harness: &Harness<'_, Window>) -> BTreeMap<NodeId, String> {
    const CONTROLS: [Role; 9] = [
        Role::Button,
        Role::CheckBox,
        Role::ComboBox,
        Role::Link,
        Role::MultilineTextInput,
        Role::RadioButton,
        Role::Slider,
        Role::SpinButton,
        Role::TextInput,
    ];
    let mut focusable = BTreeSet::new();
    harness.ctx.viewport(|viewport| {
        for (_, widgets) in viewport.prev_pass.widgets.layers() {
            let used = widgets
                .iter()
                .filter(|widget| widget.enabled && widget.visible && widget.sense.is_focusable());
            focusable.extend(used.map(|widget| widget.id.accesskit_id()));
        }
    });
    let nodes = harness.root().children_recursive().filter_map(|node| {
        let node = node.accesskit_node();
        let is_control = CONTROLS.contains(&node.role()) && !node.is_disabled();
        let name = node.label().or_else(|| node.value()).unwrap_or_default();
        let id = node.locate().0;
        (is_control && focusable.contains(&id)).then_some((id, name))
    });
    nodes.collect()
}

/// Walks through the window by Tab once; the controls in the order in which they had the focus.
fn round(harness: &mut Harness<'_, Window>, place: &str) -> Vec<(NodeId, String)> {
    let mut seen: Vec<(NodeId, String)> = vec![];
    harness.ctx.memory_mut(|memory| {
        if let Some(id) = memory.focused() {
            memory.surrender_focus(id);
        }
    });
    for _ in 0..MOST {
        harness.key_press(Key::Tab);
        Window::draw(harness);
        let Some((id, name, at)) = focused(harness) else {
            continue; // behind the last control
        };
        if seen.first().is_some_and(|(first, _)| *first == id) {
            return seen;
        }
        let before = seen.iter().position(|(other, _)| *other == id);
        assert_eq!(before, None, "{place}: {name:?} gets the focus twice");
        let drawn = rings(&harness.output().shapes);
        let around = drawn.iter().any(|ring| ring.expand(1.0).contains_rect(at));
        assert!(
            around,
            "{place}: no ring around {name:?} at {at:?}: {drawn:?}"
        );
        seen.push((id, name));
    }
    panic!("{place}: Tab does not come back to the first control: {seen:?}");
}

#[test]
fn tab_reaches_every_control_of_every_screen_once_with_a_ring_around_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open(testing::demo(folder.path()), Vec2::new(1000.0, 700.0));
    for view in ViewId::ALL {
        testing::prepare(&mut harness.state_mut().desk, view);
        harness.state_mut().go(view);
        Window::settle(&mut harness);
        let place = view.about().title;
        let all = controls(&harness);
        let reached: BTreeSet<NodeId> = round(&mut harness, place)
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        let missed: Vec<_> = all
            .iter()
            .filter(|(id, _)| !reached.contains(*id))
            .collect();
        assert!(missed.is_empty(), "{place}: Tab misses {missed:?}");
        assert!(reached.len() > 10, "{place}: {}", reached.len());
    }
}

#[test]
fn a_shortcut_to_a_screen_moves_the_focus_into_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open(testing::demo(folder.path()), Vec2::new(1000.0, 700.0));
    let keys = [
        Key::Num1,
        Key::Num2,
        Key::Num3,
        Key::Num4,
        Key::Num5,
        Key::Num6,
        Key::Num7,
        Key::Num8,
        Key::Num9,
    ];
    for (key, view) in keys.into_iter().zip(ViewId::RAIL) {
        harness.key_press_modifiers(Modifiers::COMMAND, key);
        for _ in 0..4 {
            Window::settle(&mut harness);
        }
        assert_eq!(harness.state().desk.view(), view);
        let (_, name, at) = focused(&harness).unwrap_or_else(|| panic!("{view:?}: no focus"));
        let content = at.left() > 48.0 && at.top() > 36.0;
        assert!(content, "{view:?}: {name:?} at {at:?} is not on the screen");
        assert_eq!(rings(&harness.output().shapes).len(), 1, "{view:?}");
    }
}

#[test]
fn ctrl_f_focuses_the_filter_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open(testing::demo(folder.path()), Vec2::new(1000.0, 700.0));
    harness.state_mut().go(ViewId::Features);
    Window::settle(&mut harness);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::F);
    for _ in 0..3 {
        Window::settle(&mut harness);
    }
    harness.event(egui::Event::Text("king".to_owned()));
    Window::settle(&mut harness);
    assert_eq!(harness.state().desk.state.features.filter, "king");
}

#[test]
fn every_shortcut_stands_in_the_palette_or_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open(testing::demo(folder.path()), Vec2::new(1440.0, 900.0));
    for shortcut in SHORTCUTS {
        if matches!(shortcut.does, Does::Palette | Does::Content) {
            continue;
        }
        harness.state_mut().desk.run(shell::Command::Palette(true));
        Window::draw(&mut harness);
        let words = shortcut.words.to_owned();
        harness.event(egui::Event::Text(words.clone()));
        Window::draw(&mut harness);
        let found = harness.query_all_by_label_contains(&words).next().is_some();
        assert!(found, "the palette lacks {words:?}");
        harness.state_mut().desk.run(shell::Command::Palette(false));
        Window::draw(&mut harness);
    }
}

/// A person at the first start.
fn newcomer(folder: &std::path::Path, size: Vec2) -> Harness<'static, Window> {
    let mut desk = testing::demo(folder);
    let first = settings::Event::Tour(Tour::FIRST);
    desk.state.apply(Event::Settings(first));
    open(desk, size)
}

fn step(harness: &Harness<'_, Window>) -> Tour {
    harness.state().desk.state.settings.tour
}

/// Opens the panel from the rail where it has no place of its own.
fn shown(harness: &mut Harness<'static, Window>) {
    Window::draw(harness);
    if harness.query_by_label("Close the tour").is_none() {
        let Tour::At(step) = step(harness) else {
            panic!("no tour");
        };
        let entry = format!("Tour · {} of 5", step.at() + 1);
        harness.get_by_label(&entry).click();
        Window::settle(harness);
        Window::draw(harness);
    }
}

#[test]
fn the_tour_keeps_its_feature_to_the_end_gives_fields_the_focus_and_loses_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = newcomer(folder.path(), Vec2::new(1440.0, 900.0));
    let selection = harness.state().desk.state.selection.clone();
    let feature = selection.feature.unwrap();
    let page = navigation::Command::Feature {
        feature,
        beside: false,
    };
    harness.state_mut().desk.run(page);
    Window::settle(&mut harness);
    Window::draw(&mut harness);
    harness.event(egui::Event::Text("of my own".to_owned()));
    Window::draw(&mut harness);
    shown(&mut harness);
    harness.get_by_label("Next").click();
    Window::settle(&mut harness);
    let state = &harness.state().desk.state;
    assert_eq!(state.label(feature), Some("of my own"), "Next saves it");
    assert_eq!(harness.state().desk.view(), ViewId::Prompt);
    Window::draw(&mut harness);
    harness.event(egui::Event::Text(" A cat".to_owned()));
    Window::settle(&mut harness);
    std::thread::sleep(crate::state::prompt::PAUSE);
    Window::settle(&mut harness);
    let text = harness.state().desk.state.prompt.text.clone();
    assert!(text.contains(" A cat"), "{text}");
    assert_eq!(step(&harness), Tour::At(Step::Head));
    harness.state_mut().go(ViewId::Heads);
    Window::settle(&mut harness);
    let head = heads::Command::Choose(Layer::from(2_usize), Head::from(2_usize));
    harness.state_mut().desk.run(head);
    Window::settle(&mut harness);
    shown(&mut harness);
    harness.get_by_label("Next").click();
    for _ in 0..3 {
        Window::settle(&mut harness);
    }
    assert_eq!(step(&harness), Tour::At(Step::Steer));
    let now = &harness.state().desk.state;
    assert_eq!(now.selection.dictionary, selection.dictionary);
    let steered = now.steering.draft.edits.iter().map(|edit| edit.feature);
    assert_eq!(steered.collect::<Vec<_>>(), [Some(feature)]);
    harness.get_by_role_and_label(Role::Button, "Run").click();
    for _ in 0..3 {
        Window::settle(&mut harness);
    }
    assert_eq!(step(&harness), Tour::Closing);
    Window::draw(&mut harness);
    harness.get_by_label(Tour::CLOSING);
    harness.get_by_label("Done").click();
    Window::settle(&mut harness);
    assert_eq!(step(&harness), Tour::Ended);
}

#[test]
fn the_tour_notices_each_step_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = newcomer(folder.path(), Vec2::new(1440.0, 900.0));
    let run = |harness: &mut Harness<'static, Window>, command: navigation::Command| {
        harness.state_mut().desk.run(command);
        Window::settle(harness);
    };
    shown(&mut harness);
    harness.get_by_label("Meet a feature");
    let feature = harness.state().desk.state.selection.feature.unwrap();
    let page = navigation::Command::Feature {
        feature,
        beside: false,
    };
    run(&mut harness, page);
    assert_eq!(step(&harness), Tour::At(Step::Label));
    shown(&mut harness);
    harness.get_by_label("Give it a label");
    let label = crate::state::requests::features::Command::SetLabel {
        feature,
        text: "names after a verb".to_owned(),
    };
    harness.state_mut().desk.run(label);
    Window::settle(&mut harness);
    assert_eq!(step(&harness), Tour::At(Step::Sentence));
    harness.get_by_label("Tour · 3 of 5");
    run(&mut harness, navigation::Command::Go(ViewId::Prompt));
    assert_eq!(step(&harness), Tour::At(Step::Sentence), "not done yet");
    let own = crate::state::requests::prompt::Command::Text("A cat of my own".to_owned());
    harness.state_mut().desk.run(own);
    Window::settle(&mut harness);
    assert_eq!(step(&harness), Tour::At(Step::Head));
    run(&mut harness, navigation::Command::Go(ViewId::Heads));
    assert_eq!(
        step(&harness),
        Tour::At(Step::Head),
        "no head is chosen yet"
    );
    shown(&mut harness);
    harness.get_by_label("Next").click();
    Window::settle(&mut harness);
    assert_eq!(step(&harness), Tour::At(Step::Steer));
    assert_eq!(harness.state().desk.view(), ViewId::Steering);
    shown(&mut harness);
    harness.get_by_role_and_label(Role::Button, "Back").click();
    Window::settle(&mut harness);
    assert_eq!(step(&harness), Tour::At(Step::Head));
    assert_eq!(harness.state().desk.view(), ViewId::Heads);
    // The message that the label was kept stands in front.
    harness.key_press(Key::Escape);
    Window::settle(&mut harness);
    assert_eq!(step(&harness), Tour::At(Step::Head));
    harness.key_press(Key::Escape);
    Window::settle(&mut harness);
    assert_eq!(step(&harness), Tour::Ended);
    assert!(harness.query_by_label("Close the tour").is_none());
}

#[test]
fn the_tour_stands_in_the_window_beside_what_it_speaks_of_at_every_size() {
    let folder = tempfile::tempdir().unwrap();
    for size in [
        Vec2::new(1440.0, 900.0),
        Vec2::new(1000.0, 700.0),
        Vec2::new(625.0, 437.0),
    ] {
        let mut harness = newcomer(folder.path(), size);
        for step in Step::ALL {
            for view in [step.view(), ViewId::Log] {
                let at = settings::Event::Tour(Tour::At(step));
                let desk = &mut harness.state_mut().desk;
                desk.state.apply(Event::Settings(at));
                harness.state_mut().go(view);
                Window::settle(&mut harness);
                Window::draw(&mut harness);
                let place = format!("{step:?} on {view:?} at {size:?}");
                if view == ViewId::Log {
                    let closes = harness.query_by_label("Close the tour");
                    assert!(closes.is_none(), "{place}: the panel is in the way");
                    let entry = format!("Tour · {} of 5", step.at() + 1);
                    harness.get_by_label(&entry);
                    continue;
                }
                shown(&mut harness);
                let id = egui::Id::unique("tour");
                if harness.query_by_label("Close the tour").is_none() {
                    // Without room for the panel, the rail leads to the step.
                    let entry = format!("Tour · {} of 5", step.at() + 1);
                    harness.get_by_label(&entry);
                    continue;
                }
                let panel = harness.ctx.memory(|memory| memory.area_rect(id));
                let panel = panel.expect("the panel is drawn");
                let window = harness.ctx.content_rect();
                assert!(window.contains_rect(panel), "{place}: {panel:?}");
            }
        }
    }
}

#[test]
fn messages_in_a_small_window_cover_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open(testing::demo(folder.path()), Vec2::new(1000.0, 700.0));
    let restore = navigation::Command::Go(ViewId::Library);
    let notice = Notice::info("Back (Alt+Left) restores your sentence").with("Go back", restore);
    let said = Event::Log(log::Event::Show(notice));
    harness.state_mut().desk.state.apply(said);
    for view in ViewId::ALL {
        harness.state_mut().go(view);
        Window::settle(&mut harness);
        Window::draw(&mut harness);
        let strip = harness.get_by_label("Go back").rect();
        let others = controls(&harness);
        let seen: Vec<(NodeId, Rect)> = harness.ctx.viewport(|viewport| {
            let widgets = viewport.prev_pass.widgets.layers();
            let widgets = widgets.flat_map(|(_, widgets)| widgets);
            let places = widgets.map(|widget| (widget.id.accesskit_id(), widget.interact_rect));
            places.collect()
        });
        let within = seen.iter().filter(|(_, rect)| {
            let shared = rect.intersect(strip);
            shared.width() > 1.0 && shared.height() > 1.0
        });
        let names = within.filter_map(|(id, _)| others.get(id));
        let covered: Vec<_> = names.filter(|name| *name != "Go back").collect();
        assert!(covered.is_empty(), "{view:?}: {covered:?}");
    }
}

#[test]
fn the_focus_on_steering_leaves_the_edits_in_view() {
    let folder = tempfile::tempdir().unwrap();
    for (size, want) in [
        (Vec2::new(1440.0, 900.0), "Text to continue"),
        (Vec2::new(625.0, 437.0), "Select edit 1"),
    ] {
        let mut desk = testing::demo(folder.path());
        testing::prepare(&mut desk, ViewId::Steering);
        let mut harness = open(desk, size);
        let steering = ViewId::RAIL
            .iter()
            .position(|view| *view == ViewId::Steering);
        let key = [
            Key::Num1,
            Key::Num2,
            Key::Num3,
            Key::Num4,
            Key::Num5,
            Key::Num6,
            Key::Num7,
            Key::Num8,
            Key::Num9,
        ];
        harness.key_press_modifiers(Modifiers::COMMAND, key[steering.unwrap()]);
        for _ in 0..4 {
            Window::settle(&mut harness);
        }
        let (_, name, _) = focused(&harness).expect("something has the focus");
        assert_eq!(name, want, "{size:?}");
        let edits = harness.get_by_label("Select edit 1").rect();
        assert!(harness.ctx.content_rect().contains_rect(edits), "{size:?}");
    }
}

#[test]
fn the_three_ways_lead_on_with_the_selection_and_go_once_each_was_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open(testing::demo(folder.path()), Vec2::new(1000.0, 700.0));
    let selected = harness.state().desk.state.selection.feature;
    assert!(selected.is_some());
    for (view, words) in ViewId::WAYS {
        harness.get_by_label(words).click();
        Window::settle(&mut harness);
        assert_eq!(harness.state().desk.view(), view);
        assert_eq!(harness.state().desk.state.selection.feature, selected);
        let back = navigation::Command::Go(ViewId::Prompt);
        harness.state_mut().desk.run(back);
        Window::settle(&mut harness);
    }
    let (_, words) = ViewId::WAYS[0];
    assert!(harness.query_by_label(words).is_none());
}

#[test]
fn breadcrumbs_list_recent_models_and_dictionaries_with_hook_and_fvu() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open(testing::demo(folder.path()), Vec2::new(1440.0, 900.0));
    let names: Vec<_> = (harness.state().desk.state.catalogue.dictionaries.iter())
        .map(|dictionary| (dictionary.id, dictionary.name.clone()))
        .collect();
    let (id, name) = names[1].clone();
    harness.get_by_label("Dictionary: resid-2").click();
    Window::draw(&mut harness);
    let entry = format!("{name} blocks.0.attn.hook_z  FVU");
    harness.get_by_label_contains(&entry).click();
    Window::settle(&mut harness);
    let selection: &Selection = &harness.state().desk.state.selection;
    assert_eq!(selection.dictionary, Some(id));
}
