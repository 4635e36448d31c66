//! Every family against transformers at every hook, with either age of configuration; what families refuse; what missing keys mean.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde_json::Value;

use crate::error::Error;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::models::read_tensors;
use crate::models::verify::{self, Verification};

/// Folders of `tests/golden` (with `tiny-` before) and of `../shared/data/tiny-models`.
const TINY: [&str; 10] = [
    "gpt2", "gpt-neo", "gpt-neox", "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3",
];

fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

/// A copy of a model whose `config.json` is `config`.
fn with_config(folder: &Path, config: &Value) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(
        folder.join("model.safetensors"),
        copy.path().join("model.safetensors"),
    )
    .unwrap();
    std::fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    copy
}

fn config(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

fn verified(model: &Path, reference: &Path) -> Verification {
    let model = Model::open(model).unwrap().0;
    let reference = read_tensors(&reference.join("reference.safetensors")).unwrap();
    let compared = verify::against(&model, &reference, &mut |_| ControlFlow::Continue(()))
        .unwrap()
        .into_value();
    assert_eq!(compared.rows.len() + 1, reference.len());
    compared
}

/// All tensors of the reference in `folder`, from both of its configurations.
#[track_caller]
fn check(folder: &Path) -> f64 {
    let mut worst = 0.0_f64;
    for name in ["config.json", "config-v4.json"] {
        let copy = with_config(folder, &config(folder, name));
        let compared = verified(copy.path(), folder);
        let (share, row) = compared.worst().unwrap();
        assert!(compared.agrees(), "{name} of {}: {row:?}", folder.display());
        worst = worst.max(share);
    }
    worst
}

#[test]
fn every_family_equals_transformers_at_hooks_and_gradients() {
    for tiny in TINY {
        let folder = repository("tests/golden").join(format!("tiny-{tiny}"));
        let share = check(&folder);
        assert!(share > 1e-6, "{tiny} is compared with itself");
    }
}

#[test]
fn every_family_equals_transformers_at_all_hooks_of_all_layers() {
    for tiny in TINY {
        let folder = repository("../shared/data/tiny-models").join(tiny);
        if !folder.exists() {
            println!("skipped: {} is absent", folder.display());
            continue;
        }
        println!("{tiny}: {:.3} of the tolerance", check(&folder));
    }
}

#[test]
fn every_setting_that_changes_the_arithmetic_is_honoured() {
    let folder = repository("tests/golden/variants");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 30);
    for variant in names {
        let compared = verified(&variant, &variant);
        assert!(
            compared.agrees(),
            "{}: {:?}",
            variant.display(),
            compared.worst()
        );
        let model = Model::open(&variant).unwrap().0;
        let itself = verify::itself(&model, &mut |_| ControlFlow::Continue(()))
            .unwrap()
            .into_value();
        assert!(
            itself.agrees(),
            "{}: {:?}",
            variant.display(),
            itself.worst()
        );
    }
}

#[test]
fn rotated_heads_and_results_are_those_of_transformer_lens() {
    for (tiny, tensors) in [("gpt2", 1), ("llama", 3), ("gemma3", 3)] {
        let model = repository("tests/golden").join(format!("tiny-{tiny}"));
        let model = Model::open(&model).unwrap().0;
        let values = format!("tests/golden/transformer-lens/{tiny}.safetensors");
        let values = read_tensors(&repository(&values)).unwrap();
        let compared = verify::against(&model, &values, &mut |_| ControlFlow::Continue(()));
        let compared = compared.unwrap().into_value();
        assert!(compared.agrees(), "{tiny}: {:?}", compared.worst());
        assert_eq!(compared.rows.len(), tensors);
    }
}

#[test]
fn a_nudged_value_a_missing_name_and_another_shape_are_seen() {
    let folder = repository("tests/golden/tiny-gemma2");
    let model = Model::open(&folder).unwrap().0;
    let path = folder.join("reference.safetensors");
    let name = "grad.blocks.1.attn.hook_z";
    let against = |change: &dyn Fn(&Tensor) -> (String, Tensor)| {
        let mut reference = read_tensors(&path).unwrap();
        let (name, value) = change(&reference.remove(name).unwrap());
        reference.insert(name.clone(), value);
        let all = verify::against(&model, &reference, &mut |_| ControlFlow::Continue(()));
        let compared = all.unwrap().into_value();
        let row = compared.rows.iter().find(|row| row.name == name).unwrap();
        assert_eq!(row.agrees(), compared.agrees());
        row.clone()
    };
    assert!(against(&|value| (name.to_owned(), value.clone())).agrees());
    let nudged = against(&|value| (name.to_owned(), (value + 2e-4).unwrap()));
    assert!(!nudged.agrees() && nudged.difference > 1e-4, "{nudged:?}");
    let short = against(&|value| (name.to_owned(), value.narrow(1, 0, 3).unwrap()));
    assert!(short.problem.unwrap().contains("shape"));
    let renamed = against(&|value| ("blocks.1.hook_none".to_owned(), value.clone()));
    assert!(renamed.problem.unwrap().contains("hook_none"));
}

#[test]
fn models_agree_with_themselves() {
    for tiny in TINY {
        let model = Model::open(&repository("tests/golden").join(format!("tiny-{tiny}")));
        let model = model.unwrap().0;
        let compared = verify::itself(&model, &mut |_| ControlFlow::Continue(()))
            .unwrap()
            .into_value();
        assert!(compared.agrees(), "{tiny}: {:?}", compared.worst());
        assert!(compared.rows.len() > 5 * model.config().layers);
    }
}

#[test]
fn a_hook_that_a_family_lacks_is_named_with_those_it_has() {
    let lacks = |tiny: &str, hook: &str, has: &str| {
        let model = Model::open(&repository("tests/golden").join(format!("tiny-{tiny}")));
        let model = model.unwrap().0;
        let hook: HookPoint = hook.parse().unwrap();
        let refused = model.check_hook(hook).unwrap_err().to_string();
        assert!(refused.contains(has) && !model.hooks().any(|has| has == hook));
        assert!(model.capture(&tokens(&[1, 2]), &[hook]).is_err());
    };
    lacks("gpt-neox", "blocks.0.hook_resid_mid", "hook_attn_out");
    lacks("gpt2", "blocks.0.attn.hook_rot_q", "hook_pos_embed");
    lacks("gpt2", "blocks.1.mlp.hook_pre_linear", "mlp.hook_pre");
    lacks("llama", "hook_pos_embed", "attn.hook_rot_k");
    lacks("llama", "blocks.3.hook_resid_pre", "blocks.2");
}

fn tokens(ids: &[u32]) -> Tensor {
    Tensor::new(ids, &Device::Cpu)
        .unwrap()
        .unsqueeze(0)
        .unwrap()
}

/// The error of the model `tiny` whose configuration `change` has changed.
fn refused(tiny: &str, change: &Value) -> Error {
    let folder = repository("tests/golden").join(format!("tiny-{tiny}"));
    let mut config = config(&folder, "config.json");
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    let copy = with_config(&folder, &config);
    match Model::open(copy.path()) {
        Ok(_) => panic!("{tiny} takes {change}"),
        Err(error) => error,
    }
}

/// Family, what its `config.json` says instead, what the refusal names.
const REFUSED: &str = r#"
gpt2 | {"activation_function": "mish"} | mish
gpt2 | {"activation_function": 3} | activation_function
gpt2 | {"add_cross_attention": true} | add_cross_attention
gpt2 | {"scale_attn_weights": "yes"} | scale_attn_weights
gpt2 | {"n_head": 5} | 5 heads
gpt-neo | {"attention_types": [[["global"], 1]]} | attention_types
gpt-neo | {"attention_types": [[["global", "near"], 1]]} | `near`
gpt-neo | {"attention_types": [[["global"], 1152921504606846976]]} | attention_types
gpt-neox | {"rope_theta": 20000.0} | rope_theta
gpt-neox | {"rope_parameters": {"rope_type": "axial"}} | `axial`
llama | {"rope_parameters": {"rope_type": "linear"}} | `factor`
llama | {"partial_rotary_factor": 0.5} | partial_rotary_factor
llama | {"num_key_value_heads": 3} | 3 key/value heads
llama | {"hidden_size": "wide"} | `hidden_size`
llama | {"hidden_size": 1152921504606846976} | `hidden_size`
llama | {"head_dim": 1073741824} | q_proj
llama | {"num_hidden_layers": 1073741824} | layers.3.
llama | {"quantization_config": {}} | quantization_config
mistral | {"attention_bias": true} | attention_bias
mistral | {"layer_types": ["full_attention", "full_attention", "full_attention"]} | layer_types
qwen2 | {"use_mrope": true} | use_mrope
qwen2 | {"layer_types": ["full_attention"]} | layer_types
qwen3 | {"layer_types": ["full_attention", "chunked_attention", "full_attention"]} | chunked_attention
gemma2 | {"use_bidirectional_attention": true} | use_bidirectional_attention
gemma2 | {"attn_logit_softcapping": -1.0} | attn_logit_softcapping
gemma2 | {"sliding_window": null} | sliding_window
gemma3 | {"attn_logit_softcapping": 50.0} | attn_logit_softcapping
gemma3 | {"rope_parameters": {"rope_theta": 1.0}} | rope_theta
phi3 | {"rope_scaling": {"type": "linear", "factor": 2.0}} | `linear`
phi3 | {"rope_scaling": {"type": "su", "short_factor": [1.0], "long_factor": [1.0]}} | short_factor
"#;

#[test]
fn settings_that_are_not_honoured_are_refused_by_name() {
    for line in REFUSED.trim().lines() {
        let [tiny, change, name] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let error = refused(tiny, &serde_json::from_str(change).unwrap()).to_string();
        assert!(error.contains(name), "{line}: {error}");
    }
}

/// Values that no key expects, or that no key should take.
fn hostile() -> Vec<Value> {
    let text = r#"[null, true, -1, 0, 1e300, 1073741824, 1152921504606846976, "x", [], {"x": []}, [[["global"], 1073741824]]]"#;
    serde_json::from_str(text).unwrap()
}

#[test]
fn any_value_under_any_key_is_taken_or_refused_in_one_line() {
    // Of keys that a loader may read.
    let unread = [
        "drop",
        "pdrop",
        "summary",
        "architectures",
        "version",
        "initializer",
        "cache",
    ];
    for tiny in ["gpt2", "gpt-neo", "gpt-neox", "qwen3", "gemma3", "phi3"] {
        let folder = repository("tests/golden").join(format!("tiny-{tiny}"));
        let config = config(&folder, "config-v4.json");
        let copy = with_config(&folder, &config);
        let mut keys: Vec<String> = config.as_object().unwrap().keys().cloned().collect();
        keys.retain(|key| !unread.iter().any(|word| key.contains(word)));
        keys.extend(
            [
                "rope_scaling",
                "rope_parameters",
                "layer_types",
                "text_config",
            ]
            .map(str::to_owned),
        );
        let (mut taken, mut refused) = (0, 0);
        for key in keys {
            for value in hostile() {
                let mut changed = config.clone();
                changed[&key] = value;
                std::fs::write(copy.path().join("config.json"), changed.to_string()).unwrap();
                match Model::open(copy.path()) {
                    Ok(_) => taken += 1,
                    Err(error) => {
                        assert!(!error.to_string().contains('\n'), "{key}: {error}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(
            taken > 50 && refused > 50,
            "{tiny}: {taken} taken, {refused} refused"
        );
    }
}
