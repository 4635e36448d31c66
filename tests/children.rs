//! Dictionaries of an error through the built program: trained, shown, measured with the parent, found again, refused without it.

use std::path::Path;

use umbra_tests::{at, golden};

use crate::umbra;

/// Settings of a small dictionary.
const SMALL: &str = "--features 64 --k 4 --tokens 6000 --batch 256 --no-split";

fn run(folder: &Path, args: &str) -> umbra_tests::Run {
    let words: Vec<String> = args.split_whitespace().map(fill).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    umbra(folder, &words)
}

/// Trains `saes/parent`.
fn parent(folder: &Path) {
    run(
        folder,
        &format!("train MODEL TEXT --hook blocks.1.hook_resid_post {SMALL} --out saes/parent"),
    )
    .done();
}

#[test]
fn a_dictionary_of_an_error_is_trained_and_measured_with_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &str| run(folder.path(), args);
    parent(folder.path());
    for part in ["error", "linear", "nonlinear"] {
        let answer = run(&format!(
            "train MODEL TEXT --on {part} --of saes/parent {SMALL} --out saes/{part} --json"
        ));
        assert_eq!(answer.done().json()["stopped"], false);
        let figures = run(&format!("eval MODEL TEXT --sae saes/{part} --json"))
            .done()
            .json();
        let figure = |key: &str| figures[key].as_f64().unwrap();
        assert!(
            figure("fvu_pair") < figure("fvu_parent"),
            "{part}: {figures}"
        );
        let info = run(&format!("sae info saes/{part} --json")).done().json();
        assert_eq!(
            (&info["parent"]["name"], &info["parent"]["part"]),
            (&"parent".into(), &part.into())
        );
        let record = std::fs::read_to_string(folder.path().join(format!("saes/{part}/run.json")));
        let record: serde_json::Value = serde_json::from_str(&record.unwrap()).unwrap();
        assert_eq!(record["data"]["parent"]["name"], "parent");
    }
    let alone = run("eval MODEL TEXT --sae saes/parent --json")
        .done()
        .json();
    let pair = run("eval MODEL TEXT --sae saes/error --json").done().json();
    assert_eq!(pair["fvu_parent"], alone["fvu"]);
    assert!(alone.get("fvu_pair").is_none() && pair["definitions"]["fvu_pair"].is_string());
    let text = run("eval MODEL TEXT --sae saes/error").done();
    assert!(
        text.out.contains("CE pair") && text.out.contains("the pair explains more"),
        "{}",
        text.out
    );
}

#[test]
fn a_dictionary_of_an_error_is_read_by_every_command_and_refused_without_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &str| run(folder.path(), args);
    parent(folder.path());
    for part in ["error", "linear"] {
        run(&format!(
            "train MODEL TEXT --on {part} --of saes/parent {SMALL} --out saes/{part}"
        ))
        .done();
    }
    let pair = run("eval MODEL TEXT --sae saes/error --json").done().json();
    // Whatever reads a dictionary reads this one.
    run("prompt MODEL --sae saes/error --text hello").done();
    run("index build MODEL TEXT --sae saes/linear --out i").done();
    run("sae compare saes/parent saes/error MODEL TEXT").done();
    run("steer MODEL --sae saes/error --prompt hello --feature 1 --strength 2 --tokens 3").done();
    run("train MODEL TEXT --from saes/error --tokens 256 --batch 256 --no-split --out saes/on")
        .done();
    assert!(
        run("sae info saes/on")
            .done()
            .out
            .contains("the error of parent")
    );
    run("heads show MODEL --sae saes/error")
        .refused(&["a dictionary of the error of parent", "choose the parent"]);
    run("eval MODEL TEXT --sae saes/error --hook blocks.0.hook_resid_post")
        .refused(&["--hook", "its parent"]);
    run("train MODEL TEXT --of saes/parent --variant transcoder --no-split --out saes/t")
        .refused(&["transcoder"]);
    run(
        "train MODEL TEXT --of saes/parent --hook blocks.0.hook_resid_post --no-split --out saes/t",
    )
    .refused(&["hook", "parent"]);

    std::fs::rename(
        folder.path().join("saes/parent"),
        folder.path().join("moved"),
    )
    .unwrap();
    run("eval MODEL TEXT --sae saes/error")
        .refused(&["error reads the error of parent", "--parent"]);
    assert!(
        run("sae info saes/error")
            .done()
            .out
            .contains("which is missing")
    );
    let found = run("eval MODEL TEXT --sae saes/error --parent moved --json")
        .done()
        .json();
    assert_eq!(found["fvu_pair"], pair["fvu_pair"]);
    run("eval MODEL TEXT --sae saes/error --parent saes/linear").refused(&["--parent"]);
    // A project around both finds the parent by its fingerprint.
    let project = "version = 1\nname = \"children\"\n[[dictionary]]\nsae = \"saes/linear\"\n[[dictionary]]\nsae = \"moved\"\n";
    std::fs::write(folder.path().join("umbra.toml"), project).unwrap();
    run("eval MODEL TEXT --sae saes/error --json").done();
}

#[test]
fn a_store_takes_the_linear_map_from_a_probe() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &str| run(folder.path(), args);
    let small = "--features 64 --k 4 --tokens 3000 --batch 256";
    run(&format!(
        "train MODEL TEXT --hook blocks.1.hook_resid_post {small} --no-split --out parent"
    ))
    .done();
    run("capture MODEL TEXT --hook blocks.1.hook_resid_post --store store").done();
    run(&format!(
        "train --store store --of parent {small} --out child"
    ))
    .done();
    run(&format!(
        "train --store store --on linear --of parent {small} --out linear"
    ))
    .refused(&["--probe", "fit a probe first"]);
    run("dark-matter fit MODEL TEXT --sae parent --keep probe").done();
    run(&format!(
        "train --store store --on linear --of parent --probe probe {small} --out linear"
    ))
    .done();
    run("dark-matter fit MODEL TEXT --sae child --keep other").done();
    run(&format!(
        "train --store store --on linear --of parent --probe other {small} --out x"
    ))
    .refused(&["The probe of child"]);
}

fn fill(word: &str) -> String {
    match word {
        "MODEL" => format!("--model={}", golden("tiny-gpt2")),
        "TEXT" => format!("--corpus={}", at("assets/demo/text/held-out/alice.txt")),
        word => word.to_owned(),
    }
}
