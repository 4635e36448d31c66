//! Settings of a training run.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::settings::{AUTO, SETTINGS, Setting, TRANSCODER};
use crate::corpus::Positions;
use crate::error::{Error, Result};
use crate::formats;
use crate::ids::{HookPoint, Site};
use crate::kernels::encode::Product;
use crate::sae::{
    Custom, ErrorOf, GradientValues, InputNorm, Sae, Selection, SelectionRule, SparsityPenalty,
    Uses, Variant, Zipf,
};
use crate::store::Dtype;

/// Length of decoder rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// 1, always.
    Unit,
    /// As training has it.
    Free,
}

/// Rows that Adam moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adam {
    /// All of them: momentum moves a row that has no gradient.
    Exact,
    /// Those of features that have a gradient; the others and their moments stand still, corrections count all steps.
    Lazy,
}

/// Scaling of activations for training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalise {
    /// So that a sample's mean of ‖x − mean‖² is `d`.
    Dataset,
    /// Not at all.
    None,
    /// Each token by [`InputNorm::Layer`], which the dictionary keeps; then as `Dataset`.
    LayerNorm,
    /// Each token by [`InputNorm::Constant`], which the dictionary keeps; then as `Dataset`.
    ConstantNorm,
}

impl Normalise {
    /// Normalisation of each token by the dictionary.
    pub(crate) fn by_token(self) -> InputNorm {
        match self {
            Self::Dataset | Self::None => InputNorm::None,
            Self::LayerNorm => InputNorm::Layer,
            Self::ConstantNorm => InputNorm::Constant,
        }
    }
}

/// Times that dead features are resampled at most (Kissane et al. 2024).
const RESAMPLINGS: u64 = 4;

/// Settings of a training run.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Hook to read.
    pub hook: HookPoint,
    /// Rule that chooses active features.
    pub variant: Variant,
    /// Rule of a program's own in place of the variant's ([`Spec::select_by`]); the settings of the variant still count.
    pub rule: Option<Custom>,
    /// Whether the dictionary is a transcoder, which writes another hook ([`Spec::writes`]) than it reads.
    pub transcodes: bool,
    /// Features, `f`.
    pub features: usize,
    /// Active per token, `k`.
    pub k: usize,
    /// Activations to train on.
    pub tokens: u64,
    /// Seeds initialisation, order and shuffling.
    pub seed: u64,
    /// Activations per step.
    pub batch: usize,
    /// Peak learning rate; none: see [`Spec::peak_learning_rate`].
    pub learning_rate: Option<f64>,
    /// Share of the steps spent warming up linearly.
    pub warmup: f64,
    /// Share of the steps at the end over which the rate falls linearly to 0.
    pub decay: f64,
    /// Features AuxK may use per token; none: half the activation's width.
    pub k_aux: Option<usize>,
    /// Weight of AuxK's loss.
    pub aux_coefficient: f64,
    /// Activations after which a silent feature counts as dead; none: min(10 M, 5 % of the run).
    pub dead_after: Option<u64>,
    /// Weight of the sparsity penalty; none: see [`Spec::sparsity`].
    pub sparsity_coefficient: Option<f64>,
    /// Share of the steps over which the penalty rises.
    pub sparsity_warmup: f64,
    /// Sparsity penalty of JumpReLU.
    pub sparsity_penalty: SparsityPenalty,
    /// Width of JumpReLU's rectangle, in root mean squares of a coordinate.
    pub bandwidth: f64,
    /// JumpReLU's first threshold, in the same unit.
    pub initial_threshold: f64,
    /// Weight of |g| over its mean in a gradient SAE's ranking.
    pub beta: f64,
    /// Values passed to a gradient SAE's decoder.
    pub gradient_values: GradientValues,
    /// Exponent of the Zipf law; none: fitted.
    pub zipf_alpha: Option<f64>,
    /// Offset of the Zipf law; none: fitted.
    pub zipf_beta: Option<f64>,
    /// Share of the law's density below which a feature is under-used.
    pub zipf_tau: f64,
    /// Share of the steps before features choose.
    pub phase: f64,
    /// Nested dictionaries of a Matryoshka.
    pub levels: usize,
    /// Length of decoder rows.
    pub decoder: Decoder,
    /// Rows that Adam moves.
    pub adam: Adam,
    /// Product that finds the candidates of the selection.
    pub product: Product,
    /// Scaling of activations.
    pub normalise: Normalise,
    /// Start `b_dec` at the geometric median instead of the mean.
    pub geometric_median: bool,
    /// Activations held in the shuffle buffer.
    pub buffer: usize,
    /// Number type of the shuffle buffer.
    pub buffer_dtype: Dtype,
    /// Positions of rows to train on.
    pub positions: Positions,
    /// Whether documents packed in one row are kept apart.
    pub separate_documents: bool,
    /// Times the median length beyond which an activation is left out; 0: never.
    pub outliers: f64,
    /// Activations whose codes are computed at a time; none: all of a batch, or as many as fit into memory.
    pub micro_batch: Option<usize>,
    /// Share of the steps over which the number of active features falls to `k`.
    pub k_warmup: f64,
    /// Where it begins; none: the width of the activation.
    pub k_start: Option<usize>,
    /// Length that the gradient of all parameters is cut down to; 0: never.
    pub clip: f64,
    /// Rate of the moving average of all weights that is saved in their place; 0: none.
    pub ema: f64,
    /// Whether TopK also learns from the 4·k largest.
    pub multi_topk: bool,
    /// Steps from one resampling of dead features to the next, 0: never; none: a sixth of the run.
    pub resample_every: Option<u64>,
    /// Hook that a transcoder writes; none: see [`Spec::writes`].
    pub hook_out: Option<HookPoint>,
    /// Whether a transcoder has a linear map beside its features.
    pub skip: bool,
    /// Rule that `transcoder` as the text of the setting `variant` stands for.
    pub transcoder_rule: Variant,
    /// Dictionary to start from, in place of random directions.
    pub start: Option<Arc<Sae>>,
    /// Parent whose error is read in place of the activation; none: the activation itself.
    pub on: Option<Arc<ErrorOf>>,
    /// Extra facts for the saved metadata (corpus, split), as JSON.
    pub facts: BTreeMap<String, Value>,
}

impl Spec {
    /// Returns default settings for `hook`.
    pub fn default_for(hook: HookPoint) -> Self {
        Self {
            hook,
            variant: Variant::TopK,
            rule: None,
            transcodes: false,
            features: if hook.is_z() { 1_024 } else { 2_048 },
            k: if hook.is_z() { 24 } else { 32 },
            tokens: 2_000_000,
            seed: 0,
            batch: 2_048,
            learning_rate: None,
            warmup: 0.02,
            decay: 0.2,
            k_aux: None,
            aux_coefficient: 1.0 / 32.0,
            dead_after: None,
            sparsity_coefficient: None,
            sparsity_warmup: 0.1,
            sparsity_penalty: SparsityPenalty::Target,
            bandwidth: 0.05,
            initial_threshold: 0.01,
            beta: 1.0,
            gradient_values: GradientValues::PreActivations,
            zipf_alpha: None,
            zipf_beta: None,
            zipf_tau: 0.5,
            phase: 0.6,
            levels: 4,
            decoder: Decoder::Unit,
            adam: Adam::Exact,
            product: Product::Exact,
            normalise: Normalise::Dataset,
            geometric_median: true,
            buffer: 65_536,
            buffer_dtype: Dtype::F32,
            positions: Positions::default(),
            separate_documents: false,
            outliers: 0.0,
            micro_batch: None,
            k_warmup: 0.0,
            k_start: None,
            clip: 0.0,
            ema: 0.0,
            multi_topk: false,
            resample_every: Some(0),
            hook_out: None,
            skip: false,
            transcoder_rule: Variant::Relu,
            start: None,
            on: None,
            facts: BTreeMap::new(),
        }
    }

    /// Starts from `sae` in place of random directions: features are its own, and so are variant and `k`, as far as its file says or its selection tells.
    pub fn go_on_from(&mut self, sae: impl Into<Arc<Sae>>) {
        let sae = sae.into();
        self.features = sae.features();
        self.variant = sae.selection.trained_as();
        let trained_as = sae.provenance.other.get("settings");
        for key in ["variant", "k"] {
            let text = trained_as.and_then(|settings| settings.get(key)?.as_str());
            if let Some(text) = text {
                // What another version called otherwise is left to the selection.
                drop(self.set(key, text));
            }
        }
        if let Some(k) = sae.selection.k() {
            self.k = k;
        }
        self.transcodes = sae.role.transcodes();
        if let Some(transcoder) = sae.role.transcoder() {
            self.variant = match sae.selection {
                Selection::Relu(_) => Variant::Relu,
                _ => Variant::BatchTopK,
            };
            self.transcoder_rule = self.variant;
            self.skip = transcoder.w_skip.is_some();
            self.hook_out = transcoder.hook_out;
        }
        self.read_as(&sae);
        self.normalise = match sae.input_norm {
            InputNorm::None => self.normalise,
            InputNorm::Layer => Normalise::LayerNorm,
            InputNorm::Constant => Normalise::ConstantNorm,
        };
        self.facts
            .insert("trained_from".to_owned(), sae.name.as_str().into());
        self.on.clone_from(&sae.error_of);
        self.start = Some(sae);
    }

    /// Counts positions and keeps documents apart as `sae` was trained, for a run that reads its error.
    pub fn read_as(&mut self, sae: &Sae) {
        self.positions = formats::rule(&sae.provenance).unwrap_or(self.positions);
        self.separate_documents = formats::kept_apart(&sae.provenance).unwrap_or_default();
    }

    /// Selects active features by `rule` in training, in place of the variant's own rule. Records and metadata name it; such a run can only be repeated by a
    /// program that has the rule.
    pub fn select_by(&mut self, rule: impl SelectionRule + 'static) {
        let rule = Custom::new(rule);
        self.facts
            .insert("selection_rule".to_owned(), rule.name().into());
        self.rule = Some(rule);
    }

    /// Returns the setting `variant` as text: the name of a rule of a program's own, `transcoder`, or the variant's name.
    pub fn kind(&self) -> &'static str {
        if let Some(rule) = &self.rule {
            rule.name()
        } else if self.transcodes {
            TRANSCODER
        } else {
            self.variant.name()
        }
    }

    /// Returns the value of a setting as text; `auto` where the program chooses.
    pub fn get(&self, key: &str) -> Result<String> {
        Ok((setting(key)?.get)(self))
    }

    /// Sets a setting from text; an error names it and its range.
    pub fn set(&mut self, key: &str, text: &str) -> Result<()> {
        let setting = setting(key)?;
        let text = &*setting.plain(text.trim())?;
        let mut changed = self.clone();
        let parsed = (setting.set)(&mut changed, text).is_some();
        if parsed && (text == AUTO || setting.allows(&(setting.get)(&changed))) {
            *self = changed;
            return Ok(());
        }
        let what = format!("`{text}` cannot be used, give {}", setting.takes());
        Err(Error::setting(key, what))
    }

    /// Returns the peak rate: the setting, else 4e-4 · √(2¹⁴ / f), 0.002 at most.
    pub fn peak_learning_rate(&self) -> f64 {
        self.learning_rate
            .unwrap_or_else(|| (4e-4 * (16_384.0 / self.features as f64).sqrt()).min(2e-3))
    }

    /// Returns the weight of the sparsity penalty: the setting, else the default of the variant.
    pub fn sparsity(&self) -> f64 {
        let suits = self.variant.sparsity(self.sparsity_penalty);
        self.sparsity_coefficient.unwrap_or(suits)
    }

    /// Returns the Zipf law, if it is given.
    pub(crate) fn zipf(&self) -> Option<Zipf> {
        let (alpha, beta) = (self.zipf_alpha?, self.zipf_beta?);
        Some(Zipf { alpha, beta })
    }

    /// Returns the hook whose activations are reconstructed: a transcoder's other hook, else the hook that is read.
    pub fn writes(&self) -> HookPoint {
        if !self.transcodes {
            return self.hook;
        }
        let of_block = |layer| HookPoint::Block(layer, Site::MlpOut);
        let chosen = self.hook_out.or_else(|| self.hook.layer().map(of_block));
        chosen.unwrap_or(self.hook)
    }

    /// Whether the number of active features is set, and AuxK helps the dead.
    pub(super) fn budgeted(&self) -> bool {
        self.variant.uses(Uses::Budget)
    }

    /// Steps from one resampling of dead features to the next, if there is any.
    pub(super) fn resampling(&self) -> Option<u64> {
        let every = self
            .resample_every
            .unwrap_or_else(|| (self.steps() / 6).max(1));
        (every > 0).then_some(every)
    }

    /// The step of the last resampling at or before `step`, both counted from 1.
    pub(super) fn resampled(&self, step: u64) -> Option<u64> {
        let every = self.resampling()?;
        let times = (step / every).min(RESAMPLINGS);
        (times > 0).then_some(times * every)
    }

    /// Returns the settings that count for the variant.
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        SETTINGS.iter().filter(|setting| setting.counts_for(self))
    }

    /// Returns the number of steps; the last one may be shorter than a batch.
    pub fn steps(&self) -> u64 {
        self.tokens.div_ceil(self.batch.max(1) as u64)
    }

    /// Checks that each setting is within its range and that settings agree.
    pub fn validate(&self) -> Result<()> {
        // A rule of a program's own has no text that could be set.
        let plain = Self {
            rule: None,
            ..self.clone()
        };
        for setting in SETTINGS {
            let text = (setting.get)(&plain);
            plain.clone().set(setting.key, &text)?;
        }
        if self.zipf_alpha.is_some() != self.zipf_beta.is_some() {
            let what = "zipf_alpha and zipf_beta define one law: give both, or neither to fit them";
            return Err(Error::setting("zipf_beta", what));
        }
        if self.variant.uses(Uses::K) && self.k > self.features {
            let what = format!(
                "{} active features per token exceed the dictionary's {} features, give fewer",
                self.k, self.features
            );
            return Err(Error::setting("k", what));
        }
        if let Some(start) = self
            .start
            .as_deref()
            .filter(|start| start.features() != self.features)
        {
            let what = format!(
                "{} has {} features, which the run takes over: omit the setting",
                start.name,
                start.features()
            );
            return Err(Error::setting("features", what));
        }
        if let Some(of) = self.on.as_deref().filter(|_| self.transcodes) {
            let what = format!(
                "a transcoder writes another hook than it reads and cannot reconstruct {}: choose another variant",
                of.said()
            );
            return Err(Error::setting("variant", what));
        }
        if let Some(of) = self
            .on
            .as_deref()
            .filter(|of| of.parent().hook().ok() != Some(self.hook))
        {
            let what = format!(
                "the parent {} reads another hook than {}: omit the setting",
                of.parent().name,
                self.hook
            );
            return Err(Error::setting("hook", what));
        }
        if self.transcodes && self.writes() == self.hook {
            let what = format!(
                "a transcoder cannot write {}, the hook that it reads: name another hook",
                self.hook
            );
            return Err(Error::setting("hook_out", what));
        }
        if self.skip && self.transcodes && self.normalise.by_token() != InputNorm::None {
            let what = "the skip connection would read unnormalised activations while the features read normalised ones: give dataset or none, or turn the skip connection off";
            return Err(Error::setting("normalise", what));
        }
        if self.outliers > 0.0 && self.outliers < 1.0 {
            let what = format!(
                "{} would leave out most activations, give 0, or 1 or more",
                self.outliers
            );
            return Err(Error::setting("outliers", what));
        }
        if self.warmup + self.decay > 1.0 {
            let what = "warmup and decay together exceed the run, shorten one";
            return Err(Error::setting("decay", what));
        }
        Ok(())
    }
}

fn setting(key: &str) -> Result<&'static Setting> {
    SETTINGS.iter().find(|s| s.key == key).ok_or_else(|| {
        let keys: Vec<_> = SETTINGS.iter().map(|s| s.key).collect();
        Error::setting(
            key,
            format!("no such setting, there are {}", keys.join(", ")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Site;
    use crate::train::Range;

    fn spec() -> Spec {
        Spec::default_for(HookPoint::block(2, Site::ResidPost))
    }

    #[test]
    fn every_setting_is_described_once_and_is_set_to_what_it_gets() {
        for (i, setting) in SETTINGS.iter().enumerate() {
            assert!(SETTINGS[..i].iter().all(|s| s.key != setting.key));
            assert_eq!(setting.flag, setting.key.replace('_', "-"));
            let mut spec = spec();
            let text = spec.get(setting.key).unwrap();
            spec.set(setting.key, &text).unwrap();
            assert_eq!(spec, self::spec(), "{}", setting.key);
            assert_eq!(spec.set(setting.key, AUTO).is_ok(), setting.auto.is_some());
        }
        spec().validate().unwrap();
    }

    #[test]
    fn setting_changes_its_own_field() {
        let mut spec = spec();
        spec.set("learning_rate", "0.003").unwrap();
        spec.set("k", " 7 ").unwrap();
        spec.set("geometric_median", "false").unwrap();
        assert_eq!(spec.peak_learning_rate(), 0.003);
        assert_eq!((spec.k, spec.geometric_median), (7, false));
        for (text, want) in [("20k", 20_000), ("1e6", 1_000_000), ("2_048", 2_048)] {
            spec.set("tokens", text).unwrap();
            spec.set("dead_after", text).unwrap();
            assert_eq!((spec.tokens, spec.dead_after), (want, Some(want)));
        }
        spec.set("learning_rate", "auto").unwrap();
        spec.features = 4_096;
        assert_eq!(spec.peak_learning_rate(), 8e-4);
    }

    #[track_caller]
    fn refused(key: &str, text: &str, phrase: &str) {
        let before = spec();
        let mut after = before.clone();
        let what = after.set(key, text).unwrap_err().to_string();
        assert!(what.contains(key) && what.contains(phrase), "{what}");
        assert_eq!(before, after);
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_the_range() {
        refused("k", "0", "from 1 to 4096");
        refused("k", "many", "`many` is not a whole number");
        refused("k", "1.5", "`1.5` is not a whole number");
        refused("tokens", "1e-1", "from 1 to ");
        refused("seed", "-1", "`-1` is negative");
        refused("features", "1e99", "`1e99` is more than");
        refused("dead_after", "often", "or `auto`");
        refused("warmup", "1.5", "from 0 to 1");
        refused("warmup", "NaN", "from 0 to 1");
        refused("learning_rate", "-1", "or `auto`");
        refused("geometric_median", "maybe", "`true` or `false`");
        refused("variant", "transformer", "relu, topk, batch-topk");
        refused("decoder", "auto", "give unit, free");
        refused("sparsity", "1", "no such setting");
    }

    #[test]
    fn the_table_names_every_variant_and_shows_each_its_own_settings() {
        let setting = setting("variant").unwrap();
        let mut names: Vec<_> = Variant::ALL.iter().map(|variant| variant.name()).collect();
        names.push("transcoder");
        assert!(matches!(setting.range, Range::Choice(words) if words == names));
        let keys = |variant: Variant| -> Vec<&str> {
            let mut spec = spec();
            spec.variant = variant;
            spec.settings().map(|setting| setting.key).collect()
        };
        assert!(keys(Variant::TopK).contains(&"k_aux"));
        assert!(!keys(Variant::TopK).contains(&"beta"));
        assert!(keys(Variant::Relu).contains(&"sparsity_coefficient"));
        assert!(!keys(Variant::Relu).contains(&"k"));
        assert!(keys(Variant::Matryoshka).contains(&"levels"));
    }

    #[test]
    fn a_transcoder_is_a_target_and_its_rule_a_variant_whichever_is_set_first() {
        let texts = [("variant", "transcoder"), ("transcoder_rule", "batch-topk")];
        for order in [[0, 1], [1, 0]] {
            let mut spec = spec();
            for i in order {
                let (key, text) = texts[i];
                spec.set(key, text).unwrap();
            }
            assert_eq!((spec.transcodes, spec.variant), (true, Variant::BatchTopK));
            for (key, text) in texts {
                assert_eq!(spec.get(key).unwrap(), text);
            }
            let keys: Vec<&str> = spec.settings().map(|setting| setting.key).collect();
            for key in ["k", "sparsity_coefficient", "hook_out", "skip"] {
                assert!(keys.contains(&key), "{key}");
            }
            spec.set("variant", "gated").unwrap();
            assert_eq!((spec.transcodes, spec.variant), (false, Variant::Gated));
        }
        let mut spec = spec();
        (spec.transcodes, spec.variant) = (true, Variant::TopK);
        let what = spec.validate().unwrap_err().to_string();
        assert!(
            what.contains("transcoder_rule") && what.contains("relu, batch-topk"),
            "{what}"
        );
    }

    #[test]
    fn settings_that_disagree_are_refused() {
        let mut spec = spec();
        spec.features = 8;
        assert!(spec.validate().unwrap_err().to_string().starts_with("k: "));
        spec.variant = Variant::Relu;
        spec.validate().unwrap();
        spec = self::spec();
        spec.zipf_alpha = Some(1.0);
        assert!(spec.validate().is_err());
        spec = self::spec();
        (spec.warmup, spec.decay) = (0.6, 0.6);
        assert!(spec.validate().is_err());
        spec = self::spec();
        spec.batch = 0;
        assert!(
            spec.validate()
                .unwrap_err()
                .to_string()
                .starts_with("batch: ")
        );
    }
}
