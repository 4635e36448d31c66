//! `umbra project`: a project's dictionaries in one table, each with its verdict; and times that are expected from runs before.

use serde_json::Value;
use umbra_tests::{at, demo_model};

use crate::{has_keys, umbra};

/// The dictionary of that name in the answer of `umbra project show`.
fn named<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let all = answer["dictionaries"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap()
}

#[test]
fn a_project_is_shown_with_a_verdict_on_each_dictionary() {
    let room = tempfile::tempdir().unwrap();
    let demo = at("assets/demo");
    let shown = umbra(room.path(), &["project", "show", &demo, "--json"]).done();
    let answer = shown.json();
    has_keys(&answer, "project model read_as measured_on");
    assert!(answer["read_as"][0].as_str().unwrap().contains("GPT-2"));
    let one = named(&answer, "resid-2");
    assert_eq!(
        (&one["verdict"], &one["sign"]),
        (&"fits the model".into(), &"good".into())
    );
    assert_eq!((&one["features"], &one["k"]), (&2_048.into(), &32.into()));
    assert!(one["fvu"].as_f64().unwrap() < 0.2 && one["index_tokens"].as_u64() > Some(1_000));
    let table = umbra(room.path(), &["project", "show", &demo]).done();
    let columns = "CE recovered    Dead   Index  Verdict";
    assert!(
        table.out.contains(columns) && table.out.contains("✓ fits"),
        "{}",
        table.out
    );

    // A project without a model, one of whose dictionaries ends early.
    let saes = room.path().join("saes");
    for name in ["good", "bad"] {
        let folder = saes.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for file in ["cfg.json", "sae_weights.safetensors"] {
            let from = at(&format!("assets/demo/saes/attn-0/{file}"));
            std::fs::copy(from, folder.join(file)).unwrap();
        }
    }
    let weights = saes.join("bad/sae_weights.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..1_000]).unwrap();
    let project = "version = 1\nname = \"Mine\"\n[[dictionary]]\nsae = \"saes/good\"\n[[dictionary]]\nsae = \"saes/bad\"\n";
    std::fs::write(room.path().join("umbra.toml"), project).unwrap();
    let answer = umbra(room.path(), &["project", "show", "--json"])
        .done()
        .json();
    assert_eq!(named(&answer, "good")["verdict"], "no model");
    let bad = named(&answer, "bad");
    assert_eq!(
        (&bad["verdict"], &bad["sign"]),
        (&"did not load".into(), &"bad".into())
    );
    assert!(!bad["why"].as_str().unwrap().is_empty());
}

#[test]
fn a_second_evaluation_says_how_long_it_is_expected_to_take() {
    let [room, data] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (model, sae) = (demo_model(), at("assets/demo/saes/attn-0"));
    let text = at("assets/demo/text/held-out/rabbit.txt");
    let program = env!("CARGO_BIN_EXE_umbra-under-test");
    let evaluate = || {
        let words = ["eval", "--model", &model, "--sae", &sae, "--corpus", &text];
        let words = [&words[..], &["--device", "cpu"]].concat();
        umbra_tests::run_with_data(program, (room.path(), data.path()), &words).done()
    };
    let expected = "Expected time: ";
    assert!(!evaluate().err.contains(expected));
    let second = evaluate();
    let as_before = "as in the last evaluation of attn-0";
    assert!(
        second.err.contains(expected) && second.err.contains(as_before),
        "{}",
        second.err
    );
}
