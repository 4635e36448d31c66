//! What the form means: the settings it gives, what is wrong with them, what the run will need, and why it cannot start. No drawing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use umbra_core::bench;
use umbra_core::ids::Site;
use umbra_core::sae::Variant;
use umbra_core::train::{SETTINGS, Spec};

use crate::state::AppState;
use crate::state::training::{CHECKPOINT_MINUTES, Form, Past, Source, TextKey};
use crate::widgets::number;

/// The form, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What decides the run, if every field can be read.
    pub spec: Option<Spec>,
    /// The variant chosen: only its settings are shown.
    pub variant: Variant,
    /// Name of the dictionary.
    pub name: String,
    /// What is wrong, by key of the field.
    pub errors: BTreeMap<String, String>,
    /// The text that is to be read.
    pub key: Option<TextKey>,
    /// The store that is to be read instead.
    pub store: Option<PathBuf>,
    /// Time between two checkpoints; none: on stop alone.
    pub checkpoint: Option<Duration>,
    /// Why the run cannot start: one sentence.
    pub refusal: Option<String>,
}

/// One figure of the preflight line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What it is.
    pub label: &'static str,
    /// Its value with the unit.
    pub value: String,
    /// Its definition.
    pub definition: &'static str,
}

/// Reads the form.
pub fn plan(state: &AppState) -> Plan {
    let form = &state.training.form;
    let (spec, mut errors) = read(form);
    let name = name(state);
    if let Some(error) = name_error(&name) {
        errors.insert("name".to_owned(), error);
    }
    let checkpoint = match minutes(&form.checkpoint) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            errors.insert("checkpoint".to_owned(), error);
            None
        }
    };
    let (key, store) = (text_key(state), form.store.clone());
    errors.extend(source_errors(state, &spec, key.as_ref()));
    let refusal = refusal(state, &errors, key.as_ref());
    let variant = spec.variant;
    let spec = errors.is_empty().then_some(spec);
    Plan {
        spec,
        variant,
        name,
        errors,
        key,
        store,
        checkpoint,
        refusal,
    }
}

/// A number of minutes; none for 0.
fn minutes(text: &str) -> Result<Option<Duration>, String> {
    let minutes: Option<f64> = text.trim().parse().ok();
    let minutes = minutes.filter(|minutes| (0.0..=10_000.0).contains(minutes));
    let seconds = minutes.map(|minutes| minutes * 60.0).ok_or_else(|| {
        format!("`{text}` cannot be used, give minutes from 0 (on stop alone) to 10000, such as {CHECKPOINT_MINUTES}")
    })?;
    Ok((seconds > 0.0).then(|| Duration::from_secs_f64(seconds)))
}

/// What is wrong with the text, or with the store and the hook in it.
fn source_errors(state: &AppState, spec: &Spec, key: Option<&TextKey>) -> Vec<(String, String)> {
    let training = &state.training;
    let mut errors = vec![];
    let mut put = |key: &str, error: String| errors.push((key.to_owned(), error));
    if training.form.store.is_none() {
        if let Some(loaded) = state.model()
            && let Err(error) = loaded.model.check_hook(spec.hook)
        {
            put("layer", error.to_string());
        }
        if let Some(why) = training.text.failure()
            && training.text_of.as_ref() == key
        {
            put("text", why.to_owned());
        }
        return errors;
    }
    if training.store_of != training.form.store {
        return errors;
    }
    if let Some(why) = training.store.failure() {
        put("text", why.to_owned());
    }
    if let Some(store) = training.store.ready() {
        if let Err(error) = store.width(spec.hook) {
            put("layer", error.to_string());
        }
        if spec.variant == Variant::Gradient && !store.about().gradients {
            let what = "This store holds no gradients: capture it again with --gradients, or choose another variant";
            put("variant", what.to_owned());
        }
    }
    errors
}

/// What the form reads, once it is ready.
pub fn source(state: &AppState) -> Option<Source> {
    let training = &state.training;
    if let Some(folder) = &training.form.store {
        let store = training.store.ready()?;
        let is_it = training.store_of.as_ref() == Some(folder);
        return is_it.then(|| Source::Store(Arc::clone(store)));
    }
    let (key, text) = (training.text_of.clone()?, training.text.ready()?);
    (text_key(state).as_ref() == Some(&key)).then(|| Source::Text(key, Arc::clone(text)))
}

/// What a past run reads, if the form names it; else one sentence that says how to get there.
pub fn source_of(state: &AppState, past: &Past) -> Result<Source, String> {
    let data = &past.record.data;
    let read = data.get("corpus_sha256");
    let text = data.get("corpus").and_then(|text| text.as_str());
    let text = text.unwrap_or("another text");
    let stored = data.contains_key("store_dtype");
    if !stored && state.model().is_none() {
        return Err(format!(
            "Open {} first, which the run reads",
            past.record.model
        ));
    }
    let found = source(state);
    let fits = match &found {
        Some(Source::Text(_, text)) => {
            !stored && read.and_then(|sha| sha.as_str()) == Some(text.fingerprint.as_str())
        }
        Some(Source::Store(store)) => stored && store.about().corpus.get("corpus_sha256") == read,
        None => false,
    };
    match found.filter(|_| fits) {
        Some(source) => Ok(source),
        None if stored => Err(format!(
            "Choose the activation store of {text} as source first, which the run reads"
        )),
        None => Err(format!(
            "Choose {text} as source first, which the run reads"
        )),
    }
}

/// Width of the activations that the form reads, once it is known.
fn width(state: &AppState, spec: &Spec) -> Option<usize> {
    if state.training.form.store.is_some() {
        return match source(state)? {
            Source::Store(store) => store.width(spec.hook).ok(),
            Source::Text(..) => None,
        };
    }
    state.model()?.model.width(spec.hook).ok()
}

/// Blocks that a hook can be chosen of.
pub fn layers(state: &AppState) -> usize {
    let of_store = match source(state) {
        Some(Source::Store(store)) => {
            let hooks = store.about().hooks.iter();
            let layers = hooks.filter_map(|there| there.hook.layer());
            layers.map(|layer| layer.index() + 1).max()
        }
        _ => None,
    };
    let of_model = || state.model().map(|loaded| loaded.model.config().layers);
    of_store.or_else(of_model).unwrap_or(1)
}

/// What a measurement of the step's speed is of.
pub fn sizes(state: &AppState, plan: &Plan) -> Option<bench::Settings> {
    let spec = plan.spec.as_ref()?;
    Some(bench::Settings {
        d: width(state, spec)?,
        features: spec.features,
        k: spec.k,
        batch: spec.batch,
        variant: spec.variant,
        product: spec.product,
        adam: spec.adam,
        rounds: 3,
        ..bench::Settings::default()
    })
}

/// The settings that the form gives, and what is wrong with the others.
pub fn read(form: &Form) -> (Spec, BTreeMap<String, String>) {
    let mut spec = Spec::default_for(form.hook());
    let mut errors = BTreeMap::new();
    // The variant first: settings that decide nothing for it are left as they are.
    if let Some(variant) = form.settings.get("variant")
        && let Err(error) = spec.set("variant", variant)
    {
        errors.insert("variant".to_owned(), what_of(&error));
    }
    let counting: Vec<&str> = spec.settings().map(|setting| setting.key).collect();
    let filled = form.settings.iter();
    for (key, text) in filled.filter(|(key, _)| counting.contains(&key.as_str())) {
        if let Err(error) = spec.set(key, text) {
            errors.insert(key.clone(), what_of(&error));
        }
    }
    if errors.is_empty()
        && let Err(error) = spec.validate()
    {
        let key = match &error {
            umbra_core::error::Error::Setting { setting, .. } => setting.clone(),
            _ => SETTINGS[0].key.to_owned(),
        };
        errors.insert(key, what_of(&error));
    }
    (spec, errors)
}

/// The sentence without the setting's key: it stands under its field.
fn what_of(error: &umbra_core::error::Error) -> String {
    match error {
        umbra_core::error::Error::Setting { what, .. } => what.clone(),
        other => other.to_string(),
    }
}

/// The name of the dictionary: as written, or made.
pub fn name(state: &AppState) -> String {
    let written = state.training.form.name.clone();
    written.unwrap_or_else(|| made_name(state))
}

/// A name made from the hook that no dictionary of the project has.
pub fn made_name(state: &AppState) -> String {
    let form = &state.training.form;
    let base = format!("{}-{}", short(form.site), form.layer);
    let taken = |name: &str| state.catalogue.dictionaries.iter().any(|d| d.name == name);
    if !taken(&base) {
        return base;
    }
    (2..10_000)
        .map(|i| format!("{base}-{i}"))
        .find(|name| !taken(name))
        .unwrap_or(base)
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

/// The text that the form means: the chosen file, or the project's training text (all of it if the project holds other text out).
pub fn text_key(state: &AppState) -> Option<TextKey> {
    let project = state.project.open()?;
    if state.training.form.store.is_some() {
        return None;
    }
    let model = state.catalogue.model_path.clone()?;
    let (paths, split) = match &state.training.form.text {
        Some(path) => (vec![path.clone()], true),
        None => (project.train_text.clone(), project.held_out_text.is_empty()),
    };
    (!paths.is_empty()).then_some(TextKey {
        paths,
        unwrap: project.unwrap,
        split,
        model,
    })
}

fn refusal(
    state: &AppState,
    errors: &BTreeMap<String, String>,
    key: Option<&TextKey>,
) -> Option<String> {
    let training = &state.training;
    let stored = training.form.store.is_some();
    let sentence = if state.project.open().is_none() {
        "Open or make a project first: the dictionary is kept with it"
    } else if state.model().is_none() && !stored {
        "Open a model first"
    } else if key.is_none() && !stored {
        "The project names no training text: choose one"
    } else if training.running().is_some() {
        "A run is under way"
    } else if let Some((key, error)) = errors.first_key_value() {
        return Some(format!("{}: {error}", label(key)));
    } else if source(state).is_some() {
        return None;
    } else if stored {
        "The store is being opened"
    } else {
        "The text is being counted"
    };
    Some(sentence.to_owned())
}

/// A field's name on screen.
fn label(key: &str) -> &str {
    match key {
        "name" => "Name",
        "layer" => "Layer",
        "text" => "Source",
        "checkpoint" => "Checkpoint every",
        key => SETTINGS
            .iter()
            .find(|setting| setting.key == key)
            .map_or(key, |setting| setting.label),
    }
}

/// What the run will need, as far as it is known.
pub fn needs(state: &AppState, plan: &Plan) -> Vec<Need> {
    let mut needs = vec![];
    let Some(spec) = &plan.spec else {
        return needs;
    };
    if let Some(width) = width(state, spec) {
        needs.push(Need {
            label: "Memory",
            value: format!("≈ {}", number::bytes(memory_bytes(spec, width))),
            definition: "Weights, gradients and Adam's two moments, the shuffle buffer and one batch, beside the model",
        });
    }
    needs.push(Need {
        label: "Steps",
        value: number::count(spec.steps()),
        definition: "Length divided by batch",
    });
    match source(state) {
        Some(Source::Text(_, text)) => needs.push(data(spec, text.activations())),
        Some(Source::Store(store)) => {
            let about = store.about();
            let there = store.rows() * about.context.saturating_sub(1);
            needs.push(Need {
                label: "Store",
                value: format!("{}, {}", number::bytes(store.bytes()), about.dtype.name()),
                definition: "Activations captured before: their size on disk and how they are rounded",
            });
            needs.push(data(spec, there as u64));
        }
        None => {}
    }
    needs.extend(time(state, plan, spec));
    needs
}

/// How long the run takes, by the speed of a run like it, else by a measurement of the step alone.
fn time(state: &AppState, plan: &Plan, spec: &Spec) -> Option<Need> {
    let span_at = |speed: f64| span(spec.tokens as f64 / speed);
    if let Some(speed) = speed(state, spec) {
        return Some(Need {
            label: "Time",
            value: format!("≈ {}", span_at(speed)),
            definition: "Length divided by the speed of the last run on this hook",
        });
    }
    let (sizes_then, load) = state.training.measured.as_ref()?;
    let speed = *load.ready()?;
    (sizes(state, plan).as_ref() == Some(sizes_then)).then(|| Need {
        label: "Time",
        value: format!(
            "≥ {}, the step alone ({} per second)",
            span_at(speed),
            number::number(speed)
        ),
        definition: "The training step alone, measured on made-up activations of these sizes; what the model or the store takes comes on top",
    })
}

/// Activations per second of the run on screen, if it is on the form's hook, else of the latest past run with the form's sizes.
pub fn speed(state: &AppState, spec: &Spec) -> Option<f64> {
    let run = state.training.run.as_ref();
    let on_screen = run.and_then(|run| {
        let last = run.last.filter(|_| run.spec.hook == spec.hook)?;
        (last.tokens_per_second > 0.0).then_some(last.tokens_per_second)
    });
    on_screen.or_else(|| {
        let past = state.training.past.list.ready()?;
        let like = |past: &&Past| {
            past.record.hook == spec.hook.to_string()
                && ["variant", "features", "batch"]
                    .iter()
                    .all(|key| spec.get(key).ok() == Some(past.setting(key)))
        };
        let run = past.iter().filter(like);
        let speed = |past: &Past| past.record.tokens_seen as f64 / past.record.seconds;
        run.map(speed)
            .find(|speed| speed.is_finite() && *speed > 0.0)
    })
}

fn data(spec: &Spec, there: u64) -> Need {
    let times = spec.tokens as f64 / there.max(1) as f64;
    let read = if times > 1.0 {
        format!(", read {times:.1} times")
    } else {
        String::new()
    };
    Need {
        label: "Data",
        value: format!("{} activations{read}", number::count(there)),
        definition: "Positions of the text's rows without the first of each; a used-up text is shuffled and read again",
    }
}

/// Bytes of a run beside the model, `width` wide.
pub fn memory_bytes(spec: &Spec, width: usize) -> u64 {
    let (d, f) = (width as u64, spec.features as u64);
    let weights = 4 * (2 * f * d + f + d);
    let batch = 4 * spec.batch as u64 * (3 * d + 3 * spec.k as u64);
    let buffer = (spec.buffer_dtype.bytes() * spec.buffer) as u64 * d;
    4 * weights + batch + buffer
}

/// A span of time: `45 s`, `3 min 20 s`, `2 h 05 min`.
pub fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

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
            assert!(minutes(wrong).unwrap_err().contains("give minutes"));
        }
        let mut state = testing::empty();
        state.training.form.checkpoint = "often".to_owned();
        assert!(plan(&state).errors["checkpoint"].contains("often"));
    }

    #[test]
    fn memory_and_time_read_well() {
        let spec = Spec::default_for(Form::default().hook());
        let weights = 4 * (2 * 1024 * 256 + 1024 + 256);
        let want = 4 * weights + 4 * 2048 * (3 * 256 + 3 * 24) + 4 * 65_536 * 256;
        assert_eq!(memory_bytes(&spec, 256), want);
        assert_eq!(span(200.2), "3 min 20 s");
        assert_eq!(span(7_500.0), "2 h 05 min");
    }
}
