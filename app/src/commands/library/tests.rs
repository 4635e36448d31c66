//! Opening things for real, in a temporary folder: projects, the demo's model, a dictionary, an index, texts; and what is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::formats::{self, Precision, Target};
use umbra_core::ids::FeatureId;
use umbra_core::models::Opening;
use umbra_core::project::Project;

use super::{Command, Pick};
use crate::commands::{dictionary, features};
use crate::state::AppState;
use crate::testing::{self, Answer, Desk};

fn demo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/demo")
        .join(path)
}

/// A dictionary of 16 features as wide as the demo model's residual stream.
fn save_dictionary(folder: &Path) {
    let mut sae = testing::sae(16);
    let width = 256;
    let wide: Vec<f32> = (0..16 * width)
        .map(|i| ((i * 31 % 97) as f32 - 48.0) / 48.0)
        .collect();
    let wide = umbra_core::dims::Matrix::new(16, width, wide).unwrap();
    sae.w_enc = wide.clone();
    sae.w_dec = wide;
    sae.b_dec = vec![0.0; width];
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
    desk.run(dictionary::Command::Evaluate(id));
    desk.run(dictionary::Command::BuildIndex(id));
    desk.run(features::Command::SetLabel {
        feature: FeatureId(3),
        text: "rabbits".to_owned(),
    });
    assert_eq!(desk.notices(), Vec::<&str>::new());

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

    again.run(features::Command::UndoLabel);
    assert_eq!(
        again.state.label(FeatureId(3)),
        Some("rabbits"),
        "nothing was done here yet"
    );
    desk.run(features::Command::UndoLabel);
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
fn an_exported_dictionary_opens_again_and_nothing_is_overwritten() {
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
    let (exported, _) = formats::open(&out.join("tiny")).unwrap();
    assert_eq!(exported.features(), 16);
    desk.run(dictionary::Command::PickExport(
        id,
        Target::SaeLens,
        Precision::F16,
    ));
    let notices = desk.notices();
    assert!(notices[1].contains("already"), "{notices:?}");
}
