//! The tab Sweep: its form, and dose and response with the largest strengths of a dictionary's features.

use std::sync::Arc;

use umbra_core::ids::FeatureId;
use umbra_core::steer::limit::Rule;
use umbra_core::steer::sweep::{CONTINUATION, STRENGTHS, Target as Followed};
use umbra_core::workbench::sweep::Study as Kept;

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::study::{Change, Study};

/// Name of the job that sweeps the features of a dictionary.
pub(crate) fn job(name: &str) -> String {
    format!("Sweep features of {name}")
}

/// Name of the job that searches for the largest strength of a feature.
pub(crate) fn limit_job(name: &str) -> String {
    format!("Find the largest strength in {name}")
}

/// Kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Target {
    /// The ten promoted tokens of each feature.
    #[default]
    Promoted,
    /// One token.
    Token,
    /// None.
    Nothing,
}

impl Target {
    /// All, in order.
    pub(crate) const ALL: [Self; 3] = [Self::Promoted, Self::Token, Self::Nothing];

    /// Its name on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Promoted => "promoted tokens",
            Self::Token => "one token",
            Self::Nothing => "none",
        }
    }
}

/// Figure of a heat map of features by strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Figure {
    /// KL to the untouched model.
    #[default]
    Kl,
    /// Probability of the target.
    Probability,
    /// Repetition of the continuation.
    Repetition,
    /// Perplexity of the continuation.
    Perplexity,
}

impl Figure {
    /// All, in order.
    pub(crate) const ALL: [Self; 4] = [
        Self::Kl,
        Self::Probability,
        Self::Repetition,
        Self::Perplexity,
    ];

    /// Its name on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Kl => "KL",
            Self::Probability => "Probability",
            Self::Repetition => "Repetition",
            Self::Perplexity => "Perplexity",
        }
    }
}

/// The form as it is filled in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Form {
    /// Features, as numbers separated by commas or spaces; empty: the selected one.
    pub(crate) features: String,
    /// Prompts, one a line; none: those of the project.
    pub(crate) prompts: Option<String>,
    /// Strengths, separated by commas or spaces.
    pub(crate) strengths: String,
    /// Kind of target.
    pub(crate) target: Target,
    /// The token, where the target is one.
    pub(crate) token: String,
    /// Tokens of a continuation; 0 leaves it out.
    pub(crate) continuation: usize,
    /// Rule of the search for the largest strength.
    pub(crate) rule: Rule,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            features: String::new(),
            prompts: None,
            strengths: written(&STRENGTHS),
            target: Target::default(),
            token: String::new(),
            continuation: CONTINUATION,
            rule: Rule::default(),
        }
    }
}

/// Writes numbers as a person writes them.
fn written(numbers: &[f64]) -> String {
    let words: Vec<String> = numbers.iter().map(f64::to_string).collect();
    words.join(", ")
}

/// Splits what a person wrote into words.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', ' ', '\n'])
        .filter(|word| !word.is_empty())
}

impl Form {
    /// Returns the features, `selected` where none is written; an error is one sentence. `features` is the number of the dictionary's.
    pub(crate) fn read_features(
        &self,
        selected: Option<FeatureId>,
        features: usize,
    ) -> Result<Vec<FeatureId>, String> {
        let mut read = Vec::new();
        for word in words(&self.features) {
            let number = word.trim_start_matches('#');
            let feature: u32 = number
                .parse()
                .map_err(|_no| format!("“{word}” is no number of a feature"))?;
            if feature as usize >= features {
                return Err(format!(
                    "Feature {feature} is not in this dictionary, which has features 0 to {}",
                    features.saturating_sub(1)
                ));
            }
            if !read.contains(&FeatureId(feature)) {
                read.push(FeatureId(feature));
            }
        }
        if read.is_empty() {
            read.extend(selected);
        }
        if read.is_empty() {
            return Err("Name a feature, or select one".to_owned());
        }
        Ok(read)
    }

    /// Returns the strengths in ascending order; an error is one sentence.
    pub(crate) fn read_strengths(&self) -> Result<Vec<f64>, String> {
        let mut read = Vec::new();
        for word in words(&self.strengths) {
            let strength: f64 = word
                .replace('−', "-")
                .parse()
                .map_err(|_no| format!("“{word}” is no strength"))?;
            if !(strength as f32).is_finite() {
                return Err(format!("“{word}” is no finite strength"));
            }
            read.push(strength);
        }
        read.sort_by(f64::total_cmp);
        read.dedup();
        if read.is_empty() {
            return Err("Give at least one strength".to_owned());
        }
        Ok(read)
    }

    /// Returns the prompts, one a line: those of the project where the form names none.
    pub(crate) fn lines(&self, of_project: &[String]) -> String {
        if let Some(own) = &self.prompts {
            return own.clone();
        }
        let one_line = |prompt: &String| prompt.replace('\n', " ");
        let lines: Vec<String> = of_project.iter().map(one_line).collect();
        lines.join("\n")
    }

    /// Takes up what a kept study was made with.
    pub(crate) fn from_kept(kept: &Kept) -> Self {
        let mut form = Self {
            prompts: Some(kept.prompts.join("\n")),
            ..Self::default()
        };
        if let Some(sweep) = &kept.sweep {
            let features = sweep.curves.iter().map(|curve| curve.feature.to_string());
            form.features = features.collect::<Vec<_>>().join(", ");
            form.strengths = written(&sweep.settings.strengths);
            form.continuation = sweep.settings.continuation;
            form.target = match sweep.settings.target {
                Followed::Promoted => Target::Promoted,
                Followed::Token(_) => Target::Token,
                Followed::None => Target::Nothing,
            };
            if let (Target::Token, Some(curve)) = (form.target, sweep.curves.first()) {
                form.token = curve.target.clone().unwrap_or_default();
            }
        }
        if let Some(limit) = kept.limits.last() {
            form.rule = limit.rule;
        }
        form
    }
}

/// Facts of the tab.
#[derive(Debug, Default)]
pub(crate) struct SweepState {
    /// The form.
    pub(crate) form: Form,
    /// The result, by dictionary.
    pub(crate) study: Study<Kept>,
    /// Feature whose curves are shown; none or another: the first.
    pub(crate) shown: Option<FeatureId>,
    /// Figure of the heat map.
    pub(crate) figure: Figure,
}

/// Changes of the tab.
#[derive(Debug)]
pub(crate) enum Event {
    /// The form was edited.
    Form(Box<Form>),
    /// These features are to be swept.
    Features(Vec<FeatureId>),
    /// The result, or how computing it stands.
    Study(Change<Kept>),
    /// The curves of this feature are shown.
    Show(FeatureId),
    /// The heat map shows this figure.
    Figure(Figure),
}

impl SweepState {
    /// Carries out an event.
    pub(crate) fn apply(&mut self, event: Event) {
        match event {
            Event::Form(form) => self.form = *form,
            Event::Features(features) => {
                let words: Vec<String> = features.iter().map(ToString::to_string).collect();
                self.form.features = words.join(", ");
                self.shown = features.first().copied();
            }
            Event::Study(change) => {
                let untouched = self.form == Form::default();
                let arrived = matches!(&change, Change::Kept(_, load) if load.ready().is_some());
                self.study.apply(change);
                if let Some(kept) = self.study.found.ready().filter(|_| untouched && arrived) {
                    self.form = Form::from_kept(kept);
                }
            }
            Event::Show(feature) => self.shown = Some(feature),
            Event::Figure(figure) => self.figure = figure,
        }
    }

    /// Returns the result of a dictionary.
    pub(crate) fn result(&self, of: DictionaryId) -> Option<&Arc<Kept>> {
        self.study.result(&of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_and_strengths_are_read_as_people_write_them() {
        let form = |features: &str, strengths: &str| Form {
            features: features.to_owned(),
            strengths: strengths.to_owned(),
            ..Form::default()
        };
        let read = form("#12, 7 12", "4, −2 0;4")
            .read_features(None, 20)
            .unwrap();
        assert_eq!(read, [12, 7].map(FeatureId));
        let strengths = form("", "4, −2 0;4").read_strengths().unwrap();
        assert_eq!(strengths, [-2.0, 0.0, 4.0]);
        let selected = form("", "").read_features(Some(FeatureId(3)), 20);
        assert_eq!(selected.unwrap(), [FeatureId(3)]);
        for (form, why) in [
            (form("20", "1"), "features 0 to 19"),
            (form("king", "1"), "“king” is no number"),
            (form("", "1"), "Name a feature"),
        ] {
            let refused = form.read_features(None, 20).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        for (strengths, why) in [("x", "“x”"), ("1e99", "finite"), (" , ", "at least one")] {
            let refused = form("1", strengths).read_strengths().unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn a_kept_study_fills_an_untouched_form_and_leaves_another_alone() {
        use crate::state::Load;
        let id = DictionaryId(1);
        let kept = Kept {
            prompts: vec!["One".to_owned(), "Two".to_owned()],
            ..Kept::default()
        };
        let arrive = |state: &mut SweepState| {
            state.apply(Event::Study(Change::Kept(id, Load::Loading)));
            let ready = Load::Ready(Arc::new(kept.clone()));
            state.apply(Event::Study(Change::Kept(id, ready)));
        };
        let mut state = SweepState::default();
        arrive(&mut state);
        assert_eq!(state.form.prompts.as_deref(), Some("One\nTwo"));
        let mut state = SweepState::default();
        state.apply(Event::Features(vec![FeatureId(4)]));
        arrive(&mut state);
        assert_eq!(
            (state.form.prompts, state.form.features.as_str()),
            (None, "4")
        );
    }
}
