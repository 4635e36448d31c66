//! No damage to a file makes a reader panic, wait or take more memory than the file justifies: mutations of the golden files, drawn from fixed seeds, or for as many
//! seconds as `UMBRA_FUZZ_SECONDS` says from a seed of the moment, which a failure shows.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::golden;
use crate::formats;
use crate::tensor_file::pickle::Checkpoint;
use crate::tensor_file::tests::mutate;
use crate::tensor_file::zip_tests::{Entry, archive};
use crate::tensor_file::{Archive, npz};

/// Seconds that each test of this file is to go on for, if it is to.
fn seconds() -> Option<u64> {
    std::env::var("UMBRA_FUZZ_SECONDS").ok()?.parse().ok()
}

/// Draws from `seed`, or from one of the moment.
fn chance(seed: u64) -> ChaCha8Rng {
    let moment = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_nanos() as u64)
    };
    let seed = seconds().map_or(seed, |_| moment());
    println!("seed {seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

/// `count` rounds, or as many as fit into one of `parts` equal parts of the time.
fn rounds(count: usize, parts: u32) -> impl Iterator<Item = usize> {
    let time = seconds().map(|seconds| Duration::from_secs(seconds) / parts);
    let begun = Instant::now();
    (0..).take_while(move |round| match time {
        Some(time) => begun.elapsed() < time,
        None => *round < count,
    })
}

fn mutated(bytes: &[u8], chance: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..chance.random_range(1..4) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        mutate(&mut bytes, chance);
    }
    bytes
}

/// Everything that a reader may ask of a checkpoint.
fn read_all(file: &[u8]) -> Result<usize, String> {
    let checkpoint = Checkpoint::read(file)?;
    let plain = checkpoint.plain(checkpoint.root()).to_string();
    assert!(plain.len() < 4 << 20, "{} bytes", plain.len());
    let mut floats = 0;
    for value in checkpoint.entries(checkpoint.root())?.into_values() {
        if let Some(array) = checkpoint.tensor(value) {
            floats += array?.floats().map_or(0, |floats| floats.len());
        }
    }
    assert!(
        floats <= 16 * file.len(),
        "{floats} numbers of {} bytes",
        file.len()
    );
    Ok(floats)
}

/// The entries of a golden archive.
fn entries(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let archive = Archive::read(file).unwrap();
    let names = archive.names().map(str::to_owned);
    names
        .map(|name| (name.clone(), archive.bytes(&name).unwrap().into_owned()))
        .collect()
}

fn rebuilt(entries: &[(String, Vec<u8>)], deflate: bool) -> Vec<u8> {
    let entries: Vec<Entry<'_>> = entries
        .iter()
        .map(|(name, bytes)| (name.as_str(), &bytes[..], deflate))
        .collect();
    archive(&entries)
}

#[test]
fn checkpoints() {
    let mut chance = chance(1);
    let (mut read, mut refused) = (0, 0);
    for name in [
        "openai-topk/1.pt",
        "dictionary-learning-topk/ae.pt",
        "dictionary-learning-relu/ae.pt",
    ] {
        let whole = std::fs::read(golden().join(name)).unwrap();
        let parts = entries(&whole);
        let pickle = parts
            .iter()
            .position(|(name, _)| name.ends_with("data.pkl"))
            .unwrap();
        for round in rounds(4000, 3) {
            let file = if round % 8 == 0 {
                mutated(&whole, &mut chance)
            } else {
                let mut parts = parts.clone();
                parts[pickle].1 = mutated(&parts[pickle].1, &mut chance);
                rebuilt(&parts, false)
            };
            match read_all(&file) {
                Ok(_) => read += 1,
                Err(said) => {
                    refused += 1;
                    assert!(said.len() < 1000 && said.lines().count() == 1, "{said}");
                }
            }
        }
    }
    assert!(
        read > 500 && refused > 3000,
        "{read} read, {refused} refused"
    );
}

#[test]
fn archives_of_arrays() {
    let mut chance = chance(2);
    let whole = std::fs::read(golden().join("gemma-scope/params.npz")).unwrap();
    let mut parts = entries(&whole);
    // Headers are what is mutated, so the arrays need not be long.
    for (_, bytes) in &mut parts {
        bytes.truncate(600);
    }
    let (mut read, mut refused) = (0, 0);
    for round in rounds(8000, 1) {
        let file = if round % 8 == 0 {
            mutated(&whole, &mut chance)
        } else {
            let mut parts = parts.clone();
            let at = chance.random_range(0..parts.len());
            parts[at].1 = mutated(&parts[at].1, &mut chance);
            rebuilt(&parts[at..=at], round % 2 == 0)
        };
        match npz::read(&file) {
            Ok(arrays) => {
                read += 1;
                for array in arrays.values() {
                    let _values = array.floats();
                }
            }
            Err(said) => {
                refused += 1;
                assert!(said.len() < 1000 && said.lines().count() == 1, "{said}");
            }
        }
    }
    assert!(
        read > 10 && refused > 3000,
        "{read} read, {refused} refused"
    );
}

#[test]
fn configurations_and_whole_folders() {
    let mut chance = chance(3);
    let (mut read, mut refused) = (0, 0);
    for (name, files) in [
        ("sparsify-topk", ["cfg.json", "sae.safetensors"]),
        ("dictionary-learning-topk", ["config.json", "ae.pt"]),
        (
            "sae-lens-topk-rescale-layernorm",
            ["cfg.json", "sae_weights.safetensors"],
        ),
        (
            "../circuit-tracer/across-jump-relu",
            ["W_dec_1.safetensors", "W_enc_1.safetensors"],
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        let from = golden().join(name);
        let whole = files.map(|file| std::fs::read(from.join(file)).unwrap());
        let place = |at: usize| root.path().join(files[at]);
        // What is opened, and what beside it is left as it is.
        let mut opens = root.path().to_path_buf();
        if files[0].starts_with("W_dec") {
            opens.push(files[1]);
            let config = "config.yaml";
            std::fs::copy(from.join(config), root.path().join(config)).unwrap();
        }
        std::fs::write(place(1), &whole[1]).unwrap();
        for round in rounds(600, 4) {
            let at = usize::from(round % 6 == 0);
            std::fs::write(place(0), &whole[0]).unwrap();
            let bytes = mutated(&whole[at], &mut chance);
            // A folder without its weights is no dictionary of that library.
            std::fs::write(place(at), if bytes.is_empty() { vec![0] } else { bytes }).unwrap();
            match opened(&opens) {
                Ok(()) => read += 1,
                Err(said) => {
                    refused += 1;
                    assert!(said.len() < 1500 && said.lines().count() == 1, "{said}");
                }
            }
            if at == 1 {
                std::fs::write(place(1), &whole[1]).unwrap();
            }
        }
    }
    assert!(
        read > 100 && refused > 100,
        "{read} read, {refused} refused"
    );
}

/// In the shape of SAELens's, with an alias.
const REGISTRY: &str = "&one small-res:\n  repo_id: own/small\n  model: tiny\n  config_overrides: {normalize_activations: none}\n  saes:\n  - &first {id: blocks.0, path: 0, l0: 1.5}\n  - {id: blocks.1, path: 'b:v1', norm_scaling_factor: 2}\n  - <<: *first\n";

#[test]
fn registries_and_configurations_in_yaml() {
    let mut chance = chance(5);
    let root = tempfile::tempdir().unwrap();
    let transcoder = golden().join("../circuit-tracer/across-relu");
    for name in ["W_enc_2.safetensors", "W_dec_2.safetensors"] {
        std::fs::copy(transcoder.join(name), root.path().join(name)).unwrap();
    }
    let config = std::fs::read(transcoder.join("config.yaml")).unwrap();
    let place = |name: &str| root.path().join(name);
    let (mut read, mut refused) = (0, 0);
    let mut count = |result: Result<(), String>| match result {
        Ok(()) => read += 1,
        Err(said) => {
            refused += 1;
            assert!(said.len() < 1500 && said.lines().count() == 1, "{said}");
        }
    };
    for _ in rounds(600, 1) {
        let bytes = mutated(REGISTRY.as_bytes(), &mut chance);
        std::fs::write(place("pretrained_saes.yaml"), bytes).unwrap();
        let registry = formats::Registry::open(&place("pretrained_saes.yaml"));
        count(registry.map_err(|said| said.to_string()).and_then(|all| {
            let named = formats::named("small-res:blocks.0", Some(&all));
            named.map(drop).map_err(|said| said.to_string())
        }));
        std::fs::write(place("config.yaml"), mutated(&config, &mut chance)).unwrap();
        count(opened(&place("W_enc_2.safetensors")));
    }
    assert!(read > 50 && refused > 50, "{read} read, {refused} refused");
}

#[test]
fn layers_that_no_model_has_leave_the_hook_unnamed() {
    let root = tempfile::tempdir().unwrap();
    let huge = "99999999999";
    let copied = |name: &str, files: &[(&str, &str)]| {
        for (from, to) in files {
            let to = root.path().join(to);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(golden().join(name).join(from), to).unwrap();
        }
    };
    let dictionary = root.path().join("dl");
    copied("dictionary-learning-topk", &[("ae.pt", "dl/ae.pt")]);
    let cfg = std::fs::read_to_string(golden().join("dictionary-learning-topk/config.json"));
    let cfg = cfg.unwrap().replace("layer_1", &format!("layer_{huge}"));
    std::fs::write(dictionary.join("config.json"), cfg).unwrap();
    let sparsify = format!("layers.{huge}");
    copied(
        "sparsify-topk",
        &[
            ("cfg.json", &format!("{sparsify}/cfg.json")),
            ("sae.safetensors", &format!("{sparsify}/sae.safetensors")),
        ],
    );
    let openai = format!("resid_post_mlp_v5_32k/autoencoders/{huge}.pt");
    copied("openai-topk", &[("1.pt", &openai)]);
    let gemma = format!("gemma-scope-2b-pt-res/layer_{huge}/width_16k/average_l0_8/params.npz");
    copied("gemma-scope", &[("params.npz", &gemma)]);
    for path in ["dl", &sparsify, &openai, &gemma] {
        let (sae, _) = formats::open(&root.path().join(path)).unwrap();
        assert_eq!(sae.provenance.hook, None, "{path}");
    }
}

/// Opened and used once.
fn opened(folder: &Path) -> Result<(), String> {
    let (sae, _) = formats::open(folder).map_err(|refused| refused.to_string())?;
    let x = crate::dims::Matrix::zeros(2, sae.width());
    let latents = sae.encode(&x).map_err(|refused| refused.to_string())?;
    sae.decode(&latents, &x)
        .map_err(|refused| refused.to_string())?;
    Ok(())
}
