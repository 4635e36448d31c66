//! Answer of probes: JSON in SAEBench's schema, notes, and a section of a report.

use serde_json::{Map, Value, json};

use super::{Figures, Found, Request, Task};
use crate::benchmarks::estimate::Estimate;
use crate::benchmarks::probing::{
    ClassAccuracy, Direction, LEAST_DRAWN, OfSize, Perturbed, Probed, SPARSE_PENALTY, Scr, Tpp,
};
use crate::benchmarks::schema::{Evaluation, NONE};
use crate::error::{Error, Result};
use crate::sae::Sae;
use crate::section::{Section, Table};

/// Accuracy of an unbiased probe from which a model counts as knowing an attribute.
const KNOWN: f64 = 0.6;

/// Definitions of the figures.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "row",
        "of a text: the mean over its tokens that are not special (BOS, EOS, padding, separator) of the activation, and of every feature; longer texts are cut to the context",
    ),
    (
        "accuracy",
        "share of held-out texts that a probe tells right; half of them are of the class, the others of the other classes in turn, so that chance is 0.5; mean over classes",
    ),
    (
        "top k",
        "logistic regression (penalty half the squared weights, on the loss summed over texts) on the k columns whose means over the class and over the others differ most on the training texts",
    ),
    (
        "all columns",
        "the regression on all columns; SAEBench trains it with AdamW and keeps the epoch that is best on the test texts, which makes its figure larger",
    ),
    (
        "effect",
        "of a feature on a probe: difference of its means over the class and over the others, times the product of its decoder row and the probe's weights; the probe minimises the mean logistic loss + 0.001 times the sizes of its weights",
    ),
    (
        "SCR score",
        "(accuracy without the features − accuracy of the biased probe) / (accuracy of an unbiased probe − accuracy of the biased probe), for a probe fitted where target and spurious attribute agree, without the features of the largest effect on the probe of one attribute, tested on the other; 0 where the unbiased probe is better by less than 0.001",
    ),
    (
        "SCR metric",
        "the score of the direction in which the biased probe is worse: the attribute that it ignores is won back by removing the one that it reads",
    ),
    (
        "TPP score",
        "loss of accuracy of a class's probe without the features of the largest effect on it, less the mean loss of the other probes; mean over classes",
    ),
    (
        "interval",
        "95 % interval of a bootstrap over the test texts of every class (in SCR of every pair of attributes), with probes and features as they are; that of a single class of sparse probing, and of a share that no draw changes, is Wilson's; none where a class has fewer than 5 test texts",
    ),
];

fn definitions() -> Value {
    let each = DEFINITIONS.iter();
    each.map(|(name, definition)| ((*name).to_owned(), Value::from(*definition)))
        .collect()
}

/// Says what was left out, and which figures mean little.
pub(super) fn notes(found: &Found, cut: usize, request: &Request) -> Vec<String> {
    let mut notes = Vec::new();
    let spec = &request.spec;
    if found.labelled.repeated > 0 {
        notes.push(format!(
            "{} lines repeat the text of an earlier one and were left out",
            found.labelled.repeated
        ));
    }
    if cut > 0 {
        notes.push(format!(
            "{cut} texts are longer than {} tokens and were cut",
            spec.context
        ));
    }
    if found.least_tests() < LEAST_DRAWN {
        notes.push(format!(
            "Some class, or pair of attributes, has fewer than {LEAST_DRAWN} test texts: figures have no interval, give more texts"
        ));
    }
    match &found.figures {
        Figures::Probing {
            model,
            dictionaries,
        } => {
            for (name, probed) in found.places.iter().zip(model) {
                let all = probed.all.and_then(|all| all.interval);
                if all.is_some_and(|[low, _]| low <= 0.5) {
                    notes.push(format!(
                        "The activations at {name} do not tell these classes apart better than chance, so that no dictionary of them is expected to"
                    ));
                }
            }
            let all = model.iter().chain(dictionaries);
            if all.clone().any(|probed| probed.all.is_none()) {
                notes.push("Probes on all columns were left out where texts × columns are too many for one regression".to_owned());
            }
        }
        Figures::Scr(all) => {
            if let Some(scr) = all.first() {
                notes.extend(scr_notes(scr));
            }
        }
        Figures::Tpp(all) => {
            let weak = all
                .iter()
                .any(|tpp| tpp.clean.iter().any(|clean| clean.value < KNOWN));
            if weak {
                notes.push(format!(
                    "The probe of some class is right on fewer than {KNOWN} of the texts: there is little accuracy to lose"
                ));
            }
        }
    }
    notes
}

fn scr_notes(scr: &Scr) -> Vec<String> {
    let mut notes = Vec::new();
    let names = ["target", "spurious attribute"];
    for (name, direction) in names.iter().zip(&scr.directions) {
        let gain = direction.unbiased.value - direction.biased.value;
        if gain < 0.05 {
            notes.push(format!(
                "On the {name} an unbiased probe is better than the biased one by {gain:.3} only: its scores divide by that and mean little"
            ));
        }
    }
    if scr.chosen.is_none() {
        notes.push("The biased probe is equally right on both attributes: SAEBench gives no metric then, only both directions".to_owned());
    }
    notes
}

/// Returns the result of each dictionary in SAEBench's schema, with the name of its file.
///
/// # Errors
/// Dictionaries that are not those of the result.
pub fn results(
    found: &Found,
    saes: &[&Sae],
    request: &Request,
    millis: u64,
) -> Result<Vec<(String, Value)>> {
    if saes.len() != found.dictionaries.len() {
        let what = format!(
            "{} dictionaries for {} results: give those that were measured",
            saes.len(),
            found.dictionaries.len()
        );
        return Err(Error::setting("sae", what));
    }
    let set = request.set();
    let each = saes.iter().zip(&found.dictionaries).enumerate();
    let result = |(number, (sae, (_, place))): (usize, (&&Sae, &(String, usize)))| {
        let parts = match &found.figures {
            Figures::Probing {
                model,
                dictionaries,
            } => probing(found, (&model[*place], &dictionaries[number]), &set),
            Figures::Scr(all) => scr(&all[number], found, &set),
            Figures::Tpp(all) => tpp(&all[number], found, &set),
        };
        let evaluation = Evaluation {
            kind: match request.task {
                Task::Probing => "sparse_probing",
                Task::Scr => "scr",
                Task::Tpp => "tpp",
            },
            sae,
            model: &found.model,
            config: config(found, request),
            metrics: parts.metrics,
            details: parts.details,
            unstructured: parts.unstructured,
            millis,
        };
        let mut value = evaluation.json();
        value["intervals"] = parts.intervals;
        value["features"] = parts.features;
        value["notes"] = json!(found.notes);
        value["definitions"] = definitions();
        (evaluation.file(), value)
    };
    Ok(each.map(result).collect())
}

/// Parts of a result.
struct Parts {
    metrics: Value,
    details: Value,
    unstructured: Value,
    intervals: Value,
    /// Features that were probed or ablated.
    features: Value,
}

fn config(found: &Found, request: &Request) -> Value {
    let spec = &request.spec;
    let set = request.set();
    let mut config = json!({
        "random_seed": spec.seed,
        "dataset_names": [set],
        "context_length": spec.context,
        "sae_batch_size": NONE,
        "llm_batch_size": NONE,
        "llm_dtype": "float32",
        "lower_vram_usage": false,
        "model_name": found.model,
        "test_share": spec.test_share,
        "draws": spec.draws,
    });
    let sizes = [found.split.train.len(), found.split.test.len()];
    if request.task == Task::Probing {
        config["probe_train_set_size"] = sizes[0].into();
        config["probe_test_set_size"] = sizes[1].into();
        config["k_values"] = json!(spec.sizes);
        return config;
    }
    config["perform_scr"] = (request.task == Task::Scr).into();
    config["train_set_size"] = sizes[0].into();
    config["test_set_size"] = sizes[1].into();
    config["n_values"] = json!(spec.sizes);
    config["probe_l1_penalty"] = json!(SPARSE_PENALTY);
    for none in [
        "early_stopping_patience",
        "probe_train_batch_size",
        "probe_test_batch_size",
        "probe_epochs",
        "probe_lr",
    ] {
        config[none] = NONE.into();
    }
    config["column1_vals_lookup"] = match request.task {
        Task::Scr => json!({set: [found.labelled.classes]}),
        Task::Probing | Task::Tpp => json!({}),
    };
    config
}

/// Named figures with their intervals.
#[derive(Default)]
struct Named {
    values: Map<String, Value>,
    intervals: Map<String, Value>,
}

impl Named {
    fn add(&mut self, name: String, estimate: Option<Estimate>) {
        let value = estimate.map(|estimate| estimate.value);
        self.values.insert(name.clone(), json!(value));
        let interval = estimate.and_then(|estimate| estimate.interval);
        self.intervals.insert(name, json!(interval));
    }
}

fn probing(found: &Found, (model, dictionary): (&Probed, &Probed), set: &str) -> Parts {
    let mut of = [Named::default(), Named::default()];
    let mut unstructured = Map::new();
    let mut class_intervals = Map::new();
    for (named, (prefix, probed)) in of.iter_mut().zip([("llm", model), ("sae", dictionary)]) {
        named.add(format!("{prefix}_test_accuracy"), probed.all);
        let names = std::iter::once(format!("{prefix}_test_accuracy"));
        let tops = probed.top.iter();
        let tops = tops.map(|top| format!("{prefix}_top_{}_test_accuracy", top.size));
        for OfSize { size, estimate } in &probed.top {
            named.add(
                format!("{prefix}_top_{size}_test_accuracy"),
                Some(*estimate),
            );
        }
        for (name, classes) in names.chain(tops).zip(&probed.classes) {
            let by_class = |value: &dyn Fn(&ClassAccuracy) -> Value| -> Value {
                let each = classes.iter();
                each.map(|one| (found.labelled.classes[one.class].clone(), value(one)))
                    .collect()
            };
            unstructured.insert(name.clone(), by_class(&|one| json!(one.accuracy.value)));
            class_intervals.insert(name, by_class(&|one| json!(one.accuracy.interval)));
        }
    }
    let columns = |probed: &Probed| -> Value {
        let each = probed.top.iter().zip(probed.classes.iter().skip(1));
        let each = each.map(|(top, classes)| {
            let classes = classes.iter();
            let of = classes.map(|one| {
                (
                    found.labelled.classes[one.class].clone(),
                    json!(one.columns),
                )
            });
            (top.size.to_string(), of.collect::<Value>())
        });
        each.collect()
    };
    let [llm, sae] = of;
    let results = format!("{set}_results");
    let mut detail = json!({"dataset_name": results});
    for (name, value) in llm.values.iter().chain(&sae.values) {
        detail[name] = value.clone();
    }
    let mut intervals = llm.intervals;
    intervals.extend(sae.intervals);
    intervals.insert("classes".to_owned(), Value::Object(class_intervals));
    Parts {
        metrics: json!({"llm": llm.values, "sae": sae.values}),
        details: json!([detail]),
        unstructured: json!({results: unstructured}),
        intervals: Value::Object(intervals),
        features: json!({"llm": columns(model), "sae": columns(dictionary)}),
    }
}

fn scr(one: &Scr, found: &Found, set: &str) -> Parts {
    let mut named = Named::default();
    for (number, direction) in one.directions.iter().enumerate() {
        for removed in &direction.sizes {
            let key = format!("scr_dir{}_threshold_{}", number + 1, removed.size);
            named.add(key, Some(removed.score));
            let metric = format!("scr_metric_threshold_{}", removed.size);
            if one.chosen == Some(number) {
                named.add(metric, Some(removed.score));
            } else if one.chosen.is_none() {
                named.add(metric, None);
            }
        }
    }
    let [a, b] = [0, 1].map(|i: usize| found.labelled.classes.get(i).map_or("", String::as_str));
    let mut detail = json!({"dataset_name": format!("{set}_scr_{a}_{b}_results")});
    for (name, value) in &named.values {
        detail[name] = value.clone();
    }
    let direction = |direction: &Direction| {
        let sizes = direction.sizes.iter();
        json!({
            "biased_accuracy": direction.biased.json(),
            "unbiased_accuracy": direction.unbiased.json(),
            "ablated": sizes.map(|one| json!({"n": one.size, "features": one.ablated, "accuracy": one.accuracy.json()})).collect::<Vec<_>>(),
        })
    };
    Parts {
        metrics: json!({"scr_metrics": named.values}),
        details: json!([detail]),
        unstructured: json!({
            "target": found.labelled.classes, "spurious": found.labelled.spurious, "train_texts": one.texts[0], "test_texts": one.texts[1],
            "spurious_ablated": direction(&one.directions[0]), "target_ablated": direction(&one.directions[1]),
        }),
        intervals: Value::Object(named.intervals),
        features: json!({"spurious": one.directions[0].features, "target": one.directions[1].features}),
    }
}

fn tpp(one: &Tpp, found: &Found, set: &str) -> Parts {
    let mut named = Named::default();
    let class = |number: usize| found.labelled.classes[number].clone();
    let mut by_class: Map<String, Value> = Map::new();
    for perturbed in &one.sizes {
        let Perturbed {
            size,
            total,
            intended,
            unintended,
            classes,
        } = perturbed;
        let key = |name: &str| format!("tpp_threshold_{size}_{name}");
        named.add(key("total_metric"), Some(*total));
        named.add(key("intended_diff_only"), Some(*intended));
        named.add(key("unintended_diff_only"), Some(*unintended));
        for change in classes {
            let of = by_class
                .entry(class(change.class))
                .or_insert_with(|| json!({}));
            of[key("total_metric")] = json!(change.intended - change.unintended);
            of[key("intended_diff_only")] = json!(change.intended);
            of[key("unintended_diff_only")] = json!(change.unintended);
            of[key("features")] = json!(change.ablated);
        }
    }
    let mut detail = json!({"dataset_name": format!("{set}_tpp_results")});
    for (name, value) in &named.values {
        detail[name] = value.clone();
    }
    let clean = one.clean.iter().enumerate();
    let clean: Map<String, Value> = clean
        .map(|(number, clean)| (class(number), clean.json()))
        .collect();
    Parts {
        metrics: json!({"tpp_metrics": named.values}),
        details: json!([detail]),
        unstructured: json!({set: by_class, "clean_accuracy": clean}),
        intervals: Value::Object(named.intervals),
        features: Value::Null,
    }
}

/// Returns the answer as JSON: `results` in SAEBench's schema.
pub fn json(found: &Found, results: &[(String, Value)], request: &Request) -> Value {
    json!({
        "task": request.task.name(),
        "model": found.model,
        "labelled": request.set(),
        "classes": found.labelled.classes,
        "texts": found.labelled.counts(),
        "train": found.split.train.len(),
        "test": found.split.test.len(),
        "seed": request.spec.seed,
        "results": results.iter().map(|(_, result)| result).collect::<Vec<_>>(),
        "notes": found.notes,
        "definitions": definitions(),
    })
}

/// Main figure of each row of the result, by number of features: name, and figures by size.
fn rows(found: &Found) -> Vec<(String, Vec<(usize, Estimate)>)> {
    let tops = |probed: &Probed| {
        probed
            .top
            .iter()
            .map(|top| (top.size, top.estimate))
            .collect()
    };
    let names = found.dictionaries.iter().map(|(name, _)| name.clone());
    match &found.figures {
        Figures::Probing {
            model,
            dictionaries,
        } => {
            let places = found
                .places
                .iter()
                .map(|place| format!("activations at {place}"));
            let all = places.chain(names).zip(model.iter().chain(dictionaries));
            all.map(|(name, probed)| (name, tops(probed))).collect()
        }
        Figures::Scr(all) => {
            let of = |(name, scr): (String, &Scr)| {
                let sizes = &scr.directions[scr.chosen.unwrap_or(0)].sizes;
                (
                    name,
                    sizes.iter().map(|one| (one.size, one.score)).collect(),
                )
            };
            names.zip(all).map(of).collect()
        }
        Figures::Tpp(all) => {
            let of = |(name, tpp): (String, &Tpp)| {
                (
                    name,
                    tpp.sizes.iter().map(|one| (one.size, one.total)).collect(),
                )
            };
            names.zip(all).map(of).collect()
        }
    }
}

/// Number of features at which dictionaries are compared in one sentence; SAEBench shows it first of SCR and TPP.
const COMPARED: usize = 10;

/// Says in one sentence which dictionary has the largest figure, at 10 features or the nearest number, and whether another one reaches into its interval.
pub fn conclusion(found: &Found) -> String {
    let figure = match found.figures {
        Figures::Probing { .. } => "accuracy",
        Figures::Scr(_) => "SCR score",
        Figures::Tpp(_) => "TPP score",
    };
    let rows = rows(found);
    let own = &rows[rows.len() - found.dictionaries.len()..];
    let sizes = own.iter().flat_map(|(_, figures)| figures);
    let common = |size: usize| {
        own.iter()
            .all(|(_, all)| all.iter().any(|(own, _)| *own == size))
    };
    let size = sizes
        .map(|(size, _)| *size)
        .filter(|size| common(*size))
        .min_by_key(|size| (size.abs_diff(COMPARED), *size));
    let Some(size) = size else {
        return "No number of features was measured for every dictionary".to_owned();
    };
    let at = |(name, figures): &(String, Vec<(usize, Estimate)>)| {
        let figure = figures.iter().find(|(own, _)| *own == size);
        figure.map(|(_, estimate)| (name.clone(), *estimate))
    };
    let mut all: Vec<(String, Estimate)> = own.iter().filter_map(at).collect();
    all.sort_by(|(_, a), (_, b)| b.value.total_cmp(&a.value));
    let with = format!(
        "with {size} {}",
        if size == 1 { "feature" } else { "features" }
    );
    match &all[..] {
        [] => String::new(),
        [(name, only)] => format!("{name} has {figure} {} {with}", only.words()),
        [(name, best), (other, second), ..] => {
            let low = best.interval.map_or(best.value, |[low, _]| low);
            let high = second.interval.map_or(second.value, |[_, high]| high);
            let apart = if low > high {
                format!("above {other} with {}", second.words())
            } else {
                format!("but the interval of {other} overlaps, {}", second.words())
            };
            format!(
                "{name} has the largest {figure} {with}, {}, {apart}",
                best.words()
            )
        }
    }
}

/// Returns the result as a section of a report.
pub fn section(found: &Found, request: &Request) -> Section {
    let caption = match request.task {
        Task::Probing => "Accuracy of probes of k features, with 95 % intervals",
        Task::Scr => "SCR score by number of ablated features, with 95 % intervals",
        Task::Tpp => "TPP score by number of ablated features, with 95 % intervals",
    };
    let rows = rows(found);
    let sizes = rows
        .iter()
        .map(|(_, sizes)| sizes)
        .max_by_key(|sizes| sizes.len());
    let sizes: Vec<String> = sizes
        .into_iter()
        .flatten()
        .map(|(size, _)| size.to_string())
        .collect();
    let mut columns = vec!["dictionary"];
    columns.extend(sizes.iter().map(String::as_str));
    let mut table = Table::new(caption, &columns);
    for (name, figures) in &rows {
        let cell = |size: &String| {
            let figure = figures.iter().find(|(own, _)| own.to_string() == *size);
            figure.map_or("–".to_owned(), |(_, estimate)| estimate.words())
        };
        let cells = std::iter::once(name.clone()).chain(sizes.iter().map(cell));
        table = table.row(cells.map(Into::into));
    }
    let title = match request.task {
        Task::Probing => "Sparse probing",
        Task::Scr => "Removal of a spurious correlation",
        Task::Tpp => "Targeted probe perturbation",
    };
    Section::new(
        format!("{title} of {} on {}", found.model, request.set()),
        conclusion(found),
    )
    .setting("model", &found.model)
    .setting(
        "texts",
        format!(
            "{} train, {} test",
            found.split.train.len(),
            found.split.test.len()
        ),
    )
    .setting("seed", request.spec.seed)
    .notes(&found.notes)
    .figure(table)
    .define(DEFINITIONS)
}
