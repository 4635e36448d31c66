//! Runs of each prompt: the edits of every dictionary, with what each is for.

use super::super::activations::Activations;
use super::super::edits::{Exchanges, Side, agnostic, by_interpretation};
use super::super::passes::Edit;
use super::super::scores::{Scores, predicates};
use super::super::supervised::Supervised;
use super::super::{Prompt, Task};
use super::{FEW, How, Reader, THRESHOLDS};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::sae::Sae;

/// Codes and reconstructions of a dictionary at one place.
pub(super) struct Coded<'a> {
    pub(super) sae: &'a Sae,
    /// Codes of all prompts.
    pub(super) clean: Latents,
    /// Codes of the counterfactuals of each attribute.
    counterfactual: Vec<Latents>,
    /// Reconstructions of all prompts, `[n, w]`.
    reconstructed: Matrix,
    pub(super) scores: Scores,
    /// F1 of the best interpretation of each feature in `scores`.
    best: Vec<f64>,
}

impl<'a> Coded<'a> {
    fn new(sae: &'a Sae, task: &Task, (values, others): (&Matrix, &[&Matrix])) -> Result<Self> {
        let own = sae.own_part(values)?;
        let clean = sae.encode(&own)?;
        let decoded = sae.decode(&clean, &own)?;
        let counterfactual = others
            .iter()
            .map(|other| sae.encode(&*sae.own_part(other)?))
            .collect::<Result<_>>()?;
        let scores = Scores::new(predicates(task), &clean);
        let best = scores.interpretations().into_iter();
        Ok(Self {
            reconstructed: sae.put_back(values, decoded)?,
            best: best.map(|(_, one)| one.f1).collect(),
            sae,
            clean,
            counterfactual,
            scores,
        })
    }

    fn best(&self, feature: FeatureId) -> f64 {
        let row = self.scores.features.binary_search(&feature);
        row.map_or(0.0, |row| self.best.get(row).copied().unwrap_or(0.0))
    }
}

/// Dictionary under test.
pub(super) enum Entry<'a> {
    Supervised(&'a Supervised),
    Coded {
        name: &'a str,
        /// For each place what is made of it; none where it is not read.
        places: Vec<Option<Coded<'a>>>,
    },
}

impl<'a> Entry<'a> {
    pub(super) fn from_supervised(supervised: &'a Supervised) -> Self {
        Self::Supervised(supervised)
    }

    pub(super) fn from_reader(
        reader: &'a Reader<'a>,
        task: &Task,
        activations: &Activations,
    ) -> Result<Self> {
        let coded = |(place, sae): (usize, Option<&'a Sae>)| -> Result<Option<Coded<'a>>> {
            let Some(sae) = sae else { return Ok(None) };
            let others = activations.counterfactual.iter();
            let others: Vec<&Matrix> = others.map(|places| &places[place]).collect();
            Coded::new(sae, task, (&activations.clean[place], &others)).map(Some)
        };
        Ok(Self::Coded {
            name: &reader.name,
            places: reader
                .saes
                .iter()
                .copied()
                .enumerate()
                .map(coded)
                .collect::<Result<_>>()?,
        })
    }

    /// Whether it is edited at a place.
    pub(super) fn covers(&self, place: usize) -> bool {
        match self {
            Self::Supervised(_) => true,
            Self::Coded { places, .. } => places[place].is_some(),
        }
    }
}

/// Purpose of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Purpose {
    /// Every place at its mean, of all places.
    AllAblated,
    /// The dictionary's places at their means.
    Ablated,
    /// The dictionary's places with the counterfactual's values, by attribute.
    Truth(usize),
    Sufficiency,
    Necessity,
    /// Edit of an attribute with this number of exchanges and the share that it removes.
    Edit(usize, How, usize, f64),
    /// Active features below the threshold with this index are subtracted.
    Below(usize),
    /// Active features at or above it are subtracted.
    Above(usize),
}

/// One run of a prompt.
pub(super) struct Row {
    /// Dictionary.
    pub(super) entry: usize,
    pub(super) purpose: Purpose,
    pub(super) edit: Edit,
}

/// Exchanges of one prompt that are kept: place and steps.
pub(super) type Steps = Vec<(usize, Exchanges)>;

/// Everything that runs need.
pub(super) struct Plan<'a> {
    pub(super) task: &'a Task,
    pub(super) activations: &'a Activations,
    pub(super) entries: &'a [Entry<'a>],
    pub(super) steps: &'a [usize],
    pub(super) means: Vec<Vec<f32>>,
}

/// A prompt, its counterfactual for one attribute, and the attribute.
struct Pair<'a> {
    prompt: &'a Prompt,
    /// Number of the prompt among those that test.
    test: usize,
    attribute: usize,
    values: &'a [String],
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        task: &'a Task,
        activations: &'a Activations,
        (entries, steps): (&'a [Entry<'a>], &'a [usize]),
    ) -> Self {
        Self {
            means: activations.means(task.building()),
            task,
            activations,
            entries,
            steps,
        }
    }

    /// Edits of all places that `entry` covers, each made by `part` from the place.
    fn edit(&self, entry: &Entry<'_>, part: &dyn Fn(usize) -> Result<Vec<f32>>) -> Result<Edit> {
        let places = 0..self.activations.places.len();
        places
            .map(|place| entry.covers(place).then(|| part(place)).transpose())
            .collect()
    }

    /// Returns all runs of a prompt.
    pub(super) fn rows(&self, prompt: usize) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for (number, entry) in self.entries.iter().enumerate() {
            let mut push = |purpose: Purpose, edit: Edit| {
                rows.push(Row {
                    entry: number,
                    purpose,
                    edit,
                });
            };
            let part = |place: usize, row: &[f32]| Ok(self.activations.places[place].part(row));
            let ablated = self.edit(entry, &|place| part(place, &self.means[place]))?;
            if number == 0 {
                push(Purpose::AllAblated, ablated.clone());
            }
            push(Purpose::Ablated, ablated);
            let recon = |place: usize| self.reconstructed(entry, (place, prompt));
            let sufficient = self.edit(entry, &|place| part(place, &recon(place)))?;
            push(Purpose::Sufficiency, sufficient);
            let rest = self.edit(entry, &|place| {
                let (clean, recon) = (self.activations.clean[place].row(prompt), recon(place));
                let each = clean.iter().zip(&recon).zip(&self.means[place]);
                let rest =
                    each.map(|((a, r), m)| (f64::from(*m) + f64::from(*a) - f64::from(*r)) as f32);
                part(place, &rest.collect::<Vec<f32>>())
            })?;
            push(Purpose::Necessity, rest);
            for pair in self.pairs(prompt) {
                let (attribute, test) = (pair.attribute, pair.test);
                let truth = self.edit(entry, &|place| {
                    part(
                        place,
                        self.activations.counterfactual[attribute][place].row(test),
                    )
                })?;
                push(Purpose::Truth(attribute), truth);
                match entry {
                    Entry::Supervised(supervised) => {
                        self.supervised(supervised, (&pair, prompt), &mut push);
                    }
                    Entry::Coded { places, .. } => {
                        self.coded(places, (&pair, prompt), &mut push)?;
                    }
                }
            }
            if let Entry::Coded { places, .. } = entry {
                self.carried(places, prompt, &mut push)?;
            }
        }
        Ok(rows)
    }

    /// Returns the prompt with each of its counterfactuals.
    fn pairs(&self, prompt: usize) -> Vec<Pair<'a>> {
        let task = self.task;
        let of = &task.prompts[prompt];
        let test = prompt - task.building();
        let each = of
            .counterfactuals
            .iter()
            .take(task.attributes.len())
            .enumerate();
        each.filter_map(|(attribute, other)| {
            Some(Pair {
                prompt: of,
                test,
                attribute,
                values: &other.as_ref()?.values,
            })
        })
        .collect()
    }

    fn reconstructed(&self, entry: &Entry<'_>, (place, prompt): (usize, usize)) -> Vec<f32> {
        match entry {
            Entry::Supervised(supervised) => {
                supervised.reconstruct(place, &self.task.prompts[prompt].values)
            }
            Entry::Coded { places, .. } => match &places[place] {
                Some(coded) => coded.reconstructed.row(prompt).to_vec(),
                None => self.activations.clean[place].row(prompt).to_vec(),
            },
        }
    }

    fn supervised(
        &self,
        supervised: &Supervised,
        (pair, prompt): (&Pair<'_>, usize),
        push: &mut dyn FnMut(Purpose, Edit),
    ) {
        let from = pair.prompt.values.as_slice();
        let mut weight = 0.0;
        let mut edit = Edit::new();
        for (place, at) in self.activations.places.iter().enumerate() {
            let row = self.activations.clean[place].row(prompt);
            let edited = supervised.edited(place, row, (from, pair.values));
            edit.push(Some(at.part(&edited)));
            weight += self.removed_weight(supervised, place, pair);
        }
        weight /= self.activations.places.len() as f64;
        let purpose = Purpose::Edit(pair.attribute, How::Supervised, 1, weight);
        push(purpose, edit);
    }

    /// Share of the reconstruction that the removed directions write.
    fn removed_weight(&self, supervised: &Supervised, place: usize, pair: &Pair<'_>) -> f64 {
        let at = &self.activations.places[place];
        let part = |direction: &[f32]| -> Vec<f64> {
            at.part(direction).into_iter().map(f64::from).collect()
        };
        let mut whole = vec![0.0; at.columns.len()];
        for direction in supervised
            .directions(place, &pair.prompt.values)
            .into_iter()
            .flatten()
        {
            let each = whole.iter_mut().zip(part(direction));
            each.for_each(|(sum, u)| *sum += u);
        }
        let squares: f64 = whole.iter().map(|value| value * value).sum();
        if squares == 0.0 {
            return 0.0;
        }
        let exchanges = supervised.exchanges(place, &pair.prompt.values, pair.values);
        let removed = exchanges.iter().filter_map(|one| one.removed.as_deref());
        let dot = |u: &[f32]| -> f64 { part(u).iter().zip(&whole).map(|(u, w)| u * w).sum() };
        removed.map(|u| dot(u) / squares).sum()
    }

    fn side(
        &self,
        coded: &Coded<'_>,
        place: usize,
        (values, codes, row): (&Matrix, &Latents, usize),
    ) -> Result<Side> {
        let whole = Matrix::new(1, values.columns(), values.row(row).to_vec())?;
        Side::new(
            coded.sae,
            &self.activations.places[place],
            &whole,
            (codes, row),
        )
    }

    /// Returns both sides at each place that is read.
    fn sides(
        &self,
        places: &[Option<Coded<'a>>],
        (attribute, test, prompt): (usize, usize, usize),
    ) -> Result<Vec<(usize, Side, Side)>> {
        let read = places.iter().enumerate();
        let read = read.filter_map(|(place, coded)| coded.as_ref().map(|coded| (place, coded)));
        read.map(|(place, coded)| {
            let clean = (&self.activations.clean[place], &coded.clean, prompt);
            let values = &self.activations.counterfactual[attribute][place];
            let other = (values, &coded.counterfactual[attribute], test);
            Ok((
                place,
                self.side(coded, place, clean)?,
                self.side(coded, place, other)?,
            ))
        })
        .collect()
    }

    /// Returns the agnostic exchanges of a prompt and an attribute at each place that is read.
    pub(super) fn exchanges(
        &self,
        places: &[Option<Coded<'a>>],
        (attribute, prompt): (usize, usize),
        most: usize,
    ) -> Result<Steps> {
        let test = prompt - self.task.building();
        let sides = self.sides(places, (attribute, test, prompt))?;
        let steps = sides
            .iter()
            .map(|(place, from, to)| (*place, agnostic(from, to, most)));
        Ok(steps.collect())
    }

    fn coded(
        &self,
        places: &[Option<Coded<'a>>],
        (pair, prompt): (&Pair<'_>, usize),
        push: &mut dyn FnMut(Purpose, Edit),
    ) -> Result<()> {
        let (attribute, test) = (pair.attribute, pair.test);
        let sides = self.sides(places, (attribute, test, prompt))?;
        let most = self.steps.last().copied().unwrap_or(FEW);
        let greedy: Steps = sides
            .iter()
            .map(|(place, from, to)| (*place, agnostic(from, to, most)))
            .collect();
        let mut point = |how: How, k: usize, taken: usize, steps: &Steps| {
            let mut edit: Edit = vec![None; places.len()];
            let mut weight = 0.0;
            for (place, exchanges) in steps {
                edit[*place] = Some(exchanges.part(taken).to_vec());
                weight += exchanges.magnitude(taken);
            }
            weight /= steps.len().max(1) as f64;
            push(Purpose::Edit(attribute, how, k, weight), edit);
        };
        let name = &self.task.attributes[attribute];
        for k in self.steps {
            point(How::Agnostic, *k, *k, &greedy);
            let named: Steps = sides
                .iter()
                .map(|(place, from, to)| {
                    let scores = |feature: FeatureId| {
                        let of = places[*place].as_ref().map(|coded| &coded.scores);
                        [&pair.prompt.values[attribute], &pair.values[attribute]]
                            .map(|value| of.map_or(0.0, |scores| scores.of(feature, (name, value))))
                    };
                    (*place, by_interpretation((from, to), *k, &scores))
                })
                .collect();
            point(How::ByInterpretation, *k, usize::MAX, &named);
        }
        Ok(())
    }

    /// Runs with the active features below, and at or above, each threshold subtracted.
    fn carried(
        &self,
        places: &[Option<Coded<'a>>],
        prompt: usize,
        push: &mut dyn FnMut(Purpose, Edit),
    ) -> Result<()> {
        let mut sides = Vec::new();
        for (place, coded) in places.iter().enumerate() {
            let Some(coded) = coded else { continue };
            let clean = (&self.activations.clean[place], &coded.clean, prompt);
            sides.push((place, coded, self.side(coded, place, clean)?));
        }
        let without = |subtracts: &dyn Fn(f64) -> bool| {
            let mut edit: Edit = vec![None; places.len()];
            for (place, coded, side) in &sides {
                let mut part = side.part.clone();
                let written = side.features.iter().zip(&side.written);
                let chosen = written.filter(|(feature, _)| subtracts(coded.best(**feature)));
                for (_, written) in chosen {
                    part.iter_mut().zip(written).for_each(|(sum, u)| *sum -= u);
                }
                edit[*place] = Some(part.into_iter().map(|value| value as f32).collect());
            }
            edit
        };
        for (number, threshold) in THRESHOLDS.iter().enumerate() {
            push(Purpose::Below(number), without(&|f1| f1 < *threshold));
            push(Purpose::Above(number), without(&|f1| f1 >= *threshold));
        }
        Ok(())
    }
}
