//! Both texts side by side and the changes of the next token's probabilities.

use egui::text::{LayoutJob, TextFormat};
use egui::{FontId, Label, RichText, Stroke, Ui, vec2};
use umbra_core::models::Finish;
use umbra_core::steer::{Change, EditSpec, GENERATED_KL, KL, Vector, What};

use super::diff;
use crate::memo::Memo;
use crate::state::AppState;
use crate::state::jobs::JobId;
use crate::state::steering::{Ended, Request, Run};
use crate::theme::{Hue, Theme, body_strong, caption, mono, panel_title, size, space};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::empty_state::failure_line;
use crate::widgets::number;
use crate::words::said;

/// Changes shown.
const CHANGES: usize = 10;

/// Changes shown on a feature's page.
const FEW: usize = 5;

/// Stands for the sentence where it is shown above.
const CONTINUED: &str = "…";

/// Tokens of a run's steered text that differ from its baseline; found anew when a text grows.
#[derive(Debug, Default)]
pub(crate) struct Marks(Memo<(JobId, usize, usize), Vec<bool>>);

impl Marks {
    fn of(&mut self, run: &Run) -> &[bool] {
        let key = (run.job, run.baseline.len(), run.steered.len());
        self.0
            .get(key, |_| diff::differs(&run.baseline, &run.steered))
    }
}

/// Returns the width of each of the two columns of text.
fn column_width(ui: &Ui) -> f32 {
    (ui.available_width() - space::GROUP) / 2.0
}

/// Draws what a run will show, before the first one.
pub(super) fn before_ui(ui: &mut Ui, prompt: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(body_strong("Run to see both texts"));
    let width = column_width(ui);
    let note = |ui: &mut Ui, words: &str| {
        ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
    };
    let columns = [
        ("Baseline", "The model continues the text as it is."),
        (
            "Steered",
            "The model continues the same text with the enabled edits in force. Both texts start from one seed, so what differs comes from the edits.",
        ),
    ];
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        for (title, words) in columns {
            let size = vec2(width, 0.0);
            let layout = egui::Layout::top_down(egui::Align::Min);
            ui.allocate_ui_with_layout(size, layout, |ui| {
                column_ui(ui, (width, title), prompt, (&[], &[]));
                ui.add_space(space::CONTROL);
                note(ui, words);
            });
        }
    });
    ui.add_space(space::GROUP);
    ui.label(panel_title("Next token"));
    note(
        ui,
        "The tokens whose probability changes most, right after the text and along the steered one, and by how much all probabilities change (KL divergence).",
    );
}

/// Draws the run.
pub(super) fn run_ui(ui: &mut Ui, state: &AppState, run: &Run, marks: &mut Marks) {
    if let Some(Ended::Failed(why)) = &run.ended {
        failure_line(ui, "The texts could not be written", why);
        return;
    }
    let theme = Theme::from_ui(ui);
    let marks = marks.of(run);
    let width = column_width(ui);
    let request = &run.request;
    let title = title(state, request);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        let prompt = request.prompt.as_str();
        column_ui(ui, (width, "Baseline"), prompt, (&run.baseline, &[]));
        column_ui(ui, (width, title.trim()), prompt, (&run.steered, marks));
    });
    ends_ui(ui, run);
    let nothing = |edit: &EditSpec| matches!(edit.what, What::Add(_, 0.0));
    if request.edits.iter().all(nothing) {
        let words = "Strength 0 adds nothing: both texts are identical";
        ui.label(RichText::new(words).color(theme.ink.secondary));
    }
    ui.add_space(space::GROUP);
    shift_ui(ui, run);
}

/// Draws a page's small run: both continuations without their sentence, and the largest changes of the next token's probability.
pub(crate) fn trial_ui(ui: &mut Ui, run: &Run, marks: &mut Marks) {
    if let Some(Ended::Failed(why)) = &run.ended {
        failure_line(ui, "The texts could not be written", why);
        return;
    }
    let gap = space::CONTROL;
    let width = (ui.available_width() - gap) / 2.0;
    let marks = marks.of(run);
    let strength = match run.request.edits.as_slice() {
        [
            EditSpec {
                what: What::Add(_, strength),
                ..
            },
        ] => format!("Steered by {}", number::signed(f64::from(*strength))),
        _ => "Steered".to_owned(),
    };
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        column_ui(ui, (width, "Baseline"), CONTINUED, (&run.baseline, &[]));
        column_ui(ui, (width, &strength), CONTINUED, (&run.steered, marks));
    });
    if run.shift.is_empty() {
        return;
    }
    ui.add_space(space::CONTROL);
    let words = "Next token: probability before → after";
    ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary))
        .on_hover_text("Change of its probability right after the sentence, largest first");
    let bars: Vec<Bar> = run.shift.iter().take(FEW).map(bar).collect();
    Bars::new(
        "Change of the next token's probability",
        &bars,
        Fill::Signed,
    )
    .tokens()
    .label_width(80.0)
    .show(ui);
}

/// Returns the title of the steered text.
fn title(state: &AppState, request: &Request) -> String {
    match request.edits.as_slice() {
        [
            EditSpec {
                what: What::Add(Vector::Feature(feature), strength),
                ..
            },
        ] => {
            let name = request.dictionary.map(|of| state.name_of(of, *feature));
            let name = name.unwrap_or_default();
            let strength = number::signed(f64::from(*strength));
            format!("Steered by {strength} × #{feature} {name}")
        }
        [edit] => edit.to_string(),
        edits => format!("Steered by {} edits", edits.len()),
    }
}

/// Says why a text is shorter than requested.
fn ends_ui(ui: &mut Ui, run: &Run) {
    let Some(Ended::Done { ends, .. }) = &run.ended else {
        return;
    };
    for (name, end) in ["Baseline", "Steered text"].into_iter().zip(ends) {
        let words = match end {
            Some(Finish::Stop(stop)) => format!("{name} stopped at {stop:?}"),
            Some(Finish::Eos(token)) => {
                format!("{name} was ended by the model (EOS, token {token})")
            }
            Some(Finish::Context) => format!("{name} ended with the model's context"),
            Some(Finish::Length) | None => continue,
        };
        ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary));
    }
}

/// One text: the prompt faint, then what was generated, tinted where it is marked.
fn column_ui(
    ui: &mut Ui,
    (width, title): (f32, &str),
    prompt: &str,
    (tokens, marks): (&[String], &[bool]),
) {
    let theme = Theme::from_ui(ui);
    let steered = title != "Baseline";
    ui.allocate_ui(vec2(width, 0.0), |ui| {
        ui.set_width(width);
        ui.vertical(|ui| {
            ui.label(body_strong(title));
            let colour = if steered {
                theme.edit
            } else {
                theme.line.strong
            };
            let (line, _) = ui.allocate_exact_size(vec2(width, 2.0), egui::Sense::hover());
            ui.painter()
                .hline(line.x_range(), line.center().y, Stroke::new(2.0, colour));
            let job = text_job(theme, prompt, (tokens, marks));
            ui.add(Label::new(job).wrap().selectable(true));
        });
    });
}

fn text_job(theme: &Theme, prompt: &str, (tokens, marks): (&[String], &[bool])) -> LayoutJob {
    let mut job = LayoutJob::default();
    let font = FontId::proportional(size::BODY);
    let format = |color| TextFormat {
        line_height: Some(22.0),
        ..TextFormat::simple(font.clone(), color)
    };
    job.append(prompt, 0.0, format(theme.ink.secondary));
    for (i, token) in tokens.iter().enumerate() {
        let mut format = format(theme.ink.primary);
        if marks.get(i) == Some(&true) {
            let tinted = theme.tint(Hue::Edit, 0.35);
            (format.background, format.color) = (tinted.fill, tinted.ink);
        }
        job.append(token, 0.0, format);
    }
    job
}

fn shift_ui(ui: &mut Ui, run: &Run) {
    if run.shift.is_empty() {
        return;
    }
    let done = match &run.ended {
        Some(Ended::Done {
            kl,
            generated,
            stopped,
            ..
        }) => Some((*kl, generated, *stopped)),
        _ => None,
    };
    ui.label(panel_title("Next token"));
    let words = "Change of its probability right after the prompt, before → after";
    kl_ui(ui, words, done.map(|(kl, ..)| kl), &said(KL));
    if let Some((_, _, true)) = done {
        ui.label(caption("stopped").color(Theme::from_ui(ui).ink.secondary));
    }
    bars_ui(ui, "Change of the next token's probability", &run.shift);
    if let Some((_, Some(generated), _)) = done {
        ui.add_space(space::GROUP);
        ui.label(panel_title("Along the steered text"));
        let words = format!(
            "Change of mean probabilities at the positions of its {}; the model without edits reads the same text",
            number::counted(generated.kl_by_token.len() as u64, "token")
        );
        kl_ui(ui, &words, Some(generated.kl), &said(GENERATED_KL));
        let name = "Change of mean probabilities along the steered text";
        bars_ui(ui, name, &generated.shift);
    }
}

/// Draws the heading of the bars, and the divergence with its definition.
fn kl_ui(ui: &mut Ui, words: &str, kl: Option<f64>, definition: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal_wrapped(|ui| {
        ui.label(caption(words).color(secondary));
        if let Some(kl) = kl {
            ui.label(caption("KL").color(secondary))
                .on_hover_text(definition);
            ui.label(mono(format!("{} nats", number::number(kl))))
                .on_hover_text(definition);
        }
    });
}

fn bars_ui(ui: &mut Ui, name: &str, shift: &[Change]) {
    let bars: Vec<Bar> = shift.iter().take(CHANGES).map(bar).collect();
    Bars::new(name, &bars, Fill::Signed).tokens().show(ui);
}

fn bar(change: &Change) -> Bar {
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
    use super::*;

    #[test]
    fn texts_are_tinted_where_they_differ() {
        let words = |text: &str| -> Vec<String> { text.split('|').map(str::to_owned).collect() };
        let (a, b) = (words("a|b|c"), words("a|x|c"));
        let marks = diff::differs(&a, &b);
        let job = text_job(&crate::theme::DARK, "p ", (&b, &marks));
        assert_eq!(job.text, "p axc");
        let tinted = |section: &&egui::text::LayoutSection| section.format.background.a() > 0;
        let tinted = job.sections.iter().filter(tinted);
        let tinted: String = tinted
            .map(|section| &job.text[section.byte_range.start.0..section.byte_range.end.0])
            .collect();
        assert_eq!(tinted, "x");
    }

    #[test]
    fn a_changed_token_tells_its_change() {
        let help = |before, after| {
            let (id, text) = (umbra_core::ids::TokenId(1), " a".to_owned());
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
