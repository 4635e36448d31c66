//! Dictionaries fetched from a hub in this process are opened.

use std::path::Path;

use super::super::{Located, Registry, fetch, named, open};
use crate::hub::server::Server;
use crate::hub::{Hub, Name};
use crate::progress::Flow;

#[test]
fn a_dictionary_is_fetched_alone_and_opened() {
    let golden = |file: &str| {
        let path = format!(
            "{}/../tests/golden/sae-files/sparsify-topk/{file}",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read(path).unwrap()
    };
    let server = Server::start(&[
        (
            "config.json",
            br#"{"model": "EleutherAI/pythia-160m"}"#.to_vec(),
        ),
        ("layers.1/cfg.json", golden("cfg.json")),
        ("layers.1/sae.safetensors", golden("sae.safetensors")),
        ("layers.2/cfg.json", golden("cfg.json")),
        ("layers.2/sae.safetensors", golden("sae.safetensors")),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    let name = Name::of_dictionary("own/sae:layers.2").unwrap();
    let fetched = |hub: &Hub| fetch(hub, &name, &mut |_| Flow::Continue(()));
    let path = fetched(&hub).unwrap().done().unwrap();
    let (sae, _) = open(&path).unwrap();
    assert_eq!(
        sae.provenance.hook.unwrap().to_string(),
        "blocks.2.hook_resid_post"
    );
    assert_eq!(sae.provenance.model, "EleutherAI/pythia-160m");
    let log = server.log();
    assert!(log.iter().all(|line| !line.contains("layers.1")), "{log:?}");
    // What the cache holds whole is used without asking.
    assert_eq!(fetched(&hub).unwrap().done().unwrap(), path);
    assert_eq!(server.log().len(), log.len());
    let offline = Hub {
        offline: true,
        ..hub.clone()
    };
    assert_eq!(fetched(&offline).unwrap().done().unwrap(), path);
    let other = Name::of_dictionary("own/sae:layers.1").unwrap();
    let said = fetch(&offline, &other, &mut |_| Flow::Continue(())).unwrap_err();
    assert!(
        said.to_string().contains("network may not be used"),
        "{said}"
    );
    let none = Name::of_dictionary("own/sae:layers.9").unwrap();
    let said = fetch(&hub, &none, &mut |_| Flow::Continue(())).unwrap_err();
    assert!(said.to_string().contains("no dictionary there"), "{said}");
    let said = fetch(&hub, &Name::of_dictionary("own/new").unwrap(), &mut |_| {
        Flow::Break(())
    });
    assert!(said.is_err() || said.unwrap().is_stopped());
}

#[test]
fn a_dictionary_of_the_registry_is_fetched_from_where_it_says() {
    let golden = |file: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sae-lens-topk");
        std::fs::read(Path::new(folder).join(file)).unwrap()
    };
    let (cfg, weights) = (golden("cfg.json"), golden("sae_weights.safetensors"));
    let server = Server::start(&[
        ("run:v1/cfg.json", cfg.clone()),
        ("run:v1/sae_weights.safetensors", weights.clone()),
        ("run:v2/cfg.json", cfg),
        ("run:v2/sae_weights.safetensors", weights),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let path = cache.path().join("pretrained_saes.yaml");
    let text = "pack: {repo_id: own/pack, model: tiny, saes: [{id: a, path: 'run:v1', neuronpedia: tiny/1}]}\n";
    std::fs::write(&path, text).unwrap();
    let registry = Registry::open(&path).unwrap();
    let named = named("pack:a", Some(&registry)).unwrap();
    let named = named.unwrap();
    let hub = server.hub(cache.path());
    let fetched = fetch(&hub, &named.name, &mut |_| Flow::Continue(()));
    let path = fetched.unwrap().done().unwrap();
    assert_eq!(registry.known_at(&path), named.known);
    let known = named.known;
    let (sae, _) = Located { path, known }.open().unwrap();
    assert_eq!(sae.provenance.other["neuronpedia_id"], "tiny/1");
    let log = server.log();
    assert!(log.iter().all(|line| !line.contains("v2")), "{log:?}");
}
