//! The drawer beside the table: what the chosen dictionary is, how good it measured, whether it has an index, and what can be done with it.

use egui::{RichText, Ui};
use umbra_core::eval::{self, Figures, judge};
use umbra_core::fit::{Fit, Verdict};
use umbra_core::formats::{self, WhileTrained};
use umbra_core::hub;
use umbra_core::models::Opening;
use umbra_core::runs::Record;
use umbra_core::workbench::pair::Pair;

use super::{failed_ui, figures, link_ui, notes_ui, table};
use crate::state::catalogue::{Dictionary, LoadedSae};
use crate::state::requests::{Commands, compare, dictionary, library, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, icons, space};
use crate::views::actions::actions_ui;
use crate::widgets::number;
use crate::widgets::parts::{bar_ui, fact_ui, icon_menu};
use crate::words;

/// Draws the drawer.
pub(super) fn drawer_ui(
    ui: &mut Ui,
    state: &AppState,
    dictionary: &Dictionary,
    commands: &mut Commands,
) {
    ui.spacing_mut().item_spacing.y = 6.0;
    head_ui(ui, state, dictionary, commands);
    let loaded = match &dictionary.load {
        Load::Ready(loaded) => loaded,
        Load::Failed(sentence) => return failed_ui(ui, sentence),
        Load::Absent | Load::Loading => return,
    };
    next_ui(ui, state, dictionary, commands);
    if let Some(pair) = &dictionary.pair {
        pair_ui(ui, state, pair, commands);
    }
    part_ui(ui, "Figures", |ui| evaluation_ui(ui, state, dictionary));
    part_ui(ui, "Index", |ui| index_ui(ui, state, dictionary));
    part_ui(ui, "Files", |ui| loaded_ui(ui, dictionary, loaded));
}

/// A part of the drawer under its title.
fn part_ui(ui: &mut Ui, title: &str, content: impl FnOnce(&mut Ui)) {
    ui.add_space(space::CHIP);
    ui.separator();
    ui.label(theme::body_strong(title));
    content(ui);
}

/// Name, verdict with its reason, and the menu.
fn head_ui(ui: &mut Ui, state: &AppState, dictionary: &Dictionary, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal(|ui| {
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            icon_menu(
                ui,
                icons::DOTS_THREE,
                &format!("More for {}", dictionary.name),
                |ui| actions_ui(ui, state, dictionary, commands),
            );
            if state.selection.dictionary == Some(dictionary.id) {
                ui.label(theme::caption("in use").color(secondary))
                    .on_hover_text("The screens show this dictionary");
            } else if named_button(ui, "Use", &dictionary.name) {
                commands.send(navigation::Command::SelectDictionary(dictionary.id));
            }
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                let title = egui::Label::new(theme::panel_title(&dictionary.name)).truncate();
                ui.add(title)
                    .on_hover_text(dictionary.folder.display().to_string());
            });
        });
    });
    let verdict = table::verdict(dictionary);
    ui.horizontal(|ui| table::verdict_ui(ui, &verdict));
    if dictionary.load.failure().is_none() {
        let why = theme::caption(words::said(&verdict.why)).color(secondary);
        ui.add(egui::Label::new(why).wrap());
    }
}

/// Draws what can be done next: the features where there is an index, the index and the figures where they are missing.
fn next_ui(ui: &mut Ui, state: &AppState, dictionary: &Dictionary, commands: &mut Commands) {
    let indexed = state.index_of(dictionary.id).is_some();
    ui.horizontal_wrapped(|ui| {
        if indexed && named_button(ui, "Explore features", &dictionary.name) {
            commands.send(navigation::Command::SelectDictionary(dictionary.id));
            commands.send(navigation::Command::Go(ViewId::Features));
        }
        let words = match dictionary.evaluation {
            Load::Ready(_) => "Evaluate again…",
            _ => "Evaluate…",
        };
        if !dictionary.evaluation.is_loading() && named_button(ui, words, &dictionary.name) {
            commands.send(dictionary::Command::Evaluate(dictionary.id));
        }
        let words = match dictionary.index {
            Load::Ready(_) => "Rebuild index…",
            _ => "Build index…",
        };
        if !dictionary.index.is_loading() && named_button(ui, words, &dictionary.name) {
            commands.send(dictionary::Command::BuildIndex(dictionary.id));
        }
        if named_button(ui, "Compare…", &dictionary.name) {
            commands.send(compare::Command::Show(dictionary.id));
        }
    });
}

fn loaded_ui(ui: &mut Ui, dictionary: &Dictionary, loaded: &LoadedSae) {
    let sae = &loaded.sae;
    let shape = format!(
        "{} × {}",
        number::count(sae.features() as u64),
        number::count(sae.width() as u64)
    );
    fact_ui(
        ui,
        "Features × width",
        &shape,
        "Rows of encoder and decoder, and width of the hook's activations",
    );
    if let Some(of) = &sae.error_of {
        let help = format!(
            "It reads what its parent leaves of the activation in place of the activation itself; the parent was found at {}",
            of.path().display()
        );
        fact_ui(ui, "Reads", &of.said(), &help);
    }
    let (rule, definition) = (sae.selection.describe(), sae.selection.definition());
    fact_ui(ui, "Selection rule", &rule, definition);
    fact_ui(
        ui,
        "Files",
        &number::bytes(loaded.size_bytes),
        "Size of its files",
    );
    if let Some(run) = &loaded.run {
        run_ui(ui, run);
    }
    if let Some(page) = hub::page_of(&dictionary.folder) {
        link_ui(ui, "Open its page on the hub", &page);
    }
    if let Some(page) = crate::views::actions::neuronpedia(sae) {
        link_ui(ui, "Open its features on Neuronpedia", &page);
    }
    notes_ui(ui, &loaded.notes, ("notes", dictionary.id));
}

/// The run that trained the dictionary: device, time, activations.
fn run_ui(ui: &mut Ui, run: &Record) {
    let why = run.device_choice.as_ref().map_or("", |choice| &choice.why);
    let help = format!("Device that trained it. {}", words::said(why));
    fact_ui(ui, "Trained on", &run.device, help.trim_end());
    let took = number::span(run.seconds);
    fact_ui(
        ui,
        "Training took",
        &took,
        "Time of the run that trained it",
    );
    let seen = format!("{} activations", number::count(run.tokens_seen));
    fact_ui(ui, "Saw", &seen, "Activations that the run read");
}

/// The verdict on an index, with its reason.
fn verdict_ui(ui: &mut Ui, fit: &Fit) {
    let theme = Theme::from_ui(ui);
    let (icon, colour) = match fit.verdict {
        Verdict::Proven => (icons::CHECK_CIRCLE, theme.promoted),
        Verdict::NotProven | Verdict::CannotTell => (icons::INFO, theme.ink.secondary),
        Verdict::AnotherModel | Verdict::Foreign | Verdict::Unfit => {
            (icons::WARNING, theme.warning)
        }
    };
    ui.horizontal_top(|ui| {
        ui.label(theme::icon(icon).color(colour));
        let words = theme::caption(&fit.why).color(theme.ink.secondary);
        ui.add(egui::Label::new(words).wrap());
    });
}

/// Says where the dictionary was trained on a model that is read or processed otherwise, and offers to process it so.
fn pair_ui(ui: &mut Ui, state: &AppState, pair: &Pair, commands: &mut Commands) {
    let theme = Theme::from_ui(ui);
    if let Some(note) = &pair.bos {
        let words = theme::caption(words::said(note)).color(theme.ink.secondary);
        ui.add(egui::Label::new(words).wrap());
    }
    let (Some(wanted), Some(words)) = (pair.wanted, pair.processing_note()) else {
        return;
    };
    ui.horizontal_top(|ui| {
        ui.label(theme::icon(icons::WARNING).color(theme.warning));
        ui.add(egui::Label::new(words).wrap());
    });
    if named_button(ui, "Open the model this way", pair.sae.name.as_str()) {
        let opening = Opening {
            processing: wanted,
            ..state.catalogue.model_opening
        };
        let path = pair.model.path().clone();
        commands.send(library::Command::OpenModel(path, opening));
    }
}

fn evaluation_ui(ui: &mut Ui, state: &AppState, dictionary: &Dictionary) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    match &dictionary.evaluation {
        Load::Ready(evaluation) => {
            figures::figures_ui(ui, evaluation);
            claims_ui(ui, dictionary, Some(&evaluation.figures));
        }
        Load::Loading => progress_ui(ui, state, &format!("Evaluate {}", dictionary.name)),
        Load::Failed(sentence) => failed_ui(ui, sentence),
        Load::Absent => {
            ui.label(RichText::new("Not evaluated yet").color(secondary));
            claims_ui(ui, dictionary, None);
        }
    }
}

/// One verdict: whether the figures that the dictionary's files claim are those measured; each of them on hover.
fn claims_ui(ui: &mut Ui, dictionary: &Dictionary, measured: Option<&Figures>) {
    let Some(loaded) = dictionary.load.ready() else {
        return;
    };
    let judged = judge(&formats::claims(&loaded.sae, &dictionary.folder), measured);
    let theme = Theme::from_ui(ui);
    let verdict = eval::Verdict::from_judged(&judged);
    let (icon, colour) = match verdict {
        eval::Verdict::Agrees => (icons::CHECK_CIRCLE, theme.promoted),
        eval::Verdict::Differs => (icons::WARNING, theme.warning),
        eval::Verdict::CannotTell => (icons::INFO, theme.ink.secondary),
    };
    let words = match (verdict, judged.len()) {
        (_, 0) => "Its files state no figures".to_owned(),
        (eval::Verdict::Agrees, _) => "Agrees with the figures in its files".to_owned(),
        (eval::Verdict::Differs, _) => "Differs from the figures in its files".to_owned(),
        (eval::Verdict::CannotTell, n) => {
            let figures = number::counted(n as u64, "figure");
            format!("{figures} stated in its files, not compared yet")
        }
    };
    let each: Vec<String> = judged
        .iter()
        .map(|one| {
            let measured = one
                .measured
                .map_or_else(|| "not measured".to_owned(), number::number);
            let reason = if one.reason.is_empty() { "" } else { ": " };
            format!(
                "{} {} by {}, measured {measured}, {}{reason}{}",
                one.claim.figure.name(),
                number::number(one.claim.value),
                one.claim.from,
                one.verdict.name(),
                one.reason
            )
        })
        .collect();
    let line = ui.horizontal(|ui| {
        ui.label(theme::icon(icon).color(colour));
        ui.add(egui::Label::new(theme::caption(words).color(theme.ink.secondary)).truncate());
    });
    if !each.is_empty() {
        line.response.on_hover_text(each.join("\n"));
    }
    if let Some(told) = WhileTrained::from_sae(&loaded.sae) {
        let words = theme::caption(format!(
            "{told}; the curves in Training end with the last step alone"
        ));
        let words = words.color(theme.ink.secondary);
        let help = format!(
            "{told}. These are means over training batches while the weights were changing, so nothing is compared with them"
        );
        ui.add(egui::Label::new(words).wrap()).on_hover_text(help);
    }
}

fn index_ui(ui: &mut Ui, state: &AppState, dictionary: &Dictionary) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    match &dictionary.index {
        Load::Ready(index) => {
            fact_ui(
                ui,
                "Size",
                &number::bytes(index.size_bytes),
                "Facts about each feature over a text: examples, histogram, density, logit effects",
            );
            let over = format!(
                "Over {} tokens of {}, {}",
                number::count(index.about.tokens),
                index.about.corpus,
                words::said(&index.about.positions.said(index.about.left_out))
            );
            ui.add(egui::Label::new(theme::caption(over).color(secondary)).wrap());
            if let Some(fit) = dictionary.index_fit.ready() {
                verdict_ui(ui, fit);
            }
            if index.about.is_older() {
                let older = "an older index: rebuild it for negative activations, centred logit effects and whole rows of examples";
                ui.add(egui::Label::new(theme::caption(older).color(secondary)).wrap());
            }
        }
        Load::Loading => {
            progress_ui(
                ui,
                state,
                &format!("Build the index of {}", dictionary.name),
            );
        }
        Load::Failed(sentence) => failed_ui(ui, sentence),
        Load::Absent => {
            let sentence = "No index yet; the Features screen needs one";
            ui.label(RichText::new(sentence).color(secondary));
        }
    }
}

/// A button whose accessible name says which dictionary it is about.
fn named_button(ui: &mut Ui, words: &str, dictionary: &str) -> bool {
    let button = ui.button(words);
    let name = format!("{words}: {dictionary}");
    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
    button.clicked()
}

/// The bar of the job of that name.
fn progress_ui(ui: &mut Ui, state: &AppState, job: &str) {
    let running = state.jobs.running().find(|running| running.name == job);
    let share = running.and_then(crate::state::jobs::Job::share);
    let theme = Theme::from_ui(ui);
    ui.label(RichText::new(format!("{job}…")).color(theme.ink.secondary));
    ui.horizontal(|ui| {
        let percent = number::percent(f64::from(share.unwrap_or(0.0)));
        let width = ui.available_width() - 64.0;
        bar_ui(ui, share.unwrap_or(0.0), width, &format!("{job} {percent}"));
        ui.label(theme::mono_caption(percent));
    });
}
