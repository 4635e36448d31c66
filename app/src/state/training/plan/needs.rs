//! Needs of a run as far as they are known before it begins: memory, data, disk space, time.

use umbra_core::bench;
use umbra_core::train::Spec;
use umbra_core::workbench::needs::{Needs, Speeds, Time, speed_of};

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
    let counted = counted(state, &specs);
    if let Some(bytes) = counted.memory {
        needs.push(Need {
            label: "Memory",
            value: format!("≈ {}", number::bytes(bytes)),
            definition: "Weights and Adam's two moments, a copy of the dictionary while it is shown or saved, the shuffle buffer and one batch with its codes, in addition to the model. Umbra rejects a run that needs more than the available memory",
        });
    }
    needs.push(Need {
        label: "Steps",
        value: number::count(counted.steps),
        definition: "Training tokens divided by batch size",
    });
    if let Some(Source::Store(store)) = source(state) {
        needs.push(Need {
            label: "Store",
            value: format!(
                "{}, {}",
                number::bytes(store.bytes()),
                store.about().dtype.name()
            ),
            definition: "Activations captured earlier: their size on disk and their number type",
        });
    }
    needs.extend(data(&counted));
    needs.extend(disk(&counted));
    needs.extend(time(state, plan, &specs));
    needs
}

/// Estimates the run's duration, from the speed of a similar run or from a measurement of the step.
fn time(state: &AppState, plan: &Plan, specs: &[&Spec]) -> Option<Need> {
    let step = state.training.measured.as_ref().and_then(|(of, load)| {
        let speed = *load.ready()?;
        (sizes(state, plan).as_ref() == Some(of)).then_some(speed)
    });
    let speeds = Speeds {
        together: of_run(state, specs),
        alone: specs.iter().map(|spec| of_past(state, spec)).collect(),
        step,
    };
    let (value, definition) = match Time::new(specs.first()?.tokens, &speeds)? {
        Time::Alike(seconds) => (
            format!("≈ {}", span(seconds)),
            "Training tokens divided by the speed of the run below, with these sizes, hook and model",
        ),
        Time::Past(seconds) => (
            format!("≈ {}", span(seconds)),
            "Training tokens divided by the speed of the last run with these sizes, hook and model",
        ),
        Time::AtMost(seconds) => (
            format!("≤ {}", span(seconds)),
            "Sum of the times of past runs with these sizes; dictionaries trained together share the pass of the model",
        ),
        Time::AtLeast(seconds) => (
            format!(
                "≥ {}, training step only ({} per second)",
                span(seconds),
                number::number(step?)
            ),
            "The training step only, measured on random activations of these sizes; the time of the model or the store is extra",
        ),
    };
    Some(Need {
        label: "Time",
        value,
        definition,
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
    let (model, is_stored) = read_now(state)?;
    let records = past.iter().map(|past: &Past| &past.record);
    speed_of(records, spec, (&model, is_stored))
}

fn data(needs: &Needs) -> Option<Need> {
    let there = number::count(needs.there?);
    let read = needs.readings();
    let read = match read {
        None => String::new(),
        Some(times) if times < 1.0 => format!(", of which {} are read", number::percent(times)),
        Some(times) => format!(", read {} times", number::number(times)),
    };
    Some(Need {
        label: "Data",
        value: format!("{there} activations{read}"),
        definition: "Positions of the text's rows except the first of each; the text is shuffled and read again when it is used up",
    })
}

fn disk(needs: &Needs) -> Option<Need> {
    let disk = needs.disk?;
    let all = disk.dictionaries.saturating_add(disk.checkpoints);
    Some(Need {
        label: "Disk",
        value: format!(
            "≈ {}, {} while it runs",
            number::bytes(disk.dictionaries),
            number::bytes(all)
        ),
        definition: "The saved dictionary; while the run is not finished also its checkpoint: weights with Adam's two moments, the shuffle buffer and the dictionary as it stands",
    })
}

/// Counts what the dictionaries need, as far as the source is known.
fn counted(state: &AppState, specs: &[&Spec]) -> Needs {
    let there = match source(state) {
        Some(Source::Text(_, text)) => {
            let rows = text.text.rows.len();
            let first = specs.first();
            first.map(|spec| (text.activations(spec.positions), rows))
        }
        Some(Source::Store(store)) => Some((store.counted() as u64, store.rows())),
        None => None,
    };
    Needs::new(specs, |hook| width_at(state, hook), there)
}
