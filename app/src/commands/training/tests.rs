//! Trains on the demo's model in its own project: stops and resumes, lists runs, reads a store, measures speed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use umbra_core::Flow;
use umbra_core::bench;
use umbra_core::capture::into_store;
use umbra_core::corpus::{Corpus, CorpusSpec, Positions};
use umbra_core::device::DeviceWish;
use umbra_core::formats;
use umbra_core::ids::{HookPoint, Site};
use umbra_core::models::Model;
use umbra_core::runs::{Record, Status};
use umbra_core::sae::{ErrorPart, Sae};
use umbra_core::store::{Description, Dtype, HookTensor, Writer};

use super::Command;
use crate::state::AppState;
use crate::state::dark_matter::train::children;
use crate::state::requests::dark_matter::train::Command as Child;
use crate::state::requests::{devices, library};
use crate::state::training::line;
use crate::state::training::plan;
use crate::state::training::{Draft, Ended, Form, Member};
use crate::testing::Desk;

fn demo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/demo")
        .join(path)
}

/// A new project in `folder` without a model.
fn project(folder: &Path) -> Desk {
    let mut desk = Desk::new(AppState::default());
    desk.run(library::Command::NewProject(folder.join("mine")));
    desk
}

/// A form for a small run.
fn form(name: &str, tokens: &str) -> Form {
    let settings = [
        ("features", "64"),
        ("k", "4"),
        ("batch", "256"),
        ("buffer", "4096"),
        ("tokens", tokens),
    ];
    let settings = settings.map(|(key, text)| (key.to_owned(), text.to_owned()));
    Form {
        name: Some(name.to_owned()),
        text: Some(demo("text/held-out/alice.txt")),
        settings: settings.into(),
        ..Form::default()
    }
}

fn sae(folder: &Path) -> Sae {
    formats::open(folder).unwrap().0
}

/// A desk with a finished run `whole`, and a run `broken` like it that was stopped after its first step.
fn with_runs(folder: &Path) -> Desk {
    let mut desk = project(folder);
    desk.run(library::Command::Dropped(vec![demo("model")]));
    desk.run(Command::Fill(form("whole", "30000")));
    desk.run(Command::CountText(plan::text_key(&desk.state).unwrap()));
    desk.run(Command::Start);
    let run = member(&desk);
    let ended = (run.ended.as_ref()).map(|ended| (is_stopped(ended), ended.checkpoint()));
    assert_eq!(ended, Some((false, false)));
    let ranking = run.ranking.as_ref().unwrap();
    assert!(ranking.features == 64 && !ranking.points.is_empty());
    let browsed = run.browsed.as_ref().unwrap();
    assert_eq!(
        (browsed.in_all, browsed.tokens.len()),
        (64, 32 * browsed.context)
    );
    assert!(browsed.features.is_sorted_by(|a, b| a.share >= b.share));
    let total: f64 = browsed.features.iter().map(|fired| fired.share).sum();
    assert!((1.0..=4.001).contains(&total), "{total}");
    let best = &browsed.features[0].examples;
    assert!(!best.is_empty() && best.is_sorted_by(|a, b| a.1 >= b.1));

    desk.run(Command::Fill(form("broken", "30000")));
    let stepping = |state: &AppState| {
        let run = state.training.running();
        run.is_some_and(|run| run.members[0].name == "broken" && run.members[0].last.is_some())
    };
    desk.run_then(Command::Start, Some((stepping, Command::Stop.into())));
    let run = member(&desk);
    let ended = (run.ended.as_ref()).map(|ended| (is_stopped(ended), ended.checkpoint()));
    assert_eq!(ended, Some((true, true)));
    desk
}

/// The only dictionary of the run on screen.
fn member(desk: &Desk) -> Member {
    let run = desk.state.training.run.as_ref().unwrap();
    assert_eq!(run.members.len(), 1);
    run.members[0].clone()
}

fn is_stopped(ended: &Ended) -> bool {
    matches!(ended, Ended::Saved { stopped: true, .. })
}

#[test]
fn a_stopped_run_is_listed_and_goes_on_to_what_an_unbroken_one_learns() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = with_runs(folder.path());
    let saes = folder.path().join("mine/saes");
    let (whole, broken) = (saes.join("whole"), saes.join("broken"));
    assert!(sae(&whole).w_enc != sae(&broken).w_enc);

    desk.run(Command::Clear);
    desk.run(Command::ListPast(folder.path().join("mine")));
    let past = &desk.state.training.past;
    let statuses = |desk: &Desk| {
        let past = desk.state.training.past.list.ready().unwrap();
        let of = |folder: &Path| {
            past.iter()
                .find(|run| run.folder == folder)
                .cloned()
                .unwrap()
        };
        [of(&whole), of(&broken)].map(|run| (run.record.status, run.can_go_on()))
    };
    let (finished, stopped) = ((Status::Finished, false), (Status::Stopped, true));
    assert_eq!(statuses(&desk), [finished, stopped]);
    assert!(past.curves.is_empty());
    desk.run(Command::TogglePast(broken.clone()));
    let curves = &desk.state.training.past.curves[&broken];
    let before = curves.ready().unwrap().fvu.len();
    assert!(before > 0);

    // With another text as source it is refused by the name of the one it read.
    let other = Form {
        text: Some(demo("text/held-out/alice.txt")),
        store: Some(folder.path().join("nowhere")),
        ..form("broken", "30000")
    };
    let right = desk.state.training.form.clone();
    desk.run(Command::Fill(other));
    desk.run(Command::GoOnPast(broken.clone()));
    assert!(
        desk.notices()
            .iter()
            .any(|said| said.contains("Choose alice.txt")),
        "{:?}",
        desk.notices()
    );
    desk.run(Command::Fill(right));
    desk.run(Command::GoOnPast(broken.clone()));
    let run = member(&desk);
    assert!(
        matches!(run.ended, Some(Ended::Saved { stopped: false, .. })),
        "{:?}",
        run.ended
    );
    assert!(run.curves.fvu.len() > before);
    assert!(run.curves.fvu.is_sorted_by(|a, b| a[0] < b[0]));
    assert!(sae(&whole).w_enc == sae(&broken).w_enc);
    desk.run(Command::ListPast(folder.path().join("mine")));
    assert_eq!(statuses(&desk), [finished; 2]);
    let there = desk.state.catalogue.dictionaries.iter();
    assert_eq!(there.filter(|there| there.folder == broken).count(), 1);
}

/// An activation store of one hook, and that hook.
fn captured(folder: &Path) -> (PathBuf, HookPoint) {
    captured_by(folder, Positions::default())
}

fn captured_by(folder: &Path, positions: Positions) -> (PathBuf, HookPoint) {
    let store = folder.join("store");
    let (model, _) = Model::open(&demo("model")).unwrap();
    let hook = "blocks.1.hook_resid_post".parse().unwrap();
    let corpus = Corpus::open(&CorpusSpec {
        paths: vec![demo("text/held-out/alice.txt")],
        ..CorpusSpec::default()
    });
    let rows = corpus
        .unwrap()
        .0
        .rows(model.codec(), 32)
        .unwrap()
        .0
        .by(positions)
        .take(60);
    let about = Description {
        model: model.name().to_owned(),
        model_fingerprint: Some(model.fingerprint().to_owned()),
        processing: model.processing(),
        hooks: vec![HookTensor {
            hook,
            width: model.width(hook).unwrap(),
        }],
        dtype: Dtype::F32,
        gradients: false,
        context: rows.context(),
        rows: rows.len(),
        shard_rows: 32,
        prepend_bos: true,
        mask: rows.mask().clone(),
        counted: rows.counted(),
        corpus: serde_json::Map::new(),
    };
    let mut writer = Writer::open(&store, about).unwrap().0;
    let written = into_store(&model, &rows, &mut writer, &mut |_| Flow::Continue(()));
    assert!(!written.unwrap().is_stopped());
    (store, hook)
}

#[test]
fn a_store_is_trained_on_without_a_model_and_a_hook_that_it_lacks_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (store, hook) = captured(folder.path());
    let mut desk = project(folder.path());
    let form = Form {
        text: None,
        store: Some(store.clone()),
        ..form("stored", "1800")
    };
    desk.run(Command::Fill(form));
    assert!(
        plan::plan(&desk.state)
            .refusal
            .unwrap()
            .contains("Opening the store")
    );
    desk.run(Command::OpenStore(store));
    // The only hook there is, is chosen.
    let form = desk.state.training.form.clone();
    assert_eq!((form.layer, form.site), (1, Site::ResidPost));
    let needs = plan::needs(&desk.state, &plan::plan(&desk.state));
    let store_need = needs.iter().find(|need| need.label == "Store").unwrap();
    assert!(store_need.value.contains("f32"), "{needs:?}");
    let missing = Form {
        layer: 0,
        ..form.clone()
    };
    desk.run(Command::Fill(missing));
    let refused = plan::plan(&desk.state).first.errors["hook"].clone();
    assert!(
        refused.contains("holds blocks.1.hook_resid_post"),
        "{refused}"
    );
    let mut gradient = form.clone();
    let variant = ("variant".to_owned(), "gradient".to_owned());
    gradient.settings.extend([variant]);
    desk.run(Command::Fill(gradient));
    assert!(plan::plan(&desk.state).first.errors["variant"].contains("no gradients"));

    desk.run(Command::Fill(form));
    desk.run(Command::Start);
    let run = member(&desk);
    assert!(
        matches!(run.ended, Some(Ended::Saved { stopped: false, .. })),
        "{:?}",
        run.ended
    );
    // Nothing that is open knows the store's tokens.
    let browsed = run.browsed.as_ref().unwrap();
    assert!(browsed.tokens[1].trim().parse::<u32>().is_ok());
    assert_eq!(
        sae(&folder.path().join("mine/saes/stored")).hook().unwrap(),
        hook
    );
}

/// Trains through the command line as `form("here", "2000")` does in the window, with `more` words, into `out`.
fn by_command_line(out: &Path, more: &[(&str, &Path)]) {
    let line =
        "umbra --json train --features 64 --k 4 --batch 256 --buffer 4096 --tokens 2000 --out";
    let mut line: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    line.push(out.into());
    line.extend(
        more.iter()
            .flat_map(|(flag, value)| [flag.into(), value.into()]),
    );
    umbra_core::cli::main(line);
}

/// Fails unless both folders hold the same record and the same metadata field by field, times aside, and the same weights.
#[track_caller]
fn check_same(folders: [&Path; 2]) {
    let read = |name: &str| {
        folders.map(|folder| -> serde_json::Map<String, serde_json::Value> {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            serde_json::from_str(&text).unwrap()
        })
    };
    let [mut one, mut other] = read("run.json");
    for timed in ["begun_unix", "seconds"] {
        assert!(one.remove(timed).is_some() && other.remove(timed).is_some());
    }
    assert_eq!(one["status"], "finished");
    assert_eq!(one, other);
    let [one, other] = read("cfg.json");
    assert!(one.len() > 10, "{one:?}");
    assert_eq!(one, other);
    let [one, other] = folders.map(sae);
    assert!(one.w_enc == other.w_enc);
    assert_eq!(one.provenance, other.provenance);
}

#[test]
fn a_run_records_what_the_command_line_records() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = project(folder.path());
    desk.run(library::Command::Dropped(vec![demo("model")]));
    desk.run(Command::Fill(form("here", "2000")));
    desk.run(Command::CountText(plan::text_key(&desk.state).unwrap()));
    desk.run(Command::Start);
    let here = member(&desk).folder;
    let there = folder.path().join("there");
    by_command_line(
        &there,
        &[
            ("--model", &demo("model")),
            ("--corpus", &demo("text/held-out/alice.txt")),
            ("--hook", Path::new("blocks.0.attn.hook_z")),
        ],
    );
    assert_eq!(Record::read(&here).unwrap().data["corpus"], "alice.txt");
    check_same([&here, &there]);
}

#[test]
fn a_run_on_a_store_records_what_the_command_line_records() {
    let folder = tempfile::tempdir().unwrap();
    // The store counts positions otherwise than a run on a text does, and decides for both.
    let (store, _) = captured_by(folder.path(), Positions::First);
    let mut desk = project(folder.path());
    desk.run(Command::Fill(Form {
        text: None,
        store: Some(store.clone()),
        ..form("here", "2000")
    }));
    desk.run(Command::OpenStore(store.clone()));
    desk.run(Command::Start);
    let here = member(&desk).folder;
    let there = folder.path().join("there");
    by_command_line(&there, &[("--store", &store)]);
    assert_eq!(Record::read(&here).unwrap().settings["positions"], "first");
    check_same([&here, &there]);
}

#[test]
fn the_speed_of_a_step_is_measured() {
    let mut desk = Desk::new(AppState::default());
    let sizes = bench::Settings {
        d: 16,
        features: 64,
        k: 4,
        batch: 64,
        rounds: 1,
        ..bench::Settings::default()
    };
    desk.run(Command::Measure(sizes.clone()));
    let (of, load) = desk.state.training.measured.as_ref().unwrap();
    assert_eq!(*of, sizes);
    assert!(*load.ready().unwrap() > 0.0);
    let nothing = bench::Settings { d: 0, ..sizes };
    desk.run(Command::Measure(nothing));
    let (_, load) = desk.state.training.measured.as_ref().unwrap();
    assert!(load.failure().unwrap().starts_with("d: "));
}

#[test]
fn two_dictionaries_are_trained_together_stopped_and_gone_on_with_to_what_each_becomes_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = project(folder.path());
    desk.run(library::Command::Dropped(vec![demo("model")]));
    let alone = Form {
        layer: 1,
        ..form("alone", "30000")
    };
    desk.run(Command::Fill(alone));
    desk.run(Command::CountText(plan::text_key(&desk.state).unwrap()));
    desk.run(Command::Start);
    let mut both = form("first", "30000");
    both.also.push(Draft {
        layer: 1,
        name: Some("second".to_owned()),
        settings: std::collections::BTreeMap::new(),
        ..both.first()
    });
    desk.run(Command::Fill(both));
    let stepping = |state: &AppState| {
        let run = state.training.running();
        run.is_some_and(|run| run.members.len() == 2 && run.members[1].last.is_some())
    };
    desk.run_then(Command::Start, Some((stepping, Command::Stop.into())));
    let run = desk.state.training.run.as_ref().unwrap();
    assert!(run.can_go_on());
    let stopped = |member: &Member| member.ended.as_ref().is_some_and(is_stopped);
    assert!(run.members.iter().all(stopped));
    desk.run(Command::GoOn);
    let run = desk.state.training.run.as_ref().unwrap();
    for member in &run.members {
        let ended = member.ended.as_ref();
        assert!(ended.is_some_and(|ended| !is_stopped(ended)), "{ended:?}");
        assert!(member.curves.fvu.is_sorted_by(|a, b| a[0] < b[0]));
        assert!(member.ranking.is_some() && member.browsed.is_some());
        assert!(desk.state.catalogue.by_folder(&member.folder).is_some());
    }
    let saes = folder.path().join("mine/saes");
    let [alone, first, second] = ["alone", "first", "second"].map(|name| sae(&saes.join(name)));
    assert_eq!(second.hook().unwrap(), HookPoint::block(1, Site::Z));
    assert!(second.w_enc == alone.w_enc && first.w_enc != alone.w_enc);
}

#[test]
fn a_dictionary_on_disk_is_trained_further_and_what_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = project(folder.path());
    desk.run(library::Command::Dropped(vec![demo("model")]));
    let start = demo("saes/resid-2");
    let mut on = form("further", "2000").going_on_from(start.clone(), None);
    desk.run(Command::Fill(on.clone()));
    desk.run(Command::CountText(plan::text_key(&desk.state).unwrap()));
    desk.run(Command::OpenStart(start.clone()));
    // The hook is that of the dictionary.
    on = desk.state.training.form.clone();
    let begun = sae(&start);
    assert_eq!(on.hook(), begun.hook().unwrap());
    desk.run(Command::Start);
    let run = member(&desk);
    assert!(
        matches!(run.ended, Some(Ended::Saved { stopped: false, .. })),
        "{:?}",
        run.ended
    );
    let further = sae(&run.folder);
    assert_eq!(further.features(), begun.features());
    assert_eq!(
        further.provenance.other["trained_from"],
        begun.name.as_str()
    );
    let nothing = on.going_on_from(demo("text"), None);
    desk.run(Command::Fill(nothing));
    desk.run(Command::OpenStart(demo("text")));
    let why = plan::plan(&desk.state).first.errors["from"].clone();
    assert!(why.contains("no dictionary here"), "{why}");
}

#[test]
fn a_folder_that_cannot_be_made_fails_the_run_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = project(folder.path());
    desk.run(library::Command::Dropped(vec![demo("model")]));
    desk.run(Command::Fill(form("z", "2000")));
    desk.run(Command::CountText(plan::text_key(&desk.state).unwrap()));
    std::fs::write(folder.path().join("mine/saes"), "a file").unwrap();
    desk.run(Command::Start);
    let ended = member(&desk).ended;
    let Some(Ended::Failed { why, checkpoint }) = ended else {
        panic!("{ended:?}");
    };
    assert!(why.contains("saes") && !checkpoint, "{why}");
}

#[test]
fn the_copied_command_asks_for_the_dictionaries_of_the_form() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = project(folder.path());
    desk.run(library::Command::Dropped(vec![demo("model")]));
    let also = |settings: &[(&str, &str)], name: &str| Draft {
        name: Some(name.to_owned()),
        settings: settings
            .iter()
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect(),
        ..form("one", "2048").first()
    };
    let mut wanted = form("one", "2048");
    wanted.checkpoint = "3".to_owned();
    let mut second = also(&[("variant", "jump-relu")], "the second");
    second.layer = 2;
    wanted.also = vec![second];
    desk.run(Command::Fill(wanted));
    desk.run(Command::CountText(plan::text_key(&desk.state).unwrap()));
    let request = line::request(&desk.state).unwrap();
    assert_eq!(request.dictionaries.len(), 2);
    let line = line::line(&desk.state).unwrap();
    assert!(line.contains("the second"), "{line}");
    let words = shlex::split(&line).unwrap().into_iter().map(OsString::from);
    let read = umbra_core::cli::train_request(words).unwrap();
    assert_eq!(read, request, "{line}");
    assert!(line.contains("--device auto"), "{line}");
    desk.run(devices::Command::Choose(DeviceWish::Gpu(Some(0))));
    let line = line::line(&desk.state).unwrap();
    assert!(line.contains("--device wgpu:0"), "{line}");
    let nothing = Desk::new(AppState::default());
    assert!(line::line(&nothing.state).is_err());
}

#[test]
fn one_click_trains_on_the_error_and_measures_parent_and_child_together() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(demo("text/held-out/alice.txt")).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut desk = project(folder.path());
    desk.run(library::Command::Dropped(vec![demo("model")]));
    for (name, words, held_out) in [
        ("read.txt", &words[..1_200], false),
        ("kept.txt", &words[1_200..1_500], true),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, words.join(" ")).unwrap();
        desk.run(library::Command::AddText { path, held_out });
    }
    let form = Form {
        text: None,
        ..form("parent", "2000")
    };
    desk.run(Command::Fill(form));
    desk.run(Command::CountText(plan::text_key(&desk.state).unwrap()));
    desk.run(Command::Start);
    let id = desk.state.catalogue.named("parent").unwrap().id;

    desk.run(Child::Choose(ErrorPart::Linear, Some(32)));
    let stepping = |state: &AppState| {
        let run = state.training.running();
        run.is_some_and(|run| {
            run.members[0].name == "parent-linear" && run.members[0].last.is_some()
        })
    };
    let stop = || Some((stepping as fn(&AppState) -> bool, Command::Stop.into()));
    desk.run_then(Child::Train(id), stop());
    let notes = member(&desk).notes;
    assert!(
        notes.iter().any(|note| note.contains("linear map")),
        "{notes:?}"
    );
    let line = line::line(&desk.state).unwrap();
    assert!(
        line.contains("--on linear --of") && line.contains("--features 32"),
        "{line}"
    );
    let children = children(&desk.state, id);
    let [(ErrorPart::Linear, child)] = children.as_slice() else {
        panic!("{children:?}");
    };
    assert_eq!(
        (child.name.as_str(), child.hook()),
        ("parent-linear", Some(HookPoint::block(0, Site::Z)))
    );
    // Measured by itself once it was saved.
    let figures = &child.evaluation.ready().unwrap().figures;
    let pair = figures.pair.unwrap();
    assert!(
        pair.fvu_parent > 0.0 && pair.fvu_pair != pair.fvu_parent,
        "{pair:?}"
    );
    assert_eq!(desk.state.dark_matter.train.to_measure, None);

    // It goes on from its checkpoint with the same parent and map.
    let folder = child.folder.clone();
    assert_eq!(
        member(&desk).ended.map(|ended| ended.checkpoint()),
        Some(true)
    );
    desk.run(Command::Clear);
    desk.run(Command::ListPast(
        folder.parent().unwrap().parent().unwrap().to_path_buf(),
    ));
    desk.run_then(Command::GoOnPast(folder), stop());
    let again = member(&desk);
    assert!(
        again
            .notes
            .iter()
            .any(|note| note.contains("that of the checkpoint")),
        "{:?}",
        again.notes
    );
    assert!(
        matches!(again.ended, Some(Ended::Saved { .. })),
        "{:?}",
        again.ended
    );
}
