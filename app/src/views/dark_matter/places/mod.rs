//! Where the error is: token by token on one text, and over the project's text by kind of token, position, token and context.

mod classes;
mod contexts;
mod largest;
pub(super) mod offer;
mod profile;
mod text;
mod tokens;

use egui::{Button, RichText, Ui};

use self::text::Shown;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::dark_matter::places::{Key, Part, Passage};
use crate::state::requests::dark_matter::places::Command;
use crate::state::requests::{Commands, navigation};
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, space};
use crate::views::report;
use crate::widgets::empty_state::failure_line;
use crate::widgets::grid::Selection;

/// Width from which the table of the largest errors stands beside the text.
const BESIDE: f32 = 1000.0;

/// Width of that table.
const LARGEST: f32 = 360.0;

/// Rows of that table without scrolling at least.
const LEAST: f32 = 10.0;

/// A part of the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Tab {
    /// One text, token by token.
    #[default]
    Text,
    /// Kinds of token and positions.
    Classes,
    /// Tokens of the vocabulary.
    Tokens,
    /// Contexts explained least and best.
    Contexts,
    /// Predictors of the size of the error.
    Size,
}

impl Tab {
    const ALL: [Self; 5] = [
        Self::Text,
        Self::Classes,
        Self::Tokens,
        Self::Contexts,
        Self::Size,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Text => "One text",
            Self::Classes => "Kinds and positions",
            Self::Tokens => "Tokens",
            Self::Contexts => "Contexts",
            Self::Size => "Its size",
        }
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let found = state.dark_matter.places.study.result(&id)?;
    Some(format!("{}.", found.conclusion()))
}

/// The panel, with what is chosen on it.
#[derive(Debug, Default)]
pub(super) struct Panel {
    tab: Tab,
    /// The row of the table of tokens.
    tokens: Selection,
    contexts: contexts::Choice,
    part: Part,
    token: Option<usize>,
    /// The row of the table of largest errors.
    largest: Selection,
}

impl Panel {
    /// Draws the panel.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let Some(dictionary) = state.dictionary() else {
            return;
        };
        let id = dictionary.id;
        let found = state.dark_matter.places.study.result(&id);
        if found.is_none() {
            offer::offer_ui(ui, state, id, commands);
        }
        ui.horizontal_wrapped(|ui| {
            for tab in Tab::ALL {
                let enabled = found.is_some() || tab == Tab::Text;
                let button = Button::selectable(self.tab == tab, tab.title());
                let button = ui.add_enabled(enabled, button);
                if button
                    .on_disabled_hover_text("Locate the error first")
                    .clicked()
                {
                    self.tab = tab;
                }
            }
        });
        ui.add_space(space::CHIP);
        let height = (ui.clip_rect().height() * 0.6).max(LEAST * space::TABLE_ROW);
        match (self.tab, found) {
            (Tab::Classes, Some(found)) => classes::classes_ui(ui, found),
            (Tab::Tokens, Some(found)) => {
                tokens::tokens_ui(ui, found, (&mut self.tokens, height));
            }
            (Tab::Contexts, Some(found)) => {
                contexts::contexts_ui(ui, found, &mut self.contexts, commands);
            }
            (Tab::Size, Some(found)) => classes::baselines_ui(ui, found),
            _ => {
                ask(state, dictionary, commands);
                text::text_ui(ui, state, commands);
                ui.add_space(space::CONTROL);
                return self.errors_ui(ui, state, commands);
            }
        }
        ui.add_space(space::CONTROL);
        if let Some(found) = found {
            report::add_ui(ui, commands, || found.section());
        }
        offer::offer_ui(ui, state, id, commands);
    }

    fn errors_ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let lab = &state.dark_matter.places;
        let apart = lab.shown();
        match &apart.errors {
            Load::Absent if lab.held_out_row.is_some() && lab.held_out.failure().is_none() => {
                let secondary = Theme::from_ui(ui).ink.secondary;
                ui.label(RichText::new("Reading the held-out text…").color(secondary));
            }
            Load::Absent => {}
            Load::Loading => {
                let secondary = Theme::from_ui(ui).ink.secondary;
                ui.label(RichText::new("Reading the text…").color(secondary));
            }
            Load::Failed(why) => failure_line(ui, "Could not decompose the error", why),
            Load::Ready(errors) => {
                let sentence = lab.held_out_row.is_none();
                let token = if sentence {
                    state.selection.token
                } else {
                    self.token
                };
                let split = apart.of.as_ref().is_some_and(|key| key.fit.is_some());
                let shown = Shown {
                    errors,
                    split,
                    token: token.filter(|token| *token < errors.texts.len()),
                };
                let chosen = self.split_ui(ui, &shown);
                if let Some(token) = chosen {
                    if sentence {
                        commands.send(navigation::Command::SelectToken(Some(token)));
                    } else {
                        self.token = Some(token);
                    }
                }
            }
        }
    }

    /// Text and, where there is room, the table of the largest errors beside it; returns the token that was chosen.
    fn split_ui(&mut self, ui: &mut Ui, shown: &Shown<'_>) -> Option<usize> {
        let all = ui.available_width();
        if all < BESIDE {
            return text::errors_ui(ui, shown, &mut self.part);
        }
        let height = ui.clip_rect().bottom() - ui.cursor().top() - 2.0 * space::CONTROL_ROW;
        let height = height.max(LEAST * space::TABLE_ROW);
        let mut chosen = None;
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            ui.vertical(|ui| {
                ui.set_width(all - LARGEST - space::GROUP);
                chosen = text::errors_ui(ui, shown, &mut self.part);
            });
            ui.vertical(|ui| {
                ui.set_width(LARGEST);
                ui.label(body_strong("Largest errors"));
                let place = (&mut self.largest, height);
                chosen = largest::largest_ui(ui, shown, self.part, place).or(chosen);
            });
        });
        chosen
    }
}

/// Asks for everything that the panel shows and that was not requested yet.
fn ask(state: &AppState, dictionary: &Dictionary, commands: &mut Commands) {
    let lab = &state.dark_matter.places;
    if state.dark_matter.fit.of != Some(dictionary.id) {
        return;
    }
    if lab.held_out_row.is_some() && lab.held_out.is_absent() {
        commands.send(Command::ReadHeldOut);
    }
    if let Some(key) = wanted(state, dictionary)
        && lab.shown().of.as_ref() != Some(&key)
        && !state.dark_matter.fit.probe.is_loading()
    {
        commands.send(Command::TakeApart(key));
    }
}

/// Returns the passage to decompose.
fn wanted(state: &AppState, dictionary: &Dictionary) -> Option<Key> {
    let lab = &state.dark_matter.places;
    let passage = match lab.held_out_row {
        Some(row) => {
            lab.held_out.ready()?;
            Passage::HeldOut(row)
        }
        None => Passage::Sentence(state.prompt.input()?),
    };
    Some(Key {
        dictionary: dictionary.id,
        passage,
        fit: state.dark_matter.fit.number(dictionary.id),
    })
}
