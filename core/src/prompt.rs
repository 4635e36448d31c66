//! Reads one text through a model, with or without a dictionary: tokens, their features, probable next tokens.

use std::borrow::Cow;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use candle_core::Tensor;

use crate::corpus::{Mask, Positions};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, Site, TokenId};
use crate::latents::Latents;
use crate::models::{Capture, Hooks, Model, Start, token_tensor};
use crate::progress::{Ended, Flow};
use crate::sae::Autoencoder;
use crate::text::TextCodec;

/// Probable next token.
#[derive(Debug, Clone, PartialEq)]
pub struct NextToken {
    /// Token id.
    pub id: TokenId,
    /// Token as text.
    pub text: String,
    /// Probability.
    pub probability: f32,
}

/// Input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Text, tokenized with BOS before it.
    Text(String),
    /// Tokens, used unchanged.
    Tokens {
        /// Token ids.
        ids: Arc<[TokenId]>,
        /// Whether documents packed in them are kept apart ([`Model::with_separate_documents`]).
        apart: bool,
    },
}

impl Input {
    /// Returns the tokens, cut to the model's context, and how many were cut.
    pub fn tokens(&self, model: &Model) -> Result<(Vec<TokenId>, usize)> {
        match self {
            Self::Text(text) => tokens_of(model, text),
            Self::Tokens { ids, .. } => fitting(model, ids.to_vec()),
        }
    }

    /// Returns `model` as it reads this input: with separate documents where asked for.
    pub fn reader<'m>(&self, model: &'m Model) -> Result<Cow<'m, Model>> {
        match self {
            Self::Tokens { apart: true, .. } if !model.separates_documents() => {
                Ok(Cow::Owned(model.clone().with_separate_documents()?))
            }
            _ => Ok(Cow::Borrowed(model)),
        }
    }

    /// Returns the tokens with the text that they stand for, cut to the model's context.
    fn spelled(&self, model: &Model) -> Result<Spelled> {
        let codec = model.codec();
        let (mut tokens, mut spans, text) = match self {
            Self::Text(text) => {
                let (tokens, spans) = codec.encode_with_spans(text)?;
                (tokens, spans, text.clone())
            }
            Self::Tokens { ids, .. } => {
                let begun = usize::from(
                    ids.first()
                        .is_some_and(|first| Some(*first) == codec.bos().id),
                );
                let (text, mut spans) = codec.decode_with_spans(&ids[begun..]);
                spans.splice(0..0, std::iter::repeat_n(0..0, begun));
                (ids.to_vec(), spans, text)
            }
        };
        if let (Self::Text(_), Some(bos)) = (self, codec.bos_before(&tokens)) {
            tokens.insert(0, bos);
            spans.insert(0, 0..0);
        }
        let (tokens, cut) = fitting(model, some(tokens)?)?;
        spans.truncate(tokens.len());
        Ok(Spelled {
            tokens,
            spans,
            text,
            cut,
        })
    }

    /// Returns a note if the text already begins with BOS.
    fn bos_note(&self, model: &Model) -> Result<Option<String>> {
        match self {
            Self::Text(text) => model.codec().bos_note(text),
            Self::Tokens { .. } => Ok(None),
        }
    }
}

/// Tokens and the text that they stand for.
struct Spelled {
    tokens: Vec<TokenId>,
    spans: Vec<Range<usize>>,
    text: String,
    cut: usize,
}

/// Text as a model and a dictionary see it.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Tokens, BOS included.
    pub tokens: Vec<TokenId>,
    /// Their display forms.
    pub texts: Vec<String>,
    /// The whole text, beyond the context too.
    pub text: String,
    /// The bytes of `text` that each token stands for; none for a BOS that was put before it.
    pub spans: Vec<Range<usize>>,
    /// Whether each token counts by the default rule for training and measuring, see [`Positions::Text`].
    pub counts: Vec<bool>,
    /// Latents of every token; empty rows where there is no dictionary.
    pub latents: Latents,
    /// Probable next tokens per token, most likely first.
    pub next: Vec<Vec<NextToken>>,
    /// Number of tokens cut because they exceed the model's context.
    pub cut: usize,
    /// Returns a note if the text already begins with BOS.
    pub bos: Option<String>,
}

impl Reading {
    /// Returns up to `most` features at position `t`, largest activation in size first; signs are kept.
    pub fn strongest(&self, t: usize, most: usize) -> Vec<(FeatureId, f32)> {
        let mut pairs: Vec<_> = self.latents.row(t).collect();
        pairs.sort_by(|(f, a), (g, b)| b.abs().total_cmp(&a.abs()).then(f.cmp(g)));
        pairs.truncate(most);
        pairs
    }
}

/// Reads `text` (cut to the model's context) through model and dictionary, with `most_next` next tokens per position.
pub fn read(model: &Model, sae: Autoencoder<'_>, text: &str, most_next: usize) -> Result<Reading> {
    read_input(model, sae, &Input::Text(text.to_owned()), most_next)
}

/// Reads a text or tokens (cut to the model's context) through model and dictionary.
pub fn read_input(
    model: &Model,
    sae: Autoencoder<'_>,
    input: &Input,
    most_next: usize,
) -> Result<Reading> {
    let mut on = || ControlFlow::Continue(());
    match read_while(model, Some(sae), input, most_next, &mut on)? {
        Ended::Done(reading) => Ok(reading),
        Ended::Stopped(()) => Err(Error::Numeric {
            what: "the reading ended before its time".to_owned(),
        }),
    }
}

/// Reads a text or tokens (cut to the model's context) through the model without a dictionary.
pub fn read_without(model: &Model, input: &Input, most_next: usize) -> Result<Reading> {
    run(model, input, most_next, &mut Capture::to_the_end([]))
}

/// Reads as [`read_input`] does, or without a dictionary. `observe` is asked before every block of the model whether to go on.
pub fn read_while(
    model: &Model,
    sae: Option<Autoencoder<'_>>,
    input: &Input,
    most_next: usize,
    observe: &mut dyn FnMut() -> Flow,
) -> Result<Ended<Reading>> {
    let hook = match &sae {
        Some(sae) => {
            crate::formats::check_hooks(sae, model)?;
            Some(sae.hook()?)
        }
        None => None,
    };
    let mut pass = Pass {
        capture: Capture {
            last: hook.filter(|_| most_next == 0),
            ..Capture::to_the_end(hook.into_iter().collect::<Vec<_>>())
        },
        observe,
        stopped: false,
    };
    let read = run(model, input, most_next, &mut pass);
    if pass.stopped {
        return Ok(Ended::STOPPED);
    }
    let mut reading = read?;
    let (Some(sae), Some(hook)) = (sae, hook) else {
        return Ok(Ended::Done(reading));
    };
    let Some(value) = pass.capture.values.remove(&hook) else {
        return Err(Error::hook(
            hook,
            format!("{} did not reach it", model.name()),
        ));
    };
    if (pass.observe)().is_break() {
        return Ok(Ended::STOPPED);
    }
    let whole = Matrix::from_tensor(&value, model.width(hook)?)?;
    let part = sae.own_part(&whole)?;
    reading.latents = sae.encode(&part)?;
    Ok(Ended::Done(reading))
}

/// A capture that may be stopped before every block.
struct Pass<'a> {
    capture: Capture,
    observe: &'a mut dyn FnMut() -> Flow,
    stopped: bool,
}

impl Pass<'_> {
    fn is_block(hook: HookPoint) -> bool {
        matches!(hook, HookPoint::Block(_, Site::ResidPre))
    }
}

impl Hooks for Pass<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        Self::is_block(hook) || self.capture.wants(hook)
    }

    fn visit(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        if Self::is_block(hook) && (self.observe)().is_break() {
            self.stopped = true;
            return Err(Error::hook(hook, "the pass was stopped here"));
        }
        if self.capture.wants(hook) {
            return self.capture.visit(hook, first, value);
        }
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        self.capture.last()
    }
}

/// Runs the model on a text or tokens, with empty latents.
fn run(model: &Model, input: &Input, most_next: usize, hooks: &mut dyn Hooks) -> Result<Reading> {
    let model = &*input.reader(model)?;
    let Spelled {
        tokens,
        spans,
        text,
        cut,
    } = input.spelled(model)?;
    let bos = input.bos_note(model)?;
    let input = token_tensor(&[&tokens])?;
    let logits = model.run(Start::Tokens(&input), hooks)?;
    let next = match logits {
        Some(logits) => next_tokens(model, &logits, most_next)?,
        None => vec![Vec::new(); tokens.len()],
    };
    let texts = tokens.iter().map(|id| model.codec().display(*id)).collect();
    Ok(Reading {
        counts: Mask::new(model.codec(), Positions::Text).counts(&tokens),
        latents: Latents::empty(tokens.len()),
        tokens,
        texts,
        text,
        spans,
        next,
        cut,
        bos,
    })
}

/// Tokenizes `text` with BOS before it and cuts it to the model's context. Returns the tokens and how many were cut; an error if there are none.
pub fn tokens_of(model: &Model, text: &str) -> Result<(Vec<TokenId>, usize)> {
    fitting(model, some(model.codec().encode_with_bos(text)?)?)
}

/// Returns `tokens`; an error if there are none.
fn some(tokens: Vec<TokenId>) -> Result<Vec<TokenId>> {
    if tokens.is_empty() {
        return Err(Error::setting("text", "there is none, type a word"));
    }
    Ok(tokens)
}

/// Cuts `tokens` to the model's context and returns them with how many were cut; an error if one is not in the model's vocabulary.
fn fitting(model: &Model, mut tokens: Vec<TokenId>) -> Result<(Vec<TokenId>, usize)> {
    if let Some(id) = tokens.iter().find(|id| !model.codec().has(**id)) {
        let what = format!(
            "token {id} is not in the vocabulary of {}: open the model whose tokens these are",
            model.name()
        );
        return Err(Error::setting("tokens", what));
    }
    let cut = tokens.len().saturating_sub(model.config().context);
    tokens.truncate(model.config().context);
    Ok((tokens, cut))
}

/// Returns the most likely tokens after each position of `logits [1, t, v]`.
fn next_tokens(model: &Model, logits: &Tensor, most: usize) -> Result<Vec<Vec<NextToken>>> {
    let logits = logits.squeeze(0)?.to_vec2::<f32>()?; // [t, v]
    let at = |logits: &Vec<f32>| most_likely(model.codec(), logits, log_sum_exp(logits), most);
    Ok(logits.iter().map(at).collect())
}

/// Computes ln Σ exp of `logits`, summed in f64.
pub(crate) fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|l| f64::from(l - largest).exp()).sum();
    f64::from(largest) + sum.ln()
}

/// Returns the `most` most likely tokens by `logits [v]`, whose [`log_sum_exp`] is given; among equals the smaller id first.
pub(crate) fn most_likely(
    codec: &TextCodec,
    logits: &[f32],
    log_sum_exp: f64,
    most: usize,
) -> Vec<NextToken> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    let by_logit = |i: &usize, j: &usize| logits[*j].total_cmp(&logits[*i]).then(i.cmp(j));
    if most < order.len() {
        order.select_nth_unstable_by(most, by_logit);
        order.truncate(most);
    }
    order.sort_unstable_by(by_logit);
    let next = |i: usize| NextToken {
        id: TokenId::from(i),
        text: codec.display(TokenId::from(i)),
        probability: (f64::from(logits[i]) - log_sum_exp).exp() as f32,
    };
    order.into_iter().map(next).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ids::{HookPoint, Site};
    use crate::sae::{AbsTopK, Sae, Selection, TopK};

    fn demo() -> Model {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        Model::open(Path::new(path)).unwrap().0
    }

    /// Builds a dictionary whose feature `i` reads only coordinate `i`.
    fn coordinates(d: usize) -> Sae {
        let mut w = Matrix::zeros(d, d);
        for i in 0..d {
            w.row_mut(i)[i] = 1.0;
        }
        Sae::new(
            "coordinates",
            (w.clone(), vec![0.0; d]),
            (w, vec![0.0; d]),
            TopK { k: 16 },
        )
        .reading(HookPoint::block(1, Site::Z))
    }

    #[test]
    fn a_text_gives_its_tokens_with_their_strongest_features_and_next_tokens() {
        let model = demo();
        // Signed: half of the coordinates of z are negative.
        let mut sae = coordinates(256);
        sae.selection = Selection::AbsTopK(AbsTopK { k: 16 });
        let reading = read(&model, sae.autoencoder().unwrap(), "The king was", 5).unwrap();
        let strongest = (1..reading.tokens.len()).flat_map(|t| reading.strongest(t, 10));
        assert!(strongest.filter(|(_, act)| *act < 0.0).count() > 2);
        assert_eq!(reading.texts.len(), reading.tokens.len());
        assert_eq!(Some(reading.tokens[0]), model.codec().bos().id);
        assert_eq!(reading.texts[1..].concat(), "The king was");
        let hook = sae.hook().unwrap();
        let input = token_tensor(&[&reading.tokens]).unwrap();
        let z = &model.capture(&input, &[hook]).unwrap()[&hook];
        let z = Matrix::from_tensor(z, 256).unwrap();
        for t in 0..reading.tokens.len() {
            let mut want: Vec<_> = z.row(t).iter().copied().enumerate().collect();
            want.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
            let want = want.into_iter().map(|(i, act)| (FeatureId::from(i), act));
            assert_eq!(reading.strongest(t, 10), want.take(10).collect::<Vec<_>>());
        }
        let next = &reading.next[reading.tokens.len() - 1];
        assert_eq!(next.len(), 5);
        assert!(next.is_sorted_by(|a, b| a.probability >= b.probability));
        let all = read(&model, sae.autoencoder().unwrap(), "The king was", 4096).unwrap();
        let sum: f32 = all.next[0].iter().map(|next| next.probability).sum();
        assert!((sum - 1.0).abs() < 1e-4 && &all.next[reading.tokens.len() - 1][..5] == next);
    }

    #[test]
    fn the_model_alone_gives_the_same_tokens_and_next_tokens() {
        let model = demo();
        let sae = coordinates(256);
        let with = read(&model, sae.autoencoder().unwrap(), "The king was", 5).unwrap();
        let text = Input::Text("The king was".to_owned());
        let without = read_without(&model, &text, 5).unwrap();
        assert_eq!(
            (&without.tokens, &without.texts, &without.next),
            (&with.tokens, &with.texts, &with.next)
        );
        assert_eq!(without.latents.rows(), with.tokens.len());
        assert!(without.strongest(1, 10).is_empty());
    }

    #[test]
    fn every_token_has_its_place_in_the_text() {
        let model = demo();
        for text in [
            "The king  was\n\n  in Oz, he said. ",
            "naïve café, 東京 🦊!",
            "<|endoftext|>Once",
        ] {
            let reading = read_without(&model, &Input::Text(text.to_owned()), 0).unwrap();
            let begun = usize::from(reading.spans[0].is_empty());
            assert_eq!(reading.text, text);
            for (span, shown) in reading.spans.iter().zip(&reading.texts).skip(begun) {
                let part = &text[span.clone()]; // on bounds of characters
                assert!(part == shown || shown.contains('⟨'), "{part:?} {shown:?}");
            }
            let mut covered = 0;
            for span in &reading.spans[begun..] {
                assert!(span.start <= covered, "{span:?} leaves a gap in {text:?}");
                covered = covered.max(span.end);
            }
            assert_eq!(covered, text.len());
            // The same tokens, given as numbers, stand for the same text.
            let ids = Input::Tokens {
                ids: reading.tokens.as_slice().into(),
                apart: false,
            };
            let again = read_without(&model, &ids, 0).unwrap();
            let begun = begun.max(usize::from(again.spans[0].is_empty()));
            assert!(text.ends_with(&again.text));
            let shift = text.len() - again.text.len();
            for (span, same) in again.spans.iter().zip(&reading.spans).skip(begun) {
                assert_eq!(span.start + shift..span.end + shift, *same, "{text:?}");
            }
        }
        // Half a character is shown as one.
        let fox = model.codec().encode("🦊").unwrap();
        assert!(fox.len() > 1);
        let (text, spans) = model.codec().decode_with_spans(&fox[..1]);
        assert_eq!(
            (text.as_str(), spans.len(), &spans[0]),
            ("\u{FFFD}", 1, &(0..3))
        );
    }

    #[test]
    fn a_reading_stops_before_the_next_block_and_is_otherwise_the_same() {
        let (model, sae) = (demo(), coordinates(256));
        let input = Input::Text("The king was".to_owned());
        let mut asked = 0;
        let mut after = |most: usize| {
            asked = 0;
            read_while(
                &model,
                Some(sae.autoencoder().unwrap()),
                &input,
                3,
                &mut || {
                    asked += 1;
                    if asked > most {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                },
            )
            .unwrap()
        };
        assert!(after(0).is_stopped() && after(2).is_stopped());
        let whole = after(usize::MAX).done().unwrap();
        assert!(asked > model.config().layers);
        let plain = read_input(&model, sae.autoencoder().unwrap(), &input, 3).unwrap();
        assert_eq!(
            (whole.latents.acts, whole.next),
            (plain.latents.acts, plain.next)
        );
    }

    #[test]
    fn a_text_longer_than_the_context_is_cut_and_says_so() {
        let reading = read(
            &demo(),
            coordinates(256).autoencoder().unwrap(),
            &"a word ".repeat(300),
            0,
        )
        .unwrap();
        assert_eq!((reading.tokens.len(), reading.latents.rows()), (256, 256));
        assert!(reading.cut > 0 && reading.next.iter().all(Vec::is_empty));
    }

    #[test]
    fn tokens_are_read_as_they_are_and_those_of_another_vocabulary_refused() {
        let (model, sae) = (demo(), coordinates(256));
        let said = read(&model, sae.autoencoder().unwrap(), "The king was", 0).unwrap();
        // No BOS is added, and the tokens are not decoded and tokenized again.
        let tokens = |tokens: &[TokenId]| Input::Tokens {
            ids: tokens.into(),
            apart: false,
        };
        let bare = read_input(
            &model,
            sae.autoencoder().unwrap(),
            &tokens(&said.tokens[1..]),
            0,
        )
        .unwrap();
        assert_eq!(bare.tokens, said.tokens[1..]);
        let same =
            read_input(&model, sae.autoencoder().unwrap(), &tokens(&said.tokens), 0).unwrap();
        assert_eq!(same.latents.acts, said.latents.acts);
        let refused = read_input(
            &model,
            sae.autoencoder().unwrap(),
            &tokens(&[TokenId(4_000_000)]),
            0,
        );
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("4000000"), "{refused}");
    }

    #[test]
    fn a_dictionary_of_another_width_is_refused() {
        let refused = read(&demo(), coordinates(255).autoencoder().unwrap(), "x", 0)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("blocks.1.attn.hook_z") && refused.contains("256"),
            "{refused}"
        );
    }
}
