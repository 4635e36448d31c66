//! Both texts of each sample side by side: each token of a steered text on the colour of its change of probability, the dialled feature's activation as a bar under
//! it, and what is known about the token on hover.

use egui::{Stroke, Ui, vec2};
use umbra_core::ids::FeatureId;
use umbra_core::models::Finish;
use umbra_core::steer::{self, ACTIVATION, EditSpec, PERPLEXITY, Stream, Vector, What};

use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::steering::{Request, Run, Text};
use crate::theme::{Hue, Theme, body_strong, caption, mono, space};
use crate::widgets::meaning::{self, Meaning};
use crate::widgets::token_strip::{Tint, TokenStrip};
use crate::widgets::{legend, number};
use crate::words::said;

/// Change of log p at which a token has its full colour, nats: its probability 55 times as large. Fixed, so that colours mean the same in every run.
const FULL: f32 = 4.0;

/// Fall of log p from which a token is underlined, nats: its probability 0.6 times as large. Smaller ones are most of a text's, and their grey says enough.
const LESS: f32 = 0.5;

/// Words of the prompt shown before each text; what comes before them is left out.
const WORDS: usize = 40;

/// Least width of a column beside another.
const COLUMN: f32 = 220.0;

/// Definition of the colours.
const CHANGE: &str = "log p of the token with the edits less its log p by the untouched model that reads the same text, in nats, at temperature 1: teal where the edits made the token likelier, grey where they made it less likely";

/// Token that a person looks at, and the room that the texts need.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// Sample and index of the steered token that a person clicked.
    pub(super) chosen: Option<(usize, usize)>,
    /// Room of the rows when their heights were taken.
    room: Option<Room>,
    /// Greatest height of each sample's row so far: later texts keep as much, so that nothing below jumps.
    heights: Vec<f32>,
    /// The feature whose activations are drawn, and their greatest size so far.
    scale: Option<((DictionaryId, FeatureId), f32)>,
}

/// Room of a row: everything besides the texts that decides its height.
#[derive(Debug, PartialEq)]
struct Room {
    width: f32,
    prompt: String,
    tokens: usize,
}

/// Returns the feature whose activation is measured in runs of a request.
pub(super) fn dialled(state: &AppState, request: &Request) -> Option<(DictionaryId, FeatureId)> {
    let edit = request.edits.get(request.dial?)?;
    Some((request.dictionary_of(edit, state)?, edit.feature()?))
}

/// Returns the largest activation of the dialled feature in the index, if there is one.
fn indexed(state: &AppState, (of, feature): (DictionaryId, FeatureId)) -> Option<f32> {
    let preview = state.preview(of, feature)?;
    Some(preview.summary.strongest().abs() as f32).filter(|most| *most > 0.0)
}

impl Texts {
    /// Draws the legend and all texts of a run, each after the end of `prompt`.
    pub(super) fn ui(&mut self, ui: &mut Ui, (state, run): (&AppState, &Run), prompt: &str) {
        let most = self.most(state, run);
        legend_ui(ui, (state, run), most);
        ui.add_space(space::CHIP);
        let room = Room {
            width: ui.available_width().round(),
            prompt: prompt.to_owned(),
            tokens: run.request.sampling.tokens,
        };
        if self.room.as_ref() != Some(&room) {
            self.room = Some(room);
            self.heights.clear();
        }
        self.heights.resize(run.samples.len(), 0.0);
        let title = title(state, &run.request);
        for sample in 0..run.samples.len() {
            ui.push_id(("sample", sample), |ui| {
                let prompt = if sample == 0 { prompt } else { "…" };
                let top = ui.cursor().top();
                self.row_ui(ui, (run, sample), (prompt, &title), most);
                let height = ui.cursor().top() - top;
                let kept = &mut self.heights[sample];
                *kept = kept.max(height);
                ui.add_space(*kept - height);
            });
        }
    }

    /// Returns the activation at which a bar has its full colour: the feature's maximum in the index, else the largest in its texts so far.
    fn most(&mut self, state: &AppState, run: &Run) -> f32 {
        let Some(of) = dialled(state, &run.request) else {
            return 0.0;
        };
        if let Some(most) = indexed(state, of) {
            return most;
        }
        let texts = run.samples.iter().flatten();
        let acts = texts.flat_map(|text| &text.activations);
        let here = acts.copied().fold(0.0, |a: f32, b| a.max(b.abs()));
        let before = self.scale.filter(|(feature, _)| *feature == of);
        let most = before.map_or(here, |(_, most)| most.max(here));
        self.scale = Some((of, most));
        most
    }

    /// Draws both texts of a sample, one above the other where there is little room.
    fn row_ui(
        &mut self,
        ui: &mut Ui,
        (run, sample): (&Run, usize),
        (prompt, title): (&str, &str),
        most: f32,
    ) {
        let several = run.samples.len() > 1;
        let seed = run.request.sampling.seed.wrapping_add(sample as u64);
        let named = |title: &str| match (several, sample) {
            (false, _) => title.to_owned(),
            (true, 0) => format!("{title} · seed {}", number::count(seed)),
            (true, _) => format!("Seed {}", number::count(seed)),
        };
        let width = (ui.available_width() - space::GROUP) / 2.0;
        let layout = egui::Layout::top_down(egui::Align::Min);
        let whole = ui.available_width();
        let column = |ui: &mut Ui, width: f32, stream: Stream, texts: &mut Self| {
            ui.allocate_ui_with_layout(vec2(width, 0.0), layout, |ui| {
                ui.set_width(width);
                let title = match stream {
                    Stream::Baseline => named("Baseline"),
                    Stream::Steered => named(title.trim()),
                };
                heading_ui(ui, &title, stream);
                figures_ui(ui, run.text(sample, stream));
                texts.text_ui(ui, (run, sample, stream), prompt, most);
            });
        };
        if width < COLUMN {
            for stream in Stream::ALL {
                column(ui, whole, stream, self);
            }
            return;
        }
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            for stream in Stream::ALL {
                column(ui, width, stream, self);
            }
        });
    }

    /// Draws one text and why it ended.
    fn text_ui(
        &mut self,
        ui: &mut Ui,
        (run, sample, stream): (&Run, usize, Stream),
        prompt: &str,
        most: f32,
    ) {
        let text = run.text(sample, stream);
        let mut tokens = last_words(prompt);
        let lead = tokens.len();
        tokens.extend(text.tokens.iter().map(|token| token.piece.clone()));
        if !text.rest.is_empty() {
            tokens.push(text.rest.clone());
        }
        let values: Vec<f32> = match stream {
            Stream::Baseline => vec![],
            Stream::Steered => {
                let changes = text
                    .measures
                    .iter()
                    .map(|m| (m.written - m.unedited) as f32);
                std::iter::repeat_n(0.0, lead).chain(changes).collect()
            }
        };
        let acts = text.activations.iter().copied();
        let acts: Vec<f32> = std::iter::repeat_n(0.0, lead).chain(acts).collect();
        let chosen = self
            .chosen
            .filter(|(of, _)| (*of, stream) == (sample, Stream::Steered));
        let chosen = chosen.map(|(_, at)| lead + at..=lead + at);
        let name = match stream {
            Stream::Baseline => "Baseline text",
            Stream::Steered => "Steered text",
        };
        let mut card = |ui: &mut Ui, at: usize| card_ui(ui, text, at - lead, stream);
        let strip = TokenStrip::new(name, &tokens)
            .values(&values, FULL)
            .tint(Tint::Edited)
            .underlined_from(LESS / FULL)
            .bars(&acts, most)
            .lead(lead)
            .selected(chosen)
            .definition(CHANGE)
            .card(&mut card);
        let reply = strip.show(ui);
        let at = reply.chosen.and_then(|at| at.checked_sub(lead));
        if let (Some(at), Stream::Steered) = (at, stream) {
            let known = at < text.measures.len();
            let again = self.chosen == Some((sample, at));
            self.chosen = Some((sample, at)).filter(|_| known && !again);
        }
        if let Some(end) = ended(text, stream) {
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.add(egui::Label::new(caption(end).color(secondary)).wrap());
        }
    }
}

/// Draws the title of a column and a line in its colour.
pub(super) fn heading_ui(ui: &mut Ui, title: &str, stream: Stream) {
    let theme = Theme::from_ui(ui);
    let colour = match stream {
        Stream::Baseline => theme.line.strong,
        Stream::Steered => theme.edit,
    };
    ui.add(egui::Label::new(body_strong(title)).truncate());
    let width = ui.available_width();
    let (line, _) = ui.allocate_exact_size(vec2(width, 2.0), egui::Sense::hover());
    ui.painter()
        .hline(line.x_range(), line.center().y, Stroke::new(2.0, colour));
}

/// Returns the last words of the prompt, each with the space before it.
fn last_words(prompt: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for c in prompt.chars() {
        let goes_on = words.last().is_some_and(|word| {
            !c.is_whitespace() && !word.ends_with('\n') || word.trim().is_empty() && c != '\n'
        });
        match words.last_mut() {
            Some(word) if goes_on => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    if words.len() > WORDS {
        words.drain(..words.len() - WORDS);
        words.insert(0, "…".to_owned());
    }
    words
}

/// Draws the meaning of colours and bars.
fn legend_ui(ui: &mut Ui, (state, run): (&AppState, &Run), most: f32) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        legend::edited(ui, "change of log p", f64::from(FULL)).on_hover_text(CHANGE);
        let less = number::signed(f64::from(-LESS));
        let words = format!("underlined from {less} nats");
        ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary))
            .on_hover_text(CHANGE);
        if let Some((of, feature)) = dialled(state, &run.request) {
            // The heading of the steered text holds its name.
            let name = format!("bar: #{feature}");
            let end = match indexed(state, (of, feature)) {
                Some(_) => "Its maximum in the index ends the scale: what lies above has the colour of the end",
                None => "The largest value of the texts so far ends the scale",
            };
            let help = format!("{}. {end}", said(ACTIVATION));
            let legend = legend::sequential(ui, &name, Hue::Activation, f64::from(most));
            legend.on_hover_text(help);
        }
    });
}

/// Draws what is known about a token.
fn card_ui(ui: &mut Ui, text: &Text, at: usize, stream: Stream) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(token) = text.tokens.get(at) else {
        return;
    };
    ui.label(body_strong(format!("“{}”", token.piece.replace('\n', "⏎"))));
    let place = format!("token {} of {}", at + 1, text.tokens.len());
    ui.label(caption(place).color(secondary));
    egui::Grid::new("token").num_columns(2).show(ui, |ui| {
        let mut row = |name: &str, value: String| {
            ui.label(caption(name).color(secondary));
            ui.label(mono(value));
            ui.end_row();
        };
        if let Some(measure) = text.measures.get(at) {
            let p = |log: f64| number::percent(log.exp());
            match stream {
                Stream::Baseline => row("Probability", p(measure.written)),
                Stream::Steered => {
                    row("Probability, untouched", p(measure.unedited));
                    row("Probability, with the edits", p(measure.written));
                    let change = measure.written - measure.unedited;
                    row(
                        "Change of log p",
                        format!("{} nats", number::signed(change)),
                    );
                    row("KL here", format!("{} nats", number::number(measure.kl)));
                }
            }
        }
        if let Some(act) = text.activations.get(at) {
            row("Activation", number::number(f64::from(*act)));
        }
    });
    if stream == Stream::Steered && at < text.measures.len() {
        let words = "Click: what else could have stood here";
        ui.label(caption(words).color(secondary));
    }
}

/// Draws the figures of one text, above it, where they stay while it grows.
fn figures_ui(ui: &mut Ui, text: &Text) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::CHIP;
        let many = text.measures.len();
        let perplexity = steer::perplexity(&text.measures);
        figure_ui(ui, "Perplexity", &said(PERPLEXITY), perplexity, "");
        let of = format!("over {}", number::counted(many as u64, "token"));
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(caption(of).color(secondary));
    });
}

/// Draws a figure with its name, unit and menu; a dash where there is none yet.
pub(super) fn figure_ui(ui: &mut Ui, name: &str, definition: &str, value: Option<f64>, unit: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(caption(name).color(secondary))
        .on_hover_text(definition);
    let shown = value.map_or_else(|| "–".to_owned(), number::number);
    let words = if unit.is_empty() || value.is_none() {
        shown
    } else {
        format!("{shown} {unit}")
    };
    let response = ui.label(mono(words)).on_hover_text(definition);
    let exact = value.map(|value| value.to_string());
    let about = Meaning::new(name, definition).value(exact.as_deref());
    meaning::menu(&response, &about.picture(response.rect));
}

/// Says why a text is shorter than requested.
fn ended(text: &Text, stream: Stream) -> Option<String> {
    let name = match stream {
        Stream::Baseline => "Baseline",
        Stream::Steered => "Steered text",
    };
    match &text.finish {
        Some(Finish::Stop(stop)) => Some(format!("{name} stopped at {stop:?}")),
        Some(Finish::Eos(token)) => Some(format!(
            "{name} was ended by the model (EOS, token {token})"
        )),
        Some(Finish::Context) => Some(format!("{name} ended with the model's context")),
        Some(Finish::Length) | None => None,
    }
}

/// Returns the title of the steered text.
pub(super) fn title(state: &AppState, request: &Request) -> String {
    match request.edits.as_slice() {
        [
            edit @ EditSpec {
                what: What::Add(Vector::Feature(feature), strength),
                ..
            },
        ] => {
            let of = request.dictionary_of(edit, state);
            let name = of.map(|of| state.name_of(of, *feature));
            let name = name.unwrap_or_default();
            let strength = number::signed(f64::from(*strength));
            format!("Steered by {strength} × #{feature} {name}")
        }
        [edit] => format!("Steered: {edit}"),
        edits => format!("Steered by {} edits", edits.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prompt_is_split_before_spaces() {
        let words = |prompt: &str| last_words(prompt).join("|");
        assert_eq!(words("Once upon a"), "Once| upon| a");
        assert_eq!(words(" it's  so"), " it's|  so");
        assert_eq!(words("He\nran"), "He|\nran");
        assert_eq!(words(""), "");
        let long = "word ".repeat(WORDS + 3);
        let last = last_words(long.trim_end());
        assert_eq!((last.len(), last[0].as_str()), (WORDS + 1, "…"));
        assert_eq!(last.last().map(String::as_str), Some(" word"));
    }
}
