//! One text by several dictionaries, two texts aligned, and two sets of texts told apart, on the command line.

use std::path::Path;

use serde_json::Value;
use umbra_tests::repository;

use crate::umbra;

fn demo(part: &str) -> String {
    repository()
        .join("assets/demo")
        .join(part)
        .display()
        .to_string()
}

/// The answer of a command that must succeed.
#[track_caller]
fn answer(folder: &Path, args: &[&str]) -> Value {
    let run = umbra(folder, &[args, &["--json"]].concat());
    assert_eq!(run.code, 0, "{}", run.err);
    serde_json::from_str(&run.out).unwrap()
}

#[test]
fn a_text_by_several_dictionaries_is_that_by_each() {
    let folder = tempfile::tempdir().unwrap();
    let (model, late, early) = (demo("model"), demo("saes/resid-2"), demo("saes/attn-0"));
    let text = ["--model", &model, "--text", "The king said to the fox"];
    let both = [&["prompt", "--sae", &late, "--sae", &early][..], &text].concat();
    let both = answer(folder.path(), &both);
    let dictionaries = both["dictionaries"].as_array().unwrap();
    let names: Vec<_> = dictionaries
        .iter()
        .map(|one| one["sae"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["attn-0", "resid-2"]); // earlier hooks first
    for (one, sae) in dictionaries.iter().zip([&early, &late]) {
        let alone = answer(
            folder.path(),
            &[&["prompt", "--sae", sae][..], &text].concat(),
        );
        assert_eq!(one["features"], alone["features"]);
        for (token, same) in one["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .zip(alone["tokens"].as_array().unwrap())
        {
            assert_eq!(token["features"], same["features"]);
        }
    }
    let refused = umbra(
        folder.path(),
        &[
            &["prompt", "--sae", &late, "--sae", &early, "--against", "x"][..],
            &text,
        ]
        .concat(),
    );
    assert!(
        refused.code != 0 && refused.err.contains("one --sae"),
        "{}",
        refused.err
    );
}

#[test]
fn a_second_text_is_aligned_and_its_changes_are_those_of_two_readings() {
    let folder = tempfile::tempdir().unwrap();
    let (model, sae) = (demo("model"), demo("saes/resid-2"));
    let texts = ["The king said to the fox", "The old king said to the cat"];
    let both = answer(
        folder.path(),
        &[
            "prompt",
            "--model",
            &model,
            "--sae",
            &sae,
            "--text",
            texts[0],
            "--against",
            texts[1],
        ],
    );
    let steps = both["steps"].as_array().unwrap();
    let words = |side: &str| -> String {
        let tokens = steps.iter().filter_map(|step| step[side]["text"].as_str());
        tokens.skip(1).collect()
    };
    assert_eq!(
        (words("a").as_str(), words("b").as_str()),
        (texts[0], texts[1])
    );
    let added: Vec<_> = steps.iter().filter(|step| step["a"].is_null()).collect();
    assert_eq!(added.len(), 1);
    assert_eq!(added[0]["b"]["text"], " old");
    let first = &both["features"][0];
    let step = &steps[first["step"].as_u64().unwrap() as usize];
    assert!(step["change"].as_f64().unwrap() >= first["change"].as_f64().unwrap().abs());
    let plain = umbra(
        folder.path(),
        &[
            "prompt",
            "--model",
            &model,
            "--sae",
            &sae,
            "--text",
            texts[0],
            "--against",
            texts[1],
        ],
    );
    assert!(plain.out.contains("largest change at"), "{}", plain.out);
}

#[test]
fn two_sets_of_texts_are_told_apart_with_held_out_accuracy() {
    let folder = tempfile::tempdir().unwrap();
    let (model, sae) = (demo("model"), demo("saes/resid-2"));
    let kings = [
        "castle", "throne", "war", "crown", "sword", "queen", "knight", "feast",
    ];
    let kings: Vec<String> = kings
        .iter()
        .map(|word| format!("The king spoke of the {word}"))
        .collect();
    let foxes = [
        "wood", "den", "hare", "field", "hunt", "goose", "night", "moon",
    ];
    let foxes: Vec<String> = foxes
        .iter()
        .map(|word| format!("{{\"text\": \"A rabbit ran by the {word}\"}}"))
        .collect();
    std::fs::write(folder.path().join("a.txt"), kings.join("\n")).unwrap();
    std::fs::write(folder.path().join("b.jsonl"), foxes.join("\n")).unwrap();
    let command = [
        "separate", "--model", &model, "--sae", &sae, "--a", "a.txt", "--b", "b.jsonl",
    ];
    let found = answer(folder.path(), &command);
    assert_eq!(
        (&found["texts_a"], &found["texts_b"]),
        (&8.into(), &8.into())
    );
    let best = found["probes"].as_array().unwrap().last().unwrap();
    assert!(best["held_out_accuracy"].as_f64().unwrap() > 0.9, "{best}");
    assert_eq!(answer(folder.path(), &command), found);
    // The project around the dictionary names its features, as a search of the text does.
    let first = &found["features"][0];
    let name = first["name"].as_str().unwrap();
    assert!(!name.is_empty() && first["label"].is_null(), "{first}");
    let table = umbra(folder.path(), &command).done().out;
    let number = first["feature"].to_string();
    let mut lines = table.lines().map(str::trim);
    assert!(
        lines.any(|line| line.starts_with(&number) && line.ends_with(name)),
        "{name}: {table}"
    );
    let other = demo("indexes/attn-1.sqlite");
    let wrong = [&command[..], &["--index", &other]].concat();
    umbra(folder.path(), &wrong).refused(&["belongs to attn-1"]);
    let sizes: Vec<_> = found["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["difference"].as_f64().unwrap().abs())
        .collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[0] > 0.0);
    // A set against itself: nothing differs.
    let same = [
        "separate", "--model", &model, "--sae", &sae, "--a", "a.txt", "--b", "a.txt",
    ];
    let same = answer(folder.path(), &same);
    let differs = |one: &Value| one["difference"] != 0.0 || one["auc"] != 0.5;
    assert!(!same["features"].as_array().unwrap().iter().any(differs));
    std::fs::write(folder.path().join("broken.jsonl"), "{\"no\": 1}\n").unwrap();
    let refused = umbra(
        folder.path(),
        &[
            "separate",
            "--model",
            &model,
            "--sae",
            &sae,
            "--a",
            "a.txt",
            "--b",
            "broken.jsonl",
        ],
    );
    assert!(
        refused.code == 1 && refused.err.contains("line 1") && refused.err.contains("broken.jsonl"),
        "{}",
        refused.err
    );
}
