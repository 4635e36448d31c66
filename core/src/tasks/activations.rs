//! Values of a model at the places of a task: of every prompt, and of the counterfactuals of the prompts that test.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::Task;
use super::site::Place;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};
use crate::models::{Model, token_tensor};
use crate::progress::{Ended, Flow, Progress};

/// Prompts of one pass.
const AT_ONCE: usize = 16;
/// Passes between two calls of the observer.
const WAVE: usize = 4;

/// Values at the places of a task.
#[derive(Debug, Clone)]
pub struct Activations {
    /// Places, in the order of a forward pass.
    pub places: Vec<Place>,
    /// For each place the values of all prompts at the whole hook, `[n, w]`.
    pub clean: Vec<Matrix>,
    /// For each edited attribute and place the values of the counterfactuals of the prompts that test, `[n_test, w]`; the row of a prompt without one holds its own
    /// values.
    pub counterfactual: Vec<Vec<Matrix>>,
}

/// Tokens that are read, and the position of each place in them.
struct Reading<'a> {
    tokens: &'a [TokenId],
    at: Vec<usize>,
}

impl Activations {
    /// Reads the prompts of `task` and the counterfactuals of those that test. `observe` hears of each wave and may stop.
    pub fn read(
        model: &Model,
        task: &Task,
        places: &[Place],
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Self>> {
        let n = task.prompts.len();
        let attributes = task.attributes.len();
        let mut readings = Vec::with_capacity(n + task.tests().len() * attributes);
        for prompt in &task.prompts {
            readings.push(reading(&prompt.tokens, &prompt.positions, places)?);
        }
        for attribute in 0..attributes {
            for prompt in task.tests() {
                let other = prompt.counterfactuals.get(attribute);
                readings.push(match other.and_then(Option::as_ref) {
                    Some(other) => reading(&other.tokens, &other.positions, places)?,
                    None => reading(&prompt.tokens, &prompt.positions, places)?,
                });
            }
        }
        let Ended::Done(rows) = values(model, places, &readings, observe)? else {
            return Ok(Ended::STOPPED);
        };
        let matrix = |place: usize, from: usize, to: usize| {
            let numbers = rows[from..to].iter().flat_map(|row| &row[place]);
            let numbers = numbers.copied().collect();
            Matrix::new(to - from, places[place].width, numbers)
        };
        let all = 0..places.len();
        let clean = all.clone().map(|place| matrix(place, 0, n));
        let clean = clean.collect::<Result<_>>()?;
        let tests = task.tests().len();
        let of = |attribute: usize| -> Result<Vec<Matrix>> {
            let from = n + attribute * tests;
            let each = all.clone().map(|place| matrix(place, from, from + tests));
            each.collect()
        };
        let counterfactual = (0..attributes).map(of).collect::<Result<_>>()?;
        Ok(Ended::Done(Self {
            places: places.to_vec(),
            clean,
            counterfactual,
        }))
    }

    /// Returns the means of the first `building` prompts at each place, `[w]`; sums in f64.
    pub fn means(&self, building: usize) -> Vec<Vec<f32>> {
        let mean = |values: &Matrix| {
            let mut sums = vec![0.0_f64; values.columns()];
            for row in values.iter_rows().take(building) {
                let each = sums.iter_mut().zip(row);
                each.for_each(|(sum, value)| *sum += f64::from(*value));
            }
            let count = building.max(1) as f64;
            sums.into_iter().map(|sum| (sum / count) as f32).collect()
        };
        self.clean.iter().map(mean).collect()
    }
}

fn reading<'a>(
    tokens: &'a [TokenId],
    positions: &[usize],
    places: &[Place],
) -> Result<Reading<'a>> {
    let each = places.iter().map(|place| place.at(positions, tokens.len()));
    Ok(Reading {
        tokens,
        at: each.collect::<Result<_>>()?,
    })
}

/// Values of one reading, for each place a row of the whole hook.
type Row = Vec<Vec<f32>>;

/// Reads values, several texts of one length in a pass; the passes depend on the texts alone, so that thread counts change no number.
fn values(
    model: &Model,
    places: &[Place],
    readings: &[Reading<'_>],
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Row>>> {
    let mut lengths: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, reading) in readings.iter().enumerate() {
        lengths
            .entry(reading.tokens.len())
            .or_default()
            .push(number);
    }
    let groups: Vec<&[usize]> = lengths
        .values()
        .flat_map(|numbers| numbers.chunks(AT_ONCE))
        .collect();
    let mut hooks: Vec<HookPoint> = places.iter().map(|place| place.site.hook).collect();
    hooks.dedup();
    let mut rows: Vec<Row> = vec![Row::new(); readings.len()];
    let mut done = 0;
    for wave in groups.chunks(WAVE) {
        let read: Vec<Vec<Row>> = wave
            .par_iter()
            .map(|group| pass(model, (places, &hooks), readings, group))
            .collect::<Result<_>>()?;
        for (group, read) in wave.iter().zip(read) {
            for (number, row) in group.iter().zip(read) {
                rows[*number] = row;
                done += 1;
            }
        }
        if observe(Progress::new(done, readings.len(), "prompts")).is_break() {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(rows))
}

fn pass(
    model: &Model,
    (places, hooks): (&[Place], &[HookPoint]),
    readings: &[Reading<'_>],
    group: &[usize],
) -> Result<Vec<Row>> {
    let tokens: Vec<&[TokenId]> = group
        .iter()
        .map(|number| readings[*number].tokens)
        .collect();
    let input = token_tensor(&tokens)?;
    let t = tokens[0].len();
    let values = model.capture(&input, hooks)?;
    let mut rows = vec![Row::new(); group.len()];
    for (at, place) in places.iter().enumerate() {
        let hook = place.site.hook;
        let value = values
            .get(&hook)
            .ok_or_else(|| Error::hook(hook, "the pass did not reach it"))?;
        let numbers = value.flatten_all()?.to_vec1::<f32>()?;
        for (row, number) in group.iter().enumerate() {
            let start = (row * t + readings[*number].at[at]) * place.width;
            rows[row].push(numbers[start..start + place.width].to_vec());
        }
    }
    Ok(rows)
}
