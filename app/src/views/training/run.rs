//! The run: where it stands, its curves, how it ended and what can follow.

use egui::{Button, Label, ProgressBar, RichText, Ui, vec2};

use super::curves::{Overlay, curves_ui, speed_ui};
use super::firing::firing_ui;
use super::plan::span;
use crate::commands::training::Command;
use crate::commands::{Commands, dictionary, navigation};
use crate::state::training::{Ended, Run};
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, icons, panel_title, space};
use crate::views::ViewId;
use crate::widgets::number;

/// Draws the run.
pub(super) fn run_ui(ui: &mut Ui, state: &AppState, run: &Run, commands: &mut Commands) {
    head_ui(ui, state, run, commands);
    if let Some(ended) = &run.ended {
        ended_ui(ui, state, ended, commands);
    }
    for note in &run.notes {
        let secondary = Theme::of(ui).ink.secondary;
        ui.add(Label::new(caption(note).color(secondary)).wrap());
    }
    ui.add_space(space::CONTROL);
    let alone = [Overlay {
        name: &run.name,
        curves: &run.curves,
    }];
    curves_ui(ui, &alone);
    firing_ui(ui, run.ranking.as_deref());
    speed_ui(ui, &alone);
}

fn head_ui(ui: &mut Ui, state: &AppState, run: &Run, commands: &mut Commands) {
    let stopping = state
        .jobs
        .get(run.job)
        .is_some_and(|job| job.status == crate::state::jobs::Status::Stopping);
    ui.horizontal(|ui| {
        ui.label(panel_title(&run.name));
        let what = format!(
            "{} · {} features · k {}",
            run.spec.hook,
            number::count(run.spec.features as u64),
            run.spec.k
        );
        ui.label(caption(what).color(Theme::of(ui).ink.secondary));
    });
    if !run.is_running() {
        return;
    }
    let seen = run.last.map_or(0, |last| last.tokens_seen);
    let share = seen as f32 / run.spec.tokens.max(1) as f32;
    ui.horizontal(|ui| {
        let room = (ui.available_width() - 96.0).max(80.0);
        let percent = format!("{:.0} %", share * 100.0);
        let bar = ProgressBar::new(share)
            .desired_width(room)
            .desired_height(18.0);
        ui.add(bar.fill(Theme::of(ui).line.strong).text(caption(percent)));
        let words = if stopping { "Stopping…" } else { "Stop" };
        let button = Button::new(words).min_size(vec2(80.0, space::CONTROL_ROW));
        let help = "Ends the run at its next step; the dictionary is kept as it stands";
        if ui
            .add_enabled(!stopping, button)
            .on_hover_text(help)
            .clicked()
        {
            commands.send(Command::Stop);
        }
    });
    ui.label(caption(standing(run)).color(Theme::of(ui).ink.secondary));
}

/// Where a running run stands, in words.
fn standing(run: &Run) -> String {
    let Some(last) = run.last else {
        return "Gathering activations…".to_owned();
    };
    let left = run.seconds_left().map_or(String::new(), |seconds| {
        format!(" · {} left", span(seconds))
    });
    format!(
        "{} of {} activations · {} per second{left}",
        number::count(last.tokens_seen),
        number::count(run.spec.tokens),
        number::number(last.tokens_per_second),
    )
}

fn ended_ui(ui: &mut Ui, state: &AppState, ended: &Ended, commands: &mut Commands) {
    match ended {
        Ended::Saved {
            folder,
            tokens_seen,
            stopped,
            ..
        } => {
            let how = if *stopped { "Stopped" } else { "Finished" };
            let seen = number::count(*tokens_seen);
            let sentence = format!(
                "{how} after {seen} activations, kept in {}",
                folder.display()
            );
            ui.add(Label::new(sentence).wrap());
            follow_ups_ui(ui, state, (folder, ended.checkpoint()), commands);
        }
        Ended::Unsaved { why, .. } => {
            let title = "The dictionary was trained but not written";
            crate::widgets::empty_state::failure_line(ui, title, why);
            if ui.button("Save again").clicked() {
                commands.send(Command::SaveAgain);
            }
        }
        Ended::Failed { why, checkpoint } => {
            crate::widgets::empty_state::failure_line(ui, "The run failed", why);
            ui.horizontal(|ui| {
                if *checkpoint {
                    let help =
                        "Goes on from its last checkpoint, with the learning rate of the form";
                    go_on_ui(ui, help, commands);
                }
                clear_ui(ui, commands);
            });
        }
    }
}

fn go_on_ui(ui: &mut Ui, help: &str, commands: &mut Commands) {
    let button = ui.button(format!("{}  Go on", icons::PLAY));
    if named(button.on_hover_text(help), "Go on").clicked() {
        commands.send(Command::GoOn);
    }
}

fn follow_ups_ui(
    ui: &mut Ui,
    state: &AppState,
    (folder, checkpoint): (&std::path::Path, bool),
    commands: &mut Commands,
) {
    let go_on = |ui: &mut Ui, commands: &mut Commands| {
        if checkpoint {
            let help = "Goes on from where it was stopped, as if it had never been";
            go_on_ui(ui, help, commands);
        }
    };
    let Some(dictionary) = state.catalogue.by_folder(folder) else {
        ui.horizontal(|ui| {
            go_on(ui, commands);
            clear_ui(ui, commands);
        });
        return;
    };
    ui.horizontal_wrapped(|ui| {
        go_on(ui, commands);
        let loaded = dictionary.load.ready().is_some();
        let evaluate = Button::new(format!("{}  Evaluate", icons::GAUGE));
        let ready = loaded && !dictionary.evaluation.is_loading();
        if named(ui.add_enabled(ready, evaluate), "Evaluate").clicked() {
            commands.send(dictionary::Command::Evaluate(dictionary.id));
        }
        let build = Button::new(format!("{}  Build index", icons::DATABASE));
        let ready = loaded && !dictionary.index.is_loading();
        if named(ui.add_enabled(ready, build), "Build index").clicked() {
            commands.send(dictionary::Command::BuildIndex(dictionary.id));
        }
        let open = Button::new(format!("{}  Open", icons::TABLE));
        if named(ui.add_enabled(loaded, open), "Open").clicked() {
            commands.send(navigation::Command::SelectDictionary(dictionary.id));
            commands.send(navigation::Command::Go(ViewId::Features));
        }
        clear_ui(ui, commands);
    });
    if let Load::Ready(evaluation) = &dictionary.evaluation {
        let figures = &evaluation.figures;
        let line = format!(
            "On {}: L0 {}, FVU {}, dead {}, CE recovered {}",
            evaluation.text,
            number::number(figures.l0),
            number::number(figures.fvu),
            number::percent(figures.dead_fraction),
            number::percent(figures.ce_recovered_zero),
        );
        let help = "Cross-entropy recovered: (zero-ablated − with the dictionary) / (zero-ablated − untouched); all figures stand in Library";
        ui.label(RichText::new(line)).on_hover_text(help);
    }
}

fn named(response: egui::Response, name: &str) -> egui::Response {
    let enabled = response.enabled();
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, enabled, name));
    response
}

fn clear_ui(ui: &mut Ui, commands: &mut Commands) {
    if ui.button("Put away").clicked() {
        commands.send(Command::Clear);
    }
}

#[cfg(test)]
mod tests {
    use umbra_core::ids::{HookPoint, Site};
    use umbra_core::train::{Progress, Spec};

    use super::*;

    #[test]
    fn the_standing_says_how_far_how_fast_how_long() {
        let mut run = crate::testing::run(Spec {
            tokens: 1_000_000,
            ..Spec::default_for(HookPoint::block(0, Site::Z))
        });
        assert_eq!(standing(&run), "Gathering activations…");
        run.last = Some(Progress {
            tokens_seen: 400_000,
            tokens_per_second: 10_000.0,
            ..Progress::default()
        });
        let words = standing(&run).replace('\u{202F}', " ");
        assert_eq!(
            words,
            "400 000 of 1 000 000 activations · 10 000 per second · 1 min 00 s left"
        );
    }
}
