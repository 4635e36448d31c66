//! Real text that shows what a head does: contexts of the survey's text in which its behaviour is strongest, and the whole pattern of one of them.

use std::sync::Arc;

use egui::{Button, Label, RichText, Ui};
use umbra_core::heads::survey::{HeadExample, Role};
use umbra_core::ids::{Head, Layer, TokenId};
use umbra_core::models::Model;

use crate::memo::Memo;
use crate::state::heads::name;
use crate::state::heads::survey::PatternOf;
use crate::state::prompt::Side as PromptSide;
use crate::state::requests::{Commands, heads, navigation, prompt};
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, caption, mono_caption, panel_title, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::heat_map::Side;
use crate::widgets::matrix_map::MatrixMap;
use crate::widgets::token_strip::{Tint, TokenStrip};
use crate::widgets::{legend, number};

/// Longest side of the pattern.
const PATTERN: f32 = 300.0;

/// Definition of the tints of a context.
const WEIGHT: &str = "Attention weight of the outlined token to each token up to it, after softmax (hook_pattern), as measured in the survey's text";

/// Definition of the numbers of the pattern.
const CELL: &str = "Attention weight after softmax (hook_pattern): the share of a destination token's attention that goes to a source token; a destination's weights sum to 1";

/// The contexts of one head, prepared for drawing, and the one that is shown whole.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    chosen: usize,
    of: Option<(Layer, Head)>,
    contexts: Memo<(usize, (Layer, Head)), Vec<Context>>,
}

/// A context prepared for drawing.
#[derive(Debug, Clone, PartialEq)]
struct Context {
    /// Display forms of its tokens.
    texts: Vec<String>,
    /// The token that attends.
    query: usize,
    /// Its attention to every token; 0 after it.
    weights: Vec<f32>,
    /// Name of the button that shows it.
    title: String,
    /// Destination and source, and how the two belong together.
    sentence: String,
    /// The tokens that are read for the whole pattern, with BOS where the context begins within the text.
    read: Vec<TokenId>,
    /// Tokens that were put before the context.
    before: usize,
    /// Row of the text and place in it, in words.
    place: String,
}

impl Context {
    fn new(model: &Model, example: &HeadExample, behaviour: Option<Role>) -> Self {
        let codec = model.codec();
        let texts: Vec<String> = example.tokens.iter().map(|id| codec.display(*id)).collect();
        let query = (example.query as usize).min(texts.len().saturating_sub(1));
        let mut weights = example.attention.clone();
        weights.resize(texts.len(), 0.0);
        let bos = codec.bos().id.filter(|_| example.from > 0);
        let read: Vec<TokenId> = bos
            .into_iter()
            .chain(example.tokens.iter().copied())
            .collect();
        let (title, sentence) = told(example, &texts, behaviour);
        Self {
            query,
            weights,
            title,
            sentence,
            before: usize::from(bos.is_some()),
            read,
            place: format!(
                "row {} of the survey's text, from token {}",
                example.row, example.from
            ),
            texts,
        }
    }
}

/// The strongest source of a context; none where most of the attention lies before it.
fn strongest(example: &HeadExample) -> Option<(usize, f32)> {
    let here: f32 = example.attention.iter().sum();
    let weights = example.attention.iter().copied().enumerate();
    let (at, most) = weights.reduce(|most, one| if one.1 > most.1 { one } else { most })?;
    (most >= 1.0 - here).then_some((at, most))
}

/// A token in quotes, its line breaks visible.
fn quoted(text: &str) -> String {
    format!("“{}”", text.replace('\n', "⏎"))
}

/// The name and the sentence of a context.
fn told(example: &HeadExample, texts: &[String], behaviour: Option<Role>) -> (String, String) {
    let query = example.query as usize;
    let text = |at: usize| texts.get(at).map_or_else(String::new, |text| quoted(text));
    let Some((source, weight)) = strongest(example) else {
        let here: f32 = example.attention.iter().sum();
        let before = number::percent(f64::from(1.0 - here));
        let sentence = format!(
            "{} attends mostly to tokens before this context ({before})",
            text(query)
        );
        return (text(query), sentence);
    };
    let percent = number::percent(f64::from(weight));
    let belongs = relation(example, source, behaviour)
        .map(|how| match how {
            Relation::After => format!(", the token after the earlier {}", text(source - 1)),
            Relation::Copy => ", an earlier copy of it".to_owned(),
            Relation::Before => ", the token before".to_owned(),
            Relation::Itself => ", that is to itself".to_owned(),
            Relation::First => ", the first token of the text".to_owned(),
        })
        .unwrap_or_default();
    (
        format!("{} → {}", text(query), text(source)),
        format!(
            "{} attends to {} ({percent} of its attention){belongs}",
            text(query),
            text(source)
        ),
    )
}

/// How a source belongs to the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// It follows an earlier copy of the query.
    After,
    /// It is an earlier copy.
    Copy,
    /// It is the token before.
    Before,
    /// It is the query.
    Itself,
    /// It is the first token.
    First,
}

/// The relation that a behaviour names where it holds, else the first that does.
fn relation(example: &HeadExample, source: usize, behaviour: Option<Role>) -> Option<Relation> {
    let (tokens, query) = (&example.tokens, example.query as usize);
    let token = tokens.get(query)?;
    let holds = |relation: Relation| match relation {
        Relation::After => source >= 1 && source <= query && tokens.get(source - 1) == Some(token),
        Relation::Copy => source < query && tokens.get(source) == Some(token),
        Relation::Before => source + 1 == query,
        Relation::Itself => source == query,
        Relation::First => source == 0 && example.from == 0,
    };
    let own = behaviour.map(|behaviour| match behaviour {
        Role::Induction => Relation::After,
        Role::DuplicateToken => Relation::Copy,
        Role::PreviousToken => Relation::Before,
        Role::SameToken => Relation::Itself,
        Role::FirstToken => Relation::First,
    });
    let all = [
        Relation::Itself,
        Relation::After,
        Relation::Copy,
        Relation::Before,
        Relation::First,
    ];
    own.into_iter().chain(all).find(|relation| holds(*relation))
}

impl Patterns {
    /// The contexts of a head, and the one that is shown.
    fn of(&mut self, state: &AppState, head: (Layer, Head)) -> Option<(&[Context], usize)> {
        if self.of != Some(head) {
            (self.of, self.chosen) = (Some(head), 0);
        }
        let model = &state.model()?.model;
        let kept = state.heads.survey.load.ready()?;
        let examples = kept.survey.examples_of(head.0, head.1)?;
        let key = (Arc::as_ptr(kept) as usize, head);
        let contexts = self.contexts.get(key, |_| {
            let each = examples.contexts.iter();
            each.map(|example| Context::new(model, example, examples.behaviour))
                .collect()
        });
        Some((contexts, self.chosen.min(contexts.len().saturating_sub(1))))
    }

    /// Draws the chosen context: what attends to what in it, in words and as tints.
    pub(super) fn context_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        head: (Layer, Head),
        commands: &mut Commands,
    ) {
        let Some((contexts, chosen)) = self.of(state, head) else {
            return;
        };
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(panel_title("On real text"));
        let Some(context) = contexts.get(chosen) else {
            let words = "The survey's text has no context in which this head's behaviour shows";
            ui.label(RichText::new(words).color(secondary));
            return;
        };
        let mut choose = None;
        ui.horizontal_wrapped(|ui| {
            for (at, one) in contexts.iter().enumerate() {
                let button = Button::selectable(at == chosen, mono_caption(&one.title));
                if ui.add(button).on_hover_text(&one.sentence).clicked() {
                    choose = Some(at);
                }
            }
        });
        ui.add(Label::new(&context.sentence).wrap());
        let most = context.weights.iter().fold(0.0_f32, |most, w| most.max(*w));
        legend::sequential(ui, "attention weight", Hue::Model, f64::from(most));
        let mut card = |ui: &mut Ui, token: usize| {
            let text = quoted(&context.texts[token]);
            ui.label(mono_caption(format!("{text}, position {token}")));
            let weight = number::number(f64::from(context.weights[token]));
            ui.label(caption(format!("weight {weight}")));
        };
        TokenStrip::new("Context of the head", &context.texts)
            .values(&context.weights, most.max(f32::MIN_POSITIVE))
            .tint(Tint::Sequential(Hue::Model))
            .definition(WEIGHT)
            .selected(Some(context.query..=context.query))
            .card(&mut card)
            .show(ui);
        ui.add_space(space::CHIP);
        ui.horizontal_wrapped(|ui| {
            let help = "Puts this text into Prompt in place of the sentence, where features and attributions are read; Back restores the sentence";
            if ui.button("Read it in Prompt").on_hover_text(help).clicked() {
                read(head, context, commands);
            }
            ui.label(caption(&context.place).color(secondary));
        });
        if let Some(at) = choose {
            self.chosen = at;
        }
    }

    /// Draws the whole pattern on the chosen context; asks for it where it is not known.
    pub(super) fn pattern_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        head: (Layer, Head),
        commands: &mut Commands,
    ) {
        let Some((contexts, chosen)) = self.of(state, head) else {
            return;
        };
        let Some(context) = contexts.get(chosen) else {
            return;
        };
        let survey = &state.heads.survey;
        let of: PatternOf = (head.0, context.read.clone());
        let known = survey.pattern_of.as_ref() == Some(&of);
        if !known {
            commands.send(heads::survey::Command::Pattern(of));
        }
        ui.label(panel_title("Whole pattern"));
        let patterns = match &survey.pattern {
            Load::Ready(patterns) if known => patterns,
            Load::Failed(why) if known => {
                failure_line(ui, "Could not compute the pattern", why);
                return;
            }
            _ => {
                let secondary = Theme::from_ui(ui).ink.secondary;
                ui.label(RichText::new("Computing the pattern…").color(secondary));
                return;
            }
        };
        if context.before > 0 {
            let words =
                "Read anew after a BOS, without the text before it: weights differ a little";
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.add(Label::new(caption(words).color(secondary)).wrap());
        }
        let title = format!("Pattern of head {} on the context", name(head));
        let side = |title| Side {
            title,
            names: &patterns.texts,
        };
        let values = patterns.of(head.1);
        let map = MatrixMap {
            name: &title,
            title: "attention weight",
            rows: side("destination"),
            columns: side("source"),
            values,
            revision: Arc::as_ptr(patterns) as u64 + u64::from(head.1.0),
            most: 1.0,
            tint: Tint::Sequential(Hue::Model),
            selected: Some(context.query + context.before),
            side: PATTERN,
            definition: CELL,
        };
        map.ui(ui, &|row, column| {
            format!(
                "{} at {row} attends to {} at {column}: {}",
                quoted(&patterns.texts[row]),
                quoted(&patterns.texts[column]),
                number::number(f64::from(values[row * patterns.texts.len() + column]))
            )
        });
        ui.add_space(space::CONTROL);
    }
}

/// Puts a context into Prompt and shows the head's attention there.
fn read(head: (Layer, Head), context: &Context, commands: &mut Commands) {
    commands.send(navigation::Command::SelectHead(head.0, head.1));
    commands.send(prompt::Command::Show(PromptSide::Attention));
    commands.send(prompt::Command::Excerpt {
        apart: false,
        ids: context.read.as_slice().into(),
        of: context.place.clone(),
        at: context.query + context.before,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(tokens: &[u32], query: u32, attention: &[f32], from: u32) -> HeadExample {
        HeadExample {
            row: 0,
            from,
            tokens: tokens.iter().copied().map(TokenId).collect(),
            query,
            attention: attention.to_vec(),
            strength: 0.5,
        }
    }

    #[test]
    fn a_context_says_what_attends_to_what_and_how_they_belong_together() {
        let texts: Vec<String> = [" the", " fox", " saw", " the"].map(String::from).to_vec();
        let tokens = [1, 2, 3, 1];
        let check = |attention: &[f32], behaviour, want: &str| {
            let (_, sentence) = told(&example(&tokens, 3, attention, 0), &texts, behaviour);
            assert!(sentence.ends_with(want), "{sentence}");
        };
        let induction = Some(Role::Induction);
        let fox = "“ fox” (75.0\u{202F}% of its attention), the token after the earlier “ the”";
        check(&[0.1, 0.75, 0.1, 0.05], induction, fox);
        check(&[0.75, 0.1, 0.1, 0.05], None, "), an earlier copy of it");
        check(
            &[0.75, 0.1, 0.1, 0.05],
            Some(Role::FirstToken),
            "), the first token of the text",
        );
        check(
            &[0.1, 0.1, 0.75, 0.05],
            Some(Role::PreviousToken),
            "), the token before",
        );
        check(&[0.1, 0.1, 0.05, 0.75], None, "), that is to itself");
    }

    #[test]
    fn what_lies_before_a_context_is_not_said_of_a_token_in_it() {
        let texts: Vec<String> = ["a", "b"].map(String::from).to_vec();
        let cut = example(&[1, 2], 1, &[0.25, 0.125], 7);
        let (title, sentence) = told(&cut, &texts, Some(Role::FirstToken));
        assert_eq!(title, "“b”");
        let want = "“b” attends mostly to tokens before this context (62.5\u{202F}%)";
        assert_eq!(sentence, want);
    }
}
