//! Transcoders, and training that starts from a dictionary, through the built program.

use umbra_tests::{at, golden};

use crate::umbra;

#[test]
fn a_transcoder_is_trained_measured_gone_on_from_and_refused_where_it_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &str| {
        let words: Vec<String> = args.split_whitespace().map(fill).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        umbra(folder.path(), &words)
    };
    let settings = "--features 64 --k 4 --tokens 4000 --batch 256 --no-split";
    let hooks = "--hook blocks.1.mlp.hook_in --hook-out blocks.1.hook_mlp_out";
    let trained = run(&format!(
        "train MODEL TEXT {hooks} --variant transcoder --transcoder-rule batch-topk --skip true {settings} --ema 0.9 --clip 0.1 --resample-every 5 --out t --json"
    ));
    assert_eq!(trained.done().json()["variant"], "transcoder");

    let figures = run("eval MODEL TEXT --sae t --json").done().json();
    let fvu = figures["fvu"].as_f64().unwrap();
    // A linear map of the MLP's input beats the mean of its output.
    assert!(fvu > 0.0 && fvu < 0.9, "{figures}");

    // Its features are read, indexed and steered; they are counted where it reads and act where it writes.
    run("prompt MODEL --sae t --text hello").done();
    let built = run("index build MODEL TEXT --tokens 2k --sae t --out i --effects --json");
    let built = built.done().json();
    assert_eq!(built["hook"], "blocks.1.mlp.hook_in");
    assert_eq!(built["writes"][0], "blocks.1.hook_mlp_out");
    let shown = run("index show i --feature 3 --json").done().json();
    assert!(!shown["promoted"].as_array().unwrap().is_empty());
    let steered = run(
        "steer MODEL --sae t --feature 3 --strength 40 --edit set-feature@feature=5@value=9 --prompt hello --tokens 3 --json",
    );
    let proof = &steered.done().json()["proof"];
    assert_eq!(proof["hooks"][0]["hook"], "blocks.1.hook_mlp_out");
    assert!(
        proof["logits"]["largest"].as_f64().unwrap() > 0.0,
        "{proof}"
    );
    let attributed = run("attribute MODEL --sae t --target loss --text hello@there --json");
    assert_eq!(attributed.done().json()["hook"], "blocks.1.hook_mlp_out");

    for command in [
        "dark-matter fit MODEL TEXT --sae t",
        "heads show MODEL --sae t",
        "train MODEL TEXT --from t --variant topk --tokens 512 --batch 256 --no-split --out u",
    ] {
        run(command).refused(&["transcoder"]);
    }

    // One step at the smallest rate: features, variant, rule and hooks stay those of the initial dictionary.
    run("train MODEL TEXT --from t --tokens 256 --batch 256 --no-split --learning-rate 1e-8 --out u")
        .done();
    let again = run("eval MODEL TEXT --sae u --json").done().json();
    let again = again["fvu"].as_f64().unwrap();
    assert!((again - fvu).abs() < 1e-3, "{again} {fvu}");

    run(&format!(
        "train MODEL TEXT --hook blocks.1.hook_resid_post {settings} --out s"
    ))
    .done();
    run("train MODEL TEXT --from s --features 65 --tokens 256 --no-split --out v")
        .refused(&["features", "s has 64"]);
    run("train MODEL TEXT --from none --tokens 256 --no-split --out v").refused(&["none"]);
    let answer =
        run("train MODEL TEXT --from s --tokens 256 --batch 256 --no-split --out v --json");
    assert_eq!(answer.done().json()["variant"], "topk");
}

fn fill(word: &str) -> String {
    match word {
        "MODEL" => format!("--model={}", golden("tiny-gpt2")),
        "TEXT" => format!("--corpus={}", at("assets/demo/text/held-out/alice.txt")),
        // Words are separated by spaces, `@` stands for one.
        word => word.replace('@', " "),
    }
}
