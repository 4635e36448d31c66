//! The head of the page: number, its label or the token it peaks on, what can be done with it; the label below; dictionary and figures.

use egui::text::{LayoutJob, TextFormat};
use egui::{Align, FontId, Key, Label, Layout, RichText, Ui, WidgetInfo, vec2};
use umbra_core::features::families::{DEFINITIONS, LAST, Measured};
use umbra_core::features::scores::{self, Effect, Score};
use umbra_core::features::{Name, Summary};
use umbra_core::ids::FeatureId;

use super::Page;
use super::label::LabelEditor;
use crate::state::AppState;
use crate::state::requests::{Commands, navigation, prompt};
use crate::state::view::ViewId;
use crate::theme::{Theme, caption, icon, icons, mono_caption, page_title, size, space};
use crate::views::actions::neuronpedia;
use crate::widgets::feature_name;
use crate::widgets::meaning;
use crate::widgets::number::{count, number, percent};
use crate::words;

/// Room for the actions right of the title, without and with the link to Neuronpedia.
const ACTIONS: [f32; 2] = [220.0, 380.0];

/// Width from which the actions stand right of the title.
const BESIDE: f32 = 720.0;

/// Height of the line of figures.
const FIGURES: f32 = 18.0;

/// Least width of the label beside the actions.
const LEAST: f32 = 160.0;

/// Widest label.
const LABEL: f32 = 560.0;

/// Draws the head.
pub(super) fn header_ui(
    ui: &mut Ui,
    page: Page<'_>,
    label: &mut LabelEditor,
    commands: &mut Commands,
) {
    let Page { state, feature, .. } = page;
    let beside = ui.available_width() >= BESIDE;
    let linked = state.sae().and_then(|sae| neuronpedia(sae)).is_some();
    ui.horizontal(|ui| {
        steps_ui(ui, state, feature, commands);
        ui.label(page_title(format!("#{feature}")));
        let actions = if beside {
            ACTIONS[usize::from(linked)]
        } else {
            0.0
        };
        let room = ui.available_width() - actions;
        name_ui(ui, state.name(feature), room);
        if beside {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                actions_ui(ui, page, commands);
            });
        }
    });
    if beside {
        let width = ui.available_width().min(LABEL);
        label.ui(ui, width, state, feature, commands);
    } else {
        ui.horizontal_wrapped(|ui| {
            let actions = ACTIONS[usize::from(linked)];
            let width = (ui.available_width() - actions).max(LEAST);
            label.ui(ui, width, state, feature, commands);
            actions_ui(ui, page, commands);
        });
    }
    origin_ui(ui, state, feature);
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = FIGURES;
        ui.spacing_mut().item_spacing.y = space::CHIP;
        ui.horizontal_wrapped(|ui| figures_ui(ui, page));
    });
}

/// Who gave the label and how well it does, unless a person did.
fn origin_ui(ui: &mut Ui, state: &AppState, feature: FeatureId) {
    let sae = state.dictionary().map_or("", |d| d.name.as_str());
    let given = state.project.given(sae, feature);
    let said = given.map(|given| given.origin.said()).unwrap_or_default();
    if !said.is_empty() {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add(Label::new(caption(said).color(secondary)).wrap());
    }
}

/// The label, where a person or a model gave one; else the token it peaks on, lit, in its context.
fn name_ui(ui: &mut Ui, name: Name<'_>, room: f32) {
    let shown = Name { fact: None, ..name };
    let Some(galley) = feature_name::layout(ui, shown, room.max(40.0)) else {
        return;
    };
    let (rect, response) = ui.allocate_exact_size(galley.size(), egui::Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, shown.to_string()));
    let ink = Theme::from_ui(ui).ink.primary;
    ui.painter().galley(rect.min, galley, ink);
    response.on_hover_text(match shown.label {
        Some(_) => "Its label",
        None => "The place where it is strongest",
    });
}

/// Dictionary, hook, and the scalars with their definitions.
fn figures_ui(ui: &mut Ui, page: Page<'_>) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.spacing_mut().item_spacing.x = space::CHIP;
    ui.label(caption("of").color(secondary));
    ui.label(RichText::new(&page.dictionary.name));
    if let Some(hook) = page.dictionary.hook() {
        ui.label(mono_caption(hook.to_string()).color(secondary))
            .on_hover_text("The place in the model that the dictionary reads");
    }
    let Some(detail) = page.detail else { return };
    let table = page.state.features.table_for(page.dictionary.id);
    let measured = table.and_then(|table| table.measured(page.feature));
    let families = measured.map_or_else(Vec::new, family);
    let score = table.and_then(|table| table.score(page.feature));
    let scores = score.map_or_else(Vec::new, steering);
    let figures = figures(&detail.summary, page.state).into_iter();
    for (name, value, definition) in figures.chain(families).chain(scores) {
        ui.add_space(space::CONTROL);
        let theme = Theme::from_ui(ui);
        let mut job = LayoutJob::default();
        let format = |font, colour| TextFormat::simple(font, colour);
        let words = FontId::proportional(size::CAPTION);
        job.append(name, 0.0, format(words, secondary));
        let digits = FontId::monospace(size::BODY);
        job.append(&value, space::CHIP, format(digits, theme.ink.primary));
        // Name and value stay on one line.
        let figure = ui.add(Label::new(job).extend());
        figure.widget_info(|| {
            WidgetInfo::labeled(egui::Role::Label, true, format!("{name} {value}"))
        });
        meaning::figure(&figure, name, &definition, &value);
        figure.on_hover_text(definition);
    }
}

/// A figure of steering as text.
type Figure<'a> = &'a dyn Fn(&Effect) -> Option<String>;

/// Steering scores of a feature at the strength that lists show, and at the others in the definitions.
fn steering(score: &Score) -> Vec<(&'static str, String, String)> {
    let defined = |key: &str, figure: Figure<'_>| {
        let found = scores::DEFINITIONS.iter().find(|(name, _)| *name == key);
        let found = found.map_or_else(String::new, |(_, words)| meaning::sentence(words));
        let all = scores::STRENGTHS.iter().zip(&score.effects);
        let all = all.filter_map(|(by, effect)| Some(format!("×{by}: {}", figure(effect)?)));
        let all: Vec<String> = all.collect();
        format!(
            "{found}. By strength, over {} contexts: {}",
            score.contexts,
            all.join(", ")
        )
    };
    let shown = &score.effects[scores::SHOWN];
    let effect = |effect: &Effect| Some(number(effect.effect));
    let kl = |effect: &Effect| Some(number(effect.kl));
    let selectivity = |effect: &Effect| effect.selectivity.map(number);
    let wins = |effect: &Effect| effect.wins.map(percent);
    let all: [(&'static str, &str, Figure<'_>); 4] = [
        ("Steers", "effect", &effect),
        ("Steering KL", "kl", &kl),
        ("Selectivity", "selectivity", &selectivity),
        ("Wins", "wins", &wins),
    ];
    all.into_iter()
        .filter_map(|(name, key, figure)| Some((name, figure(shown)?, defined(key, figure))))
        .collect()
}

/// Family, reach and induction of a feature whose family was measured.
fn family(measured: &Measured) -> Vec<(&'static str, String, String)> {
    let defined = |key: &str| {
        let found = DEFINITIONS.iter().find(|(name, _)| *name == key);
        found.map_or_else(String::new, |(_, definition)| meaning::sentence(definition))
    };
    let (Some(family), Some(reach)) = (measured.family(), measured.reach) else {
        return vec![];
    };
    let tokens = match reach.reach() {
        Some(1) => "1 token".to_owned(),
        Some(tokens) => format!("{tokens} tokens"),
        None => format!("> {} tokens", LAST[LAST.len() - 1]),
    };
    let kept = LAST.iter().zip(reach.kept);
    let kept: Vec<String> = kept
        .map(|(last, kept)| format!("{last}: {}", percent(kept)))
        .collect();
    let reach = format!(
        "{}. Kept by the last tokens, over {} examples: {}",
        defined("reach"),
        reach.examples,
        kept.join(", ")
    );
    let mut figures = vec![
        ("Family", family.to_string(), defined("family")),
        ("Reach", tokens, reach),
    ];
    if let Some(induction) = &measured.induction {
        let definition = format!(
            "{}. Its target is “{}”; by chance it would be {}",
            defined("induction"),
            induction.text.replace('\n', "⏎"),
            percent(induction.by_chance)
        );
        figures.push(("Induction", percent(induction.specificity()), definition));
    }
    figures
}

fn figures(summary: &Summary, state: &AppState) -> Vec<(&'static str, String, String)> {
    let over = state.features.index.as_ref().map_or_else(String::new, |i| {
        let about = &i.about;
        let rule = about.positions.said(about.left_out);
        let rule = words::said(&rule);
        format!(", over {} tokens, {rule}", count(about.tokens))
    });
    let mut figures = vec![
        (
            "Density",
            percent(summary.density),
            format!("Share of tokens on which the feature is active{over}"),
        ),
        (
            "Mean",
            number(summary.mean),
            "Mean activation over the tokens on which it is active".to_owned(),
        ),
        (
            "Max",
            number(summary.max),
            "Largest activation on the index's text".to_owned(),
        ),
        (
            "Norm",
            number(summary.decoder_norm),
            "L2 norm of its decoder row".to_owned(),
        ),
    ];
    if summary.min < 0.0 {
        let min = (
            "Min",
            number(summary.min),
            "Least activation on the index's text: this dictionary keeps negative activations"
                .to_owned(),
        );
        figures.insert(2, min);
    }
    figures.extend(moments(summary));
    figures
}

/// Moments of the active values, and the cosine of encoder and decoder, where the index has them.
fn moments(summary: &Summary) -> Vec<(&'static str, String, String)> {
    let mut figures = Vec::new();
    let mut add = |name, value: f64, definition: &str| {
        if value.is_finite() {
            figures.push((name, number(value), definition.to_owned()));
        }
    };
    if let Some(moments) = summary.moments {
        let spread = "Standard deviation of the activation over the tokens on which it is active, the root of the population variance";
        add("Std", moments.variance.sqrt(), spread);
        let skewness = "Skewness of the activation over the tokens on which it is active: the mean cube about the mean over the cube of the standard deviation; above 0 where few are strong";
        add("Skewness", moments.skewness, skewness);
        let kurtosis = "Kurtosis of the activation over the tokens on which it is active, not in excess: 3 for a normal distribution";
        add("Kurtosis", moments.kurtosis, kurtosis);
    }
    if let Some(cosine) = summary.encoder_decoder_cosine {
        let words = "Cosine of its encoder row and its decoder row: 1 where it reads the direction that it writes";
        add("Encoder · decoder", cosine, words);
    }
    figures
}

fn actions_ui(ui: &mut Ui, page: Page<'_>, commands: &mut Commands) {
    let open = ui
        .button("Open in Prompt")
        .on_hover_text("Opens its strongest example, token by token");
    if open.clicked() {
        match page.detail.and_then(|detail| detail.top.first()) {
            Some(example) => commands.send(prompt::Command::Example {
                example: Box::new(example.clone()),
                at: example.at,
            }),
            None => commands.send(navigation::Command::Go(ViewId::Prompt)),
        }
    }
    let copy = ui
        .button("Copy link")
        .on_hover_text("Copies a link to this feature, for “umbra open” and “Open a link…”");
    if copy.clicked() {
        commands.send(navigation::Command::CopyLink(page.feature));
    }
    let sae = page.state.sae();
    if let Some(page_of) = sae.and_then(|sae| neuronpedia(sae)) {
        let address = format!("{page_of}/{}", page.feature);
        ui.hyperlink_to(RichText::new("Open on Neuronpedia").underline(), &address)
            .on_hover_text(&address);
    }
}

/// Previous and next feature, by buttons and by `[` and `]`.
fn steps_ui(ui: &mut Ui, state: &AppState, feature: FeatureId, commands: &mut Commands) {
    let last = state
        .sae()
        .map(|sae| sae.features())
        .or_else(|| Some(state.features.table.ready()?.summaries.len()))
        .map_or(0, |features| features.saturating_sub(1) as u32);
    let free = ui.memory(|memory| memory.focused().is_none());
    let steps = [
        (
            icons::CARET_LEFT,
            "Previous feature",
            Key::OpenBracket,
            feature.0.checked_sub(1),
        ),
        (
            icons::CARET_RIGHT,
            "Next feature",
            Key::CloseBracket,
            (feature.0 < last).then(|| feature.0 + 1),
        ),
    ];
    ui.spacing_mut().item_spacing.x = space::CHIP;
    for (symbol, name, key, target) in steps {
        let sign = if key == Key::OpenBracket { "[" } else { "]" };
        let button =
            egui::Button::new(icon(symbol)).min_size(vec2(space::CONTROL_ROW, space::CONTROL_ROW));
        let response = ui
            .add_enabled(target.is_some(), button)
            .on_hover_text(format!("{name} ({sign})"));
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, target.is_some(), name));
        let pressed = free && ui.input(|input| input.key_pressed(key));
        if let Some(target) = target.filter(|_| response.clicked() || pressed) {
            commands.send(navigation::Command::Feature {
                feature: FeatureId(target),
                beside: false,
            });
        }
    }
    ui.spacing_mut().item_spacing.x = space::CONTROL;
}
