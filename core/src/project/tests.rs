//! Checks projects on disk: opening, overlays, stored figures, labels.

use super::*;
use crate::eval::Figures;
use crate::fit::{Fit, Prints, Verdict};
use crate::ids::FeatureId;
use crate::models::Form;

fn folder_with(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    folder
}

fn demo(folder: &Path) -> Project {
    let mut demo = Project::create(folder, "Demo").unwrap();
    demo.model = Some(folder.join("model"));
    demo.entries = vec![Entry {
        sae: folder.join("saes/z"),
        index: Some(folder.join("saes/z.index")),
    }];
    demo.train_text = vec![folder.join("text/train")];
    demo.held_out_text = vec![folder.join("text/held-out")];
    demo.unwrap = true;
    demo.recursive = true;
    demo.text_column = Some("body".to_owned());
    demo.opening.bos.doubled = true;
    demo.opening.form = Form::Stored;
    demo.opening.processing = "fold-ln,center-unembed".parse().unwrap();
    demo.prompts = vec!["“Oz”,\nsaid Dorothy".to_owned()];
    demo.filters = vec!["density<1e-3 and fires:\"king\"".to_owned()];
    demo.save().unwrap();
    demo
}

const PARTS: [&str; 5] = [
    "model",
    "saes/z",
    "saes/z.index",
    "text/train",
    "text/held-out",
];

#[test]
fn a_project_comes_back_as_it_was_saved_even_from_another_place() {
    let root = folder_with(&[]);
    let first = root.path().join("first");
    for part in PARTS {
        std::fs::create_dir_all(first.join(part)).unwrap();
    }
    let saved = demo(&first);
    let (opened, notes) = Project::open(&first).unwrap();
    assert_eq!(opened, saved);
    assert!(notes.is_empty());
    let text = std::fs::read_to_string(first.join("umbra.toml")).unwrap();
    assert!(
        text.contains("model = \"model\"") && !text.contains("first"),
        "{text}"
    );
    let second = root.path().join("second");
    std::fs::rename(&first, &second).unwrap();
    let (moved, _) = Project::open(&second).unwrap();
    assert_eq!(moved.model, Some(second.join("model")));
    assert!(Project::create(&second, "x").is_err());
}

#[test]
fn what_is_missing_is_left_out_aloud_and_kept_in_the_file() {
    let folder = folder_with(&PARTS);
    let saved = demo(folder.path());
    for part in ["model", "saes/z.index", "text/held-out"] {
        std::fs::rename(
            folder.path().join(part),
            folder.path().join(format!("{part}.away")),
        )
        .unwrap();
    }
    let (opened, notes) = Project::open(folder.path()).unwrap();
    assert_eq!(notes.iter().count(), 3, "{notes:?}");
    assert_eq!(
        (opened.model.clone(), opened.held_out_text.len()),
        (None, 0)
    );
    assert_eq!(opened.entries[0].index, None);
    opened.save().unwrap();
    for part in ["model", "saes/z.index", "text/held-out"] {
        std::fs::rename(
            folder.path().join(format!("{part}.away")),
            folder.path().join(part),
        )
        .unwrap();
    }
    assert_eq!(Project::open(folder.path()).unwrap().0, saved);
}

#[test]
fn an_overlay_changes_nothing_of_its_origin_and_follows_it() {
    let bundled = folder_with(&PARTS);
    let user = folder_with(&["own/sae"]);
    let original = demo(bundled.path());
    drop(
        original
            .labels()
            .unwrap()
            .set("z", FeatureId(1), "shipped")
            .unwrap(),
    );
    let before = std::fs::read(bundled.path().join("umbra.toml")).unwrap();
    let mut over = original.overlay(&user.path().join("demo")).unwrap().project;
    assert_eq!(
        (&over.model, &over.entries),
        (&original.model, &original.entries)
    );
    assert_eq!(over.labels().unwrap().all("z").unwrap()[0].text, "shipped");
    over.labels()
        .unwrap()
        .set("z", FeatureId(1), "mine")
        .unwrap();
    over.prompts.push("mine".to_owned());
    over.chats.push(vec![Message::new("user", "“Hi”,\nsaid I")]);
    over.entries.push(Entry {
        sae: user.path().join("own/sae"),
        index: None,
    });
    over.save().unwrap();
    assert_eq!(Project::open(&over.folder).unwrap().0, over);

    // The bundle moves and gains a dictionary.
    let moved = folder_with(&PARTS);
    std::fs::create_dir_all(moved.path().join("saes/new")).unwrap();
    let mut newer = demo(moved.path());
    newer.entries.push(Entry {
        sae: moved.path().join("saes/new"),
        index: None,
    });
    let overlaid = newer.overlay(&over.folder).unwrap();
    assert!(
        overlaid.notes.is_empty() && overlaid.displaced.is_none(),
        "{overlaid:?}"
    );
    let again = overlaid.project;
    assert_eq!(again.model, Some(moved.path().join("model")));
    assert_eq!(again.entries.len(), 3);
    assert_eq!(again.prompts, over.prompts);
    assert_eq!(again.filters, ["density<1e-3 and fires:\"king\""]);
    assert_eq!(again.chats, over.chats);
    assert_eq!(again.labels().unwrap().all("z").unwrap()[0].text, "mine");
    assert_eq!(
        std::fs::read(bundled.path().join("umbra.toml")).unwrap(),
        before
    );
}

#[test]
fn a_copy_that_names_another_model_is_repaired_and_that_model_is_answered() {
    let bundled = folder_with(&PARTS);
    let user = folder_with(&["other/model"]);
    let original = demo(bundled.path());
    let folder = user.path().join("demo");
    let mut over = original.overlay(&folder).unwrap().project;
    let other = user.path().join("other/model");
    over.model = Some(other.clone());
    over.opening = Opening::default();
    over.save().unwrap();
    let overlaid = original.overlay(&folder).unwrap();
    assert_eq!(
        overlaid.displaced,
        Some((other.clone(), Opening::default()))
    );
    let (kept, _) = Project::open(&folder).unwrap();
    assert_eq!(
        (&kept.model, kept.opening),
        (&original.model, original.opening)
    );

    // The other model is no longer there either.
    over.save().unwrap();
    std::fs::remove_dir(&other).unwrap();
    let overlaid = original.overlay(&folder).unwrap();
    assert_eq!(overlaid.displaced.unwrap().0, other);
    assert_eq!(overlaid.project.model, original.model);
    assert_eq!(overlaid.project.missing, Missing::default());
}

#[test]
fn a_restored_copy_is_as_new_and_keeps_the_labels_that_can_be_read() {
    let bundled = folder_with(&PARTS);
    let user = folder_with(&["own/sae"]);
    let original = demo(bundled.path());
    let folder = user.path().join("demo");
    let mut over = original.overlay(&folder).unwrap().project;
    over.labels()
        .unwrap()
        .set("z", FeatureId(1), "mine")
        .unwrap();
    over.keep_figures("z", ("mine", "CPU"), &some_figures(), Prints::default())
        .unwrap();
    over.entries.push(Entry {
        sae: user.path().join("own/sae"),
        index: None,
    });
    over.prompts.push("mine".to_owned());
    over.save().unwrap();
    let restored = original.restore(&folder).unwrap().project;
    assert_eq!(restored.entries, original.entries);
    assert_eq!(restored.prompts, original.prompts);
    assert_eq!(restored.figures("z").unwrap(), None);
    assert_eq!(restored.labels().unwrap().all("z").unwrap()[0].text, "mine");
    let former = std::fs::read_to_string(folder.join("umbra.toml.before-1")).unwrap();
    assert!(former.contains("own/sae"), "nothing is lost: {former}");
    assert!(folder.join("kept.before-1/z.figures.json").is_file());

    // Neither file can be read.
    std::fs::write(folder.join("umbra.toml"), "version = 1\nname = [").unwrap();
    std::fs::write(
        folder.join("labels.sqlite"),
        "no database at all, but long enough to be looked at",
    )
    .unwrap();
    assert!(original.overlay(&folder).is_err());
    let again = original.restore(&folder).unwrap();
    assert_eq!(again.project.entries, original.entries);
    assert!(again.project.labels().unwrap().all("z").unwrap().is_empty());
    let notes: Vec<_> = again.notes.iter().collect();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("labels.sqlite.before-1")),
        "{notes:?}"
    );
}

#[test]
fn a_project_is_saved_elsewhere_with_everything_beside_it() {
    let bundled = folder_with(&PARTS);
    let user = folder_with(&[]);
    let original = demo(bundled.path());
    original
        .keep_figures("z", ("shipped", "CPU"), &some_figures(), Prints::default())
        .unwrap();
    let root = user.path().join("unsaved");
    let folder = Project::free_folder(&root, "own/tiny model");
    assert_eq!(folder, root.join("own%2Ftiny%20model"));
    let mut draft = original.fresh_like(&folder, "own/tiny model").unwrap();
    assert_eq!((&draft.model, draft.entries.len()), (&None, 0));
    assert_eq!(draft.held_out_text, original.held_out_text);
    assert_eq!(draft.prompts, original.prompts);
    let second = Project::free_folder(&root, "own/tiny model");
    assert_eq!(second, root.join("own%2Ftiny%20model-2"));

    let index = draft.folder.join("indexes/z.sqlite");
    std::fs::create_dir_all(index.parent().unwrap()).unwrap();
    std::fs::write(&index, "an index").unwrap();
    draft.entries = vec![Entry {
        sae: bundled.path().join("saes/z"),
        index: Some(index),
    }];
    draft
        .labels()
        .unwrap()
        .set("z", FeatureId(2), "mine")
        .unwrap();
    draft.save().unwrap();
    let place = user.path().join("saved/Mine");
    let saved = draft.save_as(&place).unwrap();
    assert_eq!(Project::open(&place).unwrap().0, saved);
    assert_eq!((saved.name.as_str(), &saved.origin), ("Mine", &None));
    assert_eq!(saved.entries[0].sae, bundled.path().join("saes/z"));
    assert_eq!(saved.entries[0].index, Some(place.join("indexes/z.sqlite")));
    assert_eq!(saved.labels().unwrap().all("z").unwrap()[0].text, "mine");
    for taken in [place.clone(), draft.folder.join("inside")] {
        assert!(draft.save_as(&taken).is_err(), "{}", taken.display());
    }

    // A copy of the read-only project stands on its own once it is saved.
    let over = original.overlay(&user.path().join("demo")).unwrap().project;
    let own = over.save_as(&user.path().join("own")).unwrap();
    assert_eq!(
        (&own.model, &own.entries),
        (&original.model, &original.entries)
    );
    assert_eq!(own.figures("z").unwrap().unwrap().text, "shipped");
}

#[track_caller]
fn check_refused(text: &str, part: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("umbra.toml"), text).unwrap();
    let refused = Project::open(folder.path()).unwrap_err().to_string();
    assert!(
        refused.contains(part) && refused.contains("umbra.toml") && !refused.contains('\n'),
        "{refused}"
    );
}

#[test]
fn a_file_that_cannot_be_used_is_refused_in_one_sentence() {
    check_refused("name = \"x\"", "no `version`");
    check_refused("version = 2", "newer Umbra");
    check_refused("version = 1\nname = \"x\"\nmodell = \"y\"", "line 3");
    check_refused("version = 1\n\nname = [", "line 3");
    let empty = tempfile::tempdir().unwrap();
    let refused = Project::open(empty.path()).unwrap_err().to_string();
    assert!(refused.contains("create one"), "{refused}");
}

fn some_figures() -> Figures {
    Figures {
        l0: 23.5,
        fvu: 0.1,
        dead_fraction: 0.0,
        rare_fraction: 0.25,
        ce_clean: 3.0,
        ce_sae: 3.1,
        ce_zero: 8.0,
        ce_mean: 5.0,
        ce_recovered_zero: 0.98,
        ce_recovered_mean: 0.95,
        tokens: 1000,
        positions: crate::corpus::Positions::Text,
        left_out: Some(0),
        nearness: None,
        pair: None,
    }
}

#[test]
fn kept_figures_come_back_and_an_overlay_reads_its_origins() {
    let bundled = folder_with(&PARTS);
    let user = folder_with(&[]);
    let original = demo(bundled.path());
    assert_eq!(original.figures("a/b").unwrap(), None);
    original
        .keep_figures(
            "a/b",
            ("held-out books", "CPU"),
            &some_figures(),
            Prints::default(),
        )
        .unwrap();
    let over = original.overlay(user.path()).unwrap().project;
    let kept = over.figures("a/b").unwrap().unwrap();
    let kept_anew = kept.clone();
    assert_eq!(
        (kept.text.as_str(), kept.figures),
        ("held-out books", some_figures())
    );
    let newer = Figures {
        l0: 1.0,
        ..some_figures()
    };
    let of = Prints {
        sae: "ab".to_owned(),
        model: "cd".to_owned(),
    };
    assert_eq!(
        Fit::of_figures(&kept_anew, None, None).verdict,
        Verdict::CannotTell
    );
    over.keep_figures("a/b", ("mine", "CPU"), &newer, of.clone())
        .unwrap();
    assert_eq!(over.figures("a/b").unwrap().unwrap().fingerprints, of);
    assert_eq!(over.figures("a/b").unwrap().unwrap().figures, newer);
    assert_eq!(
        original.figures("a/b").unwrap().unwrap().figures,
        some_figures()
    );
    assert!(over.probe_path("a/b").starts_with(user.path()));
    assert_eq!(over.kept_probe("a/b"), None);
    std::fs::write(original.probe_path("a/b"), b"").unwrap();
    assert_eq!(over.kept_probe("a/b"), Some(original.probe_path("a/b")));
}

#[test]
fn labels_are_set_removed_and_searched_by_beginnings_of_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    let labels = Labels::open(&path).unwrap();
    let zero = FeatureId(0);
    assert_eq!(labels.set("z", zero, "names of kings").unwrap(), "");
    assert_eq!(
        labels.set("z", zero, " Königinnen, \"quoted\" ").unwrap(),
        "names of kings"
    );
    labels.set("y", FeatureId(7), "kings and queens").unwrap();
    let found = |query: &str| -> Vec<(String, u32)> {
        let labels = labels.search(query).unwrap();
        labels.into_iter().map(|l| (l.sae, l.feature.0)).collect()
    };
    assert_eq!(found("konig"), [("z".to_owned(), 0)]);
    assert_eq!(found("que ki"), [("y".to_owned(), 7)]);
    assert_eq!(found("names"), []);
    assert_eq!(found("\"quo"), [("z".to_owned(), 0)]);
    for hostile in ["", " ", "*", "\"", "NOT", "a AND (", "text:", "-x"] {
        found(hostile);
    }
    assert_eq!(labels.set("z", zero, "").unwrap(), "Königinnen, \"quoted\"");
    drop(labels);
    let again = Labels::open(&path).unwrap();
    assert!(again.all("z").unwrap().is_empty());
    assert_eq!(again.all("y").unwrap()[0].text, "kings and queens");
}

#[test]
fn another_programs_file_is_not_taken_for_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    std::fs::write(
        &path,
        b"not a database at all, but long enough to be looked at",
    )
    .unwrap();
    let refused = Labels::open(&path).unwrap_err().to_string();
    assert!(refused.contains("labels.sqlite"), "{refused}");
    let other = folder.path().join("other.sqlite");
    rusqlite::Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    let refused = Labels::open(&other).unwrap_err().to_string();
    assert!(refused.contains("move it away"), "{refused}");
}

#[test]
fn studies_come_back_with_what_they_were_made_with() {
    let bundled = folder_with(&PARTS);
    let user = folder_with(&[]);
    let original = demo(bundled.path());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let model = crate::models::Model::open(&golden.join("tiny-gpt2"))
        .unwrap()
        .0;
    let d = model.config().d_model;
    let sae = |name: &str, bias: f32| {
        let zeros = || crate::dims::Matrix::zeros(2, d);
        let encoder = (zeros(), vec![bias; 2]);
        crate::sae::Sae::new(name, encoder, (zeros(), vec![0.0; d]), crate::sae::Relu)
    };
    let (own, changed, other) = (sae("a/b", 0.0), sae("a/b", 1.0), sae("c", 2.0));
    let settings = serde_json::json!({ "k": 3 });
    let made = MadeWith::new(&model, &[&own], &[("books", "f00")], &settings).unwrap();
    original
        .keep_study("pursuit", "a/b", &made, &[1.5, 2.0])
        .unwrap();
    original
        .keep_figures("a/b", ("books", "CPU"), &some_figures(), Prints::default())
        .unwrap();
    let over = original.overlay(user.path()).unwrap().project;
    let of = |project: &Project| project.kept_study::<Vec<f64>>("pursuit", "a/b");
    assert_eq!(of(&over).unwrap().unwrap().result, [1.5, 2.0]);
    over.keep_study("pursuit", "a/b", &made, &[7.0]).unwrap();
    assert_eq!(of(&over).unwrap().unwrap().result, [7.0]);
    let kept = of(&original).unwrap().unwrap();
    assert_eq!((&kept.result, &kept.made), (&vec![1.5, 2.0], &made));
    assert_eq!(over.kept_study::<Vec<f64>>("pursuit", "c").unwrap(), None);
    // Figures beside it are no study.
    let all: Vec<KeptAbout> = over
        .studies()
        .into_iter()
        .map(|kept| kept.unwrap())
        .collect();
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].study.as_str(), all[0].of.as_str()),
        ("pursuit", "a/b")
    );
    // It belongs to its model and dictionary alone.
    let check = |saes: &[&crate::sae::Sae]| kept.clone().checked(&model, saes);
    assert_eq!(check(&[&own]).unwrap(), kept);
    for (wrong, words) in [(&changed, "which now has"), (&other, "not made with c")] {
        let why = check(&[wrong]).unwrap_err().to_string();
        assert!(
            why.contains(words) && why.contains("run the study again"),
            "{why}"
        );
    }
    let another = crate::models::Model::open(&golden.join("tiny-gpt-neo"))
        .unwrap()
        .0;
    let why = kept.clone().checked(&another, &[]).unwrap_err().to_string();
    assert!(why.contains("another fingerprint"), "{why}");
    let mut processed = kept.clone();
    processed.made.processing = "fold-ln".to_owned();
    let why = processed.checked(&model, &[]).unwrap_err().to_string();
    assert!(why.contains("then fold-ln, now none"), "{why}");
    // A damaged file is refused by name, and listed as such.
    let path = over.kept().join("a%2Fb.pursuit.json");
    std::fs::write(&path, b"{\"version\":1}").unwrap();
    let why = of(&over).unwrap_err().to_string();
    assert!(
        why.contains("run the study again") && why.contains("pursuit.json"),
        "{why}"
    );
    assert!(over.studies()[0].is_err());
}
