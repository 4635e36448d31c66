//! Where a trainer begins: at random directions, at a given dictionary, or blank for a checkpoint; and the dictionary that it stands at.

use super::Spec;
use super::average::Average;
use super::dead::{self, Dead};
use super::init::{Statistics, directions, readings};
use super::optim::{Features, Folded, Parameter, to_length_one};
use super::rules;
use super::spec::{Adam, Decoder, Normalise};
use super::step::{AuxSettings, Trainer};
use super::transcode::{Mapping, add, times};
use crate::dims::Matrix;
use crate::error::{Error, Key, Result};
use crate::kernels::linear::rows_times;
use crate::kernels::residual::{Residual, residual};
use crate::sae::rule::Work;
use crate::sae::{Relu, Role, Sae, Selection, Transcoder, Variant};

/// Decoder rows whose length is no further from 1 count as of length 1: that of half-precision weights is.
const NEAR: f32 = 1e-3;

/// A dictionary in the trainer's scale, decoder rows of length 1.
struct Standing {
    dictionary: Folded,
    b_dec: Vec<f32>,
    skip: Option<Matrix>,
    selection: Selection,
}

impl Trainer {
    /// Starts from a sample of activations `[n, d]` (with gradients: `[n, 2·d]`; for a transcoder each followed by what is to be written, of the same width), or
    /// from the dictionary that `spec` names.
    pub fn new(spec: &Spec, sample: &Matrix) -> Result<Self> {
        Self::begin(spec, sample, None)
    }

    /// Starts from a sample in which `target` columns of another hook's activations follow each activation.
    pub(super) fn begin(spec: &Spec, sample: &Matrix, target: Option<usize>) -> Result<Self> {
        spec.validate()?;
        let (d, beside) = widths(spec, sample.columns(), target);
        let read = columns(sample, 0, d);
        let read_statistics = Statistics::new(&read, spec.geometric_median)?;
        let scale_of = |statistics: &Statistics, d: usize| match spec.normalise {
            Normalise::None => 1.0,
            Normalise::Dataset | Normalise::LayerNorm | Normalise::ConstantNorm => {
                (d as f64 / statistics.variance).sqrt()
            }
        };
        let read_scale = scale_of(&read_statistics, d);
        let scaled = |centre: &[f64], scale: f64| -> Vec<f32> {
            centre.iter().map(|c| (c * scale) as f32).collect()
        };
        let (statistics, scale, mapping) = if spec.transcodes {
            let written = Statistics::new(&columns(sample, d, beside), spec.geometric_median)?;
            let mapping = Mapping {
                origin: scaled(&read_statistics.centre, read_scale),
                scale: read_scale as f32,
                skip: spec.skip.then(|| Parameter::new(Matrix::zeros(beside, d))),
                target: Matrix::default(),
            };
            let scale = scale_of(&written, beside);
            (written, scale, Some(mapping))
        } else {
            (read_statistics, read_scale, None)
        };
        let variance = statistics.variance * scale * scale;
        if let Some(start) = &spec.start {
            return Self::going_on(spec, start, (d, scale as f32, variance), mapping);
        }
        let width = statistics.centre.len();
        let w_dec = directions(spec, width);
        let w_enc = match mapping {
            Some(_) => readings(spec, d, width),
            None => w_dec.clone(),
        };
        let sae = Sae::new(
            "",
            (w_enc, vec![0.0; spec.features]),
            (w_dec, scaled(&statistics.centre, scale)),
            Relu,
        );
        let mut trainer = Self::with_variance(spec, sae, variance)?;
        trainer.scale = scale as f32;
        trainer.mapping = mapping;
        Ok(trainer)
    }

    /// Goes on from a dictionary for activations as they come: brought to the trainer's scale, its codes are the same but for that scale.
    fn going_on(
        spec: &Spec,
        start: &Sae,
        (d, scale, variance): (usize, f32, f64),
        mut mapping: Option<Mapping>,
    ) -> Result<Self> {
        start.check_by_token()?;
        start.check_alone()?;
        if let Some(head) = start.provenance.head {
            return Err(Error::Unsupported {
                what: format!(
                    "going on from {}, which reads head {head} alone,",
                    start.name
                ),
                remedy: "training reads all heads of a hook: start from a dictionary of all heads"
                    .to_owned(),
            });
        }
        start.check_weights()?;
        let mut sae = start.clone();
        let transcodes = spec.transcodes;
        if transcodes != sae.role.transcodes() {
            let (is, wanted) = if transcodes {
                ("no transcoder", "a variant other than transcoder")
            } else {
                ("a transcoder", "the variant transcoder")
            };
            let what = format!("{} is {is}: give {wanted}", sae.name);
            return Err(Error::setting("variant", what));
        }
        if sae.width() != d {
            let what = format!(
                "has width {d}, but {} reads {}: name the hook and the model that it was trained on",
                sae.name,
                sae.width()
            );
            return Err(Error::hook(spec.hook, what));
        }
        if sae.input_norm != spec.normalise.by_token() {
            let reads = sae.input_norm.describe().unwrap_or("tokens as they are");
            let what = format!(
                "{} reads {reads}, which the run takes over: omit the setting",
                sae.name
            );
            return Err(Error::setting("normalise", what));
        }
        sae.subtract_b_dec(true);
        fold(&mut sae, spec.decoder == Decoder::Free)?;
        sae.selection = sae.selection.scaled(scale);
        sae.b_enc.iter_mut().for_each(|b| *b *= scale);
        sae.b_dec.iter_mut().for_each(|b| *b *= scale);
        if let (Some(mapping), Some(transcoder)) = (&mut mapping, sae.role.take_transcoder()) {
            let factor = scale / mapping.scale;
            sae.w_enc.values_mut().iter_mut().for_each(|w| *w *= factor);
            let through = times(&sae.w_enc, &mapping.origin);
            for (b, through) in sae.b_enc.iter_mut().zip(through) {
                *b = (f64::from(*b) + through) as f32;
            }
            if let Some(skip) = &mut mapping.skip
                && let Some(mut w_skip) = transcoder.w_skip
            {
                w_skip.values_mut().iter_mut().for_each(|w| *w *= factor);
                let through = times(&w_skip, &mapping.origin);
                for (b, through) in sae.b_dec.iter_mut().zip(through) {
                    *b = (f64::from(*b) + through) as f32;
                }
                *skip = Parameter::new(w_skip);
            } else if transcoder.w_skip.is_some() {
                let what = format!("{} has a skip connection, set it to true", sae.name);
                return Err(Error::setting(Key::Skip, what));
            }
        }
        let selection = sae.selection.clone();
        let mut trainer = Self::with_variance(spec, sae, variance)?;
        trainer.rule.take_over(&selection);
        trainer.scale = scale;
        trainer.mapping = mapping;
        Ok(trainer)
    }

    /// One for rows of a source, `columns` wide, whose state is to be put back.
    pub(super) fn blank(spec: &Spec, columns: usize, target: Option<usize>) -> Result<Self> {
        let (d, beside) = widths(spec, columns, target);
        let transcodes = spec.transcodes;
        let width = if transcodes { beside } else { d };
        let f = spec.features;
        let sae = Sae::new(
            "",
            (Matrix::zeros(f, d), vec![0.0; f]),
            (Matrix::zeros(f, width), vec![0.0; width]),
            Relu,
        )
        .with_role(if transcodes {
            Role::Transcoder(Transcoder {
                hook_out: None,
                w_skip: spec.skip.then(|| Matrix::zeros(width, d)),
            })
        } else {
            Role::Autoencoder
        });
        Self::from_sae(spec, sae)
    }

    /// Starts from a dictionary's encoder and decoder, rows of the latter of length 1, for activations whose mean of ‖x − mean‖² is `d`.
    pub fn from_sae(spec: &Spec, mut sae: Sae) -> Result<Self> {
        let variance = sae.w_dec.columns() as f64;
        let mapping = sae.role.take_transcoder().map(|transcoder| Mapping {
            origin: vec![0.0; sae.width()],
            scale: 1.0,
            skip: transcoder.w_skip.map(Parameter::new),
            target: Matrix::default(),
        });
        let mut trainer = Self::with_variance(spec, sae, variance)?;
        trainer.mapping = mapping;
        Ok(trainer)
    }

    fn with_variance(spec: &Spec, sae: Sae, variance: f64) -> Result<Self> {
        let d = sae.w_dec.columns();
        let (features, read) = (sae.features(), sae.width());
        let unit = (variance / d.max(1) as f64).sqrt();
        Ok(Self {
            features: Features {
                w_enc: Parameter::new(sae.w_enc),
                b_enc: Parameter::new(Matrix::new(features, 1, sae.b_enc)?),
                w_dec: Parameter::new(sae.w_dec),
                free: spec.decoder == Decoder::Free,
                lazy: spec.adam == Adam::Lazy,
                frozen: false,
            },
            b_dec: Parameter::new(Matrix::new(1, d, sae.b_dec)?),
            rule: rules::rule(spec, features, unit),
            work: Work::default(),
            aux: AuxSettings {
                k: spec.k_aux.unwrap_or(d / 2).max(1),
                coefficient: if spec.budgeted() {
                    spec.aux_coefficient
                } else {
                    0.0
                },
            },
            product: spec.product,
            scale: 1.0,
            variance,
            dead: Dead::new(features, dead::limit(spec)),
            steps: 0,
            steps_in_all: spec.steps(),
            k_warmup: (spec.k_start.unwrap_or(read), spec.k_warmup),
            micro_batch: 0,
            paired: spec.variant == Variant::Gradient,
            measuring: false,
            clip: (spec.clip > 0.0).then_some(spec.clip),
            average: (spec.ema > 0.0).then(|| Average::new(spec.ema)),
            mapping: None,
            device: None,
            fault: None,
            centred: Matrix::default(),
            gradients: Matrix::default(),
            lengths: Vec::new(),
            folded: Folded::default(),
            main: Residual::default(),
            aux_left: Residual::default(),
        })
    }

    /// Number of columns that follow each activation in a row.
    pub(super) fn beside(&self) -> usize {
        match (&self.mapping, self.paired) {
            (Some(_), _) => self.features.w_dec.value.columns(),
            (None, true) => self.features.w_enc.value.columns(),
            (None, false) => 0,
        }
    }

    /// Everything that is learnt but what the rule learns: encoder, its bias, decoder, its bias, skip connection.
    pub(super) fn parts(&self) -> Vec<&Matrix> {
        let features = &self.features;
        let mut parts = vec![
            &features.w_enc.value,
            &features.b_enc.value,
            &features.w_dec.value,
            &self.b_dec.value,
        ];
        let skip = self.mapping.as_ref().and_then(|to| to.skip.as_ref());
        parts.extend(skip.map(|skip| &skip.value));
        parts
    }

    /// Adds the last step to the average.
    pub(super) fn count_average(&mut self) {
        if let Some(mut average) = self.average.take() {
            average.count(&self.parts(), self.rule.inference());
            self.average = Some(average);
        }
    }

    /// Returns the average, else the weights as they are.
    fn standing(&self) -> Standing {
        let average = self.average.as_ref().filter(|average| average.is_there());
        let parts = match average {
            Some(average) => average.parts.iter().collect(),
            None => self.parts(),
        };
        let selection = self.rule.inference();
        let mut dictionary = Folded {
            w_enc: parts[0].clone(),
            b_enc: parts[1].values().to_vec(),
            w_dec: parts[2].clone(),
        };
        if self.features.free {
            dictionary.fold();
        } else if average.is_some() {
            let d = dictionary.w_dec.columns().max(1);
            let rows = dictionary.w_dec.values_mut().chunks_exact_mut(d);
            rows.for_each(to_length_one);
        }
        Standing {
            dictionary,
            b_dec: parts[3].values().to_vec(),
            skip: parts.get(4).map(|skip| (*skip).clone()),
            selection: match average {
                Some(average) => average.selection(selection),
                None => selection,
            },
        }
    }

    /// Active pairs and squared error of the batch that was gathered, by the average.
    pub(super) fn measure_average(&self) -> Result<(usize, f64)> {
        let at = self.standing();
        // What was gathered is about the biases that train, not about their average.
        let mut moved = match &self.mapping {
            Some(mapping) => mapping.target.clone(),
            None => self.centred.clone(),
        };
        let biases = self.b_dec.value.values().iter().zip(&at.b_dec);
        let by: Vec<f32> = biases.map(|(b, average)| b - average).collect();
        for row in moved.values_mut().chunks_exact_mut(by.len().max(1)) {
            row.iter_mut().zip(&by).for_each(|(x, by)| *x += by);
        }
        let skip = self.mapping.as_ref().and_then(|to| to.skip.as_ref());
        if let (Some(skip), Some(average)) = (skip, &at.skip) {
            let mut difference = skip.value.clone();
            add(&mut difference, average, -1.0);
            add(&mut moved, &rows_times(&self.centred, &difference), 1.0);
        }
        let read = match &self.mapping {
            Some(_) => &self.centred,
            None => &moved,
        };
        let dictionary = &at.dictionary;
        let latents = at
            .selection
            .encode(read, &dictionary.w_enc, &dictionary.b_enc)?;
        let mut left = Residual::default();
        residual(&mut left, &moved, &latents, &dictionary.w_dec, 0.0)?;
        Ok((latents.acts.len(), left.squared))
    }

    /// Leaves decoder rows as they are drawn from now on: a control that learns what to read and not what to write. On the CPU alone.
    #[must_use]
    pub fn with_frozen_decoder(mut self) -> Self {
        self.features.frozen = true;
        self
    }

    /// The dictionary as it stands, for activations as they come, decoder rows of length 1; the average of the steps, if one is kept.
    pub fn sae(&self) -> Sae {
        let Standing {
            mut dictionary,
            mut b_dec,
            mut skip,
            selection,
        } = self.standing();
        if let Some(mapping) = &self.mapping {
            let factor = mapping.scale / self.scale;
            let through = times(&dictionary.w_enc, &mapping.origin);
            for (b, through) in dictionary.b_enc.iter_mut().zip(through) {
                *b = (f64::from(*b) - through) as f32;
            }
            let w_enc = dictionary.w_enc.values_mut().iter_mut();
            w_enc.for_each(|w| *w *= factor);
            if let Some(skip) = &mut skip {
                let through = times(skip, &mapping.origin);
                for (b, through) in b_dec.iter_mut().zip(through) {
                    *b = (f64::from(*b) - through) as f32;
                }
                skip.values_mut().iter_mut().for_each(|w| *w *= factor);
            }
        }
        let unscaled = |values: &[f32]| values.iter().map(|v| v / self.scale).collect();
        Sae::new(
            "",
            (dictionary.w_enc, unscaled(&dictionary.b_enc)),
            (dictionary.w_dec, unscaled(&b_dec)),
            selection.scaled(1.0 / self.scale),
        )
        .with_role(match self.mapping {
            Some(_) => Role::Transcoder(Transcoder {
                hook_out: None,
                w_skip: skip,
            }),
            None => Role::Autoencoder,
        })
    }
}

/// Width of an activation, and of what stands behind it in a row of `columns`.
fn widths(spec: &Spec, columns: usize, target: Option<usize>) -> (usize, usize) {
    let beside = if spec.transcodes {
        target.unwrap_or(columns / 2)
    } else if spec.variant == Variant::Gradient {
        columns / 2
    } else {
        0
    };
    (columns.saturating_sub(beside), beside)
}

/// Columns `from..from + count` of `all`.
fn columns(all: &Matrix, from: usize, count: usize) -> Matrix {
    let mut some = Matrix::zeros(all.rows(), count);
    for (i, row) in all.iter_rows().enumerate() {
        some.row_mut(i).copy_from_slice(&row[from..from + count]);
    }
    some
}

/// Brings decoder rows to length 1, encoder rows, biases and thresholds by as much the other way; with `free` rows only the thresholds, since those are always
/// of the folded dictionary. Refused where that would choose other features: among pre-activations that grow by different factors others are largest.
fn fold(sae: &mut Sae, free: bool) -> Result<()> {
    if sae.selection.ranks() && sae.selection.follows_growth() {
        // It ranks by weights, which are mostly the lengths, by which training ranks too.
        sae.fold_decoder_norm()?;
    }
    let length = |row: &[f32]| row.iter().map(|w| w * w).sum::<f32>().sqrt();
    let lengths: Vec<f32> = sae.w_dec.iter_rows().map(length).collect();
    let used = lengths.iter().filter(|length| **length > 0.0);
    let (least, most) = used.fold((f32::INFINITY, 0.0_f32), |(least, most), length| {
        (least.min(*length), most.max(*length))
    });
    if most == 0.0 || (least > 1.0 - NEAR && most < 1.0 + NEAR) {
        return Ok(());
    }
    if sae.selection.ranks() && most > least * (1.0 + NEAR) {
        let what = format!(
            "the decoder rows of {} have norms from {least} to {most}; training ranks by activation · norm and would select other features than the dictionary does: fold the norms into its encoder first",
            sae.name
        );
        return Err(Error::setting("from", what));
    }
    for (feature, length) in lengths
        .iter()
        .enumerate()
        .filter(|(_, length)| **length > 0.0)
    {
        for values in sae.selection.by_feature().into_iter().take(1) {
            values[feature] *= length;
        }
        if !free {
            sae.w_dec
                .row_mut(feature)
                .iter_mut()
                .for_each(|w| *w /= length);
            sae.w_enc
                .row_mut(feature)
                .iter_mut()
                .for_each(|w| *w *= length);
            sae.b_enc[feature] *= length;
        }
    }
    Ok(())
}
