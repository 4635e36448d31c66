//! Prompts with two names: made from templates with names of one token, or read from lines of JSON; with the positions that matter found in their tokens.

use rand::seq::IndexedRandom as _;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::Model;

/// Format of a file of prompts, as a phrase.
pub const FORMAT: &str = "one JSON object a line, {\"prompt\": \"When Mary and John went to the garden, John gave a letter to\", \"io\": \"Mary\", \"s\": \"John\"}: the prompt ends before IO, names are one token each with a space before them, S occurs twice or more";

/// Names of the templates; a model uses those that are one token with a space before them.
pub const NAMES: [&str; 48] = [
    "Mary", "John", "Tom", "Alice", "James", "Peter", "Paul", "Jack", "Sarah", "Emma", "George",
    "Henry", "William", "Charles", "Robert", "David", "Lucy", "Jane", "Kate", "Ben", "Rose",
    "Margaret", "Edward", "Arthur", "Jim", "Harry", "Frank", "Martha", "Susan", "Laura", "Helen",
    "Clara", "Grace", "Nancy", "Amy", "Eric", "Richard", "Martin", "Michael", "Daniel", "Anna",
    "Simon", "Andrew", "Adam", "Scott", "Kevin", "Jason", "Ruth",
];
/// Places of the templates.
pub const PLACES: [&str; 8] = [
    "garden", "house", "forest", "river", "market", "school", "village", "town",
];
/// Objects of the templates.
pub const OBJECTS: [&str; 8] = [
    "book", "ring", "letter", "flower", "cake", "ball", "hat", "cup",
];
/// Sentences: A and B are the names in their order, S the subject.
pub const FRAMES: [&str; 4] = [
    "When A and B went to the PLACE, S gave a OBJECT to",
    "After A and B went to the PLACE, S gave a OBJECT to",
    "Then A and B went to the PLACE. S gave a OBJECT to",
    "When A and B came back from the PLACE, S gave the OBJECT to",
];
/// Fewest names: two of the prompt and two that replace them.
pub(super) const LEAST_NAMES: usize = 4;

/// Order of the first mentions of both names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// IO first.
    Abba,
    /// S first.
    Baba,
}

impl Order {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Abba => "ABBA",
            Self::Baba => "BABA",
        }
    }
}

/// A prompt and the positions in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Text.
    pub text: String,
    /// Its tokens, BOS included where the model's texts have one.
    pub tokens: Vec<TokenId>,
    /// Answer: the name that occurs once.
    pub io: TokenId,
    /// Name that occurs again.
    pub s: TokenId,
    /// Position of the last S.
    pub s2: usize,
    /// Order of the first mentions.
    pub order: Order,
    /// Position of "and" between the names before S2, where there is one.
    pub and: Option<usize>,
    /// Position of the comma or full stop between the names and S2, where there is one.
    pub stop: Option<usize>,
    /// Tokens of both names without a space before them, IO's first.
    pub(super) bare: [Option<TokenId>; 2],
}

impl Prompt {
    /// Returns whether `token` is a name: 0 for IO, 1 for S.
    pub(super) fn name_of(&self, token: TokenId) -> Option<usize> {
        let [io, s] = self.bare;
        if token == self.io || Some(token) == io {
            Some(0)
        } else if token == self.s || Some(token) == s {
            Some(1)
        } else {
            None
        }
    }

    /// Finds the positions of a prompt. An error says what the prompt lacks.
    pub fn new(model: &Model, text: &str, io: &str, s: &str) -> Result<Self> {
        let codec = model.codec();
        let tokens = codec.encode_with_bos(text)?;
        if tokens.len() > model.config().context {
            return Err(lacks(
                text,
                "has more tokens than the model reads; shorten it",
            ));
        }
        let one = |name: &str| {
            spaced(model, name)?.ok_or_else(|| {
                lacks(
                    text,
                    &format!(
                        "has the name {name}, which is not one token of {}; choose another name",
                        model.name()
                    ),
                )
            })
        };
        let bare = |name: &str| codec.token_of(name.trim());
        let mut prompt = Self {
            text: text.to_owned(),
            io: one(io)?,
            s: one(s)?,
            s2: 0,
            order: Order::Abba,
            and: None,
            stop: None,
            bare: [bare(io), bare(s)],
            tokens,
        };
        let places = |which: usize| -> Vec<usize> {
            let all = prompt.tokens.iter().enumerate();
            all.filter(|(_, token)| prompt.name_of(**token) == Some(which))
                .map(|(at, _)| at)
                .collect()
        };
        let (ios, subjects) = (places(0), places(1));
        let (Some(first_io), [first_s, .., s2]) = (ios.first(), subjects.as_slice()) else {
            let what = format!(
                "needs the name {io} and the name {s} twice; the names are of one token each"
            );
            return Err(lacks(text, &what));
        };
        let (s2, order) = (
            *s2,
            if first_io < first_s {
                Order::Abba
            } else {
                Order::Baba
            },
        );
        // The last mentions of both names before S2 stand around "and".
        let before = subjects.iter().rev().nth(1).copied().unwrap_or(*first_s);
        let other = ios
            .iter()
            .copied()
            .filter(|at| *at < s2)
            .max_by_key(|at| std::cmp::Reverse(at.abs_diff(before)));
        let between = other.map(|other| (other.min(before), other.max(before)));
        let text_of = |at: usize| codec.display(prompt.tokens[at]);
        let and =
            between.and_then(|(from, to)| (from + 1..to).find(|at| text_of(*at).trim() == "and"));
        let stop = between.and_then(|(_, to)| {
            (to + 1..s2)
                .rev()
                .find(|at| [",", "."].contains(&text_of(*at).trim()))
        });
        (prompt.s2, prompt.order, prompt.and, prompt.stop) = (s2, order, and, stop);
        Ok(prompt)
    }
}

fn lacks(text: &str, what: &str) -> Error {
    Error::setting("prompts", format!("\"{text}\" {what}"))
}

/// Returns the token of a name with a space before it, if it is one token.
pub fn spaced(model: &Model, name: &str) -> Result<Option<TokenId>> {
    let tokens = model.codec().encode(&format!(" {}", name.trim()))?;
    Ok(match tokens.as_slice() {
        [token] => Some(*token),
        _ => None,
    })
}

/// Returns the names of the templates that are one token of the model, with their tokens.
pub(super) fn names(model: &Model) -> Result<Vec<(&'static str, TokenId)>> {
    let mut found = Vec::new();
    for name in NAMES {
        if let Some(token) = spaced(model, name)? {
            found.push((name, token));
        }
    }
    Ok(found)
}

/// Makes prompts from templates, as many that name IO first as S first (one more for odd numbers); `seed` decides names, places and objects.
pub fn from_templates(model: &Model, count: usize, seed: u64) -> Result<Vec<Prompt>> {
    let names = names(model)?;
    if names.len() < LEAST_NAMES {
        let what = format!(
            "{} of the {} names of the templates are one token of {}, four are needed: give prompts of your own",
            names.len(),
            NAMES.len(),
            model.name()
        );
        return Err(Error::setting("prompts", what));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut prompts = Vec::with_capacity(count);
    for number in 0..count {
        let two: Vec<&str> = names
            .choose_multiple(&mut rng, 2)
            .map(|(name, _)| *name)
            .collect();
        let [io, s] = [two[0], two[1]];
        let [first, second] = if number % 2 == 0 { [io, s] } else { [s, io] };
        let frame = FRAMES[rng.random_range(0..FRAMES.len())];
        let place = PLACES[rng.random_range(0..PLACES.len())];
        let object = OBJECTS[rng.random_range(0..OBJECTS.len())];
        let words: Vec<String> = frame
            .split(' ')
            .map(|word| {
                let bare = word.trim_end_matches([',', '.']);
                let put = match bare {
                    "A" => first,
                    "B" => second,
                    "S" => s,
                    "PLACE" => place,
                    "OBJECT" => object,
                    other => other,
                };
                format!("{put}{}", &word[bare.len()..])
            })
            .collect();
        prompts.push(Prompt::new(model, &words.join(" "), io, s)?);
    }
    prompts.shuffle(&mut rng);
    Ok(prompts)
}

/// A line of a file of prompts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    prompt: String,
    io: String,
    s: String,
}

/// Reads prompts of [`FORMAT`]; empty lines are skipped, and an error names its line.
pub fn from_lines(model: &Model, text: &str) -> Result<Vec<Prompt>> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let read: Line = serde_json::from_str(line).map_err(|cause| {
                let what = format!("line {} is not a prompt ({cause}): {FORMAT}", number + 1);
                Error::setting("prompts", what)
            })?;
            Prompt::new(model, read.prompt.trim_end(), &read.io, &read.s)
        })
        .collect()
}
