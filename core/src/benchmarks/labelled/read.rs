//! One row for each text: the mean activation at a hook, and the mean activation of every feature, over the tokens that are not special.

use std::collections::BTreeMap;

use super::Labelled;
use crate::benchmarks::absorption::scales;
use crate::corpus::{Mask, Positions};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, Head, HookPoint, TokenId};
use crate::latents::Latents;
use crate::models::{Model, token_tensor};
use crate::progress::{Ended, Flow, Progress};
use crate::prompt::{Input, Reading};
use crate::sae::{Autoencoder, InputNorm, Sae};
use crate::separate::Pool;

/// Tokens of a text that are read, by default.
pub const CONTEXT: usize = 128;
/// Tokens in one pass.
const TOKENS: usize = 2_048;

/// Place that dictionaries read.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Hook.
    pub hook: HookPoint,
    /// Head, where dictionaries read a single one.
    pub head: Option<Head>,
    /// Mean activation of each text, `[n, d]`.
    pub x: Matrix,
}

impl Place {
    /// Returns its name.
    pub fn name(&self) -> String {
        match self.head {
            Some(head) => format!("head {head} of {}", self.hook),
            None => self.hook.to_string(),
        }
    }
}

/// Features of a dictionary on the texts.
#[derive(Debug, Clone, PartialEq)]
pub struct OfDictionary {
    /// Index of its place.
    pub place: usize,
    /// Mean activation of its features on each text, `[n]` rows.
    pub features: Latents,
    /// Mean activation in units of the decoder's rows, `[n]` rows: `features`, unless the dictionary scales each token.
    pub written: Latents,
}

/// Texts as a model and its dictionaries read them.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// Places.
    pub places: Vec<Place>,
    /// Dictionaries, in their order.
    pub dictionaries: Vec<OfDictionary>,
    /// Number of texts that were cut to the context.
    pub cut: usize,
}

/// Mean activations of the features on a text.
type Row = Vec<(FeatureId, f32)>;

/// Dictionaries, and the rows of the texts read so far.
struct Reader<'a> {
    saes: Vec<Autoencoder<'a>>,
    mask: Mask,
    places: Vec<Place>,
    /// Place of each dictionary.
    of_sae: Vec<usize>,
    /// Rows of each dictionary: plain, and in units of the decoder's rows.
    rows: Vec<[Vec<Row>; 2]>,
}

/// Reads the first `context` tokens of every text through the model once, for all dictionaries, as SAEBench does: means over all tokens that are not special (BOS,
/// EOS, padding, separator). `observe` hears of texts and may stop.
///
/// # Errors
/// Dictionaries that are no autoencoders of an activation of this model, and a text without a token that counts.
pub fn read(
    model: &Model,
    saes: &[&Sae],
    labelled: &Labelled,
    context: usize,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Read>> {
    let total = labelled.texts.len();
    let mut reader = Reader::new(model, saes, total)?;
    let (by_length, cut) = tokens(model, labelled, context)?;
    let mut hooks: Vec<HookPoint> = reader.places.iter().map(|place| place.hook).collect();
    hooks.sort_unstable();
    hooks.dedup();
    let mut done = 0;
    for (length, texts) in by_length {
        for batch in texts.chunks((TOKENS / length).max(1)) {
            let tokens: Vec<&[TokenId]> =
                batch.iter().map(|(_, tokens)| tokens.as_slice()).collect();
            let values = model.capture(&token_tensor(&tokens)?, &hooks)?;
            for (row, text) in batch.iter().enumerate() {
                let mut wholes = BTreeMap::new();
                for (hook, value) in &values {
                    let value = value.narrow(0, row, 1)?.contiguous()?;
                    wholes.insert(*hook, Matrix::from_tensor(&value, model.width(*hook)?)?);
                }
                reader.add(text, &wholes)?;
            }
            done += batch.len();
            if observe(Progress::new(done, total, "texts")).is_break() && done < total {
                return Ok(Ended::STOPPED);
            }
        }
    }
    reader.read(cut).map(Ended::Done)
}

impl<'a> Reader<'a> {
    fn new(model: &Model, saes: &[&'a Sae], texts: usize) -> Result<Self> {
        let saes: Vec<Autoencoder<'_>> = saes
            .iter()
            .map(|sae| checked(sae, model))
            .collect::<Result<_>>()?;
        let mut places: Vec<Place> = Vec::new();
        let mut of_sae = Vec::new();
        for sae in &saes {
            let (hook, head) = (sae.hook()?, sae.provenance.head);
            let same = |place: &Place| place.hook == hook && place.head == head;
            let known = places.iter().position(same);
            of_sae.push(known.unwrap_or(places.len()));
            if known.is_none() {
                let x = Matrix::zeros(texts, sae.width());
                places.push(Place { hook, head, x });
            }
        }
        let none = || [vec![Row::new(); texts], vec![Row::new(); texts]];
        Ok(Self {
            rows: saes.iter().map(|_| none()).collect(),
            mask: Mask::new(model.codec(), Positions::SaeLens),
            saes,
            places,
            of_sae,
        })
    }

    /// Adds a text, given its number and tokens and the values of the hooks.
    fn add(
        &mut self,
        (text, tokens): &(usize, Vec<TokenId>),
        wholes: &BTreeMap<HookPoint, Matrix>,
    ) -> Result<()> {
        let counts = self.mask.counts(tokens);
        if !counts.contains(&true) {
            let what = format!("text {} has no token that counts: leave it out", text + 1);
            return Err(Error::setting("labelled", what));
        }
        let each = self.saes.iter().zip(&self.of_sae).zip(&mut self.rows);
        for ((sae, place), [plain, written]) in each {
            let place = &mut self.places[*place];
            let missing = || Error::hook(place.hook, "was not reached: choose another hook");
            let x = sae.own_part(wholes.get(&place.hook).ok_or_else(missing)?)?;
            means(&x, &counts, place.x.row_mut(*text));
            [plain[*text], written[*text]] = pooled(*sae, &x, &counts)?;
        }
        Ok(())
    }

    fn read(self, cut: usize) -> Result<Read> {
        let each = self.of_sae.iter().zip(&self.rows);
        let dictionaries = each.map(|(place, [features, written])| {
            Ok(OfDictionary {
                place: *place,
                features: Latents::from_unsorted(features)?,
                written: Latents::from_unsorted(written)?,
            })
        });
        Ok(Read {
            dictionaries: dictionaries.collect::<Result<_>>()?,
            places: self.places,
            cut,
        })
    }
}

/// Returns `sae` as an autoencoder of an activation of `model`.
fn checked<'a>(sae: &'a Sae, model: &Model) -> Result<Autoencoder<'a>> {
    let sae = sae.autoencoder()?;
    crate::formats::check_hooks(&sae, model)?;
    if sae.error_of.is_some() {
        let what = format!(
            "{} reads the error of another dictionary, on which a probe of the activation has no meaning: give dictionaries of activations",
            sae.name
        );
        return Err(Error::setting("sae", what));
    }
    Ok(sae)
}

/// Texts with their tokens, by number of tokens.
type ByLength = BTreeMap<usize, Vec<(usize, Vec<TokenId>)>>;

/// Returns the tokens of the texts by their number, so that texts of one length share a pass, and how many texts were cut.
fn tokens(model: &Model, labelled: &Labelled, context: usize) -> Result<(ByLength, usize)> {
    if context < 2 {
        return Err(Error::setting(
            "context",
            format!("{context} tokens of a text are too few, give 2 or more"),
        ));
    }
    let mut by_length = ByLength::new();
    let mut cut = 0;
    for (at, text) in labelled.texts.iter().enumerate() {
        let (mut tokens, left) = Input::Text(text.text.clone()).tokens(model)?;
        cut += usize::from(left > 0 || tokens.len() > context);
        tokens.truncate(context);
        by_length
            .entry(tokens.len())
            .or_default()
            .push((at, tokens));
    }
    Ok((by_length, cut))
}

/// Writes the mean of the rows of `x` that count into `into`; sums in f64.
fn means(x: &Matrix, counts: &[bool], into: &mut [f32]) {
    let mut sums = vec![0.0_f64; into.len()];
    let counted = x.iter_rows().zip(counts).filter(|(_, counts)| **counts);
    let mut number = 0;
    for (row, _) in counted {
        number += 1;
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, x)| *sum += f64::from(*x));
    }
    for (into, sum) in into.iter_mut().zip(sums) {
        *into = (sum / f64::from(number)) as f32;
    }
}

/// Returns the mean activations of the features, plain and in units of the decoder's rows.
fn pooled(sae: Autoencoder<'_>, x: &Matrix, counts: &[bool]) -> Result<[Vec<(FeatureId, f32)>; 2]> {
    let reading = Reading {
        counts: counts.to_vec(),
        latents: sae.encode(x)?,
        ..Reading::default()
    };
    let plain = Pool::Mean.row(&reading);
    if sae.input_norm == InputNorm::None {
        return Ok([plain.clone(), plain]);
    }
    let mut scaled = reading;
    for (token, scale) in scales(sae, x)?.into_iter().enumerate() {
        for act in &mut scaled.latents.acts
            [scaled.latents.offsets[token]..scaled.latents.offsets[token + 1]]
        {
            *act = (f64::from(*act) * scale) as f32;
        }
    }
    Ok([plain, Pool::Mean.row(&scaled)])
}
