//! Activations on the tokens of words, each read at the end of a prompt, and how well the model spells.
//!
//! The prompt is that of SAEBench: lines `{word} has the first letter: {LETTER}` for some other words, a line break, and the word. A model reads from left to right,
//! so the part behind the word has no effect on the word's activation and is left out. A model that cannot spell gets no lines: a line break and the word.

use std::collections::BTreeMap;

use candle_core::Tensor;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::words::{Word, Words};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};
use crate::models::{Model, token_tensor};
use crate::progress::{Ended, Flow, Progress};

/// Lines before a word, by default, for a model that spells.
pub const EXAMPLES: usize = 10;
/// Share of words that a model must spell for the lines to be used.
pub const SPELLS: f64 = 0.5;
/// Words on which spelling is measured, at most.
const ASKED: usize = 100;
/// Tokens in one pass.
const TOKENS: usize = 4_096;
/// Text behind a word.
const ASKS: &str = " has the first letter:";

/// Words as the model reads them.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// Hook.
    pub hook: HookPoint,
    /// Activations of the hook at each word, `[n, width]`; of a hook with heads, side by side.
    pub x: Matrix,
    /// Lines before each word.
    pub examples: usize,
    /// Share of words after which the model's next token is the letter, with ten lines or as many as asked for; none for other classes than letters and where it was not asked.
    pub spelled: Option<f64>,
}

/// Reads every word. `examples` is the number of lines before it; none lets the model's spelling decide. `observe` gets words read.
pub fn read(
    model: &Model,
    words: &Words,
    (hook, examples, seed): (HookPoint, Option<usize>, u64),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Read>> {
    model.check_hook(hook)?;
    let total = words.words.len();
    if observe(Progress::new(0, total, "words")).is_break() {
        return Ok(Ended::STOPPED);
    }
    let (examples, spelled) = decided(model, words, (examples, seed))?;
    let mut by_length: BTreeMap<usize, Vec<(usize, Vec<TokenId>)>> = BTreeMap::new();
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    for (at, word) in words.words.iter().enumerate() {
        let text = prompt(words, at, (examples, &mut chance));
        let tokens = model.codec().encode_with_bos(&text)?;
        check(model, word, &tokens)?;
        by_length
            .entry(tokens.len())
            .or_default()
            .push((at, tokens));
    }
    let width = model.width(hook)?;
    let mut x = Matrix::zeros(total, width);
    let mut done = 0;
    for (length, rows) in by_length {
        for batch in rows.chunks((TOKENS / length).max(1)) {
            let tokens: Vec<&[TokenId]> =
                batch.iter().map(|(_, tokens)| tokens.as_slice()).collect();
            let found = last_values(model, &tokens, hook)?;
            for ((at, _), values) in batch.iter().zip(found.iter_rows()) {
                x.row_mut(*at).copy_from_slice(values);
            }
            done += batch.len();
            if observe(Progress::new(done, total, "words")).is_break() {
                return Ok(Ended::STOPPED);
            }
        }
    }
    Ok(Ended::Done(Read {
        hook,
        x,
        examples,
        spelled,
    }))
}

/// Values of a hook at the last token of rows of one length, `[b, width]`.
fn last_values(model: &Model, tokens: &[&[TokenId]], hook: HookPoint) -> Result<Matrix> {
    let mut captured = model.capture(&token_tensor(tokens)?, &[hook])?;
    let value: Tensor = captured
        .remove(&hook)
        .ok_or_else(|| Error::hook(hook, "was not reached: choose another hook"))?;
    let last = value.narrow(1, value.dim(1)? - 1, 1)?.contiguous()?;
    Matrix::from_tensor(&last, model.width(hook)?)
}

fn check(model: &Model, word: &Word, tokens: &[TokenId]) -> Result<()> {
    if tokens.last() != Some(&word.token) {
        let what = format!(
            "“{}” is one token alone and none behind a line break, in the tokenizer of {}: leave it out",
            word.text,
            model.name()
        );
        return Err(Error::setting("words", what));
    }
    let context = model.config().context;
    if tokens.len() > context {
        let what = format!(
            "a prompt has {} tokens and {} reads {context}: give fewer lines before a word",
            tokens.len(),
            model.name()
        );
        return Err(Error::setting("examples", what));
    }
    Ok(())
}

/// Text up to and with a word.
fn prompt(words: &Words, at: usize, (examples, chance): (usize, &mut ChaCha8Rng)) -> String {
    let all = &words.words;
    // One more than needed, should the word itself be among them.
    let drawn = rand::seq::index::sample(chance, all.len(), (examples + 1).min(all.len()));
    let others = drawn.iter().filter(|other| *other != at).take(examples);
    let mut text = String::from("\n");
    for other in others {
        let other = &all[other].text;
        text.extend([" ", other, ASKS, " ", &letter(other), "\n"]);
    }
    text.extend([" ", &all[at].text]);
    text
}

fn letter(word: &str) -> String {
    word.chars().take(1).flat_map(char::to_uppercase).collect()
}

/// Returns the number of lines before a word, and the share of words that the model spells with them.
fn decided(
    model: &Model,
    words: &Words,
    (asked, seed): (Option<usize>, u64),
) -> Result<(usize, Option<f64>)> {
    if !words.are_letters {
        return match asked {
            None | Some(0) => Ok((0, None)),
            Some(_) => {
                let what = "lines before a word spell first letters, the classes are others: leave the setting out";
                Err(Error::setting("examples", what))
            }
        };
    }
    if asked == Some(0) || words.words.len() < 2 {
        return Ok((0, None));
    }
    let examples = asked.unwrap_or(EXAMPLES);
    let spelled = spelled(model, words, (examples, seed))?;
    match (asked, spelled) {
        (Some(examples), spelled) => Ok((examples, spelled)),
        (None, Some(share)) if share >= SPELLS => Ok((examples, spelled)),
        (None, spelled) => Ok((0, spelled)),
    }
}

/// Returns the share of up to 100 words whose letter is the model's next token; none where a prompt is longer than the model reads.
fn spelled(model: &Model, words: &Words, (examples, seed): (usize, u64)) -> Result<Option<f64>> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed ^ 0x5be1);
    let mut order: Vec<usize> = (0..words.words.len()).collect();
    order.shuffle(&mut chance);
    order.truncate(ASKED);
    let mut right = 0;
    for at in &order {
        let text = prompt(words, *at, (examples, &mut chance)) + ASKS;
        let tokens = model.codec().encode_with_bos(&text)?;
        if tokens.len() > model.config().context {
            return Ok(None);
        }
        let logits = model.logits(&token_tensor(&[&tokens])?)?;
        let last = logits
            .narrow(1, tokens.len() - 1, 1)?
            .flatten_all()?
            .to_vec1::<f32>()?;
        let best = (0..last.len()).max_by(|a, b| last[*a].total_cmp(&last[*b]).then(b.cmp(a)));
        let wanted = model
            .codec()
            .token_of(&format!(" {}", letter(&words.words[*at].text)));
        right += usize::from(best.map(TokenId::from) == wanted && wanted.is_some());
    }
    Ok(Some(right as f64 / order.len().max(1) as f64))
}
