//! A run: both texts side by side, how far the edits moved the model along the way, and the next token by both models.

mod next;
mod texts;

use egui::{Label, RectAlign, Response, RichText, Tooltip, Ui, vec2};
use umbra_core::steer::{EditSpec, GENERATED_KL, Stream, What};

use self::next::{Next, TABLE};
use self::texts::{Texts, figure_ui, heading_ui, title};
use crate::state::AppState;
use crate::state::requests::Commands;
use crate::state::steering::{Ended, Run};
use crate::theme::{Theme, body_strong, caption, icons, panel_title, space};
use crate::views::report;
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::curve_plot::{CurvePlot, Series};
use crate::widgets::empty_state::failure_line;
use crate::widgets::number;
use crate::words::said;

/// Changes shown on a feature's page.
const FEW: usize = 5;

/// Stands for the sentence where it is shown above.
const CONTINUED: &str = "…";

/// Explanation of the proof.
const PROOF: &str = "Both texts' common prompt and the steered text are read once without edits and once with them, and the values are compared";

/// Height of the plot of divergences.
const PLOT: f32 = 150.0;

/// Height of the part with the table of the next token: its title, places, figure and rows.
const NEXT: f32 = TABLE + 112.0;

/// Least width of the plot and of the table beside each other.
const BESIDE: f32 = 340.0;

/// Places that a person looks at in a run.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    texts: Texts,
    next: Next,
    /// Divergences along the latest complete steered text, which stand in for those that a new run has not measured yet.
    kls: Vec<f64>,
}

/// Draws what a run will show, before the first one.
pub(super) fn before_ui(ui: &mut Ui, prompt: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(body_strong("Run to see both texts"));
    let width = (ui.available_width() - space::GROUP) / 2.0;
    let note = |ui: &mut Ui, words: &str| {
        ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
    };
    let columns = [
        (
            Stream::Baseline,
            "Baseline",
            "The model continues the text as it is.",
        ),
        (
            Stream::Steered,
            "Steered",
            "The model continues the same text with the enabled edits in force. Both texts start from one seed, so what differs comes from the edits. Each token is coloured by how much likelier the edits made it.",
        ),
    ];
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        for (stream, title, words) in columns {
            let layout = egui::Layout::top_down(egui::Align::Min);
            ui.allocate_ui_with_layout(vec2(width, 0.0), layout, |ui| {
                ui.set_width(width);
                heading_ui(ui, title, stream);
                note(ui, prompt);
                ui.add_space(space::CONTROL);
                note(ui, words);
            });
        }
    });
    ui.add_space(space::GROUP);
    ui.label(panel_title("Next token"));
    note(
        ui,
        "The tokens whose probability changes most, right after the text and at every token of the steered one, and by how much all probabilities change (KL divergence).",
    );
}

/// Draws the run.
pub(super) fn run_ui(
    ui: &mut Ui,
    (state, run): (&AppState, &Run),
    shown: &mut Shown,
    commands: &mut Commands,
) {
    if let Some(Ended::Failed(why)) = &run.ended {
        failure_line(ui, "The texts could not be written", why);
        return;
    }
    shown
        .texts
        .ui(ui, (state, run), &run.request.prompt.shown());
    proof_ui(ui, run);
    ui.add_space(space::GROUP);
    let width = (ui.available_width() - space::GROUP) / 2.0;
    let chosen = shown.texts.chosen;
    if width < BESIDE {
        kl_ui(ui, run, &mut shown.kls);
        ui.add_space(space::CONTROL);
        shown.next.ui(ui, run, chosen);
        ui.add_space(space::CONTROL);
        return add_ui(ui, (state, run), commands);
    }
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        let layout = egui::Layout::top_down(egui::Align::Min);
        ui.allocate_ui_with_layout(vec2(width, NEXT), layout, |ui| {
            ui.set_width(width);
            shown.next.ui(ui, run, chosen);
        });
        ui.allocate_ui_with_layout(vec2(width, NEXT), layout, |ui| {
            ui.set_width(width);
            kl_ui(ui, run, &mut shown.kls);
            ui.add_space(space::CONTROL);
            add_ui(ui, (state, run), commands);
        });
    });
}

/// Draws the button that adds the run with its proof to the report, off until it has ended.
fn add_ui(ui: &mut Ui, (state, run): (&AppState, &Run), commands: &mut Commands) {
    let Some(Ended::Done { outcome, .. }) = &run.ended else {
        return report::none_yet_ui(ui);
    };
    report::add_ui(ui, commands, || {
        let asked = &run.request;
        let edits: Vec<String> = asked.edits.iter().map(EditSpec::to_string).collect();
        let mut section = outcome.section(&asked.prompt.shown(), &edits, &asked.sampling);
        // Runs of other edits stand beside it.
        title(state, asked).trim().clone_into(&mut section.title);
        match &run.proof {
            Some(proof) => section.joined(proof.section()),
            None => section,
        }
    });
}

/// Says whether the edits acted, in red where nothing changed.
fn proof_ui(ui: &mut Ui, run: &Run) {
    let theme = Theme::from_ui(ui);
    let Some(proof) = &run.proof else {
        let nothing = |edit: &EditSpec| matches!(edit.what, What::Add(_, 0.0));
        if run.request.edits.iter().all(nothing) {
            let words = "Strength 0 adds nothing: both texts are identical";
            ui.label(RichText::new(words).color(theme.ink.secondary));
        } else if run.ended.is_none() {
            // Keeps its line.
            let words = "Whether the edits acted is compared once the texts are written";
            ui.label(caption(words).color(theme.ink.secondary));
        }
        return;
    };
    if let Some(nothing) = proof.nothing() {
        let words = format!("{}  {}", icons::WARNING_CIRCLE, said(&nothing));
        let label = Label::new(RichText::new(words).color(theme.failure)).wrap();
        return above(&ui.add(label), PROOF);
    }
    let words = proof.conclusion();
    let words = caption(said(&words)).color(theme.ink.secondary);
    above(&ui.add(Label::new(words).wrap()), PROOF);
    if let Some(idle) = proof.idle() {
        let words = format!("{}  {}", icons::WARNING, said(&idle));
        ui.add(Label::new(RichText::new(words).color(theme.warning)).wrap());
    }
}

/// Shows `help` over a widget under the pointer, where it covers nothing that stands below.
fn above(response: &Response, help: &str) {
    let mut tooltip = Tooltip::for_enabled(response);
    tooltip.popup = tooltip.popup.align(RectAlign::TOP_START);
    tooltip.show(|ui| ui.label(help));
}

/// Draws the divergence along the steered text of the first sample.
fn kl_ui(ui: &mut Ui, run: &Run, before: &mut Vec<f64>) {
    let measures = &run.text(0, Stream::Steered).measures;
    let mut kls: Vec<f64> = measures.iter().map(|measure| measure.kl).collect();
    let mean = (!kls.is_empty()).then(|| kls.iter().sum::<f64>() / kls.len() as f64);
    if run.ended.is_some() {
        before.clone_from(&kls);
    } else if let Some(rest) = before.get(kls.len()..) {
        kls.extend_from_slice(rest);
    }
    ui.label(panel_title("Divergence along the steered text"));
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::CHIP;
        figure_ui(ui, "Mean KL", &said(GENERATED_KL), mean, "nats");
        if let Some(Ended::Done { stopped: true, .. }) = run.ended {
            ui.label(caption("stopped").color(Theme::from_ui(ui).ink.secondary));
        }
    });
    let points: Vec<[f64; 2]> = (1..)
        .zip(&kls)
        .map(|(at, kl)| [f64::from(at), *kl])
        .collect();
    if points.len() < 2 {
        ui.add_space(PLOT);
        return;
    }
    let series = Series {
        name: "KL",
        colour: Theme::from_ui(ui).edit,
        points: &points,
    };
    let plot = CurvePlot {
        name: "Divergence along the steered text",
        y: "KL (nats)",
        x: "Token of the steered text",
        series: &[series],
        faint: &[],
        height: PLOT,
        group: None,
        format: number::number,
        definition: &said(GENERATED_KL),
    };
    plot.ui(ui);
}

/// Draws a page's small run: both continuations without their sentence, and the largest changes of the next token's probability.
pub(crate) fn trial_ui(ui: &mut Ui, state: &AppState, run: &Run, shown: &mut Shown) {
    if let Some(Ended::Failed(why)) = &run.ended {
        failure_line(ui, "The texts could not be written", why);
        return;
    }
    shown.texts.ui(ui, (state, run), CONTINUED);
    if run.shift.is_empty() {
        return;
    }
    ui.add_space(space::CONTROL);
    let words = "Next token: probability before → after";
    ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary))
        .on_hover_text("Change of its probability right after the sentence, largest first");
    let bars: Vec<Bar> = run.shift.iter().take(FEW).map(bar).collect();
    let name = "Change of the next token's probability";
    Bars::new(name, &bars, Fill::Signed)
        .tokens()
        .label_width(80.0)
        .show(ui);
}

fn bar(change: &umbra_core::steer::Change) -> Bar {
    let (before, after) = (f64::from(change.before), f64::from(change.after));
    let text = format!("{} → {}", number::percent(before), number::percent(after));
    let help = format!(
        "{} percentage points: {} without edits, {} with them",
        number::signed(100.0 * (after - before)),
        number::percent(before),
        number::percent(after)
    );
    Bar::new(change.text.clone(), after - before)
        .text(text)
        .hover(help)
}

#[cfg(test)]
mod tests {
    use umbra_core::ids::TokenId;
    use umbra_core::steer::Change;

    use super::*;

    #[test]
    fn a_changed_token_tells_its_change() {
        let help = |before, after| {
            let (id, text) = (TokenId(1), " a".to_owned());
            let change = Change {
                id,
                text,
                before,
                after,
            };
            bar(&change).hover.unwrap().replace('\u{202F}', " ")
        };
        assert_eq!(
            help(0.5, 0.375),
            "−12.5 percentage points: 50.0 % without edits, 37.5 % with them"
        );
        assert!(help(0.25, 0.5).starts_with("+25.0 percentage points"));
    }
}
