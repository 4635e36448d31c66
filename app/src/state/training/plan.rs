//! Reads the form: its settings, their errors, the needs of the run, and why it cannot start. No drawing.

mod needs;
mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use umbra_core::error::Error;
use umbra_core::ids::{HookPoint, Site};
use umbra_core::train::{SETTINGS, SHARED, Spec};
use umbra_core::workbench::training::OnError;

use self::source::{hook_errors, parent_errors, source_errors, start_errors};
use crate::state::AppState;
use crate::state::catalogue::name_of;
use crate::state::training::{CHECKPOINT_MINUTES, Draft, Run, TextKey};

pub(crate) use self::needs::{needs, sizes, speed};
pub(crate) use self::source::{
    hooks, layers_with, parent, past_parent, source, source_of, start, text_key,
};

/// The form, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// The dictionary of the form; what is wrong with the form as a whole stands with it.
    pub(crate) first: Planned,
    /// Dictionaries trained beside it.
    pub(crate) also: Vec<Planned>,
    /// The text that is to be read.
    pub(crate) key: Option<TextKey>,
    /// The store that is to be read instead.
    pub(crate) store: Option<PathBuf>,
    /// Part of a dictionary's error that is read in place of the activation, once that dictionary is loaded.
    pub(crate) on: Option<OnError>,
    /// Time between two checkpoints; none: on stop alone.
    pub(crate) checkpoint: Option<Duration>,
    /// Why the run cannot start: one sentence.
    pub(crate) refusal: Option<String>,
}

/// One dictionary of the form, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Planned {
    /// Its settings, as far as the fields can be read.
    pub(crate) spec: Spec,
    /// Values of empty fields: defaults, or those of the dictionary to continue from, or those of the first dictionary.
    pub(crate) base: Spec,
    /// Its name.
    pub(crate) name: String,
    /// The name that it gets where none is written.
    pub(crate) made: String,
    /// Errors by key of the field.
    pub(crate) errors: BTreeMap<String, String>,
}

impl Plan {
    /// Returns the settings of each dictionary, if every field can be read.
    pub(crate) fn specs(&self) -> Option<Vec<&Spec>> {
        let all = || std::iter::once(&self.first).chain(&self.also);
        let whole = all().all(|planned| planned.errors.is_empty());
        whole.then(|| all().map(|planned| &planned.spec).collect())
    }

    /// The dictionaries that the form describes, each in a folder of its own within the project that nothing is in.
    pub(crate) fn described(&self, state: &AppState) -> Option<Vec<Described>> {
        let specs = self.specs()?;
        let saes = state.project.open()?.folder.join("saes");
        let mut all: Vec<Described> = vec![];
        for (spec, planned) in specs
            .into_iter()
            .zip([&self.first].into_iter().chain(&self.also))
        {
            let taken = |name: &str| {
                saes.join(name).exists() || all.iter().any(|before| before.name == name)
            };
            let name = free_name(&planned.name, taken);
            let folder = saes.join(&name);
            let spec = spec.clone();
            all.push(Described { spec, name, folder });
        }
        Some(all)
    }
}

/// A dictionary that the form describes, in a folder of its own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Described {
    /// Its settings.
    pub(crate) spec: Spec,
    /// Its folder's name.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) folder: PathBuf,
}

/// `name`, or `name-2` and so on where that is taken.
fn free_name(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..10_000).map(|i| format!("{name}-{i}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names
        .find(|name| !taken(name))
        .unwrap_or_else(|| name.to_owned())
}

/// Reads the form.
pub(crate) fn plan(state: &AppState) -> Plan {
    let form = &state.training.form;
    let key = text_key(state);
    let mut first = first(state);
    let checkpoint = match minutes(&form.checkpoint) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            first.errors.insert("checkpoint".to_owned(), error);
            None
        }
    };
    first.errors.extend(source_errors(state, key.as_ref()));
    let mut all = vec![first];
    for draft in &form.also {
        all.push(another(state, draft, &all));
    }
    let refusal = refusal(state, &all, key.as_ref());
    let also = all.split_off(1);
    Plan {
        first: all.remove(0),
        also,
        key,
        store: form.store.clone(),
        on: parent(state),
        checkpoint,
        refusal,
    }
}

/// The dictionary of the form.
fn first(state: &AppState) -> Planned {
    let form = &state.training.form;
    let mut base = Spec::default_for(form.hook());
    if let Some(start) = start(state) {
        base.go_on_from(start);
    }
    if let Some(on) = parent(state) {
        base.read_as(&on.parent);
    }
    // The one to go on from decides how many features there are.
    let left: &[&str] = if form.from.is_some() {
        &["features"]
    } else {
        &[]
    };
    let (spec, mut errors) = read(base.clone(), &form.settings, left);
    errors.extend(hook_errors(state, &spec));
    errors.extend(start_errors(state, &spec));
    errors.extend(parent_errors(state, &spec));
    let made = made_name(state, form.hook(), &[]);
    let name = form.name.clone().unwrap_or_else(|| made.clone());
    if let Some(error) = name_error(&name) {
        errors.insert("name".to_owned(), error);
    }
    Planned {
        spec,
        base,
        name,
        made,
        errors,
    }
}

/// A further dictionary, beside those `before` it.
fn another(state: &AppState, draft: &Draft, before: &[Planned]) -> Planned {
    let base = Spec {
        hook: draft.hook(),
        start: None,
        ..before[0].spec.clone()
    };
    let (spec, mut errors) = read(base.clone(), &draft.settings, SHARED);
    errors.extend(hook_errors(state, &spec));
    errors.extend(parent_errors(state, &spec));
    let made = made_name(state, draft.hook(), before);
    let name = draft.name.clone().unwrap_or_else(|| made.clone());
    if before.iter().any(|planned| planned.name == name) {
        let what =
            format!("Another of these dictionaries is called {name}: give each its own name");
        errors.insert("name".to_owned(), what);
    }
    if let Some(error) = name_error(&name) {
        errors.insert("name".to_owned(), error);
    }
    if let Some(same) = before.iter().find(|planned| planned.spec == spec) {
        let what = format!(
            "It would be identical to {}: change its hook or a setting",
            same.name
        );
        errors.insert("variant".to_owned(), what);
    }
    Planned {
        spec,
        base,
        name,
        made,
        errors,
    }
}

/// A number of minutes; none for 0.
fn minutes(text: &str) -> Result<Option<Duration>, String> {
    let minutes: Option<f64> = text.trim().parse().ok();
    let minutes = minutes.filter(|minutes| (0.0..=10_000.0).contains(minutes));
    let seconds = minutes.map(|minutes| minutes * 60.0).ok_or_else(|| {
        format!("`{text}` is not a number of minutes: give 0 (only on stop) to 10000, such as {CHECKPOINT_MINUTES}")
    })?;
    Ok((seconds > 0.0).then(|| Duration::from_secs_f64(seconds)))
}

/// `base` with the settings that are written, but those `left` alone, and what is wrong with them.
fn read(
    base: Spec,
    settings: &BTreeMap<String, String>,
    left: &[&str],
) -> (Spec, BTreeMap<String, String>) {
    let mut spec = base;
    let mut errors = BTreeMap::new();
    // The variant first: settings that decide nothing for it are left as they are.
    if let Some(variant) = settings.get("variant")
        && let Err(error) = spec.set("variant", variant)
    {
        errors.insert("variant".to_owned(), what_of(&error));
    }
    let counting: Vec<&str> = spec.settings().map(|setting| setting.key).collect();
    let counts = |key: &str| counting.contains(&key) && !left.contains(&key);
    for (key, text) in settings.iter().filter(|(key, _)| counts(key)) {
        if let Err(error) = spec.set(key, text) {
            errors.insert(key.clone(), what_of(&error));
        }
    }
    if errors.is_empty()
        && let Err(error) = spec.validate()
    {
        let key = match &error {
            Error::Setting { setting, .. } => setting.clone(),
            _ => SETTINGS[0].key.to_owned(),
        };
        errors.insert(key, what_of(&error));
    }
    (spec, errors)
}

/// The sentence without the setting's key: it stands under its field.
fn what_of(error: &Error) -> String {
    match error {
        Error::Setting { what, .. } => what.clone(),
        other => other.to_string(),
    }
}

/// A name made from the hook, or from the dictionary whose error is read, that no dictionary of the project has, no past run and none `before` it in the form.
fn made_name(state: &AppState, hook: HookPoint, before: &[Planned]) -> String {
    let base = match (&state.training.form.parent, hook) {
        (Some(parent), _) => format!("{}-{}", name_of(&parent.folder), parent.part),
        (None, HookPoint::Block(layer, site)) => format!("{}-{layer}", short(site)),
        (None, other) => other.to_string(),
    };
    let past = state.training.past.list.ready();
    let taken = |name: &str| {
        let known = &state.catalogue.dictionaries;
        known.iter().any(|d| d.name == name)
            || before.iter().any(|p| p.name == name)
            || past.is_some_and(|past| past.iter().any(|run| run.name == name))
    };
    free_name(&base, taken)
}

/// A site in a folder's name.
fn short(site: Site) -> String {
    let name = site.name();
    let name = name.rsplit('.').next().unwrap_or(name);
    name.trim_start_matches("hook_").replace('_', "-")
}

fn name_error(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("Give the dictionary a name".to_owned());
    }
    let bad = |c: char| c.is_control() || r#"/\:*?"<>|"#.contains(c);
    (name.contains(bad) || name.starts_with('.')).then(|| {
        r#"A folder gets this name: leave out / \ : * ? " < > | and a dot in front"#.to_owned()
    })
}

fn refusal(state: &AppState, all: &[Planned], key: Option<&TextKey>) -> Option<String> {
    let training = &state.training;
    let stored = training.form.store.is_some();
    let sentence = if state.project.open().is_none() {
        "Open or create a project first: the dictionary is saved with it"
    } else if state.model().is_none() && !stored {
        "Open a model first"
    } else if key.is_none() && !stored {
        "The project has no training text: choose one"
    } else if training.running().is_some() {
        "A run is in progress"
    } else if let Some(unsaved) = training.run.as_ref().and_then(Run::unsaved) {
        return Some(format!(
            "{} is not saved yet: save it again or discard it first",
            unsaved.name
        ));
    } else if let Some(wrong) = all.iter().find_map(first_wrong) {
        let (name, wrong) = wrong;
        let of = (all.len() > 1).then(|| format!("{name}, "));
        return Some(format!("{}{wrong}", of.unwrap_or_default()));
    } else if training.form.from.is_some() && start(state).is_none() {
        "Loading the dictionary to continue from…"
    } else if training.form.parent.is_some() && parent(state).is_none() {
        "Loading the dictionary whose error is trained on…"
    } else if source(state).is_some() {
        return None;
    } else if stored {
        "Opening the store…"
    } else {
        "Counting the text…"
    };
    Some(sentence.to_owned())
}

/// The name of a dictionary and the first thing that is wrong with it.
fn first_wrong(planned: &Planned) -> Option<(&str, String)> {
    let (key, error) = planned.errors.first_key_value()?;
    Some((&planned.name, format!("{}: {error}", label(key))))
}

/// A field's name on screen.
fn label(key: &str) -> &str {
    match key {
        "name" => "Name",
        "hook" => "Hook",
        "text" => "Source",
        "from" => "Start from",
        "on" => "Train on",
        "checkpoint" => "Checkpoint every",
        key => SETTINGS
            .iter()
            .find(|setting| setting.key == key)
            .map_or(key, |setting| setting.label),
    }
}

#[cfg(test)]
mod tests {
    use umbra_core::sae::{ErrorPart, Variant};

    use super::*;
    use crate::state::training::Form;
    use crate::testing;

    fn read(form: &Form) -> (Spec, BTreeMap<String, String>) {
        super::read(Spec::default_for(form.hook()), &form.settings, &[])
    }

    fn name(state: &AppState) -> String {
        plan(state).first.name
    }

    fn form(settings: &[(&str, &str)]) -> Form {
        Form {
            settings: settings
                .iter()
                .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
                .collect(),
            ..Form::default()
        }
    }

    #[test]
    fn settings_are_read_and_errors_stand_with_their_field() {
        let (spec, errors) = read(&form(&[("features", "512"), ("k", "16")]));
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!((spec.features, spec.k), (512, 16));
        let (_, errors) = read(&form(&[("k", "many"), ("seed", "-1")]));
        assert_eq!(errors.keys().collect::<Vec<_>>(), ["k", "seed"]);
        assert!(errors["k"].contains("many"), "{errors:?}");
        // What is not shown for a variant cannot be wrong.
        let (spec, errors) = read(&form(&[("variant", "relu"), ("k", "many")]));
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(spec.variant, Variant::Relu);
        let (_, errors) = read(&form(&[("features", "8"), ("k", "16")]));
        assert!(errors["k"].contains("8 features"), "{errors:?}");
    }

    #[test]
    fn names_are_made_from_the_hook_and_are_not_taken() {
        let mut state = testing::empty();
        assert_eq!(name(&state), "z-0");
        let added = crate::state::catalogue::Event::Added("saes/z-0".into(), None);
        state.apply(crate::state::Event::Catalogue(added));
        assert_eq!(name(&state), "z-0-2");
        state.training.form.site = Site::ResidPost;
        state.training.form.layer = 2;
        assert_eq!(name(&state), "resid-post-2");
        assert!(name_error("a/b").is_some() && name_error(" ").is_some());
        assert_eq!(name_error("résidu 2"), None);
    }

    #[test]
    fn without_a_project_the_run_is_refused_with_the_remedy() {
        let plan = plan(&testing::empty());
        assert!(plan.refusal.unwrap().contains("project first"));
    }

    #[test]
    fn checkpoints_are_given_in_minutes() {
        assert_eq!(minutes("0"), Ok(None));
        assert_eq!(minutes(" 2.5 "), Ok(Some(Duration::from_secs(150))));
        for wrong in ["", "often", "-1", "NaN", "inf"] {
            assert!(minutes(wrong).unwrap_err().contains("a number of minutes"));
        }
        let mut state = testing::empty();
        state.training.form.checkpoint = "often".to_owned();
        assert!(plan(&state).first.errors["checkpoint"].contains("often"));
    }

    #[test]
    fn a_further_dictionary_is_as_the_first_but_for_what_is_written() {
        let mut state = testing::with_model();
        state.training.form = form(&[("k", "16"), ("tokens", "5000")]);
        let first = plan(&state).first;
        let draft = |layer: usize, settings: &[(&str, &str)]| Draft {
            layer,
            ..form(settings).first()
        };
        state.training.form.also = vec![draft(1, &[("features", "512")]), draft(0, &[])];
        let both = plan(&state);
        assert_eq!(both.first, first);
        let [other, same] = both.also.as_slice() else {
            panic!("{:?}", both.also);
        };
        let spec = &other.spec;
        assert_eq!((spec.features, spec.k, spec.tokens), (512, 16, 5_000));
        assert_eq!(
            (other.name.as_str(), &other.errors),
            ("z-1", &BTreeMap::new())
        );
        let why = &same.errors["variant"];
        assert!(why.contains("identical to z-0"), "{why}");
        assert_eq!((same.name.as_str(), both.specs()), ("z-0-2", None));

        state.training.form.also[1] = draft(9, &[("variant", "relu")]);
        state.training.form.also[1].name = Some("z-1".to_owned());
        let errors = &plan(&state).also[1].errors;
        assert!(errors["hook"].contains("blocks.9"), "{errors:?}");
        assert!(errors["name"].contains("called z-1"), "{errors:?}");
    }

    #[test]
    fn a_dictionary_of_an_error_reads_the_hook_of_a_loaded_autoencoder() {
        let mut state = testing::with_demo_model(testing::typical());
        let dictionary = &state.catalogue.dictionaries[0];
        let (folder, hook) = (dictionary.folder.clone(), dictionary.hook());
        let form = form(&[("features", "512")]);
        state.training.form = form.on_error(ErrorPart::Whole, folder.clone(), hook);
        let read = plan(&state);
        assert_eq!(read.first.name, format!("{}-error", name_of(&folder)));
        assert_eq!(
            (read.on.unwrap().path, read.first.spec.on),
            (folder.clone(), None)
        );
        let why = &read.first.errors["on"];
        assert!(why.contains("reads activations of width 4"), "{why}");
        state.training.form.layer += 1;
        assert!(plan(&state).first.errors["on"].contains("choose its hook"));
        state.training.form = form.on_error(ErrorPart::Linear, "nowhere".into(), None);
        let read = plan(&state);
        assert!(read.first.errors["on"].contains("no longer"), "{read:?}");
    }

    #[test]
    fn one_that_goes_on_has_the_others_settings_and_must_fit_the_hook() {
        let mut state = testing::with_demo_model(testing::typical());
        let folder = state.catalogue.dictionaries[0].folder.clone();
        let hook = state.catalogue.dictionaries[0].hook();
        let on = form(&[("features", "512")]).going_on_from(folder, hook);
        state.training.form = on.clone();
        let first = plan(&state).first;
        assert_eq!((first.spec.features, first.spec.k), (64, 2));
        assert!(first.spec.start.is_some());
        let why = &first.errors["from"];
        assert!(why.contains("z0 reads activations of width 4"), "{why}");
        state.training.form.also.push(on.first());
        assert!(plan(&state).first.errors["from"].contains("width 4"));
        let nowhere = on.going_on_from("nowhere".into(), None);
        state.training.form = nowhere;
        assert!(plan(&state).first.spec.start.is_none());
    }
}
