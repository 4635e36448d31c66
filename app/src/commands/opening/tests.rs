//! Looking, fetching and opening for real: a folder, names in the hub's cache and beyond it.

use umbra_core::hub::Hub;
use umbra_core::models::Form;

use super::*;
use crate::testing::Desk;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The dialog, shown, with a hub that nobody answers for.
fn shown(cache: &Path) -> Desk {
    shown_for(cache, Kind::Model)
}

/// Opens the dialog for a model or a dictionary.
fn shown_for(cache: &Path, kind: Kind) -> Desk {
    let mut desk = Desk::new(AppState::default());
    let hub = Hub {
        endpoint: "http://127.0.0.1:9".to_owned(),
        cache: cache.to_path_buf(),
        token: None,
        offline: false,
    };
    desk.state
        .apply(Event::Opening(opening::Event::Shown(Some((kind, hub)))));
    desk
}

fn look_at(desk: &mut Desk, source: &str) {
    let kind = desk.state.opening.kind;
    desk.run(Command::Source(kind, source.into()));
}

#[test]
fn a_folder_tells_what_it_takes_before_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = shown(folder.path());
    look_at(
        &mut desk,
        &repository("assets/demo/model").display().to_string(),
    );
    let Load::Ready(Looked::Here(found)) = &desk.state.opening.looked else {
        panic!("{:?}", desk.state.opening.looked);
    };
    let footprint = found.card.footprint.clone();
    assert_eq!(footprint.memory_bytes, 4 * footprint.parameters);
    assert!(
        found.fits() && desk.state.model().is_none(),
        "nothing is read yet"
    );
    // Kept as stored concerns GGUF files alone, and is looked at anew.
    desk.run(Command::How(Form::Stored.into()));
    let request = desk.state.opening.looked_at.clone().unwrap();
    assert_eq!(request.how, Form::Stored.into());
    desk.run(Command::Open);
    assert!(!desk.state.opening.shown);
    let model = &desk.state.model().unwrap().model;
    assert_eq!(model.footprint(), &footprint);
}

#[test]
fn a_dictionary_of_another_library_tells_its_shape_before_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = shown_for(folder.path(), Kind::Dictionary);
    let file = repository("tests/golden/sae-files/openai-topk/1.pt");
    look_at(&mut desk, &file.display().to_string());
    let Load::Ready(Looked::Dictionary(found)) = &desk.state.opening.looked else {
        panic!("{:?}", desk.state.opening.looked);
    };
    assert_eq!(found.look.format, formats::Format::OpenAi);
    assert_eq!(found.look.shape, Some([128, 32]));
    assert!(found.fits() && desk.state.dictionary().is_none());
    desk.run(Command::Open);
    assert!(!desk.state.opening.shown);
    let dictionaries = &desk.state.catalogue.dictionaries;
    let loaded = dictionaries[0].load.ready().unwrap();
    assert_eq!(loaded.sae.features(), 128);
    look_at(&mut desk, "no such place");
    let failure = desk.state.opening.looked.failure().unwrap();
    assert!(failure.contains("neither a local dictionary"), "{failure}");
    look_at(&mut desk, "own/tiny:layer_1");
    let hub_name = matches!(desk.state.opening.looked, Load::Ready(Looked::OnHub(_)));
    assert!(hub_name, "{:?}", desk.state.opening.looked);
}

#[test]
fn one_layer_of_a_cross_layer_transcoder_is_chosen_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = shown_for(folder.path(), Kind::Dictionary);
    let clt = repository("tests/golden/circuit-tracer/across-relu");
    look_at(&mut desk, &clt.display().to_string());
    desk.run(Command::Layer(9));
    desk.run(Command::Layer(1));
    let Load::Ready(Looked::Dictionary(found)) = &desk.state.opening.looked else {
        panic!("{:?}", desk.state.opening.looked);
    };
    assert_eq!(
        (found.look.layers.len(), found.look.shape),
        (3, Some([20, 8]))
    );
    // W_enc 20 × 8, W_dec 20 × 2 × 8, b_enc 20, b_dec 8.
    assert_eq!(found.look.layer_bytes(1), 4 * (160 + 320 + 28));
    assert!(found.fits() && found.opens().ends_with("W_enc_1.safetensors"));
    desk.run(Command::Open);
    let loaded = desk.state.catalogue.dictionaries[0].load.ready().unwrap();
    assert_eq!((loaded.sae.width(), loaded.sae.w_dec.columns()), (8, 16));
    let said = loaded.sae.writes().unwrap_err().to_string();
    assert!(said.contains("one later layer"), "{said}");
}

#[test]
fn a_name_is_found_in_the_cache_or_fetched_and_says_so_without_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = shown(folder.path());
    look_at(&mut desk, "own/tiny");
    let Load::Ready(Looked::OnHub(name)) = desk.state.opening.looked.clone() else {
        panic!("{:?}", desk.state.opening.looked);
    };
    desk.run(Command::Fetch(name));
    let failure = desk.state.opening.looked.failure().unwrap();
    assert!(
        failure.contains("cannot be reached") && failure.contains("own/tiny"),
        "{failure}"
    );
    assert_eq!(desk.state.opening.fetching, None);

    let model = folder.path().join("models--own--tiny");
    let snapshot = model.join("snapshots/0123abc");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir(model.join("refs")).unwrap();
    std::fs::write(model.join("refs/main"), "0123abc").unwrap();
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        let from = repository("tests/golden/tiny-gpt2").join(file);
        std::fs::copy(from, snapshot.join(file)).unwrap();
    }
    look_at(&mut desk, "own/tiny@main");
    desk.run(Command::Open);
    let model = &desk.state.model().unwrap().model;
    assert_eq!((model.name(), model.config().layers), ("own/tiny", 3));
}

#[test]
fn what_is_neither_here_nor_a_name_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = shown(folder.path());
    look_at(&mut desk, "no such place");
    let failure = desk.state.opening.looked.failure().unwrap();
    assert!(
        failure.contains("no such folder") && failure.contains("no such place"),
        "{failure}"
    );
    look_at(&mut desk, &folder.path().display().to_string());
    let failure = desk.state.opening.looked.failure().unwrap();
    assert!(failure.contains("config.json"), "{failure}");
    desk.run(Command::Open);
    assert!(desk.state.catalogue.model_path.is_none());
}

/// A registry of one dictionary, which lies at `layer_1` of `own/pack` and takes inputs times 2.
fn registry(folder: &Path) -> std::sync::Arc<Registry> {
    let path = folder.join("pretrained_saes.yaml");
    let text = "pack-res: {repo_id: own/pack, model: tiny, saes: [{id: layer_1, path: layer_1, norm_scaling_factor: 2}, {id: layer_2, path: b}]}\n";
    std::fs::write(&path, text).unwrap();
    std::sync::Arc::new(Registry::open(&path).unwrap())
}

#[test]
fn a_name_of_the_registry_is_looked_for_where_it_says_and_read_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = shown_for(folder.path(), Kind::Dictionary);
    let read = opening::Event::Registry(registry(folder.path()));
    desk.state.apply(Event::Opening(read));
    look_at(&mut desk, "pack-res:layer_1");
    let Load::Ready(Looked::OnHub(name)) = &desk.state.opening.looked else {
        panic!("{:?}", desk.state.opening.looked);
    };
    assert_eq!(name.to_string(), "own/pack:layer_1");
    look_at(&mut desk, "pack-res:layer_9");
    let failure = desk.state.opening.looked.failure().unwrap();
    assert!(failure.contains("pack-res:layer_1"), "{failure}");

    let pack = folder.path().join("models--own--pack");
    let snapshot = pack.join("snapshots/0123abc/layer_1");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir(pack.join("refs")).unwrap();
    std::fs::write(pack.join("refs/main"), "0123abc").unwrap();
    for file in ["cfg.json", "sae_weights.safetensors"] {
        let from = repository("tests/golden/sae-lens-topk").join(file);
        std::fs::copy(from, snapshot.join(file)).unwrap();
    }
    look_at(&mut desk, "pack-res:layer_1");
    desk.run(Command::Open);
    let loaded = desk.state.catalogue.dictionaries[0].load.ready().unwrap();
    let notes: Vec<&str> = loaded.notes.iter().collect();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("lists it as pack-res:layer_1")),
        "{notes:?}"
    );
}

#[test]
fn what_is_typed_brings_up_releases_and_then_their_dictionaries() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = shown_for(folder.path(), Kind::Dictionary);
    let read = opening::Event::Registry(registry(folder.path()));
    desk.state.apply(Event::Opening(read));
    let lines = |desk: &mut Desk, typed: &str| -> Vec<String> {
        desk.run(Command::Typed(typed.to_owned()));
        let (lines, _) = &desk.state.opening.suggestions;
        lines.iter().map(|line| line.source.clone()).collect()
    };
    assert_eq!(lines(&mut desk, "tin"), ["pack-res:"]);
    assert_eq!(
        lines(&mut desk, "pack-res:"),
        ["pack-res:layer_1", "pack-res:layer_2"]
    );
    assert_eq!(lines(&mut desk, "pack-res:_2"), ["pack-res:layer_2"]);
    assert!(lines(&mut desk, "pack-res:layer_2").is_empty());
    assert!(lines(&mut desk, "./folder").is_empty());
    assert!(lines(&mut desk, "").is_empty());
}
