//! Drives the table by the names of its controls; 100,000 rows stay within a frame.

use egui::{Key, Modifiers, Role};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use umbra_core::ids::FeatureId;

use crate::state::catalogue::DictionaryId;
use crate::state::requests::{
    Command, Commands, dictionary, features, navigation, shell, steering,
};
use crate::state::view::ViewId;
use crate::state::{self, AppState, Event, Load, catalogue, selection};
use crate::testing::{self, Stage, Window};

fn taken(harness: &mut Harness<'_, Stage>) -> Vec<Command> {
    harness.state_mut().commands.take()
}

/// The typical state with no feature selected: the table stands at its top.
fn unselected() -> AppState {
    let mut state = testing::typical();
    state.apply(Event::Selection(selection::Event::Feature(None)));
    state
}

#[test]
fn a_click_selects_and_a_double_click_opens() {
    let mut harness = testing::harness(ViewId::Features, unselected());
    harness.get_by_label("Row of feature 12, no label").click();
    harness.run();
    let select = navigation::Command::SelectFeature(Some(FeatureId(12)));
    assert_eq!(taken(&mut harness), [select.into()]);
}

#[test]
fn a_head_sorts_and_enter_opens_what_was_walked_to() {
    let mut harness = testing::harness(ViewId::Features, unselected());
    // First the largest, then the smallest.
    for _ in 0..2 {
        harness.get_by_label("Sort by feature").click();
        harness.run();
    }
    harness.get_by_label("Row of feature 0, no label").click();
    harness.run();
    taken(&mut harness);
    harness.key_press(Key::ArrowDown);
    harness.run();
    let select = navigation::Command::SelectFeature(Some(FeatureId(1)));
    assert_eq!(taken(&mut harness), [select.into()]);
    harness.key_press(Key::Enter);
    harness.run();
    let open = navigation::Command::Feature {
        feature: FeatureId(1),
        beside: false,
    };
    assert_eq!(taken(&mut harness), [open.into()]);
}

/// A click with the command key held.
fn command_click(harness: &mut Harness<'_, Stage>, row: &str) {
    let at = harness.get_by_label(row).rect().left_center() + egui::vec2(40.0, 0.0);
    harness.hover_at(at);
    for pressed in [true, false] {
        harness.event_modifiers(
            egui::Event::PointerButton {
                pos: at,
                button: egui::PointerButton::Primary,
                pressed,
                modifiers: Modifiers::COMMAND,
            },
            Modifiers::COMMAND,
        );
    }
    harness.run();
}

#[test]
fn three_rows_are_reported_on_in_four_actions() {
    let mut harness = testing::harness(ViewId::Features, unselected());
    harness.get_by_label("Row of feature 12, no label").click();
    harness.run();
    command_click(&mut harness, "Row of feature 25, no label");
    command_click(&mut harness, "Row of feature 38, no label");
    harness.get_by_label("3 selected");
    taken(&mut harness);
    harness.get_by_label("Report on 3").click();
    harness.run();
    let three = [12, 25, 38].map(FeatureId).to_vec();
    let report = dictionary::Command::ReportHere(DictionaryId(0), three.clone());
    assert_eq!(taken(&mut harness), [report.into()]);
    harness.get_by_label("Steer").click();
    harness.run();
    let steer = steering::Command::Steer(DictionaryId(0), three.clone());
    assert_eq!(taken(&mut harness), [steer.into()]);
    harness.get_by_label("Label all 3…").click();
    harness.run();
    harness
        .get_by_label("Label of the selected features")
        .type_text("royal");
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    let label = features::Command::LabelAll {
        features: three,
        text: "royal".to_owned(),
    };
    assert_eq!(taken(&mut harness), [label.into()]);
    harness.get_by_label("Clear selection").click();
    harness.run();
    assert!(harness.query_by_label("Report on 3").is_none());
}

#[test]
fn a_feature_that_was_selected_elsewhere_is_brought_into_view() {
    let mut harness = testing::harness(ViewId::Features, testing::typical());
    harness.run();
    harness.get_by_label("Row of feature 0, no label");
    assert!(
        harness
            .query_by_label("Row of feature 12, no label")
            .is_none()
    );
    let select = selection::Event::Feature(Some(FeatureId(12)));
    harness.state_mut().state.apply(Event::Selection(select));
    harness.run();
    harness.get_by_label("Row of feature 12, no label");
}

#[test]
fn another_dictionary_begins_at_the_top() {
    let mut state = testing::typical();
    let added = catalogue::Event::Added("z1".into(), None);
    state.apply(Event::Catalogue(added));
    let mut harness = testing::harness(ViewId::Features, state);
    harness.run();
    harness.get_by_label("Row of feature 0, no label");
    let id = DictionaryId(1);
    let state = &mut harness.state_mut().state;
    state.apply(Event::Selection(selection::Event::Dictionary(id)));
    let table = std::sync::Arc::new(testing::table(id, 96));
    for load in [Load::Loading, Load::Ready(table)] {
        state.apply(Event::Features(state::features::Event::Table(id, load)));
    }
    harness.step();
    harness.get_by_label("96 features");
    harness.run();
    harness.get_by_label("Row of feature 12, no label");
    assert!(
        harness
            .query_by_label("Row of feature 0, no label")
            .is_none()
    );
}

#[test]
fn a_label_is_written_where_the_name_stands() {
    let mut harness = testing::harness(ViewId::Features, unselected());
    harness.get_by_label("Name of feature 12: [ said]").click();
    harness.run();
    harness
        .get_by_label("Label of feature 12")
        .type_text("speech");
    harness.run();
    let sets = |harness: &mut Harness<'_, Stage>| {
        let mut all = taken(harness);
        all.retain(|command| matches!(command, Command::Features(_)));
        all
    };
    assert_eq!(sets(&mut harness), [], "nothing is saved while typing");
    harness.key_press(Key::Enter);
    harness.run();
    let set = |text: &str| {
        let (feature, text) = (FeatureId(12), text.to_owned());
        features::Command::SetLabel { feature, text }
    };
    assert_eq!(sets(&mut harness), [set("speech").into()]);
    // By the keyboard: Enter gave the focus back to the table.
    harness.key_press(Key::F2);
    harness.run();
    harness.get_by_label("Label of feature 12").type_text("no");
    harness.run();
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(sets(&mut harness), [], "Esc takes it back");
    assert!(harness.query_by_label("Label of feature 12").is_none());
    // Leaving keeps it.
    harness.key_press(Key::F2);
    harness.run();
    harness
        .get_by_label("Label of feature 12")
        .type_text("talk");
    harness.run();
    harness.get_by_label("Row of feature 25, no label").click();
    harness.run();
    assert_eq!(sets(&mut harness), [set("talk").into()]);
}

/// The demo's table, drawn in a window.
fn demo(folder: &std::path::Path) -> Harness<'static, Window> {
    let builder = Harness::builder().with_size((1440.0, 900.0));
    let mut harness = Window::build(builder, testing::demo(folder));
    harness.state_mut().go(ViewId::Features);
    Window::settle(&mut harness);
    harness
}

#[test]
fn a_search_of_the_demo_is_ranked_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = demo(folder.path());
    let edit = harness.get_by_role_and_label(Role::TextInput, "Filter");
    edit.focus();
    edit.type_text("king");
    Window::settle(&mut harness);
    let desk = &harness.state().desk;
    let hits = desk.state.features.found.latest().unwrap().first();
    let (first, second) = (&hits[0], &hits[1]);
    assert!(first.score > second.score && first.peaks > 10, "{first:?}");
    let row = |feature: FeatureId| {
        let label = desk.state.label(feature).unwrap_or("no label");
        format!("Row of feature {feature}, {label}")
    };
    let top = harness.get_by_label(&row(first.feature)).rect();
    let next = harness.get_by_label(&row(second.feature)).rect();
    assert!(top.top() < next.top(), "{top:?} {next:?}");
    let peaks = format!("peaks on it in {} of 20 examples", first.peaks);
    let seen = harness.query_all_by(|node| {
        let text = node.label().or_else(|| node.value()).unwrap_or_default();
        text.starts_with(&peaks)
    });
    assert!(seen.count() > 0, "{peaks}");
    // The name is the peak in its text.
    let name = desk.state.name(first.feature);
    let peak = name.peak.expect("the row is in view");
    assert!(peak.token.to_lowercase().contains("king"), "{peak}");
    assert!(!peak.before.is_empty(), "{peak}");
}

#[test]
fn features_of_a_dictionary_that_is_not_in_use_have_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let used = desk.state.selection.dictionary;
    let mut others = desk.state.catalogue.dictionaries.iter().map(|d| d.id);
    let other = others.rfind(|id| Some(*id) != used && desk.state.index_of(*id).is_some());
    let other = other.unwrap();
    let wanted = |desk: &testing::Desk| {
        let mut commands = Commands::default();
        crate::commands::follow_drawn(&desk.state, &mut commands);
        commands.take()
    };
    assert_eq!(wanted(&desk), []);
    assert_eq!(desk.state.name_of(other, FeatureId(3)).peak, None);
    assert_eq!(desk.state.name_of(other, FeatureId(5)).peak, None);
    let asked = wanted(&desk);
    let both = features::Command::Previews(other, vec![FeatureId(3), FeatureId(5)]);
    assert_eq!(asked, [both.clone().into()]);
    desk.run(both);
    let path = &desk.state.index_of(other).unwrap().path;
    let index = umbra_core::features::Index::open(path).unwrap();
    let example = &index.detail(FeatureId(3)).unwrap().top[0];
    let name = desk.state.name_of(other, FeatureId(3));
    assert_eq!(name.token, Some(example.tokens[example.at].as_str()));
    assert_eq!(
        name.peak,
        Some(&umbra_core::features::Peak::from_example(example))
    );
    assert_eq!(wanted(&desk), [], "it is read once");
}

#[test]
fn one_label_for_several_features_is_undone_as_one_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let label = |desk: &testing::Desk, feature: u32| {
        desk.state.label(FeatureId(feature)).map(str::to_owned)
    };
    desk.run(features::Command::SetLabel {
        feature: FeatureId(3),
        text: "mine".to_owned(),
    });
    desk.run(features::Command::LabelAll {
        features: [3, 4, 5].map(FeatureId).to_vec(),
        text: "verbs".to_owned(),
    });
    let all = [3, 4, 5].map(|feature| label(&desk, feature));
    assert!(
        all.iter().all(|label| label.as_deref() == Some("verbs")),
        "{all:?}"
    );
    desk.run(shell::Command::Undo);
    assert_eq!(label(&desk, 3).as_deref(), Some("mine"));
    assert_eq!((label(&desk, 4), label(&desk, 5)), (None, None));
    desk.run(shell::Command::Redo);
    assert_eq!(label(&desk, 5).as_deref(), Some("verbs"));
}

#[test]
fn a_filter_leaves_what_matches_and_can_be_cleared() {
    let mut harness = testing::harness(ViewId::Features, unselected());
    let edit = harness.get_by_role_and_label(Role::TextInput, "Filter");
    edit.focus();
    edit.type_text("#7");
    harness.run();
    harness.get_by_label("1 of 64 features");
    harness.get_by_label("Row of feature 7, no label");
    assert!(
        harness
            .query_by_label("Row of feature 8, no label")
            .is_none()
    );
    let edit = harness.get_by_role_and_label(Role::TextInput, "Filter");
    edit.type_text("999");
    harness.run();
    harness.get_by_label("No feature matches “#7999”.");
    harness.get_by_label("Show all features").click();
    harness.run();
    harness.get_by_label("64 features");
}

#[test]
fn without_an_index_one_button_builds_it() {
    let mut state = AppState::default();
    let added = catalogue::Event::Added("z0".into(), None);
    state.apply(Event::Catalogue(added));
    let mut harness = testing::harness(ViewId::Features, state);
    harness.get_by_label("Open the model").click();
    harness.run();
    let go = navigation::Command::Go(ViewId::Library);
    assert_eq!(taken(&mut harness), [go.into()]);
}

#[test]
fn a_hundred_thousand_rows_draw_only_what_is_seen() {
    let mut harness = testing::harness(ViewId::Features, testing::huge());
    harness.run();
    // Times are for the bench: here, what a frame draws does not grow with the features.
    let step = |harness: &mut Harness<'_, Stage>, what| {
        harness.step();
        let rows = harness.query_all_by_role(Role::Row).count();
        assert!(rows < 100, "{what}: {rows} rows are drawn");
        assert!(rows > 0 || what == "filter", "{what}: no row is drawn");
    };
    for _ in 0..20 {
        harness.hover_at(egui::pos2(400.0, 500.0));
        harness.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Point,
            delta: egui::vec2(0.0, -40_000.0),
            phase: egui::TouchPhase::Move,
            modifiers: Modifiers::NONE,
            source: egui::MouseWheelSource::Wheel,
        });
        step(&mut harness, "scroll");
    }
    for column in ["Sort by density", "Sort by name", "Sort by max"] {
        harness.get_by_label(column).click();
        step(&mut harness, "sort");
        step(&mut harness, "sort");
        step(&mut harness, "sort");
    }
    let edit = harness.get_by_role_and_label(Role::TextInput, "Filter");
    edit.focus();
    for letter in ["m", "a", "x", ">", "5"] {
        let edit = harness.get_by_role_and_label(Role::TextInput, "Filter");
        edit.type_text(letter);
        step(&mut harness, "filter");
    }
    harness.run();
    let searches =
        |command: &Command| matches!(command, Command::Features(features::Command::Search(..)));
    assert!(
        !taken(&mut harness).iter().any(searches),
        "there is no index to search"
    );
}

/// Types a filter into the field.
fn type_filter(harness: &mut Harness<'_, Stage>, text: &str) {
    let edit = harness.get_by_role_and_label(Role::TextInput, "Filter");
    edit.focus();
    edit.type_text(text);
    harness.run();
}

/// The features of the rows on screen, from top to bottom.
fn order(harness: &Harness<'_, Stage>) -> Vec<u32> {
    let rows = harness.query_all_by_role(Role::Row);
    let mut seen: Vec<(i32, u32)> = rows
        .filter_map(|row| {
            let words = row.accesskit_node().label()?;
            let number = words.strip_prefix("Row of feature ")?.split(',').next()?;
            Some((row.rect().top() as i32, number.parse().ok()?))
        })
        .collect();
    seen.sort_unstable();
    seen.into_iter().map(|(_, feature)| feature).collect()
}

#[test]
fn a_word_is_completed_by_the_keyboard() {
    let mut harness = testing::harness(ViewId::Features, unselected());
    type_filter(&mut harness, "dens");
    harness.get_by_label("Complete density<");
    harness.key_press(Key::Tab);
    harness.run();
    assert_eq!(harness.state().state.features.filter, "density<");
    type_filter(&mut harness, "0.02 and fam");
    harness.key_press(Key::ArrowDown);
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(
        harness.state().state.features.filter,
        "density<0.02 and family:"
    );
    harness.get_by_label("Complete induction");
    // Esc closes the list and leaves the text.
    harness.key_press(Key::Escape);
    harness.run();
    assert!(harness.query_by_label("Complete induction").is_none());
}

#[test]
fn a_mistake_is_named_and_the_rows_stay() {
    let mut harness = testing::harness(ViewId::Features, unselected());
    type_filter(&mut harness, "#7 or #9");
    harness.get_by_label("2 of 64 features");
    type_filter(&mut harness, " and densty<1");
    let said = harness.query_all_by(|node| {
        let text = node.label().or_else(|| node.value()).unwrap_or_default();
        text.contains("densty” is unknown") && text.contains("#7 or #9")
    });
    assert_eq!(said.count(), 1);
    // The strongest first.
    assert_eq!(order(&harness), [9, 7]);
}

#[test]
fn a_click_with_shift_orders_rows_of_equal_values() {
    let mut harness = testing::harness(ViewId::Features, unselected());
    // Every 13th feature has the largest activation, and the density falls with the number.
    assert_eq!(order(&harness)[..3], [12, 25, 38]);
    let click = |harness: &mut Harness<'_, Stage>, head: &str| {
        let at = harness.get_by_label(head).rect().center();
        harness.hover_at(at);
        for pressed in [true, false] {
            harness.event_modifiers(
                egui::Event::PointerButton {
                    pos: at,
                    button: egui::PointerButton::Primary,
                    pressed,
                    modifiers: Modifiers::SHIFT,
                },
                Modifiers::SHIFT,
            );
        }
        harness.run();
    };
    click(&mut harness, "Sort by density");
    assert_eq!(order(&harness)[..3], [12, 25, 38]);
    click(&mut harness, "Sort by density");
    assert_eq!(order(&harness)[..3], [51, 38, 25]);
    click(&mut harness, "Sort by density");
    assert_eq!(order(&harness)[..3], [12, 25, 38]);
    // Without Shift the column is the only key.
    harness.get_by_label("Sort by density").click();
    harness.run();
    assert_eq!(order(&harness)[..3], [0, 1, 2]);
}

#[test]
fn cards_are_walked_and_opened_by_the_keyboard() {
    let mut harness = testing::harness(ViewId::Features, unselected());
    harness.get_by_label("Grid").click();
    harness.run();
    harness.get_by_label("Card of feature 12, no label").click();
    harness.run();
    taken(&mut harness);
    harness.key_press(Key::ArrowRight);
    harness.run();
    let select = navigation::Command::SelectFeature(Some(FeatureId(25)));
    assert_eq!(taken(&mut harness), [select.into()]);
    harness.key_press(Key::Enter);
    harness.run();
    let open = navigation::Command::Feature {
        feature: FeatureId(25),
        beside: false,
    };
    assert!(taken(&mut harness).contains(&open.into()));
    harness.get_by_label("List").click();
    harness.run();
    harness.get_by_label("Row of feature 12, no label");
}

#[test]
fn selected_rows_are_shown_side_by_side_or_alone() {
    let mut harness = testing::harness(ViewId::Features, unselected());
    harness.get_by_label("Row of feature 12, no label").click();
    harness.run();
    command_click(&mut harness, "Row of feature 25, no label");
    taken(&mut harness);
    harness.get_by_label("Show only these").click();
    harness.run();
    assert_eq!(harness.state().state.features.filter, "#12,25");
    harness.get_by_label("2 of 64 features");
    harness.get_by_label("Side by side").click();
    harness.run();
    harness.get_by_label("2 features side by side");
    harness.get_by_label("Take feature 12 away").click();
    harness.run();
    harness.get_by_label("1 feature side by side");
    harness.key_press(Key::Escape);
    harness.run();
    harness.get_by_label("Row of feature 25, no label");
}

#[test]
fn a_line_around_points_of_the_map_selects_them() {
    let mut harness = testing::harness(ViewId::Features, unselected());
    let name = "Map of 64 features by density and strength";
    let map = harness.get_by_label(name).rect().shrink(3.0);
    let corners = [
        map.left_top(),
        map.right_top(),
        map.right_bottom(),
        map.left_bottom(),
        map.left_top() + egui::vec2(0.0, 4.0),
    ];
    harness.hover_at(corners[0]);
    harness.drag_at(corners[0]);
    harness.step();
    for corner in &corners[1..] {
        harness.hover_at(*corner);
        harness.step();
    }
    harness.drop_at(corners[4]);
    harness.run();
    harness.get_by_label("64 selected");
}

#[test]
fn directions_of_the_demo_are_mapped_kept_and_coloured() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = demo(folder.path());
    harness.get_by_label("Directions").click();
    Window::settle(&mut harness);
    harness.get_by_label("Map directions").click();
    Window::settle(&mut harness);
    let desk = &harness.state().desk;
    let map = desk.state.features.directions.ready().unwrap();
    let name = format!(
        "Map of {} features by decoder directions",
        map.features.len()
    );
    harness.get_by_label(&name);
    let dictionary = desk.state.dictionary().unwrap().name.clone();
    let project = desk.state.project.open().unwrap();
    let kept = project.directions(&dictionary).unwrap().unwrap();
    assert!(kept.1.starts_with(folder.path()), "{kept:?}");
    let live = desk.state.features.table.ready().unwrap();
    let live = live.summaries.iter().filter(|s| s.density > 0.0).count();
    assert_eq!(map.features.len(), live);
}

#[test]
fn a_filter_is_kept_with_the_project() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let filter = "density<1e-3 and max>5";
    desk.run(features::Command::KeepFilter(filter.to_owned()));
    desk.run(features::Command::KeepFilter(filter.to_owned()));
    let kept = |desk: &testing::Desk| desk.state.project.open().unwrap().filters.clone();
    assert_eq!(kept(&desk), [filter]);
    let folder = desk.state.project.folder().unwrap();
    let (again, _) = umbra_core::project::Project::open(folder).unwrap();
    assert_eq!(again.filters, [filter]);
    desk.run(features::Command::DropFilter(filter.to_owned()));
    assert_eq!(kept(&desk), [""; 0]);
}
