//! Models fetched from a hub in this process are opened.

use super::Model;
use crate::hub::Hub;
use crate::hub::server::{Server, fetch, golden};

#[test]
fn a_fetched_model_opens_and_is_called_as_on_the_hub() {
    let server = Server::start(&golden());
    let cache = tempfile::tempdir().unwrap();
    let path = fetch(&server.hub(cache.path()), "own/tiny").unwrap();
    let (model, _) = Model::open(&path).unwrap();
    assert_eq!(model.name(), "own/tiny");
}

#[test]
fn a_renamed_model_is_found() {
    let server = Server::start(&golden());
    let cache = tempfile::tempdir().unwrap();
    server.set(|hub| hub.moved = true);
    let path = fetch(&server.hub(cache.path()), "own/tiny").unwrap();
    Model::open(&path).unwrap();
}

#[test]
fn a_model_from_before_safetensors_is_fetched_with_its_two_vocabulary_files() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/torch-folders/"
    );
    let settings = [
        "added_tokens.json",
        "config.json",
        "merges.txt",
        "special_tokens_map.json",
        "tokenizer_config.json",
        "vocab.json",
    ];
    let read = |path: String| std::fs::read(format!("{folder}{path}")).unwrap();
    let mut single: Vec<(&str, Vec<u8>)> = settings
        .into_iter()
        .map(|name| (name, read(format!("single/{name}"))))
        .collect();
    let mut sharded = single.clone();
    single.push((
        "pytorch_model.bin",
        read("single/pytorch_model.bin".to_owned()),
    ));
    for name in [
        "pytorch_model-00001-of-00002.bin",
        "pytorch_model-00002-of-00002.bin",
        "pytorch_model.bin.index.json",
    ] {
        sharded.push((name, read(format!("sharded/{name}"))));
    }
    for mut files in [single, sharded] {
        files.push(("tf_model.h5", b"not read".to_vec()));
        let server = Server::start(&files);
        let cache = tempfile::tempdir().unwrap();
        let path = fetch(&server.hub(cache.path()), "own/older").unwrap();
        let (model, _) = Model::open(&path).unwrap();
        assert_eq!(model.codec().vocab_size(), 301);
        assert!(!path.join("tf_model.h5").exists());
        let offline = Hub {
            offline: true,
            ..server.hub(cache.path())
        };
        assert_eq!(fetch(&offline, "own/older").unwrap(), path);
    }
}
