//! The sentence in Prompt and its reading by model and dictionary. The labs work on the same sentence.

pub(crate) mod latency;
mod survey;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use umbra_core::ids::TokenId;
use umbra_core::models::Model;
use umbra_core::prompt::{Input, Reading};
use umbra_core::text::chat::Message;

use super::catalogue::DictionaryId;
use super::jobs::JobId;
use super::load::Load;

use self::latency::Latencies;
pub(crate) use self::survey::Surveyed;

/// Pause in typing after which the lens and the patterns of the sentence are computed, which take longer than its reading.
pub(crate) const PAUSE: Duration = Duration::from_millis(250);

/// Time after which the reading of a sentence that changed is stopped; a shorter one is finished and shown, so that colours follow the typing.
pub(crate) const PATIENCE: Duration = Duration::from_millis(150);

/// A sentence and the model that reads it: what a lens or a pattern is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// The sentence.
    pub(crate) input: Input,
    /// Identifies a model in memory: a job that uses it keeps it there.
    model: usize,
}

impl Sentence {
    /// `input`, read by `model`.
    pub(crate) fn new(input: Input, model: &Arc<Model>) -> Self {
        Self {
            input,
            model: Arc::as_ptr(model) as usize,
        }
    }

    /// Whether the same model reads both.
    pub(crate) fn same_model(&self, other: &Self) -> bool {
        self.model == other.model
    }
}

/// The dictionary that reads a sentence with the model; none where the model reads alone.
pub(crate) type Reader = Option<DictionaryId>;

/// The panel that Prompt shows for the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Side {
    /// Features of the dictionary on its tokens.
    #[default]
    Features,
    /// Features of every dictionary on its tokens, by layer.
    Layers,
    /// The sentence beside a second text.
    Beside,
    /// Two sets of texts, told apart.
    Sets,
    /// Next-token predictions of every layer.
    Lens,
    /// The attention of all heads.
    Attention,
}

impl Side {
    /// All, in the order of the tabs.
    pub(crate) const ALL: [Self; 6] = [
        Self::Features,
        Self::Layers,
        Self::Beside,
        Self::Sets,
        Self::Lens,
        Self::Attention,
    ];

    /// Its name on screen.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Features => "Features",
            Self::Layers => "By layer",
            Self::Beside => "Two texts",
            Self::Sets => "Two sets",
            Self::Lens => "Logit lens",
            Self::Attention => "Attention",
        }
    }
}

/// Sentence and reading.
#[derive(Debug, Default)]
pub(crate) struct PromptState {
    /// The panel shown.
    pub(crate) side: Side,
    /// The sentence; the text of `tokens` where there are any.
    pub(crate) text: String,
    /// Messages in the place of the sentence.
    pub(crate) chat: Option<Vec<Message>>,
    /// The sentence as tokens, until somebody types: the row of an example, which its text need not give again.
    pub(crate) tokens: Option<Tokens>,
    /// Time of the last keystroke.
    pub(crate) typed: Option<Instant>,
    /// The caret's byte in what is being typed: its token is selected when the sentence is read.
    pub(crate) caret: Option<usize>,
    /// The dictionary and input that the reading is for.
    pub(crate) reading_of: Option<(Reader, Input)>,
    /// The reading.
    pub(crate) reading: Load<Arc<Reading>>,
    /// The last reading that succeeded, shown until the next arrives, and its dictionary.
    pub(crate) last: Option<(Reader, Arc<Reading>)>,
    /// The reading on its way.
    pub(crate) flight: Option<Flight>,
    /// Number of readings begun so far.
    pub(crate) flights: u64,
    /// Times from key presses to new colours.
    pub(crate) latencies: Latencies,
    /// The ranked features of the reading that is shown.
    pub(super) surveyed: Option<Surveyed>,
}

/// A reading on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flight {
    /// Its number among all readings.
    pub(crate) number: u64,
    /// Its job.
    pub(crate) job: JobId,
    /// Its beginning.
    pub(crate) began: Instant,
}

impl Flight {
    /// Time until it is given up for the sake of another sentence; zero once that is due.
    pub(crate) fn patience(&self) -> Duration {
        PATIENCE.saturating_sub(self.began.elapsed())
    }
}

/// Name of a change of the sentence in undo messages.
pub(crate) const SENTENCE: &str = "sentence in Prompt";

/// The sentence in Prompt, with its tokens where they are fixed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Written {
    /// The sentence, or the text of the tokens.
    pub(crate) text: String,
    /// Tokens of an example that replace it.
    pub(crate) tokens: Option<Tokens>,
    /// Messages that replace it.
    pub(crate) chat: Option<Vec<Message>>,
}

/// Tokens of an index's text, in the place of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// The tokens.
    pub(crate) ids: Arc<[TokenId]>,
    /// Whether documents packed in them are kept apart.
    pub(crate) apart: bool,
    /// Their source, in words.
    pub(crate) of: String,
}

impl From<&str> for Written {
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            tokens: None,
            chat: None,
        }
    }
}

impl PromptState {
    /// Returns the model's input; none where the sentence is empty.
    pub(crate) fn input(&self) -> Option<Input> {
        let input = match &self.tokens {
            Some(tokens) => Input::Tokens {
                ids: Arc::clone(&tokens.ids),
                apart: tokens.apart,
            },
            None => self.asked(),
        };
        Some(input).filter(|input| !input.is_blank())
    }

    /// Returns what a continuation begins with: the messages, or the sentence as its text.
    pub(crate) fn asked(&self) -> Input {
        match self.chat() {
            Some(messages) => Input::Chat(messages.into()),
            None => Input::Text(self.text.clone()),
        }
    }

    /// Returns the messages, where they take the place of the sentence.
    pub(crate) fn chat(&self) -> Option<&[Message]> {
        self.chat.as_deref()
    }

    /// Whether the reading of the present sentence is there.
    pub(crate) fn is_read(&self) -> bool {
        let of = self.reading_of.as_ref().map(|(_, input)| input);
        self.reading.ready().is_some() && of == self.input().as_ref()
    }

    /// Returns the sentence with its fixed tokens.
    pub(crate) fn written(&self) -> Written {
        Written {
            text: self.text.clone(),
            tokens: self.tokens.clone(),
            chat: self.chat.clone(),
        }
    }

    /// The sentence is as good as never read.
    pub(super) fn forget_reading(&mut self) {
        self.reading_of = None;
        self.reading = Load::Absent;
        self.last = None;
        self.flight = None; // what is on its way is dropped
    }

    /// Time until the sentence is read, if somebody types.
    pub(crate) fn pause_left(&self) -> Option<Duration> {
        let left = PAUSE.checked_sub(self.typed?.elapsed())?;
        (!left.is_zero()).then_some(left)
    }
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// Another sentence; `typed` if letter by letter, so that reading waits for a pause.
    Text {
        /// The sentence.
        text: String,
        /// Whether somebody types.
        typed: bool,
    },
    /// Messages in the place of the sentence, which is set aside; `typed` if letter by letter.
    Chat {
        /// The messages.
        messages: Vec<Message>,
        /// Whether somebody types.
        typed: bool,
    },
    /// Somebody types, and the caret is before this byte.
    Caret(usize),
    /// Tokens in the place of a sentence.
    Tokens {
        /// The tokens.
        tokens: Tokens,
        /// Their text.
        text: String,
        /// The selected one.
        at: usize,
    },
    /// A sentence that was set aside comes back.
    Restored(Written),
    /// Another side of it is shown.
    Side(Side),
    /// A reading is asked for, arrived or failed.
    Reading(Reader, Input, Load<Arc<Reading>>),
    /// The frame that was just drawn shows the reading of the present sentence.
    Drawn,
    /// A reading is on its way.
    Began(Flight),
    /// The reading with this number ended: with its result or a sentence, or stopped.
    Landed(u64, Option<Load<Arc<Reading>>>),
    /// Undo or redo puts a sentence in place.
    Put(Written),
}
