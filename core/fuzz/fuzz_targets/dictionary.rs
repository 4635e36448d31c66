//! Any bytes as the configuration of a dictionary whose weights are whole, for each library that has one: a dictionary, or refused in one sentence.
#![no_main]

use libfuzzer_sys::fuzz_target;
use umbra_core::formats;

/// A safetensors file of 2 features of width 2, each tensor of ones under the names of several libraries.
fn weights(names: &[(&str, &str, usize)]) -> Vec<u8> {
    let (mut header, mut end) = (String::from("{"), 0);
    for (name, shape, count) in names {
        let begin = end;
        end += 4 * count;
        let comma = if begin == 0 { "" } else { "," };
        header += &format!("{comma}\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}");
    }
    header += "}";
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    for _ in 0..end / 4 {
        file.extend(1.0_f32.to_le_bytes());
    }
    file
}

const FOLDERS: [(&str, &str, &[(&str, &str, usize)]); 5] = [
    (
        "cfg.json",
        "sae_weights.safetensors",
        &[
            ("W_enc", "[2,2]", 4),
            ("b_enc", "[2]", 2),
            ("W_dec", "[2,2]", 4),
            ("b_dec", "[2]", 2),
            ("threshold", "[2]", 2),
            ("b_gate", "[2]", 2),
            ("b_mag", "[2]", 2),
            ("r_mag", "[2]", 2),
            ("W_skip", "[2,2]", 4),
            ("topk_threshold", "[]", 1),
        ],
    ),
    (
        "cfg.json",
        "sae.safetensors",
        &[("encoder.weight", "[2,2]", 4), ("encoder.bias", "[2]", 2), ("W_dec", "[2,2]", 4), ("b_dec", "[2]", 2), ("W_skip", "[2,2]", 4)],
    ),
    (
        "config.json",
        "sae_weights.safetensors",
        &[
            ("W_E", "[2,2]", 4),
            ("b_E", "[2]", 2),
            ("W_D", "[2,2]", 4),
            ("b_D", "[2]", 2),
            ("activation_function.log_jumprelu_threshold", "[2]", 2),
            ("dataset_average_activation_norm.blocks.0.hook_resid_post", "[]", 1),
        ],
    ),
    (
        "hyperparams.json",
        "checkpoints/final.safetensors",
        &[("encoder.weight", "[2,2]", 4), ("encoder.bias", "[2]", 2), ("decoder.weight", "[2,2]", 4), ("decoder.bias", "[2]", 2)],
    ),
    (
        "config.yaml",
        "layer_0.safetensors",
        &[("W_enc", "[2,2]", 4), ("b_enc", "[2]", 2), ("W_dec", "[2,2]", 4), ("b_dec", "[2]", 2)],
    ),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let (config, file, tensors) = FOLDERS[*which as usize % FOLDERS.len()];
    let folder = tempfile::tempdir().expect("room for a folder");
    std::fs::create_dir(folder.path().join("checkpoints")).expect("room for a folder");
    std::fs::write(folder.path().join(config), bytes).expect("room for a file");
    std::fs::write(folder.path().join(file), weights(tensors)).expect("room for a file");
    match formats::open(folder.path()) {
        Ok((sae, _)) => assert_eq!((sae.features(), sae.width()), (2, 2)),
        Err(refused) => assert_eq!(refused.to_string().lines().count(), 1, "{refused}"),
    }
});
