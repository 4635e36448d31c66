//! Dictionaries on a GPU through the built program: every command that runs one gives what it gives on the CPU, names its device, and rejects what it cannot do.

use std::path::Path;

use candle_core::Tensor;
use serde_json::{Value, json};
use umbra_core::device::Adapter;
use umbra_tests::{at, demo_model, golden, largest_difference, names, tensors};

use crate::umbra;

/// Whether there is an adapter; said aloud where there is none, and with `REQUIRE_GPU=1` that fails.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn skipped() -> bool {
    let absent = Adapter::all().is_empty();
    if absent {
        let required = std::env::var_os("REQUIRE_GPU").is_some_and(|value| value == "1");
        assert!(!required, "no adapter, and REQUIRE_GPU is 1");
        println!("skipped on wgpu: no adapter");
    }
    absent
}

/// The answer of a command on a device, which the answer names.
#[track_caller]
fn on(folder: &Path, device: &str, args: &[&str]) -> Value {
    let all = [args, &["--device", device, "--json"]].concat();
    let run = umbra(folder, &all).done();
    let mut answer = run.json();
    let named = answer["device"].as_str().unwrap().to_owned();
    assert!(named.starts_with(device), "{named}");
    assert!(run.err.contains("note: Computing on "), "{run:?}");
    assert_eq!(answer.get("device_fault"), None, "{run:?}");
    for key in ["device", "device_why"] {
        answer.as_object_mut().unwrap().remove(key).unwrap();
    }
    answer
}

/// Answers on the CPU and on the GPU.
#[track_caller]
fn both(folder: &Path, args: &[&str]) -> [Value; 2] {
    ["cpu", "wgpu"].map(|device| on(folder, device, args))
}

/// Checks that both values have one form and that numbers differ by at most `bound` of the larger, or by `bound` near 0. Texts are equal.
fn alike(path: &str, [a, b]: [&Value; 2], bound: f64) -> Result<(), String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            if !a.keys().eq(b.keys()) {
                return Err(format!("{path}: other keys"));
            }
            let mut pairs = a.iter().zip(b.values());
            pairs.try_for_each(|((key, a), b)| alike(&format!("{path}.{key}"), [a, b], bound))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.try_for_each(|(i, (a, b))| alike(&format!("{path}[{i}]"), [a, b], bound))
        }
        (Value::Number(_), Value::Number(_)) => {
            let [x, y] = [a, b].map(|value| value.as_f64().unwrap());
            let near = (x - y).abs() <= bound * x.abs().max(y.abs()).max(1.0);
            near.then_some(()).ok_or(format!("{path}: {x} and {y}"))
        }
        _ if a == b => Ok(()),
        _ => Err(format!("{path}: {a} and {b}")),
    }
}

/// Checks that both are alike, and that the check can fail.
#[track_caller]
fn check([a, b]: [&Value; 2], bound: f64) {
    alike("", [a, b], bound).unwrap_or_else(|error| panic!("{error}"));
    let mut moved = b.clone();
    assert!(nudge(&mut moved, 10.0 * bound), "no number: {b}");
    assert!(alike("", [a, &moved], bound).is_err(), "a nudge passed");
}

/// Moves the first number that is no whole one.
fn nudge(value: &mut Value, by: f64) -> bool {
    match value {
        Value::Object(keys) => keys.values_mut().any(|value| nudge(value, by)),
        Value::Array(values) => values.iter_mut().any(|value| nudge(value, by)),
        Value::Number(number) if number.is_f64() => {
            let x = number.as_f64().unwrap();
            *value = json!(x + by * x.abs().max(1.0));
            true
        }
        _ => false,
    }
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.flatten_all().unwrap();
    flat.to_vec1().unwrap()
}

fn largest(tensor: &Tensor) -> f32 {
    let magnitudes = flat(tensor).into_iter().map(f32::abs);
    magnitudes.fold(0.0, f32::max)
}

/// Encodes on the GPU what lies beside the golden files `from`, and compares codes, reconstructions and active features.
#[track_caller]
fn encoded(folder: &Path, sae: &str, from: &str) {
    let acts = format!("{from}/io.safetensors");
    let out = folder.join("out.safetensors").display().to_string();
    let args = [
        "sae", "encode", "--sae", sae, "--acts", &acts, "--out", &out,
    ];
    on(folder, "wgpu", &args);
    let first = std::fs::read(&out).unwrap();
    let (ours, theirs) = (tensors(&out), tensors(&acts));
    for name in ["codes", "recon"] {
        let bound = 1e-5 * largest(&theirs[name]);
        let off = largest_difference(&ours[name], &theirs[name]);
        assert!(off < bound, "{from} {name}: {off} of {bound}");
        let one = Tensor::full(100.0 * bound, ours[name].dims(), ours[name].device()).unwrap();
        let moved = largest_difference(&(&ours[name] + one).unwrap(), &theirs[name]);
        assert!(moved > bound, "{from} {name}: a nudge passed");
    }
    let (got, want) = (flat(&ours["codes"]), flat(&theirs["codes"]));
    let small = 1e-5 * largest(&theirs["codes"]);
    for (got, want) in got.iter().zip(&want) {
        let same = (*got != 0.0) == (*want != 0.0);
        assert!(
            same || got.abs().max(want.abs()) < small,
            "{from}: {got} {want}"
        );
    }
    // The same device gives the same bytes.
    on(folder, "wgpu", &args);
    assert!(std::fs::read(&out).unwrap() == first, "{from}");
}

#[test]
fn golden_dictionaries_are_encoded_on_wgpu_as_their_libraries_did() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut found = 0;
    for group in ["sae-files", "sae-lens-variants", "circuit-tracer"] {
        for name in names(golden(group).as_ref()) {
            let from = golden(&format!("{group}/{name}"));
            let layer = format!("{from}/layer_1.safetensors");
            if Path::new(&from).join("io.safetensors").exists() {
                let alone = Path::new(&layer).exists();
                encoded(folder.path(), if alone { &layer } else { &from }, &from);
                found += 1;
            }
        }
    }
    for name in ["sae-lens-topk", "circuit-tracer/gemma-scope-2-tiny-pt/clt"] {
        encoded(folder.path(), &golden(name), &golden(name));
    }
    assert!(found >= 24, "{found}");
}

const TEXT: &str = "The fox asked the crow for a piece of cheese, and the crow sang.";

#[test]
fn figures_of_eval_and_verify_on_wgpu_are_the_cpu_s() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (model, text) = (demo_model(), at("assets/demo/text/held-out/alice.txt"));
    let sae = at("assets/demo/saes/attn-1");
    let of = ["--model", &model, "--corpus", &text, "--tokens", "700"];
    let eval = [&["eval", "--sae", &sae], &of[..]].concat();
    let [cpu, gpu] = both(folder.path(), &eval);
    check([&cpu, &gpu], 1e-4);
    assert_eq!(on(folder.path(), "wgpu", &eval), gpu, "twice the same");
    let verify = [&["sae", "verify", &sae], &of[..]].concat();
    let [cpu, gpu] = both(folder.path(), &verify);
    check([&cpu["measured"], &gpu["measured"]], 1e-4);
}

#[test]
fn an_index_built_on_wgpu_shows_what_the_cpu_s_shows() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (model, text) = (demo_model(), at("assets/demo/text/held-out/alice.txt"));
    let sae = at("assets/demo/saes/attn-1");
    let build = |out: &'static str| {
        let args = ["index", "build", "--sae", &sae, "--model", &model];
        let more = ["--corpus", &text, "--tokens", "1000", "--out", out];
        [&args[..], &more]
            .concat()
            .iter()
            .map(|arg| (*arg).to_owned())
            .collect::<Vec<_>>()
    };
    for (device, out) in [
        ("cpu", "cpu.sqlite"),
        ("wgpu", "gpu.sqlite"),
        ("wgpu", "twice.sqlite"),
    ] {
        let args = build(out);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        on(folder.path(), device, &args);
    }
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(
        bytes("gpu.sqlite") == bytes("twice.sqlite"),
        "twice the same"
    );
    let mut active = 0;
    for feature in (0..1024).step_by(64) {
        let feature = feature.to_string();
        let [cpu, gpu] = ["cpu.sqlite", "gpu.sqlite"].map(|index| {
            let args = ["index", "show", index, "--feature", &feature, "--json"];
            umbra(folder.path(), &args).done().json()
        });
        if cpu["density"] == json!(0.0) {
            assert_eq!(gpu["density"], json!(0.0), "{feature}");
            continue;
        }
        check([&cpu, &gpu], 1e-4);
        active += 1;
    }
    assert!(active > 4, "{active} active features");
}

#[test]
fn prompt_and_dark_matter_on_wgpu_show_what_the_cpu_shows() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (model, text) = (demo_model(), at("assets/demo/text/held-out/alice.txt"));
    let sae = at("assets/demo/saes/resid-2");
    let of = ["--model", &model, "--sae", &sae];
    let prompt = [&["prompt", "--text", TEXT], &of[..]].concat();
    let [cpu, gpu] = both(folder.path(), &prompt);
    check([&cpu["tokens"], &gpu["tokens"]], 1e-4);
    let probe = at("assets/demo/kept/resid-2.probe.safetensors");
    let kept = ["--corpus", &text, "--keep", &probe, "--text", TEXT];
    let shown = [&["dark-matter", "text"], &of[..], &kept].concat();
    let [cpu, gpu] = both(folder.path(), &shown);
    check([&cpu["tokens"], &gpu["tokens"]], 1e-4);
}

#[test]
fn a_probe_fitted_on_wgpu_has_the_cpu_s_figures() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (model, sae) = (demo_model(), at("assets/demo/saes/attn-0"));
    let [fit, held_out] = ["train", "held-out"].map(|part| at(&format!("assets/demo/text/{part}")));
    let of = ["--model", &model, "--sae", &sae, "--corpus", &fit];
    let more = ["--held-out", &held_out, "--tokens", "5200"];
    let args = [&["dark-matter", "fit"], &of[..], &more].concat();
    let [cpu, gpu] = both(folder.path(), &args);
    check([&cpu, &gpu], 1e-3);
}

#[test]
fn steering_by_codes_on_wgpu_is_the_cpu_s() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (model, sae) = (demo_model(), at("assets/demo/saes/resid-2"));
    for error in ["kept", "dropped", "frozen"] {
        let edit = format!("set-feature feature=7 value=6 error={error}");
        let of = ["--model", &model, "--sae", &sae, "--edit", &edit];
        let more = ["--prompt", TEXT, "--tokens", "6", "--temperature", "0"];
        let [cpu, gpu] = both(folder.path(), &[&["steer"], &of[..], &more].concat());
        check([&cpu, &gpu], 1e-4);
    }
    // An edit that runs no dictionary names no device.
    let add = "add feature=7 strength=2";
    let of = ["--model", &model, "--sae", &sae, "--edit", add];
    let more = [
        "--prompt", TEXT, "--tokens", "2", "--device", "wgpu", "--json",
    ];
    let answer = umbra(folder.path(), &[&["steer"], &of[..], &more].concat());
    assert_eq!(answer.done().json().get("device"), None);
}

#[test]
fn a_rule_that_no_gpu_runs_is_rejected_by_name_and_auto_says_why_the_cpu_took_it() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (
        golden("sae-files/sparsify-topk"),
        folder.path().join("groups"),
    );
    std::fs::create_dir(&to).unwrap();
    std::fs::copy(
        format!("{from}/sae.safetensors"),
        to.join("sae.safetensors"),
    )
    .unwrap();
    let cfg = std::fs::read_to_string(format!("{from}/cfg.json")).unwrap();
    let groups = cfg.replace("\"topk\"", "\"groupmax\"");
    assert_ne!(groups, cfg);
    std::fs::write(to.join("cfg.json"), groups).unwrap();
    let acts = format!("{from}/io.safetensors");
    let encode = [
        "sae", "encode", "--sae", "groups", "--acts", &acts, "--out", "out",
    ];
    let auto = umbra(
        folder.path(),
        &[&encode[..], &["--device", "auto", "--json"]].concat(),
    )
    .done()
    .json();
    assert_eq!(auto["device"], "cpu");
    let why = auto["device_why"].as_str().unwrap();
    assert!(why.contains("the largest of each of 8 groups"), "{why}");
    umbra(folder.path(), &[&encode[..], &["--device", "cpu"]].concat()).done();
    let named = umbra(
        folder.path(),
        &[&encode[..], &["--device", "wgpu"]].concat(),
    );
    named.refused(&["--device", "groups"]);
    let beyond = umbra(
        folder.path(),
        &[&encode[..], &["--device", "wgpu:77"]].concat(),
    );
    beyond.refused(&["--device"]);
    let strange = umbra(
        folder.path(),
        &[&encode[..], &["--device", "cuda"]].concat(),
    );
    assert_eq!(strange.code, 2, "{strange:?}");
}
