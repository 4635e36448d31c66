//! The list of features that fire on the sentence: columns, values, rows.

use egui::{Label, Role, Sense, Ui, WidgetInfo};
use umbra_core::features::fires::{Fired, Rank};

use crate::state::AppState;
use crate::state::requests::{Commands, navigation};
use crate::state::search::Found;
use crate::theme::{Theme, caption, mono};
use crate::widgets::csv::Value;
use crate::widgets::feature_name;
use crate::widgets::grid::{Column, Rows, short};
use crate::widgets::number::percent;
use crate::widgets::token_strip::{Scale, TokenStrip};

/// Name of the table in the settings.
pub(super) const TABLE: &str = "features on a text";

/// Column of the order before a person chose one.
pub(super) const FIRST: &str = Rank::TfIdf.key();

/// Width of the hover card.
const CARD: f32 = 360.0;

const MAX: &str = "Activation of largest size on the sentence, with its sign. The first position never counts. Dictionaries have different scales";
const MEAN: &str =
    "Mean activation over all positions but the first, counting 0 where the feature is inactive";
const SHARE: &str = "Share of its dictionary's reconstruction: Σ ⟨a·d, r⟩ over Σ ‖r‖², with r the sum of activation times decoder row over the active features. The shares of a dictionary sum to 1";
const TF_IDF: &str = "Bits per position: the mean size of the activation over the index's largest, times log2(1 / density). None without an index";

/// The columns.
pub(super) const COLUMNS: [Column<'static>; 7] = [
    Column::text("dictionary", "Dictionary")
        .definition("The dictionary that the feature belongs to")
        .width(64.0, 96.0),
    Column::text("feature", "Feature")
        .definition("Number and name; a click opens its page")
        .width(120.0, 300.0)
        .fills()
        .mono()
        .always(),
    Column::number(Rank::Max.key(), "Max")
        .definition(MAX)
        .width(52.0, 72.0),
    Column::number(Rank::Mean.key(), "Mean")
        .definition(MEAN)
        .width(52.0, 72.0),
    Column::number(Rank::Share.key(), "Share")
        .definition(SHARE)
        .width(52.0, 76.0),
    Column::number(Rank::TfIdf.key(), "TF-IDF")
        .unit("bits")
        .definition(TF_IDF)
        .width(64.0, 92.0),
    Column::text("tokens", "Fires on")
        .definition("Tokens on which it is active, strongest first")
        .width(96.0, 220.0)
        .mono()
        .unsorted(),
];

/// Name of a dictionary that was searched.
pub(super) fn dictionary<'a>(state: &'a AppState, found: &Found, at: usize) -> &'a str {
    let id = found.dictionaries[at];
    state.catalogue.get(id).map_or("", |one| one.name.as_str())
}

/// A name of a feature that stays when the sentence changes.
pub(super) fn key(found: &Found, at: usize) -> u64 {
    let fired = &found.fires.found[at];
    u64::from(found.dictionaries[fired.dictionary].0) << 32 | u64::from(fired.feature.0)
}

/// Value of a feature in a column.
pub(super) fn value(state: &AppState, found: &Found, at: usize, column: &str) -> Value {
    let fired = &found.fires.found[at];
    if let Some(rank) = Rank::ALL.into_iter().find(|rank| rank.key() == column) {
        return match rank {
            Rank::Max => fired.max.into(),
            _ => rank.figure(fired).into(),
        };
    }
    match column {
        "dictionary" => dictionary(state, found, fired.dictionary).into(),
        "feature" => fired.feature.index().into(),
        "tokens" => tokens(found, fired).into(),
        _ => Value::Nothing,
    }
}

/// The tokens on which a feature fires, strongest first, each text once.
fn tokens(found: &Found, fired: &Fired) -> String {
    let mut active = fired.active.clone();
    active.sort_by(|(i, a), (j, b)| b.abs().total_cmp(&a.abs()).then(i.cmp(j)));
    let mut texts: Vec<&str> = Vec::new();
    for (at, _) in &active {
        let text = found.fires.texts[*at].trim_matches(' ');
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts.join(" ")
}

/// The features in the order in force.
pub(super) struct Listed<'a> {
    pub(super) state: &'a AppState,
    pub(super) found: &'a Found,
    pub(super) order: &'a [usize],
    pub(super) commands: &'a mut Commands,
}

impl Listed<'_> {
    fn fired(&self, row: usize) -> &Fired {
        &self.found.fires.found[self.order[row]]
    }

    /// Opens the page of a feature, whose dictionary comes into use.
    pub(super) fn open(&mut self, row: usize, beside: bool) {
        let (dictionary, feature) = (self.fired(row).dictionary, self.fired(row).feature);
        let id = self.found.dictionaries[dictionary];
        self.commands
            .send(navigation::Command::FollowDictionary(id));
        self.commands
            .send(navigation::Command::Feature { feature, beside });
    }

    fn feature_ui(&mut self, ui: &mut Ui, row: usize) {
        let fired = self.fired(row);
        let (feature, id) = (fired.feature, self.found.dictionaries[fired.dictionary]);
        let words = format!("Feature {feature} of {}", self.dictionary(row));
        // No stop of the focus in each row: it would never come to an end.
        let label = Label::new(mono(format!("#{feature}"))).sense(Sense::CLICK);
        let response = ui
            .add(label)
            .on_hover_cursor(egui::CursorIcon::PointingHand);
        response.widget_info(|| WidgetInfo::labeled(Role::Link, true, &words));
        let name = self.state.name_of(id, feature);
        if let Some(name) = feature_name::layout(ui, name, ui.available_width()) {
            let (rect, _) = ui.allocate_exact_size(name.size(), Sense::hover());
            ui.painter()
                .galley(rect.min, name, Theme::from_ui(ui).ink.primary);
        }
        if response.clicked() || response.middle_clicked() {
            self.open(row, response.middle_clicked());
        }
    }

    fn dictionary(&self, row: usize) -> &str {
        dictionary(self.state, self.found, self.fired(row).dictionary)
    }
}

impl Rows for Listed<'_> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn key(&self, row: usize) -> u64 {
        key(self.found, self.order[row])
    }

    fn words(&self, row: usize) -> String {
        let feature = self.fired(row).feature;
        format!("Feature {feature} of {}", self.dictionary(row))
    }

    fn value(&self, row: usize, column: &str) -> Value {
        value(self.state, self.found, self.order[row], column)
    }

    fn text(&self, row: usize, column: &str) -> String {
        match self.value(row, column) {
            Value::Number(share) if column == Rank::Share.key() => percent(share),
            value => short(&value),
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        if column != "feature" {
            return false;
        }
        self.feature_ui(ui, row);
        true
    }

    fn menu_ui(&mut self, ui: &mut Ui, row: usize, _: &[u64]) -> bool {
        for (words, beside) in [("Open its page", false), ("Open its page beside", true)] {
            if ui.button(words).clicked() {
                self.open(row, beside);
                ui.close();
            }
        }
        true
    }

    fn card_ui(&mut self, ui: &mut Ui, row: usize) {
        ui.set_width(CARD);
        let fired = self.fired(row);
        let id = self.found.dictionaries[fired.dictionary];
        let name = self.state.name_of(id, fired.feature);
        ui.label(mono(format!("#{} {name}", fired.feature)));
        let pair = self.state.pair(id);
        let scale = Scale {
            most: fired.max.abs(),
            signed: pair.is_some_and(|pair| pair.sae.selection.is_signed()),
        };
        let acts = self.found.fires.acts(fired);
        TokenStrip::new("Sentence with this feature", &self.found.fires.texts)
            .activations(&acts, scale)
            .one_line(fired.at)
            .show(ui);
        let secondary = Theme::from_ui(ui).ink.secondary;
        let words = format!(
            "{} in this sentence, by {}",
            self.text(row, Rank::Max.key()),
            self.dictionary(row)
        );
        ui.label(caption(words).color(secondary));
    }

    fn has_cards(&self) -> bool {
        true
    }
}
