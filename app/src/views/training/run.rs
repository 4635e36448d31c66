//! The run: where it stands, its dictionaries and their curves, how each ended and what can follow.

use egui::{Button, CollapsingHeader, Label, ProgressBar, RichText, Ui, vec2};
use umbra_core::train::Point;

use super::curves::{Overlay, curves_ui, speed_ui};
use super::table::{Column, Row, table_ui};
use crate::state::catalogue::Dictionary;
use crate::state::jobs::{Job, Status};
use crate::state::requests::training::Command;
use crate::state::requests::{Commands, dictionary, navigation};
use crate::state::training::plan;
use crate::state::training::{Ended, Member, Run, TOGETHER};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, icons, panel_title, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::number;
use crate::words;

/// Highest table of a run's dictionaries.
const TABLE: f32 = TOGETHER as f32 * space::TABLE_ROW + space::CONTROL_ROW;

/// Lines that a dictionary's notes take at most.
const NOTES: usize = 3;

/// Columns of the table of a run's dictionaries, after their names.
const COLUMNS: [Column<Member>; 8] = [
    Column {
        title: "Hook",
        definition: "Hook that it reads",
        width: 168.0,
        is_number: false,
        text: |member| member.spec.hook.to_string(),
        exact: None,
    },
    Column {
        title: "Variant",
        definition: "How active features are chosen",
        width: 92.0,
        is_number: false,
        text: |member| member.spec.kind().to_owned(),
        exact: None,
    },
    Column {
        title: "Features",
        definition: "Number of features",
        width: 56.0,
        is_number: true,
        text: |member| number::count(member.spec.features as u64),
        exact: Some(|member| member.spec.features.into()),
    },
    Column {
        title: "k",
        definition: "Target of active features per token",
        width: 32.0,
        is_number: true,
        text: |member| number::count(member.spec.k as u64),
        exact: Some(|member| member.spec.k.into()),
    },
    Column {
        title: "L0",
        definition: "Active features per token in the latest step",
        width: 44.0,
        is_number: true,
        text: |member| figure(member, |last| number::number(last.l0)),
        exact: Some(|member| member.last.as_ref().map(|last| last.l0).into()),
    },
    Column {
        title: "FVU",
        definition: "Fraction of variance unexplained in the latest step",
        width: 56.0,
        is_number: true,
        text: |member| figure(member, |last| number::number(last.fvu)),
        exact: Some(|member| member.last.as_ref().map(|last| last.fvu).into()),
    },
    Column {
        title: "Dead",
        definition: "Share of features silent for longer than the dead limit",
        width: 60.0,
        is_number: true,
        text: |member| figure(member, |last| number::percent(last.dead_fraction)),
        exact: Some(|member| member.last.as_ref().map(|last| last.dead_fraction).into()),
    },
    Column {
        title: "Status",
        definition: "Progress, or how it ended",
        width: 64.0,
        is_number: false,
        text: status,
        exact: None,
    },
];

fn figure(member: &Member, format: fn(&Point) -> String) -> String {
    member.last.as_ref().map_or("–".to_owned(), format)
}

/// Returns the progress or outcome of a dictionary in a word.
fn status(member: &Member) -> String {
    match &member.ended {
        None => {
            let share = member.seen() as f64 / member.spec.tokens.max(1) as f64;
            format!("{:.0}\u{202F}%", 100.0 * share)
        }
        Some(Ended::Saved { stopped: true, .. }) => "stopped".to_owned(),
        Some(Ended::Saved { .. }) => "finished".to_owned(),
        Some(Ended::Unsaved { .. }) => "not saved".to_owned(),
        Some(Ended::Failed { .. }) => "failed".to_owned(),
    }
}

/// Draws the run.
pub(super) fn run_ui(ui: &mut Ui, state: &AppState, run: &Run, commands: &mut Commands) {
    head_ui(ui, run);
    let several = run.members.len() > 1;
    if run.is_running() {
        progress_ui(ui, state, run, commands);
    } else if several {
        ui.horizontal_wrapped(|ui| {
            go_on_ui(ui, run, commands);
            put_away_ui(ui, run, commands);
        });
    }
    if several {
        members_ui(ui, run, commands);
    }
    for (i, member) in run.members.iter().enumerate() {
        member_ui(ui, state, (run, i, member), commands);
    }
    rate_ui(ui, state, run);
    if run.members.iter().all(|member| member.last.is_none()) {
        return; // no step, no curve
    }
    ui.add_space(space::CONTROL);
    let all: Vec<Overlay<'_>> = (run.members.iter())
        .map(|member| Overlay {
            name: &member.name,
            curves: &member.curves,
        })
        .collect();
    curves_ui(ui, &all);
    speed_ui(ui, &all);
}

/// Chooses the dictionary whose densities and features are shown below, where there are several.
pub(super) fn choice_ui(ui: &mut Ui, run: &Run, commands: &mut Commands) {
    if run.members.len() < 2 {
        return;
    }
    ui.add_space(space::GROUP);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::CONTROL;
        let label = ui.label("Densities and features of");
        for (i, member) in run.members.iter().enumerate() {
            let chosen = ui.selectable_label(i == run.shown, &member.name);
            if chosen.labelled_by(label.id).clicked() {
                commands.send(Command::Show(i));
            }
        }
    });
}

fn head_ui(ui: &mut Ui, run: &Run) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal(|ui| match run.members.as_slice() {
        [only] => {
            ui.label(panel_title(&only.name));
            let what = format!(
                "{} · {} features · k {}",
                only.spec.hook,
                number::count(only.spec.features as u64),
                only.spec.k
            );
            ui.label(caption(what).color(secondary));
        }
        several => {
            ui.label(panel_title(format!("{} dictionaries", several.len())));
            let words = "trained on the same activations";
            ui.label(caption(words).color(secondary));
        }
    });
}

fn progress_ui(ui: &mut Ui, state: &AppState, run: &Run, commands: &mut Commands) {
    let job = state.jobs.get(run.job);
    let stopping = job.is_some_and(|job| job.status == Status::Stopping);
    let share = job.and_then(Job::share).unwrap_or_default();
    ui.horizontal(|ui| {
        let room = (ui.available_width() - 96.0).max(80.0);
        let percent = format!("{:.0} %", share * 100.0);
        let bar = ProgressBar::new(share)
            .desired_width(room)
            .desired_height(18.0);
        ui.add(
            bar.fill(Theme::from_ui(ui).line.strong)
                .text(caption(percent)),
        );
        let words = if stopping { "Stopping…" } else { "Stop" };
        let button = Button::new(words).min_size(vec2(80.0, space::CONTROL_ROW));
        let help = if run.members.len() > 1 {
            "Ends the run at its next step and saves the dictionaries as they are"
        } else {
            "Ends the run at its next step and saves the dictionary as it is"
        };
        if ui
            .add_enabled(!stopping, button)
            .on_hover_text(help)
            .clicked()
        {
            commands.send(Command::Stop);
        }
    });
    ui.label(caption(standing(job)).color(Theme::from_ui(ui).ink.secondary));
}

/// Draws a running run's progress, in the words and figures of the job strip.
fn standing(job: Option<&Job>) -> String {
    let stands = job.and_then(Job::standing);
    stands.unwrap_or_else(|| "Gathering activations…".to_owned())
}

/// The dictionaries of a run, in the colours of their curves; a click shows the densities and features of one.
fn members_ui(ui: &mut Ui, run: &Run, commands: &mut Commands) {
    let row = |at: usize| {
        let member: &Member = &run.members[at];
        Row {
            name: &member.name,
            words: format!("Dictionary {}, {}", member.name, status(member)),
            colour: Some(at),
            selected: at == run.shown,
        }
    };
    let place = ("dictionaries of the run", TABLE);
    if let Some(clicked) = table_ui(ui, place, &COLUMNS, &run.members, &row) {
        commands.send(Command::Show(clicked));
    }
}

/// Draws the notes of one dictionary of the run, and how it ended.
fn member_ui(
    ui: &mut Ui,
    state: &AppState,
    (run, which, member): (&Run, usize, &Member),
    commands: &mut Commands,
) {
    let several = run.members.len() > 1;
    // Of several, failures are told of each, all else of the one that is looked at.
    let shown = !several || which == run.shown;
    match &member.ended {
        Some(Ended::Unsaved { why, .. }) => {
            let title = format!("{} was trained but could not be saved", member.name);
            failure_line(ui, &title, why);
            let words =
                "It stays in memory while the window is open: fix the cause, then save it again";
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.add(Label::new(caption(words).color(secondary)).wrap());
        }
        Some(Ended::Failed { why, .. }) => {
            let title = if several {
                format!("{} failed", member.name)
            } else {
                "The run failed".to_owned()
            };
            failure_line(ui, &title, why);
        }
        Some(Ended::Saved {
            folder,
            tokens_seen,
            stopped,
            ..
        }) if shown => {
            let how = if *stopped { "Stopped" } else { "Finished" };
            let seen = number::count(*tokens_seen);
            let sentence = format!(
                "{how} after {seen} activations, saved in {}",
                folder.display()
            );
            ui.add(Label::new(sentence).wrap());
        }
        _ => {}
    }
    let kept = match &member.ended {
        Some(Ended::Saved { folder, .. }) if shown => state.catalogue.by_folder(folder),
        _ => None,
    };
    let unsaved = matches!(member.ended, Some(Ended::Unsaved { .. }));
    let alone = !several && !run.is_running();
    if alone || unsaved || kept.is_some() {
        ui.horizontal_wrapped(|ui| {
            if alone {
                go_on_ui(ui, run, commands);
            }
            if unsaved {
                let words = if several {
                    format!("Save {} again", member.name)
                } else {
                    "Save again".to_owned()
                };
                if ui.button(words).clicked() {
                    commands.send(Command::SaveAgain(which));
                }
            }
            if let Some(dictionary) = kept {
                follow_ups_ui(ui, dictionary, commands);
            }
            if alone {
                put_away_ui(ui, run, commands);
            }
        });
    }
    if let Some(dictionary) = kept {
        evaluation_ui(ui, dictionary);
    }
    if shown {
        notes_ui(ui, which, &member.notes);
    }
}

/// Draws its notes: the latest, and the rest folded, since a text read fifty times gives fifty notes.
fn notes_ui(ui: &mut Ui, which: usize, notes: &[String]) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let note_ui = |ui: &mut Ui, note: &String| {
        ui.add(Label::new(caption(words::said(note)).color(secondary)).wrap());
    };
    let earlier = match notes.len() {
        0..=NOTES => 0,
        many => many + 1 - NOTES,
    };
    let (earlier, latest) = notes.split_at(earlier);
    for note in latest {
        note_ui(ui, note);
    }
    if !earlier.is_empty() {
        let words = number::counted(earlier.len() as u64, "earlier note");
        CollapsingHeader::new(caption(words).color(secondary))
            .id_salt(("notes", which))
            .show_unindented(ui, |ui| {
                for note in earlier {
                    note_ui(ui, note);
                }
            });
    }
}

/// Goes on with all of the run that left a checkpoint, once none is trained any more.
fn go_on_ui(ui: &mut Ui, run: &Run, commands: &mut Commands) {
    if !run.can_go_on() {
        return;
    }
    let button = ui.button(format!("{}  Resume", icons::PLAY));
    let help = "Resumes from the checkpoint";
    if named(button.on_hover_text(help), "Resume").clicked() {
        commands.send(Command::GoOn);
    }
}

fn put_away_ui(ui: &mut Ui, run: &Run, commands: &mut Commands) {
    let words = if run.unsaved().is_some() {
        "Discard"
    } else {
        "Close this run"
    };
    if ui.button(words).clicked() {
        commands.send(Command::Clear);
    }
}

/// Draws the learning rate to resume with, where a dictionary failed.
fn rate_ui(ui: &mut Ui, state: &AppState, run: &Run) {
    let failed = |member: &Member| {
        let ended = member.ended.as_ref();
        ended.is_some_and(|ended| matches!(ended, Ended::Failed { .. }) && ended.checkpoint())
    };
    if !run.can_go_on() || !run.members.iter().any(failed) {
        return;
    }
    let rate = plan::plan(state).first.spec.peak_learning_rate();
    let words = format!(
        "Resuming uses the learning rate of the form, now {}; a run that diverged fails again with the same rate",
        number::number(rate)
    );
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(caption(words).color(secondary)).wrap());
}

fn follow_ups_ui(ui: &mut Ui, dictionary: &Dictionary, commands: &mut Commands) {
    let loaded = dictionary.load.ready().is_some();
    let evaluate = Button::new(format!("{}  Evaluate…", icons::GAUGE));
    let ready = loaded && !dictionary.evaluation.is_loading();
    if named(ui.add_enabled(ready, evaluate), "Evaluate…").clicked() {
        commands.send(dictionary::Command::Evaluate(dictionary.id));
    }
    let build = Button::new(format!("{}  Build index…", icons::DATABASE));
    let ready = loaded && !dictionary.index.is_loading();
    if named(ui.add_enabled(ready, build), "Build index…").clicked() {
        commands.send(dictionary::Command::BuildIndex(dictionary.id));
    }
    let open = Button::new(format!("{}  Open", icons::TABLE));
    if named(ui.add_enabled(loaded, open), "Open").clicked() {
        commands.send(navigation::Command::SelectDictionary(dictionary.id));
        commands.send(navigation::Command::Go(ViewId::Features));
    }
}

fn evaluation_ui(ui: &mut Ui, dictionary: &Dictionary) {
    if let Load::Ready(evaluation) = &dictionary.evaluation {
        let figures = &evaluation.figures;
        let line = format!(
            "On {} ({}): L0 {}, FVU {}, dead {}, CE recovered {}",
            evaluation.text,
            words::said(&figures.positions.said(figures.left_out)),
            number::number(figures.l0),
            number::number(figures.fvu),
            number::percent(figures.dead_fraction),
            number::percent(figures.ce_recovered_zero),
        );
        let help = "Cross-entropy recovered: (zero-ablated − with the dictionary) / (zero-ablated − clean). Library shows all figures";
        ui.label(RichText::new(line)).on_hover_text(help);
    }
}

fn named(response: egui::Response, name: &str) -> egui::Response {
    let enabled = response.enabled();
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, enabled, name));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Event;
    use crate::state::jobs::{self, JobId};

    #[test]
    fn the_standing_says_how_far_how_fast_how_long() {
        let mut state = AppState::default();
        let mut told = |event| {
            state.apply(Event::Jobs(event));
            standing(state.jobs.get(JobId(7))).replace('\u{202F}', " ")
        };
        let started = jobs::Event::Started(JobId(7), "Train z-0".to_owned());
        assert_eq!(told(started), "Gathering activations…");
        let progress = |done, per_second| {
            let progress = umbra_core::Progress {
                done,
                total: 1_000_000,
                unit: "activations",
            };
            jobs::Event::Progress(JobId(7), progress, per_second)
        };
        assert_eq!(told(progress(0, None)), "Gathering activations…");
        assert_eq!(
            told(progress(400_000, Some(10_000.0))),
            "400 000 / 1 000 000 activations · 10 000 activations/s · 1 min 00 s left"
        );
    }
}
