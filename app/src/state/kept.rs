//! The state of a project's screens that survives a restart, as it is written: sentence, filter, selection, edits, tiles, places and scroll positions.
//! Dictionaries and the model stand in it by fingerprint, so that what belonged to others is dropped when it is read again (`apply/resume.rs`).

mod edits;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use umbra_core::ids::{FeatureId, Head, Layer, TokenId};
use umbra_core::text::chat::Message;

pub(crate) use self::edits::Edits;
use super::catalogue::{Dictionary, DictionaryId};
use super::dark_matter::question::Question;
use super::evaluation::tab::Tab as EvaluationTab;
use super::heads::map::MapState;
use super::heads::step::Shown;
use super::layout::{self, Saved};
use super::prompt::{Side, Tokens, Written};
use super::selection::Focus;
use super::steering::Draft;
use super::steering::tab::Tab;
use super::view::ViewId;

/// Scroll positions by the name of what is scrolled.
pub(crate) type Scrolls = BTreeMap<String, f32>;

/// All of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    /// The sentence in Prompt.
    pub(crate) sentence: Sentence,
    /// The panel that Prompt shows.
    pub(crate) side: Side,
    /// The second text in Prompt.
    pub(crate) second: String,
    /// Two sets of texts in Prompt.
    pub(crate) sets: [String; 2],
    /// Filter of the table in Features.
    pub(crate) filter: String,
    /// Dictionaries that the rest names by their place in this list.
    pub(crate) dictionaries: Vec<Named>,
    /// The dictionary in use.
    pub(crate) dictionary: Option<usize>,
    /// The feature selected in it.
    pub(crate) feature: Option<u32>,
    /// The token selected.
    pub(crate) token: Option<usize>,
    /// Layer and number of the head selected.
    pub(crate) head: Option<(u32, u32)>,
    /// The step of Heads.
    pub(crate) shown: Shown,
    /// The question of Dark matter.
    pub(crate) question: Question,
    /// The tab of Steering.
    pub(crate) tab: Tab,
    /// The tab of Evaluation.
    pub(crate) evaluation: EvaluationTab,
    /// Appearance of the map of heads.
    pub(crate) map: MapState,
    /// The kind of thing selected last.
    pub(crate) focus: Focus,
    /// Fingerprint of the model that fixed tokens and heads are of.
    pub(crate) model: String,
    /// The form of Steering.
    pub(crate) edits: Edits,
    /// The tiles.
    pub(crate) tiles: Option<Saved>,
    /// The back and forward list.
    pub(crate) places: Vec<Place>,
    /// The present place in it.
    pub(crate) at: usize,
    /// Scroll positions.
    pub(crate) scrolls: Scrolls,
}

/// A dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    /// Its name.
    pub(crate) name: String,
    /// Its fingerprint; empty: its weights were never read.
    pub(crate) fingerprint: String,
}

/// A sentence, with its tokens where they are fixed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Sentence {
    /// The sentence, or the text of the tokens.
    pub(crate) text: String,
    /// Tokens that replace it.
    pub(crate) tokens: Option<Fixed>,
    /// Messages that replace it.
    pub(crate) chat: Option<Vec<Message>>,
}

/// Tokens in the place of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fixed {
    /// The tokens.
    ids: Vec<u32>,
    /// Whether documents packed in them are kept apart.
    apart: bool,
    /// Their source, in words.
    of: String,
}

/// A place of the back and forward list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The screen.
    pub(crate) view: ViewId,
    /// The dictionary selected there.
    #[serde(default)]
    pub(crate) dictionary: Option<usize>,
    /// The feature selected there.
    #[serde(default)]
    pub(crate) feature: Option<u32>,
    /// The step of Heads there, with layer and number of its head.
    #[serde(default)]
    pub(crate) heads: Option<(Shown, Option<(u32, u32)>)>,
    /// The question of Dark matter there.
    #[serde(default)]
    pub(crate) question: Option<Question>,
    /// The tab of Steering there.
    #[serde(default)]
    pub(crate) tab: Option<Tab>,
    /// The tab of Evaluation there.
    #[serde(default)]
    pub(crate) evaluation: Option<EvaluationTab>,
    /// The sentence set aside there.
    #[serde(default)]
    pub(crate) aside: Option<Sentence>,
}

/// The state that was kept, with the dictionaries of the project that is open.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resumed {
    /// The sentence in Prompt.
    pub(crate) written: Written,
    /// The panel that Prompt shows.
    pub(crate) side: Side,
    /// The second text in Prompt.
    pub(crate) second: String,
    /// Two sets of texts in Prompt.
    pub(crate) sets: [String; 2],
    /// Filter of the table in Features.
    pub(crate) filter: String,
    /// Fingerprints that dictionaries had.
    pub(crate) claims: BTreeMap<DictionaryId, String>,
    /// The dictionary in use.
    pub(crate) dictionary: Option<DictionaryId>,
    /// The feature selected in it.
    pub(crate) feature: Option<FeatureId>,
    /// The token selected.
    pub(crate) token: Option<usize>,
    /// The head selected.
    pub(crate) head: Option<(Layer, Head)>,
    /// The step of Heads.
    pub(crate) shown: Shown,
    /// The question of Dark matter.
    pub(crate) question: Question,
    /// The tab of Steering.
    pub(crate) tab: Tab,
    /// The tab of Evaluation.
    pub(crate) evaluation: EvaluationTab,
    /// Appearance of the map of heads.
    pub(crate) map: MapState,
    /// The kind of thing selected last.
    pub(crate) focus: Focus,
    /// Fingerprint of the model that fixed tokens and the head are of.
    pub(crate) model: String,
    /// The form of Steering.
    pub(crate) draft: Draft,
    /// Tiles, places and scroll positions.
    pub(crate) around: Around,
}

/// The part that the layout takes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Around {
    /// The tiles; none: as they are.
    pub(crate) tiles: Option<Saved>,
    /// The back and forward list.
    pub(crate) places: Vec<layout::Place>,
    /// The present place in it.
    pub(crate) at: usize,
    /// Scroll positions.
    pub(crate) scrolls: Scrolls,
}

impl Kept {
    /// Finds the dictionaries that it names in those of the open project. What was about a dictionary that is gone is left out.
    pub(crate) fn resumed(self, dictionaries: &[Dictionary]) -> Resumed {
        let mut left: Vec<&Dictionary> = dictionaries.iter().collect();
        let ids: Vec<Option<DictionaryId>> = (self.dictionaries.iter())
            .map(|named| {
                let at = left.iter().position(|d| d.name == named.name)?;
                Some(left.remove(at).id)
            })
            .collect();
        let id = |at: Option<usize>| ids.get(at?).copied().flatten();
        let claims = ids.iter().zip(&self.dictionaries);
        let claims = claims.filter_map(|(id, named)| Some(((*id)?, named.fingerprint.clone())));
        let dictionary = id(self.dictionary);
        let head = |(layer, head)| (Layer(layer), Head(head));
        let place = |place: Place| {
            let dictionary = id(place.dictionary);
            let gone = place.dictionary.is_some() && dictionary.is_none();
            (!gone).then(|| layout::Place {
                view: place.view,
                dictionary,
                feature: place
                    .feature
                    .filter(|_| dictionary.is_some())
                    .map(FeatureId),
                heads: (place.heads).map(|(shown, of)| (shown, of.map(head))),
                question: place.question,
                tab: place.tab,
                evaluation: place.evaluation,
                aside: place.aside.map(Sentence::written),
            })
        };
        let before = self.places.iter().take(self.at + 1);
        let gone = |place: &&Place| place.dictionary.is_some() && id(place.dictionary).is_none();
        let at = self.at - before.filter(gone).count().min(self.at);
        let places: Vec<_> = self.places.into_iter().filter_map(place).collect();
        Resumed {
            written: self.sentence.written(),
            side: self.side,
            second: self.second,
            sets: self.sets,
            filter: self.filter,
            claims: claims.collect(),
            dictionary,
            feature: self.feature.filter(|_| dictionary.is_some()).map(FeatureId),
            token: self.token,
            head: self.head.map(head),
            shown: self.shown,
            question: self.question,
            tab: self.tab,
            evaluation: self.evaluation,
            map: self.map,
            focus: self.focus,
            model: self.model,
            draft: self.edits.draft(),
            around: Around {
                tiles: self.tiles,
                at: at.min(places.len().saturating_sub(1)),
                places,
                scrolls: self.scrolls,
            },
        }
    }
}

impl Sentence {
    /// Takes a sentence.
    pub(crate) fn new(written: &Written) -> Self {
        let fixed = |tokens: &Tokens| Fixed {
            ids: tokens.ids.iter().map(|id| id.0).collect(),
            apart: tokens.apart,
            of: tokens.of.clone(),
        };
        Self {
            text: written.text.clone(),
            tokens: written.tokens.as_ref().map(fixed),
            chat: written.chat.clone(),
        }
    }

    fn written(self) -> Written {
        let tokens = self.tokens.map(|fixed| Tokens {
            ids: fixed.ids.into_iter().map(TokenId).collect(),
            apart: fixed.apart,
            of: fixed.of,
        });
        Written {
            text: self.text,
            tokens,
            chat: self.chat,
        }
    }
}
