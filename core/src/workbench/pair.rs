//! A model and a dictionary for it: whether they belong together, how the model reads for the dictionary, and what was decided.

use std::path::Path;
use std::sync::Arc;

use super::text::{Text, TextRequest};
use crate::corpus::Rows;
use crate::error::{Error, Key, Notes, Result};
use crate::fit::Fit;
use crate::formats;
use crate::models::{Model, Opening, Processing};
use crate::sae::Sae;

/// A model and a dictionary for it. Both are shared, so a clone is cheap.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The model as it reads for the dictionary: with BOS where the dictionary's file says so.
    pub model: Arc<Model>,
    /// The dictionary.
    pub sae: Arc<Sae>,
    /// Whether they belong together.
    pub fit: Fit,
    /// Processing that the dictionary's file names and this model allows, where the model is processed otherwise.
    pub wanted: Option<Processing>,
    /// Sentence on BOS, where the dictionary's file overrides the model's rule.
    pub bos: Option<String>,
}

impl Pair {
    /// Opens the dictionary at `sae` and the model at `model`, processed as the dictionary's file names; an error if they do not fit. The notes say what was
    /// decided on the way.
    pub fn open(model: &Path, sae: &Path) -> Result<(Self, Notes)> {
        let (sae, mut notes) = formats::open(sae)?;
        let opening = Opening {
            processing: processing(None, &sae),
            ..Opening::default()
        };
        let (model, decided) = Model::open_as(model, opening)?;
        notes.extend(decided);
        let pair = Self::new(&Arc::new(model), &Arc::new(sae));
        notes.extend(pair.check()?);
        Ok((pair, notes))
    }

    /// Judges whether `sae` belongs to `model`. A pair that does not fit comes back with its reason: [`Pair::check`] refuses it.
    pub fn new(model: &Arc<Model>, sae: &Arc<Sae>) -> Self {
        let fit = Fit::judge(model, sae);
        let named = formats::processing(sae).map(|named| model.allowed(named));
        let (reader, bos) = formats::reader(model, sae);
        Self {
            model: match bos {
                Some(_) => Arc::new(reader),
                None => Arc::clone(model),
            },
            sae: Arc::clone(sae),
            fit,
            wanted: named.filter(|named| *named != model.processing()),
            bos,
        }
    }

    /// Returns what was decided, for people; an error if the pair does not fit.
    pub fn check(&self) -> Result<Notes> {
        let mut notes = Notes::default();
        let said = [
            self.fit.check(false)?,
            self.processing_note(),
            self.bos.clone(),
        ];
        for note in said.into_iter().flatten() {
            notes.add(note);
        }
        Ok(notes)
    }

    /// Returns a sentence where the dictionary was trained on a model processed otherwise.
    pub fn processing_note(&self) -> Option<String> {
        let wanted = self.wanted?;
        Some(format!(
            "The dictionary was trained on a model processed by {wanted} and is read with {} here",
            self.model.processing()
        ))
    }

    /// Reads a text for the pair: the dictionary's file decides row length, positions and separate documents where the request leaves them open.
    pub fn read(&self, request: &TextRequest) -> Result<Text> {
        request.read(&self.model, Some(&self.sae))
    }

    /// Returns what `other`, which reads the same activations and the same `rows`, was trained with otherwise.
    pub fn notes_on(&self, other: &Sae, rows: &Rows) -> Notes {
        let mut notes = Notes::default();
        let here = self.model.codec().bos().id.is_some();
        if other
            .provenance
            .prepend_bos
            .is_some_and(|with| with != here)
        {
            let [trained, read] = if here {
                ["without", "with"]
            } else {
                ["with", "without"]
            };
            notes.add(format!(
                "{} was trained {trained} BOS and is read {read} it, as {} is",
                other.name, self.sae.name
            ));
        }
        let rule = rows.mask().rule;
        let trained = formats::rule(&other.provenance);
        if let Some(trained) = trained.filter(|trained| *trained != rule) {
            notes.add(format!(
                "Positions count by `{rule}` for both; {} was trained with `{trained}`",
                other.name
            ));
        }
        notes
    }
}

/// Checks that pairs of one model can be used in one run. Returns the model as it reads for the first dictionary that says how, and what was decided; an error if a
/// pair does not fit, or if two dictionaries were trained on models processed in different ways.
pub fn together(pairs: &[Pair]) -> Result<(Arc<Model>, Notes)> {
    let mut notes = Notes::default();
    let wants = |pair: &&Pair| pair.sae.provenance.prepend_bos.is_some();
    let first = pairs.iter().find(wants).or(pairs.first());
    let first = first.ok_or_else(|| Error::setting(Key::Sae, "there is none, name one"))?;
    for pair in pairs {
        notes.extend(pair.check()?);
    }
    let saes: Vec<&Sae> = pairs.iter().map(|pair| &*pair.sae).collect();
    one_processing(&saes, |named| first.model.allowed(named))?;
    let here = first.model.codec().bos().id.is_some();
    for other in &saes {
        let with = other.provenance.prepend_bos;
        if let Some(with) = with.filter(|with| Some(*with) != first.sae.provenance.prepend_bos) {
            let [trained, read] = [with, here].map(|with| if with { "with" } else { "without" });
            notes.add(format!(
                "{} was trained {trained} BOS and is read {read} it, as {} is",
                other.name, first.sae.name
            ));
        }
    }
    Ok((Arc::clone(&first.model), notes))
}

/// Decides how a model is processed that is opened for several dictionaries: as asked for, else as their files name; an error if two name different ways.
pub fn processing_of_all(asked: Option<Processing>, saes: &[&Sae]) -> Result<Processing> {
    let named = one_processing(saes, |named| named)?;
    Ok(asked.or(named).unwrap_or_default())
}

/// Returns the one processing that the files of `saes` name, as far as it is `allowed`.
fn one_processing(
    saes: &[&Sae],
    allowed: impl Fn(Processing) -> Processing,
) -> Result<Option<Processing>> {
    let named = saes
        .iter()
        .filter_map(|sae| Some((sae, allowed(formats::processing(sae)?))));
    let named: Vec<(&&Sae, Processing)> = named.collect();
    let Some((one, first)) = named.first() else {
        return Ok(None);
    };
    match named.iter().find(|(_, processing)| processing != first) {
        Some((other, second)) => {
            let what = format!(
                "{} was trained on a model processed by {first} and {} on one by {second}: a run has one model, use one of the two",
                one.name, other.name
            );
            Err(Error::setting(Key::Sae, what))
        }
        None => Ok(Some(*first)),
    }
}

/// Decides how a model is processed that is opened for `sae`: as asked for, else as the dictionary's file names, else not at all.
pub fn processing(asked: Option<Processing>, sae: &Sae) -> Processing {
    asked.or(formats::processing(sae)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Positions;
    use crate::fit::Verdict;
    use crate::formats::Precision;

    fn demo() -> (Arc<Model>, Sae) {
        let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
        let (sae, _) = formats::open(&demo.join("saes/attn-0")).unwrap();
        let (model, _) = Model::open(&demo.join("model")).unwrap();
        (Arc::new(model), sae)
    }

    fn pair(model: &Arc<Model>, sae: &Sae) -> Pair {
        Pair::new(model, &Arc::new(sae.clone()))
    }

    #[test]
    fn the_model_reads_as_the_dictionary_was_trained_and_says_so() {
        let (model, mut sae) = demo();
        let own = pair(&model, &sae);
        assert_eq!(own.fit.verdict, Verdict::Proven);
        assert!(own.check().unwrap().is_empty() && Arc::ptr_eq(&own.model, &model));
        sae.provenance.prepend_bos = Some(false);
        let without = pair(&model, &sae);
        assert_eq!(without.model.codec().bos().id, None);
        let said = without.check().unwrap();
        assert!(
            said.iter().any(|note| note.contains("trained without")),
            "{said:?}"
        );
        let processing = Processing::transformer_lens();
        formats::name_processing(&mut sae.provenance, processing);
        let centred = pair(&model, &sae);
        assert_eq!(centred.wanted, Some(model.allowed(processing)));
        let said = centred.check().unwrap();
        assert!(
            said.iter()
                .any(|note| note.contains("is read with none here")),
            "{said:?}"
        );
    }

    #[test]
    fn a_model_is_opened_as_the_dictionary_was_trained() {
        let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
        let folder = tempfile::tempdir().unwrap();
        let (mut sae, _) = formats::open(&demo.join("saes/attn-0")).unwrap();
        formats::name_processing(&mut sae.provenance, Processing::transformer_lens());
        formats::save(&sae, folder.path(), Precision::F32).unwrap();
        let (pair, _) = Pair::open(&demo.join("model"), folder.path()).unwrap();
        assert!(!pair.model.processing().is_none() && pair.wanted.is_none());
        let (pair, notes) = Pair::open(&demo.join("model"), &demo.join("saes/attn-0")).unwrap();
        assert!(pair.model.processing().is_none(), "{notes:?}");
        let text = demo.join("text/held-out/alice.txt");
        assert!(pair.read(&TextRequest::new([text])).unwrap().documents == 1);
    }

    #[test]
    fn a_pair_that_does_not_fit_is_refused_with_its_reason() {
        let (model, mut sae) = demo();
        sae.provenance.hook = "blocks.99.hook_resid_post".parse().ok();
        let pair = pair(&model, &sae);
        assert_eq!(pair.fit.verdict, Verdict::Unfit);
        assert_eq!(pair.check().unwrap_err().to_string(), pair.fit.why);
    }

    #[test]
    fn dictionaries_of_one_run_share_the_processing_and_say_whose_bos_counts() {
        let (model, sae) = demo();
        let (mut folded, mut without) = (sae.clone(), sae.clone());
        formats::name_processing(&mut folded.provenance, Processing::transformer_lens());
        folded.name = "folded".to_owned();
        without.provenance.prepend_bos = Some(false);
        without.name = "without".to_owned();
        let pairs =
            |saes: &[&Sae]| -> Vec<Pair> { saes.iter().map(|sae| pair(&model, sae)).collect() };
        let (one, notes) = together(&pairs(&[&sae, &sae])).unwrap();
        assert!(Arc::ptr_eq(&one, &model) && notes.is_empty(), "{notes:?}");
        let (reads, notes) = together(&pairs(&[&without, &sae])).unwrap();
        assert_eq!(reads.codec().bos().id, None);
        let said: Vec<&str> = notes.iter().collect();
        assert!(
            said.iter()
                .any(|note| note.contains("trained with BOS and is read without it")),
            "{said:?}"
        );
        let mut plain = sae.clone();
        formats::name_processing(&mut plain.provenance, Processing::default());
        let refused = together(&pairs(&[&plain, &folded]))
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("folded") && refused.contains("use one of the two"),
            "{refused}"
        );
        assert!(processing_of_all(None, &[&plain, &folded]).is_err());
        assert_eq!(
            processing_of_all(None, &[&folded]).unwrap(),
            Processing::transformer_lens()
        );
        let mut foreign = sae.clone();
        foreign.provenance.hook = "blocks.99.hook_resid_post".parse().ok();
        assert!(together(&pairs(&[&sae, &foreign])).is_err());
    }

    #[test]
    fn a_second_dictionary_is_named_where_it_was_trained_otherwise() {
        let (model, sae) = demo();
        let own = pair(&model, &sae);
        let rows = own.read(&text()).unwrap().rows;
        assert!(own.notes_on(&sae, &rows).is_empty());
        let mut other = sae.clone();
        other.name = "other".to_owned();
        other.provenance.prepend_bos = Some(false);
        let mask = rows.clone().by(Positions::First);
        formats::name_positions(&mut other.provenance, mask.mask());
        let said: Vec<String> = (own.notes_on(&other, &rows).iter())
            .map(str::to_owned)
            .collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].contains("other was trained without BOS"),
            "{said:?}"
        );
        assert!(said[1].contains("trained with `first`"), "{said:?}");
    }

    fn text() -> TextRequest {
        let text = "assets/demo/text/held-out/alice.txt";
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        TextRequest::new([root.join(text)])
    }
}
