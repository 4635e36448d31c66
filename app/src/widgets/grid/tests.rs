//! The table widget by kittest: selection, keys, order, columns, menu, exact copies. Also the example of how a table is shown.

use egui::{Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::arrangement::{self, Arrangement};
use super::*;
use crate::widgets::to_save;

/// Words with a number each, in the order in force.
struct Words<'a> {
    order: &'a [usize],
    asked: &'a mut Vec<String>,
}

const WORDS: [&str; 5] = ["king", "a, \"b\"", "Oz", "the", "rabbit"];

fn density(i: usize) -> f64 {
    0.1 + 0.2 * (i % 7) as f64
}

impl Rows for Words<'_> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn key(&self, row: usize) -> u64 {
        self.order[row] as u64
    }

    fn words(&self, row: usize) -> String {
        format!("Row of {}", self.order[row])
    }

    fn value(&self, row: usize, column: &str) -> Value {
        value(self.order[row], column)
    }

    fn menu_ui(&mut self, ui: &mut Ui, row: usize, selected: &[u64]) -> bool {
        if ui.button("Open").clicked() {
            self.asked
                .push(format!("open {} of {selected:?}", self.order[row]));
            ui.close();
        }
        true
    }
}

fn value(i: usize, column: &str) -> Value {
    match column {
        "number" => Value::from(i),
        "word" => Value::from(WORDS[i % WORDS.len()]),
        "density" => Value::from(density(i)),
        _ => Value::Nothing,
    }
}

const COLUMNS: [Column<'static>; 4] = [
    Column::number("number", "Number")
        .width(60.0, 72.0)
        .always(),
    Column::text("word", "Word").width(60.0, 160.0).fills(),
    Column::number("density", "Density")
        .unit("share")
        .definition("Share of tokens on which it is active"),
    Column::number("more", "More").hidden(),
];

/// Draws a sample for the stored pictures: an ordered table with selected rows.
pub(crate) fn picture(ui: &mut Ui) {
    let sort = Sort::new("density", true);
    let order = order(9, Some(&sort), value);
    let mut rows = Words {
        order: &order,
        asked: &mut vec![],
    };
    let mut selection = Selection::default();
    selection.select([2, 3]);
    let grid = Grid::new("sample", &COLUMNS).fill().several();
    let grid = grid.ordered_by("density", true);
    grid.show(ui, &mut rows, &mut selection);
}

/// The table's owner.
#[derive(Debug, Default)]
struct Owner {
    count: usize,
    selection: Selection,
    reply: Reply,
    opened: Vec<usize>,
    asked: Vec<String>,
    first: Option<(usize, usize)>,
}

fn staged(count: usize, size: egui::Vec2) -> Harness<'static, Owner> {
    let owner = Owner {
        count,
        ..Owner::default()
    };
    Harness::builder()
        .with_size(size)
        .with_step_dt(0.02)
        .with_context_setup(crate::theme::install)
        .build_ui_state(
            |ui, owner: &mut Owner| {
                let sort = sort(ui.ctx(), "words");
                let order = order(owner.count, sort.as_ref(), value);
                let mut rows = Words {
                    order: &order,
                    asked: &mut owner.asked,
                };
                let grid = Grid::new("words", &COLUMNS).fill().several();
                let reply = grid.show(ui, &mut rows, &mut owner.selection);
                owner.opened.extend(reply.opened.map(|row| order[row]));
                owner.first =
                    ui.data(|data| data.get_temp(Id::unique(("grid", "words")).with("seen")));
                owner.reply = reply;
            },
            owner,
        )
}

fn selected(harness: &Harness<'_, Owner>) -> Vec<u64> {
    harness.state().selection.keys().collect()
}

fn copied(harness: &Harness<'_, Owner>) -> Option<String> {
    let commands = &harness.output().platform_output.commands;
    commands.iter().find_map(|command| match command {
        egui::OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    })
}

/// Steps until something was copied.
fn copy(harness: &mut Harness<'_, Owner>) -> String {
    for _ in 0..600 {
        harness.step();
        if let Some(text) = copied(harness) {
            return text;
        }
    }
    panic!("nothing was copied");
}

fn menu_of(harness: &mut Harness<'_, Owner>, row: &str, entry: &str) {
    harness.get_by_label(row).click_secondary();
    harness.run();
    harness.get_by_label(entry).click();
}

#[test]
fn clicks_and_keys_select_and_open() {
    let mut harness = staged(100, vec2(600.0, 300.0));
    harness.run();
    harness.get_by_label("Row of 1").click();
    harness.run();
    assert_eq!(selected(&harness), [1]);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowDown);
    harness.run();
    assert_eq!(selected(&harness), [1, 2]);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::End);
    harness.run();
    assert_eq!(selected(&harness).len(), 99);
    let (first, end) = harness.state().first.unwrap();
    assert!(
        first > 80 && end == 100,
        "the end is in view: {first} to {end}"
    );
    harness.key_press(Key::Home);
    harness.run();
    assert_eq!(selected(&harness), [0]);
    harness.key_press(Key::PageDown);
    harness.run();
    let page = selected(&harness);
    assert!(page[0] > 3 && page[0] < 12, "{page:?}");
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(harness.state().opened, [page[0] as usize]);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run();
    assert_eq!(selected(&harness).len(), 100);
}

#[test]
fn a_head_orders_the_rows_and_the_selection_goes_with_them() {
    let mut harness = staged(9, vec2(600.0, 400.0));
    harness.run();
    harness.get_by_label("Row of 3").click();
    harness.run();
    let top = |harness: &Harness<'_, Owner>, row: &str| harness.get_by_label(row).rect().top();
    assert!(top(&harness, "Row of 3") < top(&harness, "Row of 6"));
    harness.get_by_label("Sort by density").click();
    harness.run();
    assert!(
        top(&harness, "Row of 6") < top(&harness, "Row of 3"),
        "1.3 comes before 0.7"
    );
    assert_eq!(selected(&harness), [3]);
    harness.get_by_label("Sort by density").click();
    harness.run();
    assert!(top(&harness, "Row of 3") < top(&harness, "Row of 6"));
    harness.get_by_label("Sort by density").click();
    harness.run();
    assert_eq!(
        sort(&harness.ctx, "words"),
        None,
        "the third click returns to the order of its own"
    );
    let changed = arrangement::take(&harness.ctx);
    assert_eq!(changed, [("words".to_owned(), Arrangement::default())]);
}

#[test]
fn a_copy_is_exact_and_saving_leaves_a_file() {
    let mut harness = staged(3, vec2(600.0, 300.0));
    harness.run();
    menu_of(&mut harness, "Row of 1", "Copy table as CSV");
    let expected = format!(
        "Number,Word,Density (share)\r\n0,king,{}\r\n1,\"a, \"\"b\"\"\",{}\r\n2,Oz,{}\r\n",
        density(0),
        density(1),
        density(2)
    );
    assert_eq!(copy(&mut harness), expected);
    assert!(expected.contains("0.30000000000000004"), "no digit is lost");
    harness.run();
    menu_of(&mut harness, "Row of 1", "Copy row");
    assert_eq!(copy(&mut harness), format!("1\ta, \"b\"\t{}", density(1)));
    harness.run();
    menu_of(&mut harness, "Row of 2", "Save as CSV…");
    harness.run();
    let file = to_save::take(&harness.ctx).unwrap();
    assert_eq!(file.name, "words.csv");
    assert_eq!(&*file.bytes, expected.as_bytes());
}

#[test]
fn the_menu_of_a_cell_copies_its_value_explains_it_and_has_the_callers_entries() {
    let mut harness = staged(20, vec2(600.0, 300.0));
    harness.run();
    // A right click on the density of row 1.
    let head = harness.get_by_label("Sort by density").rect().center();
    let row = harness.get_by_label("Row of 1").rect().center();
    harness.hover_at(egui::pos2(head.x, row.y));
    harness.run();
    for pressed in [true, false] {
        harness.event(egui::Event::PointerButton {
            pos: egui::pos2(head.x, row.y),
            button: egui::PointerButton::Secondary,
            pressed,
            modifiers: Modifiers::NONE,
        });
    }
    harness.run();
    assert_eq!(selected(&harness), [1], "the row of the menu is selected");
    harness
        .get_by_label_contains("What is this number?")
        .click();
    harness.run();
    harness.get_by_label("Share of tokens on which it is active");
    harness.get_by_label("Copy value").click();
    assert_eq!(copy(&mut harness), "0.30000000000000004");
    harness.run();
    // By keyboard, on the selected rows.
    harness.get_by_label("Row of 1").click();
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowDown);
    harness.run();
    harness.key_press_modifiers(Modifiers::SHIFT, Key::F10);
    harness.run();
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(harness.state().asked, ["open 2 of [1, 2]"]);
    assert!(
        harness.query_by_label("Copy row").is_none(),
        "the menu closed"
    );
}

#[test]
fn columns_resize_fit_hide_and_come_back_after_a_restart() {
    let mut harness = staged(20, vec2(700.0, 300.0));
    harness.run();
    let head = |harness: &Harness<'_, Owner>| harness.get_by_label("Sort by number").rect();
    let before = head(&harness);
    let from = egui::pos2(before.right(), before.center().y);
    harness.drag_at(from);
    harness.run();
    harness.hover_at(from + vec2(50.0, 0.0));
    harness.run();
    harness.drop_at(from + vec2(50.0, 0.0));
    harness.run();
    assert_eq!(head(&harness).width(), before.width() + 50.0);
    harness.get_by_label("Sort by density").click_secondary();
    harness.run();
    harness.get_by_label("Density (share)").click();
    harness.run();
    harness.key_press(Key::Escape);
    harness.run();
    assert!(harness.query_by_label("Sort by density").is_none());
    let kept = arrangement::take(&harness.ctx);
    let json = serde_json::to_string(&kept[0].1).unwrap();
    let again: Arrangement = serde_json::from_str(&json).unwrap();
    assert_eq!(again.widths["number"], before.width() as u16 + 50 - 12);
    // Another window, with what the settings kept.
    let mut harness = staged(20, vec2(700.0, 300.0));
    harness.ctx.data_mut(egui::util::IdTypeMap::clear);
    arrangement::restore(&harness.ctx, &[("words".to_owned(), again)].into());
    harness.run();
    assert_eq!(head(&harness).width(), before.width() + 50.0);
    assert!(harness.query_by_label("Sort by density").is_none());
    assert!(
        harness.query_by_label("Sort by more").is_none(),
        "hidden at first"
    );
}

#[test]
fn a_double_click_on_a_border_fits_what_is_seen() {
    let mut harness = staged(20, vec2(700.0, 300.0));
    harness.run();
    let before = harness.get_by_label("Sort by word").rect();
    let at = egui::pos2(before.right(), before.center().y);
    harness.hover_at(at);
    harness.run();
    for pressed in [true, false, true, false] {
        harness.event(egui::Event::PointerButton {
            pos: at,
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        });
    }
    harness.run();
    let width = harness.get_by_label("Sort by word").rect().width();
    assert!(
        (70.0..105.0).contains(&width),
        "{width} instead of {}",
        before.width()
    );
}

#[test]
fn a_narrow_table_scrolls_to_its_last_column() {
    let mut harness = staged(20, vec2(150.0, 300.0));
    harness.run();
    let density = harness.get_by_label("Sort by density").rect();
    assert!(
        density.right() > 150.0,
        "{density:?}: nothing is squeezed out"
    );
    harness.get_by_label("Row of 1").click();
    for _ in 0..3 {
        harness.key_press(Key::ArrowRight);
        harness.run();
    }
    let density = harness.get_by_label("Sort by density").rect();
    assert!(density.right() <= 150.0, "{density:?} came into view");
}

#[test]
fn a_hundred_thousand_rows_draw_only_what_is_seen() {
    let mut harness = staged(100_000, vec2(600.0, 400.0));
    harness.run();
    let (first, end) = harness.state().first.unwrap();
    assert!(first == 0 && end < 30, "{first} to {end}");
    harness.get_by_label("Row of 0").click();
    harness.key_press(Key::End);
    harness.run();
    assert_eq!(selected(&harness), [99_999]);
    menu_of(&mut harness, "Row of 99999", "Copy table as CSV");
    let text = copy(&mut harness);
    assert_eq!(text.lines().count(), 100_001);
    assert!(text.ends_with(&format!("99999,rabbit,{}\r\n", density(99_999))));
}
