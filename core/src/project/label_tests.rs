//! Labels with their origin: kept, migrated, and in files of other programs.

use std::io::Write as _;
use std::path::Path;

use super::*;
use crate::ids::FeatureId;

fn labelled(feature: u32, text: &str, origin: Origin) -> Label {
    let text = text.to_owned();
    Label::new("z", FeatureId(feature), Given { text, origin })
}

fn some() -> Vec<Label> {
    let detection = Some(Detection {
        active: 8,
        active_found: 7,
        silent: 8,
        silent_named: 2,
    });
    vec![
        labelled(0, "kings, \"queens\"\nand knaves", Origin::default()),
        labelled(
            3,
            "fires on ‹ said›",
            Origin::new(Maker::Fact, "precision 90.0 %"),
        ),
        labelled(
            4095,
            "talk of rabbits",
            Origin {
                detection,
                ..Origin::new(Maker::Model, "gpt-4o-mini")
            },
        ),
    ]
}

#[test]
fn labels_keep_who_gave_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    let labels = Labels::open(&path).unwrap();
    assert_eq!(labels.put_all(&some()).unwrap(), [None, None, None]);
    assert_eq!(labels.all("z").unwrap(), some());
    assert_eq!(labels.search("rabb").unwrap(), some()[2..]);
    // A person's own words replace them.
    let former = labels.put(&labelled(3, "says", Origin::default()));
    assert_eq!(former.unwrap(), Some(some()[1].given()));
    let removed = labels.put(&labelled(4095, " ", Origin::default())).unwrap();
    assert_eq!(removed, Some(some()[2].given()));
    assert_eq!(labels.search("rabbits").unwrap(), []);
    labels.set("a", FeatureId(1), "x").unwrap();
    assert_eq!(labels.dictionaries().unwrap(), ["a", "z"]);
}

#[test]
fn labels_of_the_first_version_are_a_persons_and_stay_readable_without_writing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE label (id INTEGER PRIMARY KEY, sae TEXT NOT NULL, feature INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE (sae, feature));
             CREATE VIRTUAL TABLE label_word USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2');
             INSERT INTO label VALUES (1, 'z', 5, 'kings');
             INSERT INTO label_word (rowid, text) VALUES (1, 'kings');
             PRAGMA application_id = 1433231948; PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(database);
    let before = std::fs::read(&path).unwrap();
    let kings = [labelled(5, "kings", Origin::default())];
    let there = Labels::there(&path).unwrap().unwrap();
    assert_eq!(there.all("z").unwrap(), kings);
    assert_eq!(there.search("king").unwrap(), kings);
    drop(there);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    // Opened for writing, it is migrated.
    let labels = Labels::open(&path).unwrap();
    assert_eq!(labels.all("z").unwrap(), kings);
    labels.put_all(&some()).unwrap();
    drop(labels);
    let again = Labels::there(&path).unwrap().unwrap();
    assert_eq!(again.all("z").unwrap().len(), 4);
    drop(again);
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch("PRAGMA user_version = 9").unwrap();
    drop(database);
    let refused = Labels::open(&path).unwrap_err().to_string();
    assert!(refused.contains("version 9"), "{refused}");
}

#[test]
fn labels_come_back_from_every_kind_of_file() {
    let folder = tempfile::tempdir().unwrap();
    let place = NeuronpediaPlace {
        model: "gpt2-small".to_owned(),
        source: "6-res-jb".to_owned(),
    };
    for name in ["labels.csv", "labels.json", "labels.jsonl"] {
        let path = folder.path().join(name);
        write_labels(&path, &some(), &place).unwrap();
        let read = read_labels(&path, ("z", Some(4096)), None).unwrap();
        let got: Vec<(u32, String)> = read
            .labels
            .iter()
            .map(|label| (label.feature.0, label.text.clone()))
            .collect();
        let want: Vec<(u32, String)> = some()
            .iter()
            .map(|label| (label.feature.0, label.text.clone()))
            .collect();
        assert_eq!(got, want, "{name}");
        if name == "labels.csv" {
            assert_eq!(read.labels, some());
        } else {
            assert_eq!(
                read.labels[2].origin,
                Origin::new(Maker::Model, "gpt-4o-mini")
            );
            assert_eq!(read.labels[0].origin, Origin::new(Maker::Import, name));
        }
        // A smaller dictionary is another one.
        let refused = read_labels(&path, ("z", Some(4000)), None).unwrap_err();
        assert!(refused.to_string().contains("feature 4095"), "{refused}");
    }
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[track_caller]
fn refused(path: &Path, says: &str) {
    let why = read_labels(path, ("z", None), None)
        .unwrap_err()
        .to_string();
    assert!(why.contains(says), "{why}");
}

#[test]
fn files_of_other_programs_are_read_and_wrong_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let texts = |path: &Path, source: Option<&str>| -> Vec<(u32, String)> {
        let read = read_labels(path, ("z", None), source).unwrap();
        let labels = read.labels.into_iter();
        labels.map(|label| (label.feature.0, label.text)).collect()
    };
    let two = [(1, "one".to_owned()), (2, "two".to_owned())];
    // A spreadsheet's file, with a mark at its beginning, other columns, and rows of another dictionary.
    let csv =
        "\u{feff}Note,Index,Description,SAE\nx,2,two,z\ny,1,one,\nq,1,other,y\n,7,,z\n,1,again,z\n";
    let path = file(folder, "a.csv", csv);
    let read = read_labels(&path, ("z", None), None).unwrap();
    assert_eq!(read.notes.iter().count(), 3);
    assert_eq!(texts(&path, None), two);
    // Neuronpedia's export, whole, as an object, and packed lines of its dumps; features with their explanations.
    let one = r#"{"modelId":"m","layer":"6-res-jb","index":"1","description":"one","typeName":"np_max-act","explanationModelName":"gpt-4o"}"#;
    let second = r#"{"modelId":"m","layer":"6-res-jb","index":2,"description":"two"}"#;
    let array = file(folder, "b.json", &format!("[{one},{second}]"));
    assert_eq!(texts(&array, None), two);
    assert_eq!(texts(&array, Some("6-res-jb")), two);
    let object = file(
        folder,
        "c.json",
        &format!(r#"{{"explanations":[{one},{second}]}}"#),
    );
    assert_eq!(texts(&object, None), two);
    let features = r#"[{"index":"1","explanations":[{"description":"one"}]},{"index":"2","explanations":[{"description":"two"},{"description":"b"}]},{"index":"3","explanations":[]}]"#;
    assert_eq!(texts(&file(folder, "d.json", features), None), two);
    let packed = folder.join("batch-0.jsonl.gz");
    let mut gz = flate2::write::GzEncoder::new(
        std::fs::File::create(&packed).unwrap(),
        flate2::Compression::default(),
    );
    write!(gz, "{one}\n\n{second}\n").unwrap();
    gz.finish().unwrap();
    assert_eq!(texts(&packed, None), two);
    // Several sources.
    let other = one.replace("6-res-jb", "7-res-jb");
    let both = file(folder, "e.jsonl", &format!("{other}\n{second}\n"));
    refused(&both, "2 sources (6-res-jb, 7-res-jb)");
    assert_eq!(texts(&both, Some("7-res-jb")), two[..1]);
    let why = read_labels(&both, ("z", None), Some("x")).unwrap_err();
    assert!(why.to_string().contains("choose among 6-res-jb"), "{why}");
    // What is no file of labels.
    refused(
        &file(folder, "f.csv", "feature,words\n1,x\n"),
        "label, description",
    );
    refused(&file(folder, "g.csv", "feature,label\nx,y\n"), "line 2");
    refused(&file(folder, "h.json", "[{]"), "not JSON");
    refused(&file(folder, "i.jsonl", "{}\n{"), "line 2");
    refused(&file(folder, "j.json", "[]"), "holds no label");
    refused(&file(folder, "k.txt", ""), ".csv, .json or .jsonl");
    refused(
        &file(folder, "l.json", r#"[{"description":"x"}]"#),
        "`index`",
    );
    refused(&folder.join("missing.csv"), "missing.csv");
}
