//! The command palette (Ctrl+K): every action with its shortcut, every screen, every feature by number or label.

use egui::{Align2, Area, Frame, Id, Key, Modifiers, RichText, Stroke, TextEdit, Ui};
use umbra_core::features::{self as index, Hit};
use umbra_core::guide;
use umbra_core::ids::{FeatureId, Head, Layer};
use umbra_core::workbench::link::Link;

use super::shortcuts::{Does, shown, words_of};
use crate::state::AppState;
use crate::state::evaluation::tab::Tab as EvaluationTab;
use crate::state::features::{Query, Seeker};
use crate::state::heads::name;
use crate::state::heads::step::Step as HeadsStep;
use crate::state::history::Entry as Step;
use crate::state::layout::Layout;
use crate::state::opening::Kind;
use crate::state::prompt::Side;
use crate::state::requests::{
    Command, Commands, evaluation, features, heads, library, navigation, opening, prompt, search,
    shell, steering,
};
use crate::state::steering::causes::question::Question;
use crate::state::steering::tab::Tab;
use crate::state::tour::Tour;
use crate::state::view::ViewId;
use crate::theme::{self, Theme, icons, space};
use crate::views::actions::{dictionary_actions, recent_models, recent_projects};
use crate::views::feature::chips;
use crate::widgets::feature_name;

const WIDTH: f32 = 560.0;
/// Rows shown at once.
const ROWS: usize = 12;
/// Labelled features listed at most.
const LABELS: usize = 50;
/// Features listed at most that the words are about.
const HITS: usize = 20;

/// One thing to choose.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    icon: &'static str,
    words: String,
    /// Shortcut or explanation, right.
    hint: String,
    command: Command,
    /// The feature that it opens, shown by its name.
    feature: Option<FeatureId>,
}

impl Entry {
    fn new(
        icon: &'static str,
        words: impl Into<String>,
        hint: impl Into<String>,
        command: impl Into<Command>,
    ) -> Self {
        Self {
            icon,
            words: words.into(),
            hint: hint.into(),
            command: command.into(),
            feature: None,
        }
    }
}

/// The palette's text and marked row.
#[derive(Debug, Default)]
pub(crate) struct Palette {
    query: String,
    marked: usize,
    open: bool,
    /// The widget that had the focus when it opened.
    before: Option<Id>,
}

impl Palette {
    /// Forgets what was typed, and returns the focus.
    pub(super) fn closed(&mut self, ui: &Ui) {
        if !self.open {
            return;
        }
        if let Some(before) = self.before {
            ui.memory_mut(|memory| memory.request_focus(before));
        }
        *self = Self::default();
    }

    /// Draws the palette and sends what was chosen.
    pub(super) fn palette_ui(
        &mut self,
        ui: &Ui,
        (state, layout): (&AppState, &Layout),
        commands: &mut Commands,
    ) {
        let first = !std::mem::replace(&mut self.open, true);
        if first {
            self.before = ui.memory(egui::Memory::focused);
        }
        let theme = Theme::from_ui(ui);
        let width = WIDTH.min(ui.ctx().content_rect().width() - 48.0);
        let area = Area::new(Id::unique("palette"))
            .order(egui::Order::Foreground)
            .anchor(Align2::CENTER_TOP, (0.0, 56.0))
            .show(ui.ctx(), |ui| {
                Frame::new()
                    .fill(theme.surface.raised)
                    .stroke(Stroke::new(1.0, theme.line.strong))
                    .shadow(ui.visuals().popup_shadow)
                    .corner_radius(8)
                    .inner_margin(space::CONTROL)
                    .show(ui, |ui| {
                        ui.set_width(width);
                        self.inner_ui(ui, (state, layout), first, commands);
                    });
            });
        let outside = !first && area.response.clicked_elsewhere();
        if outside {
            commands.send(shell::Command::Palette(false));
        }
    }

    fn inner_ui(
        &mut self,
        ui: &mut Ui,
        (state, layout): (&AppState, &Layout),
        first: bool,
        commands: &mut Commands,
    ) {
        let arrows = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        let (up, down) = (arrows(Key::ArrowUp), arrows(Key::ArrowDown));
        let enter = arrows(Key::Enter);
        let field = TextEdit::singleline(&mut self.query)
            .align(Align2::LEFT_CENTER)
            .hint_text("An action, a screen, #number, a label or words")
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(8, 6));
        let field = ui.add(field);
        field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Search"));
        if first {
            field.request_focus();
        }
        if field.changed() {
            self.marked = 0;
        }
        self.search(state, commands);
        let found = matching(&self.query, state, layout);
        let last = found.len().saturating_sub(1);
        self.marked = match (up, down) {
            (true, _) => self.marked.saturating_sub(1),
            (_, true) => (self.marked + 1).min(last),
            _ => self.marked.min(last),
        };
        let clicked = rows_ui(ui, state, &found, self.marked);
        let chosen = clicked.or(enter.then_some(self.marked));
        if let Some(entry) = chosen.and_then(|at| found.get(at)) {
            commands.send(shell::Command::Palette(false));
            commands.send(entry.command.clone());
        }
    }

    /// Asks for the features that the words are about, as the table's filter does.
    fn search(&self, state: &AppState, commands: &mut Commands) {
        let query = Query {
            texts: vec![self.query.trim().to_owned()],
            labels: state.project.labels_revision,
        };
        let indexed = state
            .dictionary()
            .is_some_and(|d| state.index_of(d.id).is_some());
        let is_new = state.features.found_by_palette.query != query;
        if indexed && is_new && !self.query.trim().is_empty() {
            commands.send(features::Command::Search(Seeker::Palette, query));
        }
    }
}

/// Draws the rows around the marked one; the row that was clicked.
fn rows_ui(ui: &mut Ui, state: &AppState, found: &[Entry], marked: usize) -> Option<usize> {
    let theme = Theme::from_ui(ui);
    if found.is_empty() {
        ui.add_space(space::CONTROL);
        ui.label(RichText::new("No matches").color(theme.ink.secondary));
        return None;
    }
    let mut clicked = None;
    let from = marked.saturating_sub(ROWS - 1);
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.add_space(space::CHIP);
    for (at, entry) in found.iter().enumerate().skip(from).take(ROWS) {
        let size = egui::vec2(ui.available_width(), space::CONTROL_ROW);
        let (rect, response) = ui.allocate_exact_size(size, egui::Sense::click());
        response.widget_info(|| {
            egui::WidgetInfo::selected(egui::Role::Button, true, at == marked, &entry.words)
        });
        let painter = ui.painter_at(rect);
        if at == marked || response.hovered() {
            painter.rect_filled(rect, space::CORNER, theme.surface.hover);
        }
        let font = egui::TextStyle::Body.resolve(ui.style());
        let small = egui::TextStyle::Small.resolve(ui.style());
        let (left, right) = (rect.left_center(), rect.right_center());
        let centre = left + egui::vec2(16.0, 0.0);
        let secondary = theme.ink.secondary;
        painter.text(
            centre,
            Align2::CENTER_CENTER,
            entry.icon,
            theme::icon_font(),
            secondary,
        );
        let hint = right - egui::vec2(8.0, 0.0);
        let hint = painter.text(hint, Align2::RIGHT_CENTER, &entry.hint, small, secondary);
        let words = egui::Rect::from_min_max(
            rect.left_top() + egui::vec2(32.0, 0.0),
            egui::pos2(hint.left() - 8.0, rect.bottom()),
        );
        match entry.feature {
            Some(feature) => feature_name_ui(ui, words, (feature, state)),
            None => {
                painter.with_clip_rect(words).text(
                    words.left_center(),
                    Align2::LEFT_CENTER,
                    &entry.words,
                    font,
                    theme.ink.primary,
                );
            }
        }
        if response.clicked() {
            clicked = Some(at);
        }
    }
    clicked
}

/// Returns the matches of `query`: a feature by number, features by label, actions and screens in which every word occurs, then the features that the
/// words are about, as the table's filter finds them.
fn matching(query: &str, state: &AppState, layout: &Layout) -> Vec<Entry> {
    if let Ok(link) = query.parse::<Link>() {
        let words = format!("Open feature #{} of {}", link.feature, link.dictionary);
        let hint = link.project.display().to_string();
        let open = navigation::Command::OpenLink(link);
        return vec![Entry::new(icons::DIAMOND, words, hint, open)];
    }
    let typed = query.trim();
    let query = typed.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let fits = |text: &str| {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let number = query.trim_start_matches('#').parse().ok().map(FeatureId);
    let mut found: Vec<Entry> = number
        .filter(|feature| exists(state, *feature))
        .map(|feature| feature_entry(state, feature, "number"))
        .into_iter()
        .collect();
    found.extend(head_named(state, &query));
    if query.is_empty() {
        found.extend(actions(state, layout));
        return found;
    }
    if let Some(dictionary) = state.dictionary() {
        let labels = state.project.labels(&dictionary.name);
        let labelled = labels
            .filter(|(feature, text)| Some(*feature) != number && index::matches(&query, text));
        found.extend(
            labelled
                .take(LABELS)
                .map(|(feature, _)| feature_entry(state, feature, "label")),
        );
    }
    let is_named = |feature: FeatureId| found.iter().any(|entry| entry.feature == Some(feature));
    let hits: Vec<Entry> = hits(state, &query)
        .filter(|hit| !is_named(hit.feature))
        .take(HITS)
        .map(|hit| {
            let reasons = hit.reasons();
            let why = reasons.first().map(ToString::to_string).unwrap_or_default();
            feature_entry(state, hit.feature, &why)
        })
        .collect();
    found.extend(
        actions(state, layout)
            .into_iter()
            .filter(|entry| fits(&entry.words)),
    );
    found.extend(hits);
    if state.model().is_some() {
        let words = format!("Find features that fire on “{typed}”");
        let search = search::Command::Sentence(typed.to_owned());
        found.push(Entry::new(icons::MAGNIFYING_GLASS, words, "text", search));
    }
    found
}

/// The features that the search found for `query`, best first; those of the words typed before while it is under way.
fn hits<'a>(state: &'a AppState, query: &str) -> impl Iterator<Item = &'a Hit> {
    let found = &state.features.found_by_palette;
    let asked = found.query.texts.first();
    let same = asked.is_some_and(|text| text.to_lowercase() == query);
    let latest = found.latest().filter(|_| same);
    latest.into_iter().flat_map(|answers| answers.first())
}

fn exists(state: &AppState, feature: FeatureId) -> bool {
    let index = state.dictionary().and_then(|d| d.index.ready());
    let features = state.sae().map(|sae| sae.features());
    let features = features.or(index.map(|index| index.about.features));
    features.is_some_and(|features| feature.index() < features)
}

fn feature_entry(state: &AppState, feature: FeatureId, why: &str) -> Entry {
    let open = navigation::Command::Feature {
        feature,
        beside: false,
    };
    Entry {
        feature: Some(feature),
        ..Entry::new(icons::DIAMOND, chips::title(state, feature), why, open)
    }
}

/// Paints the number of a feature and its name.
fn feature_name_ui(ui: &Ui, rect: egui::Rect, (feature, state): (FeatureId, &AppState)) {
    let theme = Theme::from_ui(ui);
    let number = format!("#{feature}");
    let font = egui::FontId::monospace(theme::size::BODY);
    let at = ui.painter().text(
        rect.left_center(),
        Align2::LEFT_CENTER,
        number,
        font,
        theme.ink.primary,
    );
    let from = at.right() + space::CONTROL;
    if let Some(name) = feature_name::layout(ui, state.name(feature), rect.right() - from) {
        let at = egui::pos2(from, rect.center().y - name.size().y / 2.0);
        ui.painter().galley(at, name, theme.ink.primary);
    }
}

/// Every action there is now.
fn actions(state: &AppState, layout: &Layout) -> Vec<Entry> {
    let mut list: Vec<Entry> = vec![];
    for view in ViewId::RAIL {
        let about = view.about();
        let go = navigation::Command::Go(view);
        let hint = shown(Does::Go(view));
        list.push(Entry::new(about.icon, about.title, hint, go));
    }
    for view in ViewId::RAIL {
        let about = view.about();
        let beside = navigation::Command::Beside(view);
        let words = format!("Open {} beside", about.title);
        list.push(Entry::new(icons::COLUMNS, words, "Middle click", beside));
    }
    for side in Side::ALL {
        let words = format!("Prompt: {}", side.title().to_lowercase());
        let show = prompt::Command::Show(side);
        list.push(Entry::new(icons::CURSOR_TEXT, words, "", show));
    }
    list.extend(heads_actions());
    for tab in Tab::ALL {
        let words = format!("Steering: {}", tab.title().to_lowercase());
        let show = steering::Command::Show(tab);
        list.push(Entry::new(icons::SLIDERS_HORIZONTAL, words, "", show));
    }
    for tab in EvaluationTab::ALL {
        let words = format!("Evaluation: {}", tab.title().to_lowercase());
        let show = evaluation::Command::Show(tab);
        list.push(Entry::new(icons::GAUGE, words, "", show));
    }
    for question in Question::ALL {
        let words = format!("Causes: {}", question.title().to_lowercase());
        let ask = steering::Command::Causes(steering::causes::Command::Ask(question));
        list.push(Entry::new(icons::SLIDERS_HORIZONTAL, words, "", ask));
    }
    list.extend(history_actions(state));
    list.extend(library_actions(state));
    if let Some(dictionary) = state.dictionary() {
        for (words, command) in dictionary_actions(state, dictionary) {
            let name = dictionary.name.as_str();
            list.push(Entry::new(icons::STACK, words, name, command));
        }
    }
    if let Some(feature) = state.selection.feature {
        let words = format!("Copy link to feature #{feature}");
        let copy = navigation::Command::CopyLink(feature);
        list.push(Entry::new(icons::COPY, words, "", copy));
    }
    for dictionary in &state.catalogue.dictionaries {
        let words = format!("Use dictionary {}", dictionary.name);
        let select = navigation::Command::SelectDictionary(dictionary.id);
        list.push(Entry::new(icons::STACK, words, "", select));
    }
    list.extend(window_actions(state, layout));
    list.extend(guide_actions());
    for job in state.jobs.running() {
        let words = format!("Stop: {}", job.name);
        list.push(Entry::new(
            icons::STOP,
            words,
            "",
            shell::Command::StopJob(job.id),
        ));
    }
    list
}

/// The steps of Heads, and its survey.
fn heads_actions() -> Vec<Entry> {
    let step = |step: HeadsStep| {
        let words = format!("Heads: {}", step.title().to_lowercase());
        Entry::new(icons::GRID_NINE, words, "", heads::Command::Step(step))
    };
    let mut list: Vec<Entry> = HeadsStep::ALL.into_iter().map(step).collect();
    let ask = heads::survey::Command::Ask;
    list.push(Entry::new(icons::GRID_NINE, "Survey the heads…", "", ask));
    list
}

/// The head that `query` names as people write it, `L3H6` or `3.6`, if the model has it.
fn head_named(state: &AppState, query: &str) -> Option<Entry> {
    let numbers = match query.strip_prefix('l') {
        Some(rest) => rest.split_once('h'),
        None => query.split_once('.'),
    };
    let (layer, head) = numbers?;
    let head = (Layer(layer.parse().ok()?), Head(head.parse().ok()?));
    let words = format!("Open head {}", name(head));
    let choose = heads::Command::Choose(head.0, head.1);
    let entry = Entry::new(icons::GRID_NINE, words, "", choose);
    state.has_head(head).then_some(entry)
}

/// Undo and redo, each with what it is about.
fn history_actions(state: &AppState) -> Vec<Entry> {
    use shell::Command as Do;
    let history = &state.history;
    let entry = |verb: &str, of: Option<&Step>, hint, command: Do| {
        let words = of.map_or(verb.to_owned(), |step| format!("{verb}: {}", step.what));
        Entry::new(icons::ARROW_U_UP_LEFT, words, hint, command)
    };
    vec![
        entry("Undo", history.done.last(), shown(Does::Undo), Do::Undo),
        entry("Redo", history.undone.last(), shown(Does::Redo), Do::Redo),
    ]
}

fn library_actions(state: &AppState) -> Vec<Entry> {
    use library::{Command as Do, Pick};
    let pick = |words: &str, pick| Entry::new(icons::FOLDER_OPEN, words, "", Do::Pick(pick));
    let mut list = vec![
        Entry::new(icons::FOLDER_OPEN, "Open the demo", "", Do::OpenDemo),
        Entry::new(
            icons::ARROW_COUNTER_CLOCKWISE,
            "Restore the demo…",
            "",
            Do::AskToRestore,
        ),
        pick("Open a project…", Pick::Project),
        pick("New project…", Pick::NewProject),
        pick("Save project as…", Pick::SaveProject),
        Entry::new(
            icons::FOLDER_OPEN,
            "Open a model…",
            "",
            opening::Command::Show(Kind::Model),
        ),
        Entry::new(
            icons::FOLDER_OPEN,
            "Open a dictionary…",
            "",
            opening::Command::Show(Kind::Dictionary),
        ),
        pick("Open an index…", Pick::Index),
        Entry::new(
            icons::FOLDER_OPEN,
            "Open a link…",
            "",
            navigation::Command::AskLink(true),
        ),
        pick("Add a training text…", Pick::Text { held_out: false }),
        pick("Add a held-out text…", Pick::Text { held_out: true }),
    ];
    for (words, hint, command) in recent_projects(state) {
        let words = format!("Open project {words}");
        list.push(Entry::new(icons::FOLDER_OPEN, words, hint, command));
    }
    for (words, hint, command) in recent_models(state) {
        let words = format!("Open model {words}");
        list.push(Entry::new(icons::CUBE, words, hint, command));
    }
    list
}

/// The guide, and each of its pages.
fn guide_actions() -> Vec<Entry> {
    let open = |words: String, page| {
        let command = shell::Command::Guide(Some(page));
        Entry::new(icons::QUESTION, words, "", command)
    };
    let mut list = vec![open("Guide…".to_owned(), guide::START)];
    list.extend(guide::pages().map(|page| open(format!("Guide: {}", page.title()), page.name)));
    list
}

/// Actions of the window that have a shortcut, with their icons.
const KEYED: [(&str, Does); 12] = [
    (icons::ARROW_LEFT, Does::Back),
    (icons::ARROW_RIGHT, Does::Forward),
    (icons::MAGNIFYING_GLASS, Does::Search),
    (icons::QUESTION, Does::Guide),
    (icons::KEYBOARD, Does::Keys),
    (icons::CIRCLE_HALF, Does::Theme),
    (icons::SIDEBAR_SIMPLE, Does::Inspector),
    (icons::LIST, Does::Rail),
    (icons::TEXT_AA, Does::Text(10)),
    (icons::TEXT_AA, Does::Text(-10)),
    (icons::TEXT_AA, Does::TextReset),
    (icons::GEAR_SIX, Does::Settings),
];

fn window_actions(state: &AppState, layout: &Layout) -> Vec<Entry> {
    use shell::Command as Do;
    let keyed = KEYED.into_iter().flat_map(|(icon, does)| {
        let commands = does.commands(state, layout).into_iter();
        commands.map(move |command| Entry::new(icon, words_of(does), shown(does), command))
    });
    let mut list: Vec<Entry> = keyed.collect();
    list.extend([
        Entry::new(
            icons::SCROLL,
            "Log",
            "",
            navigation::Command::Go(ViewId::Log),
        ),
        Entry::new(icons::COMPASS, "Take the tour", "", Do::Tour(Tour::FIRST)),
        Entry::new(
            icons::INFO,
            "Show purpose lines again",
            "",
            Do::RestorePurposes,
        ),
        Entry::new(icons::COLUMNS, "Reset tiles", "", Do::ResetLayout),
    ]);
    list
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use umbra_core::features::filter::Answers;

    use super::*;
    use crate::state::Load;
    use crate::state::features as area;
    use crate::state::project::{Event, LabelChange};
    use crate::testing;

    fn labelled() -> AppState {
        let mut state = testing::typical();
        let change = LabelChange {
            sae: "z0".to_owned(),
            feature: FeatureId(12),
            before: "".into(),
            after: "animals that talk".into(),
        };
        state.apply(crate::state::Event::Project(Event::LabelsSet(vec![change])));
        state
    }

    #[track_caller]
    fn first(query: &str, want: &str) {
        let found = matching(query, &labelled(), &Layout::default());
        assert_eq!(found.first().map(|entry| entry.words.as_str()), Some(want));
    }

    #[test]
    fn a_link_that_is_pasted_is_what_is_opened() {
        let print = "a".repeat(64);
        let text =
            format!("umbra://feature?project=/p&dictionary=z%200&fingerprint={print}&feature=3");
        let found = matching(&text, &labelled(), &Layout::default());
        let open = navigation::Command::OpenLink(text.parse().unwrap());
        assert_eq!(
            found,
            [Entry::new(
                icons::DIAMOND,
                "Open feature #3 of z 0",
                "/p",
                open
            )]
        );
        first("copy link", "Copy link to feature #0");
        first("open a link", "Open a link…");
    }

    #[test]
    fn features_that_the_words_are_about_follow_with_the_reason() {
        let mut state = labelled();
        let query = Query {
            texts: vec!["animals Build".to_owned()],
            labels: state.project.labels_revision,
        };
        let hit = |feature, peaks| Hit {
            feature: FeatureId(feature),
            peaks,
            examples: 9,
            of: 20,
            ..Hit::default()
        };
        let hits = vec![hit(7, 9), hit(5, 0)];
        let answers = Answers::from_hits(vec![("animals Build".to_owned(), hits)]);
        let answers = Load::Ready(Arc::new(answers));
        let asked = area::Event::Asked(Seeker::Palette, query.clone());
        state.apply(crate::state::Event::Features(asked));
        let arrived = area::Event::Found(Seeker::Palette, query, answers);
        state.apply(crate::state::Event::Features(arrived));
        let layout = Layout::default();
        let found = matching("animals build", &state, &layout);
        let shown: Vec<_> = found
            .iter()
            .map(|e| (e.words.as_str(), e.hint.as_str()))
            .collect();
        let want = [
            ("#7 [ Oz]", "peaks on it in 9 of 20 examples"),
            ("#5 [ rabbit]", "in 9 of 20 examples"),
        ];
        assert_eq!(shown, want);
        assert!(
            matching("animals", &state, &layout).len() == 1,
            "other words"
        );
    }

    #[test]
    fn features_are_found_by_number_and_label_and_actions_by_words() {
        first("#12", "#12 animals that talk");
        first("13", "#13 [ rabbit]");
        first("talk anim", "#12 animals that talk");
        first("theme", "Dark or light theme");
        first("dark m", "Dark matter");
        first("build", "Build index…");
        first("animals", "#12 animals that talk");
        assert!(
            matching("#64", &labelled(), &Layout::default()).is_empty(),
            "there are 64 features"
        );
    }
}
