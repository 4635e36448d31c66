//! The bottom strip: one line per running job with bar, speed, time left and stop.

use std::time::Duration;

use egui::{Frame, Margin, Ui};

use crate::state::AppState;
use crate::state::jobs::{Job, Status};
use crate::state::requests::{Commands, navigation, shell};
use crate::state::view::ViewId;
use crate::theme::{self, Theme, icons, space};
use crate::widgets::number;
use crate::widgets::parts::{bar_ui, icon_button_enabled, shortened};

/// A job shorter than this never shows.
const PATIENCE: Duration = Duration::from_millis(150);

/// Draws the strip if a job has run for longer than a blink.
pub(super) fn job_strip_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let waiting = state
        .jobs
        .running()
        .any(|job| job.started.elapsed() < PATIENCE);
    if waiting {
        ui.ctx().request_repaint_after(PATIENCE);
    }
    let shown = || {
        let running = state.jobs.running();
        running.filter(|job| job.started.elapsed() >= PATIENCE)
    };
    if shown().next().is_none() {
        return;
    }
    let frame = Frame::new()
        .fill(Theme::from_ui(ui).surface.window)
        .inner_margin(Margin::symmetric(space::PANEL as i8, 2));
    egui::Panel::bottom("jobs")
        .resizable(false)
        .frame(frame)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for job in shown() {
                job_ui(ui, job, commands);
            }
        });
    ui.ctx().request_repaint_after(Duration::from_millis(250));
}

fn job_ui(ui: &mut Ui, job: &Job, commands: &mut Commands) {
    let theme = Theme::from_ui(ui);
    ui.horizontal(|ui| {
        name_ui(ui, job, commands);
        let name = format!("{}: {}", job.name, words(job));
        bar_ui(ui, job.share().unwrap_or(0.0), 180.0, &name);
        ui.label(theme::mono_caption(words(job)).color(theme.ink.secondary));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let stop = format!("Stop: {}", job.name);
            let running = job.status == Status::Running;
            if icon_button_enabled(ui, icons::STOP, &stop, running).clicked() {
                commands.send(shell::Command::StopJob(job.id));
            }
        });
    });
}

fn name_ui(ui: &mut Ui, job: &Job, commands: &mut Commands) {
    let column = egui::vec2(240.0, space::CONTROL_ROW);
    let left = egui::Layout::left_to_right(egui::Align::Center);
    ui.allocate_ui_with_layout(column, left, |ui| {
        ui.set_min_size(column);
        ui.spacing_mut().button_padding.x = 0.0;
        let name = egui::Button::new(shortened(&job.name, 36)).frame(false);
        if ui.add(name).on_hover_text("Open the log").clicked() {
            commands.send(navigation::Command::Go(ViewId::Log));
        }
    });
}

/// Progress, speed, remaining time.
fn words(job: &Job) -> String {
    if job.status == Status::Stopping {
        return "stopping at the next safe point".to_owned();
    }
    let stands = job.standing();
    stands.unwrap_or_else(|| number::span(job.started.elapsed().as_secs_f64()))
}
