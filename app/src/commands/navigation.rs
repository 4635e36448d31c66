//! Screens, the selection, back and forward.

use umbra_core::ids::{FeatureId, Head, Layer};

use super::Context;
use crate::state::catalogue::DictionaryId;
use crate::state::{Event, selection};
use crate::views::ViewId;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The active tile shows this screen.
    Go(ViewId),
    /// A tile beside the active one shows this screen.
    Beside(ViewId),
    /// Select a feature and show its page (in a tile beside if so).
    Feature {
        /// Which.
        feature: FeatureId,
        /// Whether in a tile beside.
        beside: bool,
    },
    /// Select a dictionary.
    SelectDictionary(DictionaryId),
    /// Select a feature without leaving the screen.
    SelectFeature(Option<FeatureId>),
    /// Select a token of the prompt.
    SelectToken(Option<usize>),
    /// Select a head.
    SelectHead(Layer, Head),
    /// To the place before.
    Back,
    /// To the place after.
    Forward,
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        let select = |event| Event::Selection(event);
        match self {
            Self::Go(view) => context.layout.go(view, &context.state.selection),
            Self::Beside(view) => beside(context, view),
            Self::Feature { feature, beside } => {
                context.apply(select(selection::Event::Feature(Some(feature))));
                if beside {
                    self::beside(context, ViewId::Feature);
                } else {
                    let selection = &context.state.selection;
                    context.layout.go(ViewId::Feature, selection);
                }
            }
            Self::SelectDictionary(id) => context.apply(select(selection::Event::Dictionary(id))),
            Self::SelectFeature(feature) => {
                context.apply(select(selection::Event::Feature(feature)));
            }
            Self::SelectToken(token) => context.apply(select(selection::Event::Token(token))),
            Self::SelectHead(layer, head) => {
                context.apply(select(selection::Event::Head(layer, head)));
            }
            Self::Back => walk(context, false),
            Self::Forward => walk(context, true),
        }
    }
}

/// A tile more can be undone; a tile that becomes active is no change.
fn beside(context: &mut Context<'_>, view: ViewId) {
    let open = |context: &mut Context<'_>| {
        context.layout.beside(view, &context.state.selection);
    };
    if context.layout.has(view) {
        open(context);
    } else {
        super::shell::rearrange(context, "opened beside", open);
    }
}

/// One step in the list of places; the feature that was selected there is selected again.
fn walk(context: &mut Context<'_>, forward: bool) {
    let Some(place) = context.layout.walk(forward) else {
        return;
    };
    if let Some(dictionary) = place.dictionary {
        context.apply(Event::Selection(selection::Event::Dictionary(dictionary)));
    }
    if place.feature.is_some() {
        context.apply(Event::Selection(selection::Event::Feature(place.feature)));
    }
}
