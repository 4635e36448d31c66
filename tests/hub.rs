//! Models by name: the cache is where the environment says, a complete cache needs no network, and an unreachable hub gives one sentence.
#![cfg(unix)]

use std::fs;
use std::path::Path;

use umbra_tests::{Run, golden, names};

/// An address on which nothing listens.
const NOBODY: &str = "HF_ENDPOINT=http://127.0.0.1:9";

fn umbra_at(home: &Path, args: &[&str]) -> Run {
    // Ignore the registry of the person who runs the tests.
    umbra_with(home, &home.join("pretrained_saes.yaml"), args)
}

fn umbra_with(home: &Path, registry: &Path, args: &[&str]) -> Run {
    let registry = if registry.exists() {
        format!("UMBRA_SAE_REGISTRY={}", registry.display())
    } else {
        "UMBRA_SAE_REGISTRY=".to_owned()
    };
    let data = format!("XDG_DATA_HOME={}", home.display());
    let home = format!("HF_HOME={}", home.display());
    let program = env!("CARGO_BIN_EXE_umbra-under-test");
    let unset = [
        "-u",
        "HF_HUB_CACHE",
        "-u",
        "HF_HUB_OFFLINE",
        "-u",
        "HF_TOKEN",
        "-u",
        "VIRTUAL_ENV",
        "-u",
        "CONDA_PREFIX",
    ];
    let set = [home.as_str(), &registry, &data, NOBODY, program];
    let begin = [&unset[..], &set].concat();
    umbra_tests::run("env", Path::new("."), &[&begin, args].concat())
}

/// Creates a cache with the tiny model as `own/tiny`.
fn cache() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("hub/models--own--tiny");
    let snapshot = folder.join("snapshots/0123abcd");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(folder.join("refs")).unwrap();
    fs::write(folder.join("refs/main"), "0123abcd").unwrap();
    let tiny = golden("tiny-gpt2");
    for name in names(Path::new(&tiny)) {
        fs::copy(Path::new(&tiny).join(&name), snapshot.join(&name)).unwrap();
    }
    home
}

#[test]
fn a_cached_model_is_used_without_asking_and_keeps_its_name() {
    let home = cache();
    let info = ["--json", "model", "info", "--model", "own/tiny"];
    for args in [info.to_vec(), [&info[..], &["--offline"]].concat()] {
        let told = umbra_at(home.path(), &args).done().json();
        assert_eq!(told["name"], "own/tiny");
        let parameters = told["parameters"].as_u64().unwrap();
        assert_eq!(told["memory_bytes"].as_u64().unwrap(), 4 * parameters);
        assert_eq!(told["stored"]["F32"].as_u64().unwrap(), parameters);
    }
}

#[test]
fn what_is_not_there_is_one_sentence_with_the_name() {
    let home = cache();
    let info = ["model", "info", "--model", "own/other"];
    umbra_at(home.path(), &info).refused(&["own/other", "cannot be reached"]);
    let offline = [&info[..], &["--offline"]].concat();
    umbra_at(home.path(), &offline).refused(&["own/other", "--offline"]);
    let weights = home
        .path()
        .join("hub/models--own--tiny/snapshots/0123abcd/model.safetensors");
    fs::remove_file(weights).unwrap();
    let half = ["model", "info", "--model", "own/tiny", "--offline"];
    umbra_at(home.path(), &half).refused(&["own/tiny", "model.safetensors is missing"]);
}

/// Puts a SAELens dictionary into the cache as `own/pack:run:v1`. It expects inputs of a fixed average norm, which only a registry states.
fn with_dictionary(home: &Path) {
    let folder = home.join("hub/models--own--pack");
    let snapshot = folder.join("snapshots/0123abcd/run:v1");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(folder.join("refs")).unwrap();
    fs::write(folder.join("refs/main"), "0123abcd").unwrap();
    let from = golden("sae-lens-topk");
    let from = Path::new(&from);
    let weights = "sae_weights.safetensors";
    fs::copy(from.join(weights), snapshot.join(weights)).unwrap();
    let cfg = fs::read_to_string(from.join("cfg.json")).unwrap();
    let (plain, average) = ("\"none\"", "\"expected_average_only_in\"");
    let key = "\"normalize_activations\": ";
    assert!(cfg.contains(&format!("{key}{plain}")), "{cfg}");
    let cfg = cfg.replace(&format!("{key}{plain}"), &format!("{key}{average}"));
    fs::write(snapshot.join("cfg.json"), cfg).unwrap();
}

const REGISTRY: &str = "\
pack-res:
  repo_id: own/pack
  model: tiny
  config_overrides: {dataset_path: own/text}
  saes:
  - {id: blocks.1.hook_resid_post, path: 'run:v1', l0: 8, norm_scaling_factor: 0.5}
  - {id: layer_0, path: 0}
broken: {saes: []}
";

#[test]
fn a_name_of_the_registry_is_where_it_says_and_gets_what_it_knows() {
    let home = cache();
    with_dictionary(home.path());
    let registry = home.path().join("pretrained_saes.yaml");
    fs::write(&registry, REGISTRY).unwrap();
    let golden = golden("sae-lens-topk");
    let acts = format!("{golden}/io.safetensors");
    let out = |name: &str| home.path().join(name).display().to_string();
    let encode = |sae: &str, name: &str| {
        let args = [
            "sae",
            "encode",
            "--sae",
            sae,
            "--acts",
            &acts,
            "--out",
            &out(name),
        ];
        umbra_at(home.path(), &args).done();
        fs::read(home.path().join(name)).unwrap()
    };
    let by_name = encode("pack-res:blocks.1.hook_resid_post", "a.safetensors");
    let on_the_hub = encode("own/pack:run:v1", "b.safetensors");
    // The same norm, given by hand.
    let folded = out("folded");
    let convert = [
        "sae",
        "convert",
        &golden,
        &folded,
        "--to",
        "sae-lens",
        "--fold",
        "scale=0.5",
    ];
    umbra_at(home.path(), &convert).done();
    assert!(by_name == encode(&folded, "c.safetensors"));
    assert!(by_name == on_the_hub);
    assert!(by_name != encode(&golden, "d.safetensors"));
    let verify = ["--json", "sae", "verify", "own/pack:run:v1"];
    let told = umbra_at(home.path(), &verify).done().json();
    assert!(told["decided"].to_string().contains("by 0.5"), "{told}");
    let claims = told["claims"].as_array().unwrap();
    assert!(
        claims
            .iter()
            .any(|claim| claim["from"] == "l0 of the registry" && claim["claimed"] == 8.0)
    );
}

#[test]
fn the_registry_is_listed_and_says_where_it_is_looked_for() {
    let home = cache();
    let name = "pack-res:blocks.1.hook_resid_post";
    let info = ["sae", "info", name];
    umbra_at(home.path(), &info).refused(&[name, "UMBRA_SAE_REGISTRY"]);
    let list = ["--json", "sae", "registry"];
    umbra_at(home.path(), &list).refused(&["pretrained_saes.yaml", "umbra", "sae-lens"]);

    // The registry in Umbra's data folder, in a Python environment, and named by the variable.
    let registry = home.path().join("umbra/pretrained_saes.yaml");
    fs::create_dir_all(registry.parent().unwrap()).unwrap();
    fs::write(&registry, REGISTRY).unwrap();
    if cfg!(target_os = "linux") {
        let told = umbra_at(home.path(), &list).done().json();
        assert_eq!(told["releases"][0]["name"], "pack-res");
        assert_eq!(told["releases"][0]["dictionaries"], 2);
    }
    let at = |args: &[&str]| umbra_with(home.path(), &registry, args);
    let told = at(&[&list[..], &["pack-res"]].concat()).done().json();
    assert_eq!(told["dictionaries"][0]["name"], name);
    assert_eq!(told["dictionaries"][0]["l0"], 8.0);
    assert_eq!(told["dictionaries"][1]["path"], "0");
    let shown = at(&["sae", "registry", "TINY"]).done();
    assert!(
        shown.out.contains("pack-res") && shown.err.contains("Skipped broken of the registry"),
        "{shown:?}"
    );
    at(&["sae", "registry", "nothing", "such"]).refused(&["nothing such"]);
    at(&["sae", "info", "pack-re:x"]).refused(&["no release `pack-re`", "pack-res"]);
    at(&["sae", "info", "pack-res:blocks.7.hook_resid_post"])
        .refused(&["has 2 dictionaries", name]);
    fs::write(&registry, "a: [").unwrap();
    at(&info).refused(&["not valid YAML", "pretrained_saes.yaml"]);
}

#[test]
fn the_registry_of_an_installed_sae_lens_is_found() {
    let home = cache();
    for (python, release) in [("python3.9", "older"), ("python3.12", "newer")] {
        let package = home
            .path()
            .join(format!("venv/lib/{python}/site-packages/sae_lens"));
        fs::create_dir_all(&package).unwrap();
        let text =
            format!("{release}: {{repo_id: own/pack, model: tiny, saes: [{{id: a, path: b}}]}}\n");
        fs::write(package.join("pretrained_saes.yaml"), text).unwrap();
    }
    let venv = format!("VIRTUAL_ENV={}", home.path().join("venv").display());
    let data = format!("XDG_DATA_HOME={}", home.path().display());
    let program = env!("CARGO_BIN_EXE_umbra-under-test");
    let args = [
        &venv,
        &data,
        "UMBRA_SAE_REGISTRY=",
        program,
        "--json",
        "sae",
        "registry",
    ];
    let told = umbra_tests::run("env", Path::new("."), &args).done().json();
    assert_eq!(told["releases"][0]["name"], "newer");
}
