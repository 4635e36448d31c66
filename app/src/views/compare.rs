//! The comparison of two dictionaries: shared features, and those that only one has.

use std::sync::Arc;

use egui::{ComboBox, DragValue, Label, RichText, Sense, Ui, vec2};
use umbra_core::compare::{Pair, SHARED, Together};
use umbra_core::ids::FeatureId;

use super::view::View;
use crate::memo::Memo;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::compare::{Compared, Measured, Two, most_comparable};
use crate::state::requests::{Commands, compare::Command, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, icons, mono, space};
use crate::widgets::csv::Value;
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::widgets::feature_name;
use crate::widgets::grid::arrangement::Sort;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};
use crate::widgets::histogram::{HistogramPlot, Of};
use crate::widgets::number;

/// Width of the least cosine with its label.
const LEAST: f32 = 220.0;

/// Height of the histograms.
const HISTOGRAM: f32 = 140.0;

const COSINE: &str =
    "Cosine of the two features' decoder rows: 1 where they write the same direction";

const CORRELATION: &str = "Pearson correlation of the two activations over all tokens of the text, counting 0 where a feature is inactive";
const JACCARD: &str = "Tokens on which both are active, divided by tokens on which either is";

/// The list shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum List {
    #[default]
    Pairs,
    OfA,
    OfB,
}

/// The comparison of two dictionaries: shared features, and those that only one has.
#[derive(Debug)]
pub(crate) struct CompareView {
    least: f32,
    list: List,
    rows: Memo<Listed, Vec<Pair>>,
    order: Memo<(Listed, Option<Sort>, usize), Vec<usize>>,
    selection: Selection,
}

/// The two dictionaries, the bits of the least cosine, and the list.
type Listed = (Two, u32, u8);

impl Default for CompareView {
    fn default() -> Self {
        Self {
            least: SHARED,
            list: List::default(),
            rows: Memo::default(),
            order: Memo::default(),
            selection: Selection::default(),
        }
    }
}

impl View for CompareView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let chosen = state.compare.chosen;
        let of = |id| state.catalogue.get(id);
        let Some((a, b)) = chosen.and_then(|(a, b)| Some((of(a)?, of(b)?))) else {
            return nothing_ui(ui, state, commands);
        };
        self.choice_ui(ui, state, (a, b), commands);
        ui.add_space(space::CONTROL);
        match &state.compare.compared {
            Load::Ready(compared) if state.compare.of == chosen => {
                let together = &state.compare.together;
                self.compared_ui(ui, state, (a, b), (compared, together), commands);
            }
            Load::Failed(why) if state.compare.of == chosen => {
                failure_state(ui, "These dictionaries cannot be compared", why, None);
            }
            _ => {
                let secondary = Theme::from_ui(ui).ink.secondary;
                ui.label(caption("Comparing…").color(secondary));
            }
        }
    }
}

/// Opens with the two dictionaries that are the most alike, or says why there are no two.
fn nothing_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let dictionaries = &state.catalogue.dictionaries;
    if (dictionaries.iter()).any(|one| one.load.is_loading() || one.load.is_absent()) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(caption("Loading the dictionaries…").color(secondary));
        return;
    }
    if let Some(two) = most_comparable(state, None) {
        commands.send(Command::Choose(two));
        return;
    }
    let sentence = "This screen compares two dictionaries that write activations of one width: the features that both have, and those that only one has. Open or train a second one.";
    if empty_state(ui, icons::COLUMNS, sentence, Some("Go to Library")) {
        commands.send(navigation::Command::Go(ViewId::Library));
    }
}

impl CompareView {
    fn choice_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (a, b): (&Dictionary, &Dictionary),
        commands: &mut Commands,
    ) {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            if let Some(other) = dictionary_ui(ui, state, "A", a) {
                commands.send(Command::Choose((other, b.id)));
            }
            if let Some(other) = dictionary_ui(ui, state, "B", b) {
                commands.send(Command::Choose((a.id, other)));
            }
            let help = "Matched features with at least this cosine are shared; a feature whose best cosine is lower is unique";
            // The number stays with its label where the line wraps.
            if ui.available_size_before_wrap().x < LEAST {
                ui.end_row();
            }
            ui.horizontal(|ui| {
                let label = ui.label("Shared from cosine").on_hover_text(help);
                let drag = DragValue::new(&mut self.least)
                    .range(0.0..=1.0)
                    .speed(0.005)
                    .fixed_decimals(2);
                ui.add(drag).labelled_by(label.id).on_hover_text(help);
            });
        });
        if a.hook() != b.hook() {
            let words = "The dictionaries read different hooks: cosines are meaningful only where both write the same space";
            let warning = Theme::from_ui(ui).warning;
            ui.add(
                Label::new(caption(format!("{}  {words}", icons::WARNING)).color(warning)).wrap(),
            );
        }
    }

    fn histograms_ui(&self, ui: &mut Ui, (a, b): (&Dictionary, &Dictionary), compared: &Compared) {
        let width = (ui.available_width() - space::GROUP) / 2.0;
        let [of_a, of_b] = &compared.counts;
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            for (two, counts) in [((a, b), of_a), ((b, a), of_b)] {
                histogram_ui(ui, two, (&compared.edges, counts), (self.least, width));
            }
        });
    }

    fn compared_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (a, b): (&Dictionary, &Dictionary),
        (compared, together): (&Compared, &Load<Arc<Measured>>),
        commands: &mut Commands,
    ) {
        self.histograms_ui(ui, (a, b), compared);
        ui.add_space(space::CONTROL);
        let found = &compared.found;
        let lists = [
            (
                List::Pairs,
                format!(
                    "{} of {} pairs shared",
                    number::count(found.shared(self.least).len() as u64),
                    number::count(found.pairs.len() as u64)
                ),
            ),
            (List::OfA, own(&found.best_of_a, self.least, &a.name)),
            (List::OfB, own(&found.best_of_b, self.least, &b.name)),
        ];
        ui.horizontal_wrapped(|ui| {
            for (list, words) in lists {
                if ui.selectable_label(self.list == list, words).clicked() {
                    self.list = list;
                }
            }
        });
        if self.list == List::Pairs {
            together_ui(ui, state, (a.id, b.id), together, commands);
        }
        let (list, least) = (self.list, self.least);
        let key = ((a.id, b.id), least.to_bits(), list as u8);
        let rows = self.rows.get(key, |_| match list {
            List::Pairs => found.pairs.clone(),
            List::OfA => found.unique_to_a(least),
            List::OfB => found.unique_to_b(least),
        });
        let measured = together.ready().filter(|_| list == List::Pairs);
        let measured = measured.map(|measured| measured.pairs.as_slice());
        let sort = grid::sort(ui.ctx(), TABLE);
        let of = measured.map_or(0, |measured| measured.as_ptr() as usize);
        let order = self.order.get((key, sort, of), |(_, sort, _)| {
            let pairs = (rows.as_slice(), measured);
            grid::order(rows.len(), sort.as_ref(), |at, column| {
                value(pairs, at, column)
            })
        });
        let shown = Shown {
            two: (a, b),
            pairs: rows,
            order,
            measured,
            list,
            least,
            state,
            commands,
        };
        table_ui(ui, shown, &mut self.selection);
    }
}

/// Draws the button that measures the pairs on a text, or names the text.
fn together_ui(
    ui: &mut Ui,
    state: &AppState,
    two: Two,
    together: &Load<Arc<Measured>>,
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let unfit = [two.0, two.1].into_iter().find_map(|id| state.unfit(id));
    if let Some(why) = unfit {
        let words = format!("The pairs could not be measured on text: {why}.");
        ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
        return;
    }
    ui.horizontal_wrapped(|ui| match together {
        Load::Loading => {
            ui.label(caption("Measuring on held-out text…").color(secondary));
        }
        Load::Ready(measured) => {
            let words = format!(
                "Measured on {}; a pair with a silent feature matches by direction only",
                measured.text
            );
            ui.add(Label::new(caption(words).color(secondary)).truncate());
        }
        Load::Absent | Load::Failed(_) => {
            let help = "Runs the model on the project's held-out text and measures how often the two features of each pair are active on the same tokens";
            let button = ui.button("Measure on held-out text").on_hover_text(help);
            if button.clicked() {
                commands.send(Command::Together(two));
            }
            if let Load::Failed(why) = together {
                ui.add(Label::new(caption(why).color(Theme::from_ui(ui).failure)).wrap());
            }
        }
    });
}

/// The features of one by the cosine of their best in the other.
fn histogram_ui(
    ui: &mut Ui,
    (of, other): (&Dictionary, &Dictionary),
    (edges, counts): (&[f64], &[u64]),
    (least, width): (f32, f32),
) {
    let words = format!(
        "Features of {} by their best cosine in {}",
        of.name, other.name
    );
    ui.vertical(|ui| {
        ui.set_width(width);
        ui.label(caption(&words).color(Theme::from_ui(ui).ink.secondary))
            .on_hover_text(COSINE);
        HistogramPlot::new(&words, edges, counts)
            .of(Of {
                quantity: "Cosine",
                counted: ["feature", "features"],
                definition: COSINE,
            })
            .mark(Some(f64::from(least)))
            .size(vec2(width, HISTOGRAM))
            .show(ui);
    });
}

fn own(best: &[Pair], least: f32, name: &str) -> String {
    let own = best.iter().filter(|pair| pair.cosine < least).count();
    format!("{} unique to {name}", number::count(own as u64))
}

/// Chooses one of the two.
fn dictionary_ui(
    ui: &mut Ui,
    state: &AppState,
    name: &str,
    chosen: &Dictionary,
) -> Option<DictionaryId> {
    let mut other = None;
    let label = ui.label(name);
    ComboBox::from_id_salt(("compare", name))
        .selected_text(&chosen.name)
        .width(160.0)
        .show_ui(ui, |ui| {
            for dictionary in &state.catalogue.dictionaries {
                let is_it = dictionary.id == chosen.id;
                if ui.selectable_label(is_it, &dictionary.name).clicked() {
                    other = Some(dictionary.id);
                }
            }
        })
        .response
        .labelled_by(label.id);
    other
}

/// Name of the table in the settings.
const TABLE: &str = "compared features";

/// The pairs in the order in force.
struct Shown<'a> {
    two: (&'a Dictionary, &'a Dictionary),
    pairs: &'a [Pair],
    order: &'a [usize],
    measured: Option<&'a [Together]>,
    list: List,
    least: f32,
    state: &'a AppState,
    commands: &'a mut Commands,
}

fn value((pairs, measured): (&[Pair], Option<&[Together]>), at: usize, column: &str) -> Value {
    let pair = &pairs[at];
    let both = measured.and_then(|all| all.get(at));
    let both = both.filter(|both| both.active_a > 0 && both.active_b > 0);
    match column {
        "a" => pair.a.index().into(),
        "b" => pair.b.index().into(),
        "cosine" => pair.cosine.into(),
        "correlation" => both.map(|both| both.correlation).into(),
        "jaccard" => both.map(|both| both.jaccard).into(),
        _ => Value::Nothing,
    }
}

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn key(&self, row: usize) -> u64 {
        self.order[row] as u64
    }

    fn words(&self, row: usize) -> String {
        let pair = &self.pairs[self.order[row]];
        let (a, b) = self.two;
        format!(
            "Pair of {} in {} and {} in {}",
            pair.a, a.name, pair.b, b.name
        )
    }

    fn value(&self, row: usize, column: &str) -> Value {
        if column == "kind" {
            return self.text(row, column).into();
        }
        value((self.pairs, self.measured), self.order[row], column)
    }

    fn text(&self, row: usize, column: &str) -> String {
        let pair = &self.pairs[self.order[row]];
        match (column, self.list) {
            ("kind", List::Pairs) if pair.cosine >= self.least => "shared".to_owned(),
            ("kind", List::Pairs) => "not shared".to_owned(),
            ("kind", List::OfA | List::OfB) => "best match".to_owned(),
            _ => match self.value(row, column) {
                Value::Nothing => "silent".to_owned(),
                Value::Number(figure) => format!("{figure:.3}"),
                value => grid::short(&value),
            },
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        let pair = self.pairs[self.order[row]];
        let (a, b) = self.two;
        match column {
            "a" => feature_ui(ui, (a, pair.a), self.state, self.commands),
            "b" => feature_ui(ui, (b, pair.b), self.state, self.commands),
            _ => return false,
        }
        true
    }

    fn menu_ui(&mut self, ui: &mut Ui, row: usize, _: &[u64]) -> bool {
        let pair = self.pairs[self.order[row]];
        let (a, b) = self.two;
        for (of, feature) in [(a, pair.a), (b, pair.b)] {
            if ui
                .button(format!("Open #{feature} of {}", of.name))
                .clicked()
            {
                open(of, feature, self.commands);
                ui.close();
            }
        }
        true
    }
}

/// Opens the page of a feature, whose dictionary comes into use.
fn open(of: &Dictionary, feature: FeatureId, commands: &mut Commands) {
    commands.send(navigation::Command::FollowDictionary(of.id));
    let beside = false;
    commands.send(navigation::Command::Feature { feature, beside });
}

/// The list: a click on a feature opens its page, Enter that of the row's first one. By the keyboard, the row's menu opens the other.
fn table_ui(ui: &mut Ui, mut rows: Shown<'_>, selection: &mut Selection) {
    let (a, b) = rows.two;
    let feature = |id, title| {
        let column = Column::text(id, title).width(96.0, 240.0).fills().mono();
        column
            .definition("A feature of this dictionary; a click opens its page")
            .always()
    };
    let number = |id, title| Column::number(id, title).width(56.0, 88.0);
    let mut columns = vec![
        feature("a", a.name.as_str()),
        feature("b", b.name.as_str()),
        number("cosine", "Cosine").definition(COSINE),
    ];
    if rows.measured.is_some() {
        columns.push(number("correlation", "Correlation").definition(CORRELATION));
        columns.push(number("jaccard", "Jaccard").definition(JACCARD));
    }
    let kind = Column::text("kind", "Match")
        .definition("Shared: a matched pair with at least the chosen cosine. Not shared: a matched pair below it. Best match: the nearest feature of the other dictionary, below that cosine")
        .width(72.0, 88.0);
    columns.push(kind.unsorted());
    let reply = Grid::new(TABLE, &columns)
        .title("Compared features")
        .fill()
        .show(ui, &mut rows, selection);
    if let Some(row) = reply.opened {
        let pair = rows.pairs[rows.order[row]];
        open(rows.two.0, pair.a, rows.commands);
    }
}

/// Its number, which leads to its page, and its name.
fn feature_ui(
    ui: &mut Ui,
    (of, feature): (&Dictionary, FeatureId),
    state: &AppState,
    commands: &mut Commands,
) {
    // No stop of the focus in each row: it would never come to an end.
    let label = Label::new(mono(format!("#{feature}"))).sense(Sense::CLICK);
    let words = format!("Feature {feature} of {}", of.name);
    let response = ui
        .add(label)
        .on_hover_cursor(egui::CursorIcon::PointingHand);
    let name = state.name_of(of.id, feature);
    if let Some(name) = feature_name::layout(ui, name, ui.available_width()) {
        let (rect, _) = ui.allocate_exact_size(name.size(), Sense::hover());
        ui.painter()
            .galley(rect.min, name, Theme::from_ui(ui).ink.primary);
    }
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Link, true, &words));
    if response.on_hover_text("Opens its page").clicked() {
        open(of, feature, commands);
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::state::catalogue::{self, LoadedSae};
    use crate::state::{Event, compare};
    use crate::testing::{self, Desk};

    /// The typical state with the same dictionary again under another name.
    fn two() -> AppState {
        let mut state = testing::typical();
        let added = catalogue::Event::Added("z1".into(), None);
        state.apply(Event::Catalogue(added));
        let notes = umbra_core::error::Notes::default();
        let loaded = LoadedSae::new(testing::sae(32), notes, 1);
        let loaded = catalogue::Event::Sae(DictionaryId(1), Load::Ready(loaded));
        state.apply(Event::Catalogue(loaded));
        state
    }

    /// A state with two dictionaries and their comparison.
    fn two_compared() -> AppState {
        let mut desk = Desk::new(two());
        desk.run(Command::Show(DictionaryId(0)));
        std::mem::take(&mut desk.state)
    }

    #[test]
    fn two_dictionaries_are_compared_and_a_feature_opens() {
        let mut desk = Desk::new(two());
        desk.run(Command::Show(DictionaryId(0)));
        let of = Some((DictionaryId(0), DictionaryId(1)));
        assert_eq!(desk.state.compare.of, of);
        let mut harness = testing::harness(ViewId::Compare, std::mem::take(&mut desk.state));
        // All rows of the list are drawn: the one that is clicked may stand anywhere among equals.
        harness.set_size(vec2(1000.0, 1400.0));
        harness.run();
        harness.get_by_label_contains("32 pairs shared");
        harness.get_by_label("0 unique to z1");
        harness.get_by_label("Measure on held-out text").click();
        harness.get_by_label("Feature 0 of z1").click();
        harness.run();
        let sent = harness.state_mut().commands.take();
        let select = navigation::Command::FollowDictionary(DictionaryId(1));
        assert!(sent.contains(&select.into()), "{sent:?}");
        let two = (DictionaryId(0), DictionaryId(1));
        assert!(sent.contains(&Command::Together(two).into()), "{sent:?}");
        // One pair that fires together, one of which one feature is silent.
        let figures = |active_b| Together {
            correlation: 0.875,
            jaccard: 0.625,
            active_a: 8,
            active_b,
            both: active_b,
        };
        let measured = Measured {
            pairs: [8, 0].map(figures).to_vec(),
            text: "alice.txt".to_owned(),
        };
        let mut state = two_compared();
        let load = Load::Ready(Arc::new(measured));
        state.apply(Event::Compare(compare::Event::Together(two, load)));
        let mut harness = testing::harness(ViewId::Compare, state);
        harness.run();
        harness.get_by_label_contains("Measured on alice.txt");
        harness.get_by_label("0.875");
        assert!(harness.get_all_by_label("silent").count() >= 2);
    }

    #[test]
    fn it_opens_with_the_two_that_are_the_most_alike() {
        let mut harness = testing::harness(ViewId::Compare, two());
        let sent = harness.state_mut().commands.take();
        let choose = Command::Choose((DictionaryId(0), DictionaryId(1)));
        assert!(sent.contains(&choose.into()), "{sent:?}");
        // One dictionary is none to compare with.
        let mut harness = testing::harness(ViewId::Compare, testing::typical());
        assert!(harness.state_mut().commands.take().is_empty());
        harness.get_by_label_contains("Open or train a second one");
    }

    #[test]
    fn without_another_dictionary_it_says_what_to_do_and_failures_are_told() {
        let mut desk = Desk::new(testing::typical());
        desk.run(Command::Show(DictionaryId(0)));
        assert!(
            desk.notices()
                .iter()
                .any(|said| said.contains("No other dictionary"))
        );
        let mut state = two();
        let of = (DictionaryId(1), DictionaryId(0));
        for event in [
            compare::Event::Chosen(of),
            compare::Event::Compared(of, Load::Loading),
            compare::Event::Compared(of, Load::Failed("4 wide and 8 wide".to_owned())),
        ] {
            state.apply(Event::Compare(event));
        }
        let harness = testing::harness(ViewId::Compare, state);
        harness.get_by_label_contains("4 wide and 8 wide");
    }
}
