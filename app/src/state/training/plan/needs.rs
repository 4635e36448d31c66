//! Needs of a run as far as they are known before it begins: memory, data, time.

use umbra_core::bench;
use umbra_core::train::{Needs, Spec};

use super::Plan;
use super::source::{source, width, width_at};
use crate::state::AppState;
use crate::state::training::{Past, Source};
use crate::widgets::number::{self, span};

/// One figure of the preflight line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    /// Its name.
    pub(crate) label: &'static str,
    /// Its value with the unit.
    pub(crate) value: String,
    /// Its definition.
    pub(crate) definition: &'static str,
}

/// Returns the sizes for a measurement of the step's speed; none for several dictionaries, whose steps differ.
pub(crate) fn sizes(state: &AppState, plan: &Plan) -> Option<bench::Settings> {
    let [spec] = plan.specs()?[..] else {
        return None;
    };
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

/// Returns the needs of the run, as far as they are known.
pub(crate) fn needs(state: &AppState, plan: &Plan) -> Vec<Need> {
    let mut needs = vec![];
    let Some(specs) = plan.specs() else {
        return needs;
    };
    let spec = specs[0];
    if let Some(bytes) = memory_bytes(state, &specs) {
        needs.push(Need {
            label: "Memory",
            value: format!("≈ {}", number::bytes(bytes)),
            definition: "Weights and Adam's two moments, a copy of the dictionary while it is shown or saved, the shuffle buffer and one batch with its codes, in addition to the model. Umbra rejects a run that needs more than the available memory",
        });
    }
    needs.push(Need {
        label: "Steps",
        value: number::count(spec.steps()),
        definition: "Length divided by batch",
    });
    match source(state) {
        Some(Source::Text(_, text)) => needs.push(data(spec, text.activations(spec.positions))),
        Some(Source::Store(store)) => {
            let about = store.about();
            let there = store.counted();
            needs.push(Need {
                label: "Store",
                value: format!("{}, {}", number::bytes(store.bytes()), about.dtype.name()),
                definition: "Activations captured earlier: their size on disk and their number type",
            });
            needs.push(data(spec, there as u64));
        }
        None => {}
    }
    needs.extend(time(state, plan, &specs));
    needs
}

/// Estimates the run's duration, from the speed of a similar run or from a measurement of the step.
fn time(state: &AppState, plan: &Plan, specs: &[&Spec]) -> Option<Need> {
    let spec = specs[0];
    let span_at = |speed: f64| span(spec.tokens as f64 / speed);
    if let Some(speed) = of_run(state, specs) {
        return Some(Need {
            label: "Time",
            value: format!("≈ {}", span_at(speed)),
            definition: "Length divided by the speed of the run below, with these sizes, hook and model",
        });
    }
    if specs.len() > 1 {
        let alone = |spec: &&Spec| Some(spec.tokens as f64 / of_past(state, spec)?);
        let alone: Option<Vec<f64>> = specs.iter().map(alone).collect();
        return alone.map(|alone| Need {
            label: "Time",
            value: format!("≤ {}", span(alone.iter().sum())),
            definition: "Sum of the times of past runs with these sizes; dictionaries trained together share the pass of the model",
        });
    }
    if let Some(speed) = of_past(state, spec) {
        return Some(Need {
            label: "Time",
            value: format!("≈ {}", span_at(speed)),
            definition: "Length divided by the speed of the last run with these sizes, hook and model",
        });
    }
    let (sizes_then, load) = state.training.measured.as_ref()?;
    let speed = *load.ready()?;
    (sizes(state, plan).as_ref() == Some(sizes_then)).then(|| Need {
        label: "Time",
        value: format!(
            "≥ {}, training step only ({} per second)",
            span_at(speed),
            number::number(speed)
        ),
        definition: "The training step only, measured on random activations of these sizes; the time of the model or the store is extra",
    })
}

/// Returns the measured activations per second of one dictionary: of the run on screen, else of a past run.
pub(crate) fn speed(state: &AppState, spec: &Spec) -> Option<f64> {
    of_run(state, &[spec]).or_else(|| of_past(state, spec))
}

/// Activations per second of the run on screen, if it trains as many dictionaries of the same sizes on the same hooks of what the form reads now.
fn of_run(state: &AppState, specs: &[&Spec]) -> Option<f64> {
    let run = state.training.run.as_ref()?;
    if !reads_alike(&run.source, &source(state)?) {
        return None;
    }
    let members = &run.members;
    let sizes = |spec: &Spec| {
        (
            spec.hook,
            spec.kind(),
            spec.variant,
            spec.features,
            spec.batch,
        )
    };
    let trained = members.iter().map(|member| sizes(&member.spec));
    if !trained.eq(specs.iter().map(|spec| sizes(spec))) {
        return None;
    }
    let speeds = members.iter().filter_map(|member| member.last);
    let slowest = speeds
        .map(|last| last.tokens_per_second)
        .min_by(f64::total_cmp);
    slowest.filter(|speed| *speed > 0.0)
}

/// Whether activations come as fast from one source as from the other: out of one model, or out of stores of one model.
fn reads_alike(one: &Source, other: &Source) -> bool {
    match (one, other) {
        (Source::Text(one, _), Source::Text(other, _)) => one.model == other.model,
        (Source::Store(one), Source::Store(other)) => {
            one.about().model_fingerprint == other.about().model_fingerprint
        }
        _ => false,
    }
}

/// Name of the model whose activations the form reads, and whether they come out of a store.
fn read_now(state: &AppState) -> Option<(String, bool)> {
    match source(state)? {
        Source::Text(..) => Some((state.model()?.model.name().to_owned(), false)),
        Source::Store(store) => Some((store.about().model.clone(), true)),
    }
}

/// Activations per second of the latest past run with these sizes, of the same model and read the same way.
fn of_past(state: &AppState, spec: &Spec) -> Option<f64> {
    let past = state.training.past.list.ready()?;
    let (model, stored) = read_now(state)?;
    let like = |past: &&Past| {
        past.record.hook == spec.hook.to_string()
            && past.record.model == model
            && past.record.data.contains_key("store_dtype") == stored
            && ["variant", "features", "batch"]
                .iter()
                .all(|key| spec.get(key).ok() == Some(past.setting(key)))
    };
    let run = past.iter().filter(like);
    let speed = |past: &Past| past.record.tokens_seen as f64 / past.record.seconds;
    run.map(speed)
        .find(|speed| speed.is_finite() && *speed > 0.0)
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
        definition: "Positions of the text's rows except the first of each; the text is shuffled and read again when it is used up",
    }
}

/// Returns the memory of a run in addition to the model, in bytes, where known.
fn memory_bytes(state: &AppState, specs: &[&Spec]) -> Option<u64> {
    let held = match source(state) {
        Some(Source::Text(_, text)) => {
            let rule = specs.first()?.positions;
            text.activations(rule) as usize
        }
        Some(Source::Store(store)) => store.rows() * store.about().context.saturating_sub(1),
        None => usize::MAX,
    };
    let bytes = specs.iter().map(|spec| {
        let widths = (width(state, spec)?, width_at(state, spec.writes())?);
        Some(Needs::new(spec, widths, held).total())
    });
    let bytes: Option<Vec<u64>> = bytes.collect();
    Some(bytes?.into_iter().fold(0, u64::saturating_add))
}
