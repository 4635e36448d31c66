//! Table, feature page, labels.

use std::sync::Arc;

use umbra_core::features::directions::{Asked, DirectionMap, map_directions};
use umbra_core::features::filter::{Answers, Columns};
use umbra_core::features::{self as index, Index, Place, Sources, Words};
use umbra_core::ids::FeatureId;
use umbra_core::progress::Ended;
use umbra_core::project::{Label, Project};
use umbra_core::workbench::pair::Pair;

use super::context::Context;
use super::library;
use crate::jobs::Worker;
use crate::state::catalogue::DictionaryId;
use crate::state::features::{self, Query, Seeker, Table};
use crate::state::log::Notice;
use crate::state::project::LabelChange;
use crate::state::requests::Commands;
use crate::state::requests::features::Command;
use crate::state::{AppState, Event, Load, history, log, project};

/// Dictionaries with more features than this show progress while the words of their index are read.
const QUICK: usize = 10_000;

/// Neighbours listed on a page.
const NEIGHBOURS: usize = 10;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::SetLabel { feature, text } => set_label(context, feature, text.trim()),
            Self::Filter(filter) => set_filter(context, filter),
            Self::LoadTable => load_table(context),
            Self::ShowPage(feature) => show_page(context, feature),
            Self::Detail(feature) => load_detail(context, feature),
            Self::Sources(feature) => compute_sources(context, feature),
            Self::Previews(id, features) => load_previews(context, id, features),
            Self::LabelAll { features, text } => label_all(context, features, text.trim()),
            Self::KeepFilter(filter) => keep_filter(context, filter.trim()),
            Self::DropFilter(filter) => drop_filter(context, &filter),
            Self::MapDirections(id, asked) => compute_map(context, id, asked),
            Self::Search(seeker, query) => ask(context, seeker, query),
            Self::Seek(seeker) => seek(context, seeker),
        }
    }
}

/// The table follows the selected dictionary's index, what is known follows the selected feature.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    let Some(dictionary) = state.dictionary() else {
        return;
    };
    let known = &state.features;
    let index = state.index_of(dictionary.id);
    let of = known.table_of == Some(dictionary.id);
    if index.is_some() && !(of && known.index.as_ref() == index) {
        commands.send(Command::LoadTable);
    }
    for seeker in [Seeker::Table, Seeker::Palette] {
        if known.words.ready().is_some() && known.found_by(seeker).waits() {
            commands.send(Command::Seek(seeker));
        }
    }
    if let Some(feature) = state.selection.feature {
        let key = (dictionary.id, feature);
        let neighbours = known.neighbours(dictionary.id, feature);
        let asked = known.detail_of == Some(key) && !known.detail.is_absent();
        // Neighbours need no index.
        let lacks = index.is_some() && !asked;
        if lacks || (neighbours.is_absent() && state.sae().is_some()) {
            commands.send(Command::ShowPage(feature));
        }
    }
}

/// Features that were drawn without being known are read from their index, a batch at a time.
pub(super) fn follow_drawn(state: &AppState, commands: &mut Commands) {
    let previews = &state.features.previews;
    let wanted = previews.take_wanted();
    if let Some((dictionary, features)) = wanted.filter(|_| !previews.reading) {
        commands.send(Command::Previews(dictionary, features));
    }
}

fn load_previews(context: &mut Context<'_>, id: DictionaryId, features: Vec<FeatureId>) {
    let Some(path) = context.state.index_of(id).map(|index| index.path.clone()) else {
        return;
    };
    context.apply(Event::Features(features::Event::PreviewsAsked));
    let of = features.clone();
    let event = move |features, found| {
        let event = features::Event::Previews(id, features, found);
        Event::Features(event)
    };
    context.jobs.start_quiet(
        move |_| event(of, None),
        move |worker| {
            let found = Index::open(&path)?.previews(&features)?;
            worker.send(event(features, Some(found)));
            Ok(())
        },
    );
}

fn load_table(context: &mut Context<'_>) {
    let Some((id, index)) = context
        .state
        .dictionary()
        .and_then(|d| Some((d.id, d.index.ready()?.clone())))
    else {
        return;
    };
    let path = index.path.clone();
    let kept = context.state.project.open().map(|project| {
        let name = context.state.catalogue.get(id).map(|d| d.name.clone());
        let print = index.about.sae_fingerprint.clone();
        (Arc::clone(project), name.unwrap_or_default(), print)
    });
    context.apply(Event::Features(features::Event::Index(id, Box::new(index))));
    let event = move |load| Event::Features(features::Event::Table(id, load));
    context.jobs.start_quiet(
        move |why| event(Load::Failed(why)),
        move |worker| {
            let table = Table::new(id, Columns::read(&Index::open(&path)?)?);
            worker.send(event(Load::Ready(Arc::new(table))));
            if let Some(map) = kept.and_then(|(project, name, sae)| kept_map(&project, &name, &sae))
            {
                let map = features::Event::Directions(id, Load::Ready(Arc::new(map)));
                worker.send(Event::Features(map));
            }
            Ok(())
        },
    );
}

fn show_page(context: &mut Context<'_>, feature: FeatureId) {
    let Some(id) = context.state.selection.dictionary else {
        return;
    };
    context.apply(Event::Features(features::Event::PageOf(id, feature)));
    load_detail(context, feature);
    let known = context.state.features.neighbours(id, feature);
    let Some(sae) = context.state.sae().filter(|_| known.is_absent()) else {
        return;
    };
    let sae = Arc::clone(sae);
    let event = move |load| Event::Features(features::Event::Neighbours(id, feature, load));
    context.apply(event(Load::Loading));
    context.jobs.start_quiet(
        move |why| event(Load::Failed(why)),
        move |worker| {
            if feature.index() < sae.features() {
                let nearest = sae.nearest(feature, NEIGHBOURS);
                worker.send(event(Load::Ready(Arc::new(nearest))));
            }
            Ok(())
        },
    );
}

/// Attributes the examples for which the index has no sources, each in its whole row.
fn compute_sources(context: &mut Context<'_>, feature: FeatureId) {
    let state = &context.state;
    let of = state.dictionary().and_then(|d| {
        let index = state.index_of(d.id)?.path.clone();
        Some((d.id, index, state.pair(d.id)?.clone()))
    });
    let Some((id, path, Pair { model, sae, .. })) = of else {
        return;
    };
    let event = move |load| Event::Features(features::Event::Sources(id, feature, load));
    context.apply(event(Load::Loading));
    context.jobs.start_quiet(
        move |why| event(Load::Failed(why)),
        move |worker| {
            let index = Index::open(&path)?;
            let detail = index.detail(feature)?;
            let known = detail.sources.len();
            let mut places: Vec<Place> = Vec::new();
            let mut passages = Vec::new();
            for example in detail.examples().skip(known) {
                if let Some(place) = example.place.filter(|place| !places.contains(place)) {
                    places.push(place);
                    passages.push(index.passage(example)?);
                }
            }
            let found = index::sources(&model, sae.by_token()?, feature, &passages)?;
            let found: Vec<(Place, Sources)> = places.into_iter().zip(found).collect();
            worker.send(event(Load::Ready(Arc::new(found))));
            Ok(())
        },
    );
}

fn load_detail(context: &mut Context<'_>, feature: FeatureId) {
    let state = &context.state;
    let Some((id, path)) = state
        .dictionary()
        .and_then(|d| Some((d.id, state.index_of(d.id)?.path.clone())))
    else {
        return;
    };
    if !context.state.features.detail(id, feature).is_absent() {
        return;
    }
    let event = move |load| Event::Features(features::Event::Detail(id, feature, load));
    context.apply(event(Load::Loading));
    context.jobs.start_quiet(
        move |why| event(Load::Failed(why)),
        move |worker| {
            let index = Index::open(&path)?;
            if let Some(facts) = index.facts_of(feature)? {
                let facts = features::Event::Facts(id, feature, Arc::new(facts));
                worker.send(Event::Features(facts));
            }
            let detail = index.detail(feature)?;
            worker.send(event(Load::Ready(Arc::new(detail))));
            Ok(())
        },
    );
}

/// A search begins, by a job; the first one of a dictionary reads the words of its index.
fn ask(context: &mut Context<'_>, seeker: Seeker, query: Query) {
    let state = &context.state;
    let Some(id) = state
        .features
        .table_of
        .filter(|id| state.index_of(*id).is_some())
    else {
        return;
    };
    let asked = features::Event::Asked(seeker, query);
    context.apply(Event::Features(asked));
    match &context.state.features.words {
        Load::Ready(_) => seek(context, seeker),
        Load::Absent | Load::Failed(_) => read_words(context, id),
        Load::Loading => {}
    }
}

fn read_words(context: &mut Context<'_>, id: DictionaryId) {
    let Some(index) = context.state.index_of(id) else {
        return;
    };
    let (path, features) = (index.path.clone(), index.about.features);
    let event = move |load| Event::Features(features::Event::Words(id, load));
    context.apply(event(Load::Loading));
    let failed = move |why| event(Load::Failed(why));
    let work = move |worker: &Worker| {
        let read = Words::read(&Index::open(&path)?, &mut |at| worker.progress(at))?.done();
        let stopped = || Load::Failed("The search was stopped".to_owned());
        let load = read.map_or_else(stopped, |words| Load::Ready(Arc::new(words)));
        worker.send(event(load));
        Ok(())
    };
    if features > QUICK {
        context
            .jobs
            .start_or("Read the words of the index", failed, work);
    } else {
        context.jobs.start_quiet(failed, work);
    }
}

fn seek(context: &mut Context<'_>, seeker: Seeker) {
    let state = &context.state;
    let (Some(words), Some(dictionary)) = (state.features.words.ready(), state.dictionary()) else {
        return;
    };
    let (words, query) = (
        Arc::clone(words),
        state.features.found_by(seeker).query.clone(),
    );
    let labels = state.project.labels(&dictionary.name);
    let labels: Vec<(FeatureId, String)> = labels
        .map(|(feature, text)| (feature, text.to_owned()))
        .collect();
    context.apply(Event::Features(features::Event::Searching(seeker)));
    let of = query.clone();
    let event = move |query, hits| Event::Features(features::Event::Found(seeker, query, hits));
    context.jobs.start_quiet(
        move |why| event(of, Load::Failed(why)),
        move |worker| {
            let labels: Vec<(FeatureId, &str)> = labels
                .iter()
                .map(|(feature, text)| (*feature, text.as_str()))
                .collect();
            let answers = Answers::new(&words, &query.texts, &labels);
            worker.send(event(query, Load::Ready(Arc::new(answers))));
            Ok(())
        },
    );
}

/// One change, which is undone as one.
fn label_all(context: &mut Context<'_>, features: Vec<FeatureId>, text: &str) {
    let Some(sae) = context.state.dictionary().map(|d| d.name.clone()) else {
        return;
    };
    let state = &context.state;
    let changes = features.into_iter().map(|feature| LabelChange {
        before: (state.project.given(&sae, feature).cloned()).unwrap_or_default(),
        sae: sae.clone(),
        feature,
        after: text.into(),
    });
    let changes: Vec<LabelChange> = changes
        .filter(|change| change.before != change.after)
        .collect();
    if !changes.is_empty() && write_labels(context, changes.clone()) {
        context.apply(Event::History(history::Event::Did {
            what: format!("labels of {} features in {sae}", changes.len()),
            change: history::Change::Labels(changes),
            continues: false,
        }));
    }
}

fn set_label(context: &mut Context<'_>, feature: FeatureId, text: &str) {
    let Some(sae) = context.state.dictionary().map(|d| d.name.clone()) else {
        return;
    };
    let before = context.state.project.given(&sae, feature);
    let before = before.cloned().unwrap_or_default();
    if before.text == text {
        return;
    }
    let change = LabelChange {
        sae,
        feature,
        before,
        after: text.into(),
    };
    let said = if text.is_empty() {
        format!("Label of feature {feature} removed")
    } else {
        format!("Feature {feature} is now labelled “{text}”")
    };
    if write_label(context, change.clone()) {
        // In place of the one before: whoever labels feature after feature sees the last.
        context.apply(Event::Log(log::Event::Step(Notice::success(said))));
        context.apply(Event::History(history::Event::Did {
            what: format!("label of feature {feature} in {}", change.sae),
            change: history::Change::Label(Box::new(change)),
            continues: false,
        }));
    }
}

/// Writes one row of `labels.sqlite` and shows it.
pub(super) fn write_label(context: &mut Context<'_>, change: LabelChange) -> bool {
    write_labels(context, vec![change])
}

/// Writes rows of `labels.sqlite`, all or none (at once: it is one transaction, and edits must keep their order), and shows them.
pub(super) fn write_labels(context: &mut Context<'_>, changes: Vec<LabelChange>) -> bool {
    let Some(project) = context.state.project.open() else {
        return false;
    };
    let label =
        |change: &LabelChange| Label::new(&change.sae, change.feature, change.after.clone());
    let wanted: Vec<Label> = changes.iter().map(label).collect();
    let written = project.labels().and_then(|labels| labels.put_all(&wanted));
    match written {
        Ok(_) => {
            context.apply(Event::Project(project::Event::LabelsSet(changes)));
            true
        }
        Err(error) => {
            context.fail(format!("The label could not be saved: {error}"));
            false
        }
    }
}

fn keep_filter(context: &mut Context<'_>, filter: &str) {
    let Some(project) = context.state.project.open() else {
        return context.fail("Open or create a project first".to_owned());
    };
    if filter.is_empty() || project.filters.iter().any(|kept| kept == filter) {
        return;
    }
    let mut changed = (**project).clone();
    changed.filters.push(filter.to_owned());
    library::write(context, changed);
}

fn drop_filter(context: &mut Context<'_>, filter: &str) {
    let Some(project) = context.state.project.open() else {
        return;
    };
    let mut changed = (**project).clone();
    changed.filters.retain(|kept| kept != filter);
    library::write(context, changed);
}

/// Returns the map of directions that the project keeps of a dictionary with this fingerprint; a damaged one and one of other weights count as none.
fn kept_map(project: &Project, name: &str, fingerprint: &str) -> Option<DirectionMap> {
    let (json, path) = project.directions(name).ok()??;
    let map = DirectionMap::from_json(&json, &path).ok()?;
    (map.sae_fingerprint == fingerprint).then_some(map)
}

fn compute_map(context: &mut Context<'_>, id: DictionaryId, asked: Asked) {
    let state = &context.state;
    let project = state.project.open().cloned();
    let kept_as = state.dictionary().map(|dictionary| dictionary.name.clone());
    let of = state
        .sae()
        .cloned()
        .zip(state.features.table_for(id).cloned());
    let Some((sae, table)) = of.filter(|_| state.selection.dictionary == Some(id)) else {
        return;
    };
    if state.features.directions.is_loading() {
        return;
    }
    let event = move |load| Event::Features(features::Event::Directions(id, load));
    context.apply(event(Load::Loading));
    let name = format!("Map the directions of {}", sae.name);
    context.jobs.start_or(
        name,
        move |why| event(Load::Failed(why)),
        move |worker| {
            let live = |feature: FeatureId| {
                let summary = table.summaries.get(feature.index());
                summary.is_some_and(|summary| summary.density > 0.0)
            };
            let mapped = map_directions(&sae, &live, asked, &mut |at| worker.progress(at))?;
            let Ended::Done(map) = mapped else {
                worker.send(event(Load::Absent));
                return Ok(());
            };
            if let Some((project, name)) = project.zip(kept_as) {
                project.keep_directions(&name, &map.json()?)?;
            }
            worker.send(event(Load::Ready(Arc::new(map))));
            Ok(())
        },
    );
}

fn set_filter(context: &mut Context<'_>, filter: String) {
    let pair = history::Pair {
        before: context.state.features.filter.clone(),
        after: filter.clone(),
    };
    context.apply(Event::Features(features::Event::Filter(filter)));
    context.apply(Event::History(history::Event::Did {
        what: "filter in Features".to_owned(),
        change: history::Change::Filter(pair),
        continues: true,
    }));
}
