//! Opening things for real, in a temporary folder: projects, the demo's model, a dictionary, an index, texts; and what is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::corpus::Content;
use umbra_core::formats::{self, Precision, Target};
use umbra_core::ids::FeatureId;
use umbra_core::models::Opening;
use umbra_core::project::Project;
use umbra_core::workbench::passes::{Amount, Pass};
use umbra_core::workbench::text::TextRequest;

use super::{Command, Pick};
use crate::state::AppState;
use crate::state::places::Places;
use crate::state::project::Kind;
use crate::state::requests::{dictionary, features, passes, path, prompt, shell};
use crate::testing::{self, Answer, Desk, NoDialogs};

fn demo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/demo")
        .join(path)
}

/// A dictionary of 16 features as wide as the demo model's residual stream.
fn save_dictionary(folder: &Path) {
    save_dictionary_of(folder, 256);
}

/// A dictionary of 16 features that reads a residual stream of this width.
fn save_dictionary_of(folder: &Path, width: usize) {
    let mut sae = testing::sae_of(16, width);
    sae.provenance.hook = "blocks.1.hook_resid_post".parse().ok();
    formats::save(&sae, folder, Precision::F32).unwrap();
}

#[test]
fn a_new_project_is_filled_evaluated_indexed_labelled_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("mine");
    let mut desk = Desk::new(AppState::default());
    desk.run(Command::NewProject(project.clone()));
    let text = folder.path().join("rabbit.txt");
    let sentence = "The rabbit ran into the wood and the fox ran after it.\n";
    std::fs::write(&text, sentence.repeat(60)).unwrap();
    desk.run(Command::AddText {
        path: text,
        held_out: true,
    });
    save_dictionary(&folder.path().join("tiny"));
    desk.run(Command::Dropped(vec![
        demo("model"),
        folder.path().join("tiny"),
    ]));
    let id = desk.state.dictionary().unwrap().id;
    desk.run(passes::Command::Run(id, Pass::Evaluation, Amount::All));
    desk.run(passes::Command::Run(id, Pass::Index, Amount::All));
    let labels = project.join("labels.sqlite");
    assert!(!labels.exists(), "a project is read without being written");
    desk.run(features::Command::SetLabel {
        feature: FeatureId(3),
        text: "rabbits".to_owned(),
    });
    assert_eq!(desk.notices(), ["Feature 3 is now labelled “rabbits”"]);

    let mut again = Desk::new(AppState::default());
    again.run(Command::OpenProject(project));
    let state = &again.state;
    assert!(state.model().is_some(), "{:?}", state.catalogue.model);
    let dictionary = state.dictionary().unwrap();
    let about = &dictionary.index.ready().unwrap().about;
    assert_eq!((dictionary.name.as_str(), about.features), ("tiny", 16));
    let evaluation = dictionary.evaluation.ready().unwrap();
    assert_eq!(evaluation.text, "rabbit.txt");
    assert!(evaluation.figures.ce_clean > 0.0);
    assert_eq!(state.label(FeatureId(3)), Some("rabbits"));

    again.run(shell::Command::Undo);
    assert_eq!(
        again.state.label(FeatureId(3)),
        Some("rabbits"),
        "nothing was done here yet"
    );
    desk.run(shell::Command::Undo);
    assert_eq!(desk.state.label(FeatureId(3)), None);
    desk.run(dictionary::Command::Remove(id));
    let (kept, _) = Project::open(desk.state.project.folder().unwrap()).unwrap();
    assert!(kept.entries.is_empty());
}

#[test]
fn what_cannot_be_opened_is_said_where_it_belongs_and_never_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(AppState::default());
    desk.run(Command::NewProject(folder.path().join("mine")));
    desk.run(Command::OpenSae(folder.path().join("nowhere")));
    let failure = desk.state.dictionary().unwrap().load.failure();
    assert!(failure.unwrap().contains("nowhere"), "{failure:?}");
    desk.run(Command::OpenModel(
        folder.path().join("no-model"),
        Opening::default(),
    ));
    let failure = desk.state.catalogue.model.failure();
    assert!(failure.unwrap().contains("no-model"), "{failure:?}");
    let (kept, _) = Project::open(&folder.path().join("mine")).unwrap();
    assert_eq!((kept.model, kept.entries.len()), (None, 0));

    desk.run(Command::OpenIndex(folder.path().join("no.sqlite")));
    desk.run(Command::Dropped(vec![folder.path().join("picture.png")]));
    desk.run(Command::NewProject(folder.path().join("mine")));
    let notices = desk.notices();
    assert_eq!(notices.len(), 3, "{notices:?}");
    for (notice, named) in notices.iter().zip(["no.sqlite", "picture.png", "mine"]) {
        assert!(notice.contains(named), "{notice}");
    }
}

#[test]
fn a_dialog_opens_what_was_chosen_and_a_cancelled_one_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(AppState::default());
    desk.run(Command::Pick(Pick::NewProject));
    assert!(desk.state.project.open().is_none());
    desk.dialogs = Arc::new(Answer(Some(folder.path().join("mine"))));
    desk.run(Command::Pick(Pick::NewProject));
    assert_eq!(desk.state.project.open().unwrap().name, "mine");
    assert_eq!(desk.state.settings.recent, [folder.path().join("mine")]);
}

#[test]
fn an_exported_dictionary_opens_again_and_nothing_is_overwritten_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(AppState::default());
    save_dictionary(&folder.path().join("tiny"));
    desk.run(Command::OpenSae(folder.path().join("tiny")));
    let id = desk.state.dictionary().unwrap().id;
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    desk.dialogs = Arc::new(Answer(Some(out.clone())));
    desk.run(dictionary::Command::PickExport(
        id,
        Target::SaeLens,
        Precision::F16,
    ));
    let tiny = out.join("tiny");
    let (exported, _) = formats::open(&tiny).unwrap();
    assert_eq!(exported.features(), 16);
    assert!(desk.question().is_none());
    let before = std::fs::read(tiny.join("sae_weights.safetensors")).unwrap();
    let other = dictionary::Command::PickExport(id, Target::DictionaryLearning, Precision::F32);
    desk.run(other.clone());
    let question = desk.question().unwrap().clone();
    assert!(
        question.text.contains("tiny holds a SAELens dictionary"),
        "{}",
        question.text
    );
    assert_eq!(
        std::fs::read(tiny.join("sae_weights.safetensors")).unwrap(),
        before
    );
    desk.run(shell::Command::Ask(None));
    assert!(desk.question().is_none() && tiny.join("cfg.json").exists());
    assert_eq!(desk.notices().len(), 1, "{:?}", desk.notices());
    desk.run(other);
    let agreed = desk.question().unwrap().command.clone();
    desk.run(shell::Command::Ask(None));
    desk.run(*agreed);
    assert!(!tiny.join("cfg.json").exists(), "{:?}", desk.notices());
    let (exported, _) = formats::open(&tiny).unwrap();
    assert_eq!(exported.features(), 16);
    // What is no dictionary, run or export is never replaced.
    std::fs::write(tiny.join("umbra.toml"), "").unwrap();
    desk.run(dictionary::Command::PickExport(
        id,
        Target::SaeLens,
        Precision::F16,
    ));
    let notices = desk.notices();
    assert!(
        notices.iter().any(|said| said.contains("holds a project")),
        "{notices:?}"
    );
    assert!(desk.question().is_none());
}

/// The model of another width.
fn other_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tiny-gpt2")
}

/// A small stand-in for the bundled demo: the other model, a dictionary that fits it and a label, in `folder/bundle`; the person's data in `folder/data`.
fn with_demo(folder: &Path) -> Desk {
    let (model, _) = umbra_core::models::Model::open(&other_model()).unwrap();
    let bundle = folder.join("bundle");
    let mut bundled = Project::create(&bundle, "Demo").unwrap();
    bundled.model = Some(other_model());
    save_dictionary_of(&bundle.join("own"), model.config().d_model);
    bundled.entries = vec![umbra_core::project::Entry {
        sae: bundle.join("own"),
        index: None,
    }];
    bundled.prompts = vec!["a b".to_owned()];
    bundled.save().unwrap();
    let mut desk = Desk::new(AppState::default());
    desk.state.places = Places {
        demo: bundle,
        data: Some(folder.join("data")),
        home: None,
    };
    desk.run(Command::OpenDemo);
    desk
}

fn model_name(desk: &Desk) -> &str {
    desk.state.model().map_or("", |loaded| loaded.model.name())
}

#[test]
fn a_model_opened_from_the_demo_starts_a_project_of_its_own_and_the_demo_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = with_demo(folder.path());
    assert_eq!(desk.state.project.kind, Kind::Demo);
    assert!(desk.state.sae().is_some(), "{:?}", desk.state.misfit());
    let copy = folder.path().join("data/demo/umbra.toml");
    let before = std::fs::read(&copy).unwrap();
    desk.run(prompt::Command::Text("The king".to_owned()));
    desk.run(Command::OpenModel(demo("model"), Opening::default()));
    assert_eq!(desk.state.project.kind, Kind::Unsaved);
    assert_eq!(desk.state.project.title().unwrap(), "model (not saved)");
    assert_eq!(desk.state.prompt.text, "The king");
    assert!(desk.state.catalogue.dictionaries.is_empty());
    let config = desk.state.model().unwrap().model.config().d_model;
    assert_eq!(config, 256);
    assert_eq!(std::fs::read(&copy).unwrap(), before);
    let unsaved = desk.state.project.folder().unwrap().to_path_buf();
    assert!(unsaved.starts_with(folder.path().join("data/unsaved")));

    desk.run(Command::OpenDemo);
    assert_eq!(desk.state.project.kind, Kind::Demo);
    assert!(desk.state.sae().is_some(), "the demo is as it was");
    assert_eq!(std::fs::read(&copy).unwrap(), before);
    let settings = &desk.state.settings;
    assert_eq!(settings.recent, std::slice::from_ref(&unsaved));
    assert_eq!(settings.recent_models[0].path, demo("model"));

    // What was not saved is one click away, until it is saved.
    desk.run(Command::OpenProject(unsaved.clone()));
    assert_eq!(desk.state.project.kind, Kind::Unsaved);
    let saved = folder.path().join("mine");
    desk.run(Command::SaveAs(saved.clone()));
    assert_eq!(desk.state.project.kind, Kind::Own);
    assert_eq!(desk.state.project.title().unwrap(), "mine");
    assert_eq!(desk.state.settings.recent, std::slice::from_ref(&saved));
    assert!(!unsaved.exists() && desk.state.model().is_some());
    let (kept, _) = Project::open(&saved).unwrap();
    assert_eq!(kept.model, Some(demo("model")));
    assert_eq!(kept.prompts, ["a b"]);
}

#[test]
fn a_copy_of_the_demo_that_is_broken_already_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = with_demo(folder.path());
    desk.run(features::Command::SetLabel {
        feature: FeatureId(3),
        text: "mine".to_owned(),
    });
    let demo_model = model_name(&desk).to_owned();
    let copy = folder.path().join("data/demo");
    let mut broken = (**desk.state.project.open().unwrap()).clone();
    broken.model = Some(demo("model"));
    broken.save().unwrap();
    desk.run(Command::OpenDemo);
    assert_eq!(model_name(&desk), demo_model);
    let notices = desk.notices();
    assert!(
        notices.iter().any(|one| one.contains("used another model")),
        "{notices:?}"
    );
    assert_eq!(desk.state.label(FeatureId(3)), Some("mine"));

    std::fs::write(copy.join("umbra.toml"), "version = 1\nname = [").unwrap();
    desk.run(Command::OpenDemo);
    let failure = desk.state.project.load.failure().unwrap();
    assert!(failure.contains("umbra.toml"), "{failure}");
    desk.run(Command::RestoreDemo);
    assert_eq!(desk.state.project.kind, Kind::Demo);
    assert_eq!(desk.state.label(FeatureId(3)), Some("mine"));
    let notices = desk.notices();
    assert!(
        notices.last().unwrap().contains("is restored"),
        "{notices:?}"
    );
    assert!(copy.join("umbra.toml.before-1").is_file());
}

#[test]
fn a_dictionary_of_another_model_is_read_by_no_screen() {
    use crate::state::heads::attribution::Key;
    use crate::state::requests::{dark_matter, heads, steering};
    use umbra_core::fit::Verdict;

    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(AppState::default());
    desk.run(Command::NewProject(folder.path().join("mine")));
    save_dictionary(&folder.path().join("wide"));
    desk.run(Command::OpenModel(demo("model"), Opening::default()));
    desk.run(Command::OpenSae(folder.path().join("wide")));
    desk.run(prompt::Command::Text("The king".to_owned()));
    let id = desk.state.dictionary().unwrap().id;
    let verdict = |desk: &Desk| desk.state.fit(id).unwrap().verdict;
    assert_eq!(verdict(&desk), Verdict::NotProven);
    let read = |desk: &Desk| desk.state.prompt.reading_of.clone().unwrap();
    let king = umbra_core::prompt::Input::Text("The king".to_owned());
    assert_eq!(read(&desk), (Some(id), king.clone()));

    desk.run(Command::OpenModel(other_model(), Opening::default()));
    assert_eq!(verdict(&desk), Verdict::Unfit);
    let why = desk.state.unfit(id).unwrap();
    assert!(why.contains("256") && why.contains("wide"), "{why}");
    assert!(desk.state.sae().is_none());
    assert_eq!(read(&desk), (None, king));
    let reading = desk.state.prompt.reading.ready().unwrap();
    assert!(reading.latents.features.is_empty() && !reading.next[0].is_empty());
    for refused in [
        passes::Command::Run(id, Pass::Evaluation, Amount::All),
        passes::Command::Run(id, Pass::Index, Amount::All),
    ] {
        desk.run(refused);
    }
    let notices = desk.notices();
    assert!(
        notices.iter().all(|notice| notice.contains("256")),
        "{notices:?}"
    );
    assert!(!notices.is_empty());
    let key = Key {
        dictionary: id,
        feature: FeatureId(0),
        input: umbra_core::prompt::Input::Text("The king".to_owned()),
        at: 1,
    };
    desk.run(heads::features::Command::Measure(id));
    desk.run(heads::attribution::Command::Attribute(key));
    desk.run(dark_matter::fit::Command::Look(id));
    desk.run(dark_matter::fit::Command::Compute(id));
    let state = &desk.state;
    assert!(state.heads.features.figures.is_empty() && state.heads.attribution.load.is_absent());
    assert!(state.dark_matter.fit.probe.is_absent() && state.dark_matter.fit.of.is_none());
    assert!(state.steering.run.is_none());
    desk.run(steering::Command::Silence(
        umbra_core::ids::Layer(0),
        umbra_core::ids::Head(1),
    ));
    assert_eq!(desk.state.steering.draft.edits.len(), 1);

    // The model it belongs to makes it readable again.
    desk.run(Command::OpenModel(demo("model"), Opening::default()));
    assert_eq!(verdict(&desk), Verdict::NotProven);
    assert_eq!(read(&desk).0, Some(id));
}

/// Whether a path is asked for and its folder is listed.
fn asked(state: &AppState) -> bool {
    let folder = state.path.folder(state.places.home.as_deref());
    folder.is_some() && folder == state.path.listed && state.path.entries.ready().is_some()
}

/// Whether the path asked for ends so and its folder is listed.
fn typed(state: &AppState, end: &str) -> bool {
    let field = state.path.field.as_ref();
    field.is_some_and(|field| field.text.ends_with(end)) && asked(state)
}

#[test]
fn without_a_file_dialog_the_window_asks_for_the_path() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("projects")).unwrap();
    let mut desk = Desk::new(AppState::default());
    desk.dialogs = Arc::new(NoDialogs);
    desk.state.places.home = Some(folder.path().to_path_buf());
    let text = |text: &str| path::Command::Text(text.to_owned()).into();
    desk.run_through(
        Command::Pick(Pick::NewProject),
        vec![
            (asked, text("~/pro")),
            (asked, path::Command::Complete.into()),
            (
                |state| {
                    state
                        .path
                        .field
                        .as_ref()
                        .is_some_and(|f| f.text == "~/projects/")
                },
                text("~/projects/new"),
            ),
            (
                |state| typed(state, "/new"),
                path::Command::MakeFolder.into(),
            ),
            (|state| typed(state, "/new/"), path::Command::Choose.into()),
        ],
    );
    assert_eq!(desk.notices(), Vec::<&str>::new());
    let project = desk.state.project.folder().unwrap();
    assert_eq!(project, folder.path().join("projects/new"));
    assert!(desk.state.path.field.is_none());
    // Esc answers with nothing.
    desk.run_then(
        Command::Pick(Pick::Project),
        Some((asked, path::Command::Cancel.into())),
    );
    assert!(desk.state.path.field.is_none());
}

#[test]
fn a_dictionary_s_own_rule_on_bos_wins_wherever_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(AppState::default());
    desk.run(Command::NewProject(folder.path().join("mine")));
    let tiny = folder.path().join("tiny");
    save_dictionary(&tiny);
    let (mut sae, _) = formats::open(&tiny).unwrap();
    sae.provenance.prepend_bos = Some(false);
    let bare = folder.path().join("bare");
    formats::save(&sae, &bare, Precision::F32).unwrap();
    desk.run(Command::OpenModel(demo("model"), Opening::default()));
    for (path, begun) in [(tiny, true), (bare, false)] {
        desk.run(Command::OpenSae(path.clone()));
        let id = desk.state.catalogue.by_folder(&path).unwrap().id;
        desk.run(crate::state::requests::navigation::Command::SelectDictionary(id));
        desk.run(prompt::Command::Text("Once upon".to_owned()));
        desk.run(prompt::Command::Read);
        let reading = desk.state.prompt.reading.ready().unwrap();
        let model = &desk.state.model().unwrap().model;
        let bos = model.codec().bos().id;
        assert_eq!(reading.tokens.first().copied() == bos, begun, "{path:?}");
        let reader = &desk.state.pair(id).unwrap().model;
        assert_eq!(reader.codec().bos().id.is_some(), begun);
        assert_eq!(Arc::ptr_eq(reader, model), begun, "shared where it may be");
    }
}

#[test]
fn texts_are_read_as_the_project_says_and_dropped_records_are_text() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("texts/below");
    std::fs::create_dir_all(&texts).unwrap();
    let record = "{\"text\": \"not this\", \"body\": \"this one\"}\n";
    std::fs::write(texts.join("a.ndjson"), record).unwrap();
    let single = folder.path().join("b.json");
    std::fs::write(&single, format!("[{record}]")).unwrap();
    let mut desk = Desk::new(AppState::default());
    desk.run(Command::NewProject(folder.path().join("mine")));
    desk.run(Command::Dropped(vec![single]));
    desk.run(Command::AddText {
        path: folder.path().join("texts"),
        held_out: true,
    });
    desk.run(Command::Reading {
        recursive: true,
        column: Some("body".to_owned()),
    });
    assert_eq!(desk.notices(), Vec::<&str>::new());
    let (kept, _) = Project::open(&folder.path().join("mine")).unwrap();
    assert_eq!(kept.train_text.len(), 1, "the dropped file");
    let request = TextRequest::held_out_of(&kept).unwrap();
    let (held_out, _) = request.open().unwrap();
    let names: Vec<_> = held_out.documents.iter().collect();
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].name, "below/a.ndjson:1");
    let said = Content::Text("this one".to_owned());
    assert_eq!(names[0].content, said);
}

#[test]
fn an_index_of_other_weights_is_named_and_not_shown() {
    use umbra_core::fit::Verdict;

    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("mine");
    let mut desk = Desk::new(AppState::default());
    desk.run(Command::NewProject(project.clone()));
    let text = folder.path().join("rabbit.txt");
    let sentence = "The rabbit ran into the wood and the fox ran after it.\n";
    std::fs::write(&text, sentence.repeat(60)).unwrap();
    desk.run(Command::AddText {
        path: text,
        held_out: true,
    });
    let tiny = folder.path().join("tiny");
    save_dictionary(&tiny);
    desk.run(Command::OpenModel(demo("model"), Opening::default()));
    desk.run(Command::OpenSae(tiny.clone()));
    let id = desk.state.dictionary().unwrap().id;
    desk.run(passes::Command::Run(id, Pass::Index, Amount::All));
    let verdict = |desk: &Desk| {
        let dictionary = desk.state.dictionary().unwrap();
        dictionary.index_fit.ready().unwrap().verdict
    };
    assert_eq!(verdict(&desk), Verdict::Proven);
    let table = |desk: &Desk| desk.state.features.table.ready().is_some();
    assert!(table(&desk) && desk.state.index_of(id).is_some());

    // Another dictionary takes its place under the same name.
    let mut other = testing::sae_of(16, 256);
    other.provenance.hook = "blocks.1.hook_resid_post".parse().ok();
    other.b_enc[3] = 0.5;
    std::fs::remove_dir_all(&tiny).unwrap();
    formats::save(&other, &tiny, Precision::F32).unwrap();
    let mut again = Desk::new(AppState::default());
    again.run(Command::OpenProject(project));
    assert_eq!(verdict(&again), Verdict::Foreign);
    let id = again.state.dictionary().unwrap().id;
    assert!(!table(&again) && again.state.index_of(id).is_none());
    let why = again.state.foreign_index(id).unwrap().to_owned();
    assert!(why.contains("build the index again"), "{why}");
    again.run(dictionary::Command::Report(
        id,
        umbra_core::report::Choice::Top(3),
        folder.path().join("report.html"),
    ));
    assert_eq!(again.notices(), [why.as_str()]);
    assert!(!folder.path().join("report.html").exists());
    again.run(passes::Command::Run(id, Pass::Index, Amount::All));
    assert_eq!(verdict(&again), Verdict::Proven);
    assert!(table(&again));
}

#[test]
fn nothing_holds_the_model_and_the_dictionaries_of_a_project_that_is_left() {
    use crate::state::requests::{heads, lens, navigation};
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(&folder.path().join("data"));
    let id = desk.state.dictionary().unwrap().id;
    let mut edits = crate::state::steering::Draft::default();
    edits.edits[0].feature = Some(FeatureId(3));
    let commands: [crate::state::requests::Command; 7] = [
        prompt::Command::Text("The fox saw the king.".to_owned()).into(),
        prompt::Command::Read.into(),
        lens::Command::Read.into(),
        heads::features::Command::Measure(id).into(),
        navigation::Command::SelectFeature(Some(FeatureId(3))).into(),
        crate::state::requests::steering::Command::Draft(Box::new(edits)).into(),
        features::Command::ShowPage(FeatureId(3)).into(),
    ];
    for command in commands {
        desk.run(command);
    }
    assert!(desk.state.prompt.reading.ready().is_some() && !desk.state.history.done.is_empty());
    let model = Arc::downgrade(&desk.state.model().unwrap().model);
    let loaded = desk.state.catalogue.dictionaries.iter();
    let saes: Vec<_> = loaded
        .filter_map(|dictionary| Some(Arc::downgrade(&dictionary.load.ready()?.sae)))
        .collect();
    assert!(saes.len() >= 4);
    let other = Project::create(&folder.path().join("other"), "other").unwrap();
    desk.run(Command::OpenProject(other.folder));
    assert_eq!(model.strong_count(), 0);
    assert!(saes.iter().all(|sae| sae.strong_count() == 0));
    assert!(desk.state.catalogue.former.is_empty());
}
